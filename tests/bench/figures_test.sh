#!/usr/bin/env bash
# bench/lib: what is recorded becomes medians, ratios or the reason for none, and a file; and what is
# missing is said. A made-up comparison, without programs of the build.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"

test_begin "figures of a comparison"
need python3 openssl sqlite3
mkdir "$WORK/bin"
printf '#!/bin/sh\nmkdir "$2"\n' >"$WORK/bin/ph-bench-pki"
chmod +x "$WORK/bin/ph-bench-pki"
cat >"$WORK/made_up" <<'SCRIPT'
#!/usr/bin/env bash
# made_up: for the test.
. "$PH_SOURCE/bench/lib/bench.sh"
rounds=7 offset=0
bench_options rounds offset -- "$@"
bench_begin 1
for ((round = 1; round <= rounds; round++)); do
    record base rate 100
    record steady rate "90.$round"
    record wild rate $((round * 50))
    [ "$round" -gt 5 ] || record few rate 100
done
have absent peer_absent || true
have present true
machine
for variant in steady wild few; do
    echo "$variant: $(ratio "$variant" base rate)"
done
echo "absent baseline: $(ratio steady absent rate)"
echo "spread: $(spread wild rate %.0f)"
bench_result rate --better higher --unit things/s --baseline base,absent --ours steady,wild
bench_done
SCRIPT
sed -i '/^bench_begin/i peer_absent() { echo "no package | of that name" \&\& return 1; }' "$WORK/made_up"
chmod +x "$WORK/made_up"
made_up() {
    env PH_BENCH_BIN="$WORK/bin" "$WORK/made_up" "$@" >"$WORK/table" 2>"$WORK/said"
}

# value EXPRESSION: of the figures
value() {
    python3 -c 'import json, sys
f = json.load(open(sys.argv[1]))
r = {x["variant"]: x for x in f["results"][0]["ratios"]}
print(eval(sys.argv[2]))' "$WORK/figures.json" "$1"
}

# is TEXT WANT EXPRESSION
is() {
    local have
    have=$(value "$3" 2>&1)
    if [ "$have" = "$2" ]; then
        ok "$1"
    else
        fail "$1: want $2, have $have"
    fi
}

if made_up --json "$WORK/figures.json" --offset 3; then
    ok "a comparison"
else
    fail "a comparison: status $?: $(cat "$WORK/said")"
fi

# ---- [BENCH-3] a ratio, or why there is none -------------------------------------------------------------
expect_line "a ratio with its interval" "$WORK/table" '^steady: 0\.904 \(0\.901 to 0\.907\)$'
expect_line "a ratio of a noisy machine is withheld" "$WORK/table" '^wild: withheld: 0\.500 to 3\.500$'
expect_line "rounds that do not match" "$WORK/table" '^few: withheld: 5 rounds beside 7$'
expect_line "without a baseline" "$WORK/table" '^absent baseline: absent is missing$'
expect_line "a spread" "$WORK/table" '^spread: 200 \(50 to 350\)$'
expect_line "the rule stands below" "$WORK/table" 'withheld when the interval is wider than 3 %'
is "the ratio" 0.904 'r["steady"]["ratio"]'
is "its interval" '[0.901, 0.907]' '[round(x, 6) for x in r["steady"]["interval"]]'
is "no ratio that was withheld" None 'r["wild"]["ratio"]'
is "and why" "the interval is wider than 3 %" 'r["wild"]["withheld"]'
is "the raw values, in the order of the rounds" '[50.0, 100.0, 150.0, 200.0, 250.0, 300.0, 350.0]' \
    'f["results"][0]["variants"]["wild"]["values"]'
is "whose they are" '[True, True, False]' '[r[v]["ours"] for v in ("steady", "wild", "few")]'

# ---- [BENCH-2] what was run, where and with what -----------------------------------------------------------
is "schema and name" '1 figures' 'str(f["schema"]) + " " + f["name"]'
is "the command" 'bench/made_up --offset 3' 'f["command"]'
is "the options, defaults too" "{'rounds': 7, 'offset': 3}" 'f["options"]'
is "the machine" "$(nproc)" 'f["machine"]["cores"]'
is "versions and load" True '"openssl" in f["versions"] and {"before", "after"} <= f["load"].keys()'

# ---- [BENCH-4] what is missing ----------------------------------------------------------------------------------
expect_line "is said at once" "$WORK/said" '^absent: not measured: no package \| of that name$'
expect_line "stands in the table" "$WORK/table" '^\| absent \| no package \\\| of that name \|$'
is "and in the file" "{'absent': 'no package | of that name'}" 'f["missing"]'

made_up --rounds 3
expect_line "few rounds: the range" "$WORK/table" '^steady: withheld: 3 rounds, 0\.901 to 0\.903$'
expect_refused "an option that is none" 'made_up: for the test' "$WORK/made_up" --seconds 3
expect_refused "no number" 'rounds: want a whole number, have "x"' "$WORK/made_up" --rounds x

# Packages: a world in which nothing is installed and apt-get fails at first, or always.
cat >"$WORK/bin/apt-get" <<'SCRIPT'
#!/bin/sh
echo "$@" >>"$APT_CALLS"
case " $* " in
*" update "*) touch "$APT_CALLS.updated" ;;
*) [ -e "$APT_CALLS.updated" ] && [ -z "$APT_NEVER" ] || { echo "E: Unable to locate package" && exit 100; } ;;
esac
SCRIPT
printf '#!/bin/sh\nexit 1\n' >"$WORK/bin/dpkg-query"
printf '#!/bin/sh\nshift\nexec "$@"\n' >"$WORK/bin/sudo"
chmod +x "$WORK/bin/"*
peers() { # COMMAND...
    # shellcheck disable=SC2016
    env PATH="$WORK/bin:$PATH" APT_CALLS="$WORK/calls" ROOT="$PH_SOURCE" WORK="$WORK" \
        bash -c '. "$ROOT/bench/lib/peers.sh"; "$@"' peers "$@"
}
expect_ok "a package is installed, once the lists are fresh" peers peer_packages thing
expect_line "as asked for" "$WORK/calls" 'install --yes --no-install-recommends thing$'
rm "$WORK/calls.updated"
expect_refused "a package that is nowhere" 'apt-get install thing: E: Unable to locate package' \
    env APT_NEVER=1 bash -c "$(declare -f peers); WORK='$WORK'; peers peer_packages thing"
test_end
