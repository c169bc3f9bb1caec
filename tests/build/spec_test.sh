#!/usr/bin/env bash
# Requirements (docs/spec/*.md, "- [MSG-3] ...") and tests agree: every requirement is named in a
# test, every number that a test names exists, and none is given twice.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"

# The requirements that a tree defines.
defined() {
    grep -hoP '^\s*- \[\K[A-Z]+-\d+(?=\])' docs/spec/*.md
}

# The test sources of a tree; not this folder, whose own examples are no citations.
test_sources() {
    find core adapters certs broker-plugin device ingest tests \
        \( -path tests/build -prune \) -o \
        \( -name '*_test.c' -o -name '*_test.sh' -o -name 'conformance*.c' -o -path 'tests/*' \) -type f -print
}

# The requirements that tests name: words that start with a prefix of docs/spec.
cited() {
    local prefixes
    prefixes=$(defined | sed 's/-.*//' | sort -u | paste -sd'|')
    test_sources | xargs -r grep -hoP "\\b(?:$prefixes)-\\d+\\b" | sort -u
}

check_spec() {
    defined | sort | uniq -d | sed 's/$/: defined twice/'
    comm -23 <(defined | sort -u) <(cited) | sed 's/$/: named in no test/'
    comm -13 <(defined | sort -u) <(cited) | sed 's/$/: a test names it, docs\/spec does not/'
}

test_begin "requirements and tests"
mkdir -p "$WORK/docs/spec" "$WORK"/{core,adapters,certs,broker-plugin,device,ingest,tests}
printf '%s\n' '- [XY-1] One.' '- [XY-1] Again.' '- [XY-2] Two.' 'See [XY-9].' >"$WORK/docs/spec/a.md"
printf '/* XY-1, [XY-3], RFC-5280 */\n' >"$WORK/core/a_test.c"
found=$(cd "$WORK" && check_spec)
want="XY-1: defined twice
XY-2: named in no test
XY-3: a test names it, docs/spec does not"
if [ "$found" = "$want" ]; then
    ok "the three planted faults are found"
else
    fail "planted faults: want $want, have $found"
fi
found=$(cd "$PH_SOURCE" && check_spec)
if [ -z "$found" ]; then
    ok "$(cd "$PH_SOURCE" && defined | wc -l) requirements, each named in a test"
else
    fail "$found"
fi
test_end
