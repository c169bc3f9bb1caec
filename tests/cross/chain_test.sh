#!/usr/bin/env bash
# The programs that tools/cross-build has built, under QEMU, in the chain of the native ones.
# [CROSS-2], [CROSS-3], [CROSS-6], [CROSS-8]
#
#   PH_BIN=... PH_PLUGIN=... PH_SOURCE=... tests/cross/chain_test.sh BUILD...    such as build/arm64 build/armhf
. "${PH_SOURCE:?}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/lib/broker.sh"

# cached BUILD KEY
cached() {
    sed -n "s/^$2:[A-Z]*=//p" "$1/CMakeCache.txt"
}

emulator() { # BUILD: the command in front of its programs, a word a line
    cached "$1" PH_CROSS_EMULATOR
    printf '%s\n' -L "$(realpath "$1/../sysroot/$(basename "$1")")"
}

archive_of() {
    ls "$1"/phonehome-device-*-"$(basename "$1")".tar.gz
}

# What tools/cross-build says of its tests, and of a program that is not for that processor: [CROSS-3]
check_build() {
    local arch=$1
    if [ -e "$2/junit.xml" ]; then
        "$PH_SOURCE/tools/ctest-report" "$2/junit.xml" >"$WORK/$arch.tests"
        expect_line "$arch: unit tests and corpora passed under QEMU" "$WORK/$arch.tests" '^[1-9][0-9]{2} 0 0$'
    else
        fail "$arch: no report of its unit tests: run tools/cross-build $arch"
    fi
    "$PH_SOURCE/tools/cross-build" --left-out "$arch" >"$WORK/$arch.left"
    expect_line "$arch: what is not run is named" "$WORK/$arch.left" '^ph\.adapters\.mqtt: needs a broker beside it$'
    expect_no_line "$arch: nothing else is left out" "$WORK/$arch.left" '^ph\.(base|format|domain|x509|config|device|fuzz)\.'
    cp "$(type -P true)" "$2/bin/stranger"
    expect_refused "$arch: a program for this machine is found" 'stranger: want a program for A' \
        "$PH_SOURCE/tools/cross-build" --no-tests "$arch"
    rm "$2/bin/stranger"
}

# What is in the archive: [CROSS-6]
check_archive() {
    local arch=$1 root=$WORK/root-$1 archive
    archive=$(archive_of "$2")
    mkdir -p "$root"
    tar -xzf "$archive" -C "$root"
    (cd "$root" && find . -type f | sort) >"$WORK/$arch.files"
    for file in bin/ph-thermostat bin/ph-fleet share/man/man1/ph-thermostat.1 share/phonehome/thermostat.yaml; do
        expect_line "$arch: the archive has $file" "$WORK/$arch.files" "^\\./usr/local/$file\$"
    done
    expect_no_line "$arch: nothing of the server's" "$WORK/$arch.files" 'ph-(ca|ingest|policy)|mosquitto|policy\.yaml'
    readelf --section-headers "$root/usr/local/bin/ph-thermostat" >"$WORK/$arch.sections"
    expect_no_line "$arch: no symbols" "$WORK/$arch.sections" ' \.(symtab|debug_info) '
    readelf --section-headers "$2/bin/ph-thermostat" >"$WORK/$arch.unstripped"
    expect_line "$arch: which the build has (control)" "$WORK/$arch.unstripped" ' \.debug_info '
    "$PH_SOURCE/tools/cross-build" --no-tests "$arch" >"$WORK/$arch.again" 2>&1 # of this commit, whose time is in it
    cp "$archive" "$WORK/$arch.before"
    touch "$2/bin/ph-thermostat"
    "$PH_SOURCE/tools/cross-build" --no-tests "$arch" >>"$WORK/$arch.again" 2>&1
    expect_ok "$arch: packed again, the same bytes" cmp "$archive" "$WORK/$arch.before"
}

# A thermostat with nothing but a claim: key, certificate, connection, readings. [CROSS-8]
check_chain() {
    local arch=$1 name=t-$1 command=()
    mapfile -t command < <(emulator "$2")
    make_thermostat "$name" factory
    spawn "$name" "$WORK/$name.log" "${command[@]}" "$WORK/root-$arch/usr/local/bin/ph-thermostat" run \
        --config "$WORK/devices/$name/thermostat.yaml" --ledger "$WORK/devices/$name/ledger"
    expect_soon 60 "$arch: readings of the thermostat are stored" "$name" stored_at_least 5 "acme/thermostat/$name"
    expect_ok "$arch: on a certificate of its own" usable "$name"
    stop "$name"
    expect_soon 10 "$arch: every one that it captured" "$name" all_stored "$name"
}

all_stored() {
    [ "$(stored "acme/thermostat/$1")" -ge "$(grep -c '^captured ' "$WORK/devices/$1/ledger")" ]
}

[ $# -gt 0 ] || die "want the folders of builds, such as build/arm64"
for build in "$@"; do
    [ -x "$build/bin/ph-thermostat" ] || die "$build/bin/ph-thermostat: not there: run tools/cross-build $(basename "$build")"
done
test_begin "ARM programs in the chain"
# shellcheck source=tests/life/stage.sh
. "$PH_SOURCE/tests/life/stage.sh" # in the folder that test_begin has made
# [CROSS-2]
expect_ok "no other architecture was added to this machine" test -z "$(dpkg --print-foreign-architectures)"
make_authority
write_configuration
registrar_says auto_approve true
make_claim factory 10 --kind thermostat
start_stage
for build in "$@"; do
    check_build "$(basename "$build")" "$build"
    check_archive "$(basename "$build")" "$build"
    check_chain "$(basename "$build")" "$build"
done
test_end
