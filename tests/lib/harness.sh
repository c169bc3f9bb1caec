# shellcheck shell=bash
# Helpers for integration tests (bash): a work folder, counted results, deadlines, and processes
# that end with the test. Source it, call test_begin first and test_end last:
#
#     . "$PH_SOURCE/tests/lib/harness.sh"
#     test_begin "what is tested"
#     ...
#     test_end

set -u
export LC_ALL=C

# shellcheck source=ports.sh
. "$(dirname "${BASH_SOURCE[0]}")/ports.sh"

declare -A PIDS=() # process name -> pid of what spawn started
OK_COUNT=0
FAIL_COUNT=0
WORK="" # the test's own folder, removed at the end (kept when PH_KEEP is set)

# test_begin TITLE: makes $WORK and arranges for everything spawned to end with the script.
test_begin() {
    WORK=$(mktemp -d "${TMPDIR:-/tmp}/ph-test.XXXXXX") || exit 1
    trap cleanup EXIT
    trap 'exit 130' INT TERM HUP
    printf '# %s\n' "$1"
}

# test_end: prints the count and exits with the result; a test without results fails.
test_end() {
    printf '%d ok, %d FAIL\n' "$OK_COUNT" "$FAIL_COUNT"
    if [ "$FAIL_COUNT" -gt 0 ] || [ "$OK_COUNT" -eq 0 ]; then
        exit 1
    fi
    exit 0
}

# skip REASON: ends the test as skipped (CTest's SKIP_RETURN_CODE).
skip() {
    printf 'skipped: %s\n' "$1"
    exit 77
}

# die REASON: the test itself cannot go on.
die() {
    printf 'FAIL %s\n' "$1"
    exit 1
}

ok() {
    OK_COUNT=$((OK_COUNT + 1))
    printf 'ok %s\n' "$1"
}

fail() {
    FAIL_COUNT=$((FAIL_COUNT + 1))
    printf 'FAIL %s\n' "$1"
}

# need COMMAND...: every command must exist.
need() {
    local command
    for command in "$@"; do
        command -v "$command" >/dev/null || die "$command: not found; install its package"
    done
}

# expect_ok TEXT COMMAND...: the command must succeed; its output is shown when it does not.
expect_ok() {
    local text=$1 output
    shift
    if output=$("$@" 2>&1 </dev/null); then
        ok "$text"
    else
        fail "$text: status $?: ${output:-no output}"
    fi
}

# expect_refused TEXT REGEX COMMAND...: the command must fail (not by a signal, not by a timeout)
# and say something that matches REGEX.
expect_refused() {
    local text=$1 regex=$2 output status=0
    shift 2
    output=$("$@" 2>&1 </dev/null) || status=$?
    if [ "$status" -eq 0 ] || [ "$status" -ge 124 ]; then
        fail "$text: want a refusal, have status $status: ${output:-no output}"
    elif ! grep -Eq -- "$regex" <<<"$output"; then
        fail "$text: want /$regex/, have: ${output:-no output}"
    else
        ok "$text"
    fi
}

# expect_line TEXT FILE REGEX: some line of the file must match.
expect_line() {
    if grep -Eq -- "$3" "$2"; then
        ok "$1"
    else
        fail "$1: no line in $2 matches /$3/"
    fi
}

# expect_no_line TEXT FILE REGEX: the file is there, and no line of it matches.
expect_no_line() {
    local found
    if ! [ -r "$2" ]; then
        fail "$1: $2 cannot be read"
    elif found=$(grep -Em1 -- "$3" "$2"); then
        fail "$1: $2 has the line: $found"
    else
        ok "$1"
    fi
}

now_ms() {
    local now=$EPOCHREALTIME
    printf '%d\n' "$((10#${now/./} / 1000))"
}

# wait_for SECONDS COMMAND...: tries the command every 20 ms until it succeeds; false when the time
# is over.
wait_for() {
    local deadline=$(($(now_ms) + $1 * 1000))
    shift
    until "$@" >/dev/null 2>&1; do
        if [ "$(now_ms)" -ge "$deadline" ]; then
            return 1
        fi
        sleep 0.02
    done
}

# wait_line SECONDS FILE REGEX: waits until some line of the file matches.
wait_line() {
    wait_for "$1" grep -Eqs -- "$3" "$2"
}

# spawn NAME FILE COMMAND...: starts the command with its output in FILE. Not in a subshell.
spawn() {
    local name=$1 file=$2
    shift 2
    : >"$file" # now, so that nobody waits for lines of an earlier run
    "$@" >>"$file" 2>&1 </dev/null &
    PIDS[$name]=$!
}

# is_running NAME
is_running() {
    [ -n "${PIDS[$1]:-}" ] && kill -0 "${PIDS[$1]}" 2>/dev/null
}

# ended NAME: the opposite of is_running, for wait_for.
ended() {
    ! is_running "$1"
}

# stop NAME [SIGNAL]: signals the process (TERM) and waits for its end, with force after 5 s.
stop() {
    local name=$1 pid=${PIDS[$1]:-}
    if [ -z "$pid" ]; then
        return
    fi
    kill -s "${2:-TERM}" "$pid" 2>/dev/null
    if [ "${2:-TERM}" != KILL ]; then
        wait_for 5 ended "$name" || kill -s KILL "$pid" 2>/dev/null
    fi
    { wait "$pid"; } 2>/dev/null
    unset "PIDS[$name]"
}

cleanup() {
    local name
    for name in "${!PIDS[@]}"; do
        stop "$name"
    done
    if [ -n "$WORK" ] && [ -z "${PH_KEEP:-}" ]; then
        rm -rf "$WORK"
    elif [ -n "$WORK" ]; then
        printf '# kept: %s\n' "$WORK"
    fi
}
