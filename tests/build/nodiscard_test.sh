#!/usr/bin/env bash
# A result that nobody looks at does not compile, and every function that can fail has that mark.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/build/build.sh"

test_begin "unused results"

# The first must compile, so that the second can only fail for the reason looked for.
cat >"$WORK/looks.c" <<'END'
#include "base/file.h"
enum ph_err f(struct ph_buf *buf, struct ph_error *error);
enum ph_err f(struct ph_buf *buf, struct ph_error *error)
{
    return ph_file_load("x", buf, error);
}
END
sed 's/    return ph_file_load(.*/    ph_file_load("x", buf, error);\n    return PH_OK;/' \
    "$WORK/looks.c" >"$WORK/ignores.c"
expect_ok "a result that is looked at compiles" compile "$WORK/looks.c" -Werror=unused-result
expect_refused "a result that is ignored does not" "unused-result" \
    compile "$WORK/ignores.c" -Werror=unused-result
expect_line "the project is built with that error" "$BUILD/compile_commands.json" \
    '-Werror=unused-result'

# unmarked_in HEADER: prototypes that return enum ph_err and lack PH_NODISCARD. The three functions
# of base/error.h hand back the code they were given; their caller may well ignore it.
unmarked_in() {
    awk -f "$PH_SOURCE/tests/build/blank.awk" "$1" | tr '\n' ' ' | tr ';' '\n' |
        grep -oP '(^|[\s}])(?<!typedef )enum ph_err (?!\(|ph_error_)\w+\s*\((?!.*PH_NODISCARD)[^{]*$' |
        sed "s|^|$1: |; s/  */ /g"
}
cat >"$WORK/unmarked.h" <<'END'
enum ph_err ph_a_load(
    int x) PH_NODISCARD;
enum ph_err ph_a_store(int x,
    int y);
END
if [ "$(unmarked_in "$WORK/unmarked.h" | grep -c ph_a_store)" = 1 ]; then
    ok "an unmarked prototype is found"
else
    fail "an unmarked prototype is not found"
fi
found=$(cd "$PH_SOURCE" && find core adapters certs broker-plugin device ingest -name '*.h' |
    while read -r header; do unmarked_in "$header"; done)
if [ -z "$found" ]; then
    ok "every function that returns an error is marked"
else
    fail "without PH_NODISCARD: $found"
fi
test_end
