# shellcheck shell=bash
# Helpers for the tests of ph-ca from its command line; source harness.sh first.

# shellcheck disable=SC2034 # used by the scripts that source this file
CA=${PH_BIN:?is set by ctest}/ph-ca

# refuse TEXT STATUS REGEX COMMAND...: must end with that status and one line that matches.
refuse() {
    local text=$1 want=$2 regex=$3 output status=0
    shift 3
    output=$("$@" 2>&1 </dev/null) || status=$?
    if [ "$status" = "$want" ] && [ "$(grep -c . <<<"$output")" = 1 ] &&
        grep -Eq -- "$regex" <<<"$output"; then
        ok "$text"
    else
        fail "$text: want status $want and /$regex/, have $status: $output"
    fi
}

# same TEXT WANT HAVE
same() {
    if [ "$2" = "$3" ]; then ok "$1"; else fail "$1: want $2, have $3"; fi
}
