#!/usr/bin/env bash
# The alert rules hold: promtool checks them, each fires when it should and only then (rules.test.yaml), and each has its
# section in the runbook. Skipped without promtool (tools/get-promtool).
# shellcheck source=../lib/harness.sh
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
RULES=$PH_SOURCE/config/prometheus/phonehome.rules.yaml
CASES=$PH_SOURCE/tests/prometheus/rules.test.yaml
RUNBOOK=docs/operations/monitoring.md

test_begin "alert rules"

alerts() {
    sed -n 's/^ *- alert: //p' "$RULES"
}

# headings FILE: as the anchors that links use.
headings() {
    sed -n 's/^##* //p' "$1" | tr '[:upper:]' '[:lower:]' | tr -d '`' | tr ' ' '-'
}

# [MET-13]
missing=$(comm -23 <(alerts | sort) <(sed -n 's/^  - name: \(.*\) fires$/\1/p' "$CASES" | sort -u)
    comm -23 <(alerts | sort) <(sed -n 's/^  - name: \(.*\) quiet$/\1/p' "$CASES" | sort -u))
if [ -z "$missing" ]; then ok "$(alerts | wc -l) alerts, each with a case that fires and one that does not"; else fail "cases missing: $missing"; fi
missing=$(comm -23 <(alerts | tr '[:upper:]' '[:lower:]' | sort) <(headings "$PH_SOURCE/$RUNBOOK" | sort))
if [ -z "$missing" ]; then ok "each has its section in $RUNBOOK"; else fail "no section in $RUNBOOK: $missing"; fi
missing=$(comm -23 <(alerts | tr '[:upper:]' '[:lower:]' | sort) \
    <(sed -n "s,^ *runbook_url: $RUNBOOK#,,p" "$RULES" | sort))
if [ -z "$missing" ]; then ok "and links to it"; else fail "no link: $missing"; fi

promtool=$("$PH_SOURCE/tools/get-promtool" --cached 2>/dev/null) || {
    [ "$FAIL_COUNT" = 0 ] && skip "no promtool: install prometheus, or run tools/get-promtool"
    test_end
}
expect_ok "promtool accepts the rules" "$promtool" check rules "$RULES"
cp "$RULES" "$CASES" "$WORK/"
expect_ok "each fires when it should, and only then" "$promtool" test rules "$WORK/rules.test.yaml"

# A rule that never fires, and one that always does, are found.
cd "$WORK" || exit 1
sed -i 's/phonehome_ingest_connected == 0/phonehome_ingest_connected == 2/' phonehome.rules.yaml
expect_refused "a rule that never fires is found" 'PhonehomeIngestNotConnected' "$promtool" test rules rules.test.yaml
sed 's/phonehome_ingest_ack_lag_seconds > 30/phonehome_ingest_ack_lag_seconds >= 0/' "$RULES" >phonehome.rules.yaml
expect_refused "a rule that fires too early is found" 'PhonehomeIngestLags' "$promtool" test rules rules.test.yaml
test_end
