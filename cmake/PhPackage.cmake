# The Debian packages: what only they have, and what CPack has to know. tools/make-packages builds them.
if(NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  message(FATAL_ERROR "PH_PACKAGE: want CMAKE_INSTALL_PREFIX=/usr, have ${CMAKE_INSTALL_PREFIX}; use the preset \"package\"")
endif()
set(PH_PACKAGING "${PROJECT_SOURCE_DIR}/packaging")

# ---- configuration, where it is used ----------------------------------------------------------------------------------

ph_install_config(broker-plugin policy.yaml)
ph_install_config(ca registrar.yaml)
ph_install_config(ingest kinds.yaml)
ph_install_config(ingest ingest.yaml
  " pki/ingest/ca.pem      " " ingest/ca.pem          "
  " pki/ingest/cert.pem " " ingest/cert.pem     "
  " pki/ingest/key.pem     " " ingest/key.pem         "
  "\nstore: readings.db\n" "\nstore: /var/lib/phonehome/ingest/readings.db\n")
ph_install_config(device thermostat.yaml)

ph_stage(config/phonehome.logrotate "${PH_STAGED}/logrotate"
  " copy this to /etc/logrotate.d/phonehome." " a conffile of the package phonehome-broker-plugin.")
ph_install_conffile(broker-plugin "${PH_STAGED}/logrotate" /etc/logrotate.d phonehome)

# Debian's mosquitto.conf includes /etc/mosquitto/conf.d and has said a few things already, which must not be said twice. It
# is copied there by whoever wants it (phonehome-setup does): a broker that serves others is not changed by an installation.
ph_stage(config/mosquitto.conf "${PH_STAGED}/mosquitto.conf"
  "# Mosquitto with the phonehome plugin. " "# Mosquitto with the phonehome plugin: copy this to /etc/mosquitto/conf.d/phonehome.conf.\n# "
  "ph-policy check policy.yaml --broker-config mosquitto.conf" "ph-policy check /etc/phonehome/policy.yaml --broker-config /etc/mosquitto/mosquitto.conf"
  "plugin /usr/local/lib/phonehome/" "plugin ${CMAKE_INSTALL_FULL_LIBDIR}/phonehome/"
  "persistence_location /var/lib/mosquitto/\n" ""
  "log_dest stderr\n" ""
  " in a systemd drop-in:\n#   [Service]\n#   LimitNOFILE=100000" " the package's drop-in for mosquitto.service\n# allows 100000.")
install(FILES "${PH_STAGED}/mosquitto.conf" DESTINATION "${PH_SHARE}" COMPONENT broker-plugin)
ph_install_man(broker-plugin mosquitto_phonehome.8
  /usr/local/lib/phonehome "${CMAKE_INSTALL_FULL_LIBDIR}/phonehome"
  /usr/local/share/phonehome/mosquitto.conf /usr/share/phonehome/mosquitto.conf
  /usr/local/share/phonehome/policy.yaml /etc/phonehome/policy.yaml
  "/usr/local/share/phonehome/phonehome.logrotate\nFor\n.Pa /etc/logrotate.d :\nrotates" "/etc/logrotate.d/phonehome\nRotates")

# The first certificates, and each where it belongs.
install(PROGRAMS "${PH_PACKAGING}/phonehome-setup" DESTINATION "${CMAKE_INSTALL_SBINDIR}" COMPONENT ca)
ph_install_man(ca phonehome-setup.8)

# ---- what every package has -------------------------------------------------------------------------------------------

# Debian's changelog, from CHANGELOG.md.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/CHANGELOG.md"
  "${PROJECT_SOURCE_DIR}/cmake/changelog.awk")
execute_process(
  COMMAND awk -v "maintainer=${PH_MAINTAINER}" -v "version=${PROJECT_VERSION}"
    -f "${PROJECT_SOURCE_DIR}/cmake/changelog.awk" "${PROJECT_SOURCE_DIR}/CHANGELOG.md"
  COMMAND gzip -9nc
  OUTPUT_FILE "${PH_STAGED}/changelog.gz" COMMAND_ERROR_IS_FATAL ANY)

# ph_package(COMPONENT [DEPENDS ...] [RECOMMENDS ...] [SUGGESTS ...]): the package phonehome-COMPONENT. Its description, maintainer
# scripts and, where there are any, overrides of lintian are in packaging/COMPONENT.
function(ph_package component)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "DEPENDS;RECOMMENDS;SUGGESTS" "")
  set(name "phonehome-${component}")
  set(folder "${PH_PACKAGING}/${component}")
  install(FILES "${PH_PACKAGING}/copyright" "${PH_STAGED}/changelog.gz"
    DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/${name}" COMPONENT ${component})
  if(EXISTS "${folder}/lintian-overrides")
    install(FILES "${folder}/lintian-overrides" RENAME "${name}"
      DESTINATION "${CMAKE_INSTALL_DATADIR}/lintian/overrides" COMPONENT ${component})
  endif()
  get_property(conffiles GLOBAL PROPERTY "PH_CONFFILES_${component}")
  list(SORT conffiles)
  list(JOIN conffiles "\n" text)
  file(WRITE "${PH_STAGED}/control/${component}/conffiles" "${text}\n")
  file(READ "${folder}/description" description)

  string(TOUPPER "${component}" key)
  set(CPACK_DEBIAN_${key}_PACKAGE_NAME "${name}" PARENT_SCOPE)
  set(CPACK_DEBIAN_${key}_PACKAGE_DEPENDS "${arg_DEPENDS}" PARENT_SCOPE)
  set(CPACK_DEBIAN_${key}_PACKAGE_RECOMMENDS "${arg_RECOMMENDS}" PARENT_SCOPE)
  set(CPACK_DEBIAN_${key}_PACKAGE_SUGGESTS "${arg_SUGGESTS}" PARENT_SCOPE)
  set(CPACK_DEBIAN_${key}_PACKAGE_SHLIBDEPS ON PARENT_SCOPE)
  set(CPACK_DEBIAN_${key}_PACKAGE_CONTROL_EXTRA "${folder}/postinst" "${folder}/prerm" "${folder}/postrm"
    "${PH_STAGED}/control/${component}/conffiles" PARENT_SCOPE)
  string(STRIP "${description}" description)
  set(CPACK_DEBIAN_${key}_DESCRIPTION "${description}" PARENT_SCOPE)
endfunction()

# Who makes the service's user. The first is there wherever systemd runs.
set(users "systemd | systemd-standalone-sysusers | systemd-sysusers")
ph_package(broker-plugin DEPENDS "mosquitto (>= 2.0.11)" RECOMMENDS logrotate SUGGESTS phonehome-ca)
ph_package(ca DEPENDS "${users}" RECOMMENDS phonehome-broker-plugin)
ph_package(ingest DEPENDS "${users}" SUGGESTS "phonehome-broker-plugin, postgresql, sqlite3")
ph_package(device DEPENDS "${users}" SUGGESTS phonehome-ca)

# ---- CPack --------------------------------------------------------------------------------------------------------------

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME phonehome)
set(CPACK_PACKAGE_VENDOR phonehome)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "") # each package has one of its own
set(CPACK_PACKAGE_CONTACT "${PH_MAINTAINER}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_ALL broker-plugin ca device ingest)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
  WORLD_READ WORLD_EXECUTE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SOURCE phonehome)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
include(CPack)
