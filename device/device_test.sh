#!/bin/bash
# ph-thermostat against a real mosquitto and an ingest service made of mosquitto_sub, a
# shell loop and mosquitto_pub, which acknowledges whatever it has written down. Certificates come from
# adapters/mqtt_testbed.sh. Requirements: [RUN-1] to [RUN-16], [RUN-20], [SPOOL-19], [LEDGER-1],
# [LEDGER-2], [PUB-9] to [PUB-12], [CMD-4].
set -u

: "${PH_BIN:?}" "${PH_SOURCE:?}"
# shellcheck source=../tests/lib/ports.sh
. "$PH_SOURCE/tests/lib/ports.sh"
thermostat=$PH_BIN/ph-thermostat
dir=$(mktemp -d /tmp/ph-device-XXXXXX)
pids=()
failures=0

ingest=
# The group that setsid made, and nothing else.
stop_ingest() {
    [ -n "$ingest" ] && kill -9 -- "-$ingest" 2>/dev/null
    ingest=
}

finish() {
    [ "$failures" = 0 ] || tail -n 30 "$dir/device.log"
    stop_ingest
    for pid in "${pids[@]}"; do
        kill -9 "$pid" 2>/dev/null
    done
    rm -rf "$dir"
}
trap finish EXIT

ok() { printf 'ok   %s\n' "$1"; }
fail() {
    printf 'FAIL %s\n' "$1"
    failures=$((failures + 1))
}

# check NAME COMMAND...: the command must succeed
check() {
    local name=$1
    shift
    if "$@"; then ok "$name"; else fail "$name"; fi
}

# within SECONDS COMMAND...: until the command succeeds
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -ge "$end" ] && return 1
        sleep 0.1
    done
}

mosquitto=$(PATH=$PATH:/usr/sbin command -v mosquitto) || exit 77
"$PH_SOURCE/adapters/mqtt_testbed.sh" "$dir/pki" || exit 1
cd "$dir/pki" || exit 1
port=$(free_port)
cat >"$dir/mosquitto.conf" <<CONF
user root
listener $port 127.0.0.1
cafile $dir/pki/trust-clients.pem
certfile $dir/pki/broker.pem
keyfile $dir/pki/broker.key
require_certificate true
allow_anonymous true
set_tcp_nodelay true
max_inflight_messages 100
max_queued_messages 100000
CONF

start_broker() {
    "$mosquitto" -c "$dir/mosquitto.conf" >>"$dir/mosquitto.log" 2>&1 &
    broker=$!
    pids+=("$broker")
    disown
    within 10 listening
}
listening() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }

client=(-V 5 -h localhost -p "$port" --cafile trust-brokers.pem --cert device2.pem --key device2.key)
topic=ph/v1/acme/thermostat/t-0001

# The ingest service: writes "stream seq" of every reading that follows the last one to
# $dir/stored, then acknowledges; after a restart it knows what it wrote.
# (Not awk: mawk waits for a full buffer.)
cat >"$dir/ingest.sh" <<'INGEST'
dir=$1 topic=$2
shift 2
declare -A through
[ -f "$dir/stored" ] && while read -r stream seq; do through[$stream]=$seq; done <"$dir/stored"
mosquitto_sub "$@" -q 1 -i ingest -c -x 3600 -t "$topic/telemetry" | while read -r line; do
    [[ $line =~ \"stream\":\"([0-9a-f]*)\",\"seq\":([0-9]*) ]] || continue
    stream=${BASH_REMATCH[1]} seq=${BASH_REMATCH[2]}
    times=${line//[^\{]/}
    for ((i = seq; i < seq + ${#times} - 1; i++)); do
        if ((i == ${through[$stream]:-0} + 1)); then
            echo "$stream $i" >>"$dir/stored"
            through[$stream]=$i
        fi
    done
    asked=
    [[ $line == *'"readings":[]'* ]] && asked=",\"asked\":$seq"
    printf '{"v":1,"stream":"%s","through":%d%s}\n' "$stream" "${through[$stream]:-0}" "$asked"
done | mosquitto_pub "$@" -q 1 -l -t "$topic/ack"
INGEST
start_ingest() {
    setsid bash "$dir/ingest.sh" "$dir" "$topic" "${client[@]}" 2>>"$dir/ingest.log" &
    ingest=$!
    disown
    sleep 0.5
}

spool=$dir/spool.db
config=$dir/thermostat.yaml
cat >"$config" <<CONF
broker:
  host: localhost
  port: $port
  ca: pki/trust-brokers.pem
  certificate: pki/device.pem
  key: pki/device.key
spool:
  file: spool.db
publish:
  interval_ms: 20
  ack_timeout_ms: 1500
reconnect:
  min_ms: 50
  max_ms: 300
CONF

start_device() {
    "$thermostat" run --config "$config" "$@" >"$dir/out" 2>>"$dir/device.log" &
    device=$!
    pids+=("$device")
}
counter() { "$thermostat" spool "$spool" --format csv | awk -F, -v c="$1" 'NR == 2 { print $c }'; }
captured_at_least() { [ "$(counter 3)" -ge "$1" ] 2>/dev/null; }
acknowledged_at_least() { [ "$(counter 4)" -ge "$1" ] 2>/dev/null; }
nothing_pending() { [ "$(counter 5)" = 0 ]; }
# Everything that was captured is stored, each once: the fake ingest has one stream here.
complete() {
    local captured
    captured=$(counter 3)
    [ "$(wc -l <"$dir/stored")" = "$captured" ] &&
        [ "$(sort -u "$dir/stored" | wc -l)" = "$captured" ]
}
logged() { grep -q -- "$1" "$dir/device.log"; }
retained() { mosquitto_sub "${client[@]}" -t "$1" -C 1 -W 3 2>/dev/null; }

start_broker || { fail "broker starts"; exit 1; }
start_ingest

# [RUN-1] N readings, all acknowledged, exit 0, nothing on standard output
check "fifty readings, then the end" timeout 30 "$thermostat" run --config "$config" --readings 50 \
    --ledger "$dir/ledger" >"$dir/out" 2>>"$dir/device.log"
check "nothing on standard output but the test's own line" grep -qx "ok   fifty readings, then the end" "$dir/out"
cat "$dir/out"
check "fifty captured" [ "$(counter 3)" = 50 ]
check "nothing pending" nothing_pending
check "stored once each" complete

# [LEDGER-1] the account agrees with what was stored, and names each reading before and after
check "ledger: fifty intended" [ "$(grep -cE '^intend [0-9]+ \{"t":[0-9]+,.*\}$' "$dir/ledger")" = 50 ]
check "ledger: fifty captured" [ "$(grep -cE '^captured [0-9a-f]{16} [0-9]+ [0-9]+ \{"t":[0-9]+,.*\}$' "$dir/ledger")" = 50 ]
check "ledger: one line before, one after" [ "$(awk '{ n += ($1 == "intend") ? 1 : -1; if (n < 0 || n > 1) bad = 1 } END { print n + bad }' "$dir/ledger")" = 0 ]
check "ledger: the numbers of ingest" cmp -s <(awk '$1 == "captured" { print $2, $3 }' "$dir/ledger") "$dir/stored"

# [RUN-16] a hundred readings each second
begin=$SECONDS
check "three hundred readings, 10 ms apart" timeout 30 "$thermostat" run --config "$config" --interval-ms 10 --readings 300 \
    2>>"$dir/device.log"
check "300 readings: in time" [ $((SECONDS - begin)) -le 12 ]
check "300 readings: stored once each" complete

# [RUN-2] killed while it works, twice
for round in 1 2; do
    start_device
    within 10 acknowledged_at_least $((50 + round * 20)) || fail "device works"
    kill -9 "$device"
    wait "$device" 2>/dev/null
done
start_device
within 10 acknowledged_at_least 120 || fail "device works after kill -9"

# [RUN-2] the broker is killed
kill -9 "$broker"
stop_ingest
before=$(counter 3)
check "captures without a broker" within 10 captured_at_least $((before + 20))
start_broker
start_ingest
check "sends what it captured meanwhile" within 20 acknowledged_at_least $((before + 20))

# [PUB-9] ingest disappears without a word: sent again after the timeout
stop_ingest
before=$(counter 3)
check "captures without ingest" within 10 captured_at_least $((before + 20))
start_ingest
check "sends again what nobody acknowledged" within 20 acknowledged_at_least $((before + 20))

# [RUN-3] holds back while ingest says that it is offline
mosquitto_pub "${client[@]}" -r -q 1 -t ph/v1/ingest/status -m '{"v":1,"online":false}'
within 5 logged "ingest is offline" || fail "hears of ingest"
sleep 0.5
before=$(wc -l <"$dir/stored")
sleep 1
check "holds back" [ "$(wc -l <"$dir/stored")" = "$before" ]
mosquitto_pub "${client[@]}" -r -q 1 -t ph/v1/ingest/status -m '{"v":1,"online":true}'
more_stored() { [ "$(wc -l <"$dir/stored")" -gt "$((before + 20))" ]; }
check "goes on" within 10 more_stored
# a deleted status says nothing, and unknown counts as online
ingest_says() { mosquitto_pub "${client[@]}" -r -q 1 -t ph/v1/ingest/status "$@"; }
said_offline() { [ "$(grep -c "ingest is offline" "$dir/device.log")" -ge "$1" ]; }
ingest_says -m '{"v":1,"online":false}'
within 5 said_offline 2 || fail "hears of ingest again"
before=$(wc -l <"$dir/stored")
ingest_says -n
check "goes on when the status is deleted" within 10 more_stored

# [PUB-10] the message that says "online" is lost in a flood, while the disk is slow
ingest_says -m '{"v":1,"online":false}'
within 5 said_offline 3 || fail "hears of ingest a third time"
(
    printf ".timeout 5000\nBEGIN IMMEDIATE;\n"
    sleep 3
) | sqlite3 "$spool" &
lock=$!
sleep 0.5
# each smaller than the status, so that this finds no room either
yes x | head -n 1500 | mosquitto_pub "${client[@]}" -q 1 -l -t "$topic/command"
ingest_says -m '{"v":1,"online":true}'
wait "$lock"
check "says that messages were dropped" within 10 logged "messages dropped"
before=$(wc -l <"$dir/stored")
check "asks again what ingest says" within 10 more_stored

# [CMD-4] set point commands and their answers
mosquitto_sub "${client[@]}" -q 1 -t "$topic/reply" -C 4 -W 10 >"$dir/replies" 2>/dev/null &
replies=$!
sleep 0.5
mosquitto_pub "${client[@]}" -q 1 -t "$topic/command" -m '{"v":1,"id":"a","set":{"setpoint_c":18.5}}'
mosquitto_pub "${client[@]}" -q 1 -t "$topic/command" -m '{"v":1,"id":"b","set":{"setpoint_c":99}}'
mosquitto_pub "${client[@]}" -q 1 -t "$topic/command" -m 'garbage'
wait_replies() { [ "$(wc -l <"$dir/replies")" -ge 3 ]; }
within 10 wait_replies || fail "three answers"
# [CMD-2] kept by the broker, it would be carried out again at every connection
kill -9 "$device"
wait "$device" 2>/dev/null
mosquitto_pub "${client[@]}" -r -q 1 -t "$topic/command" -m '{"v":1,"id":"r","set":{"setpoint_c":30}}'
start_device --setpoint 18.5
wait "$replies"
mosquitto_pub "${client[@]}" -r -q 1 -n -t "$topic/command"
check "accepts a set point" grep -qF '{"v":1,"id":"a","ok":true}' "$dir/replies"
check "refuses one out of range" grep -q '"id":"b","ok":false,"reason":"set.setpoint_c: want a number from 5 to 35"' "$dir/replies"
check "refuses a retained command" grep -q '"id":"r","ok":false,"reason":"retained' "$dir/replies"
check "answers garbage" grep -q '"id":"","ok":false,"reason":"' "$dir/replies"
check "status says so" grep -q '"online":true.*"setpoint_c":18.50' <(retained "$topic/status")

# [RUN-4] a second process on the same spool
timeout 10 "$thermostat" run --config "$config" 2>"$dir/second"
check "second process: exit status" [ $? = 75 ]
check "second process: reason" grep -q "in use by another process" "$dir/second"

# [RUN-5] SIGTERM: drains, says goodbye, exit 0
kill -TERM "$device"
wait "$device"
check "SIGTERM: exit status" [ $? = 0 ]
check "SIGTERM: drained" nothing_pending
check "status says offline" grep -q '"online":false' <(retained "$topic/status")
check "everything stored once" complete

# [RUN-5] what cannot be drained stays
stop_ingest
start_device --drain-ms 300
before=$(counter 3)
within 10 captured_at_least $((before + 10)) || fail "captures"
kill -INT "$device"
wait "$device"
check "SIGINT: exit status" [ $? = 0 ]
check "keeps what was not acknowledged" [ "$(counter 5)" -gt 0 ]
start_ingest
start_device
check "sends it next time" within 15 acknowledged_at_least "$((before + 10))"

kill -TERM "$device"
wait "$device"

# [RUN-5] the wait goes on while ingest is offline, and ends when everything is acknowledged
running() { kill -0 "$device" 2>/dev/null; }
ingest_says -m '{"v":1,"online":false}'
before=$(counter 3)
start_device --drain-ms 30000
within 10 captured_at_least $((before + 10)) || fail "captures while ingest is offline"
kill -TERM "$device"
sleep 1
check "waits for ingest" running
ingest_says -m '{"v":1,"online":true}'
wait "$device"
check "ingest came back: exit status" [ $? = 0 ]
check "ingest came back: drained" nothing_pending

# [RUN-5] the same without a broker
kill -9 "$broker"
stop_ingest
before=$(counter 3)
start_device --drain-ms 30000
within 10 captured_at_least $((before + 10)) || fail "captures without a broker"
kill -TERM "$device"
sleep 1
check "waits for the broker" running
start_broker
start_ingest
wait "$device"
check "broker came back: exit status" [ $? = 0 ]
check "broker came back: drained" nothing_pending
check "everything stored once, still" complete

# [RUN-5] a second signal ends the wait
kill -9 "$broker"
stop_ingest
before=$(counter 3)
lines=$(wc -l <"$dir/device.log")
start_device --drain-ms 30000
within 10 captured_at_least $((before + 10)) || fail "captures without a broker"
kill -TERM "$device"
sleep 0.5
check "waits after the first signal" running
begin=$SECONDS
kill -TERM "$device"
wait "$device"
check "second signal: exit status" [ $? = 0 ]
check "second signal: at once" [ $((SECONDS - begin)) -le 2 ]
check "second signal: keeps what is pending" [ "$(counter 5)" -gt 0 ]
check "second signal: says so" [ "$(tail -n "+$((lines + 1))" "$dir/device.log" | grep -c 'msg="ending at once"')" = 1 ]

# [RUN-5] the first signal drains also when --readings had ended the captures before
before=$(counter 3)
lines=$(wc -l <"$dir/device.log")
start_device --readings 2 --drain-ms 1000
within 10 captured_at_least $((before + 2)) || fail "captures two readings"
sleep 0.5
kill -TERM "$device"
wait "$device"
check "first signal after --readings: not at once" \
    [ "$(tail -n "+$((lines + 1))" "$dir/device.log" | grep -c -e 'msg=ending ' -e 'at once')" = 1 ]
check "first signal after --readings: drains" \
    [ "$(tail -n "+$((lines + 1))" "$dir/device.log" | grep -c 'msg=ending ')" = 1 ]
start_broker
start_ingest
start_device
within 15 nothing_pending || fail "sends what is left"

# [PUB-11] [PUB-12] the spool is put back to a copy, whose former life went on
kill -TERM "$device"
wait "$device"
cp "$spool" "$dir/copy.db"
old=$(counter 2)
timeout 30 "$thermostat" run --config "$config" --readings 20 2>>"$dir/device.log" || fail "life goes on"
cp "$dir/copy.db" "$spool"
before=$(wc -l <"$dir/stored")
check "restored copy: runs" timeout 30 "$thermostat" run --config "$config" --readings 30 2>>"$dir/device.log"
check "restored copy: said" logged "restored from a copy"
check "restored copy: a new stream" [ "$(counter 2)" != "$old" ]
check "restored copy: nothing passes for a duplicate" [ "$(($(wc -l <"$dir/stored") - before))" = 30 ]
check "restored copy: nothing pending" nothing_pending
start_device

# [RUN-6] killed without a word: the last will speaks
kill -9 "$device"
wait "$device" 2>/dev/null
offline() { grep -q '"online":false' <(retained "$topic/status"); }
check "last will" within 5 offline

# [RUN-7] certificates that cannot work: one line, and the exit status of the table
expect_line() {
    local name=$1 status=$2 text=$3
    shift 3
    timeout 10 "$thermostat" "$@" >"$dir/out" 2>"$dir/err"
    local got=$?
    if [ "$got" = "$status" ] && grep -q -- "$text" "$dir/err" && [ "$(wc -l <"$dir/err")" = 1 ] &&
        [ ! -s "$dir/out" ]; then
        ok "$name"
    else
        fail "$name: exit $got, $(cat "$dir/err")"
    fi
}
with() {
    mkdir -p "$dir/certs" && rm -f "$dir/certs/"*
    cp "$1.pem" "$dir/certs/cert.pem"
    cp "$2.key" "$dir/certs/key.pem"
    cp trust-brokers.pem "$dir/certs/ca.pem"
}
run_certs=(run --certs "$dir/certs" --broker "localhost:$port")
with expired expired
expect_line "expired certificate" 77 "acme/thermostat/t-0003 expired on 2025-02-01" "${run_certs[@]}"
expect_line "ledger in no folder" 66 "/nonexistent/ledger: open ledger" run --config "$config" --ledger /nonexistent/ledger
expect_line "ledger that cannot be written" 74 "/dev/full: write ledger" run --log-level error --config "$config" --spool "$dir/full.db" --ledger /dev/full
with device device2
expect_line "key of another certificate" 77 "key.pem" "${run_certs[@]}"
with noname noname
expect_line "certificate without kind" 77 "OU" "${run_certs[@]}"
with device device
chmod 644 "$dir/certs/key.pem"
expect_line "key open to others" 77 "key.pem" "${run_certs[@]}"
with device device
rm "$dir/certs/ca.pem"
expect_line "no CA file" 66 "ca.pem" "${run_certs[@]}"
with device device
expect_line "no such folder for the spool" 66 "/nonexistent/x.db" "${run_certs[@]}" --spool /nonexistent/x.db
expect_line "spool command without file" 64 "missing argument" spool
expect_line "spool command on no file" 66 "/nonexistent/x.db" spool /nonexistent/x.db
expect_line "unknown format" 64 "want table, json or csv" spool "$spool" --format xml
expect_line "unknown option" 64 "no such option" run --colour red
check "--check-config" timeout 10 "$thermostat" run --config "$config" --check-config
check "--print-config" grep -q "interval_ms: 20" <(timeout 10 "$thermostat" run --config "$config" --print-config)

# [RUN-7] the wrong CA shows when it connects
cp stranger.pem "$dir/certs/ca.pem"
: >"$dir/device.log"
"$thermostat" "${run_certs[@]}" 2>>"$dir/device.log" &
device=$!
pids+=("$device")
check "wrong CA" within 10 logged "certificate verify failed"
kill -TERM "$device"
wait "$device"
check "wrong CA: ends cleanly" [ $? = 0 ]

# [RUN-12] another tree: every topic from the configuration, and nothing on the shipped ones
cat "$config" - >"$dir/lab.yaml" <<'CONF'
topics:
  telemetry: lab/{device}/t
  status: lab/{device}/s
  ack: lab/{device}/a
  command: lab/{device}/c
  reply: lab/{device}/r
  ingest_status: lab/ingest
  renew: lab/{device}/n
  certificate: lab/{device}/z
CONF
in_lab() { grep -q -- "$1" "$dir/lab.out"; }
: >"$dir/device.log"
mosquitto_sub "${client[@]}" -v -R -t 'lab/#' -t 'ph/#' >"$dir/lab.out" 2>/dev/null &
watcher=$!
pids+=("$watcher")
sleep 0.5
"$thermostat" run --config "$dir/lab.yaml" --spool "$dir/lab.db" --drain-ms 100 2>>"$dir/device.log" &
device=$!
pids+=("$device")
check "another tree: the question" within 10 in_lab '^lab/t-0001/t {"v":1,"stream"'
stream=$(grep -o -m 1 '"stream":"[0-9a-f]*"' "$dir/lab.out")
asked=$(grep -o -m 1 '"seq":[0-9]*' "$dir/lab.out")
sleep 0.2
check "another tree: nothing before its answer" [ "$(grep -c '^lab/t-0001/t ' "$dir/lab.out")" = 1 ]
mosquitto_pub "${client[@]}" -q 1 -t lab/t-0001/a -m "{\"v\":1,$stream,\"through\":0,\"asked\":${asked#*:}}"
check "another tree: telemetry" within 10 in_lab '^lab/t-0001/t .*"seq":1,.*"readings":\[{"t":'
mosquitto_pub "${client[@]}" -q 1 -t lab/t-0001/a -m "{\"v\":1,$stream,\"through\":1}"
lab_counter() { "$thermostat" spool "$dir/lab.db" --format csv | awk -F, -v c="$1" 'NR == 2 { print $c }'; }
lab_acknowledged() { [ "$(lab_counter 4)" = 1 ]; }
check "another tree: ack" within 10 lab_acknowledged
mosquitto_pub "${client[@]}" -q 1 -t lab/t-0001/c -m '{"v":1,"id":"l","set":{"setpoint_c":19}}'
check "another tree: command and reply" within 10 in_lab '^lab/t-0001/r {"v":1,"id":"l","ok":true}'
mosquitto_pub "${client[@]}" -q 1 -t lab/ingest -m '{"v":1,"online":false}'
check "another tree: ingest status" within 10 logged "ingest is offline"
kill -9 "$device"
wait "$device" 2>/dev/null
check "another tree: status and will" within 10 in_lab '^lab/t-0001/s {"v":1,"online":false'
kill "$watcher"
wait "$watcher" 2>/dev/null
check "another tree: nothing elsewhere" [ "$(grep -c '^ph/' "$dir/lab.out")" = 0 ]
check "another tree: the registrar is told its state" in_lab '^lab/t-0001/n {"v":1,"ask":"state",'
check "another tree: online was said" in_lab '^lab/t-0001/s {"v":1,"online":true'

# [RUN-13] readings of another identity in the spool: said once at the start, and kept
left=$(lab_counter 5)
with device2 device2
: >"$dir/device.log"
"$thermostat" "${run_certs[@]}" --spool "$dir/lab.db" --drain-ms 100 2>>"$dir/device.log" &
device=$!
pids+=("$device")
check "another identity's readings: said" within 10 \
    logged "another identity.* identity=acme/thermostat/t-0001 readings=$left "
kill -TERM "$device"
wait "$device"
check "another identity's readings: said once" [ "$(grep -c "another identity" "$dir/device.log")" = 1 ]
check "another identity's readings: kept" [ "$(lab_counter 5)" = "$left" ]

# [RUN-10] a spool that vanishes is made anew; [RUN-11] what was lost meanwhile shows in the status
with device device
: >"$dir/device.log"
mkdir "$dir/moved"
timeout 60 "$thermostat" "${run_certs[@]}" --spool "$dir/moved/x.db" --interval-ms 20 --readings 200 \
    2>>"$dir/device.log" &
device=$!
pids+=("$device")
within 10 logged "msg=connected" || fail "starts with a spool of its own"
rm "$dir/moved/"*
check "deleted spool: said" within 10 logged "spool cannot be written.*moved or deleted"
check "deleted spool: made anew" within 20 logged "spool works again"
wait "$device"
check "readings lost: exit status" [ $? = 74 ]
check "readings lost: said" logged "x.db: [0-9]* of 200 readings lost"

# [RUN-14] [RUN-15] a clock from before the certificate: it starts, captures by its uptime, and knows
# the time when the clock does
with future future
check "clock not set: --check-config" timeout 10 "$thermostat" "${run_certs[@]}" --check-config 2>"$dir/err"
check "clock not set: --check-config says so" grep -q 'the clock is not set.*valid_from=2048-01-01' "$dir/err"
openssl ecparam -name prime256v1 -genkey -noout -out soon.key
openssl req -config ca.cnf -new -key soon.key -subj /O=acme/OU=thermostat/CN=t-0001 -out soon.csr
openssl ca -config ca.cnf -batch -notext -preserveDN -extensions device -cert devices.pem -keyfile devices.key \
    -startdate "$(date -u -d '+6 seconds' +%Y%m%d%H%M%SZ)" -enddate 20490101000000Z -in soon.csr -out soon.pem 2>ca.log
cat devices.pem >>soon.pem
with soon soon
: >"$dir/device.log"
early_has() { grep -q -- "$1" "$dir/early.ledger"; }
sent_early() { grep -qE -- "$1" "$dir/early.out"; }
mosquitto_sub "${client[@]}" -q 1 -t "$topic/telemetry" >"$dir/early.out" 2>/dev/null &
watcher=$!
pids+=("$watcher")
"$thermostat" "${run_certs[@]}" --spool "$dir/early.db" --interval-ms 100 --ledger "$dir/early.ledger" 2>>"$dir/device.log" &
device=$!
pids+=("$device")
check "clock not set: said" within 5 logged "the clock is not set"
check "clock not set: captures" within 5 early_has '^captured [0-9a-f]* [0-9]* [0-9]* {"up":'
check "clock set: said" within 15 logged "the clock is set"
check "clock set: readings have their time" within 5 early_has '^captured [0-9a-f]* [0-9]* [0-9]* {"t":'
check "clock set: the question says what time it is" within 15 sent_early '"seq":[0-9]+,"now":[0-9]{13}[,}].*'
check "clock set: uptimes are sent with the uptime" within 15 \
    sent_early '"seq":1,"now":[0-9]{13},"up":[0-9]+,"readings":\[\{"up":[0-9]+,.*\{"t":[0-9]{13},'
kill -TERM "$device"
wait "$device"
check "clock set: ends cleanly" [ $? = 0 ]
check "clock: each change is said once" [ "$(grep -c 'the clock is' "$dir/device.log")" = 2 ]
kill "$watcher"
wait "$watcher" 2>/dev/null

# [RUN-8] a spool that cannot be written: the control loop goes on, one line per change
status_lost() { retained "$topic/status" | grep -q '"lost":[1-9]'; }
start_small() {
    with device device
    : >"$dir/device.log"
    "$thermostat" "${run_certs[@]}" --spool "$dir/small/x.db" --interval-ms 20 2>>"$dir/device.log" &
    device=$!
    pids+=("$device")
}
if mkdir "$dir/small" && mount -t tmpfs -o size=256k tmpfs "$dir/small" 2>/dev/null; then
    fill() { dd if=/dev/zero of="$dir/small/fill" bs=4k 2>/dev/null; }
    start_small
    within 10 logged "msg=connected" || fail "starts on a small disk"
    fill
    check "disk full: said" within 20 logged "spool cannot be written"
    sleep 1
    check "disk full: said once" [ "$(grep -c "spool cannot be written" "$dir/device.log")" = 1 ]
    check "disk full: in the status" within 15 status_lost
    rm "$dir/small/fill"
    check "disk has room: said" within 20 logged "spool works again"
    kill -TERM "$device"
    wait "$device"
    check "disk full: ends cleanly" [ $? = 0 ]
    check "losses are counted" grep -q 'msg=ended .*lost=[1-9]' "$dir/device.log"
    check "losses are kept" grep -qE ',[1-9][0-9]*$' <("$thermostat" spool "$dir/small/x.db" --format csv)
    rm "$dir/small/"*

    small_pending() { "$thermostat" spool "$dir/small/x.db" --format csv | awk -F, 'NR == 2 { print $5 }'; }
    drained() { [ "$(small_pending)" -lt 20 ]; }
    acknowledged() { [ "$("$thermostat" spool "$dir/small/x.db" --format csv | awk -F, 'NR == 2 { print $4 }')" -gt 0 ]; }
    # outage SIZE: ingest goes, readings wait for it until the disk has no room for more, and it is back.
    outage() {
        mount -o "remount,size=$1" "$dir/small"
        : >"$dir/device.log"
        start_device --spool "$dir/small/x.db"
        within 10 acknowledged || fail "readings are acknowledged before the outage"
        stop_ingest
        sleep 2
        fill
        within 20 logged "spool cannot be written" || fail "fills a disk of $1"
        start_ingest
    }
    end_outage() {
        rm "$dir/small/fill"
        kill -TERM "$device"
        wait "$device"
        rm "$dir/small/"*
    }
    # [RUN-20] The disk has no room for a reserve: what cannot be deleted is not sent over and over.
    outage 2m
    sleep 2
    sent=$(mosquitto_sub "${client[@]}" -t "$topic/telemetry" -W 5 | wc -l)
    check "disk full, no reserve: few messages ($sent in 5 s)" [ "$sent" -le 100 ]
    check "disk full, no reserve: nothing can be deleted" [ "$(small_pending)" -ge 20 ]
    rm "$dir/small/fill"
    check "disk has room: what was captured is acknowledged" within 20 drained
    : >"$dir/small/fill"
    end_outage
    # [SPOOL-19] With a reserve the acknowledgements go on, while the disk is as full as before.
    outage 8m
    check "disk full: what was captured is acknowledged" within 20 drained
    end_outage
    mount -o remount,ro "$dir/small"
    writable() { mount -o remount,rw "$dir/small"; }
    clean_up() { umount "$dir/small"; }
else
    echo "skip disk full: no permission to mount"
    chmod 555 "$dir/small"
    writable() { chmod 755 "$dir/small"; }
    clean_up() { :; }
fi
start_small
check "read-only: said" within 10 logged "spool cannot be written.*code=permission"
check "read-only: connects all the same" within 10 logged "msg=connected"
check "read-only: in the status" within 15 status_lost
check "read-only: said once" [ "$(grep -c "spool cannot be written" "$dir/device.log")" = 1 ]
writable
check "writable again: said" within 20 logged "spool works again.*lost=[1-9]"
kill -TERM "$device"
wait "$device"
check "read-only: ends cleanly" [ $? = 0 ]
clean_up

# [RUN-9] the counters of a spool, in other formats too
check "spool as JSON" grep -q '"identity":"acme/thermostat/t-0001"' <("$thermostat" spool "$spool" --format json)
check "spool as table" grep -q '^acme/thermostat/t-0001 ' <("$thermostat" spool "$spool")

[ "$failures" = 0 ]
