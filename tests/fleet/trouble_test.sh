#!/usr/bin/env bash
# What can go wrong around `ph-fleet run`, at Mosquitto with the plugin and the real ingest: too few open files, too
# little memory, wrong certificates, a broker that is not there, vanishes or refuses, an ingest that is away, processes
# that are killed, signals, and an end that is too short. There is a clear line, the rest goes on, the exit status tells,
# and no reading is lost or doubled. Requirements: FLEET and STAT of docs/spec/fleet.md.
# PH_KEEP=1 keeps the folder with certificates, reports and logs.

# shellcheck source=../lib/harness.sh
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
# shellcheck source=../lib/broker.sh
. "$PH_SOURCE/tests/lib/broker.sh"
test_begin "fleets in trouble"
# shellcheck source=../life/stage.sh
. "$PH_SOURCE/tests/life/stage.sh"
# shellcheck source=stage.sh
. "$PH_SOURCE/tests/fleet/stage.sh"

case ${PH_SANITIZE:-} in
thread*) skip "the broker itself is not built for the thread sanitizer" ;;
esac

ALL='s: all [0-9]+ devices have been connected'
KEPT='^kept: (.*), with readings that were not acknowledged$'

few_files() {
    ulimit -n 100
    exec "$@"
}

little_memory() {
    ulimit -v 45000 # kilobytes; 200 devices take as much beside the program and its libraries
    exec "$@"
}

# quick_fleet NAME SECONDS ARGUMENT...: a fleet that ends by itself, before anybody is connected.
quick_fleet() {
    spawn_fleet "$1" "${@:3}"
    finish "$1" "$2"
}

# certificates NAME AUTHORITY COUNT: of devices NAME-0001 and so on, in $WORK/NAME-certs.
certificates() {
    seq -f "$1-%04g" "$3" >"$WORK/$1.names"
    ca issue device --ca "$2" --tenant acme --kind thermostat --out "$WORK/$1-certs" --names "$WORK/$1.names"
}

# progress NAME: the latest of its lines that count.
progress() {
    grep -E '^fleet: [0-9]+ s: [0-9,]+ of ' "$WORK/$1.out" | tail -n 1
}

progress_says() { # NAME REGEX
    progress "$1" | grep -Eq -- "$2"
}

expect_progress() { # TEXT NAME REGEX SECONDS
    if wait_for "$4" progress_says "$2" "$3"; then ok "$1"; else fail "$1: want /$3/, have: $(progress "$2")"; fi
}

all_gone() {
    local pid
    for pid in "$@"; do
        [ ! -e "/proc/$pid" ] || grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null || return 1
    done
}

# ---- before anything is connected ----

# [FLEET-9]: and what the error advises does.
check_files() {
    # shellcheck disable=SC2034 # spawn_fleet reads it
    FRONT=(few_files)
    quick_fleet few 20 --devices 40 --workers 1
    expect_end "FLEET-9 fewer open files than devices" few 69 \
        "^ph-fleet: open files: 40 devices need .* enough for 12 devices; raise ulimit -n to 184, or want --workers 4$"
    start_fleet few $'devices: 40\ninterval_ms: 500\nduration_s: 10' --workers 4
    FRONT=()
}

# [FLEET-2] [FLEET-4]
check_key() {
    certificates broken "$PKI" 3
    printf 'not a key\n' >"$WORK/broken-certs/broken-0002/key.pem"
    quick_fleet broken 20 --devices 3 --certs "$WORK/broken-certs"
    expect_end "FLEET-2 a key that is none" broken 65 "^ph-fleet: $WORK/broken-certs/broken-0002/key.pem: "
    if grep -q 'broken-' "$WORK/broker.log"; then
        fail "FLEET-2 somebody was connected: $(grep -m1 'broken-' "$WORK/broker.log")"
    else
        ok "FLEET-2 nobody was connected"
    fi
    if [ -z "$(left_behind)" ]; then ok "FLEET-4 its folder is gone"; else fail "FLEET-4 left: $(left_behind)"; fi
}

# ---- a stack that works, and fleets that do not ----

start_fleets() {
    local steady=$'interval_ms: 250\n'
    if [ -z "${PH_SANITIZE:-}" ]; then # a sanitizer takes terabytes of addresses
        FRONT=(little_memory)
        start_fleet poor $'devices: 200\ninterval_ms: 1000\nduration_s: 5' --workers 1 --drain 2
        FRONT=()
    fi
    start_fleet foreign $'devices: 3\nduration_s: 20' --certs "$WORK/foreign-certs" --drain 1
    start_fleet revoked "$steady"$'devices: 12\nduration_s: 12' --certs "$WORK/revoked-certs" --drain 1
    start_fleet spoilt "$steady"$'devices: 10\nduration_s: 25' --workers 2
    start_fleet killed "$steady"$'devices: 20\nduration_s: 15' --workers 2
    start_fleet massacre "$steady"$'devices: 21\nduration_s: 15' --workers 3
    PORT=$(free_port) start_fleet nobody "$steady"$'devices: 10\nduration_s: 5' --drain 1
    FRONT=(setsid) # in a process group of its own, as a terminal has it
    start_fleet interrupted "$steady"$'devices: 10' --workers 2 --drain 120
    # shellcheck disable=SC2034 # spawn_fleet reads it
    FRONT=()
}

make_wrong_certificates() {
    local name
    ca init "$WORK/other"
    certificates foreign "$WORK/other" 3
    for name in foreign-0001 foreign-0002; do # the third does not trust the broker either
        cp "$PKI/trust/brokers.pem" "$WORK/foreign-certs/$name/ca.pem"
    done
    certificates revoked "$PKI" 12
    for name in revoked-0003 revoked-0007; do
        ca revoke --ca "$PKI" --reason keyCompromise "acme/thermostat/$name"
    done
    wait_line 10 "$WORK/broker.log" 'msg="policy reloaded"' || die "the new revocation list goes unnoticed"
    mkdir -p "$WORK/spoilt/worker-1.db" # where its spool wants to be
}

# Kills, as soon as everybody is there; then what happens to them meanwhile.
strike_fleets() {
    local pid
    says killed "$ALL" 60
    kill -KILL "$(workers_of killed | head -n 1)"
    says massacre "$ALL" 60
    for pid in $(workers_of massacre); do
        kill -KILL "$pid"
    done
    wait_for 30 stored_at_least 1 acme/thermostat/revoked-0012 || die "revoked-0012 is not served"
    ca revoke --ca "$PKI" --reason keyCompromise acme/thermostat/revoked-0012
}

# [FLEET-19]: it ends, by itself, and its account is right; what OpenSSL and Paho make of it is theirs.
check_memory() {
    [ -z "${PH_SANITIZE:-}" ] || return
    finish poor 120
    expect_end "FLEET-19 too little memory" poor 1 '^ph-fleet: .*[0-9]+ of 200 devices never connected$'
    expect_not_said "FLEET-20 and each reading is accounted for" poor 'accounted for'
}

# [STAT-5] [STAT-13] [STAT-15] [FLEET-19]
check_refusals() {
    expect_end "STAT-15 certificates of another CA" foreign 1 '^ph-fleet: .*3 of 3 devices never connected$'
    expect_said "STAT-5 the broker's reason" foreign '^ +[0-9,]+  .*it does not accept our certificate'
    expect_said "STAT-5 and the device's own" foreign '^ +[0-9,]+  .*certificate verify failed'
    expect_end "STAT-15 revoked devices among good ones" revoked 1 \
        '^ph-fleet: [0-9,]+ readings not acknowledged; 2 of 12 devices never connected$'
    expect_fact "STAT-13 the others were connected" revoked totals.reached 10 10
    expect_fact "STAT-5 refusals are counted" revoked totals.refusals 3
    expect_said "STAT-5 with their reason" revoked '^ +[0-9,]+  .*(not authori[sz]ed|0x87)'
    expect_stored "STAT-14 the good ones went on" revoked 10
    # Of the one that was cut off a reading may be stored whose acknowledgement came too late.
    expect_fact "STAT-14 what is acknowledged is stored" revoked totals.acknowledged 100 "$(stored_of revoked)"
}

# [FLEET-13]
check_given_up() {
    expect_said "FLEET-13 a worker that cannot begin is given up" spoilt 's: worker 1 ended: .*; given up$'
    expect_end "FLEET-13 and its devices with it" spoilt 1 '^ph-fleet: 5 of 10 devices failed for good; 5 of 10 devices never connected$'
    expect_stored "FLEET-13 the others went on" spoilt 5 "$(fact spoilt totals.captured)"
}

# [FLEET-10] [FLEET-12] [FLEET-20]
check_killed() {
    local name
    expect_said "FLEET-12 a worker that was killed" killed 's: worker 1 ended by signal 9; started again in 1 s$'
    expect_not_said "FLEET-12 and no other" killed 'worker 2 ended'
    for name in 1 2 3; do
        expect_said "FLEET-12 all workers killed" massacre "s: worker $name ended by signal 9; started again in 1 s$"
    done
    for name in killed massacre; do
        expect_good "FLEET-20 $name" "$name"
        expect_fact "FLEET-17 $name: restarts are counted" "$name" 'usage[0].restarts' 1 1
    done
    expect_stored "FLEET-20 a worker killed" killed 20 "$(fact killed totals.captured)"
    expect_stored "FLEET-20 all workers killed" massacre 21 "$(fact massacre totals.captured)"
}

# [STAT-13] [STAT-15] [FLEET-19]
check_nobody() {
    expect_end "STAT-15 a broker that is not there" nobody 1 \
        '^ph-fleet: [0-9,]+ readings not acknowledged; 10 of 10 devices never connected$'
    expect_said "STAT-5 the reason" nobody '^ +[0-9,]+  cannot connect'
    expect_said "FLEET-4 what is left is named" nobody "$KEPT"
    expect_fact "STAT-13 all of it pends" nobody gauges.pending "$(fact nobody totals.captured)"
}

# ---- ingest is away ----

start_without_ingest() {
    says day "$ALL" 60
    stop ingest
    spawn_fleet short --devices 10 --interval-ms 250 --duration 4 --drain 1
    start_fleet second $'devices: 10\ninterval_ms: 250' --workers 2 --drain 120
    start_fleet orphan $'devices: 10\ninterval_ms: 250' --workers 2
}

# [FLEET-11] [FLEET-14]: to all of the terminal's processes, which the workers are not: on a signal of their own they
# would wait five seconds at most, and ingest stays away for longer.
interrupt() {
    says interrupted "$ALL" 60
    expect_progress "FLEET-20 readings pend while ingest is away" interrupted ', [1-9][0-9]* pending' 30
    kill -INT -- "-${PIDS[interrupted]}"
    says interrupted 's: signal 2; ending, with up to 120 s' 20
    INTERRUPTED_MS=$(now_ms)
}

waited_enough() {
    [ $(($(now_ms) - INTERRUPTED_MS)) -gt 8000 ]
}

check_interrupted() {
    finish interrupted 90
    expect_not_said "FLEET-11 Ctrl-C does not reach the workers" interrupted 'worker [0-9] ended'
    expect_good "FLEET-14 Ctrl-C: it waits for acknowledgements" interrupted
    expect_stored "FLEET-14 Ctrl-C" interrupted 10 "$(fact interrupted totals.captured)"
}

# [FLEET-15]
check_second_signal() {
    local since
    says second "$ALL" 60
    expect_progress "FLEET-20 readings of another fleet too" second ', [1-9][0-9]* pending' 30
    kill -TERM "${PIDS[second]}"
    says second 's: signal 15; ending, with up to 120 s' 20
    since=$(now_ms)
    kill -TERM "${PIDS[second]}"
    finish second 60
    expect_end "FLEET-15 a second signal" second 1 's: a second signal: 2 workers killed$'
    if [ $(($(now_ms) - since)) -lt 60000 ]; then ok "FLEET-15 does not wait"; else fail "FLEET-15 waits"; fi
    expect_fact "STAT-13 what it did not wait for" second gauges.pending 1
}

# [FLEET-11]
check_orphans() {
    local -a workers
    says orphan "$ALL" 60
    expect_progress "FLEET-20 here too" orphan ', [1-9][0-9]* pending' 30
    mapfile -t workers < <(workers_of orphan)
    stop orphan KILL
    if [ "${#workers[@]}" = 2 ] && wait_for 60 all_gone "${workers[@]}"; then
        ok "FLEET-11 no worker outlives the supervisor"
    else
        fail "FLEET-11 workers of a supervisor that was killed: ${workers[*]}"
    fi
}

# [FLEET-4] [FLEET-14]
check_short_drain() {
    finish short 60
    SHORT=$(sed -En "s/$KEPT/\1/p" "$WORK/short.out")
    expect_end "FLEET-14 a wait that is too short" short 1 '^ph-fleet: [0-9,]+ readings not acknowledged$'
    if [ "$(left_behind)" = "$SHORT" ] && [ -n "$SHORT" ]; then
        ok "FLEET-4 the folder is kept and named"
    else
        fail "FLEET-4 kept: \"$SHORT\" of: $(left_behind)"
    fi
}

# [FLEET-3] [FLEET-5] [FLEET-6] [FLEET-20]: what the folders still hold is delivered by the next run, exactly once.
check_resumed() {
    local name before
    before=$(fact short gauges.pending)
    expect_progress "FLEET-20 the one that waits has readings pending" day ', [1-9][0-9,]{2,} pending' 60
    wait_for 20 waited_enough
    start_ingest || die "ingest does not start again"
    for name in second orphan nobody; do
        resume_fleet "$name" 2
    done
    spawn_fleet short --devices 10 --interval-ms 600000 --duration 2 --state "$SHORT"
    for name in short second orphan nobody; do
        finish "$name" 90
        expect_good "FLEET-20 $name resumed" "$name"
        expect_not_said "FLEET-3 $name: with the certificates that are there" "$name" '^issuing'
    done
    expect_fact "FLEET-20 what was left counts as captured" short totals.captured "$before"
    expect_stored "FLEET-20 short resumed" t 10 "$(fact short totals.captured)"
    expect_stored "FLEET-20 nobody resumed" nobody 10 "$(fact nobody totals.captured)"
    expect_stored "FLEET-20 second resumed" second 10 "$(fact second totals.captured)"
    expect_stored "FLEET-20 orphan resumed" orphan 10 "$(fact orphan totals.captured)"
    expect_progress "FLEET-20 the one that waited is served again" day ', [0-9]{1,2} pending' 60
}

# ---- the broker is away ----

# [FLEET-20] [FLEET-21] [STAT-14]
check_broker() {
    stop broker KILL
    expect_progress "STAT-14 the broker vanishes" day ' 0 of 30 connected' 30
    broker_start broker "$WORK/mosquitto.conf" || die "the broker does not start again"
    expect_progress "STAT-14 and all come back" day ' 30 of 30 connected' 90
    kill -TERM "${PIDS[day]}"
    finish day 90
    expect_good "STAT-14 a day with ingest and broker away" day
    expect_fact "STAT-14 connections were lost" day totals.losses 30
    expect_stored "FLEET-20 a day with ingest and broker away" day 30 "$(fact day totals.captured)"
    expect_fact "FLEET-21 the outages show in the latency" day times.ack.max_us 2000000
}

make_authority
write_configuration
start_stage
check_files
check_key
make_wrong_certificates
start_fleet day $'devices: 30\ninterval_ms: 500' --workers 2
start_fleets
strike_fleets
for fleet in few foreign revoked spoilt killed massacre nobody; do
    finish "$fleet" 120
done
expect_good "FLEET-9 with the workers that the error asked for" few
expect_stored "FLEET-9 few open files" few 40 "$(fact few totals.captured)"
check_memory
check_refusals
check_given_up
check_killed
check_nobody
start_without_ingest
interrupt
check_second_signal
check_orphans
check_short_drain
check_resumed
check_interrupted
check_broker
expect_ok "the store is whole" "$PH_BIN/ph-ingest" check --store "$STORE"
expect_sane
test_end
