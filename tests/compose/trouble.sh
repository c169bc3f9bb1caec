# shellcheck shell=bash
# shellcheck disable=SC2034 # variables of lib.sh and compose_test.sh
# What befalls a stack that runs: revocation, kills, other numbers, stops, new images.

is_cut_off() { # DEVICE: its readings no longer grow
    local before
    before=$(newest "$1")
    sleep 3
    [ "$before" = "$(newest "$1")" ]
}

revocation_case() { # CMP-4
    same "t-0003 sends" no "$(is_cut_off t-0003 && echo cut || echo no)"
    expect_ok "t-0003 is revoked, in the running stack" inside pki ph-ca revoke --why "test" acme/thermostat/t-0003
    holds 10 "the broker has cut it off" logs_say broker 't-0003.*(disconnect|kick|revoked|refused|administrative)'
    holds 20 "nothing comes from it any more" is_cut_off t-0003
    same "the others send" no "$(is_cut_off t-0002 && echo cut || echo no)"
    holds 20 "and all services stay healthy" is_healthy pki broker ingest thermostats
}

came_back() { # SERVICE RESTARTS-BEFORE
    local now
    read -r -a now <<<"$(state_of "$1")"
    [ "${now[0]} ${now[1]}" = "running healthy" ] && [ "${now[2]}" -gt "$2" ]
}

restarts_of() {
    docker inspect --format '{{.RestartCount}}' "$(container "$1")"
}

# All of a container's processes at once, from inside, so that the engine takes it for a crash.
kill_case() { # SERVICE...; CMP-9
    local service before
    for service in "$@"; do
        before=$(restarts_of "$service")
        inside "$service" sh -c 'kill -9 -1' >/dev/null 2>&1
        holds 60 "$service is killed and comes back" came_back "$service" "$before"
    done
}

# What holds of readings once the thermostats have delivered what they could.
nothing_lost() { # TEXT
    local captured
    soon 30 once_each
    if once_each; then
        captured=$(awk -F, '$2 != "stream" { sum += $3 } END { print sum }' "$WORK/spools.csv")
        ok "$1: $captured captured, none lost, none doubled"
    else
        fail "$1: $(paste -sd';' "$WORK/verdict")"
    fi
}

certificates() {
    inside pki ph-ca list --format csv | wc -l
}

again_case() { # CMP-5
    local before
    before=$(certificates)
    expect_ok "a second up is uneventful" compose up --detach
    same "no service was started again" "" "$(compose up --detach 2>&1 | grep -E '(broker|ingest|thermostats|-pki-1).*(Recreate|Started)')"
    same "nothing was issued" "$before" "$(certificates)"
}

count_case() { # CMP-6
    THERMOSTATS=7
    expect_ok "with seven thermostats" compose up --detach
    holds 60 "all seven have readings" all_stored
    THERMOSTATS=4
    expect_ok "with four again" compose up --detach
    holds 60 "it is healthy" is_healthy thermostats
}

down_case() { # CMP-5, CMP-7
    local before keys
    before=$(certificates) keys=$(inside broker sha256sum keys/current/broker/key.pem)
    limit=120 expect_ok "down" compose down
    for service in ingest thermostats broker; do # a new image of each
        printf 'FROM %s\nLABEL upgraded=1\n' "$COMPOSE_PROJECT_NAME-$service" |
            docker build --quiet --tag "$COMPOSE_PROJECT_NAME-$service" - >/dev/null 2>&1 || fail "no new image of $service"
    done
    expect_ok "up again, with new images" compose up --detach
    holds 90 "all are healthy" is_healthy pki broker ingest thermostats
    same "of the new image" 1 "$(docker inspect --format '{{.Config.Labels.upgraded}}' "$(container ingest)")"
    same "with the certificates from before" "$before" "$(certificates)"
    same "and the keys" "$keys" "$(inside broker sha256sum keys/current/broker/key.pem)"
}

# What serves nobody is not healthy, and the engine is told so.
health_case() { # CMP-2
    local service
    compose stop --timeout 5 broker >/dev/null 2>&1
    for service in pki ingest thermostats; do
        holds 60 "without a broker $service is unhealthy" is_unhealthy "$service"
    done
    compose start broker >/dev/null 2>&1
    holds 60 "with it all are healthy" is_healthy pki broker ingest thermostats
}

# A service whose script gives up, in the broker's image.
script_case() { # CMP-26
    expect_ok "a script that gives up has its service end" inside broker sh -euc 'service=x; . /usr/local/lib/phonehome/lib.sh
        tick() { sleep 1; fail "gone"; }
        (supervise sh -c "trap \"echo ended >/tmp/ended; exit\" TERM; while :; do sleep 0.1; done") 2>/dev/null || grep ended /tmp/ended'
}

serial() { # SERVICE [NAME]: of the certificate that it has in use
    inside "$1" openssl x509 -in "keys/current/${2:-$1}/cert.pem" -noout -serial
}
has_another() { # SERIAL SERVICE [NAME]
    local now
    now=$(serial "${@:2}")
    [ -n "$now" ] && [ "$now" != "$1" ]
}
started_at() {
    docker inspect --format '{{.State.StartedAt}}' "$(container "$1")"
}

# Certificates that end soon, by a look every few seconds and another idea of soon.
renewal_case() { # CMP-25, CMP-13
    local broker ingest started fleet
    override 'services:
  broker: { environment: { RENEW_SECONDS: 7700000, LOOK_SECONDS: 8, AUDIT_BYTES: 4000 } }
  ingest: { environment: { RENEW_SECONDS: 7700000, LOOK_SECONDS: 8 } }
  thermostats: { environment: { LOG_BYTES: 100 } }'
    same "certificates are good for longer than that" 1 "$(inside broker openssl x509 -in keys/current/broker/cert.pem -noout \
        -checkend 7700000 | grep -c 'will not expire')"
    sed -i 's/7700000/8000000/' "$WORK/$COMPOSE_PROJECT_NAME.yml"
    broker=$(serial broker) ingest=$(serial ingest)
    in_volume broker-requests 'chmod 555 .'
    in_volume spools 'rm -f fleet/fleet.log.1 && : >fleet/fleet.log.1 && chmod 444 fleet/fleet.log.1'
    expect_ok "certificates that end soon" compose up --detach
    started=$(started_at broker) fleet=$(started_at thermostats)
    holds 30 "the thermostats' log cannot be turned over" logs_say thermostats 'fleet.log.1: not written, so that the log grows'
    in_volume spools 'rm fleet/fleet.log.1'
    holds 30 "with room it is" inside thermostats test -s state/fleet/fleet.log.1
    same "the thermostats were not stopped for it" "$fleet" "$(started_at thermostats)"
    holds 40 "the broker's cannot be asked for" logs_say broker 'requests/broker-[0-9]*.pem: cannot be written: is the disk full'
    holds 40 "the one of ingest is exchanged" has_another "$ingest" ingest
    same "the broker has the one it had" "$broker" "$(serial broker)"
    same "and was not stopped for it" "$started" "$(started_at broker)"
    expect_ok "stopped and started" compose restart broker
    holds 40 "it runs with the one it has" is_healthy broker
    started=$(started_at broker)
    in_volume broker-requests 'chmod 755 .'
    holds 40 "with room it is exchanged as well" has_another "$broker" broker
    same "the broker was not stopped for that" "$started" "$(started_at broker)"
    holds 20 "who connects is shown the new one" shows_newest
    holds 60 "the audit file is rotated" inside broker test -f state/phonehome-audit.jsonl.2
    holds 15 "and one chain" inside broker sh -c 'ph-policy audit verify $(ls -r state/phonehome-audit.jsonl.[1-9]) state/phonehome-audit.jsonl'
    inside broker sh -c 'for i in 3 4 5 6 7 8 9; do echo "$i" >"state/phonehome-audit.jsonl.$i"; done'
    holds 60 "of ten files the oldest goes" inside broker sh -c 'read -r was <state/phonehome-audit.jsonl.9; [ "$was" = 8 ]'
    expect_ok "and there is no eleventh" inside broker sh -c '! [ -e state/phonehome-audit.jsonl.10 ] && rm state/phonehome-audit.jsonl.?'
    OVERRIDES=()
    expect_ok "certificates that do not" compose up --detach
    holds 60 "all are healthy" is_healthy broker ingest thermostats
}
# The broker's hour may have come again between two looks.
shows_newest() {
    local before shown
    before=$(serial broker)
    shown=$(openssl s_client -connect "127.0.0.1:$BROKER_PORT" </dev/null 2>/dev/null | openssl x509 -noout -serial)
    [ "$shown" = "$before" ]
}

# The first start, cut off at some moments; the last one finds whatever they left.
first_start_case() { # CMP-8
    local delay
    stack first
    share_images
    BROKER_PORT=$(free_port)
    for delay in 0.1 0.2 0.3 0.45; do
        compose up --detach --no-build pki-init >/dev/null 2>&1 &
        wait_for 10 running_init
        sleep "$delay"
        docker kill "$(container pki-init)" >/dev/null 2>&1
        wait $!
    done
    compose up --detach --no-build pki broker >/dev/null 2>&1
    holds 90 "a first start that was killed four times is completed by the next" is_healthy broker
    same "one root, and what is certified is below it" "1 1" "$(inside pki ph-ca authority list --format csv | grep -c '^root,')\
 $(inside broker sh -c 'openssl verify -CAfile keys/current/probe/ca.pem -untrusted keys/current/broker/cert.pem keys/current/broker/cert.pem' | grep -c OK)"
    inside pki ph-ca revoke acme/service/probe >/dev/null
    holds 60 "the broker is unhealthy when it lets its probe no longer in" is_unhealthy broker # CMP-2
    expect_ok "and says so" health_says broker '(refuse|reason|0x87|CONNACK)'
    remove_stack
}
running_init() {
    [ "$(docker inspect --format '{{.State.Status}}' "$(container pki-init)" 2>/dev/null)" != "" ]
}

trouble_cases() {
    again_case
    kill_case broker ingest thermostats pki
    nothing_lost "after kills of all"
    health_case
    script_case
    count_case
    down_case
    renewal_case
    nothing_lost "after down and up"
    revocation_case # last, since what a device that is revoked has captured is never acknowledged
    first_start_case
    BROKER_PORT=$MAIN_PORT
}
