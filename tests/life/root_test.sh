#!/usr/bin/env bash
# The root: its key is encrypted and elsewhere, and nothing daily misses it. It is rolled over, and everything below it,
# while devices go on; one of them is switched off meanwhile. Statements of trust that are not the root's, brought by a
# broker that devices trust, change nothing; the root's own does (control).
# [CA-61] [CA-62] [CA-67] [CA-68] [CA-70] [CA-71] [CA-72] [CA-73] [RENEW-27] [REG-27] [REG-32] [SIGN-4]
# PH_KEEP=1 keeps the folder with certificates and logs.

# shellcheck source=../lib/harness.sh
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
# shellcheck source=../lib/broker.sh
. "$PH_SOURCE/tests/lib/broker.sh"
test_begin "the root and its roll-over"
# shellcheck source=stage.sh
. "$PH_SOURCE/tests/life/stage.sh"
# shellcheck source=ask.sh
. "$PH_SOURCE/tests/life/ask.sh"
# shellcheck source=rogue.sh
. "$PH_SOURCE/tests/life/rogue.sh"
# shellcheck source=profile.sh
. "$PH_SOURCE/tests/life/profile.sh"

case ${PH_SANITIZE:-} in
thread*) skip "the broker itself is not built for the thread sanitizer" ;;
esac
need mosquitto_pub openssl sqlite3

ONE=acme/thermostat/t-0001
TWO=acme/thermostat/t-0002
OLD_ROOT=(--root "$WORK/safe" --passphrase-file "$WORK/secret")
NEW_ROOT=(--root "$WORK/stick-2" --passphrase-file "$WORK/secret-2")
# shellcheck disable=SC2034 # stage.sh reads it
INIT_OPTIONS=(--root "$WORK/stick" --passphrase-file "$WORK/secret")

secret() { # FILE
    (umask 077 && openssl rand -hex 12 >"$WORK/$1")
}

restart_registrar() {
    stop registrar
    # shellcheck disable=SC2119 # no command in front
    start_registrar || fail "the registrar does not start again: $(tail -n 2 "$WORK/registrar.log")"
}

restart_ingest() {
    stop ingest
    start_ingest || fail "ingest does not start again: $(tail -n 2 "$WORK/ingest.log")"
}

restart_broker() {
    stop broker
    broker_start broker "$WORK/mosquitto.conf" || fail "the broker does not start again: $(tail -n 2 "$WORK/broker.log")"
}

# ---- what can be asked of a device's folder ----

number_of() { # DEVICE: of its set of trusted CAs
    sed -n '1s/^# phonehome trusted CAs, number //p' "$WORK/devices/$1/ca.pem"
}

has_number() { # DEVICE NUMBER
    [ "$(number_of "$1")" = "$2" ]
}

has_newest() { # DEVICE
    [ "$(sha256sum <"$WORK/devices/$1/ca.pem" | cut -d ' ' -f 1)" = \
        "$(sqlite3 "$PKI/ca.db" 'SELECT lower(digest) FROM trust_bundle ORDER BY number DESC LIMIT 1')" ]
}

issuer_is() { # DEVICE REGEX
    openssl x509 -in "$WORK/devices/$1/cert.pem" -noout -issuer | grep -Eq "$2"
}

other_than() { # DEVICE FINGERPRINT
    usable "$1" && [ "$(fingerprint "$WORK/devices/$1/cert.pem")" != "$2" ]
}

# holds FILE CERTIFICATE: among those in the PEM file.
holds() {
    tr -d '\n' <"$1" | grep -qF "$(openssl x509 -in "$2" | sed '1d;$d' | tr -d '\n')"
}

goes_on() { # TEXT DEVICE: five more of its readings are stored
    local before
    before=$(stored "$2")
    expect_soon 15 "$1" "${2##*/}" stored_at_least $((before + 5)) "$2"
}

# progress FROM COLUMN: of `rollover status`.
progress() {
    authority rollover status --format csv | awk -F, -v from="$1" -v want="$2" '
        NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i } $1 == from { print $column[want] }'
}

progress_is() { # FROM COLUMN VALUE
    [ "$(progress "$1" "$2")" = "$3" ]
}

# ---- without the root ----

offline_cases() {
    local before
    expect_ok "the root's key is encrypted" grep -q 'BEGIN ENCRYPTED PRIVATE KEY' "$WORK/stick/ca.key"
    mv "$WORK/stick" "$WORK/safe"
    start_stage
    make_claim batch 10 --kind thermostat
    make_thermostat t-0001 batch
    make_thermostat t-0002 batch
    ca expect --ca "$PKI" "$ONE"
    ca expect --ca "$PKI" "$TWO"
    start_thermostat t-0001
    start_thermostat t-0002
    expect_soon 15 "without the root's key a device enrols" t-0001 usable t-0001
    expect_soon 15 "so does another" t-0002 usable t-0002
    before=$(fingerprint "$WORK/devices/t-0001/cert.pem")
    expect_soon 20 "renews" t-0001 other_than t-0001 "$before"
    goes_on "and sends readings" "$ONE"
    ca issue device --ca "$PKI" --tenant acme --kind thermostat --out "$CERTS/lost" lost
    expect_ok "a device is issued, and admitted" knock "$PORT" "$CERTS/lost" acme/thermostat/lost
    ca revoke --ca "$PKI" --why "fell into the sea" acme/thermostat/lost
    expect_soon 5 "and revoked" registrar barred lost
    ca crl --ca "$PKI"
    ok "CRLs are signed anew"
    expect_refused "a roll-over of the root is not begun" 'the key of root is not here' \
        authority rollover begin root --new-root "$WORK/stick-2" \
        --new-passphrase-file "$WORK/secret-2"
    expect_refused "nor with another passphrase" 'the passphrase is wrong' authority rollover begin root --root "$WORK/safe" \
        --passphrase-file "$WORK/secret-2" --new-root "$WORK/stick-2" --new-passphrase-file "$WORK/secret-2"
}

barred() {
    ! knock "$PORT" "$CERTS/$1" "acme/thermostat/$1"
}

# From here on devices renew because of the roll-over alone.
live_longer() {
    local one two
    registrar_says lifetime 10d renew_at 0.6667 rollover 0s
    one=$(fingerprint "$WORK/devices/t-0001/cert.pem")
    two=$(fingerprint "$WORK/devices/t-0002/cert.pem")
    restart_registrar
    if ! wait_for 25 other_than t-0001 "$one" || ! wait_for 25 other_than t-0002 "$two"; then
        fail "they do not renew again: $(tail -n 2 "$WORK/t-0001.log")"
    fi
}

# ---- begin ----

begin_cases() {
    stop t-0002 # switched off
    cp -r "$WORK/devices/t-0001" "$WORK/devices/victim"
    ca "rollover" begin root --ca "$PKI" "${OLD_ROOT[@]}" --new-root "$WORK/stick-2" \
        --new-passphrase-file "$WORK/secret-2"
    expect_soon 15 "a device takes the first bundle, over MQTT" t-0001 has_number t-0001 1
    expect_ok "byte by byte" has_newest t-0001
    expect_ok "with the old root in it" holds "$WORK/devices/t-0001/ca.pem" "$PKI/root/ca.crt"
    expect_ok "and the new one" holds "$WORK/devices/t-0001/ca.pem" "$PKI/root-2/ca.crt"
    goes_on "and goes on" "$ONE"
    expect_soon 10 "the roll-over's status counts it" registrar progress_is root trusting 1
    expect_ok "and the one that is switched off" progress_is root devices 2
    expect_refused "activate refuses while a device has not heard of it" '1 .*device' \
        authority rollover activate root "${NEW_ROOT[@]}"
}

# ---- who else would like to say whom to trust ----

# What the file $WORK/lie names is the answer to a device's state.
lie() {
    [ "$1" = state ] || return
    printf '"answer":"state","trust":"%s"' "$(as_json "$WORK/lies/$(<"$WORK/lie").pem")"
}

# bundle NUMBER CERTIFICATE...: a statement's text with them.
bundle() {
    { printf '# phonehome trusted CAs, number %s\n' "$1" && cat "${@:2}"; } >"$WORK/lies/bundle"
    printf '{"v":1,"statement":"trust","number":%s,"bundle":"%s"}' "$1" "$(as_json "$WORK/lies/bundle")"
}

make_lies() {
    local foreign=$WORK/foreign
    mkdir -p "$WORK/lies/foreign" "$WORK/lies/new"
    "$PH_BIN/ph-ca" init "$foreign" >/dev/null
    cp "$foreign/root/ca.crt" "$WORK/lies/foreign/cert.pem"
    cp "$foreign/root/ca.key" "$WORK/lies/foreign/key.pem"
    cp "$PKI/root-2/ca.crt" "$WORK/lies/new/cert.pem"
    openssl pkey -in "$WORK/stick-2/ca.key" -passin "file:$WORK/secret-2" -out "$WORK/lies/new/key.pem"
    bundle 9 "$foreign/root/ca.crt" "$PKI/root/ca.crt" >"$WORK/lies/text"
    sign_statement "$WORK/lies/text" "$WORK/lies/foreign" >"$WORK/lies/by-another-root.pem"
    sign_statement "$WORK/lies/text" "$CERTS/registrar" >"$WORK/lies/by-the-registrar.pem"
    sign_statement "$WORK/lies/text" "$WORK/lies/new" >"$WORK/lies/by-a-root-to-be.pem"
    sqlite3 "$PKI/ca.db" 'SELECT statement FROM trust_bundle WHERE number = 1' >"$WORK/lies/true.pem"
    awk 'NR == 20 { $0 = (substr($0, 1, 1) == "A" ? "B" : "A") substr($0, 2) } { print }' "$WORK/lies/true.pem" \
        >"$WORK/lies/altered.pem"
}

# refuses TEXT NAME REGEX: the victim says so, and its set of trusted CAs stays as it is.
refuses() {
    cp "$WORK/devices/victim/ca.pem" "$WORK/before.pem"
    echo "$2" >"$WORK/lie"
    start_thermostat victim
    if wait_line 15 "$WORK/victim.log" "set of trusted CAs not taken.*$3" &&
        cmp -s "$WORK/before.pem" "$WORK/devices/victim/ca.pem"; then
        ok "$1: not taken"
    else
        fail "$1: $(number_of victim): $(tail -n 2 "$WORK/victim.log")"
    fi
    stop victim KILL
}

rogue_cases() {
    mkdir -p "$WORK/lies"
    make_lies
    start_rogue "$CERTS/broker" # a stolen key
    start_liar
    point_at "$ROGUE_PORT" victim
    refuses "a bundle signed by another root" by-another-root 'not one of the roots'
    refuses "by the registrar" by-the-registrar 'not one of the roots'
    refuses "by the next root, which is not trusted yet" by-a-root-to-be 'not one of the roots'
    refuses "by the root, and altered" altered 'signature'
    echo true >"$WORK/lie"
    start_thermostat victim
    expect_soon 15 "by the root it is taken, whoever brings it (control)" victim has_number victim 1
    stop victim KILL
    refuses "the same once more" true 'want one above 1, have 1'
    refuses "by another root, to a device that holds a bundle" by-another-root 'not one of the roots'
    stop liar
    stop rogue
}

# ---- activate ----

activate_cases() {
    ca "rollover" activate root --ca "$PKI" "${NEW_ROOT[@]}" --force
    ok "activate is possible by force"
    restart_broker # it reads the CAs of clients at its start
    expect_soon 15 "what follows reaches the device that is on" registrar has_newest t-0001
    start_thermostat t-0002
    expect_soon 20 "the one that was switched off catches up" t-0002 has_newest t-0002
    expect_ok "statement by statement" \
        test "$(grep -c 'new set of trusted CAs' "$WORK/t-0002.log")" = "$(number_of t-0002)"
    goes_on "and sends readings" "$TWO"
    expect_soon 10 "then the status counts both" registrar progress_is root trusting 2
}

# reissue NAME: a service's certificate in its place, the old one kept for its serial number.
reissue() {
    mv "$CERTS/$1" "$CERTS/$1-old"
    ca issue "${@:2}" --ca "$PKI" --out "$CERTS/$1" "$1"
}

# Each CA below the new root takes over.
services_cases() {
    ca "rollover" activate services --ca "$PKI"
    reissue ingest service --tenant acme
    reissue registrar service --tenant acme
    restart_ingest
    restart_registrar
    expect_ok "services live below the new root" below registrar
    ca "rollover" activate claims --ca "$PKI"
    make_claim batch-2 5
    expect_ok "so does a new claim" below batch-2
    ca "rollover" activate devices --ca "$PKI"
    if wait_for 20 issuer_is t-0001 'devices 2' && wait_for 20 issuer_is t-0002 'devices 2'; then
        ok "devices renew below the new root"
    else
        fail "devices stay below the old root: $(tail -n 2 "$WORK/t-0001.log")"
    fi
    expect_ok "and are known" known t-0001
}

below() { # NAME
    openssl verify -CAfile "$PKI/root-2/ca.crt" -untrusted "$CERTS/$1/cert.pem" "$CERTS/$1/cert.pem"
}

broker_cases() {
    ca "rollover" activate brokers --ca "$PKI"
    reissue broker broker --dns localhost --ip 127.0.0.1
    restart_broker
    expect_ok "so does the broker" below broker
    goes_on "devices trust it" "$ONE"
    goes_on "all of them" "$TWO"
    expect_refused "who has the old root alone does not (control)" 'TLS|certificate' \
        mosquitto_pub -V 5 -h localhost -p "$PORT" --cafile "$PKI/root/ca.crt" --cert "$CERTS/registrar/cert.pem" --key "$CERTS/registrar/key.pem" -i x -t x -m x
}

# ---- finish ----

# retire NAME: revokes what was replaced.
retire() {
    ca revoke --ca "$PKI" --reason superseded \
        --serial "$(openssl x509 -in "$CERTS/$1/cert.pem" -noout -serial | sed 's/serial=//')"
}

finish_cases() {
    local role
    expect_refused "the root's roll-over is not finished while something is below the old one" 'locked out' \
        authority rollover finish root "${NEW_ROOT[@]}"
    retire ingest-old
    retire registrar-old
    retire broker-old
    retire batch
    for role in devices services claims brokers; do
        wait_for 10 authority rollover finish "$role" # until the last old certificate is superseded
        expect_ok "that of $role is" authority rollover finish "$role"
    done
    expect_ok "then the root's is" authority rollover finish root "${NEW_ROOT[@]}"
    expect_soon 15 "a device takes the last bundle" t-0001 has_newest t-0001
    expect_soon 15 "so does the other" t-0002 has_newest t-0002
    expect_ok "nobody trusts the old root any more" nobody_holds "$PKI/root/ca.crt"
    restart_broker
    goes_on "and the devices go on" "$ONE"
    goes_on "all of them" "$TWO"
    make_thermostat t-0003 batch-2
    ca expect --ca "$PKI" acme/thermostat/t-0003
    start_thermostat t-0003
    expect_soon 15 "a new device enrols below the new root" t-0003 stored_at_least 3 acme/thermostat/t-0003
}

nobody_holds() { # CERTIFICATE
    local file
    for file in "$PKI"/trust/*.pem "$WORK"/devices/t-000[12]/ca.pem; do
        if [ "${file##*/}" != crl.pem ] && holds "$file" "$1"; then
            echo "$file has it"
            return 1
        fi
    done
}

secret secret
secret secret-2
make_authority
write_configuration
registrar_says lifetime 20s renew_at 0.3
offline_cases
live_longer
begin_cases
rogue_cases
activate_cases
services_cases
broker_cases
finish_cases
expect_ok "the log of acts is whole" authority audit verify
expect_ok "so is the store" "$PH_BIN/ph-ingest" check --store "$STORE"
profile_cases
test_end
