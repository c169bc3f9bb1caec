# shellcheck shell=bash
# shellcheck disable=SC2034 # variables of lib.sh and compose_test.sh
# The profile postgres: readings go to a server, over TLS with a client certificate.

sql() {
    inside postgres psql --no-align --tuples-only --host /tmp --dbname phonehome --command "$1"
}

# Without thermostats until the server is there, so that it has all readings.
server_comes_later() { # CMP-40
    expect_ok "ingest comes up with a file" compose up --detach --no-build ingest
    holds 60 "and is healthy" is_healthy ingest
    limit=180 expect_ok "the profile starts a server" compose --profile postgres up --detach --no-build postgres
    INGEST_CONFIG=/etc/phonehome/postgres.yaml
    holds 60 "ingest goes over to it, and says so" logs_say ingest 'has a PostgreSQL server now'
    holds 60 "healthy" ingest_knows_server
    expect_ok "the rest comes up without the profile" compose up --detach --no-build
}
ingest_knows_server() {
    is_healthy ingest && inside ingest ph-ingest health --config "$INGEST_CONFIG"
}

store_by_name() { # CMP-43
    INGEST_CONFIG=/etc/phonehome/ingest.yaml
    STORE=sqlite expect_ok "STORE=sqlite" compose up --detach --no-build
    holds 60 "readings of all are in the file" all_stored
    STORE=files refuses "a store that there is none of" ingest 'STORE: want sqlite or postgres, have files'
}

postgres_cases() { # CMP-40, CMP-41, CMP-42
    local before
    stack postgres
    share_images
    BROKER_PORT=$(free_port)
    server_comes_later
    holds 120 "postgres: every service is healthy" is_healthy pki broker ingest thermostats postgres
    holds 60 "readings of all are stored" all_stored
    same "in the server" "$THERMOSTATS" "$(sql 'SELECT count(DISTINCT device) FROM phonehome.thermostat')"
    same "over TLS, with a certificate" "TLSv1.3|/CN=ph_ingest|1" "$(sql "SELECT version, regexp_replace(client_dn, '/O.*/CN', '/CN'),
        count(*) OVER () > 0 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'ph_ingest' LIMIT 1" | sed 's/|t$/|1/')"
    expect_refused "without one nobody enters" 'requires a valid client certificate' inside postgres psql --command 'SELECT 1' \
        'host=postgres user=ph_ingest dbname=phonehome sslmode=require'
    expect_refused "nor without TLS" 'no encryption' inside postgres psql --command 'SELECT 1' \
        'host=postgres user=ph_ingest dbname=phonehome sslmode=disable'
    expect_refused "thermostats do not reach it" 'status 2|^$' inside thermostats sh -c 'getent hosts postgres || { echo "status $?"; exit 2; }'
    same "postgres: its own key" "keys/current/postgres/key.pem" "$(keys_in postgres)"
    same "postgres: a user of its own" "10005 10005" "$(inside postgres sh -c 'echo $(id -u) $(id -G)')"
    kill_case postgres
    holds 60 "ingest is healthy again" is_healthy ingest
    nothing_lost "postgres, after a kill"
    before=$(sql 'SELECT system_identifier FROM pg_control_system()')
    COMPOSE_PROFILES=postgres
    expect_ok "postgres: down" compose down
    expect_ok "postgres: up again" compose up --detach --no-build
    holds 90 "postgres: healthy again" is_healthy ingest postgres
    same "with the same cluster" "$before" "$(sql 'SELECT system_identifier FROM pg_control_system()')"
    COMPOSE_PROFILES=
    store_by_name
    remove_stack
}
