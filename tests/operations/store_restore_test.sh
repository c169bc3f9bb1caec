#!/usr/bin/env bash
# Restores of the store as docs/operations/backup.md has them, SQLite and PostgreSQL, beside thermostats that go on
# capturing: nothing is stored twice; what is lost is what was acknowledged between the backup and the loss, and nothing
# else; and with the store stopped before the backup, or PostgreSQL's log kept elsewhere, nothing is. [ING-95] [SPOOL-5]
#
#     store_restore_test.sh sqlite|postgresql
# shellcheck source-path=SCRIPTDIR/../lib
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/lib/broker.sh"
. "$PH_SOURCE/tests/lib/postgres.sh"

KIND=${1:?sqlite or postgresql}
DEVICES=(t-1 t-2 t-3)
STORE=$WORK/readings.db

# ---- the stack ----

certificates() {
    "$PH_BIN/ph-ca" init "$WORK/pki" &&
        "$PH_BIN/ph-ca" issue broker --ca "$WORK/pki" --dns localhost --ip 127.0.0.1 --out "$WORK/broker" broker &&
        "$PH_BIN/ph-ca" issue service --ca "$WORK/pki" --tenant acme --out "$WORK/ingest" ingest &&
        printf '%s\n' "${DEVICES[@]}" >"$WORK/names" &&
        "$PH_BIN/ph-ca" issue device --ca "$WORK/pki" --tenant acme --kind thermostat --names "$WORK/names" \
            --out "$WORK/devices"
}

configure() {
    mkdir "$WORK/broker-data"
    cp "$PH_SOURCE/config/policy.yaml" "$PH_SOURCE/config/kinds.yaml" "$WORK/"
    sed -e "s,^plugin /.*,plugin $PH_PLUGIN," -e "s,^listener .*,listener $PORT 127.0.0.1," \
        -e "s,/etc/phonehome/,$WORK/,;s,/var/lib/mosquitto/,$WORK/broker-data/," -e "s,/var/log/mosquitto/,$WORK/," \
        "$PH_SOURCE/config/mosquitto.conf" >"$WORK/mosquitto.conf"
    cat >"$WORK/ingest.yaml" <<CONF
broker: { host: localhost, port: $PORT, ca: ingest/ca.pem, certificate: ingest/cert.pem, key: ingest/key.pem }
store: "$STORE"
kinds: kinds.yaml
CONF
}

start_broker() {
    broker_start broker "$WORK/mosquitto.conf" || die "the broker does not start: $(tail -n 2 "$WORK/broker.log")"
}

start_ingest() {
    spawn ingest "$WORK/ingest.log" "$PH_BIN/ph-ingest" run --config "$WORK/ingest.yaml"
    wait_line 20 "$WORK/ingest.log" subscribed || die "ingest does not start: $(tail -n 2 "$WORK/ingest.log")"
}

# Every one of DEVICES, capturing.
start_devices() {
    local name
    for name in "${DEVICES[@]}"; do
        spawn "$name" "$WORK/$name.log" "$PH_BIN/ph-thermostat" run --certs "$WORK/devices/$name" \
            --broker "localhost:$PORT" --spool "$WORK/$name.db" --ledger "$WORK/$name.ledger" --interval-ms 50 \
            --drain-ms 20000
    done
}

# Ends them when everything that they have captured is acknowledged.
drain_devices() {
    local name
    for name in "${DEVICES[@]}"; do
        kill -s TERM "${PIDS[$name]}"
    done
    for name in "${DEVICES[@]}"; do
        wait_for 30 ended "$name" || fail "$name: does not end"
        unset "PIDS[$name]"
    done
}

# ---- what is where: lines "stream number" ----

captured() {
    sed -n 's/^captured \([0-9a-f]*\) \([0-9]*\) .*/\1 \2/p' "$WORK"/*.ledger | sort
}

rows() { # twice, if a reading is stored twice
    if [ "$KIND" = sqlite ]; then
        sqlite3 -readonly -separator ' ' "$STORE" 'SELECT stream, seq FROM thermostat' | sort
    else
        postgres_sql "SELECT stream || ' ' || seq FROM thermostat" | sort
    fi
}

rows_beyond() { # COUNT
    [ "$(rows | wc -l)" -gt "$1" ]
}

more_rows() { # waits until 150 more are stored
    wait_for 60 rows_beyond "$(($(rows | wc -l) + 150))" || fail "nothing is stored: $(tail -n 2 "$WORK/ingest.log")"
}

lines() {
    grep -c . "$1" || true
}

expect_count() { # TEXT WANT HAVE
    if [ "$2" = "$3" ]; then ok "$1"; else fail "$1: want $2, have $3"; fi
}

# ---- backup, loss and restore of each store, in the words of the page ----

backup_sqlite() { # NAME
    "$PH_BIN/ph-ingest" backup --config "$WORK/ingest.yaml" "$WORK/$1"
}

destroy_sqlite() {
    rm -f "$STORE" "$STORE"-*
}

restore_sqlite() { # NAME
    cp "$WORK/$1" "$STORE" && chmod 600 "$STORE"
}

backup_postgresql() {
    "$POSTGRES_PROGRAMS/pg_dump" -h "$WORK/postgres" -p "$POSTGRES_PORT" -U postgres -n public -Fc -f "$WORK/$1" postgres
}

destroy_postgresql() {
    postgres_kill
    rm -rf "$WORK/postgres/data"
}

new_cluster() {
    (cd "$WORK/postgres" && "${AS_POSTGRES[@]}" "$POSTGRES_PROGRAMS/initdb" --no-sync -A trust -U postgres -E UTF8 \
        --locale=C -D data) >"$WORK/initdb.log" 2>&1 || die "initdb: $(tail -n 1 "$WORK/initdb.log")"
}

restore_postgresql() {
    new_cluster
    postgres_start
    "$POSTGRES_PROGRAMS/pg_restore" -h "$WORK/postgres" -p "$POSTGRES_PORT" -U postgres --clean --if-exists \
        -d postgres "$WORK/$1"
}

restore() { # TEXT NAME; not in a subshell, as it starts the server
    if "restore_$KIND" "$2" >"$WORK/restore.log" 2>&1; then ok "$1"; else die "$1: $(tail -n 2 "$WORK/restore.log")"; fi
}

# ---- cases ----

# Backup while everything runs, loss by kill -9, restore: what was acknowledged in between is gone.
crash_case() {
    local twice
    expect_ok "a backup while readings come in" "backup_$KIND" first.backup
    more_rows
    stop ingest KILL
    rows >"$WORK/destroyed"
    "destroy_$KIND"
    restore "the backup is put back" first.backup
    expect_ok "and is whole" "$PH_BIN/ph-ingest" check --config "$WORK/ingest.yaml"
    rows >"$WORK/backup"
    comm -23 "$WORK/destroyed" "$WORK/backup" >"$WORK/between"
    if [ "$(lines "$WORK/between")" -ge 150 ]; then
        ok "$(lines "$WORK/between") readings were stored between the backup and the loss"
    else
        fail "want 150 readings between the backup and the loss, have $(lines "$WORK/between")"
    fi
    start_ingest
    more_rows
    drain_devices
    rows >"$WORK/stored"
    captured >"$WORK/captured"
    twice=$(uniq -d "$WORK/stored" | wc -l)
    expect_count "nothing is stored twice" 0 "$twice"
    comm -23 "$WORK/captured" "$WORK/stored" >"$WORK/lost"
    expect_count "nothing is lost but what was stored in between" 0 "$(comm -23 "$WORK/lost" "$WORK/between" | wc -l)"
    if [ "$(lines "$WORK/lost")" -gt 0 ]; then
        ok "that is lost: $(lines "$WORK/lost") readings"
    else
        fail "nothing at all is lost: the backup was not older than the loss"
    fi
    expect_ok "the store agrees with itself" "$PH_BIN/ph-ingest" check --config "$WORK/ingest.yaml"
    expect_count "ph-ingest stats shows the gap: last - first + 1 - stored" "$(lines "$WORK/lost")" \
        "$("$PH_BIN/ph-ingest" stats --config "$WORK/ingest.yaml" --format csv | gaps)"
}

gaps() { # of all streams, from the CSV
    awk -F, '/^acme\// { sum += $6 - $5 + 1 - $3 } END { print sum + 0 }'
}

# expect_all TEXT: all that was captured is stored once, but for what crash_case has lost.
expect_all() {
    captured >"$WORK/captured"
    rows >"$WORK/stored"
    expect_count "$1: nothing is stored twice" 0 "$(uniq -d "$WORK/stored" | wc -l)"
    expect_count "$1: nothing more is lost" 0 \
        "$(comm -23 "$WORK/captured" "$WORK/stored" | comm -23 - "$WORK/lost" | wc -l)"
    expect_count "$1: nothing else is stored" 0 "$(comm -13 "$WORK/captured" "$WORK/stored" | wc -l)"
}

# A move that was planned: ingest is stopped first; devices go on, and keep what they capture.
move_case() {
    start_devices
    more_rows
    stop ingest
    expect_ok "a backup of the store at rest" "backup_$KIND" second.backup
    "destroy_$KIND"
    restore "it is put back" second.backup
    start_ingest
    more_rows
    drain_devices
    expect_all "ingest stopped before the backup"
}

# The broker's files are a cache: it needs no backup.
broker_case() {
    start_devices
    more_rows
    stop broker KILL
    rm -rf "$WORK/broker-data" && mkdir "$WORK/broker-data"
    start_broker
    more_rows
    drain_devices
    expect_all "broker's files deleted"
}

# The server's data is deleted, and comes back from a base backup and the log that pg_receivewal has taken elsewhere, which
# each commit waited for: nothing that was acknowledged is lost.
log_case() {
    local base=("$POSTGRES_PROGRAMS/pg_basebackup" -h "$WORK/postgres" -p "$POSTGRES_PORT" -U postgres)
    mkdir "$WORK/postgres/wal"
    spawn receiver "$WORK/receiver.log" env PGAPPNAME=receiver "$POSTGRES_PROGRAMS/pg_receivewal" --synchronous \
        -h "$WORK/postgres" -p "$POSTGRES_PORT" -U postgres -D "$WORK/postgres/wal"
    postgres_sql "ALTER SYSTEM SET synchronous_standby_names = 'receiver'" && postgres_sql "SELECT pg_reload_conf()" >/dev/null
    expect_ok "a base backup" "${base[@]}" -D "$WORK/postgres/base" --checkpoint=fast
    start_devices
    more_rows
    postgres_kill
    stop receiver
    rm -rf "$WORK/postgres/data"
    mv "$WORK/postgres/base" "$WORK/postgres/data"
    for part in "$WORK"/postgres/wal/*.partial; do mv "$part" "${part%.partial}"; done
    touch "$WORK/postgres/data/recovery.signal"
    cat >>"$WORK/postgres/data/postgresql.auto.conf" <<CONF
restore_command = 'cp $WORK/postgres/wal/%f %p'
synchronous_standby_names = ''
CONF
    if [ "${#AS_POSTGRES[@]}" -gt 0 ]; then
        chown -R --reference="$WORK/postgres" "$WORK/postgres/data" "$WORK/postgres/wal"
    fi
    postgres_start
    more_rows
    drain_devices
    expect_all "base backup and log"
    expect_ok "the store agrees with itself" "$PH_BIN/ph-ingest" check --config "$WORK/ingest.yaml"
}

test_begin "backup and restore of the store: $KIND"
STORE=$WORK/readings.db
PORT=$(free_port)
need sqlite3
if [ "$KIND" = postgresql ]; then
    postgres_init
    postgres_start
    STORE=$(postgres_uri)
fi
certificates >"$WORK/ca.log" 2>&1 || die "certificates: $(tail -n 1 "$WORK/ca.log")"
configure
start_broker
start_ingest
start_devices
more_rows
crash_case
move_case
broker_case
if [ "$KIND" = postgresql ]; then
    log_case
fi
test_end
