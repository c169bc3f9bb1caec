#!/usr/bin/env bash
# [PLG-21] The plugin exports its three entry points and nothing else: the broker loads plugins with
# global visibility, where any other name could take the place of the broker's own.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"

test_begin "exports of the plugin"
need nm
want="mosquitto_plugin_cleanup
mosquitto_plugin_init
mosquitto_plugin_version"
have=$(nm -D --defined-only "$PH_PLUGIN" | awk '{ print $3 }' | sort)
if [ "$have" = "$want" ]; then
    ok "three entry points"
else
    fail "want $want, have $have"
fi
test_end
