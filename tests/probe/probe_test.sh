#!/usr/bin/env bash
# ph-policy probe against real brokers, good and bad ones, and against what is none. [PPL-14] [PPL-15] [PPL-16] [PPL-17]
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/lib/broker.sh"
. "$PH_SOURCE/tests/lib/mqtt.sh"
. "$PH_SOURCE/tests/lib/pki.sh"

here=$PH_SOURCE/tests/probe
LEAF='basicConstraints=critical,CA:FALSE;keyUsage=critical,digitalSignature'
SIGNING='basicConstraints=critical,CA:TRUE;keyUsage=critical,keyCertSign,cRLSign'
HOSTS='subjectAltName=DNS:localhost,IP:127.0.0.1'

make_certificates() {
    local name
    pki_root root /CN=root
    pki_root stranger /CN=root # the same name, another key
    pki_crl root
    mkdir -p pki/trust
    for name in brokers devices services claims; do
        pki_sign root $name /CN=$name "$SIGNING"
        pki_crl $name
        cat $name/ca.crt root/ca.crt >pki/trust/$name.pem
    done
    cat root/crl.pem {devices,services,claims}/crl.pem >pki/trust/crl.pem
    cat {devices,services,claims,root}/ca.crt >pki/trust/clients.pem
    pki_sign brokers broker /CN=broker "$LEAF;extendedKeyUsage=serverAuth;$HOSTS"
    pki_sign brokers expired /CN=expired "$LEAF;extendedKeyUsage=serverAuth;$HOSTS" -7200 -3600
    pki_sign brokers future /CN=future "$LEAF;extendedKeyUsage=serverAuth;$HOSTS" 3600 7200
    pki_sign brokers elsewhere /CN=localhost \
        "$LEAF;extendedKeyUsage=serverAuth;subjectAltName=DNS:elsewhere.example,IP:192.0.2.1"
    pki_sign stranger impostor /CN=broker "$LEAF;extendedKeyUsage=serverAuth;$HOSTS"
    pki_sign devices thief /O=acme/OU=thermostat/CN=t-1 "$LEAF;extendedKeyUsage=clientAuth;$HOSTS"
    pki_sign services probe /O=acme/OU=service/CN=probe "$LEAF;extendedKeyUsage=clientAuth"
    pki_sign services revoked /O=acme/OU=service/CN=probe "$LEAF;extendedKeyUsage=clientAuth"
    pki_sign services old /O=acme/OU=service/CN=probe "$LEAF;extendedKeyUsage=clientAuth" -7200 -3600
    pki_sign services nobody /O=acme/OU=service/CN=nobody "$LEAF;extendedKeyUsage=clientAuth"
    pki_sign stranger foreign /O=acme/OU=service/CN=probe "$LEAF;extendedKeyUsage=clientAuth"
}

# services_crl OPTION...: revokes nothing more; writes the CRL anew and puts it in place.
services_crl() {
    openssl ca -gencrl -config services/openssl/ca.conf -cert services/ca.crt -keyfile services/ca.key \
        -out services/crl.pem "$@" 2>>openssl.log || die "openssl ca -gencrl"
    cat root/crl.pem {devices,services,claims}/crl.pem >pki/trust/crl.new
    mv pki/trust/crl.new pki/trust/crl.pem
}

# shipped_broker NAME PORT POLICY: the shipped configuration, in this folder.
shipped_broker() {
    mkdir -p "data-$1"
    sed -e "s,^plugin /.*,plugin $PH_PLUGIN," -e "s,^listener .*,listener $2 127.0.0.1," \
        -e "s,/etc/phonehome/policy.yaml,$WORK/$3," -e "s,/etc/phonehome/broker/,$WORK/broker/," \
        -e "s,/etc/phonehome/,$WORK/," -e "s,/var/lib/mosquitto/,$WORK/data-$1/," \
        -e "s,/var/log/mosquitto/,$WORK/data-$1/," "$PH_SOURCE/config/mosquitto.conf" >"$1.conf"
    printf 'log_type all\n' >>"$1.conf"
    broker_start "$1" "$1.conf" || die "$1 does not start: $(tail -n 3 "$1.log")"
}

# stock_broker NAME PORT CERTIFICATE [LINE...]: without the plugin.
stock_broker() {
    cat >"$1.conf" <<EOF
listener $2 127.0.0.1
cafile $WORK/pki/trust/clients.pem
certfile $WORK/$3/cert.pem
keyfile $WORK/$3/key.pem
require_certificate true
allow_anonymous true
EOF
    printf '%s\n' "${@:4}" >>"$1.conf"
    broker_start "$1" "$1.conf" || die "$1 does not start: $(tail -n 3 "$1.log")"
}

# listen NAME MODE: starts listener.py; its port is in $LISTENER.
listen() {
    rm -f "$1.port"
    spawn "$1" "$1.log" python3 "$here/listener.py" "$1.port" "$2" broker/cert.pem broker/key.pem
    wait_for 10 test -s "$1.port" || die "$2: no listener: $(cat "$1.log")"
    LISTENER=$(cat "$1.port")
}

# probe PORT [OPTION...]: with the standing certificates, unless options say otherwise; DIR is the client's.
probe() {
    "$PH_BIN/ph-policy" probe --url "mqtts://${HOST:-localhost}:$1" --ca pki/trust/brokers.pem \
        --cert "${DIR:-probe}/cert.pem" --key "${DIR:-probe}/key.pem" "${@:2}"
}

# says STATUS REGEX TEXT PORT [OPTION...]: the status, nothing on standard output, one line on the other.
says() {
    local want=$1 regex=$2 text=$3 status=0
    probe "${@:4}" >out 2>err </dev/null || status=$?
    if ! [[ $status =~ ^($want)$ ]]; then
        fail "$text: want status $want, have $status: $(cat err)"
    elif [ -s out ] || [ "$(wc -l <err)" != 1 ]; then
        fail "$text: want one line of error alone, have: $(cat out err)"
    elif ! grep -Eq -- "^ph-policy: $regex" err; then
        fail "$text: want /$regex/, have: $(cat err)"
    else
        ok "$text"
    fi
}

# says_in_time MILLISECONDS ARGUMENT...: says(), and no longer than that.
says_in_time() {
    local most=$1 before after
    before=$(now_ms)
    says "${@:2}"
    after=$(now_ms)
    if [ $((after - before)) -le "$most" ]; then
        ok "$4: within $most ms"
    else
        fail "$4: took $((after - before)) ms, want at most $most"
    fi
}

expect_admitted() { # TEXT REGEX PORT [OPTION...]
    local text=$1 regex=$2
    if ! probe "${@:3}" >out 2>err; then
        fail "$text: $(cat err)"
    elif [ -s err ] || [ "$(wc -l <out)" != 1 ]; then
        fail "$text: want one line, have: $(cat out err)"
    else
        expect_line "$text" out "$regex"
    fi
}

# ask PORT HEX: what a broker answers to these packets of the probe's certificate, in answer.
ask() {
    { from_hex "$2" && sleep 1; } | timeout 10 openssl s_client -quiet -connect "localhost:$1" \
        -CAfile pki/trust/brokers.pem -cert probe/cert.pem -key probe/key.pem >answer 2>/dev/null
}

# What a check does that only looks whether something listens.
tcp_healthy() {
    port_is_open "$1"
}

test_begin "ph-policy probe"
need openssl python3
cd "$WORK" || exit 1
make_certificates
cp "$PH_SOURCE/config/policy.yaml" policy.yaml
ADMITS='admits acme/service/probe: TLSv1\.3, broker.s certificate valid until 20[0-9-]+T[0-9:.]+Z, [0-9]+ ms$'

# ---- a broker that is well ----
PORT=$(free_port)
shipped_broker good "$PORT" policy.yaml
expect_admitted "the shipped policy admits a probe" "^localhost:$PORT $ADMITS" "$PORT"
HOST=127.0.0.1 expect_admitted "by address" "^127\.0\.0\.1:$PORT $ADMITS" "$PORT"
expect_ok "quietly" probe "$PORT" --quiet
expect_ok "and says nothing then" test -z "$(probe "$PORT" --quiet 2>&1)"
expect_line "it connects" good.log "New client connected from .* as acme/service/probe \(p5, c1, k60, u'probe:services:"
expect_line "and takes its leave" good.log 'Received DISCONNECT from acme/service/probe'
if grep -E 'Received (PUBLISH|SUBSCRIBE)' good.log; then
    fail "and does nothing else"
else
    ok "and does nothing else"
fi
ask "$PORT" "$(mqtt_connect acme/service/probe)$(mqtt_publish ph/v1/acme/service/probe/status x)$(mqtt_subscribe 'ph/v1/#')"
expect_ok "its certificate is good for a connection" test "$(mqtt_reason answer 20)" = 00
expect_ok "and for no publication" test "$(mqtt_reason answer 40)" = 87
expect_ok "and for no subscription" test "$(mqtt_reason answer 90)" = 87

# ---- clients that a broker does not admit ----
says 77 "localhost:$PORT: CONNACK 0x87 \(Not authorized\): the broker does not admit \"other\": its log" \
    "another client id" "$PORT" --client-id other
DIR=nobody says 77 "localhost:$PORT: CONNACK 0x87 .*\"acme/service/nobody\"" "no role" "$PORT"
DIR=revoked expect_admitted "not revoked yet" admits "$PORT"
openssl ca -config services/openssl/ca.conf -cert services/ca.crt -keyfile services/ca.key \
    -revoke revoked/leaf.crt 2>>openssl.log || die "openssl ca -revoke"
services_crl -crldays 7
wait_line 10 good.log 'msg="policy reloaded"' || fail "the plugin does not take the CRL"
DIR=revoked says 77 "localhost:$PORT: CONNACK 0x87 \(Not authorized\)" "a revoked certificate, by the plugin" "$PORT"
DIR=old says 77 'localhost:[0-9]+: TLS: the broker refuses our certificate: alert 45 \(certificate expired\): it has expired' \
    "an expired certificate" "$PORT"
DIR=foreign says 77 'localhost:[0-9]+: TLS: the broker refuses our certificate: alert 48 \(unknown CA\)' \
    "a certificate of an unknown CA" "$PORT"
STOCK=$(free_port)
stock_broker stock "$STOCK" broker "crlfile $WORK/pki/trust/crl.pem"
expect_admitted "a broker with a crlfile" admits "$STOCK"
DIR=revoked says 77 'localhost:[0-9]+: TLS: the broker refuses our certificate: alert 44 \(certificate revoked\)' \
    "a revoked certificate, by the broker's TLS" "$STOCK"
stop stock
stock_broker stock "$STOCK" broker "tls_version tlsv1.2"
expect_admitted "TLS 1.2" 'admits acme/service/probe: TLSv1\.[23], ' "$STOCK"
stop stock

# ---- brokers that a client does not accept ----
while read -r name regex; do
    stock_broker stock "$STOCK" "$name"
    says 77 "localhost:$STOCK: TLS: $regex" "the broker's certificate: $name" "$STOCK"
    expect_ok "and Mosquitto's own client agrees" \
        test "$(mosquitto_pub -h localhost -p "$STOCK" --cafile pki/trust/brokers.pem --cert probe/cert.pem \
            --key probe/key.pem -t a -m b >/dev/null 2>&1 && echo admitted || echo refused)" = refused
    stop stock
done <<'EOF'
expired the broker's certificate "CN=expired": certificate has expired at 20[0-9TZ:.-]+: issue a new one, and have the broker load it
future the broker's certificate "CN=future": certificate is not yet valid, only from 20[0-9TZ:.-]+: is this machine's clock right
elsewhere the broker's certificate "CN=localhost": hostname mismatch: it is for DNS:elsewhere\.example, IP Address:192\.0\.2\.1 and not for "localhost"
impostor CA of the broker's certificate "CN=root": self-signed certificate in certificate chain: issued by "CN=root", for which no CA of the CA file vouches
thief the broker's certificate "CN=t-1,OU=thermostat,O=acme": unsuitable certificate purpose: it is no server's
EOF
stock_broker stock "$STOCK" elsewhere
HOST=127.0.0.1 says 77 "127\.0\.0\.1:$STOCK: TLS: .*IP address mismatch: it is for .* and not for \"127\.0\.0\.1\"" \
    "another address" "$STOCK"
stop stock
expect_line "the broker's log has our alert" stock.log 'alert|certificate unknown|internal error'

# ---- what is no broker ----
says 69 "localhost:$STOCK: TCP: .*127\.0\.0\.1: Connection refused: nothing listens there" "nothing listens" "$STOCK"
HOST=no-such-host.invalid says 69 'no-such-host\.invalid:1: resolve: ' "no such host" 1
printf 'listener %s 127.0.0.1\nallow_anonymous true\n' "$STOCK" >plain.conf
broker_start plain plain.conf || die "the plain broker does not start"
says 69 "localhost:$STOCK: TLS: (closed by the broker|Connection reset by peer) in the handshake, without a word: is it the listener" \
    "a broker without TLS" "$STOCK"
stop plain
while read -r status mode regex; do
    listen listener "$mode"
    says_in_time 2500 "$status" "localhost:$LISTENER: $regex" "${mode:0:60}" "$LISTENER" --timeout 1
    stop listener
done <<'EOF'
69 silent TLS, in the handshake: no answer in time$
69 drip TLS, in the handshake: no answer in time$
69 close TLS: closed by the broker in the handshake, without a word
69 reset TLS: Connection reset by peer in the handshake, without a word
65 garbage TLS: what answers there is no TLS 1\.2 or 1\.3 \(.*\): is it the listener with certificates\?$
65|69 records TLS: 
69 tls-silent TLS, behind the handshake: no answer in time$
69 tls-close TLS: closed by the broker behind the handshake, without a word: so a refused certificate can look in TLSv1\.3
69 tls-abort TLS: (Connection reset by peer|closed by the broker) behind the handshake, without a word
65 tls-flood MQTT: CONNACK: want at most 4096 bytes, have 4098
65 tls-485454502f312e3120343030 MQTT: want CONNACK, have a packet that begins with 0x48: this is no MQTT 5 broker$
65 tls-20020005 MQTT: CONNACK: that of MQTT 3, code 5: the broker does not speak MQTT 5$
65 tls-2003000042 MQTT: CONNACK: the length of its properties
69 tls-20 TLS, behind the handshake: no answer in time$
69 tls-2003008900 CONNACK 0x89 \(Server busy\): the broker does not admit
69 tls-200e009d0b1f0003611b62 TLS, behind the handshake: no answer in time$
69 tls-200d009d0a1f0003611b621c000163 CONNACK 0x9D \(Server moved\): a\\x1bb: it sends to c: the broker does not admit
EOF

# A name server that takes every question and answers none: in a mount namespace of our own, where there may be one.
cat >silent_dns.py <<'PY'
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.9", 53))
print("ready", flush=True)
while server.recv(4096):
    pass
PY
printf 'nameserver 127.0.0.9\n' >resolv.conf
if unshare --mount true 2>/dev/null && [ "$(id -u)" = 0 ]; then
    spawn dns dns.log python3 silent_dns.py
    wait_line 10 dns.log ready || fail "no name server: $(cat dns.log)"
    before=$(now_ms)
    # shellcheck disable=SC2016 # the inner shell expands
    expect_refused "a name server that does not answer" '^ph-policy: a\.example:1: resolve: no answer in time' \
        unshare --mount bash -c 'mount --bind resolv.conf /etc/resolv.conf && "$@"' _ "$PH_BIN/ph-policy" probe \
        --url mqtts://a.example:1 --timeout 1 --ca pki/trust/brokers.pem --cert probe/cert.pem --key probe/key.pem
    expect_ok "a name server that does not answer: in time" test $(($(now_ms) - before)) -le 2500
    stop dns
else
    printf '# not tried: a name server that does not answer, which takes root and a mount namespace\n'
fi

# ---- a health check that means something: its control is one that does not ----
sed 's/^ *crl: .*/&\n    crl_grace_s: 0/' policy.yaml >closed.yaml
CLOSED=$(free_port)
shipped_broker closed "$CLOSED" closed.yaml
expect_admitted "a broker before its CRL runs out" admits "$CLOSED"
expect_ok "and a check of the port alone calls it healthy" tcp_healthy "$CLOSED"
services_crl -crlsec 1
sleep 2
wait_line 10 closed.log 'nobody enters by its CA'
says 77 "localhost:$CLOSED: CONNACK 0x87" "a broker that admits nobody" "$CLOSED"
expect_ok "which a check of the port alone calls healthy" tcp_healthy "$CLOSED"
kill -STOP "${PIDS[closed]}"
says_in_time 2500 69 "localhost:$CLOSED: TLS, in the handshake: no answer in time" "a broker that hangs" "$CLOSED" --timeout 1
expect_ok "which a check of the port alone calls healthy too" tcp_healthy "$CLOSED"
kill -CONT "${PIDS[closed]}"

# ---- the command line and its files ----
says 64 'probe: --client-id: want 1 to 255 bytes' "an empty client id, before anybody is asked" 1 --client-id ''
expect_refused "no CA file" '^ph-policy: probe: want --ca$' "$PH_BIN/ph-policy" probe --url mqtts://localhost
says 64 "--timeout: want " "a timeout of 0" "$PORT" --timeout 0
HOST=user@localhost says 64 '--url: want mqtts://HOST:PORT, have "mqtts://user@localhost:1"' "a URL with a user" 1
DIR=nosuch says 66 'nosuch/cert.pem: open: No such file' "no certificate" "$PORT"
mkdir mixed && cp probe/cert.pem mixed/ && cp nobody/key.pem mixed/
DIR=mixed says 77 'mixed/key.pem: not the key of certificate' "another's key" "$PORT"
mkdir wide && cp probe/cert.pem probe/key.pem wide/ && chmod 644 wide/key.pem
DIR=wide says 77 'wide/key.pem: ' "a key that everybody may read" "$PORT"
test_end
