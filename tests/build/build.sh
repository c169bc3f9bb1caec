# shellcheck shell=bash
# What the tests of the build itself share. Source it after tests/lib/harness.sh.

# shellcheck disable=SC2034 # used by the scripts that source this file
BUILD=${PH_BIN%/bin}

# cache_value KEY: a value from the build's CMake cache.
cache_value() {
    sed -n "s/^$1:[A-Z]*=//p" "$BUILD/CMakeCache.txt"
}

# compile FILE [FLAG...]: compiles one C file (GCC tells unused results only when it generates code)
# with the project's compiler, include folders and language.
compile() {
    local file=$1
    shift
    "$(cache_value CMAKE_C_COMPILER)" -std=c17 -D_GNU_SOURCE -O1 -S -o /dev/null "$@" \
        -I"$PH_SOURCE" -I"$PH_SOURCE/core" -I"$BUILD/generated" "$file"
}

# programs: the executables that the build installs, one path a line; not the tools of bench/ and tests/.
programs() {
    find "$PH_BIN" -maxdepth 1 -type f -name 'ph-*' -perm -u+x \
        ! -name ph-load ! -name 'ph-bench-*' ! -name 'ph-chaos-*' ! -name ph-fleet-actor | sort
}
