# Every third-party library under one naming scheme, PhDep::<name>. All are Debian packages; `./check` installs them.
find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(SQLite3 3.40 REQUIRED)
find_package(Threads REQUIRED)

function(ph_pkg_dependency name module)
  pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${module})
  add_library(PhDep::${name} INTERFACE IMPORTED GLOBAL)
  target_link_libraries(PhDep::${name} INTERFACE PkgConfig::${name})
endfunction()

ph_pkg_dependency(cjson libcjson)
ph_pkg_dependency(cyaml libcyaml)
ph_pkg_dependency(yaml yaml-0.1)
ph_pkg_dependency(mosquitto libmosquitto)
ph_pkg_dependency(pq libpq)
if(PH_DEV AND NOT PH_FUZZ)
  ph_pkg_dependency(cmocka cmocka)
endif()

add_library(PhDep::openssl INTERFACE IMPORTED GLOBAL)
target_link_libraries(PhDep::openssl INTERFACE OpenSSL::Crypto)
add_library(PhDep::sqlite INTERFACE IMPORTED GLOBAL)
target_link_libraries(PhDep::sqlite INTERFACE SQLite::SQLite3)

# Debian's Paho CMake package differs between releases; the library and header names do not.
find_library(PH_PAHO_LIBRARY paho-mqtt3as REQUIRED)
find_path(PH_PAHO_INCLUDE MQTTAsync.h REQUIRED)
add_library(PhDep::paho INTERFACE IMPORTED GLOBAL)
target_link_libraries(PhDep::paho INTERFACE "${PH_PAHO_LIBRARY}" Threads::Threads)
target_include_directories(PhDep::paho SYSTEM INTERFACE "${PH_PAHO_INCLUDE}")

find_path(PH_MOSQUITTO_PLUGIN_INCLUDE mosquitto_broker.h REQUIRED)
find_path(PH_UTHASH_INCLUDE uthash.h REQUIRED)
add_library(PhDep::uthash INTERFACE IMPORTED GLOBAL)
target_include_directories(PhDep::uthash SYSTEM INTERFACE "${PH_UTHASH_INCLUDE}")
