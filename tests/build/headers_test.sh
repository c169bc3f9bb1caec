#!/usr/bin/env bash
# Each project header compiles by itself, and twice.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/build/build.sh"

# vendor_flags: the include folders of the libraries, for the headers inside a wrapping module.
vendor_flags() {
    pkg-config --cflags libcjson libcyaml libmosquitto libpq openssl sqlite3
}

alone() {
    printf '#include "%s"\n#include "%s"\n' "$1" "$1" >"$WORK/alone.c"
    # shellcheck disable=SC2046 # flags are words
    compile "$WORK/alone.c" -Wall -Wextra -Werror $(vendor_flags)
}

test_begin "headers"
printf 'int16_t not_alone(void);\n' >"$WORK/broken.h"
expect_refused "a header that leans on another is found" "int16_t" alone "$WORK/broken.h"
while read -r header; do
    expect_ok "$header" alone "$PH_SOURCE/$header"
done < <(cd "$PH_SOURCE" && find core adapters certs broker-plugin device ingest -name '*.h' | sort)
test_end
