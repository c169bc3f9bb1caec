# 64-bit ARM: every Raspberry Pi from the 3 on, with a 64-bit system.
set(PH_CROSS_ARCH arm64)
set(PH_CROSS_TRIPLET aarch64-linux-gnu)
set(PH_CROSS_QEMU qemu-aarch64)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
include("${CMAKE_CURRENT_LIST_DIR}/cross-debian.cmake")
