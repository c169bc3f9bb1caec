# shellcheck shell=bash
# Fleets of ph-fleet at a whole stack, and what must hold of their reports and of the store. Source harness.sh, broker.sh
# and life/stage.sh first.

declare -A STATUS=() # fleet -> exit status, once it has ended

need sqlite3
[ -x "$PH_BIN/ph-fleet" ] || die "$PH_BIN/ph-fleet: not built"
export TMPDIR=$WORK/tmp # where fleets without --state work
mkdir "$TMPDIR"

# start_fleet NAME SCENARIO [ARGUMENT...]: a fleet whose devices are NAME-0001 and so on, in the folder $WORK/NAME unless
# an argument says otherwise. SCENARIO is keys of a scenario, separated by newlines.
start_fleet() {
    local name=$1
    printf 'prefix: "%s-"\n%s\n' "$name" "$2" >"$WORK/$name.yaml"
    shift 2
    spawn_fleet "$name" --scenario "$WORK/$name.yaml" --state "$WORK/$name" "$@"
}

# resume_fleet NAME SECONDS [ARGUMENT...]: another run of that fleet in its folder, with hardly a reading of its own.
resume_fleet() {
    spawn_fleet "$1" --scenario "$WORK/$1.yaml" --state "$WORK/$1" --interval-ms 600000 --duration "$2" "${@:3}"
}

# spawn_fleet NAME ARGUMENT...: its output in $WORK/NAME.out, its report in $WORK/NAME.json. FRONT is a command to stand
# in front.
FRONT=()
spawn_fleet() {
    local name=$1
    local -a certificates=(--ca "$PKI")
    shift
    case " $* " in *" --certs "*) certificates=() ;; esac
    rm -f "$WORK/$name.json"
    spawn "$name" "$WORK/$name.out" "${FRONT[@]}" "$PH_BIN/ph-fleet" --broker "localhost:$PORT" "${certificates[@]}" \
        --plain --json "$WORK/$name.json" "$@"
}

# finish NAME SECONDS: waits for its end.
finish() {
    wait_for "$2" ended "$1" || die "$1: still running after $2 s: $(tail -n 3 "$WORK/$1.out")"
    { wait "${PIDS[$1]}"; } 2>/dev/null
    STATUS[$1]=$?
    unset "PIDS[$1]"
}

# workers_of NAME: their process ids, one a line.
workers_of() {
    tr ' ' '\n' <"/proc/${PIDS[$1]}/task/${PIDS[$1]}/children" | grep .
}

# says NAME REGEX SECONDS: waits for such a line; the test cannot go on without.
says() {
    wait_line "$3" "$WORK/$1.out" "$2" || die "$1: says no /$2/ within $3 s: $(tail -n 5 "$WORK/$1.out")"
}

# expect_end TEXT NAME STATUS REGEX: how it has ended, and a line of its output.
expect_end() {
    if [ "${STATUS[$2]:-none}" = "$3" ] && grep -Eq -- "$4" "$WORK/$2.out"; then
        ok "$1"
    else
        fail "$1: want status $3 and /$4/, have ${STATUS[$2]:-none} and: $(tail -n 6 "$WORK/$2.out")"
    fi
}

expect_said() { # TEXT NAME REGEX
    expect_line "$1" "$WORK/$2.out" "$3"
}

expect_not_said() { # TEXT NAME REGEX
    if grep -Eq -- "$3" "$WORK/$2.out"; then
        fail "$1: $(grep -Em1 -- "$3" "$WORK/$2.out")"
    else
        ok "$1"
    fi
}

# ---- reports ----

# fact NAME MEMBER: of its report, such as totals.captured.
fact() {
    sqlite3 :memory: "SELECT json_extract(readfile('$WORK/$1.json'), '\$.$2')"
}

# expect_fact TEXT NAME MEMBER MIN [MAX]
expect_fact() {
    local have
    have=$(fact "$2" "$3")
    if [ -n "$have" ] && [ "$have" -ge "$4" ] && [ "$have" -le "${5:-$have}" ]; then
        ok "$1: $3 $have"
    else
        fail "$1: want $3 of $4 to ${5:-any}, have ${have:-none}"
    fi
}

# samples NAME EXPRESSION [CONDITION]: over the rows of the report's samples, whose columns have their names.
samples() {
    local columns
    columns=$(sqlite3 :memory: "SELECT group_concat('json_extract(r.value, ''\$[' || c.key || ']'') AS ' || c.value)
        FROM json_each(readfile('$WORK/$1.json'), '\$.samples.columns') AS c")
    sqlite3 :memory: "SELECT $2 FROM (SELECT $columns
        FROM json_each(readfile('$WORK/$1.json'), '\$.samples.rows') AS r) WHERE ${3:-1}"
}

# expect_good TEXT NAME: exit status, verdict and the account agree that it lacked nothing.
expect_good() {
    local captured
    captured=$(fact "$2" totals.captured)
    expect_end "$1: good" "$2" 0 '^fleet: good: '
    if [ "$(fact "$2" verdict)" = good ] && [ -z "$(fact "$2" lacks)" ] && [ "$captured" -gt 0 ] &&
        [ "$(fact "$2" totals.acknowledged)" = "$captured" ] && [ "$(fact "$2" gauges.pending)" = 0 ]; then
        ok "$1: all of $captured readings are acknowledged"
    else
        fail "$1: the report says: $(sed -n '5p;/^"totals/p;/^"gauges/p' "$WORK/$2.json" | tr '\n' ' ')"
    fi
}

# note_ms NAME TEXT: when the first note that begins so was made, in milliseconds since the start of the run.
note_ms() {
    sqlite3 :memory: "SELECT min(json_extract(value, '\$.at_ms'))
        FROM json_each(readfile('$WORK/$1.json'), '\$.notes') WHERE json_extract(value, '\$.text') LIKE '$2%'"
}

# ---- the store ----

# stored_sql SQL: over `readings` and `streams`, what query and stats of ph-ingest say of the store.
stored_sql() {
    "$PH_BIN/ph-ingest" stats --store "$STORE" --format csv >"$WORK/streams.csv" || die "ph-ingest stats"
    "$PH_BIN/ph-ingest" query --store "$STORE" --format csv --limit 0 >"$WORK/readings.csv" || die "ph-ingest query"
    sqlite3 -cmd '.mode csv' -cmd ".import $WORK/streams.csv streams" -cmd ".import $WORK/readings.csv readings" \
        -cmd '.mode list' :memory: "$1"
}

# expect_stored TEXT NAME DEVICES [READINGS]: the store has so many of its devices; of each stream everything, once; and
# as many readings as that, if it is said.
expect_stored() {
    local devices stored broken rows
    IFS='|' read -r devices stored broken rows < <(stored_sql "
        SELECT count(DISTINCT device), sum(stored), sum(NOT (first = 1 AND last + 0 = stored + 0 AND through + 0 = stored + 0)),
            (SELECT count(*) FROM (SELECT DISTINCT device, stream, seq FROM readings WHERE device LIKE '%/$2-%'))
        FROM streams WHERE device LIKE '%/$2-%'")
    if [ "$devices" = "$3" ] && [ "$broken" = 0 ] && [ "$rows" = "$stored" ] && [ "$stored" = "${4:-$stored}" ]; then
        ok "$1: $stored readings of $devices devices are stored, each once, no stream has a gap"
    else
        fail "$1: want ${4:-all} readings of $3 devices, have $stored ($rows of them different) of $devices; $broken streams with gaps"
    fi
}

# stored_of NAME: how many of its readings are stored.
stored_of() {
    stored_sql "SELECT count(*) FROM readings WHERE device LIKE '%/$1-%'"
}

# left_behind: what is in the folder for temporary files.
left_behind() {
    find "$TMPDIR" -mindepth 1 -maxdepth 1
}

# expect_sane: no sanitizer has anything to say in any log.
expect_sane() {
    local said
    said=$(grep -rEm1 --include='*.log' --include='*.out' 'Sanitizer|runtime error' "$WORK")
    if [ -z "$said" ]; then ok "no sanitizer has anything to say"; else fail "a sanitizer: $said"; fi
}
