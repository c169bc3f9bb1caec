# shellcheck shell=bash
# The certificates and the brokers that the cases of attacks_test.sh run against. "stock" and
# "phonehome" are served by the same Mosquitto, with the same certificates.

PKI=$WORK/pki
CERTS=$WORK/certs
HOSTILE=$WORK/hostile
VICTIM=acme/thermostat/t-0002
ATTACKER_COUNT=8 # devices named a-1 and so on, claims named b-1 and so on

declare -A PORT=()
TARGET=""  # the broker that the running case attacks
LOG_MARK=0 # size of its log when the case began

CLIENT_LEAF='basicConstraints=critical,CA:FALSE;keyUsage=critical,digitalSignature'
SIGNING_CA='basicConstraints=critical,CA:TRUE;keyUsage=critical,keyCertSign,cRLSign'

ca() {
    local command=$1
    shift
    "$PH_BIN/ph-ca" "$command" "$@" >>"$WORK/ph-ca.log" 2>&1 ||
        die "ph-ca $command $*: $(tail -n 1 "$WORK/ph-ca.log")"
}

# device TENANT NAME: a device's certificate from the registrar, in $CERTS/TENANT.NAME.
device() {
    ca issue device --ca "$PKI" --tenant "$1" --kind thermostat --out "$CERTS/$1.$2" "$2"
}

# hostile NAME CA SUBJECT EXTENSIONS [FROM UNTIL]: a certificate that nobody should have made.
hostile() {
    local name=$1 authority=$2
    shift 2
    pki_sign "$authority" "$HOSTILE/$name" "$@"
}

# claim NAME: a factory certificate, in $CERTS/claim.NAME.
claim() {
    pki_sign "$PKI/claims" "$CERTS/claim.$1" "/O=acme/OU=claim/CN=$1" \
        "$CLIENT_LEAF;extendedKeyUsage=clientAuth"
}

make_regular_certificates() {
    local name
    ca init "$PKI"
    for name in t-0001 t-0002 t-0003 t-0005 t-0007 ingest registrar b-1 \
        $(seq -f a-%g "$ATTACKER_COUNT"); do
        device acme "$name"
    done
    device globex t-0002
    for name in t-0002 $(seq -f b-%g "$ATTACKER_COUNT"); do
        claim "$name"
    done
    for name in ingest operator registrar; do
        ca issue service --ca "$PKI" --tenant acme --out "$CERTS/$name" "$name"
    done
    ca issue broker --ca "$PKI" --dns localhost --ip 127.0.0.1 --out "$CERTS/broker" broker
    ca issue broker --ca "$PKI" --dns other.example --out "$CERTS/other-broker" other-broker
    ca revoke --ca "$PKI" acme/thermostat/t-0003
}

make_hostile_certificates() {
    local devices=$PKI/devices subject=/O=acme/OU=thermostat/CN=t-0002
    local client="$CLIENT_LEAF;extendedKeyUsage=clientAuth"
    pki_root "$HOSTILE/ca-unknown" "/O=Elsewhere/CN=unknown"
    pki_root "$HOSTILE/ca-same-name" "$(ca_subject "$devices/ca.crt")"
    hostile wrong-ca "$HOSTILE/ca-unknown" "$subject" "$client"
    hostile fake-ca "$HOSTILE/ca-same-name" "$subject" "$client"
    hostile expired "$devices" "$subject" "$client" -7200 -3600
    hostile not-yet "$devices" "$subject" "$client" 3600 7200
    hostile server-only "$devices" "$subject" "$CLIENT_LEAF;extendedKeyUsage=serverAuth"
    hostile no-eku "$devices" "$subject" "$CLIENT_LEAF"
    hostile plus "$devices" '/O=acme/OU=thermostat/CN=\+' "$client"
    hostile hash "$devices" '/O=acme/OU=thermostat/CN=#' "$client"
    hostile slash "$devices" '/O=acme/OU=thermostat/CN=t-0002\/x' "$client"
    hostile two-names "$devices" "$subject/CN=t-0001" "$client"
    hostile no-tenant "$devices" /OU=thermostat/CN=t-0002 "$client"
    hostile nul "$devices" "$subject@.t-0001" "$client"
    pki_forge "$devices" "$HOSTILE/nul" 's/t-0002@/t-0002\x00/'
    hostile bmp "$devices" "$subject" "$client"
    pki_forge "$devices" "$HOSTILE/bmp" 's/\x0c\x06t-0002/\x1e\x06t-0002/'
    hostile ca-sibling "$PKI/root" /CN=laboratory "$SIGNING_CA"
    pki_crl "$HOSTILE/ca-sibling"
    hostile sibling "$HOSTILE/ca-sibling" "$subject" "$client"
    hostile from-services "$PKI/services" "$subject" "$client"
    hostile from-brokers "$PKI/brokers" "$subject" "$client"
    hostile service "$devices" /O=acme/OU=service/CN=operator "$client"
    hostile ingest "$devices" /O=acme/OU=service/CN=ingest "$client"
    hostile registrar "$devices" /O=acme/OU=service/CN=registrar "$client"
    hostile registrar-by-claims "$PKI/claims" /O=acme/OU=service/CN=registrar "$client"
    hostile device-by-claims "$PKI/claims" "$subject" "$client"
    hostile claim "$devices" /O=acme/OU=claim/CN=b-1 "$client"
    pki_root "$HOSTILE/ca-usual" /CN=usual
    hostile usual-rogue "$HOSTILE/ca-usual" /O=acme/OU=thermostat/CN=localhost "$CLIENT_LEAF"
    hostile rogue "$devices" /O=acme/OU=thermostat/CN=localhost "$CLIENT_LEAF"
}

# The subject of a certificate as openssl's -subj wants it.
ca_subject() {
    openssl x509 -in "$1" -noout -subject -nameopt compat | sed 's/^subject=//'
}

# stock_config OUT PORT BIND: the control's configuration; BIND says whether client ids are bound.
stock_config() {
    sed -e "s,@PORT@,$2,;s,@BIND@,$3,;s,@PKI@,$PKI,;s,@BROKER@,$CERTS/broker," \
        -e "s,@HERE@,$HERE,;s,@CRL@,$WORK/stock-crl.pem," "$HERE/stock.conf" >"$1"
}

# phonehome_config OUT PORT: the shipped configuration with this test's paths and port, beside the
# shipped policy.
phonehome_config() {
    cp "$PH_SOURCE/config/policy.yaml" "$WORK/policy.yaml"
    mkdir -p "$WORK/broker-data"
    sed -e "s,^plugin /.*,plugin $PH_PLUGIN," -e "s,^listener .*,listener $2 127.0.0.1," \
        -e "s,/etc/phonehome/broker/,$CERTS/broker/,;s,/etc/phonehome/,$WORK/," \
        -e "s,/var/lib/mosquitto/,$WORK/broker-data/," \
        -e "s,/var/log/mosquitto/,$WORK/," \
        "$PH_SOURCE/config/mosquitto.conf" >"$1"
}

# The control reads the revocation lists of every CA below the root.
collect_stock_crls() {
    cat "$PKI/trust/crl.pem" "$HOSTILE/ca-sibling/crl.pem" >"$WORK/stock-crl.pem"
}

# wait_reloaded: the plugin has noticed new files since the case began.
wait_reloaded() {
    wait_for 5 reloaded_policy || die "phonehome: the new revocation list goes unnoticed for 5 s"
}

reloaded_policy() {
    new_lines | grep -q 'msg="policy reloaded"'
}

# start_target TARGET COMMAND...: a broker on a free port, with the configuration that the command
# writes.
start_target() {
    local target=$1
    PORT[$target]=$(free_port)
    "$2" "$WORK/$target.conf" "${PORT[$target]}" "${@:3}"
    broker_start "$target" "$WORK/$target.conf" ||
        die "$target: the broker does not start: $(tail -n 3 "$WORK/$target.log")"
}

# connection CERTIFICATE-FOLDER: the arguments of mosquitto_pub and mosquitto_sub that lead to
# $TARGET, one a line.
connection() {
    printf '%s\n' -d -V 5 -h localhost -p "${PORT[$TARGET]}" \
        --cafile "$PKI/trust/brokers.pem" --cert "$1/cert.pem" --key "$1/key.pem"
}

# client CERTIFICATE-FOLDER COMMAND...: mosquitto_pub with that certificate at $TARGET.
client() {
    local -a arguments
    mapfile -t arguments < <(connection "$1")
    timeout 4 "$2" "${arguments[@]}" "${@:3}" </dev/null
}

# listen NAME CERTIFICATE-FOLDER ID FILTER [ARGUMENT...]: a subscriber that stays, its output (every
# message as "topic payload") in $WORK/NAME.out; waits for the answer, false when it is a refusal.
listen() {
    local name=$1 file=$WORK/$1.out
    local -a arguments
    mapfile -t arguments < <(connection "$2")
    spawn "$name" "$file" stdbuf -oL mosquitto_sub "${arguments[@]}" -i "$3" -q 1 -F '%t %p' \
        -t "${@:4}"
    wait_for 4 answered "$name"
    grep -Eq '^Subscribed \(mid: [0-9]+\): [012]' "$file"
}

answered() {
    ended "$1" || grep -q '^Subscribed' "$WORK/$1.out"
}

# start_observer: ingest listens at $TARGET for the whole test; what it receives is what the broker
# has accepted.
start_observer() {
    listen "observer-$TARGET" "$CERTS/ingest" acme/service/ingest 'ph/v1/+/+/+/telemetry' \
        -t 'ph/v1/+/+/+/status' || die "$TARGET: ingest is not served"
}

# start_registrar: the same for what is sent to the registrar.
start_registrar() {
    listen "registrar-$TARGET" "$CERTS/registrar" acme/service/registrar 'ph/v1/+/+/+/renew' \
        -t 'ph/v1/claim/+/+/enroll' || die "$TARGET: the registrar is not served"
}

# seed: leaves something of the victim's at $TARGET for others to covet.
seed() {
    local topic
    client "$CERTS/ingest" mosquitto_pub -i acme/service/ingest -q 1 -r -t "ph/v1/$VICTIM/ack" \
        -m private >"$WORK/seed.out" 2>&1 || die "$TARGET: ingest is not served"
    client "$CERTS/acme.t-0002" mosquitto_pub -i "$VICTIM" -q 1 -r -t "ph/v1/$VICTIM/status" \
        -m private >"$WORK/seed.out" 2>&1 || die "$TARGET: the victim is not served"
    for topic in "ph/v1/$VICTIM/certificate" ph/v1/claim/acme/b-1/certificate/r1 \
        ph/v1/claim/globex/b-1/certificate/r1; do
        client "$CERTS/registrar" mosquitto_pub -i acme/service/registrar -q 1 -r -t "$topic" \
            -m private >"$WORK/seed.out" 2>&1 || die "$TARGET: the registrar is not served"
    done
}

# new_lines: what the target's broker has logged since the case began.
new_lines() {
    tail -c "+$((LOG_MARK + 1))" "$WORK/$TARGET.log"
}
