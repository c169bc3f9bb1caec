# shellcheck shell=bash
# The attacks on enrolment and renewal: of claims, of devices, and of whoever would be the registrar.
# As in cases.sh, which is to be sourced first.

# shellcheck disable=SC2034 # cases.sh reads WHO, WILL and ATTACKER

# attack_forged NAME IDENTITY TOPIC: a hostile certificate of that identity is used to publish there.
attack_forged() {
    WHO="$2|$(pki_serial "$HOSTILE/$1/leaf.crt")"
    try_publish "$HOSTILE/$1" "$2" "$3"
}

# attack_as IDENTITY CERTIFICATE TOPIC: the holder of a good certificate publishes under its own name.
attack_as() {
    WHO=$1
    try_publish "$CERTS/$2" "$1" "$3"
}

# attack_named_registrar FOLDER IDENTITY: who bears the registrar's name hands out a certificate.
attack_named_registrar() {
    WHO=$2
    if [ -e "$WORK/$1/leaf.crt" ]; then
        WHO="$2|$(pki_serial "$WORK/$1/leaf.crt")"
    fi
    stop "registrar-$TARGET" # where the broker cannot tell the two apart, they would fight
    try_publish "$WORK/$1" "$2" "ph/v1/$VICTIM/certificate"
    start_registrar
}

# attack_ingest TOPIC: the ingest service itself has gone astray.
attack_ingest() {
    local output
    WHO=acme/service/ingest
    stop "observer-$TARGET"
    output=$(client "$CERTS/ingest" mosquitto_pub -A "$ADDRESS" -i "$WHO" -q 1 -t "$1" -m '{}' 2>&1)
    start_observer
    OUTCOME=$(refusal_in "$output")
    : "${OUTCOME:=accepted}"
}

# attack_claim TOPIC [ARGUMENT...]: a device that has a claim, and no more, publishes.
attack_claim() {
    WHO=acme/claim/$CLAIM
    try_publish "$CERTS/claim.$CLAIM" "$WHO/x" "$@"
}

# attack_claim_twin TOPIC [ARGUMENT...]: the same with a claim that bears the victim's name.
attack_claim_twin() {
    WHO=acme/claim/t-0002
    try_publish "$CERTS/claim.t-0002" "$WHO/x" "$@"
}

# attack_claim_subscribe FILTER
attack_claim_subscribe() {
    try_subscribe "$CERTS/claim.$CLAIM" "acme/claim/$CLAIM/x" "$1"
    WHO=acme/claim/$CLAIM
}

# attack_claim_elsewhere: what is answered to the claim of the same name in another tenant.
attack_claim_elsewhere() {
    CLAIM=b-1
    attack_claim_subscribe 'ph/v1/claim/globex/b-1/certificate/+'
}

attack_claim_twin_subscribe() {
    try_subscribe "$CERTS/claim.t-0002" acme/claim/t-0002/x "$1"
    WHO=acme/claim/t-0002
}

# attack_twin_subscribe FILTER: another tenant's device of the victim's name.
attack_twin_subscribe() {
    try_subscribe "$CERTS/globex.t-0002" globex/thermostat/t-0002 "$1"
}

# leave_claim_will: as leave_will, of a claim, on its own topic: the registrar would take it for a
# request whose user properties nobody has looked at.
leave_claim_will() {
    local topic=ph/v1/claim/acme/$CLAIM
    WHO=acme/claim/$CLAIM
    mark
    WILL="$topic/enroll $MARK"
    listen attacker "$CERTS/claim.$CLAIM" "$WHO/$CLAIM" "$topic/certificate/r1" \
        --will-topic "$topic/enroll" --will-payload "$MARK" --will-qos 1 \
        -D will user-property ph-fingerprint forged
    OUTCOME=$(refusal_in "$(cat "$WORK/attacker.out")")
    [ -z "$OUTCOME" ]
}

# attack_claim_will: the connection breaks.
attack_claim_will() {
    local ATTACKER=acme/claim/$CLAIM
    if leave_claim_will; then
        stop attacker KILL
        wait_for 4 attacker_is_gone || die "$TARGET: does not notice that a connection is broken"
        read_will
    fi
    stop attacker
}

# attack_claim_will_takeover: another connection of the claim takes its client id.
attack_claim_will_takeover() {
    local folder=$CERTS/claim.$CLAIM
    if leave_claim_will; then
        raw_send again "$(mqtt_connect "$WHO/$CLAIM")$(mqtt_disconnect)" -cert "$folder/cert.pem" \
            -key "$folder/key.pem" -cert_chain "$folder/cert.pem"
        read_will
    fi
    stop attacker
}
