#!/bin/bash
# ph-ingest run against a stock Mosquitto over mutual TLS: stored, acknowledged, dead letters, kill -9,
# SIGHUP, locked store, full disk, SIGTERM.
set -u

# shellcheck source=../tests/lib/ports.sh
. "${PH_SOURCE:?is set by ctest}/tests/lib/ports.sh"
for tool in mosquitto mosquitto_pub mosquitto_sub openssl sqlite3; do
    if ! PATH="$PATH:/usr/sbin" command -v "$tool" >/dev/null; then
        echo "$tool is not installed"
        exit 77
    fi
done
PATH="$PATH:/usr/sbin"
program="$PH_BIN/ph-ingest"
if [ ! -x "$program" ]; then
    echo "$program is not built"
    exit 1
fi
dir=$(mktemp -d /tmp/ph-ingest-run-XXXXXX)
broker="" ingest="" listener="" small="" failures=0

clean_up() {
    for pid in $listener $ingest $broker; do
        kill -9 "$pid" 2>/dev/null
    done
    wait 2>/dev/null
    [ -z "$small" ] || umount "$small"
    [ "$failures" = 0 ] && rm -rf "$dir"
}
trap clean_up EXIT

failed() {
    echo "FAILED $1"
    failures=$((failures + 1))
}

give_up() {
    failed "$1"
    tail -n 20 "$dir/ingest.log" "$dir/broker.log" 2>/dev/null
    exit 1
}

# eventually NAME COMMAND...: true within 15 s
eventually() {
    local name=$1
    shift
    local end=$((SECONDS + 15))
    while [ "$SECONDS" -lt "$end" ]; do
        if "$@" >/dev/null 2>&1; then
            return 0
        fi
        sleep 0.1
    done
    give_up "$name"
}

# leaf NAME SUBJECT EXTENSIONS
leaf() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" \
        -subj "$2" -out "$1.csr" 2>/dev/null
    printf '%s\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n' "$3" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile "$1.ext" \
        -out "$1.pem" 2>/dev/null
    chmod 600 "$1.key"
}

make_certificates() (
    cd "$dir" || exit 1
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -days 2 \
        -subj "/O=phonehome/CN=test root" -out ca.pem 2>/dev/null
    leaf broker "/O=phonehome/CN=broker" \
        "$(printf 'extendedKeyUsage=serverAuth\nsubjectAltName=DNS:localhost,IP:127.0.0.1')"
    leaf ingest "/O=acme/OU=service/CN=ingest" extendedKeyUsage=clientAuth
    leaf device "/O=acme/OU=thermostat/CN=t1" extendedKeyUsage=clientAuth
)

start_broker() {
    for _ in 1 2 3 4 5; do
        port=$(free_port)
        cat >"$dir/mosquitto.conf" <<CONF
listener $port 127.0.0.1
cafile $dir/ca.pem
certfile $dir/broker.pem
keyfile $dir/broker.key
require_certificate true
allow_anonymous true
max_queued_messages 100000
CONF
        if [ "$(id -u)" = 0 ]; then
            echo "user root" >>"$dir/mosquitto.conf"
        fi
        mosquitto -c "$dir/mosquitto.conf" >"$dir/broker.log" 2>&1 &
        broker=$!
        for _ in $(seq 30); do
            publish probe x 2>/dev/null && return 0
            kill -0 "$broker" 2>/dev/null || break
            sleep 0.1
        done
    done
    give_up "broker does not start"
}

client() {
    local tool=$1
    shift
    "$tool" -V 5 -h localhost -p "$port" --cafile "$dir/ca.pem" --cert "$dir/device.pem" --key "$dir/device.key" \
        "$@"
}

publish() { client mosquitto_pub -q 1 -t "$1" -m "$2"; }

# reading DEVICE FIRST COUNT
reading() {
    local readings="" i
    for ((i = 0; i < $3; i++)); do
        readings+=",{\"t\":$((1790000000000 + $2 + i)),\"temperature_c\":21.5}"
    done
    publish "ph/v1/acme/thermostat/$1/telemetry" \
        "{\"v\":1,\"stream\":\"00000000000000aa\",\"seq\":$2,\"readings\":[${readings#,}]}"
}

# Collects acknowledgements in a file that can be emptied meanwhile.
listen() {
    : >"$dir/acks"
    client mosquitto_sub -q 1 -t 'ph/v1/+/+/+/ack' -F '%t %p' >>"$dir/acks" 2>/dev/null &
    listener=$!
}

start_ingest() {
    "$program" run --config "$dir/ingest.yaml" >>"$dir/ingest.log" 2>&1 &
    ingest=$!
}

stop_ingest() {
    local status=0
    kill -TERM "$ingest"
    wait "$ingest" || status=$?
    ingest=""
    [ "$status" = 0 ] || give_up "exit status after SIGTERM: $status"
}

totals() { "$program" stats --config "$dir/ingest.yaml" --totals --format csv | tail -n 1 | tr -d '\r'; }
stored_is() { [ "$(totals | cut -d, -f3)" = "$1" ]; }
letters_are() { [ "$(totals | cut -d, -f5,6)" = "$1" ]; } # kept,counted
status_is() {
    [ "$(client mosquitto_sub -q 1 -t ph/v1/ingest/status -C 1 -W 5)" = "{\"v\":1,\"online\":$1}" ]
}
acked() { grep -qF -e "$1" "$dir/acks"; }
reloaded() { [ "$(grep -c 'msg="kinds and limits reloaded"' "$dir/ingest.log")" = "$1" ]; }
logged() { grep -qF -e "$1" "$dir/ingest.log"; }

make_certificates
start_broker
cat >"$dir/kinds.yaml" <<'YAML'
kinds:
  - name: thermostat
    fields: [{name: temperature_c, type: number, unit: Cel, min: -40, max: 85, required: true}]
YAML
cat >"$dir/ingest.yaml" <<YAML
broker: {host: localhost, port: $port, ca: ca.pem, certificate: ingest.pem, key: ingest.key}
store: readings.db
kinds: kinds.yaml
batch: {delay_ms: 20}
YAML
listen

# [ING-50] [ING-3] subscribed, online, stored, acknowledged
start_ingest
eventually "online" status_is true
reading t1 1 3
eventually "stored" stored_is 3
eventually "acknowledged" acked \
    'ph/v1/acme/thermostat/t1/ack {"v":1,"stream":"00000000000000aa","through":3}'
reading t1 7 2
eventually "range" acked '"through":3,"also":[[7,8]]}'
: >"$dir/acks"
reading t1 1 3
eventually "duplicate acknowledged again" acked '"through":3,"also":[[7,8]]}'
stored_is 5 || failed "duplicate stored: $(totals)"

# [ING-132] what a device asks before it sends
publish ph/v1/acme/thermostat/t0/telemetry '{"v":1,"stream":"00000000000000aa","seq":1,"readings":[]}'
eventually "question about nothing" acked 'thermostat/t0/ack {"v":1,"stream":"00000000000000aa","through":0,"asked":1}'
: >"$dir/acks"
publish ph/v1/acme/thermostat/t1/telemetry '{"v":1,"stream":"00000000000000aa","seq":2,"readings":[]}'
eventually "question" acked 'thermostat/t1/ack {"v":1,"stream":"00000000000000aa","through":3,"also":[[7,8]],"asked":2}'

# [ING-60] [ING-62] [ING-64] provenance: this broker has no plugin, so its clients say what they like
fingerprint=$(printf '0123456789abcdef%.0s' 1 2 3 4)
identity=devices:acme/thermostat/p1
# vouch SEQ PROPERTY...: one reading of p1, with user properties NAME=VALUE
vouch() {
    local seq=$1 property options=()
    shift
    for property; do
        options+=(-D publish user-property "${property%%=*}" "${property#*=}")
    done
    client mosquitto_pub -q 1 -t ph/v1/acme/thermostat/p1/telemetry "${options[@]}" -m \
        "{\"v\":1,\"stream\":\"00000000000000cc\",\"seq\":$seq,\"readings\":[{\"t\":$seq,\"temperature_c\":1}]}"
}
vouch 1 "ph-identity=$identity" x=y "ph-fingerprint=$fingerprint"
vouch 2
vouch 3 "ph-identity=$identity" "ph-fingerprint=${fingerprint^^}"
vouch 4 "ph-identity=$identity" "ph-fingerprint=$fingerprint" "ph-fingerprint=$fingerprint"
vouch 5 "ph-identity=devices:acme/thermostat/p2" "ph-fingerprint=$fingerprint"
flood=()
for i in $(seq 200); do flood+=("ph-x$i=$fingerprint"); done
vouch 6 "${flood[@]}" "ph-identity=$identity" "ph-fingerprint=$fingerprint"
vouch 7 "${flood[@]/#ph-/}" "ph-identity=$identity" "ph-fingerprint=$fingerprint"
eventually "stored with and without certificate" stored_is 12
eventually "acknowledged with and without certificate" acked \
    'thermostat/p1/ack {"v":1,"stream":"00000000000000cc","through":7}'
vouched=$("$program" query --config "$dir/ingest.yaml" --device acme/thermostat/p1 --certificates --format csv |
    tr -d '\r' | cut -d, -f 3,9-)
[ "$vouched" = "seq,fingerprint,unvouched
1,$fingerprint,
2,,missing
3,,malformed
4,,repeated
5,,other-identity
6,,malformed
7,$fingerprint," ] || failed "certificates: $vouched"
[ "$(totals | cut -d, -f7-12)" = "2,6,2,1,1,0" ] || failed "totals of certificates: $(totals)"
logged 'kept, and flagged" reason=missing topic=ph/v1/acme/thermostat/' || failed "unvouched readings not logged"

# [ING-20] dead letters; the first stays with the broker as a retained copy
client mosquitto_pub -q 1 -r -t ph/v1/acme/thermostat/t9/telemetry -m garbage
publish ph/v1/acme/toaster/t1/telemetry \
    '{"v":1,"stream":"00000000000000bb","seq":1,"readings":[{"t":1,"x":1},{"t":2,"x":2}]}'
eventually "dead letters" letters_are 2,0
eventually "dead letter acknowledged" acked \
    'ph/v1/acme/toaster/t1/ack {"v":1,"stream":"00000000000000bb","through":2}'

# the view, while ingest runs
if [ "$(sqlite3 -readonly "$dir/readings.db" 'SELECT count(*), min(time) FROM thermostat')" != \
    "12|1970-01-01T00:00:00.001Z" ]; then
    failed "view"
fi

# [ING-51] [ING-52] kill -9: the will says offline, the broker keeps what comes, the restart stores it
kill -9 "$ingest"
wait "$ingest" 2>/dev/null # "Killed" is bash telling
eventually "offline after kill -9" status_is false
reading t1 4 3
reading t2 1 2
start_ingest
eventually "stored after the restart" stored_is 17
eventually "gap closed" acked '"through":8}'
eventually "session resumed" logged "session=resumed"

# [KND-7] [ING-54] [ING-137] SIGHUP: a bad file changes nothing; a good one adds a kind, and limits hold
cp "$dir/kinds.yaml" "$dir/kinds.good"
echo "nonsense: 1" >"$dir/kinds.yaml"
kill -HUP "$ingest"
eventually "bad kinds refused" logged "kinds and limits not reloaded, the old ones stay in force"
{
    cat "$dir/kinds.good"
    printf '  - name: toaster\n    fields: [{name: x, type: integer}]\n'
} >"$dir/kinds.yaml"
cp "$dir/ingest.yaml" "$dir/ingest.good"
echo "dead_letters: {per_minute: nonsense}" >>"$dir/ingest.yaml"
kill -HUP "$ingest"
eventually "bad configuration refused" logged per_minute
reloaded 0 || failed "reloaded a bad configuration"
cp "$dir/ingest.good" "$dir/ingest.yaml"
echo "dead_letters: {per_minute: 1}" >>"$dir/ingest.yaml"
kill -HUP "$ingest"
eventually "kinds and limits reloaded" reloaded 1
publish ph/v1/acme/toaster/t1/telemetry '{"v":1,"stream":"00000000000000bb","seq":3,"readings":[{"t":1,"x":1}]}'
eventually "new kind stored" stored_is 18
for _ in 1 2 3; do publish ph/v1/acme/thermostat/t7/telemetry garbage; done
eventually "dead letters limited" letters_are 3,2

# [ING-4] [ING-6] locked store: nothing acknowledged, devices told, everything stored afterwards
: >"$dir/acks"
mkfifo "$dir/hold"
sqlite3 "$dir/readings.db" <"$dir/hold" &
holder=$!
exec 9>"$dir/hold"
echo "BEGIN IMMEDIATE;" >&9
sleep 0.3
reading t3 1 4
eventually "store down noticed" logged "store down"
eventually "devices told to hold back" status_is false
acked t3 && failed "acknowledged while the store was locked"
kill -HUP "$ingest" # kept for later
echo "ROLLBACK;" >&9
exec 9>&-
wait "$holder"
eventually "stored after the lock" stored_is 22
eventually "acknowledged after the lock" acked 'thermostat/t3/ack {"v":1,"stream":"00000000000000aa","through":4}'
eventually "online after the lock" status_is true
eventually "kinds reloaded after the lock" reloaded 2

# [ING-53] SIGTERM: what was received is committed, status offline, exit 0
for i in $(seq 300); do
    echo "{\"v\":1,\"stream\":\"00000000000000aa\",\"seq\":$i,\"readings\":[{\"t\":$i,\"temperature_c\":1}]}"
done | client mosquitto_pub -q 1 -l -t ph/v1/acme/thermostat/t4/telemetry
stop_ingest
status_is false || failed "status after SIGTERM"
logged stopping || failed "stopping not logged"
start_ingest
eventually "all stored" stored_is 322
eventually "online again" status_is true

# [ING-14] the broker goes and comes back
kill -9 "$broker"
wait "$broker" 2>/dev/null
mosquitto -c "$dir/mosquitto.conf" >>"$dir/broker.log" 2>&1 &
broker=$!
eventually "online after the broker's restart" status_is true
reading t5 1 1
eventually "stored after the broker's restart" stored_is 323
stop_ingest
letters_are 3,2 || failed "[ING-15] a retained copy was taken: $(totals)"
[ "$(totals | cut -d, -f4)" = 0 ] || failed "duplicates: $(totals)"
[ "$(sqlite3 "$dir/readings.db" 'PRAGMA integrity_check')" = ok ] || failed "integrity"

# [ING-55] full disk: nothing acknowledged, said once, and everything stored when there is space
full_disk() {
    small=$dir/small
    mkdir "$small"
    if ! mount -t tmpfs -o size=2m,mode=0700 none "$small" 2>/dev/null; then
        small=""
        echo "full disk: skipped, needs root and the right to mount a tmpfs"
        return
    fi
    sed -i "s|^store:.*|store: $small/readings.db|" "$dir/ingest.yaml"
    : >"$dir/ingest.log"
    kill "$listener" 2>/dev/null # it was there before the broker's restart
    listen
    start_ingest
    eventually "online on the small disk" status_is true
    reading t6 1 3
    eventually "stored on the small disk" stored_is 3
    cat /dev/zero >"$small/ballast" 2>/dev/null # until it is full
    local i
    for ((i = 4; i < 1000; i += 50)); do # more than fits into the pages that the log has already
        reading t6 "$i" 50
    done
    eventually "full disk noticed" logged "store down"
    eventually "devices told to hold back" status_is false
    sleep 2 # a few attempts
    local highest
    highest=$(sed -n 's/.*"through":\([0-9]*\).*/\1/p' "$dir/acks" | sort -n | tail -n 1)
    [ "$highest" -lt 1003 ] || failed "acknowledged on a full disk: $highest"
    [ "$(grep -c "store down" "$dir/ingest.log")" = 1 ] || failed "full disk: want one line, have: $(cat "$dir/ingest.log")"
    grep "store down" "$dir/ingest.log" | grep -q "disk" || failed "the line does not name the disk"
    rm "$small/ballast"
    eventually "stored once there is space" stored_is 1003
    eventually "acknowledged once there is space" acked '"through":1003}'
    eventually "online once there is space" status_is true
    stop_ingest
    [ "$(totals | cut -d, -f4)" = 0 ] || failed "duplicates after the full disk: $(totals)"
}
full_disk

[ "$failures" = 0 ] && echo "ok"
exit "$((failures > 0))"
