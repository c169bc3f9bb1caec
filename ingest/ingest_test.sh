#!/bin/bash
# The command line of ph-ingest: bad input, and what the commands print of a store that has something
# of everything, compared with golden/*.want. No broker. Called with the program test_fill;
# "PH_REGENERATE=1" writes golden/*.want anew, for git diff to show.
set -u

program="$PH_BIN/ph-ingest"
fill=$1
golden=$PH_SOURCE/ingest/golden
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

# golden NAME COMMAND...: what is printed, and the exit status, as golden/NAME.want has it; the store's
# path is told as STORE.
golden() {
    local name=$1 status=0
    shift
    "$@" >"$dir/out" 2>&1 || status=$?
    sed -i "s|$dir|STORE|g; s/\r$//" "$dir/out"
    echo "exit status $status" >>"$dir/out"
    if [ -n "${PH_REGENERATE:-}" ]; then
        cp "$dir/out" "$golden/$name.want"
    elif ! diff -u "$golden/$name.want" "$dir/out"; then
        printf 'FAILED %s\n' "$name"
        failures=$((failures + 1))
    fi
}

cat >"$dir/kinds.yaml" <<'YAML'
kinds:
  - name: thermostat
    fields: [{name: temperature_c, type: number, unit: Cel, max: 85}]
YAML
cat >"$dir/ingest.yaml" <<'YAML'
broker: {host: localhost, ca: ca.pem, certificate: cert.pem, key: key.pem}
store: readings.db
kinds: kinds.yaml
YAML
config="$dir/ingest.yaml"

golden help "$program" --help
golden help_replay "$program" dead-letters replay --help
check version 0 "ph-ingest " "$program" --version
check "no command" 64 "want a command" "$program"
check "bad command" 64 "frobnicate: no such command" "$program" frobnicate
check "bad option" 64 "--bogus: no such option" "$program" latest --bogus
for command in run latest query devices stats dead-letters check; do
    check "$command help" 0 "Usage: ph-ingest $command" "$program" "$command" --help
    check "$command argument" 64 'unexpected argument "x"' "$program" "$command" x
    check "$command without configuration" 66 "$dir/none.yaml" "$program" "$command" --config "$dir/none.yaml"
    one_line "$command without configuration"
done

# [ING-30]
check "check-config" 0 "ingest.yaml: ok" "$program" run --config "$config" --check-config
golden print_config "$program" run --config "$config" --print-config
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
check "no store without a certificate" 2 "No such file" ls "$dir/readings.db"
check "health without a certificate" 1 "cert.pem" "$program" health --config "$config"
one_line "health without a certificate"
check "authority" 0 "" "$PH_BIN/ph-ca" init "$dir/pki"
check "certificate" 0 "" "$PH_BIN/ph-ca" issue service --ca "$dir/pki" --tenant acme --out "$dir" ingest
# [HLT-14]
check "health without a store" 1 "readings.db" "$program" health --config "$config"
one_line "health without a store"
check "a start without a broker" 124 "not connected" timeout 3 "$program" run --config "$config"
# [HLT-12]
check "health without a broker" 1 "not connected to the broker" "$program" health --config "$config"
one_line "health without a broker"
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
check "stats of certificates" 0 '"vouched":0,"unvouched_missing":0,"unvouched_malformed":0,"unvouched_repeated":0,"unvouched_other_identity":0,"unrecorded":0,"given_up":0,' \
    "$program" stats --store "$dir/readings.db" --totals --format json
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
check "unknown word" 64 'unexpected argument "frobnicate": want [list|show|export|replay|purge]' \
    "$program" dead-letters frobnicate
check "password in a URI" 64 "--store: " "$program" latest --store postgresql://ph:secret@localhost/fleet
check "password is not told" 1 "" \
    sh -c '"$1" latest --store postgresql://ph:secret@localhost/fleet 2>&1 | grep secret' sh "$program"
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


# ---- A store with something of everything.

fingerprint=$(printf 'f1%.0s' {1..32})
t1="$fingerprint ph/v1/acme/thermostat/t1/telemetry {\"v\":1,\"stream\":\"000000000000000a\""
t2='- ph/v1/acme/thermostat/t2/telemetry'
cat >"$dir/messages" <<END
1790000000001 $t1,"seq":1,"now":1790000002001,"readings":[{"t":1789999990000,"temperature_c":20.5},{"t":1790000000000,"temperature_c":21}]}
1790000000002 $t1,"seq":3,"now":1790000002002,"readings":[{"t":1790000000003,"temperature_c":99},{"t":1790000000004,"temperature_c":22},{"t":1790000000005,"temperature_c":98}]}
1790000000003 $t2 {"v":1,"stream":"000000000000000b","seq":9,"oldest":8,"readings":[{"t":5,"temperature_c":19},{"t":1900000000000,"temperature_c":18}]}
1790000000004 - ph/v1/acme/toaster/x1/telemetry {"v":1,"stream":"000000000000000c","seq":1,"readings":[{"t":1790000000000,"slices":2}]}
1790000000005 $t2 $(printf '\377\033[2J is no JSON')
1790000000006 - ph/v1/acme/telemetry =1+1
END
rm -f "$dir"/readings.db*
check "filled" 0 "" sh -c '"$1" "$2" "$3" <"$4"' sh "$fill" "$dir/readings.db" "$dir/kinds.yaml" "$dir/messages"
store="$dir/readings.db"

# latest's age grows by the second
without_age() { "$program" latest --store "$store" --format csv | sed 's/,[-0-9.]*\(\r*\)$/,AGE\1/'; }
golden latest without_age
golden query "$program" query --store "$store"
golden query_json "$program" query --store "$store" --device acme/thermostat/t1 --format json
golden devices "$program" devices --store "$store" # [ING-121]
golden devices_csv "$program" devices --store "$store" --format csv
golden stats "$program" stats --store "$store" # [ING-122]
golden stats_csv "$program" stats --store "$store" --format csv --totals
golden stats_json "$program" stats --store "$store" --format json

# [ING-113]
golden letters "$program" dead-letters --store "$store"
golden letters_json "$program" dead-letters list --store "$store" --format json
golden letters_csv "$program" dead-letters list --store "$store" --format csv --certificates

# [ING-123] chosen NAME IDS OPTION...: the ids of the letters that the options choose
chosen() {
    local name=$1 want=$2
    shift 2
    check "letters by $name" 0 "" "$program" dead-letters --store "$store" --format csv "$@"
    check "letters by $name: $want" 0 "" test "$(tail -n +2 "$dir/out" | cut -d, -f1 | paste -sd' ')" = "$want"
}
chosen id 2 --id 2
chosen device "1" --device acme/thermostat/t1
chosen reason "2" --reason "not declared"
chosen from "3 4" --from 1790000000005
chosen to "1 2" --to 1790000000005
chosen limit "3 4" --limit 2
chosen "all of them" "3" --device acme/thermostat/t2 --from 2026-01-01 --limit 5
chosen nothing "" --id 2 --device acme/thermostat/t1
check "letters by bad id" 64 "--id" "$program" dead-letters --store "$store" --id 0
check "letters by bad device" 64 "--device" "$program" dead-letters export --store "$store" --device x
check "letters by bad time" 64 "--to" "$program" dead-letters export --store "$store" --to noon

# [ING-114]
golden show_ranges "$program" dead-letters show --store "$store" 1
golden show_binary "$program" dead-letters show --store "$store" 3
golden show_no_device "$program" dead-letters show --store "$store" 4
check "show none" 64 "missing argument: want ID" "$program" dead-letters show --store "$store"
check "show text" 64 'ID: want the number of a dead letter' "$program" dead-letters show --store "$store" one
check "show gone" 66 "dead letter 99: not in this store" "$program" dead-letters show --store "$store" 99
one_line "show gone"

# [ING-115]
golden export "$program" dead-letters export --store "$store"
golden export_one "$program" dead-letters export --store "$store" --id 3

# [ING-120]
check "backup" 0 "copy.db: ok" "$program" backup --config "$config" "$dir/copy.db"
check "backup is closed to others" 0 "600" stat -c %a "$dir/copy.db"
golden query "$program" query --store "$dir/copy.db"
check "backup is faultless" 0 "ok" "$program" check --store "$dir/copy.db"
check "backup over something" 73 "copy.db" "$program" backup --config "$config" "$dir/copy.db"
one_line "backup over something"
check "backup to nowhere" 66 "nowhere" "$program" backup --config "$config" "$dir/nowhere/copy.db"
check "backup without file" 64 "missing argument: want FILE" "$program" backup --config "$config"

# [ING-118] [ING-111]
sed -i 's/max: 85/max: 98/' "$dir/kinds.yaml"
golden replay_refused "$program" dead-letters replay --config "$config"
cat >"$dir/kinds.yaml" <<'YAML'
kinds:
  - name: thermostat
    fields: [{name: temperature_c, type: number, unit: Cel, max: 120}]
  - name: toaster
    fields: [{name: slices, type: integer}]
YAML
golden replay_dry_run "$program" dead-letters replay --config "$config" --dry-run
check "nothing replayed" 0 '"stored":5,"duplicates":0,"dead_letters":4' \
    "$program" stats --store "$store" --totals --format json
golden replay "$program" dead-letters replay --config "$config" --format json
golden replayed "$program" query --store "$store" --certificates
check "replay again" 0 "2,0,0,2,0,3," "$program" dead-letters replay --config "$config" --format csv
check "replay without a store" 66 "nowhere.db" sh -c 'sed "s/readings.db/nowhere.db/" "$2" >"$3" &&
    "$1" dead-letters replay --config "$3"' sh "$program" "$config" "$dir/nowhere.yaml"
check "replay makes no store" 2 "" ls "$dir/nowhere.db"
check "replay takes no --store" 64 "--store: no such option" "$program" dead-letters replay --store "$store"

# [ING-112]
check "purge unasked" 64 "--yes: missing" "$program" dead-letters purge --config "$config"
one_line "purge unasked"
golden purge_dry_run "$program" dead-letters purge --config "$config" --id 4 --dry-run
golden purge "$program" dead-letters purge --config "$config" --id 4 --yes
chosen "what a purge leaves" "3"
golden purge_nothing "$program" dead-letters purge --config "$config" --id 4 --yes

# [ING-119]
check "faultless" 0 "ok" "$program" check --config "$config"
one_line "faultless"
check "faultless json" 0 "[]" "$program" check --config "$config" --format json
check "faultless csv" 0 "what,where" "$program" check --config "$config" --format csv
check "made faulty" 0 "" "$fill" --sql "$store" "UPDATE stream SET stored = stored + 1 WHERE stream = 10"
check "fault" 65 "acme/thermostat/t1 000000000000000a" "$program" check --config "$config"
check "fault: heading" 65 "what  " "$program" check --config "$config"
check "fault: what to do" 65 "; keep a copy of it, and restore a backup" "$program" check --config "$config"
check "fault json" 65 '"what":' "$program" check --config "$config" --format json
check "fault csv" 65 "what,where" "$program" check --config "$config" --format csv

[ "$failures" = 0 ] && echo "ok"
exit "$((failures > 0))"
