#!/bin/bash
# ph-thermostat with a clock that is not set, or wrong: clock_test.sh SHIFTED_CLOCK. Requirements:
# [LIFE-2], [LIFE-3], [TIME-2], [TIME-3], [TIME-6].
: "${PH_BIN:?}" "${PH_SOURCE:?}"
# shellcheck source-path=SCRIPTDIR/..
. "$PH_SOURCE/tests/lib/harness.sh"
# shellcheck source-path=SCRIPTDIR/..
. "$PH_SOURCE/tests/lib/broker.sh"
# shellcheck source-path=SCRIPTDIR/..
. "$PH_SOURCE/device/life_testbed.sh"
shifted=${1:?}
test_begin "a device without a clock"
life_begin

# start_at SECONDS COMMAND...: with a clock that is off by so much
start_at() {
    local seconds=$1
    shift
    start_device env "LD_PRELOAD=$shifted" "PH_TEST_CLOCK_S=$seconds" "$@"
}
ago=-1000000000 # thirty years
leaf good "$LEAF" "9 days ago" "80 days"
install good

# [TIME-6] the time comes from the registrar, over a connection that does nothing else
start_at "$ago" "${WITHOUT_CLAIM[@]}"
says "not set: said" "the clock is not set"
says "not set: asks" "connected, to ask what time it is"
says "not set: told" "the time comes from the registrar\" time=$(date -u +%Y)"
says "not set: connects" "msg=connected "
expect_ok "not set: captures" captures_on
expect_ok "not set: the question came first" grep -qm 1 ^time "$WORK/asked"
expect_ok "not set: nothing but it was asked" [ "$(head -n 1 "$WORK/asked")" = "time ph/v1/acme/thermostat/t-0001/renew" ]
stop device

# [LIFE-3] it is set, and wrong: doubted after three attempts
start_at -400000 "${WITHOUT_CLAIM[@]}"
says "wrong: told" "the time comes from the registrar"
says "wrong: connects" "msg=connected "
expect_ok "wrong: after three attempts" times_logged "certificate verify failed" 3
stop device

# [LIFE-3] it is far ahead, so that the own certificate seems to have expired: by the claim
start_at 40000000 "${WITH_CLAIM[@]}"
says "ahead: asks by the claim" "connected, to ask what time it is.*as=acme/claim/batch-7"
says "ahead: connects as the device" "msg=connected "
expect_ok "ahead: did not enrol" [ "$(grep -c ^enroll "$WORK/asked")" = 0 ]
stop device

# [LIFE-3] ahead by so little that the broker's certificate still holds: the claim asks before it enrols
leaf soon "$LEAF" "9 days ago" "10 days"
install soon
start_at 1728000 "${WITH_CLAIM[@]}"
says "a little ahead: by the claim" "connected, to enrol"
says "a little ahead: told" "the time comes from the registrar"
says "a little ahead: connects as the device" "msg=connected "
expect_ok "a little ahead: did not enrol" [ "$(grep -c ^enroll "$WORK/asked")" = 0 ]
stop device

# [LIFE-2] nobody says what time it is: it captures, and goes on asking
echo silent >"$WORK/policy"
start_at "$ago" "${WITHOUT_CLAIM[@]}"
says "nobody says: said" "nobody says what time it is"
expect_ok "nobody says: captures" captures_on
expect_ok "nobody says: asks again" wait_for 20 asked_times ^time 2
echo devices >"$WORK/policy"
says "nobody says: until somebody does" "msg=connected "
stop device

# [TIME-6] the first boot of all has neither certificate nor time
rm "$WORK/own/cert.pem" "$WORK/own/key.pem"
start_at "$ago" "${WITH_CLAIM[@]}"
says "first boot: told" "the time comes from the registrar"
says "first boot: enrolled" "msg=enrolled"
says "first boot: connects" "msg=connected "
expect_ok "first boot: captures" captures_on
stop device

test_end
