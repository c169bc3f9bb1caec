# shellcheck shell=sh disable=SC2015,SC2034,SC2154 # variables cross the files; "a && b || fail" is meant
# What the services' scripts share; each sets `service` before it reads this file.

home=/var/lib/phonehome
format=1 # of the volumes
renew_seconds=${RENEW_SECONDS:-2592000} # before the end of a certificate of 90 days; devices renew at the registrar
look_seconds=${LOOK_SECONDS:-3600}      # between two looks at it
end_signal=TERM                         # ends what supervise runs

say() {
    echo "${service:?}: $*"
}

fail() {
    echo "${service:?}: $*" >&2
    exit 1
}

# clock: certificates have no meaning for a host whose clock was never set.
clock() {
    built=$(cat /usr/local/share/phonehome/built)
    [ "$(date +%s)" -ge "$built" ] ||
        fail "the clock says $(date -u '+%F %T') UTC, and this image was built $(date -u -d "@$built" '+%F %T'):" \
            "set the host's clock; nothing was made or changed"
}

# is_empty DIR: but for what file systems have in their top folder, and what a kill has left of our mark.
is_empty() {
    for entry in "$1"/* "$1"/.[!.]*; do
        case ${entry##*/} in
        '*' | '.[!.]*' | lost+found | version.part) ;;
        *) return 1 ;;
        esac
    done
}

# volume DIR: it is ours and of this version; a new one is marked. Anything else is left as it is.
volume() {
    [ -r "$1" ] && [ -w "$1" ] ||
        fail "$1: user $(id -u) cannot write here: give the volume to that user (chown -R $(id -u) in it), or use a new one"
    if [ -f "$1/version" ]; then
        have=$(head -c 16 "$1/version")
        [ "$have" = "$format" ] ||
            fail "$1: this volume is of version $have, and this image works with version $format: start the images" \
                "that made it; nothing was changed"
    elif is_empty "$1"; then
        { echo "$format" >"$1/version.part" && mv "$1/version.part" "$1/version"; } ||
            fail "$1: cannot be written: is the disk full? Make room and start again"
    else
        fail "$1: this volume has files and no version: an older docker-compose.yml, or something else, made it." \
            "Nothing was changed. Keep it: start that one again, or set another COMPOSE_PROJECT_NAME for new volumes." \
            "Give it up: docker compose --profile postgres down --volumes"
    fi
}

# readable FILE...: configuration that was mounted into the container.
readable() {
    for file in "$@"; do
        [ -r "$file" ] || fail "$file: user $(id -u) cannot read it: chmod a+r the file that is mounted there"
    done
}

# due_each SECONDS: true once in so many seconds; the first time when they have passed.
last_due=$(date +%s)
due_each() {
    now=$(date +%s)
    [ $((now - last_due)) -ge "$1" ] || [ "$now" -lt "$last_due" ] || return 1
    last_due=$now
}

# supervise COMMAND...: runs it as long as it lasts and calls tick every two seconds; ends as it ends. When tick fails, the
# command is told to end, and waited for.
supervise() {
    "$@" &
    child=$!
    trap 'kill -s "$end_signal" "$child" 2>/dev/null && wait "$child" || true' EXIT
    trap 'kill -s "$end_signal" "$child" 2>/dev/null; wait "$child"; exit $?' TERM INT
    trap 'kill -HUP "$child" 2>/dev/null || true' HUP
    while kill -0 "$child" 2>/dev/null; do
        tick
        sleep 2 &
        wait $! || true # a signal came
    done
    wait "$child"
    exit $?
}

# end_child: for a program that takes up new files only at its start; the container is started again.
end_child() {
    kill -s "$end_signal" "$child" 2>/dev/null || true
    wait "$child" || true
    exit 0
}
