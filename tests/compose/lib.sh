# shellcheck shell=bash
# Helpers for the tests of docker compose; source harness.sh first. Every stack has a project name of its own, so that an
# installation that runs on this machine is not touched.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PROJECTS=()
OVERRIDES=() # --file FILE of what a test changes in the services

compose() {
    timeout "${limit:-120}" docker compose --project-directory "$ROOT" --file "$ROOT/docker-compose.yml" \
        "${OVERRIDES[@]}" "$@" </dev/null
}

# stack NAME: what follows is about the stack of that name.
stack() {
    export COMPOSE_PROJECT_NAME=phonehome-test-$$-$1
    PROJECTS+=("$COMPOSE_PROJECT_NAME")
    OVERRIDES=()
}

# override TEXT: changes services of the stack, as docker-compose.override.yml does.
override() {
    printf '%s\n' "$1" >"$WORK/$COMPOSE_PROJECT_NAME.yml"
    OVERRIDES=(--file "$WORK/$COMPOSE_PROJECT_NAME.yml")
}

# Volumes, networks and containers; the images with the last one.
remove_stack() {
    compose --profile postgres down --volumes --remove-orphans --timeout 5 >/dev/null 2>&1
}

finish() {
    local project
    if [ "$FAIL_COUNT" -gt 0 ] || [ "$OK_COUNT" -eq 0 ]; then
        compose ps --all
        compose logs --no-color --tail 60
    fi
    OVERRIDES=()
    for project in "${PROJECTS[@]}"; do
        COMPOSE_PROJECT_NAME=$project remove_stack
    done
    docker image rm -f "${IMAGES[@]}" "${SHARED[@]}" >/dev/null 2>&1
    cleanup
}

# container SERVICE: its id
container() {
    compose ps --all --quiet "$1"
}

# state_of SERVICE: "running healthy 0" (status, health, restarts)
state_of() {
    docker inspect --format '{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}} {{.RestartCount}}' \
        "$(container "$1")" 2>/dev/null
}
is_healthy() { # SERVICE...
    local service
    for service in "$@"; do
        [[ "$(state_of "$service")" == "running healthy "* ]] || return 1
    done
}
is_unhealthy() {
    [[ "$(state_of "$1")" == *" unhealthy "* ]]
}

# health_says SERVICE REGEX: in the output of its last checks
health_says() {
    docker inspect --format '{{range .State.Health.Log}}{{.Output}}{{end}}' "$(container "$1")" | grep -Eq -- "$2"
}

# logs_say SERVICE REGEX
logs_say() {
    compose logs --no-color --no-log-prefix "$1" 2>/dev/null | grep -Eq -- "$2"
}

inside() { # SERVICE COMMAND...
    compose exec -T "$@"
}

# same TEXT WANT HAVE
same() {
    if [ "$2" = "$3" ]; then ok "$1"; else fail "$1: want $2, have $3"; fi
}

# soon SECONDS COMMAND...: wait_for with a breath between two looks, since each is some processes of the engine
soon() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.5
    done
}

# holds SECONDS TEXT COMMAND...: ok when the command succeeds within that time
holds() {
    local seconds=$1 text=$2
    shift 2
    if soon "$seconds" "$@"; then ok "$text"; else fail "$text: not within $seconds s"; fi
}

# in_volume NAME SCRIPT: as root, on the stack's volume, mounted at /v
in_volume() {
    docker run --rm --user 0 --network none --volume "${COMPOSE_PROJECT_NAME}_$1:/v" --entrypoint sh \
        "$COMPOSE_PROJECT_NAME-pki" -c "cd /v; $2"
}

# share_images: those of the first stack for this one too
SHARED=()
share_images() {
    local image name
    for image in "${IMAGES[@]}"; do
        name=$COMPOSE_PROJECT_NAME-${image#"${PROJECTS[0]}-"}
        docker tag "$image" "$name"
        SHARED+=("$name")
    done
}

# refuses TEXT SERVICE REGEX: a start of the stack ends with that service's line, and it does not run
refuses() {
    compose stop --timeout 5 "$2" >/dev/null 2>&1 # the engine waits longer before each restart
    compose up --detach --no-build "$2" >/dev/null 2>&1
    holds 30 "$1" logs_say "$2" "$3"
}

# ---- what was captured, and what is stored ----

INGEST_CONFIG=/etc/phonehome/ingest.yaml
rows() { # lines TENANT/KIND/DEVICE,STREAM,STORED,...
    inside ingest ph-ingest stats --config "$INGEST_CONFIG" --format csv
}
spools() {
    inside thermostats sh -c 'for f in state/fleet/worker-*.db; do ph-thermostat spool --format csv "$f"; done'
}

# devices_stored: the names that have a reading stored
devices_stored() {
    inside ingest ph-ingest latest --config "$INGEST_CONFIG" --format csv 2>/dev/null | grep -o 't-[0-9]*' | sort -u
}
all_stored() {
    [ "$(devices_stored | wc -l)" = "$THERMOSTATS" ]
}

# newest DEVICE: time of its newest reading
newest() {
    inside ingest ph-ingest query --config "$INGEST_CONFIG" --device "acme/thermostat/$1" --limit 1 --format csv | tail -n 1
}

# once_each: every reading that a device captured is stored once or still waits in its spool. The fleet goes on: what is
# stored lies between what had been captured, less what waited, before the look and what has been after it.
once_each() {
    spools >"$WORK/before.csv" && rows >"$WORK/rows.csv" && spools >"$WORK/spools.csv" || return 1
    awk -F, '
        FNR == 1 { files++; next }
        $2 == "stream" { next }
        files == 1 { least[$1 "," $2] = $3 - $5; sum += $3; next }
        files == 2 { stored[$1 "," $2] = $3; doubled += $7; next }
        { most[$1 "," $2] = $3 }
        END {
            for (key in least) {
                if (stored[key] < least[key] || stored[key] > most[key]) {
                    print key ": at least " least[key] ", at most " most[key] ", stored " stored[key] + 0
                    bad++
                }
            }
            if (!sum || doubled) { print sum + 0 " captured, " doubled + 0 " doubled"; bad++ }
            exit bad > 0
        }' "$WORK/before.csv" "$WORK/rows.csv" "$WORK/spools.csv" >"$WORK/verdict"
}
