#!/usr/bin/env bash
# What a person does with the units, in the order of docs/operations/systemd.md: run by boot_test.sh on a
# machine that systemd has booted. Prints "ok ..." and "FAIL ..." lines.
# shellcheck source-path=SCRIPTDIR/../lib
. "${PH_SOURCE:?}/tests/lib/harness.sh"
export PATH=$PREFIX/bin:$PATH

CA=/var/lib/phonehome/ca
ETC=/etc/phonehome
UNITS="mosquitto phonehome-registrar phonehome-ingest phonehome-thermostat@t-0001"

as_ca() {
    runuser -u phonehome-ca -- "$@"
}

property() { # UNIT NAME
    systemctl show --value --property "$2" "$1"
}

status_is() { # UNIT REGEX
    [[ $(property "$1" StatusText) =~ $2 ]]
}

expect_status() { # TEXT UNIT REGEX [SECONDS]
    if wait_for "${4:-20}" status_is "$2" "$3"; then ok "$1"; else
        fail "$1: want /$3/, have \"$(property "$2" StatusText)\"; $(log_of "$2")"
    fi
}

log_of() {
    {
        journalctl --no-pager --quiet --output=cat --lines=4 --unit "$1"
        [ "$1" != mosquitto ] || tail -n 3 /var/log/mosquitto/mosquitto.log
    } | tr '\n' ';'
}

expect_started() { # UNIT
    if systemctl start "$1" && [ "$(property "$1" ActiveState)" = active ]; then ok "$1 starts"; else
        fail "$1 does not start: $(property "$1" Result) $(property "$1" ExecMainStatus): $(log_of "$1")"
    fi
}

# Users and folders came with the boot; the rest is what the document says.
make_certificates() {
    ph-ca init "$CA" && cd "$ETC" &&
        ph-ca issue service --tenant acme --out registrar registrar &&
        ph-ca issue service --tenant acme --out ingest ingest &&
        ph-ca issue broker --dns localhost --out broker broker &&
        ph-ca issue device --tenant acme --kind thermostat --out /var/lib/phonehome/device/t-0001 t-0001 &&
        chown -R phonehome-ca: "$CA" && chown -R mosquitto: broker &&
        chown -R phonehome-device: /var/lib/phonehome/device &&
        as_ca ph-ca issue claim --tenant acme --max 5 --out pki/factory batch-1 &&
        as_ca ph-ca expect acme/thermostat/t-0002
}

configure() {
    cp "$PREFIX"/share/phonehome/*.yaml "$ETC/"
    sed -i "s,^store: .*,store: /var/lib/phonehome/ingest/readings.db," "$ETC/ingest.yaml"
    sed -i 's/interval_ms: 10000/interval_ms: 200/' "$ETC/thermostat.yaml"
    grep -v '^\(persistence\|persistence_location\|log_dest\) ' "$PREFIX/share/phonehome/mosquitto.conf" |
        sed "s,^plugin /.*,plugin $PH_PLUGIN," >/etc/mosquitto/conf.d/phonehome.conf
}

# [UNIT-2] [UNIT-4] without a broker: ready, and waiting
services_start() {
    local unit
    for unit in phonehome-registrar phonehome-ingest phonehome-thermostat@t-0001; do
        expect_started "$unit"
    done
    expect_status "ingest waits for the broker" phonehome-ingest 'Waits for the broker localhost:8883: '
    expect_started mosquitto
    expect_status "ingest stores" phonehome-ingest 'Stores; since the start [1-9][0-9]* readings'
    expect_status "the registrar serves" phonehome-registrar 'Serves'
    expect_status "the thermostat is connected" phonehome-thermostat@t-0001 'acme/thermostat/t-0001: connected'
}

proc_status() { # UNIT FIELD
    sed -n "s/^$2:[[:space:]]*//p" "/proc/$(property "$1" MainPID)/status"
}

# [UNIT-7] seen from outside: who they are and what the kernel lets them do
services_are_confined() {
    local unit
    for unit in phonehome-registrar phonehome-ingest phonehome-thermostat@t-0001; do
        if [[ $(ps -o user:32= -p "$(property "$unit" MainPID)") == phonehome-* ]] &&
            [ "$(proc_status "$unit" CapEff)" = 0000000000000000 ] && [ "$(proc_status "$unit" CapBnd)" = 0000000000000000 ] &&
            [ "$(proc_status "$unit" NoNewPrivs)" = 1 ] && [ "$(proc_status "$unit" Seccomp)" = 2 ]; then
            ok "$unit: a user of its own, no capability, filtered system calls"
        else
            fail "$unit: $(grep -E '^(Uid|Cap|NoNew|Secc)' "/proc/$(property "$unit" MainPID)/status")"
        fi
    done
    expect_ok "the spool and the store are closed to others" test \
        "$(stat -c '%a %U' /var/lib/phonehome/ingest/readings.db /var/lib/phonehome/device/t-0001/spool.db | tr '\n' ' ')" = \
        "600 phonehome-ingest 600 phonehome-device "
}

# within UNIT COMMAND...: with the view that the service has of the file system
within() {
    local pid
    pid=$(property "$1" MainPID)
    shift
    nsenter --target "$pid" --mount --root "$@"
}

# [UNIT-8] [UNIT-9] the key is root's; the service has it by its credential, and nobody else has that
keys_are_handed_over() {
    local credential=/run/credentials/phonehome-ingest.service/broker.key
    expect_ok "the key of ingest is root's" test "$(stat -c '%a %U' "$ETC/ingest/key.pem")" = "600 root"
    expect_refused "control: its user cannot read it" 'Permission denied' runuser -u phonehome-ingest -- cat "$ETC/ingest/key.pem"
    expect_ok "its user can read the credential" runuser -u phonehome-ingest -- test -r "$credential"
    expect_refused "another's cannot" 'Permission denied' runuser -u phonehome-device -- cat "$credential"
    echo "# the credential: $(stat -c '%a %U' "$credential")"
}

broker_is_kept_away() {
    expect_ok "control: root sees the spool" ls /var/lib/phonehome/device/t-0001/spool.db
    expect_refused "the broker's view has none" 'Permission denied|No such file' \
        within mosquitto setpriv --reuid=mosquitto --clear-groups ls /var/lib/phonehome/device/t-0001
    expect_refused "nor a key of ingest" 'Permission denied|No such file' \
        within mosquitto setpriv --reuid=mosquitto --clear-groups cat "$ETC/ingest/key.pem"
    expect_ok "it sees the CRLs" within mosquitto setpriv --reuid=mosquitto --clear-groups cat "$ETC/pki/trust/crl.pem"
    expect_ok "its limit of open files is the drop-in's" test "$(property mosquitto LimitNOFILE)" = 100000
}

a_revocation_reaches_the_broker() {
    expect_ok "revoked by the registrar's user" as_ca ph-ca revoke acme/thermostat/t-0001
    expect_status "the thermostat is cut off" phonehome-thermostat@t-0001 't-0001: not connected'
}

# A device that has a claim and no certificate: the claim comes from the credential store.
a_device_enrols() {
    local folder=/var/lib/phonehome/device/t-0002
    mkdir -p /etc/credstore "$folder"
    cp "$CA/factory/ca.pem" "$folder/"
    chown -R phonehome-device: "$folder"
    install -m 600 "$CA/factory/cert.pem" /etc/credstore/phonehome.claim.certificate
    install -m 600 "$CA/factory/key.pem" /etc/credstore/phonehome.claim.key
    cat >>"$ETC/thermostat.yaml" <<'YAML'
claim: { certificate: claim/cert.pem, key: claim/key.pem, kind: thermostat, name: t-0002 }
YAML
    expect_started phonehome-thermostat@t-0002
    expect_status "it enrols, and captures" phonehome-thermostat@t-0002 'acme/thermostat/t-0002: connected; [1-9]' 30
    expect_ok "its key is its own" test "$(stat -c '%a %U' "$folder/key.pem")" = "600 phonehome-device"
}

restarted() {
    [ "$(property phonehome-ingest NRestarts)" -ge 1 ] && [ "$(property phonehome-ingest ActiveState)" = active ]
}

# [UNIT-3] a process that stands still is found out, killed and started again
the_watchdog_bites() {
    mkdir -p /run/systemd/system/phonehome-ingest.service.d
    printf '[Service]\nWatchdogSec=2\nRestartSec=1\n' >/run/systemd/system/phonehome-ingest.service.d/test.conf
    systemctl daemon-reload
    systemctl restart phonehome-ingest
    sleep 4
    expect_ok "control: it lives on under a watchdog of 2 s" test "$(property phonehome-ingest NRestarts)" = 0
    kill -s STOP "$(property phonehome-ingest MainPID)"
    if wait_for 20 restarted && journalctl --unit phonehome-ingest | grep -q 'Watchdog timeout'; then
        ok "once it stands still it is killed and started again"
    else
        fail "stopped, and not started again: $(property phonehome-ingest ActiveState) $(log_of phonehome-ingest)"
    fi
    expect_status "and stores again" phonehome-ingest 'Stores; since the start [1-9]'
}

# [UNIT-7]
a_wrong_configuration_is_not_repeated() {
    cp "$ETC/ingest.yaml" "$ETC/ingest.good"
    echo 'colour: blue' >>"$ETC/ingest.yaml"
    expect_refused "a wrong configuration is refused" 'failed' systemctl restart phonehome-ingest
    sleep 3
    if [ "$(property phonehome-ingest ActiveState)" = failed ] && [ "$(property phonehome-ingest ExecMainStatus)" = 78 ] &&
        [ "$(property phonehome-ingest NRestarts)" = 0 ]; then
        ok "it stays failed with status 78, and is not tried again"
    else
        fail "state $(property phonehome-ingest ActiveState), $(property phonehome-ingest NRestarts) restarts"
    fi
    mv "$ETC/ingest.good" "$ETC/ingest.yaml"
    mv "$ETC/ingest/key.pem" "$ETC/ingest/key.away"
    systemctl reset-failed phonehome-ingest
    expect_refused "a key that is not there, too" 'failed' systemctl restart phonehome-ingest
    expect_ok "as 243/CREDENTIALS" test "$(property phonehome-ingest ExecMainStatus)" = 243
    mv "$ETC/ingest/key.away" "$ETC/ingest/key.pem"
    if wait_for 20 restarted; then ok "and works once it is there"; else fail "the key is back, and ingest is not: $(log_of phonehome-ingest)"; fi
}

services_end() {
    local unit
    expect_ok "reload" systemctl reload phonehome-ingest
    for unit in $UNITS; do
        systemctl stop "$unit"
        if [ "$(property "$unit" Result)" = success ]; then ok "$unit ends well"; else
            fail "$unit: $(property "$unit" Result): $(log_of "$unit")"
        fi
    done
}

test_begin "units under systemd $(systemctl --version | awk 'NR == 1 { print $2 }')"
make_certificates >"$WORK/certificates.log" 2>&1 || die "$(<"$WORK/certificates.log")"
configure
services_start
services_are_confined
keys_are_handed_over
broker_is_kept_away
a_device_enrols
a_revocation_reaches_the_broker
the_watchdog_bites
a_wrong_configuration_is_not_repeated
services_end
test_end
