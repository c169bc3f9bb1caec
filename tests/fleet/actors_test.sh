#!/usr/bin/env bash
# Mad devices and a thief of ph-fleet, at Mosquitto with the plugin and the shipped policy, which must
# leave them what is their own, and at two controls, where the same thief must be seen to reach what is
# another's: Mosquitto as its manual would have it (tests/attacks/stock.conf), and without an access list.
# PH_KEEP=1 keeps the folder with certificates and logs.

# shellcheck source-path=SCRIPTDIR
HERE=$(cd "$(dirname "$0")/../attacks" && pwd) # targets.sh takes its files from there
PH_SOURCE=${PH_SOURCE:-$(cd "$HERE/../.." && pwd)}
PH_BIN=${PH_BIN:-$PH_SOURCE/build/release/bin}
PH_PLUGIN=${PH_PLUGIN:-$PH_SOURCE/build/release/lib/mosquitto_phonehome.so}
# shellcheck source=../lib/harness.sh
. "$PH_SOURCE/tests/lib/harness.sh"
# shellcheck source=../lib/pki.sh
. "$PH_SOURCE/tests/lib/pki.sh"
# shellcheck source=../lib/broker.sh
. "$PH_SOURCE/tests/lib/broker.sh"
test_begin "mad devices and a thief, with two brokers as control"
# shellcheck source=../attacks/targets.sh
. "$HERE/targets.sh"

case ${PH_SANITIZE:-} in
thread*) skip "the broker itself is not built for the thread sanitizer" ;;
esac
need mosquitto_pub mosquitto_sub openssl
[ -x "$PH_BIN/ph-fleet-actor" ] || die "$PH_BIN/ph-fleet-actor: not built"

ACTOR=acme/thermostat/t-0001    # whose certificate is misused
GOOD=acme/thermostat/t-0003     # in the same process, beyond reproach
NAMESAKE=globex/thermostat/t-0001
OTHERS=("$ACTOR" acme/thermostat/t-0002 "$GOOD" acme/thermostat/t-000{4,5} "$NAMESAKE")
FLOOD=1 # bits of HOW
FOREIGN=4
ALL=7

make_certificates() {
    ca init "$PKI"
    device acme t-0001
    device acme t-0003
    for name in "$ACTOR" "$GOOD"; do
        ln -s "acme.${name##*/}" "$CERTS/${name//\//.}"
    done
    ca issue service --ca "$PKI" --tenant acme --out "$CERTS/ingest" ingest
    ca issue broker --ca "$PKI" --dns localhost --ip 127.0.0.1 --out "$CERTS/broker" broker
    cp "$PKI/trust/crl.pem" "$WORK/stock-crl.pem"
}

open_config() {
    stock_config "$1" "$2" false
    sed -i '/^acl_file/d' "$1"
}

# act NAME TARGET mad|thief SECONDS [HOW [RATE]]: starts an actor there; what it counted is in
# $WORK/NAME.out once it has ended.
act() {
    printf '%s\n' "${OTHERS[@]}" >"$WORK/others"
    spawn "$1" "$WORK/$1.out" run_actor "$3" "${PORT[$2]}" "$CERTS" "$ACTOR" "$GOOD" "${@:4}"
}

run_actor() {
    exec "$PH_BIN/ph-fleet-actor" "$@" <"$WORK/others"
}

# await NAME SECONDS
await() {
    wait_for "$2" ended "$1" || die "$1: still running after $2 s"
    grep -q '^finished' "$WORK/$1.out" || die "$1: did not run: $(tail -n 1 "$WORK/$1.out")"
}

# counted NAME COUNTER
counted() {
    local number
    number=$(sed -n "s/^$2 //p" "$WORK/$1.out")
    printf '%s' "${number:-0}"
}

# expect_count TEXT NAME COUNTER MIN [MAX]
expect_count() {
    local have
    have=$(counted "$2" "$3")
    if [ "$have" -ge "$4" ] && [ "$have" -le "${5:-$have}" ]; then
        ok "$1: $3 $have"
    else
        fail "$1: want $3 of $4 to ${5:-any}, have $have: $(tr '\n' ';' <"$WORK/$2.out")"
    fi
}

# observed_from_actor TARGET: the topics on which ingest received what an actor marks as its own.
observed_from_actor() {
    grep -aF "\"from\":\"$ACTOR\"" "$WORK/observer-$1.out" | sed 's/ .*//' | sort -u
}

expect_own_topics_only() {
    local foreign
    foreign=$(observed_from_actor phonehome | grep -Fv "ph/v1/$ACTOR/")
    if [ -z "$foreign" ]; then
        ok "$1: ingest received nothing of it on topics of others"
    else
        fail "$1: ingest received it on $foreign"
    fi
}

expect_observed() {
    expect_ok "$1" wait_line 5 "$WORK/observer-$2.out" "$3"
}

# expect_outcomes NAME OTHERS IDS WILLS: every attempt has one outcome; ten topics of each of so many
# others, their client ids, twenty topics of all; of ten wills those that nobody saw.
expect_outcomes() {
    local tried refused own unseen
    tried=$(counted "$1" theft_tried)
    refused=$(counted "$1" theft_refused)
    own=$(counted "$1" theft_own)
    unseen=$(awk '/^reason .* thief: fate unseen/ { n += $2 } END { print n + 0 }' "$WORK/$1.out")
    if ((tried == own + refused + unseen && refused == 10 * $2 + $3 + 20 + 10 - $4 && unseen == $4)); then
        ok "ACT-25 every attempt has one outcome: $tried tried, $refused refused, $unseen unseen"
    else
        fail "ACT-25 $tried tried, $refused refused, $own own, $unseen unseen"
    fi
}

# [ACT-20] [ACT-23] [ACT-25] [ACT-29] [ACT-30]
check_thief_at_phonehome() {
    expect_line "ACT-30 the thief has tried everything" "$WORK/thief-phonehome.out" '^finished yes'
    expect_count "ACT-30 it reached nothing of anybody else's" thief-phonehome theft_foreign 0 0
    expect_count "ACT-23 it was granted what is its own" thief-phonehome theft_own 9 9
    expect_outcomes thief-phonehome 5 5 9
    if grep -q '^reason .*thief: received' "$WORK/thief-phonehome.out"; then
        fail "ACT-28 it received messages that are not its own"
    else
        ok "ACT-28 it received no message that is not its own"
    fi
    expect_observed "ACT-29 the will on its own status was published" phonehome \
        "^ph/v1/$ACTOR/status .*\"number\":"
    expect_own_topics_only "ACT-30 thief"
    expect_line "ACT-30 the audit log says who tried what" "$WORK/phonehome-audit.jsonl" \
        "\"event\":\"deny\",\"identity\":\"devices:$ACTOR\",\"action\":\"publish\",\"topic\":\"ph/v1/ingest"
    expect_line "ACT-30 and under whose client id it came" "$WORK/phonehome-audit.jsonl" \
        "\"event\":\"refuse\".*$ACTOR.*client"
    check_neighbour "ACT-32 beside the thief" thief-phonehome
}

# [ACT-2] [ACT-21] [ACT-24] [ACT-27] [ACT-31]
check_thief_at_stock() {
    local out=$WORK/thief-stock.out
    expect_line "ACT-31 stock: the thief has tried everything" "$out" '^finished yes'
    expect_count "ACT-31 stock: it reached what is another's" thief-stock theft_foreign 1
    expect_count "ACT-23 stock: it was granted what is its own" thief-stock theft_own 9 9
    expect_line "ACT-24 stock: the reason names it" "$out" \
        '^reason 1 thief: granted: publish the telemetry of another device'
    expect_line "ACT-24 stock: the log names the topic" "$out" \
        "granted what is another's.* topic=ph/v1/claim/acme/t-0001/enroll"
    expect_line "ACT-27 stock: subscriptions count, filtered or not" "$out" \
        '^reason 5 thief: granted: subscribe to the acknowledgements of another device'
    expect_line "ACT-21 stock: it took the client ids of the others" "$out" \
        '^reason 5 thief: granted: connect as another device'
    expect_observed "ACT-31 stock: ingest received telemetry of its namesake elsewhere" stock \
        "^ph/v1/$NAMESAKE/telemetry .*\"from\":\"$ACTOR\""
    if grep -q '^reason .* disconnected by the broker' "$out"; then
        fail "ACT-2 stock: the broker found fault with it: $(grep -m 1 'disconnected by' "$out")"
    else
        ok "ACT-2 stock: it kept to a Receive Maximum of 20"
    fi
    expect_count "ACT-31 stock: a device lost its connection to it" thief-stock neighbour_losses 1
}

# [ACT-22] [ACT-29] [ACT-31]
check_thief_at_open() {
    local out=$WORK/thief-open.out
    expect_line "ACT-31 open: the thief has tried everything" "$out" '^finished yes'
    expect_line "ACT-29 open: it found its will on the status of ingest" "$out" \
        '^reason 1 thief: granted: leave a will on the status of ingest'
    expect_line "ACT-22 open: and its wills as commands to others" "$out" \
        '^reason [1-9].* thief: granted: leave a will as a command to another device'
    expect_observed "ACT-22 open: ingest received a will on the status of another" open \
        "^ph/v1/acme/thermostat/t-0002/status .*\"number\":"
    expect_line "ACT-28 open: it received what is not its own" "$out" '^reason .* thief: received'
}

# check_neighbour TEXT NAME: the good device of that process was served throughout.
check_neighbour() {
    local sent confirmed
    sent=$(counted "$2" neighbour_sent)
    confirmed=$(counted "$2" neighbour_confirmed)
    if [ "$sent" -gt 10 ] && [ "$confirmed" -ge $((sent - 25)) ] &&
        [ "$(counted "$2" neighbour_refused)" = 0 ] && [ "$(counted "$2" neighbour_losses)" = 0 ]; then
        ok "$1 a device in good standing is served: $confirmed of $sent confirmed at the end"
    else
        fail "$1 a device in good standing is not served: $(grep neighbour "$WORK/$2.out" | tr '\n' ' ')"
    fi
}

# [ACT-12] [ACT-14] [ACT-32]
check_mad() {
    act mad-all phonehome mad 5 "$ALL"
    act mad-stock stock mad 5 "$FOREIGN"
    await mad-all 20
    await mad-stock 20
    expect_count "ACT-14 mad: what is its own was taken" mad-all mad_passed 1
    expect_count "ACT-14 mad: the rest was refused" mad-all mad_refused 1
    expect_count "ACT-15 mad: nothing foreign was granted" mad-all theft_foreign 0 0
    expect_count "ACT-15 mad: at the stock broker it was" mad-stock theft_foreign 1
    expect_own_topics_only "ACT-12 mad"
    check_neighbour "ACT-32 beside the mad device" mad-all
    expect_line "ACT-14 mad: the reason has the code" "$WORK/mad-all.out" '^reason .* mad: refused: 0x87'
}

# [ACT-10] [ACT-13]: what the broker took is what ingest received; no more than 20 a second.
check_rate() {
    local before after passed
    before=$(flood_lines)
    act mad-rate phonehome mad 4 "$FLOOD" 20
    await mad-rate 20
    passed=$(counted mad-rate mad_passed)
    wait_for 5 flood_reached $((before + passed))
    after=$(flood_lines)
    if [ "$passed" -gt 0 ] && [ "$passed" -le 100 ]; then
        ok "ACT-13 mad: $passed messages in 4 s at 20 a second"
    else
        fail "ACT-13 mad: $passed messages in 4 s at 20 a second"
    fi
    # One may be on its way when it ends.
    if [ $((after - before)) -ge "$passed" ] && [ $((after - before)) -le $((passed + 5)) ]; then
        ok "ACT-14 mad: ingest received what the broker took"
    else
        fail "ACT-14 mad: $passed taken, $((after - before)) received"
    fi
}

flood_lines() {
    grep -ac "^ph/v1/$ACTOR/telemetry .*\"temperature_c\"" "$WORK/observer-phonehome.out"
}

flood_reached() {
    [ "$(flood_lines)" -ge "$1" ]
}

restart_broker() {
    stop phonehome
    stop observer-phonehome
    broker_start phonehome "$WORK/phonehome.conf" || die "the broker does not start again"
    # shellcheck disable=SC2034 # start_observer reads it
    TARGET=phonehome
    start_observer
}

# [ACT-3] [ACT-33]
check_mad_restart() {
    local before
    before=$(flood_lines)
    act mad-restart phonehome mad 60 "$FLOOD" 50
    wait_for 10 flood_reached $((before + 10)) || die "the flood does not begin"
    restart_broker
    expect_ok "ACT-33 mad: it is back after the broker's restart" wait_for 20 flood_reached 10
    stop mad-restart KILL
}

# [ACT-3] [ACT-25] [ACT-26] [ACT-29]: the broker goes twice while the thief is connected: amid its topics, and while
# it looks for a will. That it has begun is told by its question to ingest: retained messages of earlier ones and
# what is left of a flood look different.
check_thief_restart() {
    local losses out=$WORK/thief-restart.out
    mapfile -t OTHERS < <(seq -f 'acme/thermostat/t-%04g' 1500)
    act thief-restart phonehome thief 150
    wait_line 10 "$WORK/observer-phonehome.out" "^ph/v1/$ACTOR/telemetry .*\"readings\":\[\]" ||
        die "the thief does not begin"
    kill -s STOP "${PIDS[thief-restart]}" # or a fast one is done before the broker is gone
    restart_broker
    kill -s CONT "${PIDS[thief-restart]}"
    wait_line 100 "$WORK/phonehome.log" "connected .* as $ACTOR \(p5, c0," || die "the thief does not come back"
    restart_broker
    await thief-restart 160
    losses=$(awk '/ thief: not connected: (connection lost|disconnected by)/ { n += $2 } END { print n + 0 }' "$out")
    if [ "$losses" -ge 2 ]; then
        ok "ACT-3 the thief has lost its connection $losses times, and has said so"
    else
        fail "ACT-3 the thief has told of $losses lost connections, want 2: $(grep '^reason' "$out" | tr '\n' ';')"
    fi
    expect_outcomes thief-restart 1499 199 10
    expect_line "ACT-29 nothing is told of a will whose session was lost" "$out" \
        '^reason 1 thief: fate unseen: leave a will on the status of ingest'
    expect_count "ACT-30 a thief among 1,500 reaches nothing" thief-restart theft_foreign 0 0
}

# [ACT-1]: a broker that hangs holds up neither a turn nor the end.
check_hanging() {
    act mad-hanging phonehome mad 5 "$FLOOD"
    sleep 2
    kill -s STOP "${PIDS[phonehome]}"
    await mad-hanging 20
    kill -s CONT "${PIDS[phonehome]}"
    expect_count "ACT-1 no turn waits for a broker that hangs" mad-hanging longest_turn_us 0 1500000
    expect_count "ACT-1 nor does the end" mad-hanging free_us 0 450000
}

make_certificates
start_target stock stock_config false
start_target open open_config
start_target phonehome phonehome_config
for TARGET in stock open phonehome; do
    start_observer
    act "thief-$TARGET" "$TARGET" thief 150
done
for target in stock open phonehome; do
    await "thief-$target" 160
done
check_thief_at_phonehome
check_thief_at_stock
check_thief_at_open
check_mad
check_rate
check_hanging
check_mad_restart
check_thief_restart
for target in stock open phonehome; do
    expect_ok "the broker has survived it: $target" is_running "$target"
    if grep -Eq 'Sanitizer|runtime error' "$WORK/$target.log"; then
        fail "$target: a sanitizer has something to say: $(grep -m1 -E 'Sanitizer|runtime error' "$WORK/$target.log")"
    fi
done
test_end
