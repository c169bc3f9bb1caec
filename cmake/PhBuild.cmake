# Warnings, hardening and sanitizers as INTERFACE targets (every flag probed), and the three ways to add a target.
include(CheckCCompilerFlag)
include(CheckLinkerFlag)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

function(ph_probe_flags target)
  foreach(flag IN LISTS ARGN)
    string(MAKE_C_IDENTIFIER "PH_HAVE_${flag}" have)
    # A -Wno-x or -Wx=error form is probed as it stands; -Werror makes an unknown flag fail.
    set(CMAKE_REQUIRED_FLAGS "-Werror")
    check_c_compiler_flag("${flag}" ${have})
    if(${have})
      target_compile_options(${target} INTERFACE "${flag}")
    endif()
  endforeach()
endfunction()

add_library(ph_warnings INTERFACE)
ph_probe_flags(ph_warnings
  -Wall -Wextra -Wpedantic -Wformat=2 -Wconversion -Wsign-conversion -Wshadow -Wcast-qual -Wwrite-strings
  -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wundef -Wvla -Wimplicit-fallthrough
  -Wredundant-decls -Werror=implicit -Werror=incompatible-pointer-types -Werror=int-conversion
  -Werror=unused-result)
if(PH_WERROR)
  target_compile_options(ph_warnings INTERFACE -Werror)
endif()

add_library(ph_hardening INTERFACE)
target_compile_definitions(ph_hardening INTERFACE _GNU_SOURCE)
if(CMAKE_SIZEOF_VOID_P EQUAL 4)
  # Inodes and offsets in a folder have 64 bits on today's disks: without this readdir() fails on them.
  target_compile_definitions(ph_hardening INTERFACE _FILE_OFFSET_BITS=64)
endif()
ph_probe_flags(ph_hardening
  -fstack-protector-strong -fstack-clash-protection -fcf-protection=full -mbranch-protection=standard
  -fstrict-flex-arrays=3 -fno-delete-null-pointer-checks -fno-strict-overflow -fno-strict-aliasing -fexceptions)
if(NOT PH_SANITIZE)
  # Zeroing locals and fortify both hide or fake what a sanitizer would report.
  ph_probe_flags(ph_hardening -ftrivial-auto-var-init=zero)
  target_compile_options(ph_hardening INTERFACE
    "$<$<NOT:$<CONFIG:Debug>>:SHELL:-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3>")
endif()
foreach(flag -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed)
  string(MAKE_C_IDENTIFIER "PH_HAVE_${flag}" have)
  check_linker_flag(C "${flag}" ${have})
  if(${have})
    target_link_options(ph_hardening INTERFACE "${flag}")
  endif()
endforeach()

add_library(ph_sanitize INTERFACE)
if(PH_SANITIZE)
  target_compile_options(ph_sanitize INTERFACE "-fsanitize=${PH_SANITIZE}" -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(ph_sanitize INTERFACE "-fsanitize=${PH_SANITIZE}")
endif()
if(PH_FUZZ)
  target_compile_options(ph_sanitize INTERFACE -fsanitize=fuzzer-no-link)
endif()

add_library(ph_build INTERFACE)
target_link_libraries(ph_build INTERFACE ph_warnings ph_hardening ph_sanitize)

# ph_add_library(NAME SOURCES a.c ... LINK lower_lib ...): one layer or one program's library. Headers are included by
# their path in the tree, those of core without "core/" (core/base/error.h is "base/error.h").
function(ph_add_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK;PRIVATE")
  add_library(${name} STATIC ${arg_SOURCES})
  string(FIND "${CMAKE_CURRENT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/core/" in_core)
  if(in_core EQUAL 0)
    target_include_directories(${name} PUBLIC "${PROJECT_SOURCE_DIR}/core")
  else()
    target_include_directories(${name} PUBLIC "${PROJECT_SOURCE_DIR}")
  endif()
  target_link_libraries(${name} PUBLIC ${arg_LINK} PRIVATE ph_build ${arg_PRIVATE})
endfunction()

# ph_add_program(NAME SOURCES main.c LINK lib): a thin main over a library; lands in bin/. PhInstall.cmake installs it.
function(ph_add_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK")
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ph_build ${arg_LINK})
endfunction()

# ph_add_test(ph.core.topic SOURCES topic_test.c LINK ph_format): a cmocka unit test, label unit. It links the layer
# under test and what lies beneath, so a call upwards does not link.
function(ph_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LABEL;TIMEOUT" "SOURCES;LINK;ARGS")
  if(NOT PH_DEV OR PH_FUZZ)
    return()
  endif()
  string(REPLACE "." "_" target "test_${name}")
  add_executable(${target} ${arg_SOURCES})
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  target_link_libraries(${target} PRIVATE ph_build ${arg_LINK} PhDep::cmocka)
  add_test(NAME ${name} COMMAND ${target} ${arg_ARGS} WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  if(NOT arg_LABEL)
    set(arg_LABEL unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  if(CMAKE_CROSSCOMPILING)
    math(EXPR arg_TIMEOUT "20 * ${arg_TIMEOUT}") # an emulator runs it, floating point above all slowly
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABEL}" TIMEOUT ${arg_TIMEOUT})
endfunction()

# ph_add_fuzz(topic LINK ph_format): topic_fuzz.c with LLVMFuzzerTestOneInput and its corpus folder topic_fuzz/ beside
# it. Everywhere: a test that replays the corpus. With PH_FUZZ: bin/fuzz_topic, a libFuzzer program.
function(ph_add_fuzz name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LINK")
  if(NOT PH_DEV)
    return()
  endif()
  set(corpus "${CMAKE_CURRENT_SOURCE_DIR}/${name}_fuzz")
  if(PH_FUZZ)
    add_executable(fuzz_${name} ${name}_fuzz.c)
    target_link_libraries(fuzz_${name} PRIVATE ph_build ${arg_LINK})
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    file(APPEND "${PROJECT_BINARY_DIR}/fuzz-targets.txt" "fuzz_${name} ${corpus}\n")
  else()
    add_executable(replay_${name} ${name}_fuzz.c "${PROJECT_SOURCE_DIR}/tests/fuzz_replay.c")
    set_target_properties(replay_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
    target_link_libraries(replay_${name} PRIVATE ph_build ${arg_LINK})
    add_test(NAME ph.fuzz.${name} COMMAND replay_${name} "${corpus}")
    set_tests_properties(ph.fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT 60)
  endif()
endfunction()
if(PH_FUZZ)
  file(WRITE "${PROJECT_BINARY_DIR}/fuzz-targets.txt" "")
endif()

# ph_add_script_test(ph.ca.cli COMMAND script.sh ARGS ... LABEL integration TIMEOUT 120 [ALONE]): a script run with
# PH_BIN (programs), PH_PLUGIN (the plugin) and PH_SOURCE (this tree) in its environment; ALONE: no other test beside it.
function(ph_add_script_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "ALONE" "COMMAND;LABEL;TIMEOUT" "ARGS")
  if(NOT PH_DEV OR PH_FUZZ)
    return()
  endif()
  if(NOT arg_LABEL)
    set(arg_LABEL integration)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_test(NAME ${name} COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/${arg_COMMAND}" ${arg_ARGS})
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABEL}" TIMEOUT ${arg_TIMEOUT} SKIP_RETURN_CODE 77
    RUN_SERIAL ${arg_ALONE}
    ENVIRONMENT "PH_BIN=${PROJECT_BINARY_DIR}/bin;PH_PLUGIN=${PROJECT_BINARY_DIR}/lib/mosquitto_phonehome.so;PH_SOURCE=${PROJECT_SOURCE_DIR};PH_SANITIZE=${PH_SANITIZE}")
endfunction()
