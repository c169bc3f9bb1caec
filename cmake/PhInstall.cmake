# Everything that is installed, by the package it belongs to (COMPONENT broker-plugin, ca, device, ingest). An ordinary
# installation has examples to copy in share/phonehome; with PH_PACKAGE, which the preset "package" sets, the same files
# are what a Debian package wants: configuration in /etc, compressed man pages, changelog, copyright.
option(PH_PACKAGE "Install as Debian packages do (tools/make-packages)" OFF)
set(PH_MAINTAINER "phonehome maintainers <phonehome@example.org>" CACHE STRING
  "Maintainer of the packages: a name and an address where mail arrives")

set(PH_SHARE "${CMAKE_INSTALL_DATADIR}/phonehome")
set(PH_PLUGIN_DIR "${CMAKE_INSTALL_LIBDIR}/phonehome")
set(PH_STAGED "${PROJECT_BINARY_DIR}/staged")

# ph_stage(FILE STAGED [FROM TO]...): a copy in the build folder with each FROM replaced. A FROM that the file has not got is
# an error: whoever changes the file must see that a package relied on it.
function(ph_stage file staged)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${file}")
  file(READ "${PROJECT_SOURCE_DIR}/${file}" text)
  set(edits "${ARGN}")
  list(LENGTH edits count)
  math(EXPR odd "${count} % 2")
  while(edits)
    list(POP_FRONT edits from to)
    if(odd OR from STREQUAL "")
      message(FATAL_ERROR "${file}: want pairs of texts without a semicolon, have ${ARGN}")
    endif()
    string(FIND "${text}" "${from}" found)
    if(found EQUAL -1)
      message(FATAL_ERROR "${file}: want \"${from}\", which the installed file has as \"${to}\"; adapt cmake/PhInstall.cmake")
    endif()
    string(REPLACE "${from}" "${to}" text "${text}")
  endwhile()
  file(WRITE "${staged}" "${text}")
endfunction()

# ph_install_programs(COMPONENT PROGRAM...): those of them that this build has. A component without any has nothing else either.
function(ph_install_programs component)
  foreach(program IN LISTS ARGN)
    if(TARGET ${program})
      set_property(GLOBAL PROPERTY "PH_HAS_${component}" ON)
      install(TARGETS ${program} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT ${component})
    endif()
  endforeach()
endfunction()

# ph_install_man(COMPONENT PAGE [FROM TO]...): docs/man/PAGE, compressed in a package.
function(ph_install_man component page)
  get_property(has GLOBAL PROPERTY "PH_HAS_${component}")
  if(NOT has)
    return()
  endif()
  set(staged "${PH_STAGED}/man/${page}")
  ph_stage("docs/man/${page}" "${staged}" ${ARGN})
  string(REGEX REPLACE ".*\\." "man" section "${page}")
  if(PH_PACKAGE)
    execute_process(COMMAND gzip -9nc "${staged}" OUTPUT_FILE "${staged}.gz" COMMAND_ERROR_IS_FATAL ANY)
    set(staged "${staged}.gz")
  endif()
  install(FILES "${staged}" DESTINATION "${CMAKE_INSTALL_MANDIR}/${section}" COMPONENT ${component})
endfunction()

# ph_install_config(COMPONENT FILE [FROM TO]...): config/FILE as an example; in a package in /etc/phonehome, edited, as a conffile.
function(ph_install_config component file)
  get_property(has GLOBAL PROPERTY "PH_HAS_${component}")
  if(NOT has)
    return()
  endif()
  if(NOT PH_PACKAGE)
    install(FILES "${PROJECT_SOURCE_DIR}/config/${file}" DESTINATION "${PH_SHARE}" COMPONENT ${component})
    return()
  endif()
  ph_stage("config/${file}" "${PH_STAGED}/etc/${file}" ${ARGN})
  ph_install_conffile(${component} "${PH_STAGED}/etc/${file}" /etc/phonehome "${file}")
endfunction()

# ph_install_conffile(COMPONENT FILE FOLDER NAME)
function(ph_install_conffile component file folder name)
  install(FILES "${file}" DESTINATION "${folder}" RENAME "${name}" COMPONENT ${component})
  set_property(GLOBAL APPEND PROPERTY "PH_CONFFILES_${component}" "${folder}/${name}")
endfunction()

ph_install_programs(broker-plugin ph-policy)
ph_install_programs(ca ph-ca)
ph_install_programs(device ph-thermostat ph-fleet)
ph_install_programs(ingest ph-ingest)
if(TARGET mosquitto_phonehome)
  install(TARGETS mosquitto_phonehome LIBRARY DESTINATION "${PH_PLUGIN_DIR}" COMPONENT broker-plugin)
endif()

foreach(program ph-thermostat ph-fleet)
  if(TARGET ${program})
    ph_install_man(device ${program}.1)
  endif()
endforeach()
ph_install_man(ca ph-ca.1)
ph_install_man(ingest ph-ingest.1)
ph_install_man(broker-plugin ph-policy.1)
if(NOT PH_PACKAGE)
  ph_install_man(broker-plugin mosquitto_phonehome.8
    /usr/local/lib/phonehome "${CMAKE_INSTALL_FULL_LIBDIR}/phonehome"
    /usr/local/share/phonehome "${CMAKE_INSTALL_FULL_DATADIR}/phonehome")
endif()

# Alerts for whoever runs all of it; the plugin's package is where there is something to be told of in any case.
if(TARGET mosquitto_phonehome)
  install(FILES "${PROJECT_SOURCE_DIR}/config/prometheus/phonehome.rules.yaml" DESTINATION "${PH_SHARE}/prometheus"
    COMPONENT broker-plugin)
endif()

# What ph-fleet can be asked to do.
if(TARGET ph-fleet)
  foreach(name diurnal expiry mad outage steady storm thief)
    install(FILES "${PROJECT_SOURCE_DIR}/config/scenarios/${name}.yaml" DESTINATION "${PH_SHARE}/scenarios" COMPONENT device)
  endforeach()
endif()

# One file, under the name of each command that it completes: that is how bash finds it.
foreach(pair broker-plugin:ph-policy ca:ph-ca device:ph-thermostat device:ph-fleet ingest:ph-ingest)
  string(REPLACE ":" ";" pair "${pair}")
  list(GET pair 0 component)
  list(GET pair 1 command)
  if(TARGET ${command})
    install(FILES "${PROJECT_SOURCE_DIR}/completions/phonehome.bash" RENAME ${command}
      DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions" COMPONENT ${component})
  endif()
endforeach()

if(PH_PACKAGE)
  include(PhPackage)
else()
  foreach(file policy.yaml phonehome.logrotate)
    ph_install_config(broker-plugin ${file})
  endforeach()
  if(TARGET mosquitto_phonehome)
    ph_stage(config/mosquitto.conf "${PH_STAGED}/mosquitto.conf"
      /usr/local/lib/phonehome "${CMAKE_INSTALL_FULL_LIBDIR}/phonehome")
    install(FILES "${PH_STAGED}/mosquitto.conf" DESTINATION "${PH_SHARE}" COMPONENT broker-plugin)
  endif()
  foreach(file ingest.yaml kinds.yaml)
    ph_install_config(ingest ${file})
  endforeach()
  ph_install_config(ca registrar.yaml)
  ph_install_config(device thermostat.yaml)
endif()
