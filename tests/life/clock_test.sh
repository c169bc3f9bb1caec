#!/usr/bin/env bash
# Devices whose clock was never set, or is set and wrong, against the real broker and registrar: clock_test.sh
# SHIFTED_CLOCK. Beside them clients with the same clock that do not know what to do (control), and a broker in the
# wrong hands that would have them believe in a time of its own.
# [TIME-3] [TIME-4] [TIME-6] [TIME-7] [TIME-8] [REG-33]
# PH_KEEP=1 keeps the folder with certificates and logs.

# shellcheck source=../lib/harness.sh
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
# shellcheck source=../lib/broker.sh
. "$PH_SOURCE/tests/lib/broker.sh"
# shellcheck source=../lib/pki.sh
. "$PH_SOURCE/tests/lib/pki.sh"
test_begin "devices without a clock"
# shellcheck source=stage.sh
. "$PH_SOURCE/tests/life/stage.sh"
# shellcheck source=ask.sh
. "$PH_SOURCE/tests/life/ask.sh"
# shellcheck source=rogue.sh
. "$PH_SOURCE/tests/life/rogue.sh"

case ${PH_SANITIZE:-} in
thread*) skip "the broker itself is not built for the thread sanitizer" ;;
esac
need mosquitto_pub openssl

SHIFTED=${1:?the library of device/shifted_clock.c}
YEAR=$((366 * 86400))
LEAF='basicConstraints=critical,CA:FALSE;keyUsage=critical,digitalSignature'
DEVICE=acme/thermostat/t-0001

# clock SECONDS: the words in front of a command whose clock is off by so much.
clock() {
    AT=(env "LD_PRELOAD=$SHIFTED" "PH_TEST_CLOCK_S=$1")
}

epoch() {
    clock $((3600 - $(date +%s)))
}

# says TEXT DEVICE REGEX
says() {
    if wait_line 15 "$WORK/$2.log" "$3"; then ok "$1"; else fail "$1: /$3/ is not in the log: $(tail -n 3 "$WORK/$2.log")"; fi
}

# stores TEXT DEVICE: five more of its readings, all with a time of today.
stores() {
    local before
    before=$(stored "$2")
    expect_soon 15 "$1" "${2##*/}" stored_at_least $((before + 5)) "$2"
}

# times_are_right DEVICE: of all its readings that are stored.
times_are_right() {
    local wrong
    wrong=$("$PH_BIN/ph-ingest" query --store "$STORE" --format csv --limit 0 --device "$1" | sed 1d |
        grep -Evc "$(date -u +%Y-%m-%dT)|$(date -u -d '-10 minutes' +%Y-%m-%dT)")
    [ "$wrong" = 0 ] && [ "$(stored "$1")" -gt 0 ]
}

# ---- it is 1970 ----

boot_cases() {
    make_thermostat t-0001 batch
    ca expect --ca "$PKI" "$DEVICE"
    epoch
    expect_ok "the clock of this test shows 1970" test "$("${AT[@]}" date -u +%Y)" = 1970
    start_thermostat t-0001 "${AT[@]}"
    says "in 1970 it asks what time it is" t-0001 'connected, to ask what time it is'
    says "and is told" t-0001 "the time comes from the registrar\" time=$(date -u +%Y)"
    expect_soon 15 "enrols by its claim" t-0001 usable t-0001
    stores "its readings are stored" "$DEVICE"
    expect_ok "with the right time" times_are_right "$DEVICE"
    stop t-0001
    start_thermostat t-0001 "${AT[@]}"
    says "started again in 1970 it asks again" t-0001 'the time comes from the registrar'
    stores "and goes on" "$DEVICE"
    expect_ok "with the right time" times_are_right "$DEVICE"
    stop t-0001
}

# The same clock without what was built for it.
control_cases() {
    local dir=$WORK/devices/t-0001
    epoch
    expect_ok "a client with the right time is admitted (control)" knock "$PORT" "$dir" "$DEVICE"
    expect_refused "one in 1970 is not" 'TLS|certificate' knock_at "$dir"
    mkdir -p "$WORK/devices/plain"
    cp "$dir"/{cert,key,ca}.pem "$WORK/devices/plain/"
    sed -e '/^claim:/d' -e 's/^renewal: .*/renewal: { enabled: false }/' "$dir/thermostat.yaml" \
        >"$WORK/devices/plain/thermostat.yaml"
    start_thermostat plain "${AT[@]}"
    says "nor is a device without renewal, in 1970 (control)" plain 'certificate verify failed'
    sleep 1
    expect_not "and it does not connect" grep -q 'msg=connected ' "$WORK/plain.log"
    stop plain KILL
}

knock_at() {
    "${AT[@]}" mosquitto_pub -V 5 -h localhost -p "$PORT" --cafile "$PKI/trust/brokers.pem" --cert "$1/cert.pem" \
        --key "$1/key.pem" -i "$DEVICE" -q 1 -t "ph/v1/$DEVICE/status" -m '{"v":1,"online":true}'
}

# ---- it is set, and wrong ----

ahead_cases() {
    clock $((2 * YEAR)) # certificates of device and broker seem to have expired
    start_thermostat t-0001 "${AT[@]}"
    says "years ahead it asks by its claim, as its own certificate seems to have expired" t-0001 \
        'connected, to ask what time it is.*as=acme/claim/batch'
    stores "and goes on" "$DEVICE"
    expect_ok "with the right time" times_are_right "$DEVICE"
    expect_ok "it did not enrol again" rows_are 1 ",$DEVICE,"
    stop t-0001
}

behind_cases() {
    make_thermostat t-0002 batch
    ca issue device --ca "$PKI" --tenant acme --kind thermostat \
        --not-before "$(date -u -d '-2 years' +%Y-%m-%dT%H:%M:%SZ)" \
        --not-after "$(date -u -d '+1 year' +%Y-%m-%dT%H:%M:%SZ)" --out "$WORK/t-0002" t-0002
    cp "$WORK/t-0002"/{cert,key}.pem "$WORK/devices/t-0002/"
    clock -$YEAR # plausible: its own certificate is older
    start_thermostat t-0002 "${AT[@]}"
    says "a year behind it doubts its clock after attempts that failed" t-0002 'the time comes from the registrar'
    expect_line "they did fail" "$WORK/t-0002.log" 'certificate verify failed'
    stores "and goes on" acme/thermostat/t-0002
    stop t-0002
}

# ---- who would like to say what time it is ----

make_liars() {
    "$PH_BIN/ph-ca" init "$WORK/foreign" >/dev/null
    "$PH_BIN/ph-ca" issue service --ca "$WORK/foreign" --tenant acme --out "$WORK/lies/foreign" registrar >/dev/null
    pki_sign "$PKI/brokers" "$WORK/lies/broker" /CN=broker \
        "$LEAF;extendedKeyUsage=serverAuth;subjectAltName=DNS:localhost" -3600 -60
    mkdir -p "$WORK/lies/device"
    cp "$WORK/devices/t-0002"/{cert,key}.pem "$WORK/lies/device/"
    ln -s "$CERTS/registrar" "$WORK/lies/registrar"
}

# What the file $WORK/lie says: SIGNER SHIFT NONCE DEVICE; "-" means the true one.
lie() {
    local signer shift nonce device
    [ "$1" = time ] || return
    read -r signer shift nonce device <"$WORK/lie"
    printf '{"v":1,"statement":"time","device":"%s","nonce":"%s","time":%d}' "${device/#-/$3}" "${nonce/#-/$2}" \
        $((($(date +%s) + shift) * 1000)) >"$WORK/statement"
    sign_statement "$WORK/statement" "$WORK/lies/$signer" >"$WORK/statement.pem" 2>"$WORK/statement.log"
    printf '"answer":"time","token":"%s"' "$(as_json "$WORK/statement.pem")"
}

# refuses TEXT REGEX SIGNER SHIFT NONCE DEVICE
refuses() {
    echo "${@:3}" >"$WORK/lie"
    start_thermostat t-0001 "${AT[@]}"
    says "$1" t-0001 "time from the registrar not taken.*$2"
    if grep -q 'the time comes from the registrar' "$WORK/t-0001.log"; then fail "$1: and is believed"; fi
    stop t-0001 KILL
}

rogue_cases() {
    mkdir -p "$WORK/lies"
    make_liars
    start_rogue "$WORK/lies/broker"
    start_liar
    start_listener
    point_at "$ROGUE_PORT" t-0001
    epoch
    expect_refused "who knows the time is not taken in by a broker whose certificate has expired (control)" \
        'TLS|certificate' mosquitto_pub -V 5 -h localhost -p "$ROGUE_PORT" --cafile "$PKI/trust/brokers.pem" -t x -m x
    refuses "a time signed by the broker's own key" 'signed time' broker 86400 - -
    refuses "by a device" 'signed time' device 86400 - -
    refuses "by a registrar of other CAs" 'signed time' foreign 86400 - -
    refuses "by the registrar for another device" 'not for us' registrar 0 - acme/thermostat/t-0002
    refuses "by the registrar, to another question" 'not the answer to our question' registrar 0 "$(new_id)" -
    refuses "from before its certificate" 'before our certificate' registrar $((-2 * YEAR)) - -
    echo registrar 0 - - >"$WORK/lie"
    start_thermostat t-0001 "${AT[@]}"
    says "the registrar's own answer is believed whoever brings it (control)" t-0001 'the time comes from the registrar'
    says "and then the broker's certificate has expired" t-0001 'certificate verify failed'
    expect_not "to which it does not connect" grep -q 'msg=connected ' "$WORK/t-0001.log"
    stop t-0001 KILL
    expect_line "that broker heard the questions" "$WORK/heard" "^ph/v1/$DEVICE/renew .*\"time\""
    expect_not "and nothing else" grep -v "^ph/v1/$DEVICE/\(renew\|certificate\) " "$WORK/heard"
}

make_authority
make_claim batch 3 --kind thermostat
write_configuration
start_stage
boot_cases
control_cases
ahead_cases
behind_cases
rogue_cases
expect_ok "the store is whole" "$PH_BIN/ph-ingest" check --store "$STORE"
test_end
