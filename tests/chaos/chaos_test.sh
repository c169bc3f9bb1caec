#!/usr/bin/env bash
# A short run of the chaos harness with a fixed seed: chaos_test.sh OPTION... of ./run.
# The real stack loses nothing, stores nothing twice and nothing that was not captured, and recovers
# [CHAIN-1] [CHAIN-3] [CHAIN-4] [CHAIN-5]; the control loses what its broker had confirmed [CHAIN-6].
set -eu
case ${PH_SANITIZE:-} in
thread*)
    echo "skipped: the broker itself is not built for the thread sanitizer"
    exit 77
    ;;
esac
exec "${PH_SOURCE:?is set by ctest}/tests/chaos/run" "$@"
