#!/bin/bash
# The life of ph-thermostat's certificates. Requirements: [LIFE-1], [LIFE-4] to [LIFE-9], [LIFE-11],
# [LIFE-14].
: "${PH_BIN:?}" "${PH_SOURCE:?}"
# shellcheck source-path=SCRIPTDIR/..
. "$PH_SOURCE/tests/lib/harness.sh"
# shellcheck source-path=SCRIPTDIR/..
. "$PH_SOURCE/tests/lib/broker.sh"
# shellcheck source-path=SCRIPTDIR/..
. "$PH_SOURCE/device/life_testbed.sh"
test_begin "the life of a device's certificates"
life_begin

# status STATUS TEXT REGEX COMMAND...: ends with this status and one line
status() {
    local want=$1 text=$2 regex=$3 have=0
    shift 3
    "$@" >"$WORK/out" 2>&1 </dev/null || have=$?
    if [ "$have" = "$want" ] && grep -q -- "$regex" "$WORK/out"; then
        ok "$text"
    else
        fail "$text: want status $want and /$regex/, have $have: $(cat "$WORK/out")"
    fi
}

# [LIFE-14] what no claim can mend is one line
mkdir "$WORK/wrong"
cp device.pem "$WORK/wrong/cert.pem"
cp device.key "$WORK/wrong/key.pem"
status 66 "no certificate and no claim" "own/cert.pem" "${WITHOUT_CLAIM[@]}"
status 66 "no certificate, and a claim that is not there" "own/cert.pem" "${WITHOUT_CLAIM[@]}" --claim "$WORK/own"
status 77 "a device's certificate is no claim" "not a claim's" "${WITHOUT_CLAIM[@]}" --claim "$WORK/wrong"
expect_ok "a claim suffices: --check-config" "${WITH_CLAIM[@]}" --check-config

# [LIFE-1] [LIFE-4] it enrols: waits as told, says so once a change, and goes on as the device
echo wait >"$WORK/policy"
start_device "${WITH_CLAIM[@]}"
says "enrol: waits" "lets us wait.*waits for an operator"
expect_ok "enrol: asks on the claim's topic" grep -q "enroll ph/v1/claim/acme/batch-7/enroll" "$WORK/asked"
expect_ok "enrol: asks again" wait_for 10 asked_times ^enroll 3
expect_ok "enrol: said once" times_logged "lets us wait" 1
expect_ok "enrol: captures nothing" [ ! -e "$WORK/own/spool.db" ]
echo refuse >"$WORK/policy"
says "enrol: refused" "refused to enrol us.*not expected"
echo devices >"$WORK/policy"
says "enrol: enrolled" "msg=enrolled device=acme/thermostat/t-0001"
says "enrol: connects as the device" "msg=connected "
expect_ok "enrol: captures" captures_on
expect_ok "enrol: says its state" wait_for 10 asked_times "^state ph/v1/acme/thermostat/t-0001/renew" 1
expect_ok "enrol: a pair that fits" fits
expect_ok "enrol: nothing is left" no_next
stop device

# [LIFE-5] it renews: the next certificate is used once it has connected
leaf old "$LEAF" "9 days ago" "1 day"
install old
echo silent >"$WORK/policy"
start_device "${WITHOUT_CLAIM[@]}"
expect_ok "renewal: no answer, asks again" wait_for 15 asked_times ^state 2
expect_ok "renewal: no answer, captures" captures_on
echo devices >"$WORK/policy"
says "renewal: done" "renewed: the next certificate is in use"
expect_ok "renewal: a pair that fits" fits
expect_ok "renewal: nothing is left" no_next
expect_ok "renewal: another certificate" [ "$(fingerprint old.pem)" != "$(fingerprint "$WORK/own/cert.pem")" ]
expect_ok "renewal: the state is said again" wait_for 10 asked_times ^state 3
expect_ok "renewal: captures" captures_on
# the broker goes away: the new pair is read from its place
stop broker
broker_start broker "$WORK/mosquitto.conf" || die "the broker does not start again"
reconnected() { [ "$(grep -c 'msg=connected ' "$WORK/device.log")" -ge 3 ]; }
expect_ok "renewal: connects again" wait_for 20 reconnected
stop device

# [LIFE-6] the broker does not accept the next one: back to the one from before, then another
openssl ecparam -name prime256v1 -genkey -noout -out elsewhere-ca.key
openssl req -config ca.cnf -new -key elsewhere-ca.key -subj /O=phonehome/CN=elsewhere -out elsewhere-ca.csr
openssl ca -config ca.cnf -batch -notext -extensions ca_devices -days 30 -in elsewhere-ca.csr -cert stranger.pem \
    -keyfile stranger.key -out elsewhere-ca.pem 2>ca.log
install old
echo elsewhere-ca >"$WORK/policy"
start_device "${WITHOUT_CLAIM[@]}"
says "trial: fails" "connecting with the certificate from before"
says "trial: dropped" "did not connect: dropped"
expect_ok "trial: the pair from before" [ "$(fingerprint old.pem)" = "$(fingerprint "$WORK/own/cert.pem")" ]
expect_ok "trial: captures" captures_on
echo devices >"$WORK/policy"
says "trial: the next one works" "renewed: the next certificate is in use"
expect_ok "trial: a pair that fits" fits
stop device

# [LIFE-7] expired: it captures, and comes back by its claim, with a proof
leaf late "$LEAF" "30 days ago" "1 day ago"
install late
status 77 "expired, no claim" "acme/thermostat/t-0001 expired on" "${WITHOUT_CLAIM[@]}"
echo wait >"$WORK/policy"
: >"$WORK/proofs"
start_device "${WITH_CLAIM[@]}"
says "expired: waits" "lets us wait"
expect_ok "expired: captures meanwhile" captures_on
expect_ok "expired: proves that it has the key" grep -q "BEGIN CMS" "$WORK/proofs"
echo devices >"$WORK/policy"
says "expired: enrolled" "msg=enrolled"
says "expired: connects" "msg=connected "
expect_ok "expired: a pair that fits" fits
stop device

# [LIFE-9] a new set of trusted CAs, signed by the root: used at once
install old
{
    printf '# phonehome trusted CAs, number 1\n'
    cat trust-brokers.pem
} >bundle.pem
printf '{"v":1,"statement":"trust","number":1,"bundle":"%s"}' "$(awk '{ printf "%s\\n", $0 }' bundle.pem)" >statement.json
echo trust >"$WORK/policy"
start_device "${WITHOUT_CLAIM[@]}"
says "trust: taken" "new set of trusted CAs.*number=1"
expect_ok "trust: byte by byte" cmp bundle.pem "$WORK/own/ca.pem"
expect_ok "trust: says its state with it" wait_for 10 asked_times ^state 2
says "trust: the same again changes nothing" "set of trusted CAs not taken"
stop device

# [LIFE-11] a policy that grants neither question nor answer does not hurt telemetry
printf 'topic deny ph/v1/+/+/+/renew\ntopic deny ph/v1/+/+/+/certificate\ntopic readwrite #\n' >"$WORK/acl"
broker_reload broker
start_device "${WITHOUT_CLAIM[@]}"
says "not granted: said" "not allowed to speak with the registrar"
says "not granted: connects" "msg=connected "
expect_ok "not granted: captures" captures_on
expect_ok "not granted: stays connected" times_logged "not connected" 0
printf 'topic readwrite #\n' >"$WORK/acl"
broker_reload broker
expect_ok "granted: asks" wait_for 20 asked_times ^state 1
stop device

# [LIFE-8] killed in between, again and again: always a pair that fits
echo devices >"$WORK/policy"
install old
for delay in 0.1 0.2 0.3 0.4 0.5 0.7 0.9; do
    start_device "${WITHOUT_CLAIM[@]}"
    sleep "$delay"
    stop device KILL
done
start_device "${WITHOUT_CLAIM[@]}"
says "killed: goes on" "msg=connected "
expect_ok "killed: captures" captures_on
renewed() { [ "$(fingerprint old.pem)" != "$(fingerprint "$WORK/own/cert.pem")" ]; }
expect_ok "killed: renews all the same" wait_for 20 renewed
expect_ok "killed: a pair that fits" wait_for 5 fits
stop device

test_end
