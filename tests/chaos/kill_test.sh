#!/usr/bin/env bash
# kill -9 of the devices, the broker, ingest and the fleet, each once during a demo run, ends with 0 lost and 0
# duplicated [CHAIN-1], and the fleet goes on to watch who was started again [FLEET-17], while
# a stock broker with a QoS 1 publisher and a durable subscriber loses what it had confirmed [CHAIN-2].
# shellcheck source-path=SCRIPTDIR/../lib
. "${PH_SOURCE:?}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/lib/broker.sh"

stock_broker() { # PORT
    broker_start stock "$WORK/stock.conf" || die "the stock broker did not start: $(tail -n 1 "$WORK/stock.log")"
}

# Default persistence, a session that lasts, QoS 1 on both sides: what the manual recommends.
control() {
    local port got
    port=$(free_port)
    mkdir "$WORK/stock"
    printf 'listener %d 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location %s/\n' \
        "$port" "$WORK/stock" >"$WORK/stock.conf"
    stock_broker
    mosquitto_sub -p "$port" -V 5 -c -x 3600 -i store -q 1 -t readings -E
    expect_ok "stock broker: 100 readings are confirmed" \
        bash -c "seq 100 | mosquitto_pub -p $port -V 5 -q 1 -t readings -l"
    stop stock KILL
    stock_broker
    got=$(mosquitto_sub -p "$port" -V 5 -c -x 3600 -i store -q 1 -t readings -W 2 2>/dev/null | wc -l)
    stop stock
    if [ "$got" -lt 100 ]; then
        ok "stock broker: $got of them are delivered after kill -9"
    else
        fail "the stock broker kept everything: what we say of it is wrong"
    fi
}

# The demo's broker, with the sanitizer's library in front when the plugin needs it.
write_mosquitto() {
    local preload
    preload=$(sanitizer_preload)
    printf '#!/bin/sh\n%s exec "%s" "$@"\n' "${preload:+LD_PRELOAD=$preload ASAN_OPTIONS=detect_leaks=0}" \
        "$MOSQUITTO" >"$WORK/mosquitto"
    chmod +x "$WORK/mosquitto"
}

# pid_of NAME: of one that the demo runs, or of the process that the fleet's devices are in.
pid_of() {
    local pid
    case $1 in
    worker)
        pid=$(pid_of fleet)
        tr -d ' ' <"/proc/$pid/task/$pid/children"
        ;;
    *) cat "$WORK/state/run/$1.pid" ;;
    esac
}

kill_one() { # NAME
    local pid
    pid=$(pid_of "$1")
    expect_ok "$1 (pid $pid) is killed" kill -s KILL "$pid"
    sleep 4
}

chain() {
    local last name
    write_mosquitto
    export PH_MOSQUITTO=$WORK/mosquitto
    spawn demo "$WORK/demo.out" "$PH_SOURCE/demo" --devices 3 --for 26 --state "$WORK/state"
    wait_line 30 "$WORK/demo.out" "all 3 devices have been connected" ||
        die "the demo did not start: $(tail -n 2 "$WORK/demo.out")"
    sleep 4
    for name in worker broker ingest fleet; do kill_one "$name"; done
    wait_for 60 ended demo
    for name in broker ingest fleet; do
        expect_line "$name was started again" "$WORK/demo.out" "$name ended with status 137; started again"
    done
    expect_line "the devices too" "$WORK/demo.out" "worker 1 ended by signal 9; started again in 1 s"
    expect_line "the fleet goes on to watch the broker" "$WORK/demo.out" "broker is there again"
    last=$(tail -n 1 "$WORK/demo.out")
    if [[ $last =~ ^demo:\ 3\ devices,\ ([0-9]+)\ readings\ sent,\ ([0-9]+)\ stored,\ 0\ lost,\ 0\ duplicated$ ]] &&
        [ "${BASH_REMATCH[1]}" -ge 30 ] && [ "${BASH_REMATCH[1]}" = "${BASH_REMATCH[2]}" ]; then
        ok "$last"
    else
        fail "last line: $last"
        tail -n 5 "$WORK"/state/log/*.log
    fi
    if { wait "${PIDS[demo]}"; } 2>/dev/null; then ok "the demo ends with 0"; else fail "the demo ends with $?"; fi
    unset "PIDS[demo]"
}

nothing_left() {
    if pgrep -f "$WORK/state" >/dev/null; then fail "the demo left processes behind"; else ok "nothing is left running"; fi
}

test_begin "kill -9, one after the other"
need mosquitto_pub mosquitto_sub pgrep
case ${PH_SANITIZE:-} in thread*) skip "the broker itself is not built for the thread sanitizer" ;; esac
control
chain
nothing_left
test_end
