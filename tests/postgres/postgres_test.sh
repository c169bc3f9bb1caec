#!/usr/bin/env bash
# Thermostats, broker with the plugin, ingest and a PostgreSQL server: the server is killed by kill -9 while readings
# come in, stays away for a while and comes back; every reading that was captured is stored once [PGS-9].
# shellcheck source-path=SCRIPTDIR/../lib
. "${PH_SOURCE:?}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/lib/broker.sh"
. "$PH_SOURCE/tests/lib/postgres.sh"

DEVICES=(t-1 t-2 t-3)

certificates() {
    "$PH_BIN/ph-ca" init "$WORK/pki" &&
        "$PH_BIN/ph-ca" issue broker --ca "$WORK/pki" --dns localhost --ip 127.0.0.1 --out "$WORK/broker" broker &&
        "$PH_BIN/ph-ca" issue service --ca "$WORK/pki" --tenant acme --out "$WORK/ingest" ingest &&
        printf '%s\n' "${DEVICES[@]}" >"$WORK/names" &&
        "$PH_BIN/ph-ca" issue device --ca "$WORK/pki" --tenant acme --kind thermostat --names "$WORK/names" \
            --out "$WORK/devices"
}

configure() {
    cp "$PH_SOURCE/config/policy.yaml" "$PH_SOURCE/config/kinds.yaml" "$WORK/"
    cat >"$WORK/mosquitto.conf" <<CONF
listener $PORT 127.0.0.1
cafile $WORK/pki/trust/clients.pem
certfile $WORK/broker/cert.pem
keyfile $WORK/broker/key.pem
require_certificate true
allow_anonymous false
plugin $PH_PLUGIN
plugin_opt_policy $WORK/policy.yaml
plugin_opt_audit $WORK/audit.jsonl
max_queued_messages 100000
CONF
    cat >"$WORK/ingest.yaml" <<CONF
broker: { host: localhost, port: $PORT, ca: ingest/ca.pem, certificate: ingest/cert.pem, key: ingest/key.pem }
store: "$(postgres_uri)"
kinds: kinds.yaml
CONF
}

thermostats() {
    local name
    for name in "${DEVICES[@]}"; do
        spawn "$name" "$WORK/$name.log" "$PH_BIN/ph-thermostat" run --certs "$WORK/devices/$name" \
            --broker "localhost:$PORT" --spool "$WORK/$name.db" --interval-ms 50 --drain-ms 20000
    done
}

stored() {
    postgres_sql "SELECT count(*) FROM thermostat"
}

stored_more_than() {
    [ "$(stored)" -gt "$1" ]
}

# What the devices have captured, as their spools say.
captured() {
    local name
    for name in "${DEVICES[@]}"; do
        "$PH_BIN/ph-thermostat" spool --format csv "$WORK/$name.db" | awk -F, 'NR > 1 { print $3 }'
    done | awk '{ sum += $1 } END { print sum }'
}

drain() {
    local name
    for name in "${DEVICES[@]}"; do kill -s TERM "${PIDS[$name]}"; done
    for name in "${DEVICES[@]}"; do
        if wait_for 25 ended "$name"; then ok "$name has ended"; else fail "$name does not end"; fi
    done
}

outage() {
    local before
    wait_for 20 stored_more_than 50 || die "nothing is stored: $(tail -n 3 "$WORK/ingest.log")"
    before=$(stored)
    ok "$before readings are stored when the server is killed"
    postgres_kill
    sleep 2
    if is_running ingest; then ok "ingest goes on without its server"; else fail "ingest has ended"; fi
    expect_line "and says so" "$WORK/ingest.log" 'level=(warning|error) .*see that the server runs'
    expect_refused "a reader says what is wrong" "see that the server runs" \
        "$PH_BIN/ph-ingest" stats --config "$WORK/ingest.yaml" --totals
    postgres_start
    if wait_for 30 stored_more_than "$((before + 100))"; then
        ok "more is stored once it is back"
    else
        fail "nothing more is stored: $(tail -n 3 "$WORK/ingest.log")"
    fi
}

verdict() {
    local want have
    want=$(captured)
    have=$(postgres_sql "SELECT count(*) || ' ' || count(DISTINCT (device, stream, seq)) FROM thermostat")
    if [ "$have" = "$want $want" ]; then
        ok "$want readings captured, as many stored, each once"
    else
        fail "$want readings captured; rows and different readings: $have"
    fi
    expect_ok "the check finds no fault" "$PH_BIN/ph-ingest" check --config "$WORK/ingest.yaml"
    expect_ok "a device's readings can be queried" bash -c \
        "'$PH_BIN/ph-ingest' query --config '$WORK/ingest.yaml' --device acme/thermostat/t-1 | grep -q temperature_c"
    expect_refused "copies are left to the server's tools" "pg_dump" \
        "$PH_BIN/ph-ingest" backup --config "$WORK/ingest.yaml" "$WORK/copy"
}

test_begin "PostgreSQL from device to row"
need openssl pgrep setpriv
case ${PH_SANITIZE:-} in thread*) skip "the broker itself is not built for the thread sanitizer" ;; esac
postgres_init
PORT=$(free_port)
certificates >"$WORK/ca.log" 2>&1 || die "certificates: $(tail -n 1 "$WORK/ca.log")"
configure
postgres_start
broker_start broker "$WORK/mosquitto.conf" || die "the broker did not start: $(tail -n 1 "$WORK/broker.log")"
spawn ingest "$WORK/ingest.log" "$PH_BIN/ph-ingest" run --config "$WORK/ingest.yaml"
wait_line 10 "$WORK/ingest.log" 'msg=subscribed' || die "ingest did not start: $(tail -n 3 "$WORK/ingest.log")"
thermostats
outage
drain
verdict
test_end
