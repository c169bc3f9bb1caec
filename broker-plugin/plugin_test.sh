#!/usr/bin/env bash
# The plugin in a real Mosquitto on the loopback, with certificates made by openssl.
# [PLG-1] [PLG-3] [PLG-5] [PLG-9] [PLG-11] [PLG-12] [PLG-13] [PLG-14] [PLG-16] [PLG-17] [PLG-18]
# [PLG-19] [PLG-20] [PLG-22] [PLG-31] [PLG-35] [PLG-42] [PLG-44]
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/lib/pki.sh"
. "$PH_SOURCE/tests/lib/broker.sh"
. "$PH_SOURCE/tests/lib/mqtt.sh"

test_begin "the plugin in a broker"
case ${PH_SANITIZE:-} in
thread*) skip "the broker itself is not built for the thread sanitizer" ;;
esac
need mosquitto_pub mosquitto_sub openssl
if [ ! -x "$MOSQUITTO" ]; then
    die "$MOSQUITTO: not found; install mosquitto"
fi

T1=acme/thermostat/t-1
T2=acme/thermostat/t-2
T4=acme/thermostat/t-4
CLIENT='basicConstraints=critical,CA:FALSE;keyUsage=critical,digitalSignature;extendedKeyUsage=clientAuth'
SERVER='basicConstraints=critical,CA:FALSE;keyUsage=critical,digitalSignature;extendedKeyUsage=serverAuth;subjectAltName=DNS:localhost'
SIGNING='basicConstraints=critical,CA:TRUE;keyUsage=critical,keyCertSign,cRLSign;extendedKeyUsage='

make_certificates() {
    local name
    cd "$WORK" || exit 1
    pki_root root /CN=root
    pki_sign root devices /CN=devices "${SIGNING}clientAuth"
    pki_sign root services /CN=services "${SIGNING}clientAuth"
    pki_sign root claims /CN=claims "${SIGNING}clientAuth"
    pki_sign root brokers /CN=brokers "${SIGNING}serverAuth"
    for name in root devices services claims; do
        pki_crl "$name"
    done
    for name in t-1 t-2 t-4; do
        pki_sign devices "$name" "/O=acme/OU=thermostat/CN=$name" "$CLIENT"
    done
    pki_sign services ingest /O=acme/OU=service/CN=ingest "$CLIENT"
    pki_sign services operator /O=acme/OU=service/CN=operator "$CLIENT"
    pki_sign services registrar /O=acme/OU=service/CN=registrar "$CLIENT"
    pki_sign claims claim /O=acme/OU=claim/CN=batch-1 "$CLIENT"
    pki_sign brokers broker /CN=localhost "$SERVER"
    mkdir -p pki/trust
    cat devices/ca.crt root/ca.crt >pki/trust/devices.pem
    cat services/ca.crt root/ca.crt >pki/trust/services.pem
    cat claims/ca.crt root/ca.crt >pki/trust/claims.pem
    cat devices/ca.crt services/ca.crt claims/ca.crt root/ca.crt >pki/trust/clients.pem
    cat brokers/ca.crt root/ca.crt >pki/trust/brokers.pem
    cat root/crl.pem devices/crl.pem services/crl.pem claims/crl.pem >pki/trust/crl.pem
    cp "$PH_SOURCE/config/policy.yaml" policy.yaml
    sed -i 's/payload_bytes: 65536/payload_bytes: 1000/' policy.yaml
}

# write_config FILE [LINE...]: a configuration that the plugin accepts, and more lines.
write_config() {
    local file=$1
    shift
    cat >"$file" <<CONF
plugin $PH_PLUGIN
plugin_opt_policy $WORK/policy.yaml
plugin_opt_audit $WORK/audit.jsonl
plugin_opt_metrics $WORK/metrics.prom
listener $PORT 127.0.0.1
cafile $WORK/pki/trust/clients.pem
certfile $WORK/broker/cert.pem
keyfile $WORK/broker/key.pem
require_certificate true
set_tcp_nodelay true
max_queued_messages 10000
persistence true
persistence_location $WORK/
log_dest stderr
log_type all
CONF
    printf '%s\n' "$@" >>"$file"
}

# as NAME COMMAND...: mosquitto_pub or mosquitto_sub with the certificate in $WORK/NAME.
as() {
    local name=$1 command=$2
    shift 2
    timeout 5 "$command" -d -V 5 -h localhost -p "$PORT" --cafile "$WORK/pki/trust/brokers.pem" \
        --cert "$WORK/$name/cert.pem" --key "$WORK/$name/key.pem" "$@" </dev/null || return 1
}

# listen NAME CERTIFICATE CLIENT-ID FILTER [ARGUMENT...]: a subscriber that stays.
listen() {
    local name=$1 cert=$2
    spawn "$name" "$WORK/$name.out" stdbuf -oL mosquitto_sub -d -V 5 -h localhost -p "$PORT" \
        --cafile "$WORK/pki/trust/brokers.pem" --cert "$WORK/$cert/cert.pem" \
        --key "$WORK/$cert/key.pem" -q 1 -F 'GOT %t %p' -i "$3" -t "${@:4}"
    wait_line 5 "$WORK/$name.out" '^Subscribed' || fail "$name is not served"
}

# The broker must not start, and its log must say why.
refuses_to_start() {
    local text=$1 regex=$2 config=$3
    if broker_start unfit "$config"; then
        fail "$text: the broker started"
        stop unfit
    elif ! wait_for 5 ended unfit; then
        fail "$text: the broker runs"
        stop unfit
    else
        expect_line "$text" "$WORK/unfit.log" "$regex"
    fi
}

test_fail_closed() {
    write_config bad.conf "use_identity_as_username true"
    refuses_to_start "a setting that goes around the plugin" \
        'bad.conf:16: use_identity_as_username true: .*delete the line' bad.conf
    write_config bad.conf "listener $((PORT + 1)) 127.0.0.1"
    refuses_to_start "a listener without certificates" \
        'bad.conf:16: listener .*without a certificate; add below it' bad.conf
    write_config bad.conf "include_dir $WORK/conf.d"
    mkdir conf.d
    echo "memory_limit 1000000" >conf.d/x.conf
    refuses_to_start "a setting in an included file" 'conf.d/x.conf:1: memory_limit 1000000: ' bad.conf
    write_config bad.conf "plugin_opt_polcy x"
    sed -i '/plugin_opt_polcy/d; s/^plugin_opt_policy .*/plugin_opt_polcy x/' bad.conf
    refuses_to_start "an unknown option" 'plugin_opt_polcy: no such option' bad.conf
    write_config bad.conf
    sed -i 's,^plugin_opt_policy .*,plugin_opt_policy /nonexistent/policy.yaml,' bad.conf
    refuses_to_start "no policy" 'the broker does not start.*/nonexistent/policy.yaml: open' bad.conf
    write_config bad.conf
    mv pki/trust/crl.pem pki/trust/away
    refuses_to_start "no CRL" 'the broker does not start.*trust/crl.pem: open' bad.conf
    echo garbage >pki/trust/crl.pem
    refuses_to_start "a broken CRL" 'the broker does not start.*trust/crl.pem' bad.conf
    mv pki/trust/away pki/trust/crl.pem
    write_config bad.conf
    printf 'user %s\n' "$(id -un)" >>bad.conf
    spawn unfit "$WORK/unfit.log" "${PRELOAD[@]}" "$MOSQUITTO" -c bad.conf -p "$((PORT + 1))"
    wait_for 5 ended unfit || stop unfit
    expect_line "a port on the command line" "$WORK/unfit.log" 'command line: -p: opens a listener'
}

test_rights() {
    expect_ok "a device publishes its telemetry" \
        as t-1 mosquitto_pub -i $T1 -q 1 -t ph/v1/$T1/telemetry -m x
    expect_line "the user name is role, anchor and identity" broker.log \
        "as $T1 .*u'device:devices:$T1'"
    expect_refused "another device's client id" 'Not authorized' \
        as t-1 mosquitto_pub -i $T2 -q 1 -t ph/v1/$T1/telemetry -m x
    expect_line "the refusal names what was wanted" broker.log \
        "connection refused.* identity=$T1 serial=[0-9a-f]+ .*client id: want .*$T1.*have .*$T2"
    as t-1 mosquitto_pub -i $T1 -q 1 -t ph/v1/$T2/telemetry -m x >out 2>&1
    expect_line "another device's telemetry" out 'Not authorized|rc135|Warning: Publish .* failed'
    expect_line "... is logged" broker.log "access refused.* action=publish .*$T2/telemetry"
    as t-1 mosquitto_pub -i $T1 -q 1 -t ph/v1/$T1/telemetry -m "$(printf '%01001d' 0)" >out 2>&1
    expect_line "a payload beyond the role's limit" broker.log 'payload_bytes: want at most 1000, have 1001'
    as t-1 mosquitto_pub -i $T1 -q 1 -t ph/v1/$T1/telemetry -m x \
        -D publish user-property ph-fingerprint forged >out 2>&1
    expect_line "a reserved user property" broker.log 'user property .*ph-fingerprint.*choose another'
    expect_ok "another user property" as t-1 mosquitto_pub -i $T1 -q 1 -t ph/v1/$T1/telemetry -m x \
        -D publish user-property note fine
    as t-1 mosquitto_sub -i $T1 -t '#' -W 2 >out 2>&1
    expect_line "a subscription to everything" out '^Subscribed .*: 135'
    # shellcheck disable=SC2016 # $share is the protocol's
    as t-1 mosquitto_sub -i $T1 -t '$share/g/#' -W 2 >out 2>&1
    expect_line "a shared one too" out '^Subscribed .*: 135'
    expect_ok "an unsubscription passes" as t-1 mosquitto_sub -i $T1 -t ph/v1/$T1/ack -U '#' -E
    expect_refused "no user name helps" 'Not authorized' \
        as t-1 mosquitto_pub -i x -u "operator:services:acme/service/operator" -P x \
        -q 1 -t ph/v1/$T2/command -m x
}

test_delivery() {
    listen ingest ingest acme/service/ingest 'ph/v1/+/+/+/telemetry' -t 'ph/v1/+/+/+/status'
    listen t-1-sub t-1 $T1 ph/v1/$T1/command
    as t-2 mosquitto_pub -i $T2 -q 1 -t ph/v1/$T2/telemetry -m "from t-2" >out 2>&1
    as operator mosquitto_pub -i acme/service/operator -q 1 -t ph/v1/$T1/command -m "to t-1" >out 2>&1
    wait_line 5 ingest.out "^GOT ph/v1/$T2/telemetry from t-2"
    expect_line "ingest gets the telemetry" ingest.out "^GOT ph/v1/$T2/telemetry from t-2"
    wait_line 5 t-1-sub.out "^GOT ph/v1/$T1/command to t-1"
    expect_line "the device gets its command" t-1-sub.out "^GOT ph/v1/$T1/command to t-1"
    stop t-1-sub
}

# provenance_of NAME IDENTITY: what the plugin adds to what the holder of that certificate publishes.
provenance_of() {
    printf 'ph-identity:%s ph-fingerprint:%s' "$2" "$(openssl x509 -in "$1/leaf.crt" -noout \
        -fingerprint -sha256 | sed 's/.*=//; s/://g' | tr '[:upper:]' '[:lower:]')"
}

# The registrar knows by the plugin's word who asks, and with which certificate.
test_enrolment() {
    local claim=ph/v1/claim/acme/batch-1 id=acme/claim/batch-1
    listen registrar registrar acme/service/registrar 'ph/v1/+/+/+/renew' -t 'ph/v1/claim/+/+/enroll' \
        -F 'GOT %t %p %P'
    listen holder-1 claim $id/one $claim/certificate/one
    listen holder-2 claim $id/two $claim/certificate/two
    as claim mosquitto_pub -i $id/three -q 1 -t $claim/enroll -m request >out 2>&1
    wait_line 5 registrar.out "^GOT $claim/enroll"
    expect_line "a claim's request comes with its provenance" registrar.out \
        "^GOT $claim/enroll request $(provenance_of claim claims:$id)\$"
    as t-1 mosquitto_pub -i $T1 -q 1 -t ph/v1/$T1/renew -m again >out 2>&1
    wait_line 5 registrar.out "^GOT ph/v1/$T1/renew"
    expect_line "so does a device's" registrar.out \
        "^GOT ph/v1/$T1/renew again $(provenance_of t-1 devices:$T1)\$"
    as registrar mosquitto_pub -i acme/service/registrar -q 1 -t $claim/certificate/two -m yours \
        >out 2>&1
    wait_line 5 holder-2.out "^GOT $claim/certificate/two yours"
    expect_line "who asked is answered" holder-2.out "^GOT $claim/certificate/two yours"
    expect_refused "a claim without an end of its own" 'Not authorized' \
        as claim mosquitto_pub -i $id -q 1 -t $claim/enroll -m x
    stop registrar
}

# Many connections, one user name: all of them go, and nobody else.
test_claim_denied() {
    local before
    before=$(grep -c 'policy reloaded' broker.log)
    echo "deny identity acme/claim/batch-1" >deny.list
    sed -i 's/^# lists:/lists:/' policy.yaml
    wait_for 5 more_lines "$before" 'policy reloaded'
    for holder in holder-1 holder-2; do
        wait_line 5 "$holder.out" '^Received DISCONNECT \(152\)'
        expect_line "a denied claim loses $holder" "$holder.out" '^Received DISCONNECT \(152\)'
        stop "$holder"
    done
    expect_refused "and cannot come again" 'Not authorized' as claim mosquitto_pub \
        -i acme/claim/batch-1/one -q 1 -t ph/v1/claim/acme/batch-1/enroll -m x
    expect_ok "a device is not touched" \
        as t-1 mosquitto_pub -i $T1 -q 1 -t ph/v1/$T1/telemetry -m x
    before=$(grep -c 'policy reloaded' broker.log)
    echo "# nobody" >deny.list
    wait_for 5 more_lines "$before" 'policy reloaded'
    expect_ok "a claim that is no longer denied is served" as claim mosquitto_pub \
        -i acme/claim/batch-1/one -q 1 -t ph/v1/claim/acme/batch-1/enroll -m x
}

# will_of NAME CERTIFICATE ID TOPIC: a client that dies, leaving a will on TOPIC.
will_of() {
    listen "$1" "$2" "$3" "ph/v1/$3/ack" --will-topic "$4" --will-payload "will of $1" --will-qos 1
    stop "$1" KILL
}

test_wills() {
    will_of good-will t-4 $T4 ph/v1/$T4/status
    will_of telemetry-will t-4 $T4 ph/v1/$T4/telemetry
    will_of foreign-will t-4 $T4 ph/v1/$T2/status
    wait_line 5 broker.log "action=will.*$T2/status"
    expect_line "a will to its own status passes" ingest.out "^GOT ph/v1/$T4/status will of good-will"
    expect_line "a will to telemetry does not" broker.log "access refused.* action=will .*$T4/telemetry"
    expect_line "nor one to another's status" broker.log "access refused.* action=will .*$T2/status"

    # Taken over: the broker asks while the old connection still stands.
    listen first t-2 $T2 ph/v1/$T2/ack --will-topic ph/v1/$T2/telemetry --will-payload taken
    as t-2 mosquitto_pub -i $T2 -q 1 -t ph/v1/$T2/telemetry -m after >out 2>&1
    wait_line 5 ingest.out 'telemetry after'
    expect_line "the will of a connection that was taken over" broker.log \
        "access refused.* action=will .*$T2/telemetry"
    stop first
    if grep -Eq 'telemetry (will of|taken)' ingest.out; then
        fail "a will was published as telemetry"
    else
        ok "no will was published as telemetry"
    fi
}

# A reload, and the turn of the broker's loop that ends it: a SIGHUP before that may be lost.
reload() {
    local before
    before=$(grep -c 'policy reloaded' broker.log)
    broker_reload broker && wait_for 5 more_lines "$before" 'policy reloaded' && sleep 0.2
}

# An offline session with a finite expiry is what a refused re-check would corrupt the broker with.
test_reload() {
    local i mark
    listen sleeper t-1 $T1 ph/v1/$T1/command -c -x 1000
    stop sleeper
    mark=$(stat -c %s broker.log)
    for i in 1 2 3; do
        reload || fail "reload $i"
    done
    if tail -c "+$((mark + 1))" broker.log | grep -q 'not authorised\|refused'; then
        fail "a session was refused during a reload"
    fi
    as operator mosquitto_pub -i acme/service/operator -q 1 -t ph/v1/$T1/command -m queued >out 2>&1
    listen sleeper t-1 $T1 ph/v1/$T1/command -c -x 1000
    wait_line 5 sleeper.out "^GOT ph/v1/$T1/command queued"
    expect_line "an offline session survives reloads, its message waits" sleeper.out \
        "^GOT ph/v1/$T1/command queued"
    stop sleeper
    expect_ok "the broker is alive after the reloads" is_running broker
    expect_line "and has read the policy anew" broker.log 'policy reloaded'
}

test_live_policy() {
    local before
    cp policy.yaml good.yaml
    echo "roles: 3" >policy.yaml
    wait_line 5 broker.log 'policy not reloaded: the last good one stays in force.*policy.yaml:1:'
    expect_line "a bad policy is refused while the broker runs" broker.log 'policy.yaml:1:'
    expect_ok "the last good one stays in force" \
        as t-1 mosquitto_pub -i $T1 -q 1 -t ph/v1/$T1/telemetry -m x
    before=$(grep -c 'policy reloaded' broker.log)
    sed '/telemetry$/d' good.yaml >policy.yaml
    wait_for 5 more_lines "$before" 'policy reloaded'
    as t-1 mosquitto_pub -i $T1 -q 1 -t ph/v1/$T1/telemetry -m "no longer" >out 2>&1
    expect_line "a right that is taken away is gone within seconds" out \
        'Not authorized|rc135|Warning: Publish .* failed'
    before=$(grep -c 'policy reloaded' broker.log)
    cp good.yaml policy.yaml
    wait_for 5 more_lines "$before" 'policy reloaded'
}

# revoke NAME: puts a device on the CRL that the policy names.
revoke() {
    openssl ca -config devices/openssl/ca.conf -revoke "$1/leaf.crt" -cert devices/ca.crt \
        -keyfile devices/ca.key 2>/dev/null || die "openssl ca -revoke $1"
    openssl ca -config devices/openssl/ca.conf -gencrl -crldays 7 -cert devices/ca.crt \
        -keyfile devices/ca.key -out devices/crl.pem 2>/dev/null || die "openssl ca -gencrl"
    cat root/crl.pem devices/crl.pem services/crl.pem claims/crl.pem >pki/trust/crl.new
    mv pki/trust/crl.new pki/trust/crl.pem
}

# The SIGHUP comes before the plugin would have noticed the new CRL by itself.
test_revoked() {
    listen live t-4 $T4 ph/v1/$T4/ack -c -x 1000
    revoke t-4
    reload || fail "reload"
    wait_line 5 live.out '^Received DISCONNECT \(152\)'
    expect_line "a revoked device is cut off after a reload" broker.log "cut off.*$T4 .*revoked"
    expect_line "and told so" live.out '^Received DISCONNECT \(152\)'
    stop live
    reload || fail "second reload"
    expect_ok "the broker is alive, and others are served" \
        as t-1 mosquitto_pub -i $T1 -q 1 -t ph/v1/$T1/telemetry -m x
}

more_lines() {
    [ "$(grep -c "$2" broker.log)" -gt "$1" ]
}

ticket_of() {
    connect_t3 -cert t-3/cert.pem -key t-3/key.pem -sess_out ticket
}

connect_t3() {
    { from_hex "$(mqtt_connect acme/thermostat/t-3)"; sleep 1; } | timeout 4 openssl s_client \
        -connect "localhost:$PORT" -CAfile pki/trust/brokers.pem "$@"
}

# [PLG-22] the session was begun while the certificate was valid
test_resumed() {
    local deadline
    pki_sign devices t-3 /O=acme/OU=thermostat/CN=t-3 "$CLIENT" -60 6
    deadline=$(($(date +%s) + 7))
    ticket_of t-3 >s_client.out 2>&1
    expect_ok "a session ticket was handed out" test -s ticket
    expect_line "while its certificate is valid it is admitted" broker.log \
        "New client connected .* as acme/thermostat/t-3"
    while [ "$(date +%s)" -lt "$deadline" ]; do
        sleep 0.2
    done
    connect_t3 -sess_in ticket >resumed.out 2>&1
    expect_line "the session is resumed" resumed.out 'Reused'
    wait_line 5 broker.log 'connection refused.*acme/thermostat/t-3 .*expired at'
    expect_line "its expired certificate is refused" broker.log \
        'connection refused.*acme/thermostat/t-3 .*expired at'
}

make_certificates
PORT=$(free_port)
PRELOAD=()
if [ -n "$(sanitizer_preload)" ]; then
    PRELOAD=(env "LD_PRELOAD=$(sanitizer_preload)" ASAN_OPTIONS=detect_leaks=0)
fi
test_fail_closed
write_config mosquitto.conf
broker_start broker mosquitto.conf || die "the broker does not start: $(tail -n 3 broker.log)"
expect_line "the plugin says what is in force" broker.log 'phonehome: msg="policy in force"'
test_rights
test_delivery
test_enrolment
test_claim_denied
test_wills
test_reload
test_live_policy
test_revoked
test_resumed
stop broker
test_end
