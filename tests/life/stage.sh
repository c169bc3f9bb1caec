# shellcheck shell=bash
# A whole stack for tests of a certificate's life: hierarchy, broker with the shipped configuration and
# policy, registrar, ingest, and thermostats with a claim. Source harness.sh and broker.sh first.

PKI=$WORK/pki
CERTS=$WORK/certs
PORT=$(free_port)
STORE=$WORK/readings.db
CLIENT_PORT=$PORT # where the thermostats connect
INIT_OPTIONS=()   # of ph-ca init

# ca WORD...: ph-ca on this stage's authority; must succeed.
ca() {
    local words=("$1")
    shift
    "$PH_BIN/ph-ca" "${words[@]}" "$@" >>"$WORK/ph-ca.log" 2>&1 ||
        die "ph-ca ${words[*]} $*: $(tail -n 1 "$WORK/ph-ca.log")"
}

# authority WORD...: the same with --ca, output to the caller, status as it is.
authority() {
    "$PH_BIN/ph-ca" "$@" --ca "$PKI"
}

make_authority() {
    ca init "${INIT_OPTIONS[@]}" "$PKI"
    ca issue broker --ca "$PKI" --dns localhost --ip 127.0.0.1 --out "$CERTS/broker" broker
    ca issue service --ca "$PKI" --tenant acme --out "$CERTS/ingest" ingest
    ca issue service --ca "$PKI" --tenant acme --out "$CERTS/registrar" registrar
}

# make_claim NAME COUNT [OPTION...]
make_claim() {
    ca issue claim --ca "$PKI" --tenant acme --max "$2" --out "$CERTS/$1" "${@:3}" "$1"
}

# The shipped files with this stage's paths and port.
write_configuration() {
    mkdir -p "$WORK/broker-data"
    cp "$PH_SOURCE/config/policy.yaml" "$PH_SOURCE/config/kinds.yaml" "$WORK/"
    sed -e "s,^plugin /.*,plugin $PH_PLUGIN," -e "s,^listener .*,listener $PORT 127.0.0.1," \
        -e "s,/etc/phonehome/broker/,$CERTS/broker/,;s,/etc/phonehome/,$WORK/," \
        -e "s,/var/lib/mosquitto/,$WORK/broker-data/," -e "s,/var/log/mosquitto/,$WORK/," \
        "$PH_SOURCE/config/mosquitto.conf" >"$WORK/mosquitto.conf"
    sed -e "s,port: 8883,port: $PORT," -e "s,pki/ingest/,$CERTS/ingest/," \
        -e "s,^store: .*,store: $STORE," "$PH_SOURCE/config/ingest.yaml" >"$WORK/ingest.yaml"
    sed -e "s,port: 8883,port: $PORT," -e "s, registrar/, $CERTS/registrar/," \
        "$PH_SOURCE/config/registrar.yaml" >"$WORK/registrar.yaml"
}

# registrar_says KEY VALUE...: changes values of registrar.yaml.
registrar_says() {
    while [ $# -gt 1 ]; do
        sed -i "s,^\( *$1:\) .*,\1 $2," "$WORK/registrar.yaml"
        shift 2
    done
}

# start_registrar [COMMAND...]: with the command, such as env, in front.
# shellcheck disable=SC2120 # most callers have none
start_registrar() {
    spawn registrar "$WORK/registrar.log" "$@" "$PH_BIN/ph-ca" serve --config "$WORK/registrar.yaml"
    wait_line 10 "$WORK/registrar.log" 'msg=connected '
}

start_ingest() {
    spawn ingest "$WORK/ingest.log" "$PH_BIN/ph-ingest" run --config "$WORK/ingest.yaml"
    wait_line 10 "$WORK/ingest.log" subscribed
}

start_stage() {
    broker_start broker "$WORK/mosquitto.conf" || die "the broker does not start: $(tail -n 3 "$WORK/broker.log")"
    start_registrar || die "the registrar does not start: $(tail -n 3 "$WORK/registrar.log")"
    start_ingest || die "ingest does not start: $(tail -n 3 "$WORK/ingest.log")"
}

# make_thermostat NAME CLAIM [SERIAL]: its folder with a configuration and nothing else but what it
# shall trust and its claim: no certificate, no key.
make_thermostat() {
    local dir=$WORK/devices/$1
    mkdir -p "$dir/claim"
    cp "$PKI/trust/brokers.pem" "$dir/ca.pem"
    cp "$CERTS/$2/cert.pem" "$CERTS/$2/key.pem" "$dir/claim/"
    cat >"$dir/thermostat.yaml" <<EOF
broker: { host: localhost, port: $CLIENT_PORT, ca: ca.pem, certificate: cert.pem, key: key.pem }
claim: { certificate: claim/cert.pem, key: claim/key.pem, kind: thermostat, name: "$1"${3:+, serial: "$3"} }
renewal: { retry_min_ms: 200, retry_max_ms: 2000, answer_ms: 1500, state_interval_ms: 2000 }
reconnect: { min_ms: 100, max_ms: 1000, refused_ms: 1000 }
publish: { interval_ms: 200 }
EOF
}

# start_thermostat NAME [COMMAND...]: with the command, such as env, in front.
start_thermostat() {
    local name=$1
    shift
    spawn "$name" "$WORK/$name.log" "$@" "$PH_BIN/ph-thermostat" run --config "$WORK/devices/$name/thermostat.yaml" \
        --ledger "$WORK/devices/$name/ledger"
}

# fingerprint FILE: of its first certificate.
fingerprint() {
    openssl x509 -in "$1" -noout -fingerprint -sha256 | sed 's/.*=//; s/://g' | tr '[:upper:]' '[:lower:]'
}

# rows REGEX: how many certificates of the inventory match, as comma-separated rows.
rows() {
    authority list --format csv | grep -Ec -- "$1"
}

rows_are() { # COUNT REGEX
    [ "$(rows "$2")" = "$1" ]
}

rows_at_least() { # COUNT REGEX
    [ "$(rows "$2")" -ge "$1" ]
}

stored() { # DEVICE: how many of its readings are stored
    "$PH_BIN/ph-ingest" query --store "$STORE" --format csv --limit 0 --device "$1" 2>/dev/null |
        sed 1d | grep -c .
}

stored_at_least() { # COUNT DEVICE
    [ "$(stored "$2")" -ge "$1" ]
}

# usable NAME: the device's folder has a pair that fits together.
usable() {
    local dir=$WORK/devices/$1
    [ "$(openssl x509 -in "$dir/cert.pem" -noout -pubkey 2>/dev/null)" = \
        "$(openssl pkey -in "$dir/key.pem" -pubout 2>/dev/null)" ] && [ -s "$dir/cert.pem" ]
}

# known NAME: the inventory has the certificate that the device lives on.
known() {
    authority list --format csv | grep -q "$(fingerprint "$WORK/devices/$1/cert.pem")"
}

# knock PORT DIR CLIENT-ID: whether a client with DIR/cert.pem is admitted.
knock() {
    mosquitto_pub -V 5 -h localhost -p "$1" --cafile "$PKI/trust/brokers.pem" --cert "$2/cert.pem" \
        --key "$2/key.pem" -i "$3" -q 1 -t "ph/v1/$3/status" -m '{"v":1,"online":true}' >/dev/null 2>&1
}

# expect_soon SECONDS TEXT PROCESS COMMAND...: the command succeeds within that time; otherwise the end of the process's
# log is shown.
expect_soon() {
    local seconds=$1 text=$2 log=$WORK/$3.log
    shift 3
    if wait_for "$seconds" "$@"; then ok "$text"; else fail "$text: $(tail -n 2 "$log")"; fi
}

# expect_not TEXT COMMAND...: the command must not succeed.
expect_not() {
    local text=$1
    shift
    if "$@" >/dev/null 2>&1; then fail "$text"; else ok "$text"; fi
}
