#!/usr/bin/env bash
# bench/compare with made-up figures: what it calls a regression, what it does not, and what it refuses.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"

test_begin "bench/compare"
need python3
compare=$PH_SOURCE/bench/compare

# figures FILE [PYTHON]: two ratios of comparison "one", interval 0.95 to 0.97 each; PYTHON changes
# run, rate and cost (their ratios) as it likes.
figures() {
    python3 - "$@" <<'PYTHON'
import json
import sys

def ratio(variant):
    return {"variant": variant, "baseline": "stock", "ours": True, "ratio": 0.96, "interval": [0.95, 0.97],
            "range": [0.9, 1.0], "rounds": 9, "withheld": None}

def at(ratio, low, high):
    ratio.update(interval=[low, high], ratio=(low + high) / 2)

def wide(ratio, low, high):
    ratio.update(interval=[low, high], ratio=None, withheld="the interval is wider than 3 %")

rate, cost = ratio("plugin"), ratio("plugin")
latency = {"key": "p99_ms", "unit": "ms", "better": "lower", "ratios": [],
           "variants": {"plugin": {"values": [5.0] * 9, "median": 5.0}}}
run = {"schema": 1, "name": "one", "options": {"rounds": 9, "count": 100}, "missing": {},
       "machine": {"cores": 2, "cpu": "A", "os": "Debian"},
       "results": [{"key": "rate", "better": "higher", "ratios": [rate]},
                   {"key": "cost", "better": "lower", "ratios": [cost]}, latency]}
exec(sys.argv[2] if len(sys.argv) > 2 else "")
with open(sys.argv[1], "w") as file:
    json.dump(run, file)
PYTHON
}

# judged TEXT STATUS REGEX [OPTION...]: of $WORK/old.json and $WORK/new.json
judged() {
    local text=$1 want=$2 regex=$3 output status=0
    shift 3
    output=$("$compare" "$@" "$WORK/old.json" "$WORK/new.json" 2>&1) || status=$?
    if [ "$status" = "$want" ] && grep -Eq -- "$regex" <<<"$output"; then
        ok "$text"
    else
        fail "$text: want status $want and /$regex/, have $status and: $output"
    fi
}

# ---- [BENCH-5] worse and apart is a regression, whatever direction is worse --------------------------
figures "$WORK/old.json"
figures "$WORK/new.json"
judged "the same figures" 0 '^No regression; 2 judged, 0 not comparable\.$'
figures "$WORK/new.json" 'at(rate, 0.90, 0.94)'
judged "a rate that fell" 1 '^\| one \| rate \| plugin / stock \| 0\.96 .* \| 0\.92 .* \| REGRESSION '
judged "is counted" 1 '^1 regression; 2 judged'
figures "$WORK/new.json" 'at(cost, 0.98, 0.99)'
judged "a cost that rose" 1 'cost \| plugin / stock .* REGRESSION '
figures "$WORK/new.json" 'at(rate, 0.98, 0.99); at(cost, 0.90, 0.94)'
judged "both became better" 0 'rate .* better '
figures "$WORK/new.json" 'at(rate, 0.90, 0.951)'
judged "an overlap" 0 'rate \| plugin / stock .* same '
figures "$WORK/new.json" 'at(rate, 0.5, 0.6); rate["ours"] = False'
judged "another's variant changed, not ours" 0 'rate .* changed '

# ---- [BENCH-6] noise -------------------------------------------------------------------------------------
figures "$WORK/new.json" 'wide(rate, 0.80, 0.99)'
judged "a wide interval that overlaps" 0 'rate .* not comparable \| new: the interval is wider than 3 %'
figures "$WORK/new.json" 'wide(rate, 0.50, 0.90)'
judged "a wide interval that lies wholly on the worse side" 1 'rate .* 0\.5 to 0\.9 \| REGRESSION'
figures "$WORK/new.json" 'rate.update(interval=None, ratio=None, withheld="3 rounds, want 6")'
judged "too few rounds" 0 'rate .* withheld \| not comparable \| new: 3 rounds, want 6'
figures "$WORK/new.json" 'wide(rate, 0.1, 9); wide(cost, 0.1, 9)'
judged "a machine too noisy for anything passes, and says so" 0 '^Too noisy, .* says nothing of the new figures'

# ---- [BENCH-7] what cannot be set side by side --------------------------------------------------------------
figures "$WORK/new.json" 'run["missing"] = {"plugin": "no package x"}; run["results"] = [latency]'
judged "a missing variant" 0 'rate \| plugin / stock .* missing \| no package x'
figures "$WORK/new.json" 'run["missing"] = {"stock": "no package y"}; run["results"] = [latency]'
judged "a missing baseline" 0 'rate \| plugin / stock .* missing \| stock: no package y'
figures "$WORK/new.json" 'run["options"]["count"] = 7; at(rate, 0.1, 0.2)'
judged "other options are not compared" 0 '^\| one .* other options \| count: 100 before, now 7'
judged "which --complete does not accept" 1 '^Incomplete: one: other options: count' --complete
figures "$WORK/new.json" 'run["options"]["rounds"] = 7'
judged "another number of rounds is no other option" 0 '2 judged' --complete
figures "$WORK/new.json" 'run["results"] = [latency, {"key": "cost", "better": "lower", "ratios": [cost]}]'
judged "an old ratio that is no more" 1 '^Incomplete: one rate plugin / stock: gone' --complete
figures "$WORK/new.json" 'run["name"] = "two"'
judged "another comparison" 0 '^\| two .* new \|'
judged "is not complete" 1 '^Incomplete: one: gone' --complete

# ---- [BENCH-8] times only on a like machine, and deciding only when asked ---------------------------------------
slow='latency["variants"]["plugin"] = {"values": [9.0] * 9, "median": 9.0}'
figures "$WORK/new.json" "$slow"
judged "a slower time is shown" 0 'p99_ms \| plugin .* \(worse\) '
judged "and counts with --absolute" 1 'p99_ms \| plugin .* REGRESSION ' --absolute
figures "$WORK/new.json" "$slow; run['machine']['cores'] = 64"
judged "another machine" 0 '^Another machine, .*: only ratios are compared\.' --absolute
if "$compare" "$WORK/old.json" "$WORK/new.json" | grep -q p99_ms; then
    fail "another machine's times are compared"
else
    ok "another machine's times are not compared"
fi

# ---- [BENCH-9] a baseline --------------------------------------------------------------------------------------
mkdir "$WORK/1" "$WORK/2"
figures "$WORK/1/one.json" 'wide(cost, 0.2, 4)'
figures "$WORK/2/one.json" 'at(rate, 0.97, 0.99)'
"$compare" --merge --widen 10 "$WORK/1" "$WORK/2" >"$WORK/old.json" 2>"$WORK/said"
expect_line "what is too wide for a baseline is left out, and said to be" "$WORK/said" \
    '^left out: one cost plugin / stock: 0\.2 to 4$'
expect_line "the interval spans both runs, and more" <(tr -d ' \n' <"$WORK/old.json") '"interval":\[0\.855,1\.089\]'
figures "$WORK/new.json" 'at(rate, 0.86, 0.87); run["machine"]["cores"] = 64'
judged "within the baseline" 0 '^No regression; 1 judged' --complete
figures "$WORK/new.json" 'wide(rate, 0.7, 0.84)'
judged "beyond the baseline" 1 'rate .* REGRESSION' --complete
figures "$WORK/2/one.json" 'wide(rate, 0.2, 4); wide(cost, 0.2, 4)'
expect_refused "a baseline from noise alone" 'one: no ratio is fit for a baseline; make it on a quiet machine' \
    "$compare" --merge "$WORK/2"

# ---- files that are not what they should be --------------------------------------------------------------------------
figures "$WORK/new.json" 'run["schema"] = 2'
expect_refused "another schema" 'new\.json: schema: want 1, have 2' "$compare" "$WORK/old.json" "$WORK/new.json"
echo '{' >"$WORK/new.json"
expect_refused "no JSON" 'new\.json: want figures of bench/run' "$compare" "$WORK/old.json" "$WORK/new.json"
mkdir "$WORK/empty"
expect_refused "an empty folder" 'empty: no figures in it' "$compare" "$WORK/old.json" "$WORK/empty"
expect_refused "one file" 'want two, OLD and NEW' "$compare" "$WORK/old.json"
test_end
