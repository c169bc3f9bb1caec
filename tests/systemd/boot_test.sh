#!/usr/bin/env bash
# The installed units under a real systemd, booted in namespaces of its own on a throw-away copy of this
# machine's files (boot.sh); boot_check.sh is what happens there. Wants root and systemd; nothing of this
# machine is changed.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/build/build.sh"

unmount() {
    umount -l "$WORK/disk/root" "$WORK/disk" 2>/dev/null
    cleanup
}

# A layer over this machine's files; what is written is in memory, and gone afterwards.
make_machine() {
    mkdir "$WORK/disk"
    mount -t tmpfs tmpfs "$WORK/disk" 2>/dev/null || return 1
    mkdir "$WORK/disk/upper" "$WORK/disk/work" "$WORK/disk/root"
    mount -t overlay overlay \
        -o "lowerdir=/,upperdir=$WORK/disk/upper,workdir=$WORK/disk/work" "$WORK/disk/root" 2>/dev/null
}

fill_machine() {
    local root=$WORK/disk/root
    # Nothing of a service that may run on this machine.
    rm -rf "$root/etc/mosquitto/conf.d" "$root/var/lib/mosquitto" "$root/etc/phonehome" "$root/var/lib/phonehome" \
        "$root/etc/credstore" "$root/var/log/journal" "$root/var/log/mosquitto"
    mkdir -p "$root/etc/mosquitto/conf.d" "$root/run" "$root/phonehome"
    install -d -o mosquitto "$root/var/lib/mosquitto"
    DESTDIR=$root cmake --install "$BUILD" >"$WORK/install.log" 2>&1 || die "cmake --install: $(tail -n 5 "$WORK/install.log")"
    cp -r "$PH_SOURCE/tests" "$root/phonehome/"
    cat >"$root/phonehome/check.sh" <<CHECK
export PH_SOURCE=/phonehome PREFIX=$PREFIX PH_PLUGIN=$(cd "$root" && echo /"$(find usr -name mosquitto_phonehome.so | head -n 1)")
exec bash /phonehome/tests/systemd/boot_check.sh
CHECK
}

test_begin "units under a systemd that was booted for them"
[ "$(id -u)" = 0 ] || skip "wants root"
[ -x /lib/systemd/systemd ] || skip "no systemd here"
[ -e /lib/systemd/system/mosquitto.service ] || skip "no mosquitto.service here"
unshare --pid --fork --mount --cgroup --uts --ipc --net true 2>/dev/null || skip "no namespaces to be had"
trap unmount EXIT
make_machine || skip "no overlay to be mounted"
PREFIX=$(cache_value CMAKE_INSTALL_PREFIX)
fill_machine
timeout --kill-after=5 200 "$PH_SOURCE/tests/systemd/boot.sh" "$WORK/disk" /phonehome/check.sh >"$WORK/boot.log" 2>&1
log=$WORK/disk/root/boot-check.log
[ -s "$log" ] || die "it did not boot: $(tail -n 5 "$WORK/boot.log")"
while read -r line; do
    case $line in
    "ok "*) ok "${line#ok }" ;;
    "FAIL "*) fail "${line#FAIL }" ;;
    "Job for "* | "See "*) ;;
    *) printf '# %s\n' "${line#\# }" ;;
    esac
done <"$log"
grep -Eq '^[0-9]+ ok, ' "$log" || fail "the check did not come to its end: $(tail -n 3 "$WORK/boot.log")"
test_end
