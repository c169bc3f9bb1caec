#!/usr/bin/env bash
# What the alert rules and the specification name is what running programs write: the text files of plugin, ingest and
# registrar on a real broker.
# shellcheck source=../lib/harness.sh
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
# shellcheck source=../lib/broker.sh
. "$PH_SOURCE/tests/lib/broker.sh"
test_begin "names of metrics"
# shellcheck source=../life/stage.sh
. "$PH_SOURCE/tests/life/stage.sh"

case ${PH_SANITIZE:-} in
thread*) skip "the broker itself is not built for the thread sanitizer" ;;
esac

make_authority
write_configuration
sed -i "s,^#metrics: .*,metrics: $WORK/ingest.prom," "$WORK/ingest.yaml"
sed -i "s,^#metrics: .*,metrics: $WORK/registrar.prom," "$WORK/registrar.yaml"
sed -i "s,^#plugin_opt_metrics .*,plugin_opt_metrics $WORK/plugin.prom," "$WORK/mosquitto.conf"
start_stage
for file in plugin ingest registrar; do
    wait_for 40 test -s "$WORK/$file.prom" || die "$file.prom is not written"
done

# names FILE...: of the metrics in them.
produced() {
    sed -n 's/^# TYPE \([a-z0-9_]*\) .*/\1/p' "$WORK"/*.prom | sort -u
}

named_in() {
    grep -hoE '\bphonehome_[a-z0-9_]+' "$@" | sort -u
}

# [MET-13]
unknown=$(comm -23 <(named_in "$PH_SOURCE/config/prometheus/phonehome.rules.yaml") <(produced))
if [ -z "$unknown" ]; then ok "rules name nothing else"; else fail "rules name what nobody writes: $unknown"; fi
unknown=$(comm -3 <(named_in "$PH_SOURCE/docs/spec/metrics.md") <(produced))
if [ -z "$unknown" ]; then
    ok "docs/spec/metrics.md names all $(produced | wc -l), and nothing else"
else
    fail "docs/spec/metrics.md and the files differ: $unknown"
fi
test_end
