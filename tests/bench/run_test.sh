#!/usr/bin/env bash
# bench/run: its list is that of the folder, and a comparison that fails is told and leaves nothing.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"

test_begin "bench/run"
bench=$PH_SOURCE/bench

# [BENCH-1] Every comparison is in the list, has a short form, and ends with its figures.
"$bench/run" --list >"$WORK/list"
for script in "$bench"/*; do
    name=$(basename "$script")
    if [ ! -f "$script" ] || [ ! -x "$script" ] || [[ " run compare guard " == *" $name "* ]]; then
        continue
    fi
    expect_line "$name is in the list, with a short form" "$WORK/list" "^\\| .* \`bench/${name}[ \`].* \`--[a-z]+ .*\` \\| "
    expect_line "$name leaves its figures" "$script" '^ *bench_done$'
done
# shellcheck disable=SC2013 # words
for name in $(sed -n 's/^guarded=(\(.*\))$/\1/p' "$bench/guard"); do
    expect_line "$name, which the guard runs, is in the list" "$WORK/list" "^\\| \`$name\` "
done
expect_refused "a comparison that is none" 'nothing: no such comparison; want some of: access_control ' "$bench/run" nothing
expect_refused "--out without a folder" 'out: want a folder' "$bench/run" --out

# [BENCH-10] A comparison that fails, here for want of its programs: the others are made all the same.
mkdir "$WORK/out"
touch "$WORK/out/decisions.md" "$WORK/out/decisions.json"
expect_refused "is told" '^decisions .* FAILED$' \
    env PH_BENCH_BIN=/nonexistent "$bench/run" --short --out "$WORK/out" decisions spool_appends
expect_refused "with the others, in the end" '^0 made, 2 failed; in ' \
    env PH_BENCH_BIN=/nonexistent "$bench/run" --short --out "$WORK/out" decisions spool_appends
if compgen -G "$WORK/out/decisions.*" | grep -v '\.new$'; then
    fail "figures of an earlier run are left"
else
    ok "no figures of an earlier run are left"
fi
test_end
