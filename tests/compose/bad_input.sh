# shellcheck shell=bash
# shellcheck disable=SC2034 # variables of lib.sh and compose_test.sh
# What is not as it should be: each is said in one line that names the remedy, and nothing is overwritten.

content_of() { # VOLUME: names and hashes of all that is in it
    in_volume "$1" 'find . -type f | sort | xargs -r sha256sum | sha256sum'
}

port_case() { # CMP-30
    local free
    free=$(free_port)
    expect_refused "a port in use: the engine names it" "$BROKER_PORT.*(already|in use)" compose up --detach --no-build broker
    BROKER_PORT=$free
    expect_ok "with another BROKER_PORT it starts" compose up --detach --no-build broker
    holds 60 "and is healthy" is_healthy broker
    expect_ok "there" port_is_open "$BROKER_PORT"
}

# changed TEXT SERVICE REGEX OVERRIDE: the service is refused with that change, and runs without it
changed() {
    override "$4"
    refuses "$1" "$2" "$3"
    OVERRIDES=()
    compose up --detach --no-build "$2" >/dev/null 2>&1
    holds 60 "$1: and without it $2 runs as before" is_healthy "$2"
}

mounted_cases() { # CMP-31, CMP-32
    cp "$ROOT/config/policy.yaml" "$WORK/policy.yaml"
    chmod 600 "$WORK/policy.yaml"
    chmod 711 "$WORK"
    changed "a policy that the broker cannot read" broker 'policy.yaml: user 10002 cannot read it: chmod a\+r' \
        "services: { broker: { volumes: ['$WORK/policy.yaml:/etc/phonehome/policy.yaml:ro'] } }"
    date -d '+3 days' +%s >"$WORK/built"
    chmod 644 "$WORK/built"
    changed "a clock before the image was built" broker 'the clock says .*: set the host.s clock' \
        "services: { broker: { volumes: ['$WORK/built:/usr/local/share/phonehome/built:ro'] } }"
}

version_cases() { # CMP-33, CMP-34
    local before
    compose stop --timeout 5 broker >/dev/null 2>&1
    in_volume broker-state 'echo 2 >version'
    refuses "a volume of a later version" broker 'this volume is of version 2, and this image works with version 1: start the images'
    in_volume broker-state 'echo 1 >version'
    in_volume broker-state 'mv version was'
    refuses "a volume without a version" broker 'this volume has files and no version: an older docker-compose.yml'
    in_volume broker-state 'mv was version'
    compose up --detach --no-build broker >/dev/null 2>&1
    holds 60 "put right, it runs" is_healthy broker
    stack old
    share_images
    in_volume authority 'mkdir -p ca/root; echo key >ca/root/ca.key; echo db >ca/ca.db; chown -R 10001 .'
    before=$(content_of authority)
    refuses "volumes of the stack before this one" pki-init 'no version: an older docker-compose.yml'
    same "and nothing in them is touched" "$before" "$(content_of authority)"
    remove_stack
}

lost_cases() { # CMP-35, CMP-36, CMP-37
    local before
    compose rm --stop --force broker >/dev/null 2>&1
    docker volume rm "${COMPOSE_PROJECT_NAME}_broker-keys" >/dev/null
    before=$(content_of broker-requests)
    refuses "the broker's key is lost" broker 'the key of broker is gone.*put the volume of keys back from a backup.*new-keys'
    compose stop --timeout 5 broker >/dev/null 2>&1
    same "and no other was made" "$before" "$(content_of broker-requests)"
    expect_ok "until it is told to" compose run --rm --no-deps -T broker new-keys
    compose up --detach --no-build broker >/dev/null 2>&1
    holds 60 "then it runs" is_healthy broker

    in_volume authority 'rm -rf pki'
    holds 20 "the authority is deleted while it is in use: pki says so" logs_say pki \
        'the authority is gone from its volume .*put it back from a backup|was moved, deleted or replaced while the registrar ran: put it back, or restore the backup'
    refuses "and the next start" pki-init 'the authority is gone from its volume .want pki/ca.db'
    compose rm --stop --force pki pki-init >/dev/null 2>&1
    docker volume rm "${COMPOSE_PROJECT_NAME}_authority" >/dev/null
    before=$(content_of trust)$(content_of root)
    refuses "its volume is deleted" pki-init 'the volume of the authority is empty, but there are files in: root,trust,issued,requests/broker.*backup'
    same "and no other is made" "$before" "$(content_of trust)$(content_of root)"
    same "nor anything put in its place" 0 "$(in_volume authority 'find . -name "ca.*" | wc -l')"
    holds 5 "whoever was connected goes on" is_healthy broker
}

full_cases() { # CMP-38, CMP-39
    stack full
    share_images
    BROKER_PORT=$(free_port)
    override "volumes: { authority: { driver_opts: { type: tmpfs, device: tmpfs, o: 'size=40k,uid=10001,gid=10001,mode=700' } } }"
    refuses "no room for the authority" pki-init '(space|full|disk).*|no authority was made'
    holds 5 "it is said what to do" logs_say pki-init 'start again'
    remove_stack
    override "volumes: { readings: { driver_opts: { type: tmpfs, device: tmpfs, o: 'size=6m,uid=10003,gid=10003,mode=700' } } }"
    expect_ok "a small disk for readings" compose up --detach --no-build
    holds 90 "is enough at first" is_healthy ingest thermostats
    holds 60 "readings are stored" all_stored
    inside ingest sh -c 'dd if=/dev/zero of=state/filler bs=4k count=4000' >/dev/null 2>&1
    holds 90 "when it is full, ingest is unhealthy" is_unhealthy ingest
    expect_ok "and says why" health_says ingest '(full|space|disk|commit)'
    inside ingest rm state/filler
    holds 60 "with room again it is healthy" is_healthy ingest
    nothing_lost "after a full disk"
    remove_stack
}

named() { # HOST: 1: the broker's certificate has that name
    inside broker openssl x509 -in keys/current/broker/cert.pem -noout -checkhost "$1" | grep -c 'does match'
}

names_case() { # CMP-27, CMP-44
    BROKER_IPS=broker.example.org compose up --detach --no-build broker >/dev/null 2>&1
    holds 40 "a wrong name of the broker is refused" logs_say broker 'pki refuses .*--ip: want IPv4 or IPv6 addresses'
    expect_ok "put right" compose up --detach --no-build broker
    holds 60 "it is answered anew" is_healthy broker
    same "for the names that are set" 0 "$(named broker.example.org)"
    BROKER_NAMES=localhost,broker.example.org expect_ok "another name" compose up --detach --no-build broker
    holds 60 "the broker takes a certificate with it" is_healthy broker
    same "which has it" 1 "$(named broker.example.org)"
    remove_stack
}

bad_input_cases() {
    stack bad
    share_images
    names_case
    stack bad
    share_images
    BROKER_PORT=$MAIN_PORT
    port_case
    mounted_cases
    version_cases
    stack bad
    lost_cases
    remove_stack
    full_cases
}
