#!/usr/bin/env bash
# Boots systemd in namespaces of its own, on a throw-away copy of this machine's files, and has it run one
# script: boot.sh FOLDER SCRIPT. FOLDER/root is that machine, to be filled by the caller; SCRIPT is a path in
# it. Ends when the script has ended; what systemd says goes to standard output. Wants root.
set -euo pipefail

folder=$1 script=$2 root=$1/root

# ---- within the namespaces ----

make_devices() {
    local node
    mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
    mkdir "$root/dev/pts" "$root/dev/shm"
    for node in null zero full random urandom tty; do
        cp -a "/dev/$node" "$root/dev/$node"
    done
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
    ln -s pts/ptmx "$root/dev/ptmx"
    mount -t tmpfs tmpfs "$root/dev/shm"
}

boot() {
    mount --make-rprivate /
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount --bind -o ro "$root/proc/sys" "$root/proc/sys" # these belong to the whole machine
    mount -o remount,bind,ro "$root/proc/sys"
    mount -t sysfs -o ro sys "$root/sys"
    mount -t cgroup2 cgroup "$root/sys/fs/cgroup"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    make_devices
    ip link set lo up
    cd "$root"
    mkdir -p old
    pivot_root . old
    umount -l /old
    mount --make-rshared / # by propagation credentials reach the services
    exec env -i container=phonehome PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        /lib/systemd/systemd --system --unit=boot-check.target --log-target=journal --show-status=no \
        --default-standard-output=journal <&- 2>&1
}

# Who boots is alone with these: nothing of this machine is enabled, mounted or logged into.
write_units() {
    rm -rf "$root/etc/systemd/system"
    mkdir -p "$root/etc/systemd/system"
    : >"$root/etc/fstab"
    local unit
    for unit in systemd-sysctl systemd-modules-load systemd-remount-fs systemd-udevd systemd-udev-trigger; do
        ln -s /dev/null "$root/etc/systemd/system/$unit.service"
    done
    cat >"$root/etc/systemd/system/boot-check.target" <<'UNIT'
[Unit]
Requires=basic.target boot-check.service
After=basic.target
AllowIsolate=yes
UNIT
    cat >"$root/etc/systemd/system/boot-check.service" <<UNIT
[Unit]
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
ExecStart=/bin/bash $script
StandardOutput=append:/boot-check.log
StandardError=inherit
TimeoutStartSec=300
UNIT
}

if [ "${3:-}" = within ]; then
    boot
fi
write_units
# A cgroup of its own, so that the new systemd has a tree to itself.
mkdir -p "$folder/cgroup"
mount -t cgroup2 cgroup "$folder/cgroup"
group=$folder/cgroup/ph-boot-$$
mkdir "$group"
echo $$ >"$group/cgroup.procs"
unshare --pid --fork --kill-child --mount --cgroup --uts --ipc --net "$0" "$folder" "$script" within || true
echo $$ >"$folder/cgroup/cgroup.procs"
find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
umount "$folder/cgroup"
