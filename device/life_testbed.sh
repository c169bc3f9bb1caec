# shellcheck shell=bash
# A stock broker and a registrar made of mosquitto_sub, openssl and mosquitto_pub, for tests of a
# device's certificates; those come from adapters/mqtt_testbed.sh. Source tests/lib/harness.sh and
# tests/lib/broker.sh first, then call life_begin after test_begin. What it leaves:
#
#   $WORK/policy    what the registrar does: a CA to sign with, "wait", "refuse", "silent" or "trust"
#   $WORK/asked     what it was asked, "<ask> <topic>" a line; $WORK/proofs: the proofs that came
#   $WORK/own       the device's files; $WORK/claim: the claim's
#   WITH_CLAIM, WITHOUT_CLAIM   the device's command

LEAF=/O=acme/OU=thermostat/CN=t-0001

stamp() { date -u -d "$1" +%Y%m%d%H%M%SZ; }

# sign NAME SUBJECT START END [CA]: a certificate of NAME.csr, with its CA behind it
sign() {
    local ca=${5:-devices}
    openssl ca -config ca.cnf -batch -notext -subj "$2" -preserveDN -extensions device -cert "$ca.pem" \
        -keyfile "$ca.key" -startdate "$(stamp "$3")" -enddate "$(stamp "$4")" -in "$1.csr" -out "$1.pem" 2>ca.log
    cat "$ca.pem" >>"$1.pem"
}

# leaf NAME SUBJECT START END [CA]: the same with a new key
leaf() {
    openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
    openssl req -config ca.cnf -new -key "$1.key" -subj "$2" -out "$1.csr"
    sign "$@"
}

life_registrar() {
    local topic line ask id policy to who messages
    member() { [[ $line =~ \"$1\":\"([^\"]*)\" ]] && printf '%b' "${BASH_REMATCH[1]}"; }
    json() { awk '{ printf "%s\\n", $0 }' "$1"; }
    answer() { mosquitto_pub "${CLIENT[@]}" -q 1 -t "$to" -m "{\"v\":1,\"answer\":\"$1\",\"id\":\"$id\"$2}"; }
    signed() { # FILE SIGNER
        openssl cms -sign -nodetach -binary -md sha256 -in "$1" -signer "$2.pem" -inkey "$2.key" \
            -certfile devices.pem -outform PEM -out "$1.pem"
    }
    exec {messages}< <(exec mosquitto_sub "${CLIENT[@]}" -v -q 1 -i registrar -t 'ph/v1/+/+/+/renew' \
        -t 'ph/v1/claim/+/+/enroll')
    # shellcheck disable=SC2064 # now: it is this one that is to end
    trap "kill $!" EXIT
    trap 'exit 0' TERM
    while read -r topic line <&"$messages"; do
        ask=$(member ask) id=$(member id) policy=$(cat "$WORK/policy")
        echo "$ask $topic" >>"$WORK/asked"
        member proof >>"$WORK/proofs"
        to=${topic%/renew}/certificate who=${topic#ph/v1/} who=${who%/renew}
        if [[ $topic =~ ^ph/v1/claim/([^/]*)/([^/]*)/enroll$ ]]; then
            to=${topic%/enroll}/certificate/$id who=${BASH_REMATCH[1]}/claim/${BASH_REMATCH[2]}
        fi
        case $policy/$ask in
        silent/*) ;;
        trust/state)
            signed statement.json root
            answer state ",\"trust\":\"$(json statement.json.pem)\""
            ;;
        */state) answer state '' ;;
        */time)
            printf '{"v":1,"statement":"time","device":"%s","nonce":"%s","time":%s}' "$who" "$id" "$(date +%s%3N)" >time.json
            signed time.json registrar
            answer time ",\"token\":\"$(json time.json.pem)\""
            ;;
        wait/*) answer wait ',"reason":"waits for an operator","retry_s":1' ;;
        refuse/*) answer refused ',"reason":"not expected","retry_s":1' ;;
        *)
            member csr >asked.csr
            sign asked "$LEAF" "1 minute ago" "90 days" "$policy"
            answer certificate ",\"certificate\":\"$(json asked.pem)\""
            ;;
        esac
    done
}

life_begin() {
    need mosquitto_sub mosquitto_pub openssl
    "$PH_SOURCE/adapters/mqtt_testbed.sh" "$WORK/pki" || die "no certificates"
    cd "$WORK/pki" || die "no folder"
    PORT=$(free_port)
    cat >"$WORK/mosquitto.conf" <<CONF
listener $PORT 127.0.0.1
cafile $WORK/pki/trust-clients.pem
certfile $WORK/pki/broker.pem
keyfile $WORK/pki/broker.key
require_certificate true
allow_anonymous true
acl_file $WORK/acl
set_tcp_nodelay true
CONF
    printf 'topic readwrite #\n' >"$WORK/acl"
    broker_start broker "$WORK/mosquitto.conf" || die "the broker does not start"
    leaf claim /O=acme/OU=claim/CN=batch-7 "1 year ago" "1 year"
    leaf registrar /O=acme/OU=service/CN=registrar "1 year ago" "1 year"
    CLIENT=(-V 5 -h localhost -p "$PORT" --cafile trust-brokers.pem --cert registrar.pem --key registrar.key)
    mkdir "$WORK/claim" "$WORK/own"
    cp claim.pem "$WORK/claim/cert.pem"
    cp claim.key "$WORK/claim/key.pem"
    cat trust-brokers.pem stranger.pem >"$WORK/own/ca.pem"
    life_configuration >"$WORK/thermostat.yaml"
    WITHOUT_CLAIM=("$PH_BIN/ph-thermostat" run --config "$WORK/thermostat.yaml")
    # shellcheck disable=SC2034 # for whoever sources this
    WITH_CLAIM=("${WITHOUT_CLAIM[@]}" --claim "$WORK/claim")
    : >"$WORK/asked"
    echo devices >"$WORK/policy"
    spawn registrar "$WORK/registrar.log" life_registrar
}

life_configuration() {
    cat <<CONF
broker:
  host: localhost
  port: $PORT
  ca: own/ca.pem
  certificate: own/cert.pem
  key: own/key.pem
publish:
  interval_ms: 50
  drain_ms: 100
reconnect:
  min_ms: 50
  max_ms: 300
renewal:
  retry_min_ms: 100
  retry_max_ms: 1000
  answer_ms: 2000
  trials: 1
CONF
}

# start_device COMMAND...: in the background, from an empty log
start_device() {
    : >"$WORK/asked"
    spawn device "$WORK/device.log" "$@"
}

# install NAME: the pair of NAME is the device's
install() {
    cp "$1.pem" "$WORK/own/cert.pem"
    cp "$1.key" "$WORK/own/key.pem"
    rm -f "$WORK/own/"*.next
}

# says TEXT REGEX: the device logs it within 20 s
says() {
    if wait_line 20 "$WORK/device.log" "$2"; then
        ok "$1"
    else
        fail "$1: /$2/ is not in the log: $(tail -n 20 "$WORK/device.log")"
    fi
}
times_logged() { [ "$(grep -c -- "$1" "$WORK/device.log")" = "$2" ]; }
asked_times() { [ "$(grep -c -- "$1" "$WORK/asked")" -ge "$2" ]; }

captured() { "$PH_BIN/ph-thermostat" spool "$WORK/own/spool.db" --format csv 2>/dev/null | awk -F, 'NR == 2 { print $3 }'; }
captured_more() { [ "$(captured)" -ge "$(($1 + 10))" ] 2>/dev/null; }
captures_on() { wait_for 10 captured_more "$(captured)"; }
fits() { [ "$(openssl x509 -in "$WORK/own/cert.pem" -noout -pubkey)" = "$(openssl pkey -in "$WORK/own/key.pem" -pubout)" ]; }
no_next() { [ ! -e "$WORK/own/cert.pem.next" ] && [ ! -e "$WORK/own/key.pem.next" ]; }
fingerprint() { openssl x509 -in "$1" -outform DER | sha256sum; }
