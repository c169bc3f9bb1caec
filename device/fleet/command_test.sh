#!/usr/bin/env bash
# ph-fleet on the command line, without a broker: certificates, the folder it works in, limits, signals,
# and what its exit status says.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"

fleet=${PH_BIN:?is set by ctest}/ph-fleet

# status_of COMMAND...: its exit status, its output in $WORK/out.
status_of() {
    "$@" >"$WORK/out" 2>&1
    echo $?
}

# expect_status TEXT STATUS REGEX COMMAND...: the status, and the last line that the program says.
expect_status() {
    local text=$1 status=$2 regex=$3 have
    shift 3
    have=$(status_of "$@")
    if [ "$have" = "$status" ] && grep -Eq -- "$regex" "$WORK/out"; then
        ok "$text"
    else
        fail "$text: want $status and \"$regex\", have $have and: $(tail -n 5 "$WORK/out")"
    fi
}

# left_behind: what is in the folder for temporary files.
left_behind() {
    find "$TMPDIR" -mindepth 1 -maxdepth 1
}

# children_of PID: their process ids.
children_of() {
    cat "/proc/$1/task/$1/children" 2>/dev/null
}

all_gone() {
    local pid
    for pid in "$@"; do
        [ ! -e "/proc/$pid" ] || grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null || return 1
    done
}

# has_workers PID COUNT: more than so many.
has_workers() {
    [ "$(children_of "$1" | wc -w)" -gt "$2" ]
}

test_begin "ph-fleet on the command line"
export TMPDIR=$WORK/tmp
mkdir "$TMPDIR"
port=$(free_port)
nobody=(--broker "localhost:$port" --plain)
"$PH_BIN/ph-ca" init "$WORK/pki" >/dev/null || die "no authority"

# [FLEET-19]
expect_status "certificates must come from somewhere" 64 "want --certs DIR, .* or --ca DIR" "$fleet" --devices 3
expect_status "and from one place" 64 "not both" "$fleet" --certs x --ca y
expect_status "a wrong number is refused" 64 "^ph-fleet: --drain: want a whole number" \
    "$fleet" --ca "$WORK/pki" --drain soon
expect_status "more workers than devices are refused" 64 "at most one for each of the 3 devices, have 4" \
    "$fleet" --ca "$WORK/pki" --devices 3 --workers 4
expect_status "what is to be watched must be there" 66 "--watch: broker: there is no process 999999999" \
    "$fleet" --ca "$WORK/pki" --watch "self=$$,broker=999999999"
expect_status "and be named" 64 "--watch: want NAME=PID, or NAME=FILE" \
    "$fleet" --ca "$WORK/pki" --watch "$$"
expect_status "an authority that is not there is ph-ca's to name" 66 "^ph-fleet: ph-ca: $WORK/none" \
    "$fleet" --ca "$WORK/none" --devices 2 "${nobody[@]}"
expect_status "too few certificates" 66 "want certificates of 100 devices, have 0" \
    "$fleet" --certs "$TMPDIR" "${nobody[@]}"
expect_status "the scenario in force is printed" 0 "^devices: 7$" "$fleet" --devices 7 --print-scenario

# [FLEET-23]
"$PH_BIN/ph-ca" issue device --ca "$WORK/pki" --tenant acme --kind thermostat --out "$WORK/real" x-0002 >/dev/null ||
    die "no real device"
printf 'prefix: x-\n' >"$WORK/real.yaml"
expect_status "a real device is not played" 77 \
    "pki: acme/thermostat/x-0002 is a device of this authority that was not made for \"ph-fleet\": nothing was issued" \
    "$fleet" --ca "$WORK/pki" --devices 3 --scenario "$WORK/real.yaml" "${nobody[@]}"

# [FLEET-4]
if [ -z "$(left_behind)" ]; then
    ok "nothing is left in TMPDIR"
else
    fail "left behind: $(left_behind)"
fi

# [FLEET-9]
few_files() {
    (ulimit -n 70 && exec "$@")
}
expect_status "too few open files" 69 \
    "open files: 100 devices need 364 in each of 1 workers, .* enough for 2 devices; raise ulimit -n to 364" \
    few_files "$fleet" --ca "$WORK/pki" --devices 100 --workers 1 "${nobody[@]}"

# [FLEET-19] [FLEET-4]
expect_status "a run without a broker lacks, and says what" 1 \
    "^ph-fleet: [1-9][0-9]* readings not acknowledged; 20 of 20 devices never connected$" \
    "$fleet" --ca "$WORK/pki" --devices 20 --interval-ms 200 --duration 2 --drain 0 "${nobody[@]}"
expect_line "it says how long a wait the end allows" "$WORK/out" "time is up; ending"
kept=$(sed -n 's/^kept: \(.*\), with readings that were not acknowledged$/\1/p' "$WORK/out")
if [ -e "${kept:-nothing}/worker-1.db" ] && [ "$(left_behind)" = "$kept" ]; then
    ok "the folder with the readings is kept, and named"
else
    fail "kept: want one folder with spools, have \"$kept\" of $(left_behind)"
fi
rm -r "${kept:?}"

# [FLEET-3] [FLEET-5] [FLEET-6] [FLEET-14]
run=("$fleet" --ca "$WORK/pki" --devices 4 --interval-ms 500 --state "$WORK/state" --drain 0 "${nobody[@]}")
spawn fleet "$WORK/first" "${run[@]}" --workers 2
wait_for 20 has_workers "${PIDS[fleet]}" 1 || fail "no two workers"
mapfile -t workers < <(children_of "${PIDS[fleet]}" | tr ' ' '\n' | grep .)
expect_status "a second fleet in the folder is refused" 75 "another ph-fleet works in this folder" "${run[@]}"
stop fleet INT
expect_line "a signal ends it" "$WORK/first" "signal 2; ending"
if wait_for 20 all_gone "${workers[@]}"; then
    ok "its ${#workers[@]} workers end with it"
else
    fail "workers are left: ${workers[*]}"
fi
expect_status "another number of workers is refused" 73 "was begun with --workers 2" "${run[@]}" --workers 1
expect_status "the folder is used again" 1 "4 thermostats" "${run[@]}" --duration 1
if ! grep -q issuing "$WORK/out"; then
    ok "and its certificates too"
else
    fail "issued twice: $(grep issuing "$WORK/out")"
fi

# [FLEET-11] [FLEET-12]
spawn fleet "$WORK/second" "${run[@]}"
wait_for 20 has_workers "${PIDS[fleet]}" 1 || fail "no two workers"
mapfile -t workers < <(children_of "${PIDS[fleet]}" | tr ' ' '\n' | grep .)
kill -KILL "${workers[1]}"
if wait_line 20 "$WORK/second" "worker 2 ended by signal 9; started again in 1 s"; then
    ok "a worker that was killed is started again"
else
    fail "no word of the killed worker: $(cat "$WORK/second")"
fi
wait_for 20 has_workers "${PIDS[fleet]}" 1 || fail "it is not"
mapfile -t workers < <(children_of "${PIDS[fleet]}" | tr ' ' '\n' | grep .)
kill -KILL "${PIDS[fleet]}"
if wait_for 60 all_gone "${workers[@]}"; then
    ok "workers do not outlive a fleet that was killed"
else
    fail "workers are left: ${workers[*]}"
fi
test_end
