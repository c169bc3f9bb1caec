#!/usr/bin/env bash
# docker compose up, as the README says it, and what docs/spec/compose.md promises of it. Under project names of its own,
# so that an installation that runs here is not touched. Needs a Docker engine, and skips without one.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/tests/lib/harness.sh"
. "$root/tests/compose/lib.sh"
. "$root/tests/compose/inside.sh"
. "$root/tests/compose/trouble.sh"
. "$root/tests/compose/bad_input.sh"
. "$root/tests/compose/postgres.sh"

timeout 20 docker info >/dev/null 2>&1 || skip "no Docker engine here"
timeout 20 docker compose version >/dev/null 2>&1 || skip "no Docker Compose v2 here"
# Without buildx only the old builder is there.
docker buildx version >/dev/null 2>&1 || export DOCKER_BUILDKIT=0

export THERMOSTATS=4 INTERVAL_MS=500 BROKER_PORT COMPOSE_PROFILES='' STORE=''
BROKER_PORT=$(free_port)
MAIN_PORT=$BROKER_PORT # of the stack that runs throughout
SERVICES="pki broker ingest thermostats"

# phase NAME COMMAND...: runs it and says how long it took.
phase() {
    local name=$1 start=$SECONDS
    shift
    "$@"
    printf '# %s: %d s\n' "$name" $((SECONDS - start))
}

first_start() { # CMP-1, CMP-2, CMP-3
    expect_ok "comes up" compose up --detach
    # shellcheck disable=SC2086 # a list
    holds 90 "every service is healthy" is_healthy $SERVICES
    holds 60 "readings of all $THERMOSTATS thermostats are stored" all_stored
    same "as many are asked for by name" "$THERMOSTATS" "$(inside ingest ph-ingest latest --format csv | grep -c thermostat)"
    same "only the broker's port is published, on the loopback" "127.0.0.1:$BROKER_PORT->8883/tcp" \
        "$(docker ps --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" --format '{{.Ports}}' |
            grep -o '[^ ,]*->[^ ,]*')"
    expect_ok "which answers on it" port_is_open "$BROKER_PORT"
}

test_begin "docker compose"
trap finish EXIT
stack main
IMAGES=()
for service in pki-init $SERVICES postgres; do IMAGES+=("$COMPOSE_PROJECT_NAME-$service"); done
limit=1200 phase build expect_ok "builds" compose --profile postgres build
phase "first start" first_start
phase inside inside_cases
phase trouble trouble_cases
phase postgres postgres_cases
phase "bad input" bad_input_cases
test_end
