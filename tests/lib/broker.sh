# shellcheck shell=bash
# Mosquitto under test, on the loopback. Source harness.sh first.

MOSQUITTO=${MOSQUITTO:-$(command -v mosquitto || printf /usr/sbin/mosquitto)}

# A plugin built with a sanitizer needs its run-time library in the broker from the start.
sanitizer_preload() {
    ldd "$PH_PLUGIN" 2>/dev/null | awk '/lib[at]san/ { print $3 }' | head -n 1
}

# broker_start NAME CONFIG: starts it with its log in $WORK/NAME.log and waits until it serves;
# false when it does not. As root it stays root, so that a reload can read the test's files.
broker_start() {
    local name=$1 config=$2 log=$WORK/$1.log preload
    local -a environment=()
    preload=$(sanitizer_preload)
    if [ -n "$preload" ]; then
        environment=(env "LD_PRELOAD=$preload" ASAN_OPTIONS=detect_leaks=0)
    fi
    grep -q '^user ' "$config" || printf 'user %s\n' "$(id -un)" >>"$config"
    spawn "$name" "$log" "${environment[@]}" "$MOSQUITTO" -c "$config"
    wait_for 10 broker_settled "$name"
    is_running "$name" && grep -q 'mosquitto version .* running' "$log"
}

broker_settled() {
    ended "$1" || grep -q 'mosquitto version .* running' "$WORK/$1.log"
}

# broker_reload NAME: SIGHUP, and waits until it has been acted upon.
broker_reload() {
    local before
    before=$(grep -c 'Reloading config' "$WORK/$1.log")
    kill -s HUP "${PIDS[$1]}"
    wait_for 5 reloaded "$1" "$before"
}

reloaded() {
    [ "$(grep -c 'Reloading config' "$WORK/$1.log")" -gt "$2" ]
}
