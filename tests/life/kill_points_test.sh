#!/usr/bin/env bash
# kill -9 at every point at which device or registrar leave a trace on the disk, and at some at which they send: no
# certificate that the inventory does not know, no device without a usable one, one answer to a repeated request.
# [REG-18] [REG-30] [RENEW-24]
#
# PH_KILLER: the library of killer.c. PH_KEEP=1 keeps the folder with certificates and logs.

# shellcheck source=../lib/harness.sh
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
# shellcheck source=../lib/broker.sh
. "$PH_SOURCE/tests/lib/broker.sh"
test_begin "kill points of enrolment and renewal"
# shellcheck source=stage.sh
. "$PH_SOURCE/tests/life/stage.sh"

KILLER=${1:?the library of killer.c}
POINTS_MAX=80 # more than there are; the run ends at the first that is not reached

names_on() { # NAME: certificates of the device, whatever became of them
    authority list --format csv | grep -c ",acme/thermostat/$1,"
}

# A device whose folder, and not its spool, the killer watches.
make_killable() {
    make_thermostat "$1" batch
    printf 'spool: { file: "%s" }\n' "$WORK/spools/$1.db" >>"$WORK/devices/$1/thermostat.yaml"
    ca expect --ca "$PKI" "acme/thermostat/$1"
}

enrolled() {
    usable "$1" && known "$1"
}

killed_or() { # PROCESS CONDITION...
    ended "$1" || "${@:2}"
}

# settle NAME: the device runs undisturbed, and must come out right.
settle() {
    stop "$1" KILL
    start_thermostat "$1"
    wait_for 20 enrolled "$1"
    local good=$?
    return "$good"
}

device_enrolment() {
    local point name died=0 bad=""
    for ((point = 1; point <= POINTS_MAX; point++)); do
        name=e-$point
        make_killable "$name"
        start_thermostat "$name" env "LD_PRELOAD=$KILLER" "PH_KILL_AT=$point" "PH_KILL_UNDER=$WORK/devices/$name/"
        wait_for 20 killed_or "$name" enrolled "$name"
        ended "$name" || break
        died=$((died + 1))
        settle "$name" || bad+=" $point:unusable"
        [ "$(names_on "$name")" = 1 ] || bad+=" $point:$(names_on "$name")-certificates"
        stop "$name"
    done
    stop "$name"
    report "a device that enrols" "$died" "$bad" 8
}

# report WHAT DIED BAD AT-LEAST
report() {
    if [ -n "$3" ]; then
        fail "$1, killed at each of $2 points:$3"
    elif [ "$2" -lt "$4" ]; then
        fail "$1: only $2 points were reached: the killer does not see the calls"
    else
        ok "$1, killed at each of $2 points: usable, known, one certificate"
    fi
}

renewed() { # NAME FINGERPRINT
    usable "$1" && [ "$(fingerprint "$WORK/devices/$1/cert.pem")" != "$2" ]
}

device_renewal() {
    local point name=r-1 died=0 bad="" before
    make_killable "$name"
    start_thermostat "$name"
    wait_for 20 enrolled "$name" || die "$name does not enrol"
    for ((point = 1; point <= POINTS_MAX; point++)); do
        stop "$name"
        before=$(fingerprint "$WORK/devices/$name/cert.pem")
        start_thermostat "$name" env "LD_PRELOAD=$KILLER" "PH_KILL_AT=$point" "PH_KILL_UNDER=$WORK/devices/$name/"
        wait_for 30 killed_or "$name" renewed "$name" "$before"
        ended "$name" || break
        died=$((died + 1))
        usable "$name" || fitting "$name" || bad+=" $point:no-pair"
        start_thermostat "$name"
        wait_for 30 renewed "$name" "$before" || bad+=" $point:not-renewed"
        known "$name" || bad+=" $point:unknown"
    done
    stop "$name"
    report "a device that renews" "$died" "$bad" 8
}

# Between the two renames of a promotion the new key stands beside the old certificate; the new one is there too.
fitting() {
    local dir=$WORK/devices/$1
    [ "$(openssl x509 -in "$dir/cert.pem.next" -noout -pubkey 2>/dev/null)" = \
        "$(openssl pkey -in "$dir/key.pem" -pubout 2>/dev/null)" ]
}

# registrar_killed NAME ENV...: one enrolment while the registrar dies; afterwards everything is right.
registrar_killed() {
    local name=$1
    shift
    make_killable "$name"
    stop registrar
    spawn registrar "$WORK/registrar.log" env "LD_PRELOAD=$KILLER" "$@" "$PH_BIN/ph-ca" serve --config "$WORK/registrar.yaml"
    start_thermostat "$name"
    wait_for 20 killed_or registrar enrolled "$name"
}

after_registrar() { # NAME POINT: what is wrong, or nothing
    stop registrar
    start_registrar
    wait_for 20 enrolled "$1" || printf ' %s:unusable' "$2"
    [ "$(names_on "$1")" = 1 ] || printf ' %s:%s-certificates' "$2" "$(names_on "$1")"
}

registrar_on_disk() {
    local point name died=0 bad=""
    for ((point = 1; point <= POINTS_MAX; point++)); do
        name=s-$point
        registrar_killed "$name" "PH_KILL_AT=$point" "PH_KILL_UNDER=$PKI/ca.db"
        ended registrar || break
        died=$((died + 1))
        after_registrar "$name" "$point" >"$WORK/said"
        bad+=$(<"$WORK/said")
        stop "$name"
    done
    stop "$name"
    report "the registrar, at its inventory" "$died" "$bad" 2
}

registrar_while_sending() {
    local point name died=0 bad=""
    for point in 5 15 25 35 40 45 50 55 60 65 70 80; do
        name=n-$point
        registrar_killed "$name" "PH_KILL_AT=$point"
        if ended registrar; then
            died=$((died + 1))
        fi
        after_registrar "$name" "$point" >"$WORK/said"
        bad+=$(<"$WORK/said")
        stop "$name"
    done
    report "the registrar, at whatever it writes or sends" "$died" "$bad" 3
}

make_authority
make_claim batch 1000
mkdir -p "$WORK/spools"
write_configuration
start_stage
stop ingest
device_enrolment
registrar_on_disk
registrar_while_sending
registrar_says lifetime 30s renew_at 0.1 renew_jitter 0.001
stop registrar
# shellcheck disable=SC2119 # no command in front
start_registrar
device_renewal
expect_ok "the log of acts is whole" authority audit verify
test_end
