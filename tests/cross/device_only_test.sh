#!/usr/bin/env bash
# What a build for devices consists of. It is configured, not built; tools/cross-build builds it. [CROSS-1]
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"

test_begin "a build for devices"
# configure NAME OPTION...: in $WORK/NAME; false when that fails.
configure() {
    local name=$1
    shift
    cmake -S "$PH_SOURCE" -B "$WORK/$name" -G Ninja -DPH_DEVICE_ONLY=ON "$@" >"$WORK/$name.log" 2>&1 &&
        ninja -C "$WORK/$name" -t targets all >"$WORK/$name.targets"
}

expect_ok "is configured" configure device -DPH_DEV=ON
expect_line "has ph-thermostat" "$WORK/device.targets" '^bin/ph-thermostat: '
expect_line "has ph-fleet" "$WORK/device.targets" '^bin/ph-fleet: '
expect_line "has its unit tests" "$WORK/device.targets" '^tests/test_ph_device_spool: '
others='(ph-ca|ph-ingest|ph-policy|mosquitto_phonehome\.so|libph_(broker|certs|ingest|store|postgres)[a-z_]*\.a): '
ninja -C "${PH_BIN%/bin}" -t targets all >"$WORK/full.targets"
expect_line "the full build has the others (control)" "$WORK/full.targets" "(/|^)$others"
expect_no_line "it has none of them" "$WORK/device.targets" "(/|^)$others"
expect_no_line "nor asks for their libraries" "$WORK/device/CMakeCache.txt" '^(pq_|PH_MOSQUITTO_PLUGIN_INCLUDE)'

# A pkg-config that knows no libmosquitto.
mkdir "$WORK/bin"
cat >"$WORK/bin/pkg-config" <<END
#!/bin/sh
case " \$* " in
*libmosquitto*) exit 1 ;;
esac
exec "$(command -v pkg-config)" "\$@"
END
chmod +x "$WORK/bin/pkg-config"
expect_ok "without libmosquitto too" configure bare -DPH_DEV=ON -DPKG_CONFIG_EXECUTABLE="$WORK/bin/pkg-config"
expect_line "says what is left out" "$WORK/bare.log" 'ph-fleet is left out: there is no libmosquitto'
expect_line "has ph-thermostat then" "$WORK/bare.targets" '^bin/ph-thermostat: '
expect_no_line "and no ph-fleet" "$WORK/bare.targets" 'ph-fleet|libph_mosq'
test_end
