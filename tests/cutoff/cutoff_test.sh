#!/usr/bin/env bash
# Whoever is revoked, expired, denied or no longer permitted is off within 5 s, live; everyone else
# stays. Beside a stock broker with the same certificates and CRLs, on which they stay too (control).
# [PLG-25] [PLG-26] [PLG-27] [PLG-28] [PLG-29] [PLG-31] [PLG-32] [PLG-35] [PLG-37]
# PH_KEEP=1 keeps the folder with certificates and logs.

# shellcheck source-path=SCRIPTDIR
HERE=$(cd "$(dirname "$0")/../attacks" && pwd) # targets.sh takes its files from there
PH_SOURCE=${PH_SOURCE:-$(cd "$HERE/../.." && pwd)}
PH_BIN=${PH_BIN:-$PH_SOURCE/build/release/bin}
PH_PLUGIN=${PH_PLUGIN:-$PH_SOURCE/build/release/lib/mosquitto_phonehome.so}
# shellcheck source=../lib/harness.sh
. "$PH_SOURCE/tests/lib/harness.sh"
# shellcheck source=../lib/pki.sh
. "$PH_SOURCE/tests/lib/pki.sh"
# shellcheck source=../lib/broker.sh
. "$PH_SOURCE/tests/lib/broker.sh"
# shellcheck source=../lib/mqtt.sh
. "$PH_SOURCE/tests/lib/mqtt.sh"
test_begin "live cut-off, with a stock broker as control"
# shellcheck source=../attacks/targets.sh
. "$HERE/targets.sh"

case ${PH_SANITIZE:-} in
thread*) skip "the broker itself is not built for the thread sanitizer" ;;
esac
need mosquitto_pub mosquitto_sub openssl

CUT_WITHIN_MS=5000 # promise P1
declare -A WILL=()

topics_of() {
    printf 'ph/v1/%s' "$1"
}

make_certificates() {
    local i
    ca init "$PKI"
    for i in 0 1 2 3 4 5 6 7 8 9; do
        device acme "c-$i"
    done
    for i in ingest operator; do
        ca issue service --ca "$PKI" --tenant acme --out "$CERTS/$i" "$i"
    done
    ca issue broker --ca "$PKI" --dns localhost --ip 127.0.0.1 --out "$CERTS/broker" broker
}

# The shipped policy, with a list, and a quarantine without commands.
cutoff_config() {
    phonehome_config "$@"
    sed -i '/^quarantine:/,/limits:/s,/command,/ack,' "$WORK/policy.yaml"
    sed -i 's/^roles:/lists: [denied.list]\n\nroles:/' "$WORK/policy.yaml"
    printf '# nobody yet\n' >"$WORK/denied.list"
}

# put FILE: replaces it by what comes in, as a program should.
put() {
    cat >"$1.new" && mv "$1.new" "$1"
}

# live TARGET DEVICE [ARGUMENT...]: the device connects, says that it is online, and listens to its
# commands, with a will.
live() {
    TARGET=$1
    local id=acme/thermostat/$2
    client "$CERTS/acme.$2" mosquitto_pub -i "$id" -q 1 -r -t "$(topics_of "$id")/status" \
        -m '{"v":1,"online":true}' >"$WORK/seed.out" 2>&1 || die "$TARGET: $2 is not served"
    WILL[$2]="will $RANDOM of $2" # another at each time
    listen "$1-$2" "$CERTS/acme.$2" "$id" "$(topics_of "$id")/command" \
        --will-topic "$(topics_of "$id")/status" --will-payload "${WILL[$2]}" \
        --will-retain "${@:3}" ||
        die "$TARGET: $2 is not served"
}

# command TARGET DEVICE TEXT
command_to() {
    TARGET=$1
    client "$CERTS/operator" mosquitto_pub -i acme/service/operator -q 1 \
        -t "$(topics_of "acme/thermostat/$2")/command" -m "$3" >"$WORK/command.out" 2>&1
}

dropped() {
    grep -q '^Received DISCONNECT (152)' "$WORK/phonehome-$1.out"
}

# (mosquitto_pub's own status would be taken for a signal's)
comes_back() {
    client "$CERTS/acme.$1" mosquitto_pub -i "acme/thermostat/$1" -q 1 -t x -m x || return 1
}

# expect_cut DEVICE WHAT WORD: within the promised time, with the reason, without its will, and out.
expect_cut() {
    local from=$3 waited
    if wait_for 8 dropped "$1"; then
        waited=$(($(now_ms) - CHANGED_MS))
        if [ "$waited" -le "$CUT_WITHIN_MS" ]; then
            ok "$2: cut off after $waited ms, with reason 0x98"
        else
            fail "$2: cut off after $waited ms, want at most $CUT_WITHIN_MS"
        fi
    else
        fail "$2: not cut off within 8 s"
    fi
    TARGET=phonehome
    expect_refused "$2: it does not come back" 'Not authorized|Protocol error|certificate expired' comes_back "$1"
    wait_line 3 "$WORK/observer-phonehome.out" "c-${1#c-}/status .*\"online\":false.*\"$from\""
    expect_line "$2: its retained status says so" "$WORK/observer-phonehome.out" \
        "acme/thermostat/$1/status .*\"online\":false.*\"cut_off\":\"$from\""
    if grep -q "${WILL[$1]}" "$WORK/observer-phonehome.out"; then
        fail "$2: its will was published"
    else
        ok "$2: its will is not published"
    fi
    stop "phonehome-$1"
}

# expect_stays DEVICE WHAT: the stock broker goes on serving it.
expect_stays() {
    command_to stock "$1" "still here"
    if wait_line 3 "$WORK/stock-$1.out" 'command still here'; then
        ok "$2: the stock broker goes on serving it (control)"
    else
        fail "$2: the stock broker does not serve it: the control shows nothing"
    fi
    stop "stock-$1" KILL
}

revoke_everywhere() {
    ca revoke --ca "$PKI" "$@"
    collect_stock_crls
    CHANGED_MS=$(now_ms)
    broker_reload stock
}

collect_stock_crls() {
    cat "$PKI/trust/crl.pem" >"$WORK/stock-crl.pem"
}

test_revoked() {
    live stock c-1
    live phonehome c-1 -c -x 1000
    revoke_everywhere acme/thermostat/c-1
    expect_cut c-1 "revoked" revoked
    expect_stays c-1 "revoked"
}

# deny LINE: on the list, and noticed.
deny() {
    printf '%s\n' "$@" | put "$WORK/denied.list"
    CHANGED_MS=$(now_ms)
}

test_denied() {
    local cert=$CERTS/acme.c-2/cert.pem serial issuer key
    live phonehome c-2
    live phonehome c-3
    live phonehome c-4
    serial=$(openssl x509 -in "$cert" -noout -serial | sed 's/serial=//')
    issuer=$("$PH_BIN/ph-policy" explain "$WORK/policy.yaml" --cert "$cert" |
        sed -n 's/^issuer  *//p')
    key=$(openssl x509 -in "$CERTS/acme.c-3/cert.pem" -noout -pubkey | openssl pkey -pubin -outform DER |
        sha256sum | cut -d' ' -f1)
    deny "deny serial $serial $issuer" "deny key $key" "deny identity acme/thermostat/c-4"
    expect_cut c-2 "denied by serial number" denied-serial
    expect_cut c-3 "denied by key" denied-key
    expect_cut c-4 "denied by identity" denied-identity

    # The key comes back with another certificate for another name.
    mkdir -p "$CERTS/acme.c-30"
    cp "$CERTS/acme.c-3/key.pem" "$CERTS/acme.c-30/key.pem"
    pki_sign "$PKI/devices" "$CERTS/acme.c-30" /O=acme/OU=thermostat/CN=c-30 \
        "$CLIENT_LEAF;extendedKeyUsage=clientAuth"
    TARGET=phonehome
    expect_refused "a denied key does not come back with a renewed certificate" 'Not authorized' \
        comes_back c-30
}

# What was published while it was denied is not waiting for it.
test_denied_session() {
    live phonehome c-5 -c -x 1000
    deny "deny identity acme/thermostat/c-5"
    expect_cut c-5 "denied, with a lasting session" denied-identity
    command_to phonehome c-5 "while denied"
    deny "# nobody"
    TARGET=phonehome
    wait_for 5 listen phonehome-c-5 "$CERTS/acme.c-5" acme/thermostat/c-5 \
        "$(topics_of acme/thermostat/c-5)/command" -c -x 1000
    command_to phonehome c-5 "let in again"
    wait_line 5 "$WORK/phonehome-c-5.out" 'let in again'
    expect_line "taken off the list it is served again" "$WORK/phonehome-c-5.out" 'let in again'
    if grep -q 'while denied' "$WORK/phonehome-c-5.out"; then
        fail "what was sent to a denied device was queued for it"
    else
        ok "what was sent to a denied device was not queued for it"
    fi
    stop phonehome-c-5
}

test_expired() {
    local until
    pki_sign "$PKI/devices" "$CERTS/acme.c-20" /O=acme/OU=thermostat/CN=c-20 \
        "$CLIENT_LEAF;extendedKeyUsage=clientAuth" -60 8
    until=$(($(now_ms) + 8000))
    live stock c-20
    live phonehome c-20
    while [ "$(now_ms)" -lt "$until" ]; do
        sleep 0.1
    done
    CHANGED_MS=$until
    expect_cut c-20 "expired" expired
    expect_stays c-20 "expired"
}

reload_count() {
    grep -c 'msg="policy reloaded"' "$WORK/phonehome.log"
}

reloaded_since() {
    [ "$(reload_count)" -gt "$1" ]
}

test_policy() {
    local before
    live phonehome c-6
    cp "$WORK/policy.yaml" "$WORK/policy.good"
    sed 's/match: { anchor: devices }/match: { anchor: devices, device: "c-0*" }/' \
        "$WORK/policy.good" | put "$WORK/policy.yaml"
    CHANGED_MS=$(now_ms)
    expect_cut c-6 "no longer permitted by the policy" no-role
    before=$(reload_count)
    put "$WORK/policy.yaml" <"$WORK/policy.good"
    wait_for 5 reloaded_since "$before" || die "the good policy is not taken up"
}

quarantined() {
    grep -q "msg=\"put in quarantine\".*acme/thermostat/$1" "$WORK/phonehome.log"
}

released() {
    grep -q "msg=\"released from quarantine\".*acme/thermostat/$1" "$WORK/phonehome.log"
}

test_quarantine() {
    live phonehome c-7
    deny "quarantine acme/thermostat/c-7"
    expect_ok "an identity is put in quarantine" wait_for 5 quarantined c-7
    command_to phonehome c-7 "in quarantine"
    deny "# nobody"
    expect_ok "and released" wait_for 5 released c-7
    command_to phonehome c-7 "after it"
    wait_line 5 "$WORK/phonehome-c-7.out" 'after it'
    expect_line "released, it is served over the same connection" "$WORK/phonehome-c-7.out" 'after it'
    if grep -Eq 'in quarantine|DISCONNECT' "$WORK/phonehome-c-7.out"; then
        fail "in quarantine it was served, or disconnected"
    else
        ok "in quarantine its subscription was not served, and it stayed connected"
    fi
    stop phonehome-c-7
}

# A retained message is handed out only while its source may publish it.
test_retained() {
    local topic
    topic=$(topics_of acme/thermostat/c-8)/reply
    live phonehome c-8
    # (its own connection would be taken over: another device publishes)
    client "$CERTS/acme.c-9" mosquitto_pub -i acme/thermostat/c-9 -q 1 -r \
        -t "$(topics_of acme/thermostat/c-9)/reply" -m "of a good device" >"$WORK/seed.out" 2>&1
    stop phonehome-c-8
    client "$CERTS/acme.c-8" mosquitto_pub -i acme/thermostat/c-8 -q 1 -r -t "$topic" \
        -m "of a cut device" >"$WORK/seed.out" 2>&1
    live phonehome c-8
    deny "deny identity acme/thermostat/c-8"
    expect_cut c-8 "denied, with a retained message" denied-identity
    listen retained "$CERTS/operator" acme/service/operator 'ph/v1/acme/+/+/reply' ||
        die "the operator is not served"
    wait_line 3 "$WORK/retained.out" 'of a good device'
    expect_line "the retained message of a good device is handed out" "$WORK/retained.out" \
        'of a good device'
    if grep -q 'of a cut device' "$WORK/retained.out"; then
        fail "the retained message of a device that was cut off is handed out"
    else
        ok "that of a device that was cut off is not"
    fi
    stop retained
    deny "# nobody"
}

test_provenance() {
    local fingerprint
    TARGET=phonehome
    fingerprint=$(openssl x509 -in "$CERTS/acme.c-9/cert.pem" -outform DER | sha256sum | cut -d' ' -f1)
    spawn properties "$WORK/properties.out" stdbuf -oL mosquitto_sub -V 5 -h localhost \
        -p "${PORT[phonehome]}" --cafile "$PKI/trust/brokers.pem" --cert "$CERTS/operator/cert.pem" \
        --key "$CERTS/operator/key.pem" -i acme/service/operator -d -q 1 -F '%t %P' \
        -t 'ph/v1/acme/+/+/telemetry'
    wait_line 5 "$WORK/properties.out" '^Subscribed'
    client "$CERTS/acme.c-9" mosquitto_pub -i acme/thermostat/c-9 -q 1 \
        -t "$(topics_of acme/thermostat/c-9)/telemetry" -m x >"$WORK/seed.out" 2>&1
    wait_line 5 "$WORK/properties.out" 'c-9/telemetry'
    expect_line "a message bears the identity that the broker verified" "$WORK/properties.out" \
        'c-9/telemetry .*ph-identity:devices:acme/thermostat/c-9'
    expect_line "and the fingerprint of its certificate" "$WORK/properties.out" \
        "c-9/telemetry .*ph-fingerprint:$fingerprint"
    stop properties
}

# A hundred reloads with somebody sending all the time; nobody may be dropped.
test_reloads() {
    local i
    live phonehome c-9 -c -x 1000
    stop phonehome-c-9 # an offline session, which a refused re-check would corrupt the broker with
    for ((i = 0; i < 100; i++)); do
        kill -s HUP "${PIDS[phonehome]}"
        sleep 0.02
    done
    command_to phonehome c-0 "after a hundred reloads"
    wait_line 5 "$WORK/phonehome-c-0.out" 'after a hundred reloads'
    expect_line "after a hundred reloads a good device is served" "$WORK/phonehome-c-0.out" \
        'after a hundred reloads'
}

test_authority() {
    live stock c-9
    live phonehome c-9
    revoke_everywhere --authority devices
    expect_cut c-9 "below a revoked subordinate CA" ca-revoked
    expect_stays c-9 "below a revoked subordinate CA"
}

test_bystander() {
    if grep -Eq 'DISCONNECT|CONNACK.*CONNACK' "$WORK/phonehome-c-0.out" ||
        [ "$(grep -c CONNACK "$WORK/phonehome-c-0.out")" != 1 ]; then
        fail "the bystander was disturbed: $(grep -m1 DISCONNECT "$WORK/phonehome-c-0.out")"
    else
        ok "a device in good standing was never disconnected"
    fi
}

test_evidence() {
    expect_ok "the audit file is whole" "$PH_BIN/ph-policy" audit verify "$WORK/phonehome-audit.jsonl"
    sed '3d' "$WORK/phonehome-audit.jsonl" >"$WORK/edited.jsonl"
    expect_refused "one without its third line is not" 'edited.jsonl:3' \
        "$PH_BIN/ph-policy" audit verify "$WORK/edited.jsonl"
    expect_line "cut-offs are recorded" "$WORK/phonehome-audit.jsonl" \
        '"event":"cut-off","identity":"devices:acme/thermostat/c-1".*"reason":"revoked"'
}

make_certificates
collect_stock_crls
start_target stock stock_config true
start_target phonehome cutoff_config
for TARGET in stock phonehome; do
    start_observer
done
live phonehome c-0
test_revoked
test_denied
test_denied_session
test_expired
test_policy
test_quarantine
test_retained
test_provenance
test_reloads
test_bystander
test_authority
test_evidence
expect_ok "the broker has survived" is_running phonehome
stop phonehome
test_end
