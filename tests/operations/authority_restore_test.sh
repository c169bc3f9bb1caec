#!/usr/bin/env bash
# The registrar's disk is lost, and the authority restored as docs/operations/backup.md and operations.md have it: the same
# serial numbers, CRL numbers that grow, what was revoked stays out, what was issued since the backup is taken back, devices
# go on, are renewed and enrolled. Then a device whose disk is lost. [CA-15] [CA-53] [CA-115] [REG-20] [REG-36]
# shellcheck source=../lib/harness.sh
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
# shellcheck source=../lib/broker.sh
. "$PH_SOURCE/tests/lib/broker.sh"
test_begin "backup and restore of the authority"
# shellcheck source=../life/stage.sh
. "$PH_SOURCE/tests/life/stage.sh"

case ${PH_SANITIZE:-} in
thread*) skip "the broker itself is not built for the thread sanitizer" ;;
esac
need mosquitto_pub openssl sqlite3 csplit

BACKUP=$WORK/backup

# The broker reads a copy of trust/, as on a machine of its own.
copy_trust() { # FROM
    local file
    mkdir -p "$WORK/trust"
    for file in "$1"/*.pem; do
        cp "$file" "$WORK/trust/.new" && mv "$WORK/trust/.new" "$WORK/trust/${file##*/}"
    done
}

broker_apart() {
    copy_trust "$PKI/trust"
    sed -i "s,pki/trust/,trust/," "$WORK/policy.yaml" "$WORK/mosquitto.conf"
}

by_hand() { # NAME: a device's certificate in a folder of CERTS
    ca issue device --ca "$PKI" --tenant acme --kind thermostat --out "$CERTS/$1" "$1"
}

enters() { # NAME: whether the broker lets it in
    mosquitto_pub -V 5 -h localhost -p "$PORT" --cafile "$CERTS/$1/ca.pem" --cert "$CERTS/$1/cert.pem" \
        --key "$CERTS/$1/key.pem" -i "acme/thermostat/$1" -q 1 -t "ph/v1/acme/thermostat/$1/status" \
        -m '{"v":1,"online":true}' >/dev/null 2>&1
}

stays_out() { # NAME
    ! enters "$1"
}

serial_of() { # FILE
    openssl x509 -in "$1" -noout -serial | sed 's/.*=0*//' | tr 'A-F' 'a-f'
}

# crl_number FILE: of the first CRL in it, in decimal.
crl_number() {
    local hex
    hex=$(openssl crl -in "$1" -noout -crlnumber | sed 's/.*=//;s/^0x//')
    printf '%d\n' "0x$hex"
}

listed() { # SERIAL
    authority list --format csv | cut -d, -f1 | grep -qx "$1"
}

# ---- the words of the page ----

back_up() {
    mkdir -p "$BACKUP"
    sqlite3 "$PKI/ca.db" ".backup $BACKUP/ca.db" && tar -C "$PKI" -cf "$BACKUP/keys.tar" --exclude=ca.db . &&
        authority audit verify | sed 's/.*head //' >"$BACKUP/head"
}

restore() {
    mkdir "$WORK/pki.new" && tar -C "$WORK/pki.new" -xf "$BACKUP/keys.tar" &&
        cp "$BACKUP/ca.db" "$WORK/pki.new/ca.db" && chmod 600 "$WORK/pki.new/ca.db"
}

# What the brokers' CRL has and the inventory has not, one serial number a line.
missing_revocations() {
    (
        cd "$WORK" || exit 1
        csplit -sz -f crl- trust/crl.pem '/BEGIN X509 CRL/' '{*}'
        for f in crl-*; do openssl crl -in "$f" -noout -text; done |
            sed -n 's/ *Serial Number: 0*//p' | tr A-F a-f | sort >was
        authority list --state revoked,superseded,held --format csv | cut -d, -f1 | sort | comm -23 was -
    )
}

# ---- cases ----

before_the_loss() {
    by_hand d-1
    by_hand d-2
    ca revoke --ca "$PKI" acme/thermostat/d-2
    make_claim batch 3
    make_thermostat t-1 batch
    ca expect --ca "$PKI" acme/thermostat/t-1
    broker_apart
    start_stage
    start_thermostat t-1
    expect_soon 20 "a device enrols and sends" t-1 stored_at_least 5 acme/thermostat/t-1
    expect_ok "backup, while the registrar runs" back_up
    by_hand d-3
    ca revoke --ca "$PKI" acme/thermostat/d-1
    copy_trust "$PKI/trust"
    expect_soon 10 "a device that was revoked since is out" broker stays_out d-1
    if enters d-3; then ok "one that was issued since is in"; else fail "d-3 does not enter"; fi
    head=$(authority audit verify | sed 's/.*head //')
    number=$(crl_number "$PKI/devices/crl.pem")
    t1=$(serial_of "$WORK/devices/t-1/cert.pem")
}

the_loss() {
    rm -rf "$PKI"
    expect_soon 10 "the registrar ends" registrar ended registrar
    expect_line "and says what is wrong, and what to do" "$WORK/registrar.log" \
        '^ph-ca: .*/ca.db: was moved, deleted or replaced while the registrar ran: put it back, or restore the backup'
    expect_refused "nothing is made anew" "no certificate authority here: restore its backup" \
        "$PH_BIN/ph-ca" serve --config "$WORK/registrar.yaml"
    local have
    have=$(stored acme/thermostat/t-1)
    expect_soon 10 "devices go on without an authority" t-1 stored_at_least "$((have + 5))" acme/thermostat/t-1
    if enters d-3; then ok "and come in"; else fail "d-3 does not enter"; fi
    if stays_out d-1; then ok "and who was revoked stays out"; else fail "d-1 enters"; fi
}

the_restore() {
    local pki=$PKI serial
    expect_ok "the backup is put back, beside" restore
    PKI=$WORK/pki.new
    expect_ok "the head of the backup's day is there" authority audit verify --head "$(cat "$BACKUP/head")"
    expect_refused "the last one is not: the gap" "no record has the hash" \
        "$PH_BIN/ph-ca" audit verify --ca "$PKI" --head "$head"
    expect_ok "what was issued since is taken back" \
        authority import --why "restored from backup" "$CERTS/d-3/cert.pem" "$WORK/devices/t-1/cert.pem"
    missing_revocations >"$WORK/missing"
    if [ "$(cat "$WORK/missing")" = "$(serial_of "$CERTS/d-1/cert.pem")" ]; then
        ok "the brokers' CRL tells what was revoked since"
    else
        fail "want the serial of d-1, have: $(cat "$WORK/missing")"
    fi
    while read -r serial; do
        expect_ok "revoked again" authority revoke --serial "$serial" --reason superseded --why restored
    done <"$WORK/missing"
    expect_ok "CRLs are signed" authority crl
    mv "$PKI" "$pki"
    PKI=$pki
    copy_trust "$PKI/trust"
}

after_the_restore() {
    local now name
    now=$(crl_number "$PKI/devices/crl.pem")
    if [ "$now" -gt "$number" ]; then ok "CRL numbers grow: $number, $now"; else fail "CRL number $now after $number"; fi
    for name in d-1 d-2 d-3; do
        expect_ok "the inventory has the serial number of $name" listed "$(serial_of "$CERTS/$name/cert.pem")"
    done
    expect_ok "and that of the device that enrolled" listed "$t1"
    sleep 3 # the plugin looks at the CRLs once a second
    for name in d-1 d-2; do
        if stays_out "$name"; then ok "$name stays out"; else fail "$name enters"; fi
    done
    by_hand d-4
    for name in d-3 d-4; do
        if enters "$name"; then ok "$name enters"; else fail "$name does not enter: $(tail -n 1 "$WORK/broker.log")"; fi
    done
    start_registrar || die "the registrar does not start: $(tail -n 2 "$WORK/registrar.log")"
    make_claim after 2
    make_thermostat t-2 after
    ca expect --ca "$PKI" acme/thermostat/t-2
    start_thermostat t-2
    expect_soon 20 "the registrar enrols" t-2 stored_at_least 5 acme/thermostat/t-2
    expect_soon 60 "and renews who had enrolled before" t-1 renewed
    expect_ok "the log of acts is one" authority audit verify --head "$(cat "$BACKUP/head")"
}

renewed() {
    [ "$(serial_of "$WORK/devices/t-1/cert.pem")" != "$t1" ] && usable t-1 && known t-1
}

# A device has nothing that needs a backup but its claim: it enrols again, once it is expected again.
device_case() {
    local streams
    stop t-2
    rm -rf "$WORK/devices/t-2"
    make_thermostat t-2 after
    start_thermostat t-2
    expect_soon 15 "a device whose disk is lost is not let in by its name" t-2 \
        grep -q "has enrolled already" "$WORK/t-2.log"
    ca expect --ca "$PKI" --why "new disk" acme/thermostat/t-2
    stop t-2
    start_thermostat t-2
    expect_soon 30 "it enrols once it is expected again" t-2 usable t-2
    expect_soon 30 "and begins a new stream" t-2 two_streams
    streams=$(sqlite3 -readonly "$STORE" \
        "SELECT count(*) FROM (SELECT 1 FROM thermostat GROUP BY device, stream, seq HAVING count(*) > 1)")
    if [ "$streams" = 0 ]; then ok "nothing is stored twice"; else fail "$streams readings are stored twice"; fi
}

two_streams() {
    [ "$(sqlite3 -readonly "$STORE" "SELECT count(DISTINCT stream) FROM thermostat WHERE device = 't-2'")" = 2 ]
}

make_authority
write_configuration
# Renewed within a minute, so that a renewal can be seen.
registrar_says lifetime 90s renew_at 0.4 renew_jitter 0.0 retry_refused 1s
before_the_loss
the_loss
the_restore
after_the_restore
device_case
test_end
