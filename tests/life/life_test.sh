#!/usr/bin/env bash
# A device's whole life against the real broker and registrar: claim, enrol, operate, renew twice, roll its CA over,
# be revoked, be refused. Beside it a stock broker with the same CAs, which lets a superseded certificate in (control).
# [REG-10] [REG-14] [REG-20] [REG-22] [REG-27] [REG-32] [RENEW-1] [CA-62]
# PH_KEEP=1 keeps the folder with certificates and logs.

# shellcheck source=../lib/harness.sh
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
# shellcheck source=../lib/broker.sh
. "$PH_SOURCE/tests/lib/broker.sh"
test_begin "a device's life"
# shellcheck source=stage.sh
. "$PH_SOURCE/tests/life/stage.sh"

case ${PH_SANITIZE:-} in
thread*) skip "the broker itself is not built for the thread sanitizer" ;;
esac
need mosquitto_pub openssl

DEVICE=acme/thermostat/t-0001
HOME_OF=$WORK/devices/t-0001

copy_pair() { # NAME: what the device has now
    mkdir -p "$CERTS/$1"
    cp "$HOME_OF/cert.pem" "$HOME_OF/key.pem" "$CERTS/$1/"
}

lives_on() { # REGEX: the issuer of the device's certificate
    openssl x509 -in "$HOME_OF/cert.pem" -noout -issuer | grep -Eq "$1"
}

other_than() { # FILE: the device's certificate is another one
    [ "$(fingerprint "$HOME_OF/cert.pem")" != "$(fingerprint "$1")" ]
}

on_crl() { # CERTIFICATE
    openssl crl -in "$PKI/${2:-devices}/crl.pem" -noout -text |
        grep -iq "Serial Number: $(openssl x509 -in "$1" -noout -serial | sed 's/serial=//')"
}

start_stock_broker() {
    STOCK_PORT=$(free_port)
    cat >"$WORK/stock.conf" <<EOF
listener $STOCK_PORT 127.0.0.1
cafile $PKI/trust/clients.pem
certfile $CERTS/broker/cert.pem
keyfile $CERTS/broker/key.pem
require_certificate true
use_identity_as_username true
EOF
    broker_start stock "$WORK/stock.conf" || die "the stock broker does not start"
}

enrolment_cases() {
    make_thermostat t-0001 batch SN-1
    ca expect --ca "$PKI" --serial SN-1 --why "order 17" "$DEVICE"
    start_thermostat t-0001
    if wait_for 15 usable t-0001; then ok "enrols by its claim"; else fail "does not enrol: $(tail -n 3 "$WORK/t-0001.log")"; fi
    expect_ok "the inventory knows its certificate" known t-0001
    if wait_for 10 stored_at_least 5 "$DEVICE"; then ok "its readings are stored"; else fail "nothing is stored"; fi
    copy_pair first
    if knock "$PORT" "$CERTS/batch" "$DEVICE"; then fail "its claim does what a device does"; else ok "its claim cannot do what a device can"; fi
}

renewal_cases() {
    if wait_for 40 other_than "$CERTS/first/cert.pem"; then ok "renews"; else fail "does not renew: $(tail -n 3 "$WORK/t-0001.log")"; fi
    copy_pair second
    expect_ok "for a new key" test "$(openssl pkey -in "$CERTS/first/key.pem" -pubout)" != "$(openssl pkey -in "$CERTS/second/key.pem" -pubout)"
    if wait_for 10 on_crl "$CERTS/first/cert.pem"; then ok "the old one is on the CRL once the new one is in use"; else fail "the old one is not on the CRL"; fi
    if wait_for 10 not_admitted first; then ok "and is refused"; else fail "and is admitted"; fi
    expect_ok "a stock broker admits it (control)" knock "$STOCK_PORT" "$CERTS/first" "$DEVICE"
    if wait_for 40 other_than "$CERTS/second/cert.pem"; then ok "renews again"; else fail "does not renew again"; fi
    expect_ok "and is known" known t-0001
    if wait_for 10 rows_at_least 2 ',superseded,'; then ok "both before are superseded"; else fail "superseded: $(rows ,superseded,)"; fi
}

not_admitted() {
    ! knock "$PORT" "$CERTS/$1" "$DEVICE"
}

rollover_cases() {
    registrar_says lifetime 600s rollover 0s # from now on it renews because of the roll-over alone
    stop registrar
    # shellcheck disable=SC2119 # no command in front
    start_registrar || fail "the registrar does not start again"
    copy_pair third
    wait_for 40 other_than "$CERTS/third/cert.pem" # the last short one
    ca "rollover" begin devices --ca "$PKI"
    ca "rollover" activate devices --ca "$PKI"
    expect_refused "the roll-over cannot be finished while the device has not moved" '1 ' authority rollover finish devices
    if wait_for 40 lives_on 'devices 2'; then ok "moves to the next generation of its CA"; else fail "stays: $(tail -n 3 "$WORK/t-0001.log")"; fi
    if wait_for 20 authority rollover finish devices; then ok "then it can be finished"; else fail "it cannot be finished: $(authority rollover finish devices 2>&1)"; fi
    local before
    before=$(stored "$DEVICE")
    if wait_for 10 stored_at_least $((before + 5)) "$DEVICE"; then ok "and the device works on"; else fail "and nothing is stored any more"; fi
}

revocation_cases() {
    local changed
    copy_pair last
    changed=$(now_ms)
    ca revoke --ca "$PKI" --reason keyCompromise --why stolen "$DEVICE"
    if wait_line 5 "$WORK/t-0001.log" 'msg=(refused|"not connected")'; then
        ok "is cut off $(($(now_ms) - changed)) ms after its revocation"
    else
        fail "is not cut off"
    fi
    if wait_for 10 not_admitted last; then ok "and is refused"; else fail "and is admitted"; fi
    ca expect --ca "$PKI" --serial SN-1 --why "found again" "$DEVICE"
    if wait_for 40 other_than "$CERTS/last/cert.pem"; then ok "expected anew it comes back by itself"; else fail "expected anew it does not come back: $(tail -n 3 "$WORK/t-0001.log")"; fi
    ca revoke --ca "$PKI" --reason keyCompromise --why "stolen again" "$DEVICE"
    stop t-0001
    rm "$HOME_OF"/cert.pem "$HOME_OF"/key.pem
    start_thermostat t-0001
    if wait_line 15 "$WORK/t-0001.log" 'enrolled already'; then ok "it cannot enrol again"; else fail "nothing is said: $(tail -n 2 "$WORK/t-0001.log")"; fi
    ca decommission --ca "$PKI" --why scrapped "$DEVICE"
    stop t-0001
    start_thermostat t-0001
    if wait_line 15 "$WORK/t-0001.log" 'decommissioned'; then ok "nor after it was decommissioned"; else fail "nothing is said: $(tail -n 2 "$WORK/t-0001.log")"; fi
}

books_cases() {
    expect_ok "the log of acts is whole" authority audit verify
    expect_ok "so is the store" "$PH_BIN/ph-ingest" check --store "$STORE"
}

make_authority
make_claim batch 3 --kind thermostat
write_configuration
registrar_says lifetime 24s renew_at 0.4 retry_refused 2s
start_stage
start_stock_broker
enrolment_cases
renewal_cases
rollover_cases
revocation_cases
books_cases
test_end
