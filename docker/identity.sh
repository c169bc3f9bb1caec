# shellcheck shell=sh disable=SC2015,SC2034,SC2154 # variables cross the files; "a && b || fail" is meant
# The keys of a service: made here, in a volume that no other container sees. pki gets the request and gives the
# certificate. Read lib.sh first.
#
#   keys/current/NAME/   key.pem, cert.pem and ca.pem in use
#   keys/next/NAME/      key.pem and request.pem until there is a certificate; number: which request it is
#   requests/NAME-N.pem  what pki reads           issued/NAME-N/  what pki has answered

keys=$home/keys
requests=$home/requests
issued=$home/issued/${service:?}
renew= # yes: make new keys, whatever is there

# last_number NAME: into `number`, that of the newest request that anybody remembers; 0: none
last_number() {
    number=0
    for entry in "$requests/$1"-* "$issued/$1"-*; do
        entry=${entry##*/}
        entry=${entry%.pem}
        entry=${entry##*-}
        case $entry in
        '' | *[!0-9]*) ;;
        *) [ "$entry" -le "$number" ] || number=$entry ;;
        esac
    done
}

# make_key NAME NUMBER: whole in keys/next, or not there.
make_key() {
    part=$keys/next/.$1
    rm -rf "$part"
    mkdir -p "$keys/current" "$keys/next" && mkdir -m 700 "$part" &&
        words=$(openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj / \
            -keyout "$part/key.pem" -out "$part/request.pem" 2>&1) &&
        echo "$2" >"$part/number" && sync "$part"/* && mv -T "$part" "$keys/next/$1" ||
        fail "keys/next/$1: no key could be made: is the disk full? ${words:-}"
}

# ask NAME: a key and a request for it, unless they are there.
ask() {
    if [ ! -e "$keys/next/$1" ]; then
        last_number "$1"
        if [ "$number" -gt 0 ] && [ ! -e "$keys/current/$1" ] && [ -z "$renew" ]; then
            fail "the key of $1 is gone, and it had asked for a certificate ($1-$number): put the volume of keys" \
                "back from a backup, or have a new one made with: docker compose run --rm ${service} new-keys"
        fi
        make_key "$1" $((number + 1))
    fi
    read -r number <"$keys/next/$1/number"
    [ -e "$requests/$1-$number.pem" ] || {
        cp "$keys/next/$1/request.pem" "$requests/.$1.part" && chmod 644 "$requests/.$1.part" &&
            mv "$requests/.$1.part" "$requests/$1-$number.pem"
    } || fail "requests/$1-$number.pem: cannot be written: is the disk full?"
}

# usable NAME: has a certificate that has not ended
usable() {
    [ -f "$keys/current/$1/cert.pem" ] && openssl x509 -in "$keys/current/$1/cert.pem" -noout -checkend 0 >/dev/null
}

# take NAME: puts the certificate that was asked for into use, when it is there.
take() {
    next=$keys/next/$1
    [ -e "$next/number" ] || return 0
    read -r number <"$next/number"
    answer=$issued/$1-$number
    if [ -f "$answer/refused" ]; then
        usable "$1" || fail "pki refuses a certificate for $1: $(cat "$answer/refused")"
        say "pki refuses a new certificate for $1, the one in use ends soon: $(cat "$answer/refused")"
        return 1
    fi
    [ -f "$answer/cert.pem" ] || return 1
    [ "$(openssl pkey -in "$next/key.pem" -pubout)" = "$(openssl x509 -in "$answer/cert.pem" -noout -pubkey)" ] ||
        fail "$answer/cert.pem is not for the key in $next: the volumes are not of one installation; put those of a" \
            "backup back together, or have new keys made with: docker compose run --rm ${service} new-keys"
    { cp "$answer/ca.pem" "$answer/cert.pem" "$next/" && sync "$next"/*.pem; } ||
        fail "$next: cannot be written: is the disk full?"
    rm -rf "${keys:?}/old"
    [ ! -e "$keys/current/$1" ] || mv -T "$keys/current/$1" "$keys/old"
    mv -T "$next" "$keys/current/$1" || fail "$keys/current/$1: cannot be written"
    rm -rf "${keys:?}/old"
}

# obtain SECONDS NAME...: all of which there is none yet, or one that has ended, as after a long stop; waits so long for
# pki. What is under way beside one that is good waits for the next look.
obtain() {
    patience=$1
    shift
    wanted=
    for name in "$@"; do
        if [ -n "$renew" ] || ! usable "$name"; then
            ask "$name"
            wanted="$wanted $name"
        fi
    done
    waited=0
    for name in $wanted; do
        until take "$name"; do
            [ "$waited" -lt "$patience" ] ||
                fail "no certificate for $name within $patience s: does pki run? docker compose logs pki"
            [ "$waited" != 10 ] || say "waiting for pki to issue a certificate for $name"
            sleep 1
            waited=$((waited + 1))
        done
    done
}

# ends_soon NAME
ends_soon() {
    ! openssl x509 -in "$keys/current/$1/cert.pem" -noout -checkend "$renew_seconds" >/dev/null
}

# renewed NAME...: asks for those that end soon; true when one was exchanged. What fails is said, and tried at the next
# look: the one in use is good.
renewed() {
    exchanged=1
    for name in "$@"; do
        if [ -e "$keys/next/$name" ] || ends_soon "$name"; then
            if (ask "$name" && take "$name"); then exchanged=0; fi
        fi
    done
    return "$exchanged"
}
