# shellcheck shell=bash
# What the comparisons in this folder share: options, build, certificates, brokers; and, by the files
# that it sources, figures, peers and PostgreSQL. Source it, then: NAME=DEFAULT...;
# bench_options NAME... -- "$@"; bench_begin DEVICES; ...; bench_done.

set -euo pipefail
export LC_ALL=C
export PATH="$PATH:/usr/sbin:/sbin" # mosquitto's folder, absent from an ordinary user's PATH

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
TITLE=$(basename "$0")
PLUGIN=${PH_BENCH_PLUGIN:-$ROOT/build/bench/lib/mosquitto_phonehome.so}
BIN=$ROOT/build/bench/bin
MOSQUITTO=${MOSQUITTO:-mosquitto}
WORK=""
BROKER="" # pid
PORT=0
PIDS=() # other processes that the end must not leave behind
OPTIONS=() # names of the variables that options set
COMMAND=""
JSON="" # the file of figures to write; empty: none

die() {
    printf '%s: %s\n' "$TITLE" "$*" >&2
    exit 1
}

# The comment at the head of the script is its help.
usage() {
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
}

# bench_options NAME... -- ARGUMENT...: sets those variables, whole numbers, from --NAME VALUE; words
# of NAME:words; and NAME:flag, without a value, to 1. A '-' in an option is a '_' in its variable.
# Every comparison also has --json FILE, the figures for bench/compare, under that file's name.
bench_options() {
    local -A known=()
    while [ "$1" != -- ]; do
        known[${1%:*}]=${1#"${1%:*}"}
        OPTIONS+=("${1%:*}")
        shift
    done
    shift
    COMMAND="bench/$TITLE"
    while [ $# -gt 0 ]; do
        local name=${1#--}
        name=${name//-/_}
        case $1 in
        --help) usage && exit 0 ;;
        --json)
            [ -n "${2:-}" ] || option_refuse --json "a file" ""
            JSON=$(realpath --canonicalize-missing -- "$2")
            shift 2
            continue ;;
        --*) [ -n "${known[$name]+known}" ] || { usage >&2 && exit 64; } ;;
        *) usage >&2 && exit 64 ;;
        esac
        if [ "${known[$name]}" = :flag ]; then
            declare -g "$name=1"
            COMMAND+=" $1"
            shift
            continue
        fi
        option_check "$1" "${known[$name]}" "${2:-}"
        declare -g "$name=$2"
        COMMAND+=" $1 $2"
        shift 2
    done
}

# option_check OPTION TYPE VALUE
option_check() {
    case $2 in
    :words) [[ $3 =~ ^[a-z0-9_,]+$ ]] || option_refuse "$1" "words" "$3" ;;
    *) [[ $3 =~ ^[0-9]{1,9}$ ]] || option_refuse "$1" "a whole number" "$3" ;;
    esac
}

option_refuse() {
    printf '%s: %s: want %s, have "%s"\n' "$TITLE" "$1" "$2" "$3" >&2
    exit 64
}

# bench_begin DEVICES: builds, makes $WORK and in it the certificates pki/ of d-0, d-1, ...
bench_begin() {
    "$ROOT/tools/install-packages" run
    if [ -z "${PH_BENCH_BIN:-}" ]; then
        (cd "$ROOT" && cmake --preset bench && cmake --build --preset bench) >/dev/null ||
            die "the build failed: cmake --build --preset bench"
    else
        BIN=$PH_BENCH_BIN # built elsewhere
    fi
    WORK=$(mktemp -d "${TMPDIR:-/tmp}/ph-bench.XXXXXX")
    trap bench_end EXIT
    trap 'exit 130' INT TERM HUP
    mkdir "$WORK/values"
    local reason
    reason=$(peer_command python3 python3 && peer_command openssl openssl && peer_command sqlite3 sqlite3) ||
        die "$reason"
    facts_begin
    "$BIN/ph-bench-pki" make "$WORK/pki" --devices "$1"
    raise_open_files
}

bench_end() {
    local i signal
    # the last one first: clients before their servers; PostgreSQL waits for its clients at a TERM
    for ((i = ${#PIDS[@]} - 1; i >= 0; i--)); do
        signal=TERM
        [ "${PIDS[i]}" != "${PG:-}" ] || signal=INT
        kill -"$signal" "${PIDS[i]}" 2>/dev/null || true
        wait "${PIDS[i]}" 2>/dev/null || true
    done
    broker_stop
    rm -rf "$WORK"
}

# spawn VARIABLE LOG COMMAND...: in the background; its pid in VARIABLE.
spawn() {
    local -n _pid=$1
    local log=$2
    shift 2
    "$@" >>"$log" 2>&1 &
    _pid=$!
    PIDS+=("$_pid")
}

# finish PID: asks a process to end, and waits.
finish() {
    kill -TERM "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

# wait_until SECONDS COMMAND...: until it succeeds; fails when it never does.
wait_until() {
    local i tries=$(($1 * 10))
    shift
    for ((i = 0; i < tries; i++)); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    return 1
}

# cpu_of PID: its CPU seconds, user and system, all threads.
cpu_of() {
    sed 's/.*) //' "/proc/$1/stat" | awk -v tick="$(getconf CLK_TCK)" '{ printf "%.2f", ($12 + $13) / tick }'
}

raise_open_files() {
    ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
}

# Broker and load each have a core of their own, so that neither chases the other about; not where
# UNPINNED says that there are more than these two.
on_core() {
    local core=$1
    shift
    if [ -z "${UNPINNED:-}" ] && [ "$(nproc)" -gt 1 ] && command -v taskset >/dev/null; then
        exec taskset -c "$core" "$@"
    fi
    exec "$@"
}

# ---- brokers ----------------------------------------------------------------------------------

# What every broker has in common; the rest is appended by the caller.
conf_common() {
    cat <<CONF
user $(id -un)
listener $PORT 127.0.0.1
cafile $WORK/pki/ca.pem
certfile $WORK/pki/broker/cert.pem
keyfile $WORK/pki/broker/key.pem
require_certificate true
tls_version tlsv1.3
set_tcp_nodelay true
max_inflight_messages 1000
max_queued_messages 1000000
max_packet_size 131072
allow_duplicate_messages true
connection_messages false
log_type error
log_type warning
log_type information
CONF
}

conf_stock() {
    conf_common
    echo "allow_anonymous true"
}

# conf_plugin [POLICY]
conf_plugin() {
    conf_common
    cat <<CONF
allow_anonymous false
plugin $PLUGIN
plugin_opt_policy ${1:-$WORK/policy.yaml}
plugin_opt_audit $WORK/audit.jsonl
CONF
}

# policy [PROVENANCE] [LIMITS]: one anchor, and the shipped roles' rights for devices and ingest.
policy() {
    local limits=""
    [ -z "${2:-}" ] || limits="limits: $2"
    cat <<YAML
anchors:
  - name: bench
    ca: [$WORK/pki/ca.pem]
    crl: [$WORK/pki/crl.pem]
roles:
  - name: device
    match: { anchor: bench, kind: thermostat }
    publish:
      - ph/v1/{tenant}/{kind}/{device}/telemetry
      - ph/v1/{tenant}/{kind}/{device}/status
      - ph/v1/{tenant}/{kind}/{device}/reply
    will: ["ph/v1/{tenant}/{kind}/{device}/status"]
    subscribe:
      - ph/v1/{tenant}/{kind}/{device}/ack
      - ph/v1/{tenant}/{kind}/{device}/command
      - ph/v1/ingest/status
    provenance: ${1:-true}
    $limits
  - name: ingest
    match: { anchor: bench, kind: service, device: ingest }
    publish: [ph/v1/+/+/+/ack, ph/v1/ingest/status]
    will: [ph/v1/ingest/status]
    subscribe: [ph/v1/+/+/+/telemetry, ph/v1/+/+/+/status]
YAML
}

broker_settled() {
    ! kill -0 "$BROKER" 2>/dev/null || grep -qs 'mosquitto version .* running' "$WORK/broker.log"
}

# broker_start CONF: a function of the above with its arguments; sets BROKER and PORT.
broker_start() {
    local try _
    for try in 1 2 3 4 5; do
        PORT=$((20000 + RANDOM % 12000))
        "$@" >"$WORK/mosquitto.conf"
        (on_core 0 "$MOSQUITTO" -c "$WORK/mosquitto.conf") >"$WORK/broker.log" 2>&1 &
        BROKER=$!
        for _ in $(seq 100); do
            broker_settled && break
            sleep 0.1
        done
        if kill -0 "$BROKER" 2>/dev/null; then
            return 0
        fi
        BROKER=""
        grep -q 'Address already in use' "$WORK/broker.log" || break
    done
    cat "$WORK/broker.log" >&2
    die "the broker did not start (try $try)"
}

broker_stop() {
    if [ -n "$BROKER" ]; then
        kill "$BROKER" 2>/dev/null || true
        wait "$BROKER" 2>/dev/null || true
    fi
    BROKER=""
}

# clients COMMAND [OPTION...]: prints its JSON line.
clients() {
    (on_core 1 timeout 300 "$BIN/ph-bench-clients" "$@" --pki "$WORK/pki" --port "$PORT" \
        --broker "$BROKER") || {
        tail -n 5 "$WORK/broker.log" >&2
        die "ph-bench-clients $1 failed"
    }
}

# field NAME <<<JSON
field() {
    sed -n "s/.*\"$1\":\([-0-9.]*\).*/\1/p"
}

# shellcheck source=bench/lib/figures.sh
. "$ROOT/bench/lib/figures.sh"
# shellcheck source=bench/lib/peers.sh
. "$ROOT/bench/lib/peers.sh"
# shellcheck source=bench/lib/postgres.sh
. "$ROOT/bench/lib/postgres.sh"
