#!/usr/bin/env bash
# ph-policy from its command line. [PLG-24] [PPL-4]
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/lib/pki.sh"

test_begin "ph-policy"
need openssl
CLIENT='basicConstraints=critical,CA:FALSE;keyUsage=critical,digitalSignature;extendedKeyUsage=clientAuth'
SIGNING='basicConstraints=critical,CA:TRUE;keyUsage=critical,keyCertSign,cRLSign;extendedKeyUsage=clientAuth'
P=$PH_BIN/ph-policy
T=ph/v1/acme/thermostat/t-1

# says STATUS REGEX TEXT COMMAND...: exit status and one line on stderr.
says() {
    local want=$1 regex=$2 text=$3 status=0
    shift 3
    "$@" >"$WORK/out" 2>"$WORK/err" || status=$?
    if [ "$status" != "$want" ]; then
        fail "$text: want status $want, have $status: $(cat "$WORK/err")"
    elif [ "$(wc -l <"$WORK/err")" != 1 ]; then
        fail "$text: want one line, have: $(cat "$WORK/err")"
    else
        expect_line "$text" "$WORK/err" "^ph-policy: .*$regex"
    fi
}

cd "$WORK" || exit 1
pki_root root /CN=root
for name in devices services claims; do
    pki_sign root $name /CN=$name "$SIGNING"
    pki_crl $name
    mkdir -p pki/trust
    cat $name/ca.crt root/ca.crt >pki/trust/$name.pem
done
pki_crl root
cat root/crl.pem devices/crl.pem services/crl.pem claims/crl.pem >pki/trust/crl.pem
pki_sign devices t-1 /O=acme/OU=thermostat/CN=t-1 "$CLIENT"
pki_sign claims claim /O=acme/OU=claim/CN=batch-1 "$CLIENT"
pki_sign devices old /O=acme/OU=thermostat/CN=t-1 "$CLIENT" -7200 -3600
cp "$PH_SOURCE/config/policy.yaml" policy.yaml

expect_ok "the shipped policy is good" "$P" check policy.yaml
expect_ok "the shipped broker configuration is good" \
    "$P" check policy.yaml --broker-config "$PH_SOURCE/config/mosquitto.conf"
"$P" check policy.yaml --strict >out
expect_line "check counts" out '^policy.yaml: 3 anchors, 6 roles, 0 list entries: good$'

"$P" print policy.yaml >printed.yaml
expect_ok "what print prints is good" "$P" check printed.yaml
"$P" print printed.yaml >again.yaml
expect_ok "and prints the same" cmp printed.yaml again.yaml
expect_line "defaults are written out" printed.yaml 'crl_required: true'

expect_ok "a device's own topics" "$P" explain policy.yaml --cert t-1/cert.pem \
    --client-id acme/thermostat/t-1 --publish $T/telemetry --will $T/status --subscribe $T/ack \
    --receive ph/v1/ingest/status
"$P" explain policy.yaml --cert t-1/cert.pem --publish $T/telemetry >out
expect_line "the rule is named" out '^publish +allowed by ph/v1/\{tenant\}/\{kind\}/\{device\}/telemetry$'
expect_line "the role is named" out '^role +device$'
expect_line "the user name is shown" out '^user name +device:devices:acme/thermostat/t-1$'
"$P" explain policy.yaml --cert claim/cert.pem --client-id acme/claim/batch-1/x >out
expect_line "a client id's open end is shown" out '^client id +acme/claim/batch-1/\*$'
says 77 'client id: want "acme/claim/batch-1/" and 1 to 64 of .* behind it, have "acme/claim/batch-1"' \
    "a client id without its end" \
    "$P" explain policy.yaml --cert claim/cert.pem --client-id acme/claim/batch-1
says 77 'no "publish" template allows' "what is not a claim's" \
    "$P" explain policy.yaml --cert claim/cert.pem --publish $T/telemetry
"$P" reach policy.yaml --topic 'ph/v1/+/+/+/certificate' >out
sed -n '/may publish/,/^$/p' out >publishers
expect_line "the registrar may hand out certificates" publishers '^  registrar '
expect_ok "and nobody else" test "$(grep -c '^  ' publishers)" = 1

# The shipped role of health checks has no template at all, for any action. [PPL-13]
"$P" explain policy.yaml --identity services:acme/service/probe >out
expect_line "a probe may connect" out '^role +probe$'
for action in publish will subscribe receive; do
    for topic in ph/v1/acme/service/probe/status ph/v1/ingest/status $T/telemetry '#'; do
        says 77 "role \"probe\": no \"$action\" template allows" "a probe has no right to $action $topic" \
            "$P" explain policy.yaml --identity services:acme/service/probe --$action "$topic"
    done
done

sed 's,{tenant}/claim/{device}/\*,{tenant}/{device}/*,' policy.yaml >alike.yaml
says 78 'roles "device" and "claim": client_id: two clients could share one' "an open end that meets others" \
    "$P" check alike.yaml
says 77 'no "will" template allows' "a will to telemetry" \
    "$P" explain policy.yaml --cert t-1/cert.pem --will $T/telemetry
says 77 'no "subscribe" template allows "#"' "everything" \
    "$P" explain policy.yaml --identity devices:acme/thermostat/t-1 --subscribe '#'
says 77 'client id: want "acme/thermostat/t-1", have "t-1"' "another client id" \
    "$P" explain policy.yaml --cert t-1/cert.pem --client-id t-1
says 77 'expired at' "an expired certificate" "$P" explain policy.yaml --cert old/cert.pem
says 77 'no role of the policy matches' "an identity without role" \
    "$P" explain policy.yaml --identity services:acme/service/other
says 77 'anchor "devices" may not speak for kind "service"; see "kinds"' "a kind of another anchor" \
    "$P" explain policy.yaml --identity devices:acme/service/ingest
"$P" explain policy.yaml --identity services:acme/service/ingest >out
expect_line "an anchor's own kinds are mentioned" out \
    '^anchor +services \(kind service is closed to anchors without it\)$'
says 65 'identity "acme/thermostat": want tenant/kind/device' "half an identity" \
    "$P" explain policy.yaml --identity devices:acme/thermostat
says 64 'want one of --cert and --identity' "neither certificate nor identity" \
    "$P" explain policy.yaml
says 64 'want ANCHOR:TENANT/KIND/DEVICE' "an identity without anchor" \
    "$P" explain policy.yaml --identity acme/thermostat/t-1
says 66 'nosuch.yaml: open' "no such policy" "$P" check nosuch.yaml
says 66 'nosuch.pem: open' "no such certificate" "$P" explain policy.yaml --cert nosuch.pem
echo 'anchor: []' >bad.yaml
says 78 'bad.yaml:1: unknown key "anchor"; known here: .*anchors.*roles' "an unknown key" \
    "$P" check bad.yaml
printf 'listener 1883\n' >bad.conf
says 78 'bad.conf: 2 settings to change: the plugin would not start' "an unsafe broker" \
    "$P" check policy.yaml --broker-config bad.conf
expect_line "each finding is printed" out 'bad.conf:1: listener 1883: clients could connect without'
mv pki/trust/crl.pem pki/trust/away
says 66 'crl.pem: open' "no CRL" "$P" check policy.yaml
openssl ca -gencrl -config devices/openssl/ca.conf -crlsec 1 -cert devices/ca.crt \
    -keyfile devices/ca.key -out short.pem 2>/dev/null
cat root/crl.pem short.pem services/crl.pem claims/crl.pem >pki/trust/crl.pem
sleep 2
"$P" check policy.yaml >out
expect_line "a CRL in its grace" out '^warning: anchor "devices": CRL of CN=devices, .*: grace: '
says 78 '[0-9]+ warnings?, and --strict' "a warning, strictly" "$P" check policy.yaml --strict
sed 's/^ *crl: .*/&\n    crl_grace_s: 0/' policy.yaml >nograce.yaml
says 78 'anchor "devices": a CRL has expired: nobody would enter; renew it' "an expired CRL" \
    "$P" check nograce.yaml
test_end
