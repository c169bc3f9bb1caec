# 32-bit ARM with hardware floating point, ARMv7: every Raspberry Pi from the 2 on. Not the 1 and the Zero (ARMv6).
set(PH_CROSS_ARCH armhf)
set(PH_CROSS_TRIPLET arm-linux-gnueabihf)
set(PH_CROSS_QEMU qemu-arm)
set(CMAKE_SYSTEM_PROCESSOR armv7l)
include("${CMAKE_CURRENT_LIST_DIR}/cross-debian.cmake")
