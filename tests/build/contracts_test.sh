#!/usr/bin/env bash
# Every public prototype has its contract: a comment directly above it or above its group, that is,
# above the prototypes that follow without a blank line. A function that only releases (free, fini,
# close, reset) may stand alone: those verbs mean the same everywhere. Headers of tests are left out.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"

# bare_prototypes HEADER: prototypes without a comment above.
bare_prototypes() {
    awk '
        # A comment covers what follows until the next blank line.
        inside { if (/\*\//) inside = 0; next }
        /^\/\*/ { commented = 1; if (!/\*\//) inside = 1; next }
        /^[[:space:]]*$/ { if (depth == 0) commented = 0; next }
        depth == 0 && /^[a-z].*[a-z0-9_]\(/ && !/^(typedef|static|struct [a-z_]+ \{|enum \{)/ {
            if (!commented && !/_(free|fini|close|reset)\(/)
                print FILENAME ":" FNR ": " $0
        }
        { depth += gsub(/\{/, "{") - gsub(/\}/, "}") }
    ' "$1"
}

test_begin "contracts"
cat >"$WORK/planted.h" <<'END'
/* One comment for a group. */
int ph_first(int x);
int ph_second(int x,
    int y);

int ph_bare(int x);

struct ph_thing {
    int (*run)(int x);
};
void ph_thing_free(struct ph_thing **thing);
END
found=$(bare_prototypes "$WORK/planted.h")
if [ "$(grep -c . <<<"$found")" = 1 ] && grep -q 'ph_bare' <<<"$found"; then
    ok "a prototype without a comment is found"
else
    fail "planted: want ph_bare alone, have: $found"
fi
found=$(cd "$PH_SOURCE" && find core adapters certs broker-plugin device ingest -name '*.h' \
    ! -name '*test*' | sort | while read -r header; do bare_prototypes "$header"; done)
if [ -z "$found" ]; then
    ok "every prototype has a comment"
else
    fail "without a comment: $found"
fi
test_end
