# shellcheck shell=sh disable=SC2015,SC2034,SC2154 # variables cross the files; "a && b || fail" is meant
# Who gets which certificate is fixed by the volume in which the request lies, never by what the request says.
# Read lib.sh first; the working folder is that of the authorities.

# answer SERVICE NAME-N CA TYPE-AND-OPTIONS... : once; a refusal is an answer, other failures are tried again.
answer() {
    request=$home/requests/$1/$2.pem
    out=$home/issued/$1
    part=$home/issued/.$1-$2
    name=${2%-*}
    ca=$3
    to=$2
    shift 3
    [ ! -e "$out/$to/cert.pem" ] && [ ! -e "$out/$to/refused" ] || return 0
    rm -rf "$part" "${out:?}/$to"
    mkdir -p "$out" && status=0 || return 1
    words=$(ph-ca issue "$@" --ca "$ca" --by pki --why "asked in the volume of requests" \
        --csr "$request" --out "$part" "$name" 2>&1) || status=$?
    case $status in
    0) ;;
    64 | 65 | 77) mkdir "$part" && echo "$words" | tail -n 1 >"$part/refused" || return 1 ;;
    *) say "$to: $words" && return 1 ;;
    esac
    chmod 755 "$part" && mv -T "$part" "$out/$to" || return 1
    say "$to: $(if [ "$status" = 0 ]; then echo issued; else cat "$out/$to/refused"; fi)"
}

# requests_of SERVICE NAME: NAME-N of the plain files there, into the list `found`; of the name t, those of t-0001 and so on
requests_of() {
    found=
    for file in "$home/requests/$1/$2"-*.pem; do
        file=${file##*/}
        file=${file%.pem}
        case ${file##*-} in
        '' | *[!0-9]* | ????*) continue ;;
        esac
        case $file in
        "$2"-"${file##*-}" | t-[0-9][0-9][0-9][0-9]-"${file##*-}") ;;
        *) continue ;;
        esac
        [ -L "$home/requests/$1/$file.pem" ] || found="$found $file"
    done
}

# answer_all SERVICE NAME CA TYPE-AND-OPTIONS...
answer_all() {
    requests_of "$1" "$2"
    whose=$1
    from=$3
    shift 3
    for one in $found; do
        answer "$whose" "$one" "$from" "$@" || return 0 # in the next round
    done
}

# forget_refusals: at a start. What was refused is answered anew, since what it went by may have been put right.
forget_refusals() {
    for one in "$home"/issued/*/*/refused; do
        [ ! -f "$one" ] || rm -rf "${one%/*}"
    done
}

answer_requests() {
    # shellcheck disable=SC2086 # options are words
    answer_all broker broker pki broker $broker_names
    answer_all broker probe pki service --tenant acme
    answer_all ingest ingest pki service --tenant acme
    answer_all ingest ph_ingest db service --tenant acme
    answer_all postgres postgres db broker --dns postgres
    answer_all thermostats t pki device --tenant acme --kind thermostat
}
