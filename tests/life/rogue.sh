# shellcheck shell=bash
# A broker in the wrong hands: it has a certificate that devices trust, lets everybody do everything, and behind it sits
# somebody who answers what devices ask the registrar as he likes. Source stage.sh and ask.sh first.

ROGUE_PORT=$(free_port)
LIAR_PORT=$(free_port) # the same broker without TLS, for the liar

# start_rogue DIR: with the broker's certificate and key in DIR.
start_rogue() {
    cat >"$WORK/rogue.conf" <<EOC
per_listener_settings false
allow_anonymous true
listener $ROGUE_PORT 127.0.0.1
certfile $1/cert.pem
keyfile $1/key.pem
listener $LIAR_PORT 127.0.0.1
EOC
    broker_start rogue "$WORK/rogue.conf" || die "the rogue broker does not start: $(tail -n 2 "$WORK/rogue.log")"
}

# start_liar: each request to the registrar goes to `lie ASK ID DEVICE`, whose output are the members of the answer
# besides v and id; nothing: no answer.
start_liar() {
    mkdir -p "$WORK/lies"
    spawn liar "$WORK/liar.log" liar
    wait_for 5 grep -q listens "$WORK/liar.log"
}

liar() {
    local topic line ask id device members messages
    exec {messages}< <(exec mosquitto_sub -V 5 -h 127.0.0.1 -p "$LIAR_PORT" -q 1 -v -i liar -t 'ph/v1/+/+/+/renew')
    # shellcheck disable=SC2064 # now: it is this one that is to end
    trap "kill $!" EXIT
    trap 'exit 0' TERM
    echo listens
    while read -r topic line <&"$messages"; do
        ask=$(member ask <<<"$line") id=$(member id <<<"$line")
        device=${topic#ph/v1/} device=${device%/renew}
        members=$(lie "$ask" "$id" "$device")
        printf '%s %s %s\n' "$ask" "$device" "${members:0:60}"
        if [ -n "$members" ]; then
            mosquitto_pub -V 5 -h 127.0.0.1 -p "$LIAR_PORT" -q 1 -t "ph/v1/$device/certificate" \
                -m "{\"v\":1,\"id\":\"$id\",$members}"
        fi
    done
}

# sign_statement FILE DIR: FILE as a signed statement on the standard output, by DIR's leaf, with the chain behind it.
sign_statement() {
    local chain=()
    if [ "$(grep -c BEGIN "$2/cert.pem")" -gt 1 ]; then
        awk '/BEGIN/ { n++ } n > 1' "$2/cert.pem" >"$WORK/lies/chain"
        chain=(-certfile "$WORK/lies/chain")
    fi
    openssl cms -sign -nodetach -binary -md sha256 -in "$1" -signer "$2/cert.pem" -inkey "$2/key.pem" "${chain[@]}" -outform PEM
}

# start_listener: whatever passes through that broker, "topic payload" a line, in $WORK/heard.
start_listener() {
    spawn listener "$WORK/heard" mosquitto_sub -V 5 -h 127.0.0.1 -p "$LIAR_PORT" -q 1 -v -t '#'
}

# point_at PORT DEVICE: where the thermostat connects from its next start on.
point_at() {
    sed -i "s/port: [0-9]*/port: $1/" "$WORK/devices/$2/thermostat.yaml"
}
