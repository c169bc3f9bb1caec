#!/usr/bin/env bash
# docs/plugin/policy.md is the reference of the policy file: each key of its schema and each finding of
# the linter has a row there and no other has, and its ranges are those of base/limits.h. The policies
# that docs/plugin shows are good, and every line that the plugin logs is explained.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"

# The keys of a schema in C, by the first text of each field.
schema_keys() {
    tr -s ' \n' ' ' <"$1" | grep -oP 'CYAML_FIELD_[A-Z_]+\( ?"\K[a-z_]+' | sort -u
}

finding_names() {
    grep -oP '\[PH_FINDING_[A-Z_]+\] = "\K[a-z-]+' "$1" | sort -u
}

# The names in the first cells of the tables below a heading of a page ("": of the whole page).
table_names() {
    awk -v heading="$2" '/^#+ /{on = heading == "" || $0 == heading} on && /^\| `/' "$1" |
        sed 's/^| \([^|]*\)|.*/\1/' | grep -oP '`(subject\[\]\.)?\K[a-z_-]+(?=`)' | sort -u
}

# check_names WHAT WANT HAVE: both lists hold the same.
check_names() {
    local difference
    difference=$(diff <(echo "$2") <(echo "$3") | sed -n 's/^< /missing: /p; s/^> /unknown: /p')
    if [ -n "$2" ] && [ -z "$difference" ]; then
        ok "$(wc -l <<<"$2") $1"
    else
        fail "$1: $difference"
    fi
}

# limit NAME: its number as people write it.
limit() {
    sed -z 's/\\\n//g' "$PH_SOURCE/core/base/limits.h" | grep -oP "#define $1\\s+\\K[0-9]+" |
        sed -E ':a; s/^([0-9]+)([0-9]{3})/\1,\2/; ta'
}

# check_range KEY LIMIT: the key's row names the number, with or without commas.
check_range() {
    local number row
    number=$(limit "$2")
    row=$(grep -F "| \`$1\` |" "$page")
    if [ -n "$number" ] && grep -Eq "(^|[^0-9,])(${number}|${number//,/})([^0-9]|$)" <<<"$row"; then
        ok "$1: $number"
    else
        fail "$1: its row does not name $2, $number"
    fi
}

# The texts of log lines in C sources: of ph_log() and ph_log_error(), and the steps of CRLs.
log_texts() {
    cat "$@" | tr -s ' \n' ' ' | sed 's/" "//g' |
        grep -oP '(ph_log(_error)?\( ?PH_LOG_[A-Z]+, ?|\{"[a-z]+", )"\K[^"]+(?=", ?(PH_|&|error))' | sort -u
}

# check_logged PAGE: it has every text that the plugin logs, what stands behind a ';' left out.
check_logged() {
    local text count=0
    while read -r text; do
        count=$((count + 1))
        grep -qF "${text%%;*}" "$PH_SOURCE/$1" || fail "$1: does not say \"$text\""
    done < <(log_texts "$PH_SOURCE"/broker-plugin/{access,broker,cutoff,plugin,record}.c)
    [ "$count" -ge 15 ] || fail "want the plugin's log lines, found $count"
    ok "$1: $count log lines"
}

# The policies among the examples, each in a file.
split_policies() {
    awk -v out="$WORK/example" '/^```yaml/{n++; on = 1; next} /^```/{on = 0} on {print > (out n ".yaml")}' "$1"
}

test_begin "policy reference"
page=$PH_SOURCE/docs/plugin/policy.md
printf '    CYAML_FIELD_UINT(\n        "one", X),\n CYAML_FIELD_MAPPING_PTR("two", X)' >"$WORK/a.c"
[ "$(schema_keys "$WORK/a.c" | xargs)" = "one two" ] || fail "keys of a schema: $(schema_keys "$WORK/a.c")"
check_names "keys" "$(schema_keys "$PH_SOURCE/core/config/policy_file.c")" \
    "$(comm -23 <(table_names "$page" "") <(
        { table_names "$page" "## Findings"; printf '%s\n' common_name serial_number uri dns; } | sort
    ))"
check_names "findings" "$(finding_names "$PH_SOURCE/core/domain/policy_lint.c")" \
    "$(table_names "$page" "## Findings")"
check_range anchors PH_LIMIT_POLICY_ANCHORS
check_range roles PH_LIMIT_POLICY_ROLES
check_range lists PH_LIMIT_POLICY_LISTS
check_range lists PH_LIMIT_DENY_ENTRIES
check_range ca PH_LIMIT_POLICY_FILES
check_range crl PH_LIMIT_POLICY_FILES
check_range crl_grace_s PH_LIMIT_CRL_GRACE_S
check_range tenants PH_LIMIT_POLICY_TENANTS
check_range kinds PH_LIMIT_POLICY_KINDS
check_range client_id PH_LIMIT_CLIENT_ID_BYTES
check_range publish PH_LIMIT_ROLE_FILTERS
check_range payload_bytes PH_LIMIT_MQTT_PAYLOAD_BYTES
check_range identity_template PH_LIMIT_TOPIC_BYTES

check_logged docs/plugin/troubleshooting.md
check_logged docs/man/mosquitto_phonehome.8

policies=0
for file in README cookbook migration; do
    rm -f "$WORK"/example*
    split_policies "$PH_SOURCE/docs/plugin/$file.md"
    for example in "$WORK"/example*.yaml; do
        grep -q '^roles:' "$example" || continue
        policies=$((policies + 1))
        if "$PH_BIN/ph-policy" print "$example" >/dev/null 2>"$WORK/err"; then
            ok "$file: policy of anchor $(sed -n 's/^  - name: //p' "$example" | head -n 1)"
        else
            fail "$file: $(cat "$WORK/err")"
        fi
    done
done
[ "$policies" -ge 5 ] || fail "want the examples' policies, found $policies"
test_end
