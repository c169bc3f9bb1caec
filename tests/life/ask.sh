# shellcheck shell=bash
# Requests to the registrar by the command line: what a peer sends that is no ph-thermostat. Source stage.sh first.

# as_json FILE: its lines as the inside of a JSON text.
as_json() {
    awk '{ printf "%s\\n", $0 }' "$1"
}

new_id() {
    openssl rand -hex 16
}

# make_key FILE [OPTION...]: options of openssl genpkey; P-256 without.
make_key() {
    local file=$1
    shift
    [ $# -gt 0 ] || set -- -algorithm EC -pkeyopt ec_paramgen_curve:P-256
    openssl genpkey "$@" -out "$file" 2>"$WORK/openssl.log" || die "openssl genpkey $*: $(tail -n 1 "$WORK/openssl.log")"
}

# make_request KEY OUT SUBJECT [OPTION...]: options of openssl req.
make_request() {
    openssl req -new -key "$1" -subj "$3" -out "$2" "${@:4}" 2>"$WORK/openssl.log" ||
        die "openssl req: $(tail -n 1 "$WORK/openssl.log")"
}

# exchange DIR CLIENT-ID TOPIC ANSWER-TOPIC FILE [SECONDS]: connects with DIR's certificate, sends FILE and prints the
# answer; what went wrong is in $WORK/exchange.log.
exchange() {
    mosquitto_rr -V 5 -h localhost -p "$PORT" --cafile "$PKI/trust/brokers.pem" --cert "$1/cert.pem" --key "$1/key.pem" \
        -i "$2" -q 1 -W "${6:-5}" -t "$3" -e "$4" -m "$(<"$5")" 2>"$WORK/exchange.log"
}

# enroll CLAIM CSR [MEMBER...]: what the registrar answers to it; members are such as '"name":"t-0001"'.
enroll() {
    local claim=$1 id member
    id=$(new_id)
    {
        printf '{"v":1,"ask":"enroll","id":"%s","csr":"%s"' "$id" "$(as_json "$2")"
        for member in "${@:3}"; do
            printf ',%s' "$member"
        done
        printf '}'
    } >"$WORK/ask.json"
    exchange "$CERTS/$claim" "acme/claim/$claim/shell-$RANDOM" "ph/v1/claim/acme/$claim/enroll" \
        "ph/v1/claim/acme/$claim/certificate/$id" "$WORK/ask.json"
}

# renew DIR DEVICE CSR: the same with a device's certificate.
renew() {
    printf '{"v":1,"ask":"renew","id":"%s","csr":"%s"}' "$(new_id)" "$(as_json "$3")" >"$WORK/ask.json"
    exchange "$1" "$2" "ph/v1/$2/renew" "ph/v1/$2/certificate" "$WORK/ask.json"
}

# member NAME: of the answer on the standard input, line breaks as such.
member() {
    sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" | sed 's/\\n/\n/g; s,\\/,/,g'
}

# is_answer TYPE ANSWER [REGEX]: with a reason that matches.
is_answer() {
    grep -q "\"answer\":\"$1\"" <<<"$2" && grep -Eq -- "${3:-}" <<<"$2"
}

# expect_answer TEXT TYPE REGEX COMMAND...: the command prints such an answer.
expect_answer() {
    local text=$1 type=$2 regex=$3 answer
    shift 3
    answer=$("$@" </dev/null)
    if is_answer "$type" "$answer" "$regex"; then
        ok "$text"
    else
        fail "$text: want $type and /$regex/, have: ${answer:-$(tail -n 1 "$WORK/exchange.log")}"
    fi
}
