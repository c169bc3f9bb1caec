# What the toolchain files of all architectures have in common: Debian's cross compiler, a folder of Debian's own
# libraries of that architecture (tools/cross-sysroot makes it), and QEMU for whatever the build or ctest starts.
# Wants PH_CROSS_ARCH (Debian's name), PH_CROSS_TRIPLET and PH_CROSS_QEMU.
set(CMAKE_SYSTEM_NAME Linux)

set(PH_CROSS_SYSROOT "${CMAKE_CURRENT_LIST_DIR}/../build/sysroot/${PH_CROSS_ARCH}" CACHE PATH
  "Debian's libraries and headers of the other architecture")
# The small projects by which CMake probes the compiler read this file anew, and should find the same.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES PH_CROSS_SYSROOT)
get_filename_component(CMAKE_SYSROOT "${PH_CROSS_SYSROOT}" ABSOLUTE)
if(NOT EXISTS "${CMAKE_SYSROOT}/usr/include/openssl/ssl.h")
  message(FATAL_ERROR "${CMAKE_SYSROOT} has no libraries for ${PH_CROSS_ARCH}: run tools/cross-sysroot ${PH_CROSS_ARCH}")
endif()

find_program(PH_CROSS_COMPILER "${PH_CROSS_TRIPLET}-gcc" NO_CMAKE_FIND_ROOT_PATH)
if(NOT PH_CROSS_COMPILER)
  message(FATAL_ERROR "there is no ${PH_CROSS_TRIPLET}-gcc: run tools/install-packages cross")
endif()
set(CMAKE_C_COMPILER "${PH_CROSS_COMPILER}")
set(CMAKE_LIBRARY_ARCHITECTURE "${PH_CROSS_TRIPLET}")

# Programs are those of this machine; everything else is that of the other.
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} "${CMAKE_SYSROOT}")
set(ENV{PKG_CONFIG_LIBDIR}
  "${CMAKE_SYSROOT}/usr/lib/${PH_CROSS_TRIPLET}/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig")

# Debian 13 has it without "-static" in its name.
find_program(PH_CROSS_EMULATOR NAMES "${PH_CROSS_QEMU}-static" "${PH_CROSS_QEMU}" NO_CMAKE_FIND_ROOT_PATH)
if(PH_CROSS_EMULATOR)
  set(CMAKE_CROSSCOMPILING_EMULATOR "${PH_CROSS_EMULATOR};-L;${CMAKE_SYSROOT}")
endif()
