#!/usr/bin/env bash
# PKG-15: bash completion offers what --help lists.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/build/build.sh"

# offers WORD...: what Tab offers at the end of this command line, one a line.
offers() {
    COMP_WORDS=("$@")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    COMPREPLY=()
    _phonehome "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    printf '%s\n' "${COMPREPLY[@]}"
}

# expect_offers WANT WORD...: WANT is the offers in one line, in alphabetical order.
expect_offers() {
    local want=$1 have
    shift
    have=$(offers "$@" | sort -u | paste -sd' ')
    if [ "$have" = "$want" ]; then
        ok "${*##*/} -> ${want:-nothing}"
    else
        fail "$*: want \"$want\", have \"$have\""
    fi
}

# The options and commands of a program's help, with another eye than the completion's.
help_commands() {
    "$1" --help | awk '/^Commands:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }' | sort -u | paste -sd' '
}
help_options() {
    "$@" --help | awk '$1 ~ /^--/ { print $1 }' | sort -u | paste -sd' '
}

# Every program, and every command of it.
compare_all() {
    local program command
    while read -r program; do
        [ "$(complete -p "${program##*/}" 2>/dev/null)" = "complete -F _phonehome ${program##*/}" ] ||
            fail "${program##*/}: no completion"
        expect_offers "$(help_commands "$program")" "$program" ''
        for command in $(help_commands "$program"); do
            # "authority" is the first of two words and no command.
            "$program" "$command" --help >/dev/null 2>&1 || continue
            expect_offers "$(help_options "$program" "$command")" "$program" "$command" --
        done
    done < <(programs)
}

test_begin "bash completion"
. "$PH_SOURCE/completions/phonehome.bash"
compare_all
ca=$PH_BIN/ph-ca
expect_offers "issue" "$ca" is
expect_offers "activate begin finish status" "$ca" rollover ''
expect_offers "$(help_options "$ca" rollover begin)" "$ca" rollover begin --
expect_offers "device" "$ca" issue de
expect_offers "purge" "$PH_BIN/ph-ingest" dead-letters pu
expect_offers "debug error info warning" "$ca" init --log-level ''
expect_offers "" "$ca" init --root-days ''
expect_offers "" "$ca" nonsense --
mkdir "$WORK/folder"
: >"$WORK/file.yaml"
cd "$WORK" || exit 1
expect_offers "folder" "$ca" list --ca f
expect_offers "file.yaml folder" "$PH_BIN/ph-ingest" run --config f
expect_offers "$(help_options "$PH_BIN/ph-fleet" run)" "$PH_BIN/ph-fleet" --
test_end
