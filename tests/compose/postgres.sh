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

# made_for NAME CA: into `text` a certificate and key of that name, as a thief would carry them to the server
made_for() {
    text=$(inside pki sh -c "ph-ca issue service --ca '$2' --tenant acme --by test --out '/tmp/$2-$1' '$1' >/dev/null && cat '/tmp/$2-$1/cert.pem' '/tmp/$2-$1/key.pem'")
}
enters_with() { # TEXT: as the role ph_ingest
    inside postgres sh -c 'umask 077 && echo "$1" >/tmp/who.pem &&
        psql --no-align --tuples-only --command "SELECT current_user" \
            "host=postgres user=ph_ingest dbname=phonehome sslmode=require sslcert=/tmp/who.pem sslkey=/tmp/who.pem"
        status=$?; rm -f /tmp/who.pem; exit $status' enters "$1"
}

stranger_cases() { # CMP-41
    local text
    made_for ph_ingest db
    same "the role's name by the database's CA is let in" ph_ingest "$(enters_with "$text")"
    made_for other db
    expect_refused "another name by it is not" 'certificate authentication failed for user "ph_ingest"' enters_with "$text"
    made_for ph_ingest pki
    expect_refused "nor the role's name by another CA" 'unknown ca' enters_with "$text"
}

renewal_of_database() { # CMP-25
    local server client started
    server=$(serial postgres) client=$(serial ingest ph_ingest)
    override 'services:
  postgres: { environment: { RENEW_SECONDS: 8000000, LOOK_SECONDS: 4 } }
  ingest: { environment: { RENEW_SECONDS: 8000000, LOOK_SECONDS: 4 } }'
    expect_ok "postgres: certificates that end soon" compose --profile postgres up --detach --no-build
    started=$(started_at postgres)
    holds 60 "postgres: the server's is exchanged" has_another "$server" postgres
    holds 60 "postgres: and that of the role" has_another "$client" ingest ph_ingest
    same "postgres: the server was not stopped for it" "$started" "$(started_at postgres)"
    OVERRIDES=()
    expect_ok "postgres: certificates that do not" compose --profile postgres up --detach --no-build
    holds 90 "postgres: all are healthy" is_healthy ingest postgres
}

store_by_name() { # CMP-43
    INGEST_CONFIG=/etc/phonehome/ingest.yaml
    STORE=sqlite expect_ok "STORE=sqlite" compose up --detach --no-build
    holds 60 "readings of all are in the file" all_stored
    STORE=files refuses "a store that there is none of" ingest 'STORE: want sqlite or postgres, have files'
}

postgres_cases() { # CMP-3, CMP-40, CMP-41, CMP-42
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
    stranger_cases
    same "postgres: no way out" 0 "$(ways_out postgres)"
    same "postgres: its own key" "keys/current/postgres/key.pem" "$(keys_in postgres)"
    same "postgres: a user of its own" "10005 10005" "$(inside postgres sh -c 'echo $(id -u) $(id -G)')"
    expect_ok "postgres: stopped while ingest is connected" compose stop postgres
    same "postgres: in good order" 0 "$(docker inspect --format '{{.State.ExitCode}}' "$(container postgres)")"
    expect_ok "postgres: started again" compose start postgres
    holds 60 "postgres: healthy" is_healthy ingest postgres
    kill_case postgres
    holds 60 "ingest is healthy again" is_healthy ingest
    renewal_of_database
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
