#!/usr/bin/env bash
# What a client in possession of a good certificate may send to hurt: each is answered, one line says
# why, a device in good standing goes on being served, and the broker survives. [PLG-1] [PLG-12]
# [PLG-13] [PLG-36]

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
test_begin "hostile clients"
# shellcheck source=../attacks/targets.sh
. "$HERE/targets.sh"

case ${PH_SANITIZE:-} in
thread*) skip "the broker itself is not built for the thread sanitizer" ;;
esac
need mosquitto_pub mosquitto_sub openssl

TARGET=phonehome
RAW=acme/thermostat/h-1
FOREIGN=ph/v1/acme/thermostat/h-0/telemetry
OWN=ph/v1/$RAW/telemetry
FILES=64 # descriptors of the broker, in the last test

make_certificates() {
    local i
    ca init "$PKI"
    for i in 0 1 2 3; do
        device acme "h-$i"
    done
    ca issue service --ca "$PKI" --tenant acme --out "$CERTS/ingest" ingest
    ca issue broker --ca "$PKI" --dns localhost --ip 127.0.0.1 --out "$CERTS/broker" broker
}

# Two devices with small rates: one is refused what is beyond them, one is disconnected.
hostile_config() {
    phonehome_config "$@"
    awk '/^roles:/ { print; while ((getline line < extra) > 0) print line; next } { print }' \
        extra=- "$WORK/policy.yaml" >"$WORK/policy.new" <<'ROLES' && mv "$WORK/policy.new" "$WORK/policy.yaml"
  - name: slow
    match: { anchor: devices, device: "h-2" }
    publish: ['ph/v1/{tenant}/{kind}/{device}/telemetry']
    limits: { messages_per_second: 5, message_burst: 10 }
  - name: strict
    match: { anchor: devices, device: "h-3" }
    publish: ['ph/v1/{tenant}/{kind}/{device}/telemetry', 'ph/v1/{tenant}/{kind}/{device}/status']
    status: ph/v1/{tenant}/{kind}/{device}/status
    limits: { messages_per_second: 5, message_burst: 10, over: disconnect }
ROLES
}

# send PACKET...: as h-1, in one connection; the broker's answer is in $WORK/answer.
send() {
    LOG_MARK=$(stat -c %s "$WORK/$TARGET.log")
    { from_hex "$(printf %s "$@")"; sleep 1; } | timeout 5 openssl s_client -quiet \
        -connect "localhost:${PORT[$TARGET]}" -CAfile "$PKI/trust/brokers.pem" \
        -cert "$CERTS/acme.h-1/cert.pem" -key "$CERTS/acme.h-1/key.pem" \
        >"$WORK/answer" 2>"$WORK/s_client.err"
}

# expect_code TEXT TYPE CODE: the first packet of that type bears the code.
expect_code() {
    local have
    have=$(mqtt_reason "$WORK/answer" "$2")
    if [ "$have" = "$3" ]; then
        ok "$1: $3"
    else
        fail "$1: want $3, have ${have:-nothing}"
    fi
}

expect_log() {
    if new_lines | grep -Eq -- "$2"; then
        ok "$1"
    else
        fail "$1: no line says $2: $(new_lines | grep msg= | tail -n 1)"
    fi
}

serves() {
    client "$CERTS/acme.h-0" mosquitto_pub -i acme/thermostat/h-0 -q 1 -t "$FOREIGN" -m "$1" \
        >"$WORK/serves.out" 2>&1
    wait_line 4 "$WORK/observer-$TARGET.out" "^$FOREIGN $1\$"
}

still_serves() {
    expect_ok "a device in good standing is served, after $1" serves "after-${1// /-}"
}

# publish TOPIC PROPERTIES PAYLOAD [ID]: QoS 1, properties as hexadecimal text.
publish() {
    local size=$((${#2} / 2)) length
    length=$(printf %02x "$size")
    if [ "$size" -ge 128 ]; then
        length=$(printf %02x%02x $((size % 128 + 128)) $((size / 128)))
    fi
    if [ "$size" -ge 16384 ]; then
        length=$(printf %02x%02x%02x $((size % 128 + 128)) $((size / 128 % 128 + 128)) $((size / 16384)))
    fi
    long_packet 32 "$(mqtt_text "$1")${4:-0001}$length$2$(printf '%s' "$3" | to_hex)"
}

# As mqtt_packet, for up to 2 MB.
long_packet() {
    local size=$((${#2} / 2))
    if [ "$size" -lt 16384 ]; then
        mqtt_packet "$1" "$2"
    else
        printf '%s%02x%02x%02x%s' "$1" $((size % 128 + 128)) $((size / 128 % 128 + 128)) \
            $((size / 16384)) "$2"
    fi
}

test_connects() {
    send "$(mqtt_connect "")"
    expect_code "an empty client id" 20 87
    expect_log "... and why" 'connection refused.* identity=acme/thermostat/h-1 .*client id: want'
    still_serves "an empty client id"

    # Property 0x15: authentication method.
    send "$(mqtt_packet 10 "00044d51545405""02003c08""150005""$(printf PLAIN | to_hex)$(mqtt_text $RAW)")"
    expect_code "enhanced authentication" 20 8c
    still_serves "enhanced authentication"

    send "$(mqtt_connect $RAW)" 1000
    expect_ok "a packet of a type that does not exist" is_running "$TARGET"
    still_serves "a malformed packet"
}

test_topics() {
    local topic
    # shellcheck disable=SC2016 # $CONTROL is the protocol's
    for topic in '$CONTROL/dynamic-security/v1' '$SYS/broker/uptime' '$share/g/x' "$FOREIGN"; do
        send "$(mqtt_connect $RAW)" "$(mqtt_publish "$topic" x)"
        expect_code "a publication to $topic" 40 87
    done
    # shellcheck disable=SC2016
    for topic in '$CONTROL/#' '$share/g/#' '$SYS/#'; do
        send "$(mqtt_connect $RAW)" "$(mqtt_subscribe "$topic")"
        expect_code "a subscription to $topic" 90 87
    done
    # Property 0x23: topic alias. First for a topic of its own, then the alias alone; then a foreign one.
    send "$(mqtt_connect $RAW)" "$(publish "$OWN" 230001 first)" "$(publish "" 230001 by-alias 0002)"
    wait_line 4 "$WORK/observer-$TARGET.out" "^$OWN by-alias\$"
    expect_line "a topic alias of its own works" "$WORK/observer-$TARGET.out" "^$OWN by-alias\$"
    send "$(mqtt_connect $RAW)" "$(publish "$FOREIGN" 230001 foreign)" \
        "$(publish "" 230001 foreign-by-alias 0002)"
    expect_code "one for a foreign topic" 40 87
    still_serves "a foreign topic alias"
    if grep -Eq "^$FOREIGN foreign(-by-alias)?\$" "$WORK/observer-$TARGET.out"; then
        fail "an alias led to a foreign topic"
    else
        ok "no alias leads to a foreign topic"
    fi
}

# 2,000 properties in one message, the last of them reserved.
test_properties() {
    local flood
    flood=$(for ((i = 0; i < 2000; i++)); do printf '26%s%s' "$(printf '0001%02x' 120)" 000179; done)
    send "$(mqtt_connect $RAW)" "$(publish "$OWN" "$flood" flood)"
    expect_code "a flood of user properties" 40 00
    still_serves "a flood of properties"
    send "$(mqtt_connect $RAW)" \
        "$(publish "$OWN" "${flood}26$(mqtt_text ph-fingerprint)$(mqtt_text forged)" forged)"
    expect_code "a reserved one at its end" 40 87
    expect_log "... and why" 'user property .*ph-fingerprint'
    still_serves "a reserved property"
}

pipe_flood() {
    local -a arguments
    mapfile -t arguments < <(connection "$CERTS/acme.$1")
    seq -f 'reading %g' 60 | timeout 4 mosquitto_pub "${arguments[@]}" -i "acme/thermostat/$1" -q 1 \
        -t "ph/v1/acme/thermostat/$1/telemetry" -l >"$WORK/flood.out" 2>&1
}

received_of() {
    grep -c "^ph/v1/acme/thermostat/$1/telemetry " "$WORK/observer-$TARGET.out"
}

test_rates() {
    local count
    LOG_MARK=$(stat -c %s "$WORK/$TARGET.log")
    pipe_flood h-2
    still_serves "a device beyond its rate"
    count=$(received_of h-2)
    if [ "$count" -ge 10 ] && [ "$count" -le 35 ]; then
        ok "of 60 messages at once $count pass a rate of 5 a second with a burst of 10"
    else
        fail "of 60 messages at once $count pass; want 10 and what a few seconds add"
    fi
    expect_log "... and why" 'access refused.*h-2.*messages_per_second'
    pipe_flood h-3
    wait_line 4 "$WORK/observer-$TARGET.out" 'h-3/status .*"cut_off":"message-rate"'
    expect_line "with \"over: disconnect\" its connection is ended, and its status says so" \
        "$WORK/observer-$TARGET.out" 'h-3/status .*"online":false.*"cut_off":"message-rate"'
    expect_ok "it may come back" wait_for 5 client "$CERTS/acme.h-3" mosquitto_pub -i acme/thermostat/h-3 -q 1 \
        -t ph/v1/acme/thermostat/h-3/status -m back
}

# hold_connections COUNT: opens so many and keeps them.
hold_connections() {
    local i fd
    for ((i = 0; i < $1; i++)); do
        # shellcheck disable=SC2034 # each time another number, so all stay open
        exec {fd}<>"/dev/tcp/127.0.0.1/${PORT[$TARGET]}"
    done 2>/dev/null
    exec sleep 30
}

# A hundred connections where the broker may open some forty.
test_descriptors() {
    stop "observer-$TARGET"
    stop "$TARGET"
    ulimit -S -n "$FILES"
    broker_start "$TARGET" "$WORK/$TARGET.conf" || die "the broker does not start"
    ulimit -S -n 4096 2>/dev/null || ulimit -S -n "$(ulimit -H -n)"
    start_observer
    spawn crowd "$WORK/crowd.out" hold_connections 100
    printf 'deny identity acme/thermostat/h-2\n' >"$WORK/denied.list"
    sed 's/^roles:/lists: [denied.list]\n\nroles:/' "$WORK/policy.yaml" >"$WORK/policy.new"
    mv "$WORK/policy.new" "$WORK/policy.yaml"
    sleep 2
    expect_ok "with all descriptors taken the broker runs" is_running "$TARGET"
    stop crowd KILL
    still_serves "all descriptors were taken"
    expect_ok "and what changed meanwhile is taken up" wait_for 10 denied_now
}

denied_now() {
    client "$CERTS/acme.h-2" mosquitto_pub -i acme/thermostat/h-2 -q 1 -t "ph/v1/acme/thermostat/h-2/telemetry" \
        -m x 2>&1 | grep -q 'CONNACK (135)'
}

make_certificates
start_target "$TARGET" hostile_config
start_observer
test_connects
test_topics
test_properties
test_rates
test_descriptors
expect_ok "the broker has survived it all" is_running "$TARGET"
if grep -Eq 'Sanitizer|runtime error' "$WORK/$TARGET.log"; then
    fail "a sanitizer has something to say: $(grep -m1 -E 'Sanitizer|runtime error' "$WORK/$TARGET.log")"
fi
stop "$TARGET"
test_end
