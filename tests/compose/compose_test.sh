#!/usr/bin/env bash
# docker compose up, as the README says it: readings of every thermostat are stored; a second `up` makes no new
# certificates; then everything goes, volumes included. Under a project name of its own, so that an
# installation that runs here already is not touched. Needs a Docker engine, and skips without one.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/tests/lib/harness.sh"

timeout 20 docker info >/dev/null 2>&1 || skip "no Docker engine here"
timeout 20 docker compose version >/dev/null 2>&1 || skip "no Docker Compose v2 here"

export COMPOSE_PROJECT_NAME=phonehome-test-$$
export THERMOSTATS=4 INTERVAL_MS=500 BROKER_PORT
BROKER_PORT=$(free_port)
# Without buildx only the old builder is there.
docker buildx version >/dev/null 2>&1 || export DOCKER_BUILDKIT=0

compose() {
    timeout "${limit:-120}" docker compose --file "$root/docker-compose.yml" "$@" </dev/null
}

# The names of the thermostats that have a reading stored.
devices_stored() {
    compose exec -T ingest ph-ingest latest --config /etc/phonehome/ingest.yaml --format csv |
        grep -o 't-[0-9]*' | sort -u
}
all_stored() {
    [ "$(devices_stored | wc -l)" = "$THERMOSTATS" ]
}
fingerprints() {
    compose run --rm -T --entrypoint sh pki -c \
        'find /etc/phonehome /var/lib/phonehome -name "*.pem" ! -name crl.pem -exec sha256sum {} + | sort'
}

finish() {
    if [ "$FAIL_COUNT" -gt 0 ] || [ "$OK_COUNT" -eq 0 ]; then
        compose ps --all
        compose logs --no-color --tail 40
    fi
    compose down --volumes --timeout 10 >/dev/null 2>&1
    cleanup
}

test_begin "docker compose"
trap finish EXIT
limit=800 expect_ok "builds" compose build
limit=120 expect_ok "comes up" compose up --detach
if wait_for 60 all_stored; then
    ok "readings of all $THERMOSTATS thermostats are stored"
else
    fail "after a minute only these have readings: $(devices_stored | paste -sd' ')"
fi
if wait_for 30 compose up --detach --wait; then
    ok "every service says that it is healthy"
else
    fail "not every service is healthy"
fi
before=$(fingerprints)
expect_ok "a second start is uneventful" compose up --detach pki
if [ -n "$before" ] && [ "$before" = "$(fingerprints)" ]; then
    ok "and issues nothing anew"
else
    fail "certificates before: $before; after: $(fingerprints)"
fi
published=$(docker ps --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" --format '{{.Ports}}' |
    grep -o '[^ ,]*->[^ ,]*')
if [ "$published" = "127.0.0.1:$BROKER_PORT->8883/tcp" ]; then
    ok "only the broker's port is published, on the loopback"
else
    fail "published ports: $published"
fi
readers=$(for service in broker ingest thermostats; do
    compose exec -T "$service" find /etc /var -name '*.key' -o -name key.pem 2>/dev/null |
        sed "s|^|$service |"
done | grep -Ev '^broker /etc/phonehome/broker/|^ingest .*/pki/ingest/|^thermostats .*/devices/')
if [ -z "$readers" ]; then
    ok "each service sees its own private keys and no other"
else
    fail "private keys in the wrong place: $readers"
fi
test_end
