#!/usr/bin/env bash
# What the README says of the packages, word for word, on a machine that systemd has booted and that has them installed and
# nothing configured; then an upgrade and a purge while all runs. packages_test.sh starts it. Prints "ok ..." and "FAIL ...".
# shellcheck source-path=SCRIPTDIR/../lib
. "${PH_SOURCE:?}/tests/lib/harness.sh"
export PATH=$PATH:/usr/sbin:/sbin DEBIAN_FRONTEND=noninteractive

SERVICES=(phonehome-registrar phonehome-ingest phonehome-thermostat@t-0001)

stored() {
    ph-ingest stats --format csv 2>/dev/null | awk -F, 'NR > 1 { rows += $3 } END { print rows + 0 }'
}
stored_more_than() {
    [ "$(stored)" -gt "$1" ]
}

main_pid() {
    systemctl show --value --property MainPID "$1"
}

# expect_active WHEN: and what the log says when one is not.
expect_active() {
    local unit
    for unit in mosquitto "${SERVICES[@]}"; do
        if [ "$(systemctl is-active "$unit")" = active ]; then
            ok "$unit is active $1"
        else
            fail "$unit is not active $1: $(journalctl --no-pager --quiet --output=cat --lines=5 --unit "$unit" | tr '\n' ';')"
        fi
    done
}

test_begin "packages under systemd"
for unit in phonehome-registrar phonehome-ingest; do
    if [ "$(systemctl is-enabled "$unit"):$(systemctl is-active "$unit")" = disabled:inactive ]; then
        ok "$unit: installed, and neither enabled nor active"
    else
        fail "$unit: $(systemctl is-enabled "$unit") $(systemctl is-active "$unit")"
    fi
done

# The kernel gives no user namespace to whoever lives in a chroot, as a fresh machine may.
if ! unshare --user true 2>/dev/null; then
    echo "# without PrivateUsers=: no user namespaces to be had here"
    for unit in phonehome-registrar phonehome-ingest phonehome-thermostat@; do
        mkdir -p "/etc/systemd/system/$unit.service.d"
        printf '[Service]\nPrivateUsers=no\n' >"/etc/systemd/system/$unit.service.d/here.conf"
    done
    systemctl daemon-reload
fi

# A thermostat reads each ten seconds; here it is not waited for.
sed -i 's/interval_ms: 10000/interval_ms: 200/' /etc/phonehome/thermostat.yaml
expect_ok "phonehome-setup" phonehome-setup --dns "$(hostname -f)"
expect_ok "the third line" sh -c \
    'systemctl restart mosquitto && systemctl enable --now phonehome-registrar phonehome-ingest phonehome-thermostat@t-0001'
expect_active "after it"
wait_for 30 stored_more_than 10
expect_ok "readings are stored" stored_more_than 10
if [ "$(systemctl show --value --property LimitNOFILE mosquitto)" = 100000 ]; then
    ok "the broker may open 100,000 files"
else
    fail "LimitNOFILE of mosquitto: $(systemctl show --value --property LimitNOFILE mosquitto)"
fi

expect_ok "logrotate" logrotate --force --state "$WORK/state" /etc/logrotate.d/phonehome
if wait_line 5 /var/log/mosquitto/mosquitto.log 'Reloading config'; then ok "tells the broker"; else fail "the broker was not told"; fi
wait_for 5 test -s /var/log/mosquitto/phonehome-audit.jsonl
expect_ok "and the chain goes on" ph-policy audit verify /var/log/mosquitto/phonehome-audit.jsonl.1 /var/log/mosquitto/phonehome-audit.jsonl

before=$(main_pid phonehome-ingest) broker=$(main_pid mosquitto)
expect_ok "an upgrade" dpkg --install --force-confold /phonehome/next/*.deb
expect_active "after the upgrade"
if [ "$(main_pid phonehome-ingest)" != "$before" ]; then ok "services are restarted"; else fail "ingest is the old one"; fi
if [ "$(main_pid mosquitto)" = "$broker" ]; then ok "the broker is not"; else fail "the broker was restarted"; fi
rows=$(stored)
wait_for 30 stored_more_than "$rows"
expect_ok "readings go on" stored_more_than "$rows"

expect_ok "a purge" dpkg --purge phonehome-broker-plugin phonehome-ca phonehome-device phonehome-ingest
for unit in "${SERVICES[@]}"; do
    if [ "$(systemctl is-active "$unit")" != active ]; then ok "$unit has ended"; else fail "$unit runs on"; fi
done
expect_ok "mosquitto starts without us" systemctl restart mosquitto
test_end
