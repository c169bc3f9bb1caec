#!/usr/bin/env bash
# The whole chain with a hierarchy that the openssl command line alone has made: nothing but ph-ca itself needs ph-ca.
# docs/certificates-elsewhere.md is what this test does. [FOREIGN-1] [FOREIGN-2] [FOREIGN-3]
# PH_KEEP=1 keeps the folder with certificates and logs.

# shellcheck source=../lib/harness.sh
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
# shellcheck source=../lib/broker.sh
. "$PH_SOURCE/tests/lib/broker.sh"
# shellcheck source=../lib/pki.sh
. "$PH_SOURCE/tests/lib/pki.sh"
test_begin "certificates from elsewhere"
# shellcheck source=stage.sh
. "$PH_SOURCE/tests/life/stage.sh"

case ${PH_SANITIZE:-} in
thread*) skip "the broker itself is not built for the thread sanitizer" ;;
esac
need mosquitto_pub openssl

CA_OF_LEAVES='basicConstraints=critical,CA:TRUE,pathlen:0;keyUsage=critical,keyCertSign,cRLSign'
LEAF='basicConstraints=critical,CA:FALSE;keyUsage=critical,digitalSignature'
IDENTIFIERS='subjectKeyIdentifier=hash;authorityKeyIdentifier=keyid'

make_hierarchy() {
    local name
    pki_root "$PKI/root" /CN=Elsewhere
    pki_sign "$PKI/root" "$PKI/devices" /CN=Elsewhere-devices "$CA_OF_LEAVES;extendedKeyUsage=clientAuth;$IDENTIFIERS"
    pki_sign "$PKI/root" "$PKI/services" /CN=Elsewhere-services "$CA_OF_LEAVES;extendedKeyUsage=clientAuth;$IDENTIFIERS"
    pki_sign "$PKI/root" "$PKI/brokers" /CN=Elsewhere-brokers "$CA_OF_LEAVES;extendedKeyUsage=serverAuth;$IDENTIFIERS"
    mkdir -p "$PKI/trust"
    for name in devices services brokers; do
        cat "$PKI/$name/ca.crt" "$PKI/root/ca.crt" >"$PKI/trust/$name.pem"
    done
    cat "$PKI/devices/ca.crt" "$PKI/services/ca.crt" "$PKI/root/ca.crt" >"$PKI/trust/clients.pem"
    publish_crls
}

publish_crls() {
    local name
    for name in root devices services; do
        pki_crl "$PKI/$name"
    done
    cat "$PKI"/{root,devices,services}/crl.pem >"$PKI/trust/crl.new"
    mv "$PKI/trust/crl.new" "$PKI/trust/crl.pem"
}

make_leaves() {
    pki_sign "$PKI/brokers" "$CERTS/broker" /CN=broker \
        "$LEAF;extendedKeyUsage=serverAuth;subjectAltName=DNS:localhost,IP:127.0.0.1;$IDENTIFIERS"
    pki_sign "$PKI/services" "$CERTS/ingest" /O=acme/OU=service/CN=ingest \
        "$LEAF;extendedKeyUsage=clientAuth;$IDENTIFIERS"
    pki_sign "$PKI/devices" "$WORK/devices/t-0001" /O=acme/OU=thermostat/CN=t-0001 \
        "$LEAF;extendedKeyUsage=clientAuth;$IDENTIFIERS"
    cp "$PKI/trust/brokers.pem" "$CERTS/ingest/ca.pem"
    cp "$PKI/trust/brokers.pem" "$WORK/devices/t-0001/ca.pem"
}

# No registrar, no claims: their anchor and roles go, and the device is told not to ask.
adapt_configuration() {
    write_configuration
    awk '/^  - name: claims$/ || /^  - name: claim$/ || /^  - name: registrar$/ { skip = 1; next }
         skip && (/^  - name: / || /^[a-z]/) { skip = 0 }
         !skip' "$PH_SOURCE/config/policy.yaml" >"$WORK/policy.yaml"
    cat >"$WORK/devices/t-0001/thermostat.yaml" <<EOF
broker: { host: localhost, port: $PORT, ca: ca.pem, certificate: cert.pem, key: key.pem }
renewal: { enabled: false }
reconnect: { min_ms: 100, max_ms: 1000, refused_ms: 1000 }
publish: { interval_ms: 200 }
EOF
}

revoke_by_openssl() {
    openssl ca -config "$PKI/devices/openssl/ca.conf" -cert "$PKI/devices/ca.crt" -keyfile "$PKI/devices/ca.key" \
        -revoke "$WORK/devices/t-0001/leaf.crt" 2>>"$WORK/openssl.log" || die "openssl ca -revoke"
    openssl ca -gencrl -config "$PKI/devices/openssl/ca.conf" -crldays 7 -cert "$PKI/devices/ca.crt" \
        -keyfile "$PKI/devices/ca.key" -out "$PKI/devices/crl.pem" 2>>"$WORK/openssl.log" || die "openssl ca -gencrl"
    cat "$PKI"/{root,devices,services}/crl.pem >"$PKI/trust/crl.new"
    mv "$PKI/trust/crl.new" "$PKI/trust/crl.pem"
}

make_hierarchy
make_leaves
adapt_configuration
expect_ok "the policy is accepted" "$PH_BIN/ph-policy" check "$WORK/policy.yaml"
broker_start broker "$WORK/mosquitto.conf" || die "the broker does not start: $(tail -n 3 "$WORK/broker.log")"
start_ingest || die "ingest does not start: $(tail -n 3 "$WORK/ingest.log")"
start_thermostat t-0001
if wait_for 15 stored_at_least 5 acme/thermostat/t-0001; then
    ok "readings of a device of another CA are stored"
else
    fail "nothing is stored: $(tail -n 3 "$WORK/t-0001.log")"
fi
expect_line "with the certificate that vouched for them" <("$PH_BIN/ph-ingest" query --store "$STORE" --format json --limit 1) \
    "$(fingerprint "$WORK/devices/t-0001/cert.pem")"
CHANGED_MS=$(now_ms)
revoke_by_openssl
if wait_line 6 "$WORK/t-0001.log" 'msg=(refused|"not connected")'; then
    ok "revoked by openssl ca, it is cut off after $(($(now_ms) - CHANGED_MS)) ms"
else
    fail "revoked by openssl ca, it is not cut off"
fi
test_end
