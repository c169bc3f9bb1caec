# shellcheck shell=bash
# What a service looks like from inside: who it is, what it may do, which keys it sees.

# limits_of SERVICE: memory, processes and restart policy, as the engine was told
limits_of() {
    docker inspect --format '{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.LogConfig.Config}}' \
        "$(container "$1")"
}

# ways_out SERVICE: how many of its networks the engine does not keep to themselves
ways_out() {
    docker inspect --format '{{range .NetworkSettings.Networks}}{{.NetworkID}} {{end}}' "$(container "$1")" |
        xargs docker network inspect --format '{{.Internal}}' | grep -c false
}

confinement_cases() { # CMP-3, CMP-10, CMP-11, CMP-12
    local service uid=10001 status
    for service in $SERVICES; do
        status=$(inside "$service" cat /proc/self/status)
        same "$service: a user of its own" "$uid $uid" "$(inside "$service" sh -c 'echo $(id -u) $(id -G)')"
        same "$service: no capability, and none to be had" "1 1 1" "$(awk '
            /^CapEff/ { eff = ($2 ~ /^0+$/) } /^CapBnd/ { bnd = ($2 ~ /^0+$/) } /^NoNewPrivs/ { nnp = $2 }
            END { print eff, bnd, nnp }' <<<"$status")"
        same "$service: a root file system that cannot be written" "" "$(inside "$service" sh -c \
            'for d in / /etc /etc/phonehome /usr/local/bin /var/lib/phonehome /var/tmp; do touch $d/x 2>/dev/null && echo $d; done')"
        same "$service: memory, processes and log are bounded, and it is started again" 1 \
            "$(limits_of "$service" | grep -Ec '^[1-9][0-9]+ [1-9][0-9]* unless-stopped true map\[max-file:3 max-size:10m\]$')"
        same "$service: nothing to build, fetch or become somebody else with" "" "$(inside "$service" sh -c \
            'for c in cc gcc make curl wget nc ssh gdb python3; do command -v $c; done; find / -xdev -type f -perm /6000 2>/dev/null')"
        uid=$((uid + 1))
    done
    same "no way out but for the broker's answers" "0 1 0 0" "$(for service in $SERVICES; do ways_out "$service"; done | xargs)"
    same "the control: the engine's defaults are otherwise" "0 1 1" "$(docker run --rm --entrypoint sh \
        "$COMPOSE_PROJECT_NAME-pki" -c 'echo $(grep -c "^CapBnd:.0*$" /proc/self/status) $(touch /tmp/x && echo 1) $(($(id -u) > 0))')"
}

keys_in() { # SERVICE: files below the places of state and configuration that hold a private key
    inside "$1" sh -c 'grep -rlE "BEGIN [A-Z ]*PRIVATE KEY" /etc/phonehome /var/lib/phonehome /tmp 2>/dev/null' |
        sed -E 's|/t-[0-9]+/|/T/|; s|^/var/lib/phonehome/||' | sort -u | xargs
}

key_cases() { # CMP-20, CMP-21, CMP-22
    same "broker: its own keys" "keys/current/broker/key.pem keys/current/probe/key.pem" "$(keys_in broker | sed 's| */etc/phonehome/broker/key.pem||')"
    same "ingest: its own key" "keys/current/ingest/key.pem" "$(keys_in ingest)"
    same "thermostats: their own keys" "keys/current/T/key.pem" "$(keys_in thermostats)"
    same "pki: those of the CAs that issue, its own, and no root's" \
        "$(printf 'authority/%s ' {db,pki}/{brokers,claims,devices,services}/ca.key registrar/key.pem | xargs)" "$(keys_in pki)"
    same "keys are closed to others" "" "$(for service in $SERVICES; do
        inside "$service" find /var/lib/phonehome \( -name key.pem -o -name ca.key \) -perm /077
    done)"
    same "the root's key is in no running container" "" "$(docker ps --quiet --filter \
        "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" --filter "volume=${COMPOSE_PROJECT_NAME}_root")"
    same "it is in its volume" "$(printf '%s\n' 600 600)" "$(compose run --rm --no-deps -T pki-init \
        sh -c 'stat -c %a ../root/*/ca.key' 2>/dev/null)"
    same "where there is no network" "" "$(compose run --rm --no-deps -T pki-init sh -c 'grep -v lo: /proc/net/dev | grep :' 2>/dev/null)"
    expect_refused "a service cannot write where certificates come from" 'Read-only file system' \
        inside ingest touch /var/lib/phonehome/issued/x
    expect_refused "nor pki where requests come from" 'Read-only file system' \
        inside pki touch /var/lib/phonehome/requests/ingest/x
}

# A service that has been taken over asks for what is not its own.
request_cases() { # CMP-23, CMP-24
    inside ingest sh -c 'cd requests && openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj / \
        -keyout /tmp/k -out /tmp/r 2>/dev/null && cp /tmp/r broker-1.pem && cp /tmp/r registrar-1.pem && cp /tmp/r t-0001-9.pem &&
        cp /tmp/r ingest-evil-1.pem && ln -s ../../authority/pki/devices/ca.key ingest-8.pem && echo noise >ingest-9.pem'
    holds 20 "noise is refused, and it is said why" inside ingest grep -q 'ingest-9.pem: ' issued/ingest/ingest-9/refused
    same "nothing else is answered" "ingest-1 ingest-9" "$(inside ingest sh -c 'echo $(ls issued/ingest)')"
    same "nor issued" "0" "$(inside pki ph-ca list --format csv | grep -c evil)"
    inside ingest sh -c 'rm requests/broker-1.pem requests/registrar-1.pem requests/t-0001-9.pem requests/ingest-evil-1.pem requests/ingest-[89].pem /tmp/k'
}

inside_cases() {
    confinement_cases
    key_cases
    request_cases
}
