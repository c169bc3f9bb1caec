#!/usr/bin/env bash
# Every attack of docs/spec/attacks.md, twice: against Mosquitto as a careful engineer sets it up
# (stock.conf), which shows that the attack is real, and against the same Mosquitto with the plugin
# and the shipped policy, which must refuse it. A device in good standing must be served by both,
# before and after each attack. PH_KEEP=1 keeps the folder with certificates and logs.

# shellcheck source-path=SCRIPTDIR
HERE=$(cd "$(dirname "$0")" && pwd)
PH_SOURCE=${PH_SOURCE:-$(cd "$HERE/../.." && pwd)}
PH_BIN=${PH_BIN:-$PH_SOURCE/build/release/bin}
PH_PLUGIN=${PH_PLUGIN:-$PH_SOURCE/build/release/lib/mosquitto_phonehome.so}
# shellcheck source=../lib/harness.sh
. "$HERE/../lib/harness.sh"
# shellcheck source=../lib/pki.sh
. "$HERE/../lib/pki.sh"
# shellcheck source=../lib/broker.sh
. "$HERE/../lib/broker.sh"
# shellcheck source=../lib/mqtt.sh
. "$HERE/../lib/mqtt.sh"
test_begin "attacks, with a stock broker as control"
# shellcheck source=targets.sh
. "$HERE/targets.sh"
# shellcheck source=cases.sh
. "$HERE/cases.sh"
# shellcheck source=enrolment.sh
. "$HERE/enrolment.sh"

TICKET_SECONDS=10 # the life of the certificate that expires during the test

# id|what is tried|attack_... and its arguments|outcome at the stock broker|with phonehome|reason in
# the plugin's log ('-': OpenSSL or the device refuses, the plugin is not asked). Outcomes are those
# of cases.sh, without the code. The table of docs/spec/attacks.md must say the same.
CASES='
ATT-2|certificate by another CA|certificate wrong-ca|refused tls|refused tls|-
ATT-3|certificate by a fake CA of the same name|certificate fake-ca|refused tls|refused tls|-
ATT-4|expired certificate|certificate expired|refused tls|refused tls|-
ATT-5|certificate not yet valid|certificate not-yet|refused tls|refused tls|-
ATT-6|revoked certificate|revoked|refused tls|refused connack|revoked
ATT-8|serverAuth-only certificate|certificate server-only|refused tls|refused tls|-
ATT-9|certificate without EKU|certificate no-eku|accepted|refused connack|extendedKeyUsage
ATT-10|certificate by a sibling CA|certificate sibling|accepted|refused connack|unknown CA
ATT-11|device signed by the services CA|certificate from-services|accepted|refused connack|anchor
ATT-12|device certificate by the brokers CA|certificate from-brokers|refused tls|refused tls|-
ATT-40|service certificate by the devices CA|forged_service|accepted|refused connack|anchor
ATT-40|ingest certificate by the devices CA|forged_ingest|accepted|refused connack|speak for kind
ATT-13|"+" as common name|certificate plus|refused puback|refused connack|subject CN: want .A-Z
ATT-13|"#" as common name|certificate hash|refused puback|refused connack|subject CN: want .A-Z
ATT-14|"/" in the common name|certificate slash {victim}/x/telemetry|accepted|refused connack|CN
ATT-15|two common names|certificate two-names|accepted|refused connack|more than once
ATT-16|NUL in the common name|certificate nul|refused connack|refused connack|subject CN: want .A-Z
ATT-17|BMPString spelling another name|certificate bmp|accepted|refused connack|BMPSTRING
ATT-18|certificate without tenant|certificate no-tenant|accepted|refused connack|subject O
ATT-19|namesake in another tenant|twin|accepted|refused puback|publish
ATT-20|device named like a service|service_name|accepted|refused suback|subscribe
ATT-21|user name of an operator|user_name|refused puback|refused puback|publish
ATT-22|client id of another device|takeover usual|accepted|refused connack|client id
ATT-22|the same, stock broker binds ids|takeover|renamed|refused connack|client id
ATT-23|telemetry of another device|publish {victim}/telemetry|refused puback|refused puback|publish
ATT-24|retained status of another|publish {victim}/status -r|refused puback|refused puback|publish
ATT-25|command to another device|publish {victim}/command|refused puback|refused puback|publish
ATT-26|forged acknowledgement|publish {victim}/ack|refused puback|refused puback|publish
ATT-27|forged ingest status|publish ph/v1/ingest/status -r|refused puback|refused puback|publish
ATT-28|will on the status of another|will {victim}/status|refused will|refused will|will
ATT-29|will posing as telemetry|will {self}/telemetry|accepted|refused will|will
ATT-29|the same, asked for at DISCONNECT|will_asked {self}/telemetry|accepted|refused will|will
ATT-29|the same, after a takeover|will_takeover {self}/telemetry|accepted|refused will|will
ATT-29|the same, delayed|will_delayed {self}/telemetry|accepted|refused will|will
ATT-30|subscription to the ack of another|subscribe {victim}/ack|filtered|refused suback|subscribe
ATT-31|subscription to #|subscribe #|filtered|refused suback|subscribe
ATT-31|subscription to +/#|subscribe +/#|filtered|refused suback|subscribe
ATT-31|all telemetry, by wildcard|subscribe ph/v1/+/+/+/telemetry|filtered|refused suback|subscribe
ATT-32|subscription to $share/g/#|subscribe $share/g/#|filtered|refused suback|subscribe
ATT-33|subscription to $SYS/#|subscribe $SYS/#|filtered|refused suback|subscribe
ATT-41|claim: readings of a device|claim {victim}/telemetry|refused puback|refused puback|publish
ATT-41|claim named like a device: its readings|claim_twin {victim}/telemetry|accepted|refused puback|publish
ATT-41|claim named like a device: its status|claim_twin {victim}/status -r|accepted|refused puback|publish
ATT-41|claim named like a device: its renewal|claim_twin {victim}/renew|accepted|refused puback|publish
ATT-41|claim named like a device: its acks|claim_twin_subscribe {victim}/ack|accepted|refused suback|subscribe
ATT-41|claim: subscription to #|claim_subscribe #|filtered|refused suback|subscribe
ATT-41|claim: subscription to the ingest status|claim_subscribe ph/v1/ingest/status|filtered|refused suback|subscribe
ATT-41|claim: request of another claim|claim ph/v1/claim/acme/t-0002/enroll|refused puback|refused puback|publish
ATT-41|claim: answers to all claims|claim_subscribe ph/v1/claim/+/+/certificate/+|filtered|refused suback|subscribe
ATT-41|claim: answers to another claim|claim_subscribe ph/v1/claim/acme/t-0002/certificate/+|filtered|refused suback|subscribe
ATT-41|claim: answers to its namesake elsewhere|claim_elsewhere|accepted|refused suback|subscribe
ATT-41|claim: will posing as a request|claim_will|accepted|refused will|will
ATT-41|claim: the same, after a takeover|claim_will_takeover|accepted|refused will|will
ATT-42|device: request of a claim|publish ph/v1/claim/acme/b-1/enroll|refused puback|refused puback|publish
ATT-42|device named like a claim: its request|as acme/thermostat/b-1 acme.b-1 ph/v1/claim/acme/b-1/enroll|accepted|refused puback|publish
ATT-42|claim certificate by the devices CA|forged claim acme/claim/b-1 ph/v1/claim/acme/b-1/enroll|accepted|refused connack|speak for kind
ATT-42|device certificate by the claims CA|forged device-by-claims acme/thermostat/t-0002 {victim}/telemetry|accepted|refused connack|speak for kind
ATT-43|device: certificate for another|publish {victim}/certificate|refused puback|refused puback|publish
ATT-43|device: certificate for itself|publish {self}/certificate|refused puback|refused puback|publish
ATT-43|device: answer to a claim|publish ph/v1/claim/acme/b-1/certificate/r1|refused puback|refused puback|publish
ATT-43|claim: certificate for a device|claim {victim}/certificate|refused puback|refused puback|publish
ATT-43|claim: answer to itself|claim {claim}/certificate/r1|refused puback|refused puback|publish
ATT-43|operator: certificate for a device|as acme/service/operator operator {victim}/certificate|refused puback|refused puback|publish
ATT-43|ingest: certificate for a device|ingest {victim}/certificate|refused puback|refused puback|publish
ATT-43|device named registrar|named_registrar certs/acme.registrar acme/thermostat/registrar|accepted|refused puback|publish
ATT-43|registrar certificate by the devices CA|named_registrar hostile/registrar acme/service/registrar|accepted|refused connack|speak for kind
ATT-43|registrar certificate by the claims CA|named_registrar hostile/registrar-by-claims acme/service/registrar|accepted|refused connack|speak for kind
ATT-44|device: renewal of another|publish {victim}/renew|refused puback|refused puback|publish
ATT-44|namesake in another tenant: renewal|as globex/thermostat/t-0002 globex.t-0002 {victim}/renew|accepted|refused puback|publish
ATT-44|device: certificate of another|subscribe {victim}/certificate|filtered|refused suback|subscribe
ATT-44|device: all certificates, by wildcard|subscribe ph/v1/+/+/+/certificate|filtered|refused suback|subscribe
ATT-44|namesake in another tenant: certificate|twin_subscribe {victim}/certificate|accepted|refused suback|subscribe
ATT-34|no TLS at the TLS port|plain_text|refused tls|refused tls|-
ATT-35|rogue broker with a device certificate|rogue acme.a-1|refused tls|refused tls|-
ATT-36|the same without EKU|rogue_without_eku|accepted|refused tls|-
ATT-37|broker of another name|rogue other-broker|accepted|refused tls|-
'
# A device that was served while its certificate was valid, and has kept its TLS session.
AFTER_EXPIRY='
ATT-38|expired, full handshake|expired_handshake|refused tls|refused tls|-
ATT-38|expired, TLS 1.3 session resumed|ticket t-0006 tls1_3|accepted|refused connack|expired
ATT-38|expired, TLS 1.2 session resumed|ticket t-0006 tls1_2|accepted|refused connack|expired
'
# The same for a device that has been revoked since.
AFTER_REVOCATION='
ATT-39|revoked, session resumed, no SIGHUP|ticket t-0005 tls1_3|accepted|refused connack|revoked
'
AFTER_RELOAD='
ATT-39|revoked, session resumed, SIGHUP|ticket t-0005 tls1_3|refused tls|refused connack|revoked
'
AFTER_AUTHORITY_REVOCATION='
ATT-7|revoked subordinate CA|revoked_authority|accepted|refused connack|revoked
'

# run_case ROW: both columns, one line of the table, and its results.
run_case() {
    local id name attack stock phonehome reason have_stock
    local -a words
    IFS='|' read -r id name attack stock phonehome reason <<<"$1"
    read -ra words <<<"$attack"
    next_case
    words=("${words[@]/#\{victim\}/ph/v1/$VICTIM}")
    words=("${words[@]/#\{self\}/ph/v1/$ATTACKER}")
    words=("${words[@]/#\{claim\}/ph/v1/claim/acme/$CLAIM}")
    run_attack stock "${words[@]}"
    have_stock=$OUTCOME
    run_attack phonehome "${words[@]}"
    printf '%-6s | %-40s | %-18s | %s\n' "$id" "$name" "$have_stock" "$OUTCOME" >>"$WORK/table"
    check_outcome "$id $name: stock broker" "$stock" "$have_stock"
    check_outcome "$id $name: phonehome" "$(with_code "$phonehome")" "$OUTCOME"
    if [ "$reason" != - ]; then
        once_more_if_held_back "$reason" "${words[@]}"
        check_reason "$id $name: the log says who and why" "$reason"
    fi
    check_document "| $id | $name | $stock | $phonehome |"
}

# run_attack TARGET NAME ARGUMENT...
run_attack() {
    TARGET=$1
    WHO=""
    OUTCOME="unclear: not run"
    LOG_MARK=$(stat -c %s "$WORK/$TARGET.log")
    "attack_$2" "${@:3}"
}

# The plugin answers with one code only: 0x87, Not authorized.
with_code() {
    case $1 in
    *connack | *puback | *suback) printf '%s 87' "$1" ;;
    *) printf '%s' "$1" ;;
    esac
}

check_outcome() {
    case $3 in
    "$2"*) ok "$1: $3" ;;
    *) fail "$1: want $2, have $3" ;;
    esac
}

# lines_about: what the plugin has logged of this case's attacker.
lines_about() {
    new_lines | grep 'msg=' | grep -E -- "$WHO"
}

gives_reason() {
    lines_about | grep -Eiq -- "reason=.*$1"
}

# once_more_if_held_back REASON NAME ARGUMENT...: subjects whose hashes meet share one limit of the
# plugin's log, and the hashes differ from run to run; after its interval the line must come.
once_more_if_held_back() {
    if ! gives_reason "$1"; then
        sleep 11
        run_attack phonehome "${@:2}"
    fi
}

check_reason() {
    if gives_reason "$2"; then
        ok "$1"
    else
        fail "$1: want a line with ($WHO) and reason=...$2, have: $(lines_about)"
    fi
}

check_document() {
    grep -Fq -- "$1" "$PH_SOURCE/docs/spec/attacks.md" || fail "docs/spec/attacks.md: want $1"
}

run_table() {
    local row
    while IFS= read -r row; do
        if [ -n "$row" ]; then
            run_case "$row"
        fi
    done <<<"$1"
}

# at_both COMMAND...: runs it with TARGET set to either broker.
at_both() {
    for TARGET in stock phonehome; do
        "$@"
    done
}

serve() {
    seed
    start_observer
    start_registrar
    sentinel
    ok "ATT-1 a device in good standing is served: $TARGET"
    LOG_MARK=0
    attack_will "ph/v1/$ATTACKER/status"
    check_outcome "ATT-1 a device leaves a will on its own status: $TARGET" accepted "$OUTCOME"
}

# What the rogue brokers are to wait for in vain.
thermostat_is_served() {
    TARGET=phonehome
    thermostat_start "${PORT[$TARGET]}"
    if wait_line 5 "$WORK/observer-$TARGET.out" '/t-0007/status .*"online":true'; then
        ok "ATT-1 ph-thermostat is served: $TARGET"
    else
        fail "ATT-1 ph-thermostat is served: $(tail -n 1 "$WORK/thermostat.log")"
    fi
    stop thermostat
}

hold_tickets() {
    local version
    for version in tls1_3 tls1_2; do
        hold_ticket t-0006 "$HOSTILE/expiring" "$version"
    done
    hold_ticket t-0005 "$CERTS/acme.t-0005" tls1_3
}

# revoke ARGUMENT...: through ph-ca, without a word to the brokers; the plugin has to notice.
revoke() {
    TARGET=phonehome
    LOG_MARK=$(stat -c %s "$WORK/$TARGET.log")
    ca revoke --ca "$PKI" "$@"
    collect_stock_crls
    wait_reloaded
}

reload_target() {
    broker_reload "$TARGET" || die "$TARGET: does not reload"
}

is_past() {
    [ "$(date +%s)" -ge "$1" ]
}

# What the revocation of the devices' CA must leave alone.
service_is_served() {
    local output
    output=$(client "$CERTS/operator" mosquitto_pub -i acme/service/operator -q 1 \
        -t "ph/v1/$VICTIM/command" -m '{}' 2>&1)
    OUTCOME=$(refusal_in "$output")
    check_outcome "ATT-7 services are still served: $TARGET" accepted "${OUTCOME:-accepted}"
}

broker_is_well() {
    if is_running "$TARGET" && ! grep -Eq 'Sanitizer|runtime error' "$WORK/$TARGET.log"; then
        ok "ATT-1 the broker has survived it all: $TARGET"
    else
        fail "ATT-1 the broker has survived it all: $TARGET: $(tail -n 3 "$WORK/$TARGET.log")"
    fi
}

make_regular_certificates
make_hostile_certificates
collect_stock_crls
start_target usual stock_config false
start_target stock stock_config true
start_target phonehome phonehome_config
at_both serve
thermostat_is_served

hostile expiring "$PKI/devices" /O=acme/OU=thermostat/CN=t-0006 \
    "$CLIENT_LEAF;extendedKeyUsage=clientAuth" -3600 "$TICKET_SECONDS"
expiry=$(($(date +%s) + TICKET_SECONDS + 1))
at_both hold_tickets

run_table "$CASES"
wait_for "$((TICKET_SECONDS + 2))" is_past "$expiry"
run_table "$AFTER_EXPIRY"

revoke acme/thermostat/t-0005
run_table "$AFTER_REVOCATION"
at_both reload_target
run_table "$AFTER_RELOAD"

revoke --authority devices
at_both reload_target
run_table "$AFTER_AUTHORITY_REVOCATION"
at_both service_is_served
at_both broker_is_well

cat "$WORK/table"
test_end
