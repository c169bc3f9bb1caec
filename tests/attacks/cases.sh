# shellcheck shell=bash
# The attacks. Each attack_NAME runs against the broker $TARGET, ends within seconds and sets
# OUTCOME to what became of it:
#
#   refused tls          the handshake failed
#   refused connack XX   CONNECT was answered with that reason code
#   refused puback XX    the publication was
#   refused suback XX    the subscription was
#   refused will         CONNECT was granted, but the will was not published
#   filtered             the subscription was granted, but delivers nothing of the victim's
#   renamed              CONNECT was granted under another client id; the victim stays connected
#   accepted             the attacker got what it wanted
#   unclear: ...         the attack itself failed, so the test is broken
#
# and WHO to what the plugin's log must name: the identity or the serial number.

OUTCOME=""
WHO=""
MARK=""
MARKS=0
WILL=""
ATTACKER=acme/thermostat/a-1 # a device in good standing, bent on mischief
CLAIM=b-1                    # a claim that many devices hold, this one among them
CASE=0
ADDRESS=127.0.0.1

# next_case: another attacker and another address, because the plugin's log holds back what comes
# too often from the same.
next_case() {
    CASE=$((CASE + 1))
    ATTACKER=acme/thermostat/a-$((CASE % ATTACKER_COUNT + 1))
    # shellcheck disable=SC2034 # for enrolment.sh
    CLAIM=b-$((CASE % ATTACKER_COUNT + 1))
    ADDRESS=127.0.1.$((CASE % 250 + 1))
}

# The attacker's certificate.
own() {
    printf '%s/acme.%s' "$CERTS" "${ATTACKER##*/}"
}

# mark: sets MARK to a payload that has not been used before.
mark() {
    MARKS=$((MARKS + 1))
    MARK="mark-$MARKS-$TARGET."
}

# code_in OUTPUT SED-PATTERN: the first number (in decimal) that the pattern's group finds, or 0.
code_in() {
    local code
    code=$(sed -nE "s/$2.*/\1/p" <<<"$1" | head -n 1)
    printf '%d' "${code:-0}"
}

# refused_by_tls OUTPUT: the handshake failed. A client does not always see the alert before the
# connection breaks; the broker's log has the reason in any case.
refused_by_tls() {
    ! grep -q 'received CONNACK' <<<"$1" &&
        { grep -Eq 'SSL routines.*alert|certificate verify failed' <<<"$1" ||
            new_lines | grep -Eq 'SSL routines.*(verify failed|did not return a certificate)'; }
}

# refusal_in OUTPUT: what a mosquitto_pub or mosquitto_sub with -d was refused; nothing when it was
# granted everything; "unclear" when it was not answered.
refusal_in() {
    local connack puback suback
    connack=$(code_in "$1" '.*received CONNACK \(([0-9]+)\)')
    puback=$(code_in "$1" '.*received PUBACK .*RC:([0-9]+)')
    suback=$(code_in "$1" '^Subscribed \(mid: [0-9]+\): ([0-9]+)')
    if refused_by_tls "$1"; then
        printf 'refused tls'
    elif [ "$connack" -ge 128 ]; then
        printf 'refused connack %02x' "$connack"
    elif [ "$puback" -ge 128 ]; then
        printf 'refused puback %02x' "$puback"
    elif [ "$suback" -ge 128 ]; then
        printf 'refused suback %02x' "$suback"
    elif ! grep -Eq 'received PUBACK|^Subscribed' <<<"$1"; then
        printf 'unclear: %s' "$(tail -n 1 <<<"$1")"
    fi
}

# The good device publishes and ingest receives it: proof that the broker still serves, and that
# everything sent before has been dealt with.
sentinel() {
    mark
    client "$CERTS/acme.t-0001" mosquitto_pub -i acme/thermostat/t-0001 -q 1 \
        -t ph/v1/acme/thermostat/t-0001/telemetry -m "$MARK" >"$WORK/sentinel.out" 2>&1
    observed "ph/v1/acme/thermostat/t-0001/telemetry $MARK" 4 ||
        die "$TARGET: the good device is not served: $(tail -n 2 "$WORK/sentinel.out")"
}

# observed LINE [SECONDS]: ingest or the registrar has received it, or does so in time.
observed() {
    wait_for "${2:-0}" grep -Fxq -- "$1" "$WORK/observer-$TARGET.out" "$WORK/registrar-$TARGET.out"
}

# try_publish CERTIFICATE-FOLDER CLIENT-ID TOPIC [ARGUMENT...]
try_publish() {
    local folder=$1 id=$2 topic=$3 output payload
    shift 3
    mark
    payload=$MARK
    output=$(client "$folder" mosquitto_pub -A "$ADDRESS" -i "$id" -q 1 -t "$topic" -m "$payload" \
        "$@" 2>&1)
    sentinel
    OUTCOME=$(refusal_in "$output")
    if [ -z "$OUTCOME" ] || observed "$topic $payload"; then
        OUTCOME=accepted
    fi
}

# attack_certificate NAME [TOPIC]: a hostile certificate connects under the victim's client id and
# publishes a reading as the victim's.
attack_certificate() {
    WHO="$VICTIM|$(pki_serial "$HOSTILE/$1/leaf.crt")"
    try_publish "$HOSTILE/$1" "$VICTIM" "${2:-ph/v1/$VICTIM/telemetry}"
}

# attack_forged_service: the devices CA has signed a certificate of the operator; it commands.
attack_forged_service() {
    WHO="acme/service/operator|$(pki_serial "$HOSTILE/service/leaf.crt")"
    try_publish "$HOSTILE/service" acme/service/operator "ph/v1/$VICTIM/command"
}

# attack_forged_ingest: the devices CA has signed a certificate with the names of the ingest service;
# it acknowledges what nobody has stored.
attack_forged_ingest() {
    local output
    WHO="acme/service/ingest|$(pki_serial "$HOSTILE/ingest/leaf.crt")"
    stop "observer-$TARGET" # where the broker lets the forger in, the two would fight
    output=$(client "$HOSTILE/ingest" mosquitto_pub -A "$ADDRESS" -i acme/service/ingest -q 1 \
        -t "ph/v1/$VICTIM/ack" -m '{}' 2>&1)
    start_observer
    OUTCOME=$(refusal_in "$output")
    : "${OUTCOME:=accepted}"
}

# attack_publish TOPIC [ARGUMENT...]: the attacker publishes under its own name.
attack_publish() {
    WHO=$ATTACKER
    try_publish "$(own)" "$ATTACKER" "$@"
}

# attack_twin: another tenant's device of the victim's name publishes as the victim.
attack_twin() {
    WHO=globex/thermostat/t-0002
    try_publish "$CERTS/globex.t-0002" globex/thermostat/t-0002 "ph/v1/$VICTIM/telemetry"
}

attack_revoked() {
    WHO=acme/thermostat/t-0003
    try_publish "$CERTS/acme.t-0003" "$WHO" "ph/v1/$WHO/telemetry"
}

# try_subscribe CERTIFICATE-FOLDER CLIENT-ID FILTER: accepted when it brings anything of the
# victim's or of a claim's, retained or new, or of the broker's own.
try_subscribe() {
    local file=$WORK/attacker.out
    WHO=$2
    listen attacker "$1" "$2" "$3"
    OUTCOME=$(refusal_in "$(cat "$file")")
    if [ -z "$OUTCOME" ]; then
        client "$CERTS/acme.t-0002" mosquitto_pub -i "$VICTIM" -q 1 -t "ph/v1/$VICTIM/telemetry" \
            -m private >"$WORK/victim.out" 2>&1
        sentinel
        sleep 0.1
        OUTCOME=filtered
        if grep -Eq "^(ph/v1/$VICTIM/|ph/v1/claim/|[\$]SYS/)" "$file"; then
            OUTCOME=accepted
        fi
    fi
    stop attacker
}

attack_subscribe() {
    try_subscribe "$(own)" "$ATTACKER" "$1"
}

# attack_service_name: a device that bears the name of the ingest service asks for its rights, and
# for the victim's retained status with them.
attack_service_name() {
    local file=$WORK/attacker.out
    WHO=acme/thermostat/ingest
    stop "observer-$TARGET" # where the broker cannot tell the two apart, they would fight
    listen attacker "$CERTS/acme.ingest" "$WHO" 'ph/v1/+/+/+/status'
    OUTCOME=$(refusal_in "$(cat "$file")")
    if [ -z "$OUTCOME" ]; then
        OUTCOME=filtered
        if wait_line 1 "$file" "^ph/v1/$VICTIM/status"; then
            OUTCOME=accepted
        fi
    fi
    stop attacker
    start_observer
}

# attack_user_name: a device says that it is the operator.
attack_user_name() {
    local output
    WHO=$ATTACKER
    output=$(client "$(own)" mosquitto_pub -i "$ATTACKER" -u operator -P secret -q 1 \
        -t "ph/v1/$VICTIM/command" -m '{}' 2>&1)
    OUTCOME=$(refusal_in "$output")
    : "${OUTCOME:=accepted}"
}

# leave_will TOPIC [ARGUMENT...]: the attacker connects with a will there, and stays; false, with
# OUTCOME set, when it may not. Sets WILL to what ingest would receive.
leave_will() {
    WHO=$ATTACKER
    mark
    WILL="$1 $MARK"
    listen attacker "$(own)" "$ATTACKER" "ph/v1/$ATTACKER/command" --will-topic "$1" \
        --will-payload "$MARK" --will-qos 1 "${@:2}"
    OUTCOME=$(refusal_in "$(cat "$WORK/attacker.out")")
    [ -z "$OUTCOME" ]
}

# read_will [SECONDS]: sets OUTCOME by whether the will is published.
read_will() {
    sentinel
    OUTCOME="refused will"
    if observed "$WILL" "${1:-0}"; then
        OUTCOME=accepted
    fi
}

# attack_will TOPIC: the attacker's connection breaks.
attack_will() {
    if leave_will "$1"; then
        stop attacker KILL
        wait_for 4 attacker_is_gone || die "$TARGET: does not notice that a connection is broken"
        read_will
    fi
    stop attacker
}

# attack_will_delayed TOPIC: the same, for a session that outlives its connection by a second.
attack_will_delayed() {
    if leave_will "$1" -x 60 -D will will-delay-interval 1; then
        stop attacker KILL
        wait_for 4 attacker_is_gone || die "$TARGET: does not notice that a connection is broken"
        read_will 3
    fi
    stop attacker
}

# attack_will_takeover TOPIC: the attacker connects anew, and the broker ends the old connection.
attack_will_takeover() {
    if leave_will "$1"; then
        raw_send again "$(mqtt_connect "$ATTACKER")$(mqtt_disconnect)" -cert "$(own)/cert.pem" \
            -key "$(own)/key.pem" -cert_chain "$(own)/cert.pem"
        read_will
    fi
    stop attacker
}

# attack_will_asked TOPIC: the attacker says goodbye and asks for its will (reason 0x04).
attack_will_asked() {
    WHO=$ATTACKER
    mark
    WILL="$1 $MARK"
    raw_send asked "$(mqtt_connect "$ATTACKER" "$1" "$MARK")$(mqtt_disconnect 04)" \
        -cert "$(own)/cert.pem" -key "$(own)/key.pem" -cert_chain "$(own)/cert.pem"
    if [ "$(mqtt_reason "$WORK/asked.answer" 20)" = 00 ]; then
        read_will
    else
        OUTCOME="unclear: not connected: $(tail -n 1 "$WORK/asked.answer.log")"
    fi
}

attacker_is_gone() {
    new_lines | grep -Eq "Client ([^ ]*/)?${ATTACKER##*/} .*(closed|disconnected)"
}

# attack_takeover [BROKER]: the attacker connects with the victim's client id. BROKER stands in for
# "stock".
attack_takeover() {
    local TARGET=$TARGET
    if [ "$TARGET" = stock ]; then
        TARGET=${1:-stock}
    fi
    # shellcheck disable=SC2034 # new_lines reads it
    LOG_MARK=$(stat -c %s "$WORK/$TARGET.log")
    WHO=$ATTACKER
    listen victim "$CERTS/acme.t-0002" "$VICTIM" "ph/v1/$VICTIM/command" ||
        die "$TARGET: the victim is not served"
    listen attacker "$(own)" "$VICTIM" "ph/v1/$ATTACKER/command"
    OUTCOME=$(refusal_in "$(cat "$WORK/attacker.out")")
    if [ -z "$OUTCOME" ]; then
        OUTCOME=renamed
        if new_lines | grep -Fq 'already connected, closing old connection'; then
            OUTCOME=accepted
        fi
    fi
    stop attacker
    stop victim
}

# attack_plain_text: MQTT without TLS at the TLS port.
attack_plain_text() {
    local answer=$WORK/plain.out
    from_hex "$(mqtt_connect "$VICTIM")" >"$WORK/plain.in"
    # shellcheck disable=SC2016 # the inner shell expands
    timeout 3 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && cat "$2" >&3 && cat <&3' - \
        "${PORT[$TARGET]}" "$WORK/plain.in" >"$answer" 2>/dev/null
    case $(mqtt_reason "$answer" 20) in
    00) OUTCOME=accepted ;;
    '') OUTCOME="refused tls" ;;
    *) OUTCOME="refused connack" ;;
    esac
}

# raw_send NAME HEX ARGUMENT...: sends the packets through `openssl s_client`, and keeps what comes
# back in $WORK/NAME.answer.
raw_send() {
    local answer=$WORK/$1.answer packets=$2
    shift 2
    from_hex "$packets" | timeout 4 openssl s_client -quiet -connect "localhost:${PORT[$TARGET]}" \
        -servername localhost -CAfile "$PKI/trust/brokers.pem" "$@" >"$answer" 2>"$answer.log"
}

# raw_client NAME HEX ARGUMENT...: the same for packets with a PUBLISH; sets OUTCOME.
raw_client() {
    local answer=$WORK/$1.answer code
    raw_send "$@"
    code=$(mqtt_reason "$answer" 20)
    if [ "$code" = 00 ] && [ "$(mqtt_reason "$answer" 40)" = 00 ]; then
        OUTCOME=accepted
    elif [ -n "$code" ] && [ "$code" != 00 ]; then
        OUTCOME="refused connack $code"
    elif grep -Eq 'SSL routines.*alert' "$answer.log"; then
        OUTCOME="refused tls"
    else
        OUTCOME="unclear: connack ${code:-none}: $(tail -n 1 "$answer.log")"
    fi
}

# a_reading IDENTITY: CONNECT, one reading, DISCONNECT.
a_reading() {
    mqtt_connect "$1"
    mqtt_publish "ph/v1/$1/telemetry" '{}'
    mqtt_disconnect
}

# hold_ticket DEVICE CERTIFICATE-FOLDER TLS-VERSION: the device is served, and keeps its session
# ticket.
hold_ticket() {
    local ticket=$WORK/$TARGET.$1.$3
    raw_client hold "$(a_reading "acme/thermostat/$1")" "-$3" -cert "$2/cert.pem" \
        -key "$2/key.pem" -cert_chain "$2/cert.pem" -sess_out "$ticket"
    [ "$OUTCOME" = accepted ] || die "$TARGET: $1 is not served while it is valid: $OUTCOME"
    [ -s "$ticket" ] || die "$TARGET: $1 got no session ticket"
}

# attack_ticket DEVICE TLS-VERSION: comes back with the ticket, and with neither certificate nor
# key: a full handshake would be refused for that.
attack_ticket() {
    WHO=acme/thermostat/$1
    raw_client resume "$(a_reading "$WHO")" "-$2" -sess_in "$WORK/$TARGET.$1.$2"
}

attack_expired_handshake() {
    WHO=acme/thermostat/t-0006
    try_publish "$HOSTILE/expiring" "$WHO" "ph/v1/$WHO/telemetry"
}

# attack_revoked_authority: a device below a subordinate CA that the root has revoked. The good
# device is such a device too, so there is no sentinel.
attack_revoked_authority() {
    local output
    WHO=acme/thermostat/t-0001
    output=$(client "$CERTS/acme.t-0001" mosquitto_pub -i "$WHO" -q 1 -t "ph/v1/$WHO/telemetry" \
        -m '{}' 2>&1)
    OUTCOME=$(refusal_in "$output")
    : "${OUTCOME:=accepted}"
}

# rogue CERTIFICATE-FOLDER TRUSTED [ARGUMENT...]: a broker with that certificate waits for clients:
# in the place of "stock" for mosquitto_pub, which trusts that CA and gets the arguments, in the
# place of "phonehome" for ph-thermostat as it is shipped.
rogue() {
    local folder=$1 trusted=$2 output
    shift 2
    PORT["rogue"]=$(free_port)
    printf '%s\n' "listener ${PORT["rogue"]} 127.0.0.1" "certfile $folder/cert.pem" \
        "keyfile $folder/key.pem" 'allow_anonymous true' 'log_dest stderr' >"$WORK/rogue.conf"
    broker_start rogue "$WORK/rogue.conf" || die "the rogue broker does not start"
    if [ "$TARGET" = stock ]; then
        output=$(timeout 4 mosquitto_pub -d -V 5 -h localhost -p "${PORT["rogue"]}" -q 1 -t t -m m \
            --cafile "$trusted" "$@" 2>&1 </dev/null)
    else
        thermostat_start "${PORT["rogue"]}"
        wait_line 5 "$WORK/thermostat.log" 'msg=("not connected"|refused|connected)'
        stop thermostat
        output=$(cat "$WORK/thermostat.log")
    fi
    stop rogue
    OUTCOME=$(rogue_outcome "$output")
}

# thermostat_start PORT: ph-thermostat, told that the broker is there.
thermostat_start() {
    spawn thermostat "$WORK/thermostat.log" "$PH_BIN/ph-thermostat" run \
        --certs "$CERTS/acme.t-0007" --broker "localhost:$1" --spool "$WORK/thermostat.db" \
        --interval-ms 500 --drain-ms 1
}

# attack_rogue CERTIFICATE: the client does not look at the name (Paho's default).
attack_rogue() {
    rogue "$CERTS/$1" "$PKI/root/ca.crt" --insecure
}

# attack_rogue_without_eku: the client does look at the name, but its CA is the usual one: one for
# devices and brokers, no EKU. In our hierarchy such a certificate needs a devices CA gone astray.
attack_rogue_without_eku() {
    local folder=$HOSTILE/rogue
    if [ "$TARGET" = stock ]; then
        folder=$HOSTILE/usual-rogue
    fi
    rogue "$folder" "$HOSTILE/ca-usual/ca.crt"
}

rogue_outcome() {
    if grep -q 'New client connected' "$WORK/rogue.log"; then
        printf accepted
    elif grep -q 'New connection' "$WORK/rogue.log" && grep -Eiq 'certificate|tls' <<<"$1"; then
        printf 'refused tls'
    else
        printf 'unclear: %s' "$(tail -n 1 <<<"$1")"
    fi
}
