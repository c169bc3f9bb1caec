# shellcheck shell=bash
# What a comparison needs from elsewhere, installed by it: packages of Debian, and mqtt.js. Sourced by
# bench.sh. Each peer_* prints why it is not to be had, and fails; or is silent.

# shellcheck disable=SC2034 # read in ingest.sh
PEERS=$ROOT/bench/peers
NODE_MODULES=${PH_BENCH_NODE:-$ROOT/build/bench/npm}

apt_get() {
    local as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo -n)
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get --quiet=2 --option DPkg::Lock::Timeout=300 "$@" \
        >"$WORK/apt.log" 2>&1 </dev/null
}

# peer_packages PACKAGE...: installs those that are missing, with fresh package lists where needed.
peer_packages() {
    if [ "$(dpkg-query --show --showformat '${db:Status-Status}\n' "$@" 2>/dev/null | grep -cx installed)" = $# ]; then
        return 0
    fi
    command -v apt-get >/dev/null || { echo "not a Debian system, install by hand: $*" && return 1; }
    apt_get install --yes --no-install-recommends "$@" && return 0
    apt_get update && apt_get install --yes --no-install-recommends "$@" && return 0
    echo "apt-get install $*: $(tail -n 1 "$WORK/apt.log")"
    return 1
}

# peer_command COMMAND PACKAGE
peer_command() {
    command -v "$1" >/dev/null || peer_packages "$2"
}

peer_postgres() {
    pg_find && return 0
    peer_packages postgresql || return 1
    pg_find || { echo "postgresql is installed, but initdb is not found" && return 1; }
}

peer_paho() {
    peer_packages python3-paho-mqtt "$@"
}

# peer_mqttjs: mqtt.js, and a database for it if it can be built, once for all runs.
peer_mqttjs() {
    [ ! -d "$NODE_MODULES/node_modules/mqtt" ] || return 0
    peer_command node nodejs && peer_command npm npm || return 1
    mkdir -p "$NODE_MODULES"
    npm install --prefix "$NODE_MODULES" mqtt better-sqlite3 >"$WORK/npm.log" 2>&1 ||
        npm install --prefix "$NODE_MODULES" mqtt >>"$WORK/npm.log" 2>&1 ||
        { echo "npm install mqtt: $(tail -n 1 "$WORK/npm.log")" && return 1; }
}

# peer_dynsec: prints where the broker's own dynamic-security plugin is; it comes with the broker.
peer_dynsec() {
    find /usr/lib /usr/local/lib -name mosquitto_dynamic_security.so -print -quit 2>/dev/null | grep . ||
        { echo "mosquitto_dynamic_security.so is not below /usr/lib or /usr/local/lib" && return 1; }
}

# have NAME COMMAND...: whether that peer is there; else it is missing, for the reason that it prints.
have() {
    local name=$1 reason
    shift
    reason=$("$@") && return 0
    bench_missing "$name" "$reason"
    return 1
}
