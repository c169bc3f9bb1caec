#!/usr/bin/env bash
# `ph-fleet load` against a stock mosquitto, without TLS and with: what it counts, what it says when
# something is wrong, and its exit status. Requirements: LOAD of docs/spec/fleet.md.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/lib/broker.sh"
. "$PH_SOURCE/tests/lib/pki.sh"

PH_PLUGIN= # a stock broker

# load ARGUMENT...: a run against the broker without TLS, with its JSON in $WORK/load.json.
load() {
    "$PH_BIN/ph-fleet" load --broker "mqtt://127.0.0.1:$port" --drain 20 \
        --json "$WORK/load.json" "$@"
}

# load_tls FOLDER ARGUMENT...: the same with TLS.
load_tls() {
    local folder=$1
    shift
    "$PH_BIN/ph-fleet" load --broker "mqtts://localhost:$tls_port" --certs "$folder" --drain 20 \
        --json "$WORK/load.json" "$@"
}

# field NAME: a number (or true, false) of the JSON's outermost object.
field() {
    grep -oP "\"$1\":\K[-0-9.a-z]+" "$WORK/load.json" | head -n 1
}

# expect_fields TEXT NAME=VALUE...
expect_fields() {
    local text=$1 pair wrong=""
    shift
    for pair in "$@"; do
        if [ "$(field "${pair%%=*}")" != "${pair#*=}" ]; then
            wrong+=" ${pair%%=*}: want ${pair#*=}, have $(field "${pair%%=*}");"
        fi
    done
    if [ -z "$wrong" ]; then
        ok "$text"
    else
        fail "$text:$wrong"
    fi
}

# expect_status TEXT STATUS COMMAND...
expect_status() {
    local text=$1 want=$2 status=0
    shift 2
    "$@" >"$WORK/out" 2>&1 </dev/null || status=$?
    if [ "$status" = "$want" ]; then
        ok "$text"
    else
        fail "$text: want status $want, have $status: $(cat "$WORK/out")"
    fi
}

make_certificates() {
    local n
    pki_root "$WORK/ca" "/O=test/CN=root"
    pki_sign "$WORK/ca" "$WORK/broker" "/O=test/CN=localhost" \
        "basicConstraints=CA:FALSE;extendedKeyUsage=serverAuth;subjectAltName=DNS:localhost"
    for n in 1 2 3; do
        pki_sign "$WORK/ca" "$WORK/devices/d-$n" "/O=test/CN=d-$n" \
            "basicConstraints=CA:FALSE;extendedKeyUsage=clientAuth"
        cp "$WORK/ca/ca.crt" "$WORK/devices/d-$n/ca.pem"
    done
    pki_root "$WORK/stranger" "/O=test/CN=stranger"
}

start_broker() {
    make_certificates
    port=$(free_port)
    tls_port=$(free_port)
    cat >"$WORK/broker.conf" <<CONF
allow_anonymous true
max_queued_messages 100000
listener $port 127.0.0.1
listener $tls_port 127.0.0.1
cafile $WORK/ca/ca.crt
certfile $WORK/broker/cert.pem
keyfile $WORK/broker/key.pem
require_certificate true
use_identity_as_username true
CONF
    broker_start broker "$WORK/broker.conf" || die "mosquitto: $(tail -n 5 "$WORK/broker.log")"
}

# [LOAD-6] [LOAD-11] [LOAD-13] [LOAD-16]: at a rate, with warm-up; every message is accounted for.
test_rate() {
    expect_status "at a rate: status 0" 0 \
        load --publishers 3 --subscribers 2 --rate 300 --warmup 1 --messages 900
    expect_fields "at a rate: what was due was sent, confirmed and received by both" \
        connected=5 sent=900 confirmed=900 expected=1800 received=1800 lost=0 duplicates=0 \
        unconfirmed=0 not_sent=0 numbered=true good=true
    # [LOAD-13] the warm-up's third is not in the times
    if grep -oP '"confirmed_from_due":{"count":\K[0-9]+' "$WORK/load.json" | grep -qx 600; then
        ok "at a rate: the times are those of what was due after the warm-up"
    else
        fail "at a rate: times of other than 600 messages: $(cat "$WORK/load.json")"
    fi
    # [LOAD-17]
    expect_line "the summary has the times from when due" "$WORK/out" '^received, from due +[0-9]'
    expect_line "and from when sent" "$WORK/out" '^received, from sent +[0-9]'
}

# [LOAD-1] [LOAD-8] [LOAD-9] [LOAD-14]
test_window() {
    local qos
    for qos in 0 1 2; do
        expect_status "as fast as the window allows, QoS $qos: status 0" 0 \
            load --publishers 2 --subscribers 1 --qos "$qos" --messages 2001
        expect_fields "QoS $qos: all of it" sent=2001 expected=2001 received=2001 lost=0
    done
    expect_status "MQTT 3.1.1, readings as JSON" 0 \
        load --mqtt 3.1.1 --publishers 2 --subscribers 1 --messages 500 --readings 5
    expect_fields "MQTT 3.1.1: all of it; no receive maximum there" \
        received=500 duplicates=0 window=100
    expect_status "window beyond the broker's" 0 load --window 500 --messages 100
    expect_fields "the broker's receive maximum bounds the window" window=20
}

# [LOAD-10] [LOAD-11] [LOAD-12]
test_subscriptions() {
    expect_status "a shared subscription" 0 load --publishers 2 --subscribers 3 \
        --messages 600 --filter '$share/g/ph-load/+'
    expect_fields "those that share get each message once" expected=600 received=600 duplicates=0
    expect_status "a topic for each subscriber" 0 load --publishers 3 --subscribers 2 \
        --messages 300 --filter 'ph-load/{n}'
    expect_fields "two of three topics are subscribed to" expected=200 received=200
    expect_status "a payload too small for numbers" 0 load --subscribers 1 --messages 50 --size 4
    expect_fields "is counted" received=50 lost=0 numbered=false
    expect_status "retained messages" 0 load --subscribers 1 --messages 5 --retain --topic 'kept/{n}'
    expect_status "what another run has left" 0 load --subscribers 1 --messages 5 --topic 'kept/{n}'
    expect_fields "is astray" received=5 astray=1
}

# [LOAD-1] [LOAD-5] [LOAD-16]
test_tls() {
    expect_status "TLS, a certificate for each publisher, named in the topic" 0 load_tls \
        "$WORK/devices" --publishers 3 --subscribers 2 --messages 300 --topic 'd/{name}/{n}'
    expect_fields "TLS: all of it" connected=5 received=600 lost=0
    expect_line "TLS: the broker saw the certificates' names" "$WORK/broker.log" "u'd-3'"
    expect_status "TLS, one certificate for all" 0 load_tls \
        "$WORK/devices/d-1" --publishers 2 --messages 20
    expect_refused "fewer certificates than publishers" "3 folders .* want one or 4" load_tls \
        "$WORK/devices" --publishers 4
    expect_status "a broker of a CA that is not trusted: status 1" 1 load_tls "$WORK/devices" \
        --publishers 2 --ca "$WORK/stranger/ca.crt"
    expect_line "each failure has its reason" "$WORK/out" ' 2  TLS: certificate verify failed$'
    expect_line "and the verdict is said" "$WORK/out" '^ph-fleet: 2 of 2 connections failed$'
    expect_fields "as JSON too" connections_failed=2 good=false
}

# [LOAD-3] [LOAD-18]
test_cannot_run() {
    expect_status "nobody listens: status 69" 69 "$PH_BIN/ph-fleet" load \
        --broker "mqtt://127.0.0.1:$(free_port)"
    expect_line "and a line that says so" "$WORK/out" '^ph-fleet: 127.0.0.1:[0-9]+: Connection refused$'
    few_files() {
        (ulimit -n 200 && load --publishers 100)
    }
    expect_status "too few open files: status 69" 69 few_files
    expect_line "and what to do" "$WORK/out" \
        '100 connections: need [0-9]+ open files, and the limit is 200: raise it'
    expect_status "a wrong option: status 64" 64 load --qos 3
}

# [LOAD-7]: a broker that stands still for a second is seen by the times from when due.
test_stall() {
    local from_due from_sent
    (sleep 2.5 && kill -s STOP "${PIDS[broker]}" && sleep 1 && kill -s CONT "${PIDS[broker]}") &
    expect_status "a broker that stands still for 1 s" 0 \
        load --rate 200 --duration 6 --window 1 --publishers 1
    wait "$!"
    from_due=$(grep -oP '"confirmed_from_due":{.*?"p90":\K[0-9]+' "$WORK/load.json")
    from_sent=$(grep -oP '"confirmed_from_sent":{.*?"p90":\K[0-9]+' "$WORK/load.json")
    # of 1200 messages 200 were due while it stood: a sixth, so beyond the 90th percentile
    if [ "$from_due" -gt 200000 ]; then
        ok "is in the times from when due (p90 $from_due us)"
    else
        fail "p90 from due: want more than 200000 us, have $from_due us; from sent $from_sent us"
    fi
    if [ "$from_sent" -lt "$from_due" ]; then
        ok "and left out of those from when sent (p90 $from_sent us)"
    else
        fail "p90 from sent ($from_sent us): want less than from due ($from_due us)"
    fi
}

# [LOAD-19] a signal ends the run with what there is; [LOAD-4] a lost connection is made again.
test_signal_and_loss() {
    spawn load "$WORK/out" "$PH_BIN/ph-fleet" load --broker "mqtt://127.0.0.1:$port" --plain \
        --rate 100 --duration 600 --publishers 2 --subscribers 1 --json "$WORK/load.json"
    wait_line 20 "$WORK/out" 'sent (9[0-9]|10[0-9])/s' || fail "no live line: $(cat "$WORK/out")"
    stop broker KILL
    broker_start broker "$WORK/broker.conf" || die "mosquitto does not come back"
    wait_for 20 reconnected 3 || fail "three connections: want them again"
    kill -s INT "${PIDS[load]}"
    wait_for 30 ended load || fail "want an end after SIGINT"
    expect_fields "the losses are counted, and the run went on" \
        connected=3 connections_lost=3 interrupted=true good=false
    expect_line "the verdict names them" "$WORK/out" '^ph-fleet: 3 connections were lost'
    unset "PIDS[load]"
}

reconnected() {
    [ "$(grep -c 'New client connected .* as ph-load-' "$WORK/broker.log")" -ge "$1" ]
}

test_begin "ph-fleet load"
need openssl
port="" tls_port=""
start_broker
test_rate
test_window
test_subscriptions
test_tls
test_cannot_run
test_stall
test_signal_and_loss
test_end
