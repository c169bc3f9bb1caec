#!/usr/bin/env bash
# The installed units: systemd finds no fault in them, their sandbox is as tight as promised, they name
# programs, users and folders that the same installation makes.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/build/build.sh"

OURS="phonehome-registrar.service phonehome-ingest.service phonehome-thermostat@.service"

# fault_of UNIT: what systemd says against it, nothing when it is well. Man pages are not looked for:
# nothing is installed here.
fault_of() {
    SYSTEMD_UNIT_PATH="$WORK/units:" systemd-analyze verify --man=no "$WORK/units/$1" 2>&1 | grep -F phonehome
}

# [UNIT-5]
units_are_valid() {
    local unit fault
    # ExecStart= names the place of installation, where nothing is before it.
    cp -r "$UNITS" "$WORK/units"
    sed -i "s,^ExecStart=,ExecStart=$ROOT," "$WORK"/units/*.service
    for unit in $OURS; do
        fault=$(fault_of "$unit")
        if [ -z "$fault" ]; then ok "$unit: no fault"; else fail "$fault"; fi
    done
    sed 's/^WatchdogSec=.*/WatchdogSec=soon/' "$WORK/units/phonehome-ingest.service" >"$WORK/units/phonehome-broken.service"
    if [[ $(fault_of phonehome-broken.service) == *"Failed to parse"*soon* ]]; then
        ok "control: a fault is found"
    else
        fail "control: a WatchdogSec=soon passes: $(fault_of phonehome-broken.service)"
    fi
}

# [UNIT-5] the drop-in, on a unit of the broker's name
drop_in_is_valid() {
    local fault
    printf '[Service]\nExecStart=/bin/true\n' >"$WORK/units/mosquitto.service"
    fault=$(fault_of mosquitto.service)
    if [ -z "$fault" ]; then ok "mosquitto.service.d/phonehome.conf: no fault"; else fail "$fault"; fi
    sed -i 's/^LimitNOFILE=.*/LimitNOFILE=many/' "$WORK/units/mosquitto.service.d/phonehome.conf"
    if [ -n "$(fault_of mosquitto.service)" ]; then ok "control: a fault in it is found"; else
        fail "control: LimitNOFILE=many passes"
    fi
    expect_line "the broker may have many connections" "$UNITS/mosquitto.service.d/phonehome.conf" '^LimitNOFILE=100000$'
}

exposure() { # UNIT-FILE
    systemd-analyze security --offline=true --no-pager --threshold=20 "$1"
}

# [UNIT-6] 2.0 or better, where 10 is a service without any sandbox
units_are_sandboxed() {
    local unit
    for unit in $OURS; do
        expect_ok "$unit: exposed by $(exposure "$UNITS/$unit" | sed -n 's/.*service: \([0-9.]*\) .*/\1/p'), at most 2.0" \
            exposure "$UNITS/$unit"
    done
    grep -v '^\(Protect\|Private\|Restrict\|SystemCall\|Capability\)' "$UNITS/phonehome-ingest.service" >"$WORK/phonehome-open.service"
    expect_refused "control: without the sandbox it is more" "Overall exposure level .*: [3-9]" exposure "$WORK/phonehome-open.service"
}

# [UNIT-7] own users, no key readable by a user's rights alone, no restart for what no restart mends
units_keep_their_word() {
    local unit
    for unit in $OURS; do
        [ "$(setting "$unit" Type)" = notify ] || fail "$unit: want Type=notify"
        [ -n "$(setting "$unit" WatchdogSec)" ] || fail "$unit: no watchdog"
        [ -x "$ROOT$(setting "$unit" ExecStart | cut -d' ' -f1)" ] || fail "$unit: its program is not installed"
        [ "$(setting "$unit" UMask)" = 0077 ] || fail "$unit: want UMask=0077"
        [ "$(setting "$unit" Restart)" = on-failure ] || fail "$unit: want Restart=on-failure"
        [[ $(setting "$unit" RestartPreventExitStatus) == 64*78 ]] || fail "$unit: starts again on a wrong configuration"
        grep -rqs "^u $(setting "$unit" User) " "$SYSUSERS" || fail "$unit: no sysusers.d makes $(setting "$unit" User)"
        setting "$unit" LoadCredential | grep -q '\.key:' || fail "$unit: no key by credential"
    done
    if [ "$(for unit in $OURS; do setting "$unit" User; done | sort -u | wc -l)" = 3 ]; then
        ok "three users, each made by sysusers.d"
    else
        fail "services share a user"
    fi
}

mode_of() { # PATH: mode and owner
    stat -c '%a %u' "$ROOT$1"
}

expect_mode() { # PATH MODE USER
    local want
    want="$2 $(awk -F: -v user="$3" '$1 == user { print $3 }' "$ROOT/etc/passwd")"
    if [ "$(mode_of "$1")" = "$want" ]; then ok "$1: $2 $3"; else fail "$1: want $want ($3), have $(mode_of "$1")"; fi
}

make_users_and_folders() {
    systemd-sysusers --root="$ROOT" "$SYSUSERS"/phonehome-*.conf &&
        systemd-tmpfiles --root="$ROOT" --create "$TMPFILES"/phonehome-*.conf
}

# [UNIT-10]
users_and_folders_are_made() {
    if [ "$(id -u)" != 0 ]; then
        echo "# users and folders: left out, files cannot be given away"
        return
    fi
    mkdir -p "$ROOT/etc"
    echo 'root:x:0:0:root:/root:/bin/bash' >"$ROOT/etc/passwd"
    echo 'root:x:0:' >"$ROOT/etc/group"
    expect_ok "users and folders are made" make_users_and_folders
    expect_mode /etc/phonehome 755 root
    expect_mode /var/lib/phonehome 755 root
    expect_mode /var/lib/phonehome/ca 755 phonehome-ca
    expect_mode /var/lib/phonehome/ingest 700 phonehome-ingest
    expect_mode /var/lib/phonehome/device 755 phonehome-device
    expect_ok "none of them can log in" sh -c "! grep phonehome '$ROOT/etc/passwd' | grep -v /usr/sbin/nologin"
    expect_ok "pki is the authority" test "$(readlink "$ROOT/etc/phonehome/pki")" = /var/lib/phonehome/ca
    rm "$ROOT/etc/phonehome/pki"
    mkdir "$ROOT/etc/phonehome/pki"
    echo copied >"$ROOT/etc/phonehome/pki/file"
    expect_ok "once more" make_users_and_folders
    expect_line "a folder with copies of the authority stays" "$ROOT/etc/phonehome/pki/file" copied
}

test_begin "systemd units"
command -v systemd-analyze >/dev/null || skip "no systemd-analyze here"
. "$PH_SOURCE/tests/systemd/units.sh"
install_units
units_are_valid
drop_in_is_valid
units_are_sandboxed
units_keep_their_word
users_and_folders_are_made
test_end
