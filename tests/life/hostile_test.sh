#!/usr/bin/env bash
# Requests that are meant to harm, sent to the real registrar by the real broker with the certificates of a claim and of
# a device; beside each kind a request that is good (control). The registrar lives on, and does not grow.
# [CSR-1] [CSR-2] [CSR-3] [CSR-5] [CSR-6] [REG-3] [REG-10] [REG-11] [REG-12] [REG-13] [REG-15] [REG-16] [REG-18]
# PH_KEEP=1 keeps the folder with certificates and logs.

# shellcheck source=../lib/harness.sh
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
# shellcheck source=../lib/broker.sh
. "$PH_SOURCE/tests/lib/broker.sh"
test_begin "hostile requests to the registrar"
# shellcheck source=stage.sh
. "$PH_SOURCE/tests/life/stage.sh"
# shellcheck source=ask.sh
. "$PH_SOURCE/tests/life/ask.sh"
# shellcheck source=profile.sh
. "$PH_SOURCE/tests/life/profile.sh"

case ${PH_SANITIZE:-} in
thread*) skip "the broker itself is not built for the thread sanitizer" ;;
esac
need mosquitto_pub mosquitto_rr openssl sqlite3

# What is freed is to be seen: the address sanitizer keeps 256 MB of it back otherwise.
export ASAN_OPTIONS=quarantine_size_mb=1

REQUESTS=$WORK/requests
SUBJECT=/O=acme/OU=thermostat/CN=whoever
FLOOD=700 # messages, within the burst that the policy grants a claim

# good NAME: a request with a key of its own, $REQUESTS/NAME.{key,csr}.
good() {
    make_key "$REQUESTS/$1.key"
    make_request "$REQUESTS/$1.key" "$REQUESTS/$1.csr" "$SUBJECT"
}

# issued ANSWER OUT: keeps the answer's certificate; fails when there is none.
issued() {
    member certificate <<<"$1" >"$2"
    openssl x509 -in "$2" -noout 2>/dev/null
}

# expect_device NAME [OPTION...]
expect_device() {
    ca expect --ca "$PKI" "${@:2}" "acme/thermostat/$1"
}

# ---- requests ----

# weak NAME TEXT REGEX OPTION...: a request for such a key.
weak() {
    make_key "$REQUESTS/$1.key" "${@:4}"
    make_request "$REQUESTS/$1.key" "$REQUESTS/$1.csr" "$SUBJECT"
    expect_answer "$2" refused "$3" enroll batch "$REQUESTS/$1.csr" '"name":"t-0001"'
}

key_cases() {
    local named=(-pkeyopt ec_param_enc:named_curve)
    weak p224 "a key on P-224" 'P-224|secp224r1' -algorithm EC -pkeyopt ec_paramgen_curve:P-224 "${named[@]}"
    weak k1 "a key on secp256k1" 'secp256k1' -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1 "${named[@]}"
    weak rsa "an RSA key of 1024 bits" '1024' -algorithm RSA -pkeyopt rsa_keygen_bits:1024
    weak ed "an Ed25519 key" 'key' -algorithm ED25519
}

# Its last byte is the end of the signature.
unpossessed() {
    openssl req -in "$REQUESTS/$1.csr" -outform DER -out "$REQUESTS/$2.der"
    local last size
    size=$(stat -c %s "$REQUESTS/$2.der")
    last=$(tail -c 1 "$REQUESTS/$2.der" | od -An -tu1)
    { head -c $((size - 1)) "$REQUESTS/$2.der" && printf '%b' "\\x$(printf %02x $((last ^ 1)))"; } >"$REQUESTS/$2.flipped"
    as_pem "$REQUESTS/$2.flipped" >"$REQUESTS/$2.csr"
}

as_pem() {
    printf -- '-----BEGIN CERTIFICATE REQUEST-----\n%s\n-----END CERTIFICATE REQUEST-----\n' "$(base64 -w 64 "$1")"
}

# noise BYTES: random, but for the first, which begins neither DER nor JSON.
noise() {
    printf '\377'
    head -c $(($1 - 1)) /dev/urandom
}

form_cases() {
    good honest
    unpossessed honest flipped
    expect_answer "no proof of possession" refused 'no proof of possession' \
        enroll batch "$REQUESTS/flipped.csr" '"name":"t-0001"'
    noise 300 >"$REQUESTS/noise"
    as_pem "$REQUESTS/noise" >"$REQUESTS/noise.csr"
    expect_answer "DER that is none" refused 'not DER' enroll batch "$REQUESTS/noise.csr" '"name":"t-0001"'
    head -c 300 "$REQUESTS/flipped.der" | head -c 150 >"$REQUESTS/cut"
    as_pem "$REQUESTS/cut" >"$REQUESTS/cut.csr"
    expect_answer "DER that is cut off" refused 'not DER' enroll batch "$REQUESTS/cut.csr" '"name":"t-0001"'
    cp "$CERTS/batch/cert.pem" "$REQUESTS/certificate.csr"
    expect_answer "a certificate in its place" refused 'certificate request' \
        enroll batch "$REQUESTS/certificate.csr" '"name":"t-0001"'
}

# What is no message gets no answer, and the log says so.
noise_cases() {
    noise 1000 >"$WORK/noise"
    expect_ok "bytes that are no JSON are delivered" publish_noise noise
    printf '{"v":1,"ask":"enroll","id":"%s","csr":"-----BEGIN CERTIFICATE REQUEST-----\\n%s"}' "$(new_id)" \
        "$(head -c 30000 /dev/zero | tr '\0' A)" >"$WORK/long"
    expect_ok "as is a request of 30 kB" publish_noise long
    if wait_line 5 "$WORK/registrar.log" 'msg="not a request" .*json: byte 0' &&
        wait_line 5 "$WORK/registrar.log" 'msg="not a request" .*csr: .*16384'; then
        ok "the registrar says of both that they are none"
    else
        fail "of what is no request nothing is said: $(tail -n 2 "$WORK/registrar.log")"
    fi
    head -c 1000000 /dev/zero | tr '\0' A >"$WORK/large"
    # MQTT 3.1.1 does not tell the client how large a packet may be, so that it tries. Whether it finds the end while it
    # reads or while it writes decides what it calls it; the broker's words are always the same.
    expect_refused "one of 1 MB ends the connection" 'connection was lost|Protocol error|reset by peer|Broken pipe' \
        publish_noise large -V 311
    expect_ok "by the broker, which says so" wait_line 5 "$WORK/broker.log" 'noise-[0-9]+ disconnected due to oversize packet'
    expect_not "and does not reach the registrar" grep -q 'want at most 49152' "$WORK/registrar.log"
}

publish_noise() { # FILE [OPTION...]
    mosquitto_pub "${@:2}" -h localhost -p "$PORT" --cafile "$PKI/trust/brokers.pem" --cert "$CERTS/batch/cert.pem" \
        --key "$CERTS/batch/key.pem" -i "acme/claim/batch/noise-$RANDOM" -q 1 -t ph/v1/claim/acme/batch/enroll -f "$WORK/$1"
}

# ---- what is asked for beyond the key ----

wish_cases() {
    local answer
    expect_device wish
    make_key "$REQUESTS/wish.key"
    make_request "$REQUESTS/wish.key" "$REQUESTS/wish.csr" /O=acme/OU=service/CN=registrar \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
        -addext subjectAltName=DNS:localhost,URI:urn:acme -addext extendedKeyUsage=serverAuth,codeSigning
    answer=$(enroll batch "$REQUESTS/wish.csr" '"kind":"thermostat"' '"name":"wish"')
    if ! issued "$answer" "$WORK/wish.pem"; then
        fail "a request with wishes: $answer"
        return
    fi
    openssl x509 -in "$WORK/wish.pem" -noout -subject -text -nameopt RFC2253 >"$WORK/wish.txt"
    expect_line "a certificate has the subject that the registrar decides" "$WORK/wish.txt" '^subject=CN=wish,OU=thermostat,O=acme$'
    expect_ok "and is no CA" grep -q 'CA:FALSE' "$WORK/wish.txt"
    expect_line "and is for clients alone" "$WORK/wish.txt" '^ *TLS Web Client Authentication$'
    if grep -Eq 'CA:TRUE|Alternative Name|Server Auth|Code Sign|Certificate Sign' "$WORK/wish.txt"; then
        fail "what the request wished is granted"
    else
        ok "and has nothing of what the request wished"
    fi
    expect_line "which the log says" "$WORK/registrar.log" 'asks for more than its key'
}

# ---- who ----

name_cases() {
    local first second answer
    expect_device t-0001
    good mine
    first=$(enroll batch "$REQUESTS/mine.csr" '"name":"t-0001"')
    if issued "$first" "$WORK/mine.pem"; then ok "an honest request is granted (control)"; else fail "an honest request: $first"; fi
    second=$(enroll batch "$REQUESTS/mine.csr" '"name":"t-0001"')
    issued "$second" "$WORK/again.pem"
    expect_ok "played again it gets the same certificate" cmp "$WORK/mine.pem" "$WORK/again.pem"
    expect_ok "and there is one certificate of that device" rows_are 1 ',acme/thermostat/t-0001,'
    good other
    expect_answer "another device's name" refused 'enrolled already' \
        enroll batch "$REQUESTS/other.csr" '"name":"t-0001"'
    expect_device t-0002
    expect_answer "another device's key, by another claim" refused 'key has had a certificate' \
        enroll single "$REQUESTS/mine.csr" '"kind":"thermostat"' '"name":"t-0002"'
    answer=$(enroll single "$REQUESTS/other.csr" '"kind":"thermostat"' '"name":"t-0002"')
    if issued "$answer" "$WORK/other.pem"; then ok "with a key of its own it is granted (control)"; else fail "a key of its own: $answer"; fi
    good nobody
    expect_answer "whom nobody expects waits" wait 'approval' \
        enroll batch "$REQUESTS/nobody.csr" '"kind":"thermostat"' '"name":"t-9999"'
    good service
    expect_answer "the kind of a service" refused 'service' \
        enroll stolen "$REQUESTS/service.csr" '"kind":"service"' '"name":"ingest"'
}

claim_cases() {
    good spare
    expect_device t-0003
    expect_answer "a claim that is used up" refused 'used up' \
        enroll single "$REQUESTS/spare.csr" '"kind":"thermostat"' '"name":"t-0003"'
    ca expect --ca "$PKI" acme/camera/c-0001
    expect_answer "a claim for another kind" refused 'claim is for devices of kind thermostat, not camera' \
        enroll batch "$REQUESTS/spare.csr" '"kind":"camera"' '"name":"c-0001"'
    expect_ok "a good claim is let in (control)" claim_enters stolen
    ca revoke --ca "$PKI" --claim acme/stolen --why "the line's laptop is gone"
    expect_soon 10 "a revoked claim is not let in" registrar claim_barred stolen
    ca issue claim --ca "$PKI" --tenant acme --not-after "$(date -u -d '+3 seconds' +%Y-%m-%dT%H:%M:%SZ)" --out "$CERTS/brief" brief
    expect_ok "one that ends soon is let in (control)" claim_enters brief
    sleep 3.1
    expect_ok "an expired claim is not let in" claim_barred brief
}

claim_enters() {
    mosquitto_pub -V 5 -h localhost -p "$PORT" --cafile "$PKI/trust/brokers.pem" --cert "$CERTS/$1/cert.pem" \
        --key "$CERTS/$1/key.pem" -i "acme/claim/$1/knock-$RANDOM" -q 1 -t "ph/v1/claim/acme/$1/enroll" -m '{}'
}

claim_barred() {
    ! claim_enters "$1"
}

# ---- what devices ask ----

device_cases() {
    local answer
    mkdir -p "$CERTS/mine" "$CERTS/other"
    cp "$WORK/mine.pem" "$CERTS/mine/cert.pem"
    cp "$REQUESTS/mine.key" "$CERTS/mine/key.pem"
    expect_answer "a renewal for the key in use" refused 'key is in use already' \
        renew "$CERTS/mine" acme/thermostat/t-0001 "$REQUESTS/mine.csr"
    expect_answer "a renewal for another device's key" refused 'key has had a certificate' \
        renew "$CERTS/mine" acme/thermostat/t-0001 "$REQUESTS/other.csr"
    make_key "$REQUESTS/next.key"
    make_request "$REQUESTS/next.key" "$REQUESTS/next.csr" /O=globex/OU=service/CN=ingest -addext basicConstraints=critical,CA:TRUE
    answer=$(renew "$CERTS/mine" acme/thermostat/t-0001 "$REQUESTS/next.csr")
    issued "$answer" "$WORK/next.pem"
    expect_ok "a renewal with another's name is for the device itself" \
        test "$(openssl x509 -in "$WORK/next.pem" -noout -subject -nameopt RFC2253)" = "subject=CN=t-0001,OU=thermostat,O=acme"
    good more
    expect_answer "one for one more key has to wait" wait 'another key just now' \
        renew "$CERTS/mine" acme/thermostat/t-0001 "$REQUESTS/more.csr"
    expect_ok "a device may not ask for another one" not_granted "$CERTS/mine" acme/thermostat/t-0001 ph/v1/acme/thermostat/t-0002/renew
    expect_ok "nor enrol" not_granted "$CERTS/mine" acme/thermostat/t-0001 ph/v1/claim/acme/batch/enroll
    expect_ok "nor answer" not_granted "$CERTS/mine" acme/thermostat/t-0001 ph/v1/acme/thermostat/t-0002/certificate
    expect_ok "a claim may not renew" not_granted "$CERTS/batch" acme/claim/batch/x ph/v1/acme/claim/batch/renew
    expect_ok "nor ask by another claim" not_granted "$CERTS/batch" acme/claim/batch/x ph/v1/claim/acme/single/enroll
}

# not_granted DIR CLIENT-ID TOPIC: the broker says "not authorized" (135) to a publication there.
not_granted() {
    mosquitto_pub -d -V 5 -h localhost -p "$PORT" --cafile "$PKI/trust/brokers.pem" --cert "$1/cert.pem" \
        --key "$1/key.pem" -i "$2" -q 1 -t "$3" -m '{}' 2>&1 | grep -q 'RC:135'
}

# ---- the registrar itself ----

memory_kb() {
    awk '/^VmRSS:/ { print $2 }' "/proc/${PIDS[registrar]}/status"
}

# flood CLAIM: requests whose signature has to be verified to refuse them.
flood() {
    local i csr
    csr=$(as_json "$REQUESTS/flipped.csr")
    for ((i = 0; i < FLOOD; i++)); do
        printf '{"v":1,"ask":"enroll","id":"%032x","csr":"%s"}\n' "$i" "$csr"
    done | mosquitto_pub -V 5 -h localhost -p "$PORT" --cafile "$PKI/trust/brokers.pem" --cert "$CERTS/$1/cert.pem" \
        --key "$CERTS/$1/key.pem" -i "acme/claim/$1/flood" -q 1 -t "ph/v1/claim/acme/$1/enroll" -l
}

# The last request of the flood has been answered when one more is.
settled() {
    enroll "$1" "$REQUESTS/flipped.csr" >/dev/null
}

flood_cases() {
    local before after pid=${PIDS[registrar]}
    make_claim flood-1 1
    make_claim flood-2 1
    flood flood-1
    settled flood-1
    before=$(memory_kb)
    flood flood-2
    settled flood-2
    after=$(memory_kb)
    if [ $((after - before)) -lt 2048 ]; then
        ok "$FLOOD refused requests cost the registrar $((after - before)) kB"
    else
        fail "$FLOOD refused requests cost the registrar $((after - before)) kB"
    fi
    expect_ok "the registrar lives" kill -0 "$pid"
    expect_device t-0100
    good late
    expect_answer "and enrols" certificate '' enroll batch "$REQUESTS/late.csr" '"name":"t-0100"'
    expect_ok "the log of acts is whole" authority audit verify
}

make_authority
make_claim batch 20 --kind thermostat
make_claim single 1
make_claim stolen 5
write_configuration
mkdir -p "$REQUESTS"
broker_start broker "$WORK/mosquitto.conf" || die "the broker does not start"
start_registrar
form_cases
key_cases
noise_cases
wish_cases
name_cases
claim_cases
device_cases
flood_cases
profile_cases
test_end
