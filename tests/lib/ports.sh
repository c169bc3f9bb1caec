# shellcheck shell=bash
# Ports of the loopback that no other test has. Source it in the test's own shell, not in $(...): a hundred ports are
# this shell's, and of whatever it starts, as long as one of them lives. Tests that look for a free port and open it only
# later would now and then find the same.

PORTS="" # locked; has those that were given

# reserve_ports: below the kernel's range for outgoing connections, beginning anywhere, since ports just used may linger.
reserve_ports() {
    local folder=/tmp/ph-ports.$UID hundred lock start=$((RANDOM % 120)) i
    mkdir -p "$folder" || exit 1
    for ((i = 0; i < 120; i++)); do
        hundred=$folder/$((200 + (start + i) % 120))
        exec {lock}>>"$hundred" || exit 1
        if flock --nonblock "$lock"; then
            PORTS=$hundred
            : >"$PORTS"
            return
        fi
        exec {lock}>&-
    done
    echo "FAIL all ports of $folder are in use by other tests"
    exit 1
}
reserve_ports

port_is_open() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# free_port: prints one that nothing listens on, and that was not given before.
free_port() {
    local port
    while read -r port; do
        if ! grep -qx "$port" "$PORTS" && ! port_is_open "$port"; then
            echo "$port" | tee -a "$PORTS"
            return
        fi
    done < <(shuf -i "${PORTS##*/}00-${PORTS##*/}99")
    echo "no port is left of ${PORTS##*/}00 to ${PORTS##*/}99" >&2
    return 1
}
