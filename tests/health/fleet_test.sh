#!/usr/bin/env bash
# ph-fleet health beside a fleet that runs, whose broker goes away, and whose supervisor is killed.
# shellcheck source=../lib/harness.sh
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
# shellcheck source=../lib/broker.sh
. "$PH_SOURCE/tests/lib/broker.sh"
test_begin "health of a fleet"
# shellcheck source=../life/stage.sh
. "$PH_SOURCE/tests/life/stage.sh"
# shellcheck source=../fleet/stage.sh
. "$PH_SOURCE/tests/fleet/stage.sh"

case ${PH_SANITIZE:-} in
thread*) skip "the broker itself is not built for the thread sanitizer" ;;
esac

fleet_health() {
    "$PH_BIN/ph-fleet" health --dir "$WORK/f"
}

fleet_says() { # STATUS REGEX: one line
    local said status=0
    said=$(fleet_health 2>&1) || status=$?
    [ "$status" = "$1" ] && [ "$(wc -l <<<"$said")" = 1 ] && grep -Eq -- "$2" <<<"$said"
}

expect_says() { # TEXT SECONDS STATUS REGEX
    if wait_for "$2" fleet_says "$3" "$4"; then ok "$1"; else fail "$1: want $3 and /$4/: $(fleet_health 2>&1)"; fi
}

make_authority
write_configuration
start_stage

# [HLT-33]
expect_refused "without a folder" '--dir: want the folder of a run' "$PH_BIN/ph-fleet" health
expect_says "no fleet there" 1 1 '/f: no fleet runs in this folder'

# [HLT-30]
start_fleet f 'devices: 6' --duration 0 --workers 2
expect_says "all are connected" 30 0 '^healthy: 6 of 6 devices connected, 0 kept off by an act$'

# [HLT-32]
stop broker
expect_says "the broker is gone: within the grace" 10 0 '^healthy: 0 of 6 devices connected, .* within the grace$'
lost_ms=$(now_ms)
expect_says "the broker is gone for long" 60 1 'only 0 of 6 devices are connected, for [0-9]+ s less than half; is the broker'
took_ms=$(($(now_ms) - lost_ms))
if [ "$took_ms" -ge 25000 ]; then ok "not before the grace is over"; else fail "the grace lasted only $took_ms ms"; fi
broker_start broker "$WORK/mosquitto.conf" || die "the broker does not start again"
expect_says "the broker is back" 40 0 '^healthy: 6 of 6 devices'

# [HLT-31]
kill -s STOP "${PIDS[f]}"
expect_says "the supervisor hangs" 30 1 'the supervisor \(process [0-9]+\) has said nothing for [0-9]+ s: it hangs'
kill -s CONT "${PIDS[f]}"
expect_says "the supervisor goes on" 10 0 '^healthy: '
stop f KILL
expect_says "the supervisor is killed" 5 1 'the supervisor \(process [0-9]+\) is gone; start ph-fleet run again'

# [HLT-33] Once its workers are gone too.
wait_for 20 flock -n "$WORK/f/lock" true || die "the workers hold the folder"
start_fleet f 'devices: 6' --duration 0 --workers 2
expect_says "another run in the same folder" 30 0 '^healthy: 6 of 6 devices'
kill -s TERM "${PIDS[f]}"
finish f 60
expect_says "an end that was asked for leaves nothing" 1 1 'no fleet runs in this folder'

test_end
