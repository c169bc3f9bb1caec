#!/usr/bin/env bash
# Devices that come too late: their certificate has expired. By their claim they renew it within the grace; a stock TLS
# server refuses the certificate itself (control), and so does ours.
# [REG-25] [LIFE-7] [RENEW-4]
# PH_KEEP=1 keeps the folder with certificates and logs.

# shellcheck source=../lib/harness.sh
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
# shellcheck source=../lib/broker.sh
. "$PH_SOURCE/tests/lib/broker.sh"
test_begin "devices whose certificate has expired"
# shellcheck source=stage.sh
. "$PH_SOURCE/tests/life/stage.sh"

case ${PH_SANITIZE:-} in
thread*) skip "the broker itself is not built for the thread sanitizer" ;;
esac
need mosquitto_pub openssl

# make_late NAME SECONDS: a device with a claim, whose certificate expires in so many seconds.
make_late() {
    make_thermostat "$1" batch
    ca issue device --ca "$PKI" --tenant acme --kind thermostat --out "$CERTS/$1" \
        --not-after "$(date -u -d "+$2 seconds" +%Y-%m-%dT%H:%M:%SZ)" "$1"
    cp "$CERTS/$1"/{cert,key}.pem "$WORK/devices/$1/"
}

expired() { # NAME
    ! openssl x509 -in "$CERTS/$1/cert.pem" -noout -checkend 0 >/dev/null
}

renewed() { # NAME
    usable "$1" && [ "$(fingerprint "$WORK/devices/$1/cert.pem")" != "$(fingerprint "$CERTS/$1/cert.pem")" ]
}

captured() { # NAME
    "$PH_BIN/ph-thermostat" spool "$WORK/devices/$1/spool.db" --format csv 2>/dev/null | awk -F, 'NR == 2 { print $3 }'
}

captured_at_least() {
    [ "$(captured "$2")" -ge "$1" ] 2>/dev/null
}

# says TEXT NAME REGEX
says() {
    if wait_line 15 "$WORK/$2.log" "$3"; then ok "$1"; else fail "$1: /$3/ is not in the log: $(tail -n 3 "$WORK/$2.log")"; fi
}

in_order() { # DEVICE: what is stored of it is 1, 2, 3 and so on
    "$PH_BIN/ph-ingest" query --store "$STORE" --format csv --limit 0 --device "$1" |
        awk -F, 'NR > 1 && $3 != NR - 1 { exit 1 }'
}

# let_expire NAME SECONDS: waits until its certificate has, so many seconds ago.
let_expire() {
    wait_for 15 expired "$1"
    sleep "$2"
}

grace_cases() {
    stop registrar
    let_expire within 3
    expect_ok "a client with a good certificate is admitted (control)" knock "$PORT" "$CERTS/fresh" acme/thermostat/fresh
    expect_not "one that expired 3 s ago is not" knock "$PORT" "$CERTS/within" acme/thermostat/within
    start_thermostat within
    says "the device comes by its claim" within 'connected, to enrol.*as=acme/claim/batch'
    expect_soon 10 "it captures meanwhile" within captured_at_least 5 within
    expect_ok "and nothing of it is stored" test "$(stored acme/thermostat/within 2>/dev/null)" = 0
    # shellcheck disable=SC2119 # no command in front
    start_registrar || fail "the registrar does not start again"
    expect_soon 15 "renews by its claim and the key that it had" within renewed within
    expect_ok "and is known" known within
    expect_ok "as the next of its line" rows_are 1 ',acme/thermostat/within,valid,.*,renewed,'
    expect_soon 15 "what it captured is stored" within stored_at_least 10 acme/thermostat/within
    expect_ok "from the first reading on, none of them twice" in_order acme/thermostat/within
    stop within
}

# What a device's registrar log and own log say of its refusal.
refused_case() { # NAME REGEX
    start_thermostat "$1"
    says "$1: the device says why" "$1" "the registrar refused to enrol us.*$2"
    expect_soon 5 "$1: it captures all the same" "$1" captured_at_least 5 "$1"
    expect_not "$1: and has no new certificate" renewed "$1"
    expect_line "$1: so does the registrar" "$WORK/registrar.log" "msg=refused from=acme/claim/batch .*$2"
}

refusal_cases() {
    let_expire revoked 0
    ca revoke --ca "$PKI" --reason keyCompromise --why stolen acme/thermostat/revoked
    refused_case revoked 'was revoked: keyCompromise'
    stop revoked
    registrar_says renew_grace 2s
    stop registrar
    # shellcheck disable=SC2119 # no command in front
    start_registrar || fail "the registrar does not start again"
    let_expire toolate 3
    refused_case toolate 'expired too long ago'
}

# What the refusal tells the operator to do must help, and not the revoked one's thief.
expected_again_cases() {
    ca expect --ca "$PKI" --why "was in the drawer" acme/thermostat/toolate
    expect_soon 15 "expected again it gets its certificate" toolate renewed toolate
    expect_soon 15 "and its readings are stored" toolate stored_at_least 5 acme/thermostat/toolate
}

no_claim_case() {
    let_expire alone 0
    sed -i '/^claim:/d' "$WORK/devices/alone/thermostat.yaml"
    expect_refused "without a claim it says what to do, and ends" \
        'acme/thermostat/alone expired on .*; have a new one issued' \
        "$PH_BIN/ph-thermostat" run --config "$WORK/devices/alone/thermostat.yaml"
}

make_authority
make_claim batch 10 --kind thermostat
write_configuration
registrar_says renew_grace 60s retry_refused 1s
start_stage
ca issue device --ca "$PKI" --tenant acme --kind thermostat --out "$CERTS/fresh" fresh
for name in within revoked toolate alone; do
    make_late "$name" 3
done
no_claim_case
grace_cases
refusal_cases
expected_again_cases
expect_ok "the log of acts is whole" authority audit verify
test_end
