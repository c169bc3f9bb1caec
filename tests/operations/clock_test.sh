#!/usr/bin/env bash
# The authority's clock was ahead when it signed CRLs: everybody is refused, the report says why, and the way out is that of
# docs/operations/troubleshooting.md: clock_test.sh SHIFTED_CLOCK. [CA-15] [CA-126]
# shellcheck source=../lib/harness.sh
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
# shellcheck source=../lib/broker.sh
. "$PH_SOURCE/tests/lib/broker.sh"
test_begin "CRLs from a clock that was ahead"
# shellcheck source=../life/stage.sh
. "$PH_SOURCE/tests/life/stage.sh"

case ${PH_SANITIZE:-} in
thread*) skip "the broker itself is not built for the thread sanitizer" ;;
esac
need mosquitto_pub openssl

SHIFTED=${1:?the library of device/shifted_clock.c}

crl_number() {
    openssl crl -in "$PKI/devices/crl.pem" -noout -crlnumber | sed 's/.*=//;s/^0x//'
}

enters() {
    knock "$PORT" "$CERTS/d-1" acme/thermostat/d-1
}

stays_out() {
    ! enters
}

make_authority
write_configuration
ca issue device --ca "$PKI" --tenant acme --kind thermostat --out "$CERTS/d-1" d-1
broker_start broker "$WORK/mosquitto.conf" || die "the broker does not start: $(tail -n 3 "$WORK/broker.log")"
if enters; then ok "a device enters"; else fail "it does not enter: $(tail -n 1 "$WORK/broker.log")"; fi
expect_ok "CRLs are signed in two years' time" \
    env "LD_PRELOAD=$SHIFTED" "PH_TEST_CLOCK_S=$((2 * 366 * 86400))" "$PH_BIN/ph-ca" crl --ca "$PKI"
ahead=$((16#$(crl_number)))
expect_soon 10 "it is refused" broker stays_out
expect_line "and the broker says why" "$WORK/broker.log" 'the CRL of its CA starts at .*: check the clock'
authority report >"$WORK/report"
expect_line "so does the report" "$WORK/report" \
    'devices: its CRL starts at 20.*, nobody enters by it before: set the clock, then run ph-ca crl$'
expect_ok "they are signed by the right clock" authority crl
if [ $((16#$(crl_number))) -gt "$ahead" ]; then ok "with a higher number all the same"; else fail "CRL number $(crl_number)"; fi
expect_soon 10 "it enters again" broker enters
authority report >"$WORK/report"
if grep -q 'its CRL starts at' "$WORK/report"; then fail "the report goes on: $(grep 'CRL starts' "$WORK/report")"; else ok "the report has nothing to say"; fi

expect_ok "once more, CRLs are signed ahead" \
    env "LD_PRELOAD=$SHIFTED" "PH_TEST_CLOCK_S=$((2 * 366 * 86400))" "$PH_BIN/ph-ca" crl --ca "$PKI"
expect_soon 10 "it is refused" broker stays_out
spawn registrar "$WORK/registrar.log" "$PH_BIN/ph-ca" serve --config "$WORK/registrar.yaml"
expect_soon 10 "the registrar signs them by the right clock, although nobody enters, itself neither" registrar enters
test_end
