# shellcheck shell=bash
# shellcheck disable=SC2153,SC2154 # of bench.sh: ROOT, WORK, JSON
# What the comparisons record, and what becomes of it: medians and ratios for their tables, and the
# file for bench/compare. Sourced by bench.sh. The arithmetic is in figures.py.
#
#   record VARIANT KEY VALUE                 once a round, in the order of the rounds
#   bench_result KEY --better higher ...     what the file shall hold
#   bench_missing VARIANT REASON             what could not be measured
#   bench_done                               the end of every comparison

# A ratio is printed only when the 95 % confidence interval of the rounds' median ratio is no wider
# than so many percent of it.
MAX_SPREAD=${MAX_SPREAD:-3}
LIB=$ROOT/bench/lib

# rotated ROUND NAME...: the names, another one first in each round, one a line.
rotated() {
    local round=$1
    shift
    local names=("$@") i
    for ((i = 0; i < $#; i++)); do
        echo "${names[(i + round) % $#]}"
    done
}

# record VARIANT KEY VALUE
record() {
    [[ $3 =~ ^-?[0-9.]+(e[-+]?[0-9]+)?$ ]] || die "$1: $2: want a number, have \"$3\""
    echo "$3" >>"$WORK/values/$1.$2"
}

# record_fields VARIANT KEY... <<<JSON: the fields of those names.
record_fields() {
    local variant=$1 json key
    json=$(cat)
    shift
    for key in "$@"; do
        record "$variant" "$key" "$(field "$key" <<<"$json")"
    done
}

# median VARIANT KEY [FORMAT]
median() {
    python3 "$LIB/figures.py" median "$WORK/values/$1.$2" "${3:-%.1f}"
}

# spread VARIANT KEY [FORMAT]: median (lowest to highest) of the rounds.
spread() {
    python3 "$LIB/figures.py" spread "$WORK/values/$1.$2" "${3:-%.1f}"
}

# ratio VARIANT BASELINE KEY [FORMAT]: with its confidence interval, or why there is none.
ratio() {
    [ "$1" != "$2" ] || { printf 1 && return; }
    [ -e "$WORK/values/$2.$3" ] || { printf '%s is missing' "$2" && return; }
    python3 "$LIB/figures.py" ratio "$WORK/values/$1.$3" "$WORK/values/$2.$3" "$MAX_SPREAD" "${4:-%.3f}"
}

# bench_result KEY --better higher|lower|neither --unit UNIT [--baseline A,B] [--ours C,D]: the values
# under KEY of every variant, and their ratios to each baseline. Only those of --ours (all) can regress.
bench_result() {
    local key=$1 better="" unit="" baseline="" ours=""
    shift
    while [ $# -gt 1 ]; do
        case $1 in
        --better) better=$2 ;;
        --unit) unit=$2 ;;
        --baseline) baseline=$2 ;;
        --ours) ours=$2 ;;
        *) die "bench_result: $1: no such option" ;;
        esac
        shift 2
    done
    [[ $better =~ ^(higher|lower|neither)$ ]] || die "bench_result $key: --better: have \"$better\""
    printf '%s\t%s\t%s\t%s\t%s\n' "$key" "$better" "$unit" "$baseline" "$ours" >>"$WORK/results"
}

# bench_missing VARIANT REASON: said at once, in the table and in the file.
bench_missing() {
    printf '%s: not measured: %s\n' "$1" "$2" >&2
    printf '%s\t%s\n' "$1" "$2" >>"$WORK/missing"
}

# bench_done: what stands below the tables; and the file.
bench_done() {
    if [ -s "$WORK/missing" ]; then
        printf '\n| not measured | why |\n|---|---|\n'
        sed 's/|/\\|/g;s/^\([^\t]*\)\t\(.*\)/| \1 | \2 |/' "$WORK/missing"
    fi
    echo
    spread_rule
    [ -n "$JSON" ] || return 0
    facts_end
    touch "$WORK/results"
    python3 "$LIB/figures.py" json "$WORK" "$MAX_SPREAD" >"$JSON.new"
    mv "$JSON.new" "$JSON"
}

spread_rule() {
    cat <<RULE
A ratio is the median of the rounds' own ratios, each against the same round's baseline, with the 95 %
confidence interval of that median. It is withheld when the interval is wider than $MAX_SPREAD %, and only the interval
is shown; and when there are fewer than six rounds: only the range of the rounds is.
RULE
}

# ---- where and with what ----------------------------------------------------------------------

fact() { # NAME VALUE: none without a value
    [ -z "$2" ] || printf '%s\t%s\n' "$1" "$2" >>"$WORK/facts"
}

fact_of() { # NAME
    sed -n "s/^$1\t//p" "$WORK/facts"
}

facts_begin() {
    local commit name
    fact name "$(basename "${JSON:-$TITLE}" .json)"
    fact command "$COMMAND"
    fact date "$(date -u +%FT%TZ)"
    for name in "${OPTIONS[@]}"; do
        fact "options.$name" "${!name}"
    done
    commit=$(git -C "$ROOT" rev-parse HEAD 2>/dev/null) || commit=""
    [ -z "$commit" ] || fact commit "$commit"
    [ -z "$commit" ] || fact dirty "$([ -z "$(git -C "$ROOT" status --porcelain)" ] && echo false || echo true)"
    fact machine.cores "$(nproc)"
    fact machine.cpu "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
    fact machine.os "$(. /etc/os-release && echo "$PRETTY_NAME")"
    fact machine.kernel "$(uname -r)"
    fact machine.memory_kb "$(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo)"
    fact machine.filesystem "$(df --output=fstype "$WORK" | tail -n 1)"
    fact load.before "$(cut -d' ' -f1 /proc/loadavg)"
}

# package_version NAME...: of the first that is installed.
package_version() {
    local name
    for name in "$@"; do
        dpkg-query --show --showformat '${Version}\n' "$name" 2>/dev/null | grep . && return 0
    done
    true
}

# With what was installed meanwhile. A name without a version: it is not on this machine.
facts_end() {
    local npm=${NODE_MODULES:-/nonexistent}/node_modules
    fact load.after "$(cut -d' ' -f1 /proc/loadavg)"
    fact seconds "$SECONDS"
    fact versions.mosquitto "$("$MOSQUITTO" -h 2>/dev/null | sed -n '1s/mosquitto version //;1s/ *(build.*//;1p')"
    fact versions.libmosquitto "$(package_version libmosquitto1)"
    fact versions.openssl "$(openssl version | cut -d' ' -f2)"
    fact versions.sqlite "$(package_version libsqlite3-0)"
    fact versions.postgresql "$(pg_version)"
    fact versions.paho_c "$(package_version libpaho-mqtt1.3)"
    fact versions.paho_python "$(package_version python3-paho-mqtt)"
    fact versions.mqttjs "$(sed -n 's/^ *"version": "\(.*\)".*/\1/p' "$npm/mqtt/package.json" 2>/dev/null)"
    fact versions.compiler "$(cc --version | head -n 1)"
}

# machine: the line above a table.
machine() {
    printf '%s cores of %s, %s, Linux %s; mosquitto %s; %s; phonehome %s; load before: %s; %s\n' \
        "$(fact_of machine.cores)" "$(fact_of machine.cpu)" "$(fact_of machine.os)" \
        "$(fact_of machine.kernel)" \
        "$("$MOSQUITTO" -h | sed -n '1s/mosquitto version //;1s/ *(build.*//;1p')" \
        "$(openssl version | cut -d' ' -f1,2)" \
        "$(git -C "$ROOT" describe --always --dirty 2>/dev/null || echo unknown)" \
        "$(fact_of load.before)" "$(date -u +%F)"
}
