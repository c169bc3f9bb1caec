#!/usr/bin/env bash
# tools/install-packages and tools/ctest-report: what they say, and when they say nothing.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"

test_begin "tools"
install=$PH_SOURCE/tools/install-packages
expect_refused "an unknown group" 'want one of: run, test, dev, cross, device, package; have "everything"' "$install" everything
printf 'ID=fedora\nID_LIKE="rhel"\n' >"$WORK/os-release"
expect_refused "another system" 'not a Debian system.*build-essential' \
    env PH_OS_RELEASE="$WORK/os-release" "$install" run
if [ -z "$(comm -23 <("$install" --list run | sort) <("$install" --list dev | sort))" ]; then
    ok "dev contains run"
else
    fail "dev does not contain run"
fi

# A stand-in apt world: nothing is installed, and apt-get writes down how it was called.
mkdir "$WORK/bin"
printf '#!/bin/sh\nexit 1\n' >"$WORK/bin/dpkg-query"
printf '#!/bin/sh\nexit 1\n' >"$WORK/bin/apt-cache"
printf '#!/bin/sh\necho "$@" >>"%s/calls"\n' "$WORK" >"$WORK/bin/apt-get"
printf '#!/bin/sh\necho 1000\n' >"$WORK/bin/id"
for tool in awk sort comm grep cat rm mktemp env bash sh sed; do
    ln -s "$(command -v "$tool")" "$WORK/bin/$tool"
done
expect_refused "no root and no sudo" 'missing, and without sudo only root.*apt-get install.*cmake' \
    env PATH="$WORK/bin" "$install" run
printf '#!/bin/sh\necho sudo >>"%s/calls"; exec "$@"\n' "$WORK" >"$WORK/bin/sudo"
chmod +x "$WORK/bin/"{dpkg-query,apt-cache,apt-get,id,sudo}
env PATH="$WORK/bin" "$install" run >"$WORK/out" 2>&1
expect_line "says what it is about to do" "$WORK/out" '^Installing [0-9]+ Debian packages with sudo:'
expect_line "brings absent package lists up to date" "$WORK/calls" ' update$'
expect_line "installs" "$WORK/calls" ' install --yes .* cmake '
expect_line "through sudo" "$WORK/calls" '^sudo$'
expect_line "does not take apt's word for it" "$WORK/out" 'still missing after the installation'

mkdir "$WORK/suite"
cat >"$WORK/suite/CTestTestfile.cmake" <<'END'
add_test(good "true")
add_test(bad "sh" "-c" "echo 'a <b> & \"c\"'; exit 1")
add_test(slow "sleep" "9")
set_tests_properties(slow PROPERTIES TIMEOUT 1)
add_test(left "sh" "-c" "exit 77")
set_tests_properties(left PROPERTIES SKIP_RETURN_CODE 77)
add_test(gone "/nonexistent/program")
END
ctest --test-dir "$WORK/suite" --output-junit "$WORK/junit.xml" >/dev/null 2>&1
"$PH_SOURCE/tools/ctest-report" "$WORK/junit.xml" >"$WORK/counts" 2>"$WORK/failures"
expect_line "a test that cannot start has failed" "$WORK/counts" '^1 3 1$'
expect_line "a failure's output is shown as it was" "$WORK/failures" '^a <b> & "c"$'
expect_line "with the test's name" "$WORK/failures" '^--- bad \(failed\)$'
test_end
