#!/usr/bin/env bash
# cmake --install puts programs, plugin, man pages and configuration where Debian expects them, the
# installed programs run, and the installed configuration passes its own check.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/build/build.sh"

test_begin "installation"
# DESTDIR, not --prefix: with it even an absolute destination stays inside the work folder.
DESTDIR=$WORK/root cmake --install "$BUILD" >"$WORK/log" 2>&1 ||
    die "cmake --install: $(tail -n 5 "$WORK/log")"
cd "$WORK/root" || exit 1
prefix=.$(cache_value CMAKE_INSTALL_PREFIX)

while read -r program; do
    name=$(basename "$program")
    expect_ok "$name runs where it was installed" "$prefix/bin/$name" --version
    expect_ok "$name.1" test -s "$prefix/share/man/man1/$name.1"
done < <(programs)
if [ "$(find . -name mosquitto_phonehome.so | wc -l)" = 1 ]; then
    ok "the plugin"
else
    fail "want one mosquitto_phonehome.so, have: $(find . -name '*.so')"
fi
for file in policy.yaml kinds.yaml ingest.yaml thermostat.yaml mosquitto.conf phonehome.logrotate; do
    if [ -n "$(find . -path '*phonehome*' -name "$file")" ]; then
        ok "$file"
    else
        fail "$file: not installed in a phonehome folder"
    fi
done
strangers=$(find . -type f ! -path "$prefix/*" ! -path './etc/*' ! -path './usr/lib/systemd/*')
[ -z "$strangers" ] || fail "outside the prefix and /etc: $strangers"
secrets=$(find . -name '*.key' -o -name 'key.pem' -o -name '*_test*' -o -name '*.a' \
    -o -name 'ph-load' -o -name 'ph-bench-*' -o -name 'ph-chaos-*' -o -name 'ph-fleet-actor')
[ -z "$secrets" ] || fail "not to be installed: $secrets"
test_end
