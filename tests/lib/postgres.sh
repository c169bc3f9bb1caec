# shellcheck shell=bash
# A private PostgreSQL server in $WORK, reached through a Unix socket. Source harness.sh first.

POSTGRES_PROGRAMS="" # the folder of the server's programs
AS_POSTGRES=()       # how to run them: the server refuses root
POSTGRES_PORT=5432   # names the socket only

# postgres_find: sets POSTGRES_PROGRAMS, or skips the test.
postgres_find() {
    local dir
    for dir in "$(pg_config --bindir 2>/dev/null)" "$(dirname "$(realpath "$(command -v postgres)" 2>/dev/null)")" \
        /usr/lib/postgresql/*/bin; do
        if [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ]; then
            POSTGRES_PROGRAMS=$dir
            return
        fi
    done
    skip "no PostgreSQL server here (postgres, initdb); install postgresql"
}

# postgres_init: an empty cluster that trusts everybody who reaches its socket.
postgres_init() {
    local user
    postgres_find
    mkdir "$WORK/postgres"
    if [ "$(id -u)" = 0 ]; then
        user=$(id -un postgres 2>/dev/null || echo nobody)
        AS_POSTGRES=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --clear-groups)
        chmod 711 "$WORK"
        chown "$user" "$WORK/postgres"
    fi
    (cd "$WORK/postgres" && "${AS_POSTGRES[@]}" "$POSTGRES_PROGRAMS/initdb" --no-sync -A trust -U postgres -E UTF8 \
        --locale=C -D data) >"$WORK/initdb.log" 2>&1 || die "initdb: $(tail -n 1 "$WORK/initdb.log")"
}

# postgres_start: and waits until it answers; sessions of a killed one may hold its memory for a while.
postgres_start() {
    local try
    for ((try = 0; try < 20; try++)); do
        spawn postgres "$WORK/postgres.log" "${AS_POSTGRES[@]}" "$POSTGRES_PROGRAMS/postgres" -D "$WORK/postgres/data" \
            -k "$WORK/postgres" -p "$POSTGRES_PORT" -c listen_addresses= -c shared_buffers=32MB
        wait_for 30 postgres_settled
        if postgres_answers; then return; fi
        stop postgres KILL
        sleep 0.25
    done
    die "the PostgreSQL server does not start: $(tail -n 1 "$WORK/postgres.log")"
}

postgres_answers() {
    "$POSTGRES_PROGRAMS/pg_isready" -q -h "$WORK/postgres" -p "$POSTGRES_PORT"
}

postgres_settled() {
    ended postgres || postgres_answers
}

# postgres_kill: kill -9 of the server and of every session and helper of it.
postgres_kill() {
    local victims
    mapfile -t victims < <(pgrep -P "${PIDS[postgres]}")
    stop postgres KILL
    kill -s KILL "${victims[@]}" 2>/dev/null
}

# postgres_sql SQL: its rows, columns separated by '|'.
postgres_sql() {
    "$POSTGRES_PROGRAMS/psql" -XAtq -v ON_ERROR_STOP=1 -h "$WORK/postgres" -p "$POSTGRES_PORT" -U postgres \
        -d postgres -c "$1"
}

# postgres_uri: for ph-ingest.
postgres_uri() {
    printf 'postgresql://postgres@/postgres?host=%s&port=%d' "$WORK/postgres" "$POSTGRES_PORT"
}
