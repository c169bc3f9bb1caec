#!/usr/bin/env bash
# Man pages: each program has one, mandoc finds no fault in it, and it names every command and option
# that the program's own help names.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/build/build.sh"

# usage_words PROGRAM: "command NAME" and "option NAME" for all that its help shows.
usage_words() {
    local command commands
    commands=$("$1" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\).*/\1/p')
    for command in ${commands:-''}; do
        [ -z "$command" ] || echo "command $command"
        "$1" ${command:+"$command"} --help | sed -n 's/^  --\([a-z][a-z-]*\).*/option \1/p'
    done | sort -u
}

# page_has PAGE KIND NAME, in mdoc's words: "Cm issue", "Fl -config" or "Fl Fl config". What every
# command has, --help and --version, a page need not repeat.
page_has() {
    case $2 in
    command) grep -Eq "(Cm|Ic|Nm|Ss|Sy).*\\b$3\\b" "$1" ;;
    option) [[ $3 =~ ^(help|version)$ ]] || grep -Eq "Fl (-|Fl )$3\\b" "$1" ;;
    esac
}

test_begin "man pages"
need mandoc
count=0
while read -r program; do
    name=$(basename "$program")
    page=$PH_SOURCE/docs/man/$name.1
    count=$((count + 1))
    if [ ! -e "$page" ]; then
        fail "docs/man/$name.1: missing"
        continue
    fi
    faults=$(mandoc -T lint -W warning "$page" 2>&1)
    if [ -z "$faults" ]; then
        ok "$name.1: no fault"
    else
        fail "$faults"
    fi
    while read -r kind word; do
        page_has "$page" "$kind" "$word" || fail "$name.1: does not say $kind $word"
    done < <(usage_words "$program")
    for section in NAME SYNOPSIS DESCRIPTION FILES "EXIT STATUS"; do
        grep -Eq "^\\.Sh \"?$section" "$page" || fail "$name.1: no section $section"
    done
done < <(programs)
[ "$count" -gt 0 ] || fail "no programs in $PH_BIN"
test_end
