# shellcheck shell=bash
# What the measurements of ingest share: certificates, a broker with the plugin whose role for the
# load has no limits, consumers (ph-ingest and what people use instead), and the load.
# Source it after bench.sh; then ingest_begin.

# shellcheck disable=SC2034 # read in bench.sh
UNPINNED=1 # three or four processes on the cores that there are
CONNECTIONS=10
CONSUMER="" # pid
MEASURED=()
VARIANTS=(mosquitto_sub ingest_sqlite ingest_postgres paho_sqlite paho_postgres paho_sqlite_batched
    paho_postgres_batched mqttjs_sqlite_batched)

# ingest_begin VARIANT...: builds and makes what these need; sets MEASURED to those that can be measured,
# the others are missing.
ingest_begin() {
    local variant
    MEASURED=()
    for variant in "$@"; do
        [[ " ${VARIANTS[*]} " == *" $variant "* ]] || option_refuse --variants "some of ${VARIANTS[*]}" "$variant"
    done
    bench_begin 1
    for variant in "$@"; do
        ! have "$variant" variant_peers "$variant" || MEASURED+=("$variant")
    done
    [ ${#MEASURED[@]} -gt 0 ] || die "nothing to measure"
    ingest_certificates >"$WORK/ca.log" 2>&1 || die "ph-ca: $(tail -n 1 "$WORK/ca.log")"
    ingest_policy >"$WORK/policy.yaml"
    cp "$ROOT/config/kinds.yaml" "$WORK/"
    if [[ " ${MEASURED[*]} " == *postgres* ]]; then
        pg_start
    fi
}

# variant_peers VARIANT: what it needs, as the peer_* do.
variant_peers() {
    case $1 in
    *postgres*) peer_postgres || return 1 ;;
    esac
    case $1 in
    ingest_*) ;;
    mosquitto_sub) peer_command mosquitto_sub mosquitto-clients ;;
    paho_postgres*) peer_paho python3-psycopg2 ;;
    paho_*) peer_paho ;;
    mqttjs_*) peer_mqttjs ;;
    esac
}

ingest_certificates() {
    local i
    "$BIN/ph-ca" init "$WORK/ca"
    "$BIN/ph-ca" issue broker --ca "$WORK/ca" --dns localhost --ip 127.0.0.1 --out "$WORK/broker" broker
    "$BIN/ph-ca" issue service --ca "$WORK/ca" --tenant acme --out "$WORK/ingest" ingest
    for ((i = 0; i < CONNECTIONS; i++)); do
        "$BIN/ph-ca" issue service --ca "$WORK/ca" --tenant acme --out "$WORK/certs/bench-$i" "bench-$i"
    done
}

ingest_policy() {
    sed "s|\[pki/|[ca/|" "$ROOT/config/policy.yaml"
    cat <<'YAML'
  - name: bench
    match: { anchor: services, tenant: acme, kind: service, device: "bench-*" }
    client_id: "{tenant}/{kind}/{device}"
    publish: ["ph/v1/+/+/+/telemetry"]
    subscribe: ["ph/v1/+/+/+/ack"]
YAML
}

# conf_ingest [PERSISTENT]: with an argument, persistence as in Debian's configuration file.
conf_ingest() {
    cat <<CONF
user $(id -un)
listener $PORT 127.0.0.1
cafile $WORK/ca/trust/clients.pem
certfile $WORK/broker/cert.pem
keyfile $WORK/broker/key.pem
require_certificate true
tls_version tlsv1.2
plugin $PLUGIN
plugin_opt_policy $WORK/policy.yaml
plugin_opt_audit $WORK/audit.jsonl
set_tcp_nodelay true
max_queued_messages 1000000
max_inflight_messages 1000
max_packet_size 131072
allow_duplicate_messages true
connection_messages false
CONF
    [ -z "${1:-}" ] || printf 'persistence true\npersistence_location %s/\n' "$WORK/broker"
}

# broker_kill: kill -9. broker_again: the same broker, on the same port.
broker_kill() {
    kill -9 "$BROKER"
    wait "$BROKER" 2>/dev/null || true
}

broker_listens() {
    (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null
}

broker_again() {
    "$MOSQUITTO" -c "$WORK/mosquitto.conf" >>"$WORK/broker.log" 2>&1 &
    BROKER=$!
    wait_until 10 broker_listens || die "the broker did not come up: $(tail -n 1 "$WORK/broker.log")"
}

# ---- consumers --------------------------------------------------------------------------------

# The place of a variant's readings, for ph-ingest and for the peers.
store_of() {
    case $1 in
    *postgres*) echo "$PG_URI" ;;
    *) echo "$WORK/$1.db" ;;
    esac
}

store_clear() {
    case $1 in
    *postgres*) pg_clear ;;
    *) rm -f "$(store_of "$1")"* ;;
    esac
}

store_sql() { # VARIANT STATEMENT
    case $1 in
    *postgres*) pg_sql "$2" ;;
    *) sqlite3 -cmd '.timeout 5000' -readonly "$(store_of "$1")" "$2" ;;
    esac
}

ingest_config() { # VARIANT
    cat <<YAML
broker: { host: localhost, port: $PORT, ca: ingest/ca.pem, certificate: ingest/cert.pem, key: ingest/key.pem }
store: "$(store_of "$1")"
kinds: kinds.yaml
YAML
}

# consumer_start VARIANT [TOTAL]: subscribed when it returns.
consumer_start() {
    local log=$WORK/$1.log command=()
    : >"$log"
    case $1 in
    ingest_*)
        ingest_config "$1" >"$WORK/ingest.yaml"
        command=("$BIN/ph-ingest" run --config "$WORK/ingest.yaml") ;;
    paho_*_batched) command=(/usr/bin/python3 "$PEERS/paho_peer.py" --batch 1000) ;;
    paho_*) command=(/usr/bin/python3 "$PEERS/paho_peer.py" --batch 1) ;;
    mqttjs_*) command=(env NODE_PATH="$NODE_MODULES/node_modules" node "$PEERS/mqttjs_peer.cjs" --batch 1000) ;;
    mosquitto_sub) # a shell around it tells its CPU seconds once it has ended
        # shellcheck disable=SC2016
        command=(bash -c 'mosquitto_sub "$@" >/dev/null; status=$?; times; exit "$status"' sub
            -p "$PORT" -h localhost -V 5 -q 1 -c -x 3600 -i acme/service/ingest
            --cafile "$WORK/ingest/ca.pem" --cert "$WORK/ingest/cert.pem" --key "$WORK/ingest/key.pem"
            -D connect receive-maximum 1000 -t 'ph/v1/+/+/+/telemetry' -C "$2") ;;
    esac
    case $1 in
    paho_* | mqttjs_*) command+=(--port "$PORT" --certs "$WORK/ingest" --store "$(store_of "$1")") ;;
    esac
    spawn CONSUMER "$log" "${command[@]}"
    case $1 in
    mosquitto_sub) sleep 1 ;;
    *) wait_until 30 grep -q subscribed "$log" || die "$1 did not subscribe: $(tail -n 1 "$log")" ;;
    esac
}

consumer_kill() {
    kill -9 "$CONSUMER"
    wait "$CONSUMER" 2>/dev/null || true
}

# rows_stored VARIANT: how many readings are in its tables, from what is cheap to ask.
rows_stored() {
    case $1 in
    ingest_*) store_sql "$1" "SELECT coalesce(sum(stored), 0) FROM stream" ;;
    paho_sqlite* | mqttjs_*) store_sql "$1" "SELECT coalesce(max(rowid), 0) FROM readings" ;;
    *) store_sql "$1" "SELECT count(*) FROM readings" ;;
    esac
}

# rows_counted VARIANT: "rows|distinct", counted one by one.
rows_counted() {
    case $1 in
    ingest_*) store_sql "$1" "SELECT count(*), count(DISTINCT tenant || ' ' || device || ' ' || stream || ' ' || seq)
        FROM thermostat" ;;
    *) store_sql "$1" "SELECT count(*), count(DISTINCT device || ' ' || stream || ' ' || seq) FROM readings" ;;
    esac
}

rows_reached() { # VARIANT TOTAL
    [ "$(rows_stored "$1")" -ge "$2" ]
}

# rows_wait VARIANT TOTAL: until they are there; fails when 30 seconds bring none.
rows_wait() {
    local now before=-1
    until wait_until 30 rows_reached "$1" "$2"; do
        now=$(rows_stored "$1")
        [ "$now" -gt "$before" ] || return 1
        before=$now
    done
}

# load OPTION...: prints its JSON line.
load() {
    "$BIN/ph-load" --certs "$WORK/certs" --port "$PORT" --connections "$CONNECTIONS" "$@" \
        2>"$WORK/load.err" || {
        tail -n 3 "$WORK/load.err" "$WORK/broker.log" >&2
        die "the load generator failed"
    }
}
