#!/bin/bash
# The command line of ph-ingest: bad input and the reading commands. No broker.
set -u

program="$PH_BIN/ph-ingest"
dir=$(mktemp -d /tmp/ph-ingest-cli-XXXXXX)
trap 'rm -rf "$dir"' EXIT
failures=0

# check NAME STATUS TEXT COMMAND...: exit status, and TEXT in what was printed on either channel
check() {
    local name=$1 want=$2 text=$3 status=0
    shift 3
    "$@" >"$dir/out" 2>&1 || status=$?
    if [ "$status" != "$want" ] || { [ -n "$text" ] && ! grep -qF -e "$text" "$dir/out"; }; then
        printf 'FAILED %s: want %s with "%s", have %s:\n' "$name" "$want" "$text" "$status"
        cat "$dir/out"
        failures=$((failures + 1))
    fi
}

# one_line NAME: the last check's output was a single line
one_line() {
    if [ "$(wc -l <"$dir/out")" != 1 ]; then
        printf 'FAILED %s: want one line, have:\n' "$1"
        cat "$dir/out"
        failures=$((failures + 1))
    fi
}

cat >"$dir/kinds.yaml" <<'YAML'
kinds:
  - name: thermostat
    fields: [{name: temperature_c, type: number, unit: Cel}]
YAML
cat >"$dir/ingest.yaml" <<'YAML'
broker: {host: localhost, ca: ca.pem, certificate: cert.pem, key: key.pem}
store: readings.db
kinds: kinds.yaml
YAML
config="$dir/ingest.yaml"

check help 0 "dead-letters" "$program" --help
check version 0 "ph-ingest " "$program" --version
check "no command" 64 "want a command" "$program"
check "bad command" 64 "frobnicate: no such command" "$program" frobnicate
check "bad option" 64 "--bogus: no such option" "$program" latest --bogus
for command in run latest query dead-letters stats; do
    check "$command help" 0 "Usage: ph-ingest $command" "$program" "$command" --help
    check "$command argument" 64 'unexpected argument "x"' "$program" "$command" x
    check "$command without configuration" 66 "$dir/none.yaml" "$program" "$command" --config "$dir/none.yaml"
    one_line "$command without configuration"
done

# [ING-30]
check "check-config" 0 "ingest.yaml: ok" "$program" run --config "$config" --check-config
check "print-config" 0 "queue_bytes: 67108864" "$program" run --config "$config" --print-config
"$program" run --config "$config" --print-config >"$dir/printed.yaml"
"$program" run --config "$dir/printed.yaml" --print-config >"$dir/again.yaml"
check "printed configuration reads back" 0 "" cmp "$dir/printed.yaml" "$dir/again.yaml"

# [ING-31]
sed 's/^store:/storage:/' "$config" >"$dir/bad.yaml"
check "unknown key" 78 "storage" "$program" run --config "$dir/bad.yaml" --check-config
one_line "unknown key"
sed 's/kinds.yaml/missing.yaml/' "$config" >"$dir/bad.yaml"
check "missing kinds" 66 "missing.yaml" "$program" run --config "$dir/bad.yaml" --check-config
printf 'kinds:\n  - name: thermostat\n    fields: [{name: x, type: colour}]\n' >"$dir/badkinds.yaml"
sed 's/kinds.yaml/badkinds.yaml/' "$config" >"$dir/bad.yaml"
check "bad kinds" 78 "badkinds.yaml" "$program" run --config "$dir/bad.yaml" --check-config

check "no certificate" 66 "cert.pem" timeout 20 "$program" run --config "$config"
check "store made" 0 "readings.db" ls -l "$dir/readings.db"
check "store closed to others" 0 "600" stat -c %a "$dir/readings.db"

# [ING-40] [ING-48]
check "latest of an empty store" 0 "temperature_c °C" "$program" latest --config "$config"
check "stats of an empty store" 0 "dead_letters_not_kept" "$program" stats --config "$config"
check "stats json" 0 '"totals":{"devices":0,"streams":0,"stored":0,"duplicates":0,"dead_letters":0,' \
    "$program" stats --config "$config" --format json
check "totals json" 0 '{"totals":{"devices":0' "$program" stats --store "$dir/readings.db" --totals --format json
check "totals csv" 0 "devices,streams,stored" "$program" stats --store "$dir/readings.db" --totals --format csv
check "dead letters" 0 "[]" "$program" dead-letters --store "$dir/readings.db" --format json
check "query" 0 "device,stream,seq,time,temperature_c" "$program" query --store "$dir/readings.db" --format csv

# [ING-65]
for command in "query" "latest" "dead-letters"; do
    check "$command with certificates" 0 ",fingerprint,unvouched" \
        "$program" "$command" --store "$dir/readings.db" --format csv --certificates
    check "$command without certificates" 1 "" \
        sh -c '"$1" "$2" --store "$3" --format csv | grep fingerprint' sh "$program" "$command" "$dir/readings.db"
done
check "stats of certificates" 0 '"vouched":0,"unvouched_missing":0,"unvouched_malformed":0,"unvouched_repeated":0,"unvouched_other_identity":0,"unrecorded":0}}' \
    "$program" stats --store "$dir/readings.db" --totals --format json
if command -v sqlite3 >/dev/null; then
    sqlite3 "$dir/readings.db" "INSERT INTO device VALUES(1,'acme','thermostat','t1',1);
    INSERT INTO stream VALUES(1,1,10,1,'',1,1,1,5);
    INSERT INTO certificate VALUES(1,'f00d','devices','acme','thermostat','t1',5,5);
    INSERT INTO reading_thermostat(_id,_stream,_seq,_time,_certificate) VALUES(1,1,1,5,1)"
    check "query json" 0 '"fingerprint":"f00d"}' "$program" query --store "$dir/readings.db" --format json
    check "latest json" 0 '"fingerprint":"f00d"}' "$program" latest --store "$dir/readings.db" --format json
fi

# [ING-49]
check "both stores" 64 "--store: give it or --config" "$program" latest --config "$config" --store x
check "format" 64 '--format: want table, csv or json, have "xml"' "$program" latest --config "$config" --format xml
check "limit" 64 "--limit" "$program" query --config "$config" --limit -1
check "time" 64 "--from" "$program" query --config "$config" --from yesterday
check "order of times" 64 "--from: want a time before --to" \
    "$program" query --config "$config" --from 2026-02-01 --to 2026-01-01
check "device" 64 "--device" "$program" query --config "$config" --device 'acme/#'
check "device and kind" 64 "drop --kind" "$program" query --config "$config" --device a/b/c --kind b
check "unknown device" 66 "device acme/thermostat/x: nothing stored of it" \
    "$program" query --config "$config" --device acme/thermostat/x
check "unknown kind" 66 "kind toaster: not in this store" "$program" query --config "$config" --kind toaster
check "missing store" 66 "nowhere.db" "$program" latest --store "$dir/nowhere.db"
one_line "missing store"
check "not made" 2 "" ls "$dir/nowhere.db"

# [ING-41]
printf 'this is text and no database, and long enough to be looked at\n%.0s' {1..40} >"$dir/text.db"
check "text as store" 65 "file is not a database" "$program" stats --store "$dir/text.db"
if [ "$(id -u)" != 0 ]; then
    chmod 000 "$dir/readings.db"
    check "unreadable store" 77 "readings.db" "$program" stats --store "$dir/readings.db"
    chmod 600 "$dir/readings.db"
fi
check "closed output" 74 "write failed" sh -c '"$1" run --config "$2" --print-config >/dev/full' sh "$program" "$config"

[ "$failures" = 0 ] && echo "ok"
exit "$((failures > 0))"
