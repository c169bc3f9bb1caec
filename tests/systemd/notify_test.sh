#!/usr/bin/env bash
# What registrar, ingest and thermostat tell a service manager: ready when they are, alive while their
# work goes on and not a moment longer, and how they are. A listener stands for the manager.
#
#   notify_test.sh HANG    the library that makes a thread hang (hang.c)
# shellcheck source-path=SCRIPTDIR/../lib
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/lib/broker.sh"

HANG=${1:-${PH_BIN%/bin}/lib/ph-hang.so}
WATCHDOG_MS=2000 # what the manager allows
ALIVE_MS=1000    # so often a sign of life is due

# ---- the manager ----

# listen NAME [SOCKET]: its socket, and what is said to it in $WORK/NAME.said.
listen() {
    local where=${2:-$WORK/$1.socket}
    stop "$1-manager" # of an earlier run
    rm -f "$where"
    spawn "$1-manager" "$WORK/$1.said" python3 "$PH_SOURCE/tests/systemd/listen.py" "$where"
    wait_line 10 "$WORK/$1.said" LISTENING || die "the listener does not start: $(<"$WORK/$1.said")"
}

# serve NAME COMMAND...: starts the program as its service, on the socket of that name.
serve() {
    local name=$1
    shift
    spawn "$name" "$WORK/$name.log" env NOTIFY_SOCKET="${SOCKET:-$WORK/$name.socket}" \
        WATCHDOG_USEC=$((WATCHDOG_MS * 1000)) PH_HANG_LOOP="$WORK/$name.hang-loop" \
        PH_HANG_SYNC="$WORK/$name.hang-sync" LD_PRELOAD="$HANG" "$@"
}

said() { # NAME REGEX
    grep -Eq "^[0-9]+ $2" "$WORK/$1.said"
}

expect_said() { # TEXT NAME REGEX [SECONDS]
    if wait_for "${4:-10}" said "$2" "$3"; then ok "$1"; else
        fail "$1: never said $3, but: $(tail -n 5 "$WORK/$2.said" | tr '\n' ';') log: $(tail -n 2 "$WORK/$2.log")"
    fi
}

not_said() { # TEXT NAME REGEX
    if said "$2" "$3"; then fail "$1: $(grep -E "$3" "$WORK/$2.said")"; else ok "$1"; fi
}

signs() { # NAME: how many signs of life up to now
    grep -c WATCHDOG "$WORK/$1.said"
}

# The longest time between two signs of life, ms.
longest_gap() { # NAME
    awk '/WATCHDOG/ { if (last && $1 - last > gap) gap = $1 - last; last = $1 } END { print gap + 0 }' "$WORK/$1.said"
}

# Alive for some seconds, and each sign well within what is allowed.
expect_alive() { # TEXT NAME
    local before gap
    before=$(signs "$2")
    sleep 3.5
    gap=$(longest_gap "$2")
    if [ $(($(signs "$2") - before)) -ge 3 ] && [ "$gap" -le $((WATCHDOG_MS - 200)) ]; then
        ok "$1: a sign of life at least every $gap ms"
    else
        fail "$1: $(($(signs "$2") - before)) signs in 3.5 s, the longest gap $gap ms, want one every $ALIVE_MS"
    fi
}

# No sign once twice the time that is allowed is over, though the process is there.
expect_silent() { # TEXT NAME
    local before
    sleep $((2 * WATCHDOG_MS / 1000 + 1))
    before=$(signs "$2")
    sleep $((WATCHDOG_MS / 1000 + 1))
    if [ "$(signs "$2")" != "$before" ]; then
        fail "$1: $(($(signs "$2") - before)) signs of life"
    elif ! is_running "$2"; then
        fail "$1: it has ended: $(tail -n 2 "$WORK/$2.log")"
    else
        ok "$1"
    fi
}

# The hang is of one thread: the others of the process are where they were.
threads() { # NAME
    find "/proc/${PIDS[$1]}/task" -mindepth 1 -maxdepth 1 | wc -l
}

# Stops it as a manager would: it says so before anything else, and ends with 0.
expect_stop() { # TEXT NAME
    local status=0
    kill -s TERM "${PIDS[$2]}"
    wait_for 10 said "$2" STOPPING=1 || fail "$1: no STOPPING=1"
    wait "${PIDS[$2]}" || status=$?
    unset "PIDS[$2]"
    if [ "$status" = 0 ]; then ok "$1"; else fail "$1: status $status: $(tail -n 2 "$WORK/$2.log")"; fi
}

# hang NAME WHAT, unhang NAME WHAT: loop or sync
hang() {
    : >"$WORK/$1.hang-$2"
}

unhang() {
    rm "$WORK/$1.hang-$2"
}

# ---- the services ----

ingest() {
    serve ingest "$PH_BIN/ph-ingest" run --config "$WORK/ingest.yaml"
}

registrar() {
    serve registrar "$PH_BIN/ph-ca" serve --config "$WORK/registrar.yaml"
}

thermostat() { # OPTION...
    serve thermostat "$PH_BIN/ph-thermostat" run --certs "$WORK/t-0001" --broker "localhost:$PORT" \
        --interval-ms 200 "$@"
}

# [UNIT-2] [UNIT-4] nobody is failed for want of a broker; the status says what is waited for
without_a_broker() {
    local name
    listen ingest
    listen registrar
    listen thermostat
    ingest
    registrar
    thermostat
    for name in ingest registrar; do
        expect_said "$name is ready without a broker" "$name" READY=1
        expect_said "$name says that it waits for it" "$name" "STATUS=Waits for the broker localhost:$PORT: .+"
    done
    expect_said "the thermostat is ready without a broker" thermostat READY=1
    expect_said "the thermostat captures" thermostat 'STATUS=acme/thermostat/t-0001: not connected; [1-9][0-9]* readings captured'
    for name in ingest registrar thermostat; do
        expect_alive "$name without a broker" "$name"
    done
}

# [UNIT-4]
with_a_broker() {
    broker_start broker "$WORK/mosquitto.conf" || die "the broker does not start: $(tail -n 3 "$WORK/broker.log")"
    expect_said "ingest stores" ingest 'STATUS=Stores; since the start [1-9][0-9]* readings stored' 30
    expect_said "the registrar serves" registrar 'STATUS=Serves; ' 30
    expect_said "the thermostat is connected" thermostat 'STATUS=acme/thermostat/t-0001: connected; ' 30
}

# [UNIT-3] the loop hangs and no other thread does; afterwards it is alive again
loops_that_hang() {
    local name before
    for name in ingest registrar thermostat; do
        before=$(threads "$name")
        hang "$name" loop
        expect_silent "$name: its loop hangs, no sign of life" "$name"
        if [ "$before" -le 1 ] || [ "$(threads "$name")" -lt "$before" ]; then
            fail "$name: want other threads that go on, have $(threads "$name") of $before"
        fi
        unhang "$name" loop
        before=$(signs "$name")
        sleep 2
        if [ "$(signs "$name")" -gt "$before" ]; then ok "control: $name: signs come again without the hang"; else
            fail "control: $name: no sign of life after the hang"
        fi
    done
}

# [UNIT-3] the loop of ingest turns, and the thread that commits does not
a_store_that_hangs() {
    hang ingest sync
    expect_silent "ingest: the store hangs, no sign of life" ingest
    echo nonsense >"$WORK/kinds.yaml"
    kill -s HUP "${PIDS[ingest]}"
    if wait_line 5 "$WORK/ingest.log" 'msg="kinds and limits not reloaded'; then ok "its loop goes on meanwhile"; else
        fail "ingest: its loop hangs too"
    fi
    cp "$PH_SOURCE/config/kinds.yaml" "$WORK/kinds.yaml"
    unhang ingest sync
    expect_alive_again ingest
}

expect_alive_again() {
    local before
    before=$(signs "$1")
    sleep 2
    if [ "$(signs "$1")" -gt "$before" ]; then ok "control: $1 is alive once the store goes on"; else
        fail "control: $1: no sign of life though the store goes on"
    fi
}

ends() {
    expect_stop "ingest says that it ends" ingest
    expect_stop "the registrar says that it ends" registrar
    expect_stop "the thermostat says that it ends" thermostat
    stop broker
}

# fails NAME TEXT REGEX COMMAND...: it ends, and was never ready.
fails() {
    local name=$1 text=$2 regex=$3
    shift 3
    listen "$name"
    serve "$name" "$@"
    wait_for 20 ended "$name" || fail "$text: it still runs"
    not_said "$text: never ready" "$name" READY=1
    expect_line "$text: says why" "$WORK/$name.log" "$regex"
}

# [UNIT-2] readiness is no courtesy: what cannot work is never ready
who_cannot_work_is_not_ready() {
    sed 's,^store: .*,store: /proc/readings.db,' "$WORK/ingest.yaml" >"$WORK/no-store.yaml"
    fails no-store "ingest without a store" '/proc/readings.db' "$PH_BIN/ph-ingest" run --config "$WORK/no-store.yaml"
    sed "s,key: .*,key: $WORK/broker/key.pem," "$WORK/ingest.yaml" >"$WORK/wrong-key.yaml"
    fails wrong-key "ingest with another's key" 'key' "$PH_BIN/ph-ingest" run --config "$WORK/wrong-key.yaml"
    sed "s,^ca: .*,ca: $WORK/nowhere," "$WORK/registrar.yaml" >"$WORK/no-ca.yaml"
    fails no-ca "the registrar without an authority" 'nowhere' "$PH_BIN/ph-ca" serve --config "$WORK/no-ca.yaml"
    fails no-certs "the thermostat without a certificate" 'cert.pem' \
        "$PH_BIN/ph-thermostat" run --certs "$WORK/nowhere" --broker localhost:1
}

# [UNIT-2] a spool that does not open: the room is heated, and the device is not ready
a_spool_that_does_not_open() {
    listen thermostat
    echo "a file where a folder should be" >"$WORK/later"
    thermostat --spool "$WORK/later/spool.db"
    expect_said "the status says that the spool does not open" thermostat 'STATUS=.*the spool does not open, [1-9][0-9]* readings lost'
    not_said "such a thermostat is not ready" thermostat READY=1
    rm "$WORK/later"
    mkdir "$WORK/later"
    expect_said "it is once the spool opens" thermostat READY=1 60
    stop thermostat
}

# [UNIT-1]
an_abstract_socket() {
    listen abstract "@ph-notify-$$"
    SOCKET=@ph-notify-$$ serve abstract "$PH_BIN/ph-thermostat" run --certs "$WORK/t-0001" --broker "localhost:$PORT"
    expect_said "an abstract socket is reached" abstract READY=1
    stop abstract
}

# [UNIT-1] a manager that cannot be reached, or is not there, is no reason not to work
without_a_manager() {
    spawn alone "$WORK/alone.log" env NOTIFY_SOCKET=nonsense "$PH_BIN/ph-thermostat" run --certs "$WORK/t-0001" \
        --broker "localhost:$PORT"
    if wait_line 10 "$WORK/alone.log" 'level=warning msg="service manager" .*NOTIFY_SOCKET: want a path' &&
        wait_line 10 "$WORK/alone.log" msg=started; then
        ok "a socket that makes no sense is said, and passed over"
    else
        fail "NOTIFY_SOCKET=nonsense: $(tail -n 3 "$WORK/alone.log")"
    fi
    stop alone
}

# [UNIT-8] [UNIT-9] as systemd hands them over where it cannot give them away: root's, mode 0440
credentials() {
    local folder=$WORK/credentials
    mkdir "$folder"
    cp "$WORK/ingest/key.pem" "$folder/broker.key"
    chmod 0440 "$folder/broker.key"
    mv "$WORK/ingest/key.pem" "$WORK/hidden.pem"
    expect_refused "control: without the credential there is no key" 'ingest/key.pem.*No such file' \
        timeout 5 "$PH_BIN/ph-ingest" run --config "$WORK/ingest.yaml"
    listen ingest
    export CREDENTIALS_DIRECTORY=$folder
    ingest
    expect_said "the key comes from the credential broker.key" ingest READY=1
    stop ingest
    chmod 0444 "$folder/broker.key"
    expect_refused "a credential that everybody can read is refused" 'broker.key: mode is 0444' \
        timeout 5 "$PH_BIN/ph-ingest" run --config "$WORK/ingest.yaml"
    unset CREDENTIALS_DIRECTORY
    mv "$WORK/hidden.pem" "$WORK/ingest/key.pem"
    chmod 0440 "$WORK/ingest/key.pem"
    expect_refused "and one that is no credential, with the mode of one" 'key.pem: mode is 0440' \
        timeout 5 "$PH_BIN/ph-ingest" run --config "$WORK/ingest.yaml"
}

prepare() {
    PORT=$(free_port)
    "$PH_BIN/ph-ca" init pki &&
        "$PH_BIN/ph-ca" issue broker --ca pki --dns localhost --ip 127.0.0.1 --out broker broker &&
        "$PH_BIN/ph-ca" issue service --ca pki --tenant acme --out ingest ingest &&
        "$PH_BIN/ph-ca" issue service --ca pki --tenant acme --out registrar registrar &&
        "$PH_BIN/ph-ca" issue device --ca pki --tenant acme --kind thermostat --out t-0001 t-0001 &&
        cp "$PH_SOURCE/config/policy.yaml" "$PH_SOURCE/config/kinds.yaml" .
    mkdir -p broker-data
    sed -e "s,^plugin /.*,plugin $PH_PLUGIN," -e "s,^listener .*,listener $PORT 127.0.0.1," -e "s,/etc/phonehome/,$WORK/," \
        -e "s,/var/lib/mosquitto/,$WORK/broker-data/," -e "s,/var/log/mosquitto/,$WORK/," \
        "$PH_SOURCE/config/mosquitto.conf" >mosquitto.conf
    sed -e "s,port: 8883,port: $PORT," -e "s,pki/ingest/,ingest/," "$PH_SOURCE/config/ingest.yaml" >ingest.yaml
    sed -e "s,port: 8883,port: $PORT," "$PH_SOURCE/config/registrar.yaml" >registrar.yaml
}

test_begin "what the service manager is told"
[ -e "$HANG" ] || skip "no $HANG in this build"
need python3
cd "$WORK" || exit 1
prepare >"$WORK/prepare.log" 2>&1 || die "$(<"$WORK/prepare.log")"
without_a_broker
with_a_broker
loops_that_hang
a_store_that_hangs
ends
who_cannot_work_is_not_ready
a_spool_that_does_not_open
an_abstract_socket
without_a_manager
credentials
test_end
