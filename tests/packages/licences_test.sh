#!/usr/bin/env bash
# PKG-6: docs/licences.md has a line for every library that a program or the plugin links, and none besides.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/build/build.sh"

# What is linked because of a sanitizer or a profile is not installed.
linked() {
    while read -r file; do
        objdump -p "$file" | sed -n 's/^ *NEEDED *//p'
    done < <(programs && echo "$PH_PLUGIN") | grep -Ev '^lib(asan|ubsan|tsan|gcov|gcc_s)\.|^ld-linux' | sort -u
}

listed() {
    sed -n 's/^| \(lib[^|]*\.so[^|]*[^ |]\) *|.*/\1/p' "$1" | tr ',' '\n' | tr -d ' ' | sort -u
}

test_begin "licences"
need objdump
linked >"$WORK/linked"
listed "$PH_SOURCE/docs/licences.md" >"$WORK/listed"
[ -s "$WORK/linked" ] || fail "no library is linked"
expect_line "the comparison sees libcrypto" "$WORK/linked" '^libcrypto\.so'
if difference=$(diff "$WORK/linked" "$WORK/listed"); then
    ok "$(wc -l <"$WORK/linked") libraries, each with a line"
else
    fail "linked (<) and listed in docs/licences.md (>): $difference"
fi
grep -v libcrypto "$PH_SOURCE/docs/licences.md" >"$WORK/gap.md"
if diff "$WORK/linked" <(listed "$WORK/gap.md") >/dev/null; then
    fail "a line that is missing is not noticed"
else
    ok "a line that is missing is noticed"
fi
expect_line "LICENSE is the Apache License" "$PH_SOURCE/LICENSE" '^ *Version 2\.0, January 2004$'
if [ -e /usr/share/common-licenses/Apache-2.0 ]; then
    expect_ok "word for word" cmp "$PH_SOURCE/LICENSE" /usr/share/common-licenses/Apache-2.0
fi
test_end
