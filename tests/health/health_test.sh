#!/usr/bin/env bash
# ph-ingest health and ph-ca health beside services that run, hang, are cut off, lose their disk, their keys or their
# folder; and the metrics that both write meanwhile.
# shellcheck source=../lib/harness.sh
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
# shellcheck source=../lib/broker.sh
. "$PH_SOURCE/tests/lib/broker.sh"
test_begin "health of the services"
# shellcheck source=../life/stage.sh
. "$PH_SOURCE/tests/life/stage.sh"
need sqlite3 sha256sum
trap 'umount -l "$WORK/small" 2>/dev/null; cleanup' EXIT

health_of() { # ingest|registrar
    case $1 in
        ingest) "$PH_BIN/ph-ingest" health --config "${INGEST_CONFIG:-$WORK/ingest.yaml}" ;;
        registrar) "$PH_BIN/ph-ca" health --config "$WORK/registrar.yaml" ;;
    esac
}

# healthy WHO; says_ill WHO REGEX: status 1 and one line.
healthy() {
    local said
    said=$(health_of "$1" 2>&1) && [ "$(wc -l <<<"$said")" = 1 ] &&
        grep -Eq '^healthy: committed [0-9]+ s ago, connected for [0-9]+ s, version ' <<<"$said"
}

says_ill() {
    local said status=0
    said=$(health_of "$1" 2>&1) || status=$?
    [ "$status" = 1 ] && [ "$(wc -l <<<"$said")" = 1 ] && grep -Eq -- "$2" <<<"$said"
}

expect_healthy() { # TEXT WHO
    if wait_for 15 healthy "$2"; then ok "$1"; else fail "$1: $(health_of "$2" 2>&1)"; fi
}

expect_ill() { # TEXT WHO REGEX
    if wait_for 15 says_ill "$2" "$3"; then ok "$1"; else fail "$1: want /$3/: $(health_of "$2" 2>&1)"; fi
}

make_authority
write_configuration
sed -i "s,^beat_s: .*,beat_s: 1,; s,^#metrics: .*,metrics: $WORK/ingest.prom," "$WORK/ingest.yaml"
sed -i "s,^beat: .*,beat: 1s,; s,^#metrics: .*,metrics: $WORK/registrar.prom," "$WORK/registrar.yaml"

# ---- before anything ran

# [HLT-14]
expect_ill "ingest: no store yet" ingest 'store: .*readings\.db.*start ph-ingest run'
sed 's,certificate: [^ ,}]*,certificate: gone.pem,' "$WORK/ingest.yaml" >"$WORK/gone.yaml"
INGEST_CONFIG=$WORK/gone.yaml expect_ill "a certificate that is not there is no store that is not there" ingest \
    'gone\.pem: open: No such file or directory$'
# [HLT-22]
expect_ill "registrar: never ran" registrar 'no beat of ph-ca serve: start it'
sed 's,^store:,storage:,' "$WORK/ingest.yaml" >"$WORK/bad.yaml"
INGEST_CONFIG=$WORK/bad.yaml expect_refused "a wrong configuration is said so" 'bad\.yaml.*storage' health_of ingest

# ---- good days

start_stage
# [HLT-10] [HLT-20]
expect_healthy "ingest: healthy without a single reading" ingest
expect_healthy "registrar: healthy" registrar

# [HLT-4] Looking changes nothing.
kill -s STOP "${PIDS[ingest]}" "${PIDS[registrar]}"
before=$(sha256sum "$STORE" "$STORE-wal" "$PKI/ca.db" "$PKI/ca.db-wal")
health_of ingest >/dev/null 2>&1
health_of registrar >/dev/null 2>&1
if [ "$(sha256sum "$STORE" "$STORE-wal" "$PKI/ca.db" "$PKI/ca.db-wal")" = "$before" ]; then
    ok "looking changes neither store nor inventory"
else
    fail "a look changed the store or the inventory"
fi

# ---- hung, and on again

# [HLT-11] [HLT-21]
expect_ill "ingest: a process that hangs" ingest \
    'nothing committed for [0-9]+ s \(want less than 3\): ph-ingest run is stopped, hangs, or cannot write'
expect_ill "registrar: a process that hangs" registrar 'nothing committed for [0-9]+ s .*: ph-ca serve is stopped, hangs'
kill -s CONT "${PIDS[ingest]}" "${PIDS[registrar]}"
expect_healthy "ingest: healthy again" ingest
expect_healthy "registrar: healthy again" registrar

# ---- the broker is away

# [HLT-12] [HLT-21]
stop broker
expect_ill "ingest: no broker" ingest \
    'not connected to the broker for [0-9]+ s; .* let acme/service/ingest in\? the log of ph-ingest run says why'
expect_ill "registrar: no broker" registrar 'not connected to the broker for .* let acme/service/registrar in\?'
broker_start broker "$WORK/mosquitto.conf" || die "the broker does not start again"
expect_healthy "ingest: the broker is back" ingest
expect_healthy "registrar: the broker is back" registrar

# ---- the store

# [HLT-11]
lock_store() {
    exec {lock}> >(exec sqlite3 "$STORE" >/dev/null 2>&1)
    printf 'BEGIN IMMEDIATE;\n' >&"$lock"
}
lock_store
expect_ill "ingest: somebody locks the store for good" ingest 'nothing committed for [0-9]+ s '
exec {lock}>&-
expect_healthy "ingest: the lock is gone" ingest

# [HLT-11] [HLT-13]
stop ingest KILL
expect_ill "ingest: killed" ingest 'nothing committed for [0-9]+ s '
sqlite3 "$STORE" 'UPDATE _beat SET at = at + 86400000'
expect_ill "ingest: the clock was set back" ingest 'the last beat is 86[0-9]{3} s in the future: the clock was set back'
start_ingest || die "ingest does not start again"
expect_healthy "ingest: its next beat mends that" ingest

# [HLT-3] [HLT-14]
stop ingest
sqlite3 "$STORE" 'DROP TABLE _beat; PRAGMA user_version = 3'
expect_ill "ingest: a store of an older version" ingest 'want 4, have 3'
start_ingest || die "ingest does not upgrade the store"
expect_healthy "ingest: upgrades it and is healthy" ingest

# [HLT-14] A server that nobody answers for.
sed "s,^store: .*,store: \"postgresql://nobody@localhost:$(free_port)/phonehome\"," "$WORK/ingest.yaml" >"$WORK/pg.yaml"
INGEST_CONFIG=$WORK/pg.yaml expect_ill "ingest: the database server is down" ingest \
    'store: localhost/phonehome: connect: .*refused'

# [HLT-15]
full_disk() {
    mkdir "$WORK/small"
    mount -t tmpfs -o size=3m ph-health "$WORK/small" 2>/dev/null || {
        printf '# a full disk: not tested, no file system can be mounted here\n'
        return
    }
    sed "s,^store: .*,store: $WORK/small/readings.db,; s,^metrics: .*,metrics: $WORK/small.prom," \
        "$WORK/ingest.yaml" >"$WORK/small.yaml"
    stop ingest
    spawn small "$WORK/small.log" "$PH_BIN/ph-ingest" run --config "$WORK/small.yaml"
    INGEST_CONFIG=$WORK/small.yaml expect_healthy "ingest: a small disk" ingest
    dd if=/dev/zero of="$WORK/small/ballast" bs=4k >/dev/null 2>&1
    INGEST_CONFIG=$WORK/small.yaml expect_ill "ingest: its disk is full" ingest \
        "nothing is committed, and $WORK/small is full \([0-9]+ kB free\): make room"
    expect_line "which its log says too" "$WORK/small.log" 'store down.*full'
    rm "$WORK/small/ballast"
    INGEST_CONFIG=$WORK/small.yaml expect_healthy "ingest: there is room again" ingest
    stop small
    umount "$WORK/small"
    start_ingest || die "ingest does not start again"
}
full_disk

# ---- the authority

# [HLT-23]
mv "$PKI/devices/ca.key" "$WORK/ca.key"
expect_ill "registrar: the key is gone" registrar 'CA devices cannot issue: .*ca\.key'
chmod 644 "$WORK/ca.key"
cp -p "$WORK/ca.key" "$PKI/devices/ca.key"
expect_ill "registrar: others may read the key" registrar 'CA devices cannot issue: .*ca\.key'
chmod 600 "$WORK/ca.key"
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$PKI/devices/ca.key" 2>/dev/null
chmod 600 "$PKI/devices/ca.key"
expect_ill "registrar: another key" registrar 'CA devices cannot issue: '
cp -p "$WORK/ca.key" "$PKI/devices/ca.key"
expect_healthy "registrar: the key is back" registrar
# [HLT-24]
mv "$PKI/devices/crl.pem" "$WORK/crl.pem"
expect_ill "registrar: no CRL" registrar 'devices.*crl\.pem'
mv "$WORK/crl.pem" "$PKI/devices/crl.pem"
expect_healthy "registrar: the CRL is back" registrar
# [HLT-22]
mv "$PKI" "$WORK/pki.away"
expect_ill "registrar: its folder is gone" registrar 'no certificate authority here'
if wait_line 10 "$WORK/registrar.log" 'the inventory cannot be written: nothing is issued|was moved, deleted or replaced' &&
    [ ! -e "$PKI" ]; then
    ok "its log says so, and nothing is made in its place"
else
    fail "a folder that went away: $(tail -n 2 "$WORK/registrar.log"; ls "$PKI" 2>&1)"
fi
mv "$WORK/pki.away" "$PKI"
is_running registrar || start_registrar || die "the registrar does not start again"
expect_healthy "registrar: the folder is back" registrar

# ---- metrics

value_of() { # FILE SERIES
    awk -v series="$2" '$1 == series { print $2 }' "$WORK/$1.prom"
}

expect_value() { # TEXT FILE SERIES REGEX
    local have
    have=$(value_of "$2" "$3")
    if [[ $have =~ ^($4)$ ]]; then ok "$1: $3 $have"; else fail "$1: want $3 $4, have ${have:-none}"; fi
}

value_is() { # FILE SERIES VALUE
    [ "$(value_of "$1" "$2")" = "$3" ]
}

# [MET-10] [MET-11] [MET-12]
wait_for 15 value_is ingest phonehome_ingest_connected 1
wait_for 15 value_is registrar phonehome_registrar_connected 1
expect_value "metrics of ingest" ingest phonehome_ingest_connected 1
expect_value "metrics of ingest" ingest phonehome_ingest_store_up 1
expect_value "metrics of ingest" ingest phonehome_ingest_last_commit_timestamp_seconds "$(date +%s | cut -c 1-6)[0-9.]+"
expect_value "metrics of the registrar" registrar phonehome_registrar_connected 1
expect_value "metrics of the registrar" registrar 'phonehome_ca_certificates{state="valid"}' '[1-9][0-9]*'
expect_value "metrics of the registrar" registrar 'phonehome_ca_crl_left_seconds{ca="devices"}' '[1-9][0-9]{4,}\.[0-9]{3}'
for file in ingest registrar; do
    if [ "$(stat -c %a "$WORK/$file.prom")" = 644 ] && [ "$(tail -c 1 "$WORK/$file.prom" | od -An -c | tr -d ' ')" = '\n' ] &&
        [ -z "$(grep -v '^#' "$WORK/$file.prom" | cut -d ' ' -f 1 | sort | uniq -d)" ]; then
        ok "$file.prom is for everybody, whole, and has no series twice"
    else
        fail "$file.prom: $(ls -l "$WORK/$file.prom")"
    fi
done

test_end
