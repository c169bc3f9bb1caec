# shellcheck shell=bash
# shellcheck disable=SC2034 # used by the scripts that source this file
# The units as they are installed, below $ROOT. Source harness.sh and tests/build/build.sh first.

ROOT=$WORK/root

# install_units: what cmake --install makes; sets UNITS, SYSUSERS, TMPFILES.
install_units() {
    DESTDIR=$ROOT cmake --install "$BUILD" >"$WORK/install.log" 2>&1 ||
        die "cmake --install: $(tail -n 5 "$WORK/install.log")"
    PREFIX=$ROOT$(cache_value CMAKE_INSTALL_PREFIX)
    UNITS=$PREFIX/lib/systemd/system
    SYSUSERS=$PREFIX/lib/sysusers.d
    TMPFILES=$PREFIX/lib/tmpfiles.d
}

# setting UNIT KEY: its values, a line each.
setting() {
    sed -n "s/^$2=//p" "$UNITS/$1"
}
