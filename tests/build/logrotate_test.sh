#!/usr/bin/env bash
# The shipped logrotate file tells a running broker that the audit file was renamed: by its service where there is
# systemd (Debian 13's broker writes no process id file), else by the process id file if there is one.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"

test_begin "logrotate"
sed -n '/^ *postrotate$/,/^ *endscript$/p' "$PH_SOURCE/config/phonehome.logrotate" |
    sed "1d;\$d; s,/run/systemd/system,$WORK/systemd,g; s,/run/mosquitto/,$WORK/," >"$WORK/script"

# rotated STATUS: runs it where systemctl, if anybody asks it, has this exit status; what it was asked is in asked.
rotated() {
    mkdir -p "$WORK/bin"
    printf '#!/bin/sh\necho "$*" >>"%s/asked"\nexit %s\n' "$WORK" "$1" >"$WORK/bin/systemctl"
    chmod +x "$WORK/bin/systemctl"
    : >"$WORK/asked"
    PATH=$WORK/bin:$PATH sh -e "$WORK/script"
}

expect_ok "there is a script" test -s "$WORK/script"
expect_ok "without systemd and without a process id file" rotated 0
if [ -s "$WORK/asked" ]; then fail "nobody is told"; else ok "nobody is told"; fi

(trap 'echo told >"$WORK/told"; exit' HUP && while :; do sleep 0.1; done) &
broker=$!
echo "$broker" >"$WORK/mosquitto.pid"
expect_ok "with a process id file" rotated 0
if wait_for 5 test -s "$WORK/told"; then ok "its process is told"; else fail "its process is told"; fi
wait "$broker" 2>/dev/null
expect_ok "a process that has ended is no failure of the rotation" rotated 0

mkdir "$WORK/systemd"
expect_ok "with systemd" rotated 0
expect_line "the service is told" "$WORK/asked" '^reload mosquitto.service$'
expect_ok "one that does not take it is no failure of the rotation" rotated 1
test_end
