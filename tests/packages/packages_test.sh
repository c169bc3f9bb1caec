#!/usr/bin/env bash
# The Debian packages, from sources to purge, on the machine that this runs on, which is of no further use afterwards:
#
#   tests/packages/packages_test.sh --throw-away-machine [FOLDER]
#
# As root, on Debian 12 or 13. FOLDER has packages that were made on this release; without it they are made, twice. Systemd
# need not run: services are started as their units say, by hand; and once by a systemd that is booted for it.
PH_SOURCE=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
. "$PH_SOURCE/tests/lib/harness.sh"
export PATH="$PATH:/usr/sbin:/sbin"

if [ "${1:-}" != --throw-away-machine ]; then
    echo "packages_test.sh: installs, upgrades and purges packages; say --throw-away-machine where that does no harm" >&2
    exit 64
fi
test_begin "packages"
[ "$(id -u)" = 0 ] || die "must be run by root"
if dpkg-query --show 'phonehome-*' 2>/dev/null | grep -q '[0-9]$'; then
    die "packages of phonehome are installed here already"
fi

PACKAGES=(phonehome-broker-plugin phonehome-ca phonehome-device phonehome-ingest)
OUT=$WORK/out
UNITS=/usr/lib/systemd/system
AUTHORITY=/var/lib/phonehome/ca
BROKER_LOG=/var/log/mosquitto/mosquitto.log
AUDIT=/var/log/mosquitto/phonehome-audit.jsonl
THERMOSTAT=acme/thermostat/t-0001
PORT=$(free_port)

section() {
    printf -- '-- %s (%d s)\n' "$1" "$SECONDS"
}

apt() {
    DEBIAN_FRONTEND=noninteractive apt-get --quiet=2 --yes --no-install-recommends --option Dpkg::Use-Pty=0 "$@" \
        </dev/null >>"$WORK/apt.log" 2>&1
}

# as USER COMMAND...
as() {
    local user=$1
    shift
    setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups -- "$@"
}

# holds TEXT FILES COMMAND...: the command must succeed; otherwise the ends of the files are shown.
holds() {
    local text=$1 files=$2
    shift 2
    if "$@" >/dev/null 2>&1; then
        ok "$text"
    else
        # shellcheck disable=SC2086 # several files
        fail "$text: $(tail -qn 5 $files 2>&1)"
    fi
}

not() {
    ! "$@"
}

# expect_none TEXT WORD...: there must be no word.
expect_none() {
    local text=$1
    shift
    if [ -z "$*" ]; then
        ok "$text"
    else
        fail "$text: have $*"
    fi
}

# ---- services, as their units start them --------------------------------------------------------------------------------

# setting UNIT KEY: its values, a line each.
setting() {
    sed -n "s/^$2=//p" "$UNITS/$1"
}

# hand_over UNIT USER: what LoadCredential= does with files that are named by their path. Prints the folder.
hand_over() {
    local folder=/run/credentials/$1 name path
    mkdir -p "$folder"
    while IFS=: read -r name path; do
        [ ! -e "$path" ] || install --mode=0400 --owner="$2" "$path" "$folder/$name"
    done < <(setting "$1" LoadCredential)
    chown "$2:" "$folder"
    chmod 0500 "$folder"
    printf '%s\n' "$folder"
}

# service NAME UNIT [INSTANCE] [WORD...]: runs the unit's command as its user, in the background; the words go behind it.
service() {
    local name=$1 unit=$2 instance=${3:-} user folder
    local -a command
    user=$(setting "$unit" User)
    folder=$(hand_over "$unit" "$user")
    read -ra command <<<"$(setting "$unit" ExecStart | sed "s/%i/$instance/g")"
    spawn "$name" "$WORK/$name.log" env CREDENTIALS_DIRECTORY="$folder" setpriv --reuid="$user" --regid="$user" \
        --init-groups -- "${command[@]}" "${@:4}"
}

# Debian's broker, as its unit starts it; it changes to its user by itself.
make_broker_folders() {
    mkdir -p /var/log/mosquitto /run/mosquitto
    chown mosquitto /var/log/mosquitto /run/mosquitto
}
start_broker() {
    make_broker_folders
    spawn broker "$WORK/broker.log" mosquitto -c /etc/mosquitto/mosquitto.conf
    wait_for 10 port_is_open "$PORT"
}

# broker_runs [OPTION...]: it starts by its configuration, and is still there after two seconds.
broker_runs() {
    local status=0
    make_broker_folders
    (cd / && timeout 2 mosquitto -c /etc/mosquitto/mosquitto.conf "$@") >"$WORK/plain.log" 2>&1 || status=$?
    [ "$status" = 124 ]
}

stored() {
    as phonehome-ingest ph-ingest stats --format csv 2>/dev/null | awk -F, 'NR > 1 { rows += $3 } END { print rows + 0 }'
}
stored_more_than() {
    [ "$(stored)" -gt "$1" ]
}

# expect_mode TEXT FILE OWNER MODE
expect_mode() {
    local have
    have=$(stat -c '%U %a' "$2" 2>&1)
    if [ "$have" = "$3 $4" ]; then
        ok "$1"
    else
        fail "$1: $2: want $3 $4, have $have"
    fi
}

# sums FOLDER: what is in it, to be compared.
sums() {
    find "$1" -xdev \( -type f -exec sha256sum {} + \) -o \( -type l -printf '%p -> %l\n' \) | sort
}

# ---- how they are made ----------------------------------------------------------------------------------------------------

# PKG-1, PKG-2: twice, in two folders of different length, at different times.
build_twice() {
    section "building"
    expect_ok "tools/make-packages" "$PH_SOURCE/tools/make-packages" --out "$OUT"
    mkdir -p "$WORK/another/place/for"
    cp -a "$PH_SOURCE" "$WORK/another/place/for/it"
    expect_ok "once more, in another folder" "$WORK/another/place/for/it/tools/make-packages" --out "$WORK/again"
    for file in "$OUT"/*; do
        expect_ok "the same bytes: ${file##*/}" cmp "$file" "$WORK/again/${file##*/}"
    done
}

find_packages() {
    DEBS=("$OUT"/*.deb)
    if [ "$(for deb in "${DEBS[@]}"; do dpkg-deb --field "$deb" Package; done | paste -sd' ')" = "${PACKAGES[*]}" ]; then
        ok "four packages"
    else
        die "have ${DEBS[*]}"
    fi
    VERSION=$(dpkg-deb --field "${DEBS[0]}" Version)
}

# PKG-3. It looks at packages as one who is not root.
look_at_packages() {
    section "looking at them"
    chmod -R a+rX "$WORK"
    expect_ok "lintian" as nobody lintian --no-cfg --fail-on error,warning "${DEBS[@]}"
    expect_ok "list of contents" "$PH_SOURCE/tools/make-sbom" --check "$OUT/phonehome_${VERSION}_$(dpkg --print-architecture).spdx.json"
    for overrides in "$PH_SOURCE"/packaging/*/lintian-overrides; do
        [ ! -e "$overrides" ] || expect_line "$overrides has its reasons" "$overrides" '^# '
    done
}

# next_version DEB: the same package, newer, with a line more in two configuration files.
next_version() {
    local folder=$WORK/next/tree file
    rm -rf "$folder"
    dpkg-deb --raw-extract "$1" "$folder"
    sed -i 's/^Version: .*/Version: 99~test/' "$folder/DEBIAN/control"
    for file in "$folder"/etc/phonehome/{kinds,ingest}.yaml; do
        [ ! -e "$file" ] || echo '# of the next version' >>"$file"
    done
    dpkg-deb --root-owner-group --build "$folder" "$WORK/next/" >/dev/null
}

make_next_versions() {
    local deb
    mkdir "$WORK/next"
    for deb in "${DEBS[@]}"; do
        next_version "$deb"
    done
}

# ---- installation -------------------------------------------------------------------------------------------------------

# PKG-1: a page for each program; a completion for each that has commands.
check_files() {
    local program name
    for program in $(dpkg -L "${PACKAGES[@]}" | grep -E '/s?bin/.'); do
        name=${program##*/}
        expect_ok "$name runs" "$program" --version
        expect_ok "$name has a manual page" sh -c "ls /usr/share/man/man*/$name.[18].gz"
        [[ $name != ph-* ]] || expect_ok "$name is completed" test -s "/usr/share/bash-completion/completions/$name"
    done
    expect_ok "no other place of installation is named" \
        sh -c "! dpkg -L ${PACKAGES[*]} | xargs -d '\n' -I{} sh -c 'test -f {} && zgrep -l /usr/local {}' | grep ."
}

# Programs of ours that run on this machine; what else the kernel runs has another root.
ours() {
    local pid
    for pid in $(pgrep --full '(^|/)ph-(ca|ingest|thermostat|fleet) '); do
        [ ! "/proc/$pid/root" -ef / ] || tr '\0' ' ' <"/proc/$pid/cmdline"
    done
}

# PKG-7, PKG-8.
install_packages() {
    section "installation"
    sums /etc/mosquitto >"$WORK/mosquitto.before"
    apt install "${DEBS[@]}" || die "apt-get install: $(tail -n 20 "$WORK/apt.log")"
    ok "installed"
    sums /etc/mosquitto >"$WORK/mosquitto.after"
    expect_ok "Mosquitto's configuration is as it was" diff "$WORK/mosquitto.before" "$WORK/mosquitto.after"
    expect_none "nothing is enabled" "$(find /etc/systemd -name '*phonehome*')"
    expect_none "nothing runs" "$(ours)"
    for user in phonehome-ca phonehome-ingest phonehome-device; do
        expect_ok "user $user, without a login" sh -c "getent passwd $user | grep -q 'nologin$'"
    done
    check_files
    expect_ok "systemd takes the units" systemd-analyze verify --man=no "$UNITS"/phonehome-*.service
    # Without a listener in its configuration it would take port 1883.
    holds "and it starts as ever" "$WORK/plain.log $BROKER_LOG" broker_runs -p "$PORT"
}

# ---- under systemd --------------------------------------------------------------------------------------------------------

# A layer over this machine, whose files are in memory, booted by itself; booted.sh says what is done there.
boot() {
    section "under systemd"
    local disk=$WORK/disk line
    mkdir -p "$disk"
    if ! mount -t tmpfs tmpfs "$disk" || ! mkdir "$disk/upper" "$disk/work" "$disk/root" ||
        ! mount -t overlay overlay -o "lowerdir=/,upperdir=$disk/upper,workdir=$disk/work" "$disk/root"; then
        fail "under systemd: no overlay to be mounted here"
        return
    fi
    mkdir "$disk/root/phonehome"
    cp -r "$PH_SOURCE/tests" "$WORK/next" "$disk/root/phonehome/"
    printf 'export PH_SOURCE=/phonehome\nexec bash /phonehome/tests/packages/booted.sh\n' >"$disk/root/phonehome/check.sh"
    timeout --kill-after=5 250 "$PH_SOURCE/tests/systemd/boot.sh" "$disk" /phonehome/check.sh >"$WORK/boot.log" 2>&1
    while read -r line; do
        case $line in
        "ok "*) ok "${line#ok }" ;;
        "FAIL "*) fail "${line#FAIL }" ;;
        *) printf '# %s\n' "${line#\# }" ;;
        esac
    done < <(cat "$disk/root/boot-check.log" 2>&1)
    expect_line "it came to its end" "$disk/root/boot-check.log" '^[0-9]+ ok, '
    umount -l "$disk/root" "$disk"
}

# ---- certificates -------------------------------------------------------------------------------------------------------

# PKG-10.
setup() {
    section "certificates"
    expect_ok "phonehome-setup" phonehome-setup --dns broker.example.org
    sums /etc/phonehome >"$WORK/etc.before"
    sums "$AUTHORITY" >"$WORK/authority.before"
    expect_ok "phonehome-setup again" phonehome-setup --dns other.example.org
    sums /etc/phonehome >"$WORK/etc.after"
    sums "$AUTHORITY" >"$WORK/authority.after"
    expect_ok "changes nothing in /etc" diff "$WORK/etc.before" "$WORK/etc.after"
    expect_ok "and nothing of the authority" diff "$WORK/authority.before" "$WORK/authority.after"
    expect_mode "the broker's key is the broker's" /etc/phonehome/broker/key.pem mosquitto 600
    expect_mode "that of ingest is handed over" /etc/phonehome/ingest/key.pem root 600
    expect_mode "that of the registrar is handed over" /etc/phonehome/registrar/key.pem root 600
    expect_mode "that of a thermostat is the devices'" /var/lib/phonehome/device/t-0001/key.pem phonehome-device 600
    expect_mode "that of the devices' CA is the registrar's" "$AUTHORITY/devices/ca.key" phonehome-ca 600
    expect_mode "that of the root is nobody's" /root/phonehome-root/ca.key root 600
    for user in mosquitto phonehome-ingest phonehome-device; do
        expect_refused "$user cannot read a CA's key" 'Permission denied' as "$user" cat "$AUTHORITY/devices/ca.key"
    done
    expect_refused "the registrar cannot read the root's" 'Permission denied' as phonehome-ca cat /root/phonehome-root/ca.key
    expect_ok "the broker can read whom to trust" as mosquitto cat /etc/phonehome/pki/trust/clients.pem
    mv "$AUTHORITY/ca.db" "$AUTHORITY/lost.db"
    expect_refused "an authority that was lost" 'restore it from its backup' phonehome-setup --dns broker.example.org
    expect_ok "is not made anew" test ! -e "$AUTHORITY/ca.db"
    mv "$AUTHORITY/lost.db" "$AUTHORITY/ca.db"
}

# ---- the chain ----------------------------------------------------------------------------------------------------------

# PKG-11. Edited is the port alone, so that several can run on one machine.
run_chain() {
    section "the chain"
    expect_ok "policy and broker's configuration are fit for each other" as mosquitto ph-policy check \
        /etc/phonehome/policy.yaml --broker-config /etc/mosquitto/mosquitto.conf
    sed -i "s/^listener 8883$/listener $PORT/" /etc/mosquitto/conf.d/phonehome.conf
    sed -i "s/port: 8883/port: $PORT/" /etc/phonehome/{ingest,registrar,thermostat}.yaml
    holds "the broker serves" "$WORK/broker.log $BROKER_LOG" start_broker
    expect_ok "the units can be enabled" systemctl enable phonehome-registrar phonehome-ingest phonehome-thermostat@t-0001
    service registrar phonehome-registrar.service
    service ingest phonehome-ingest.service
    service thermostat phonehome-thermostat@.service t-0001 --interval-ms 200
    holds "readings are stored" "$WORK/ingest.log $WORK/thermostat.log $BROKER_LOG" wait_for 20 stored_more_than 10
    expect_ok "what looks for programs of ours sees them" test -n "$(ours)"
    expect_ok "of the thermostat" sh -c \
        'cd / && setpriv --reuid=phonehome-ingest --regid=phonehome-ingest --clear-groups -- ph-ingest latest | grep t-0001'
    holds "the registrar is connected" "$WORK/registrar.log" wait_line 10 "$WORK/registrar.log" 'msg=connected'
    expect_mode "the store is ingest's alone" /var/lib/phonehome/ingest/readings.db phonehome-ingest 600
    for name in broker ingest registrar thermostat; do
        holds "$name does not run as root" "/proc/${PIDS[$name]}/cmdline" test "$(stat -c %U "/proc/${PIDS[$name]}")" != root
    done
}

# PKG-12. As if it were time to.
rotate() {
    section "rotation"
    expect_ok "logrotate takes our file" logrotate --force --state "$WORK/logrotate.state" /etc/logrotate.d/phonehome
    expect_ok "the audit file was renamed" test -s "$AUDIT.1"
    # Without systemd, and without the pid file that Debian 12's broker writes, the plugin sees for itself.
    holds "the broker follows" "$BROKER_LOG" wait_for 5 test -e "$AUDIT"
    if [ -s /run/mosquitto/mosquitto.pid ]; then
        holds "since it was told" "$BROKER_LOG" wait_line 5 "$BROKER_LOG" 'Reloading config'
    fi
    expect_ok "the chain goes on" ph-policy audit verify "$AUDIT.1" "$AUDIT"
}

cut_off() {
    section "revocation"
    before=$(stored)
    holds "until then readings come" "$WORK/ingest.log" wait_for 10 stored_more_than "$before"
    expect_ok "ph-ca revoke" as phonehome-ca ph-ca revoke --ca "$AUTHORITY" --by test --why "lost" "$THERMOSTAT"
    holds "it is cut off" "$AUDIT" wait_line 10 "$AUDIT" "\"event\":\"cut-off\".*$THERMOSTAT"
    sleep 1
    before=$(stored)
    sleep 2
    holds "nothing of it is stored any more" "$WORK/ingest.log" not stored_more_than "$before"
}

# ---- upgrade, removal, purge ----------------------------------------------------------------------------------------------

# PKG-9.
upgrade() {
    section "upgrade"
    apt --option Dpkg::Options::=--force-confdef --option Dpkg::Options::=--force-confold install "$WORK"/next/*.deb ||
        fail "upgrade: $(tail -n 20 "$WORK/apt.log")"
    for package in "${PACKAGES[@]}"; do
        expect_ok "$package is of the next version" sh -c "dpkg-query --show $package | grep -q '99~test'"
    done
    expect_line "the file that was edited stays" /etc/phonehome/ingest.yaml "port: $PORT"
    expect_line "with the new one beside it" /etc/phonehome/ingest.yaml.dpkg-dist 'of the next version'
    expect_line "the file that was not is replaced" /etc/phonehome/kinds.yaml 'of the next version'
    expect_line "what phonehome-setup made stays" /etc/mosquitto/conf.d/phonehome.conf "^listener $PORT"
    expect_ok "the authority stays" test -s "$AUTHORITY/devices/ca.key"
    stop broker
    holds "the broker starts with the new plugin" "$WORK/broker.log $BROKER_LOG" start_broker
}

# PKG-13.
remove() {
    section "removal"
    local name
    for name in thermostat ingest registrar broker; do
        stop "$name"
    done
    # The control.
    plugin=$(dpkg -L phonehome-broker-plugin | grep '\.so$')
    mv "$plugin" "$WORK/plugin.so"
    holds "with our file and without the plugin Mosquitto does not start" "$WORK/plain.log" not broker_runs
    expect_line "for want of the plugin" "$BROKER_LOG" 'Unable to load plugin|mosquitto_phonehome.so: cannot open'
    mv "$WORK/plugin.so" "$plugin"
    apt remove phonehome-broker-plugin || fail "remove: $(tail -n 5 "$WORK/apt.log")"
    expect_line "says where our file went" "$WORK/apt.log" 'is now /etc/mosquitto/conf.d/phonehome.conf.removed'
    holds "removed, Mosquitto starts" "$WORK/plain.log $BROKER_LOG" broker_runs -p "$PORT"
    expect_ok "configuration stays" test -s /etc/phonehome/policy.yaml
    apt install "$WORK"/next/phonehome-broker-plugin_*.deb || fail "install again: $(tail -n 5 "$WORK/apt.log")"
    expect_line "installed again, our file is back" /etc/mosquitto/conf.d/phonehome.conf "^listener $PORT"
    holds "and the broker serves" "$WORK/broker.log $BROKER_LOG" start_broker
    stop broker
}

# PKG-14.
purge() {
    section "purge"
    apt purge phonehome-ingest || fail "purge: $(tail -n 5 "$WORK/apt.log")"
    expect_ok "ingest's readings are gone" test ! -e /var/lib/phonehome/ingest
    expect_ok "and its key" test ! -e /etc/phonehome/ingest
    expect_ok "and its configuration" sh -c '! ls /etc/phonehome/ingest.yaml* /etc/phonehome/kinds.yaml*'
    expect_ok "the spool of the thermostat is not" test -s /var/lib/phonehome/device/t-0001/spool.db
    apt purge "${PACKAGES[@]:0:3}" || fail "purge: $(tail -n 5 "$WORK/apt.log")"
    expect_line "says that the authority is kept" "$WORK/apt.log" "kept: the authority's keys and inventory in $AUTHORITY"
    expect_line "and the audit file" "$WORK/apt.log" "kept: $AUDIT"
    expect_ok "the authority's keys are there" test -s "$AUTHORITY/devices/ca.key" -a -s "$AUTHORITY/ca.db"
    left=$(find / -xdev \( -path "$WORK" -o -path "$PH_SOURCE" -o -path /proc -o -path /run \) -prune -o \
        \( -name '*phonehome*' -o -path '*/phonehome/*' \) -print |
        grep -vE "^($AUTHORITY(/|$)|/var/lib/phonehome$|/etc/phonehome(/pki)?$|/root/phonehome-root$|$AUDIT|/var/cache/apt/|/var/lib/dpkg/)")
    expect_none "nothing else is left" "$left"
    holds "Mosquitto starts" "$WORK/plain.log $BROKER_LOG" broker_runs -p "$PORT"
}

section "preparing"
"$PH_SOURCE/tools/install-packages" package >"$WORK/install.log" 2>&1 || die "$(tail -n 5 "$WORK/install.log")"
if [ -n "${2:-}" ]; then
    OUT=$(cd "$2" && pwd)
else
    build_twice
fi
find_packages
look_at_packages
install_packages
make_next_versions
boot
setup
run_chain
rotate
cut_off
upgrade
remove
purge
section "done"
test_end
