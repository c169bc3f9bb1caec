#!/usr/bin/env bash
# The messages that the troubleshooting pages quote are what the programs print: each part between "...", colons and semicolons is a text in the
# programs, the plugin, mosquitto, or the libraries that they are linked with. Rows that are about docker or systemd are left out.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"

PAGES=("$PH_SOURCE/docs/operations/troubleshooting.md" "$PH_SOURCE/docs/operations.md")

# Every text in a file, one a line.
texts() {
    tr -c '[:print:]' '\n' <"$1" | grep -E '.{4}'
}

libraries() {
    ldd "$@" 2>/dev/null | awk '/=> \// { print $3 }' | sort -u
}

collect() {
    local -a files=("$PH_BIN"/ph-ca "$PH_BIN"/ph-ingest "$PH_BIN"/ph-thermostat "$PH_BIN"/ph-fleet "$PH_BIN"/ph-policy
        "${PH_PLUGIN:?}" "$MOSQUITTO")
    local file
    mapfile -O ${#files[@]} -t files < <(libraries "${files[@]}")
    for file in "${files[@]}"; do
        texts "$file"
    done | sort -u >"$WORK/texts"
}

# quoted PAGE: the messages of its tables, "LINE MESSAGE": what is in backquotes in the first column of a table whose head says
# "message" or "log line".
quoted() {
    awk -F' \\| ' '
        /^\| (message|log line) \|/ { table = 1; next }
        !/^\|/ { table = 0 }
        !table || /^\|---/ || $2 ~ /^(docker|systemd|nobody)$/ { next }
        {
            cell = substr($1, 3)
            while (match(cell, /`[^`]+`/)) {
                print NR, substr(cell, RSTART + 1, RLENGTH - 2)
                cell = substr(cell, RSTART + RLENGTH)
            }
        }' "$1"
}

# parts MESSAGE: what is between the "...", and between the marks at which messages are put together; without what can vary at
# their ends.
parts() {
    sed -E 's/\.\.\.|: |; | \(/\n/g' <<<"$1" | sed 's/^[ :"(),;.]*//; s/[ :"(),;=]*$//' | grep -E '.{4}'
}

# unknown PAGE: messages that no program has.
unknown() {
    local line message part
    while read -r line message; do
        while read -r part; do
            grep -Fq -- "$part" "$WORK/texts" || printf '%s:%d: no program says "%s"\n' "${1#"$PH_SOURCE/"}" "$line" "$part"
        done < <(parts "$message")
    done < <(quoted "$1")
}

test_begin "messages in the documents"
MOSQUITTO=${MOSQUITTO:-$(command -v mosquitto || printf /usr/sbin/mosquitto)}
collect
for page in "${PAGES[@]}"; do
    count=$(quoted "$page" | wc -l)
    faults=$(unknown "$page")
    if [ "$count" -lt 15 ]; then
        fail "$page: want 15 messages at least, have $count: is the table's head another one now?"
    elif [ -z "$faults" ]; then
        ok "${page##*/}: $count messages"
    else
        fail "$faults"
    fi
done

# Without the profile a PostgreSQL server and its volumes stay where they are.
found=$(cd "$PH_SOURCE" && grep -rn 'compose down --volumes' docker docs README.md docker-compose.yml)
if [ -z "$found" ]; then ok "what ends a stack for good ends its profile too"; else fail "$found"; fi

# It must be able to fail.
printf '| message | where | means |\n|---|---|---|\n| `%s` | any | x |\n| `no such` | docker | x |\n' \
    '...: the flux capacitor is ...: run chmod 600 on it' >"$WORK/page.md"
if [ "$(unknown "$WORK/page.md" | grep -c 'no program says "the flux capacitor is"')" = 1 ] && [ "$(unknown "$WORK/page.md" | wc -l)" = 1 ]; then
    ok "a message that nobody prints is found"
else
    fail "want one fault, have: $(unknown "$WORK/page.md")"
fi
test_end
