# shellcheck shell=bash
# A PostgreSQL server of our own in $WORK/postgres: as installed (fsync on, synchronous_commit on),
# with more memory and log than the defaults of 2005 give. Reached through a Unix socket.

PG=""     # pid
PG_BIN="" # folder of its programs
PG_URI=""

pg_find() {
    local candidate
    for candidate in "$(pg_config --bindir 2>/dev/null)" /usr/lib/postgresql/*/bin; do
        [ ! -x "$candidate/initdb" ] || PG_BIN=$candidate
    done
    [ -n "$PG_BIN" ]
}

# pg_version: nothing without a server.
pg_version() {
    ! pg_find || "$PG_BIN/postgres" --version | grep -o '[0-9][0-9.]*' | head -n 1
}

# A server refuses to run as root.
pg_as_user() {
    if [ "$(id -u)" = 0 ]; then
        local user=postgres
        id "$user" >/dev/null 2>&1 || user=nobody
        exec setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups "$@"
    fi
    exec "$@"
}

# pg_start: makes the server; fails when there is none here.
pg_start() {
    local dir=$WORK/postgres
    pg_find || return 1
    chmod 0711 "$WORK"
    mkdir -p "$dir"
    [ "$(id -u)" != 0 ] || chown "$(id -u postgres 2>/dev/null || id -u nobody)" "$dir"
    (cd / && pg_as_user "$PG_BIN/initdb" -D "$dir/data" -U postgres -A trust --no-sync -E UTF8 \
        --locale=C) >"$WORK/initdb.log" 2>&1 || die "initdb: $(tail -n 1 "$WORK/initdb.log")"
    (cd / && pg_as_user "$PG_BIN/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c port=5432 \
        -c unix_socket_permissions=0777 -c shared_buffers=1GB -c max_wal_size=8GB -c max_connections=50) \
        >"$WORK/postgres.log" 2>&1 &
    PG=$!
    PIDS+=("$PG")
    PG_URI="postgresql://postgres@/postgres?host=$dir&port=5432"
    wait_until 60 pg_sql "SELECT 1" || die "PostgreSQL: $(tail -n 1 "$WORK/postgres.log")"
}

# pg_sql STATEMENTS: prints the rows, cells joined by '|'.
pg_sql() {
    "$PG_BIN/psql" -X -q -A -t -v ON_ERROR_STOP=1 "$PG_URI" -c "$1"
}

# pg_clear: as if nothing had ever been stored. A checkpoint is then not due in the next round.
pg_clear() {
    pg_sql "SET client_min_messages = warning; DROP SCHEMA public CASCADE; CREATE SCHEMA public"
    pg_sql CHECKPOINT
}

# CPU seconds of the server with all its processes, those that have ended included.
pg_cpu() {
    local pid
    for pid in "$PG" $(pgrep -P "$PG"); do
        sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null || true
    done | awk -v tick="$(getconf CLK_TCK)" '
        { sum += $12 + $13 + $14 + $15 }
        END { printf "%.2f", sum / tick }'
}
