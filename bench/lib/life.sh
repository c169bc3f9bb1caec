# shellcheck shell=bash
# What the measurements of a certificate's life share: an authority, a broker with the shipped
# policy, the registrar, ingest. Source it after bench.sh; then life_begin.

# shellcheck disable=SC2034 # read in bench.sh
UNPINNED=1 # three or four processes on the cores that there are
CA=""        # folder of the authority, another for each round
REGISTRAR="" # pid
INGEST=""    # pid
ROUND=0

# life_begin: builds.
life_begin() {
    bench_begin 1
    rm -r "$WORK/pki"
}

# ca WORD...: ph-ca on the round's authority.
ca() {
    "$BIN/ph-ca" "$@" --ca "$CA" >>"$WORK/ca.log" 2>&1 || die "ph-ca $*: $(tail -n 1 "$WORK/ca.log")"
}

# authority_make: a new one, with the certificates of broker, registrar and ingest, in $WORK/pki,
# where the load looks for its own too. What earlier rounds made stays till the end: some file
# systems are slow for a while after much was deleted.
authority_make() {
    ROUND=$((ROUND + 1))
    rm -f "$WORK/pki"
    mkdir "$WORK/$ROUND" "$WORK/$ROUND/certs" "$WORK/$ROUND/claims"
    ln -s "$ROUND" "$WORK/pki"
    CA=$WORK/$ROUND/ca
    "$BIN/ph-ca" init "$CA" >"$WORK/ca.log" 2>&1 || die "ph-ca init: $(tail -n 1 "$WORK/ca.log")"
    ca issue broker --dns localhost --ip 127.0.0.1 --out "$WORK/pki/broker" broker
    ca issue service --tenant acme --out "$WORK/pki/ingest" ingest
    ca issue service --tenant acme --out "$WORK/pki/registrar" registrar
    sed "s|\[pki/|[pki/ca/|" "$ROOT/config/policy.yaml" >"$WORK/policy.yaml"
    cp "$ROOT/config/kinds.yaml" "$WORK/"
}

# devices_make COUNT: d-0, d-1, ...
devices_make() {
    seq -f "acme,thermostat,d-%.0f" 0 $(($1 - 1)) >"$WORK/list"
    ca issue device --batch "$WORK/list" --out "$WORK/pki/issued"
    rmdir "$WORK/pki/certs"
    ln -s issued/acme/thermostat "$WORK/$ROUND/certs"
}

# claims_make COUNT DEVICES: c-0, c-1, ..., each good for so many devices.
claims_make() {
    local i
    for ((i = 0; i < $1; i++)); do
        ca issue claim --tenant acme --max "$2" --out "$WORK/pki/claims/c-$i" "c-$i"
    done
}

conf_life() {
    cat <<CONF
user $(id -un)
listener $PORT 127.0.0.1
cafile $WORK/pki/ca/trust/clients.pem
certfile $WORK/pki/broker/cert.pem
keyfile $WORK/pki/broker/key.pem
require_certificate true
tls_version tlsv1.2
plugin $PLUGIN
plugin_opt_policy $WORK/policy.yaml
plugin_opt_audit $WORK/pki/audit.jsonl
allow_anonymous false
set_tcp_nodelay true
max_queued_messages 1000000
max_inflight_messages 500
max_packet_size 131072
allow_duplicate_messages true
connection_messages false
log_dest stderr
log_type error
log_type warning
log_type notice
log_type information
CONF
}

# registrar_start: whoever has a good claim gets the name that it asks for.
registrar_start() {
    sed -e "s,port: 8883,port: $PORT,;s, registrar/, pki/registrar/,;s,^ca: .*,ca: pki/ca," \
        -e "s,auto_approve: false,auto_approve: true," "$ROOT/config/registrar.yaml" >"$WORK/registrar.yaml"
    : >"$WORK/registrar.log"
    spawn REGISTRAR "$WORK/registrar.log" "$BIN/ph-ca" serve --config "$WORK/registrar.yaml"
    wait_until 10 grep -q 'msg=connected ' "$WORK/registrar.log" ||
        die "the registrar did not connect: $(tail -n 1 "$WORK/registrar.log")"
}

ingest_start() {
    sed -e "s,port: 8883,port: $PORT,;s,^store: .*,store: pki/readings.db," "$ROOT/config/ingest.yaml" >"$WORK/ingest.yaml"
    : >"$WORK/ingest.log"
    spawn INGEST "$WORK/ingest.log" "$BIN/ph-ingest" run --config "$WORK/ingest.yaml"
    wait_until 10 grep -q subscribed "$WORK/ingest.log" ||
        die "ingest did not subscribe: $(tail -n 1 "$WORK/ingest.log")"
}

# us_each CPU-SECONDS COUNT
us_each() {
    awk -v s="$1" -v n="$2" 'BEGIN { printf "%.0f\n", s * 1e6 / n }'
}
