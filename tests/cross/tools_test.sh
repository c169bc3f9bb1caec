#!/usr/bin/env bash
# tools/cross-build and tools/cross-sysroot: what they refuse, and what they say to do. [CROSS-7]
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"

test_begin "cross building, refused"
expect_refused "an architecture that is none of ours" 'mips: no such architecture; want some of: arm64, armhf' \
    "$PH_SOURCE/tools/cross-build" mips
expect_refused "an unknown option" 'tools/cross-build \[--no-tests\]' "$PH_SOURCE/tools/cross-build" --fast
expect_refused "a sysroot of it" 'tools/cross-sysroot ARCH' "$PH_SOURCE/tools/cross-sysroot" mips

mkdir -p "$WORK/mine"
echo precious >"$WORK/mine/file"
expect_refused "a folder of somebody's own" 'mine: is there, and was not made by this script' \
    "$PH_SOURCE/tools/cross-sysroot" arm64 "$WORK/mine"
expect_line "which is left alone" "$WORK/mine/file" '^precious$'

# configure ARCH OPTION...: CMake by that toolchain file, its words on one line.
configure() {
    local arch=$1 status=0
    shift
    rm -rf "$WORK/build"
    "${cmake[@]}" -S "$PH_SOURCE" -B "$WORK/build" -G Ninja -DPH_DEVICE_ONLY=ON \
        --toolchain "$PH_SOURCE/cmake/toolchain-$arch.cmake" "$@" >"$WORK/words" 2>&1 || status=$?
    tr -s ' \n' ' ' <"$WORK/words"
    return "$status"
}

cmake=(cmake)
for arch in arm64 armhf; do
    expect_refused "$arch without its libraries" "nowhere has no libraries for $arch: run tools/cross-sysroot $arch" \
        configure "$arch" -DPH_CROSS_SYSROOT="$WORK/nowhere"
done
mkdir -p "$WORK/sysroot/usr/include/openssl" "$WORK/bin"
touch "$WORK/sysroot/usr/include/openssl/ssl.h"
for tool in cmake ninja cc; do
    ln -s "$(command -v "$tool")" "$WORK/bin/$tool"
done
cmake=(env PATH="$WORK/bin" cmake)
expect_refused "no compiler" 'there is no aarch64-linux-gnu-gcc: run tools/install-packages cross' \
    configure arm64 -DPH_CROSS_SYSROOT="$WORK/sysroot" -DCMAKE_FIND_USE_CMAKE_SYSTEM_PATH=OFF \
    -DCMAKE_SYSTEM_PREFIX_PATH="$WORK/none"
test_end
