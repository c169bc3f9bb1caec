#!/usr/bin/env bash
# `ph-fleet run` at Mosquitto with the plugin, the real ingest and the real registrar: what the fleet reports is held
# against what the store has. Requirements: FLEET, SCN, STAT, HOUSE and ACT of docs/spec/fleet.md.
# PH_KEEP=1 keeps the folder with certificates, reports and logs.

# shellcheck source=../lib/harness.sh
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
# shellcheck source=../lib/broker.sh
. "$PH_SOURCE/tests/lib/broker.sh"
test_begin "fleets and what the store has of them"
# shellcheck source=../life/stage.sh
. "$PH_SOURCE/tests/life/stage.sh"
# shellcheck source=stage.sh
. "$PH_SOURCE/tests/fleet/stage.sh"

case ${PH_SANITIZE:-} in
thread*) skip "the broker itself is not built for the thread sanitizer" ;;
esac

STOCK_STORE=$WORK/stock.db

# ---- 200 devices for 30 seconds, and nothing else on the stack ----

# expect_total TEXT NAME VALUE: of ph-ingest stats --totals.
expect_total() {
    local have
    have=$("$PH_BIN/ph-ingest" stats --store "$STORE" --totals | awk -v name="$2" '$1 == name { print $2 }')
    if [ "$have" = "$3" ]; then ok "$1: $2 $3"; else fail "$1: want $2 $3, have ${have:-none}"; fi
}

# [FLEET-3] [FLEET-4] [FLEET-14] [FLEET-18] [FLEET-19] [FLEET-20] [STAT-13] [VIEW-20]
first_fleet() {
    local captured total
    spawn first "$WORK/first.out" "$PH_BIN/ph-fleet" --devices 200 --duration 30 --ca "$PKI" \
        --broker "localhost:$PORT" --json "$WORK/first.json" --html "$WORK/first.html"
    finish first 120
    captured=$(fact first totals.captured)
    expect_good "FLEET-19 200 devices for 30 s" first
    expect_said "FLEET-16 all have been connected" first 's: all 200 devices have been connected'
    expect_fact "STAT-13 each was connected" first totals.reached 200 200
    # Ten seconds between readings: three of each, or two where ramp and first delay leave no room for a third.
    expect_fact "FLEET-14 for 30 s" first totals.captured 400 600
    expect_fact "FLEET-14 each ended as it should" first totals.drained 200 200
    expect_fact "FLEET-21 each reading has its time" first times.ack.count "$captured" "$captured"
    expect_fact "FLEET-17 its workers have used the CPU" first usage[0].rss_max_bytes 1000000
    for total in devices=200 stored="$captured" vouched="$captured" duplicates=0 dead_letters=0 given_up=0 dropped=0; do
        expect_total "FLEET-20 the store of it" "${total%=*}" "${total#*=}"
    done
    expect_stored "FLEET-20 200 devices" t 200 "$captured"
    if [ -z "$(left_behind)" ]; then ok "FLEET-4 its folder is gone"; else fail "FLEET-4 left: $(left_behind)"; fi
}

# ---- the rest at once, each fleet with devices of its own ----

start_fleets() {
    local twins=$'devices: 20\ninterval_ms: 250\nduration_s: 20\nhouses: { speed: 240 }'
    start_fleet twin "$twins" --seed 7
    start_fleet pair "$twins" --seed 7 --workers 2 --ramp 10
    start_fleet other "$twins" --seed 8
    start_fleet storm $'devices: 60\ninterval_ms: 500\nduration_s: 42\nacts:
  - { at_s: 10, do: storm, share: 1 }
  - { at_s: 24, for_s: 12, do: outage, share: 0.5 }' --workers 2
    start_fleet wave $'devices: 20\ninterval_ms: 500\nduration_s: 30\ncertificates: { minutes: 2 }'
    start_fleet bad "$BAD"
    PORT=$STOCK_PORT start_fleet stock "$BAD"
}

BAD='devices: 10
interval_ms: 500
duration_s: 40
acts:
  - { at_s: 4, for_s: 4, do: mad, devices: 2, messages_per_s: 20 }
  - { at_s: 6, do: thief }'

# sequences A B: in how many devices' sequences the two fleets agree, wherever both have a reading; and in how many not.
sequences() {
    stored_sql "
        SELECT sum(same), sum(NOT same) FROM (
            SELECT a.device, min(a.temperature_c = b.temperature_c AND a.setpoint_c = b.setpoint_c) AS same
            FROM readings AS a JOIN readings AS b
                ON a.seq = b.seq AND b.device = replace(a.device, '/$1-', '/$2-')
            WHERE a.device LIKE '%/$1-%'
            GROUP BY a.device HAVING count(*) > 20)"
}

# [HOUSE-1]: whatever the folder, the workers, the ramp and the names.
check_seeds() {
    local name same
    for name in twin pair other; do
        expect_good "HOUSE-1 $name" "$name"
        expect_stored "HOUSE-1 $name" "$name" 20 "$(fact "$name" totals.captured)"
    done
    same=$(sequences twin pair)
    if [ "$same" = "20|0" ]; then ok "HOUSE-1 the same seed gives the same readings"; else fail "HOUSE-1 same seed: $same"; fi
    same=$(sequences twin other)
    if [ "$same" = "0|20" ]; then ok "HOUSE-1 another seed gives others"; else fail "HOUSE-1 another seed: $same"; fi
}

# connected_before NOTE: devices of `storm`, by the last sample before it.
connected_before() {
    samples storm connected "at_ms <= $(note_ms storm "$1") ORDER BY at_ms DESC LIMIT 1"
}

# [SCN-5] [SCN-7] [SCN-10] [FLEET-16] [FLEET-21] [STAT-10]
check_storm() {
    local window gaps
    expect_good "SCN-14 storm and outage" storm
    expect_stored "SCN-14 storm and outage" storm 60 "$(fact storm totals.captured)"
    expect_said "FLEET-16 the storm is told of" storm '^fleet: [0-9]+ s: storm begins: 60 devices$'
    expect_said "FLEET-16 so is the outage" storm '^fleet: [0-9]+ s: outage begins: 30 devices for 12 s$'
    expect_said "FLEET-16 and its end" storm '^fleet: [0-9]+ s: outage is over$'
    # Sixty at first; of the storm those that it found connected, of the outage half of them.
    expect_fact "SCN-10 all came back from the storm, and half of them from the outage" storm totals.connects \
        $((60 + $(connected_before 'storm begins') + $(connected_before 'outage begins') - 30))
    window="at_ms > $(note_ms storm 'outage begins') + 3000 AND at_ms < $(note_ms storm 'outage is over')"
    gaps=$(samples storm "min(connected), max(connected), min(suspended), max(suspended)" "$window")
    if [ "$gaps" = "30|30|30|30" ]; then
        ok "SCN-10 half of them are away meanwhile, and nobody else"
    else
        fail "SCN-10 connected and suspended meanwhile: want 30|30|30|30, have $gaps"
    fi
    # What is acknowledged meanwhile is of devices outside.
    gaps=$(samples storm "min(ack_count) > 0 AND max(ack_max_us) < 10000000" "$window")
    if [ "$gaps" = 1 ]; then
        ok "SCN-14 the others are served meanwhile"
    else
        fail "SCN-14 the others: $(samples storm "group_concat(ack_count || ' in ' || ack_max_us || ' us', ', ')" "$window")"
    fi
    expect_fact "FLEET-21 the outage shows in the latency" storm times.ack.max_us 10000000
    # Between two readings of a device that were received: 10 s or more where it was away.
    gaps=$(stored_sql "
        SELECT sum(gap >= 10), sum(gap < 10) FROM (
            SELECT device, max(gap) AS gap FROM (
                SELECT device, 86400 * (julianday(received) - lag(julianday(received))
                    OVER (PARTITION BY device ORDER BY received)) AS gap
                FROM readings WHERE device LIKE '%/storm-%')
            GROUP BY device)")
    if [ "$gaps" = "30|30" ]; then
        ok "SCN-10 the store shows it in half of the devices"
    else
        fail "SCN-10 devices with a gap in the store, and without: want 30|30, have $gaps"
    fi
}

# [FLEET-3] [SCN-14]: certificates of two minutes, for which the registrar says that they are due after 6 to 18 seconds.
check_wave() {
    local until
    expect_good "SCN-14 expiry" wave
    expect_stored "SCN-14 expiry" wave 20 "$(fact wave totals.captured)"
    expect_fact "SCN-14 each device has renewed" wave totals.renewals 20
    expect_ok "SCN-14 the registrar knows of it" rows_at_least 20 'acme/thermostat/wave-.*,superseded,'
    until=$(openssl x509 -in "$WORK/wave/devices/acme/thermostat/wave-0001/cert.pem" -noout -checkend 86400)
    if [ "$until" = "Certificate will not expire" ]; then
        ok "SCN-14 the new certificate is in its folder"
    else
        fail "SCN-14 the certificate in its folder: $until"
    fi
}

# [ACT-14] [ACT-30] [STAT-14]
check_bad() {
    expect_good "STAT-14 mad devices and a thief, with the plugin" bad
    expect_fact "ACT-30 the thief reached nothing of others" bad totals.theft_foreign 0 0
    expect_fact "ACT-23 it was granted what is its own" bad totals.theft_own 9 9
    expect_fact "ACT-25 and refused the rest" bad totals.theft_refused 50
    expect_fact "ACT-14 the mad devices were refused" bad totals.mad_refused 1
    expect_fact "ACT-14 but for what is their own" bad totals.mad_passed 1
    expect_said "STAT-5 refusals are told by reason" bad '^ +[0-9]+  thief: refused: 0x87$'
    expect_said "STAT-5 those of mad devices too" bad '^ +[0-9]+  mad: refused: 0x87$'
    expect_not_said "ACT-30 no reason speaks of a grant" bad 'granted:'
    expect_line "ACT-30 the audit log says who it was" "$WORK/phonehome-audit.jsonl" \
        '"event":"deny","identity":"devices:acme/thermostat/bad-[0-9]+","action":"subscribe"'
}

# [ACT-31] [FLEET-19] [STAT-13] [STAT-15]: the control.
check_stock() {
    local text='a thief was let through to what is not its own, [0-9,]+ times'
    expect_end "FLEET-19 a stock broker lets the thief through, and the run says so" stock 1 "^ph-fleet: $text$"
    expect_said "VIEW-20 so does its summary" stock "^fleet: lacking: $text$"
    expect_fact "ACT-31 at the stock broker" stock totals.theft_foreign 50
    if [ "$(fact stock verdict)" = lacking ] && grep -Eq "^$text$" <<<"$(fact stock lacks)"; then
        ok "STAT-15 and so does the report, which finds nothing else"
    else
        fail "STAT-15 the report: $(fact stock verdict): $(fact stock lacks)"
    fi
}

# ---- the control's broker and ingest ----

start_stock() {
    STOCK_PORT=$(free_port)
    sed -e "s,@PORT@,$STOCK_PORT,;s,@BIND@,false,;s,@PKI@,$PKI,;s,@BROKER@,$CERTS/broker," \
        -e "s,@HERE@,$PH_SOURCE/tests/attacks,;s,@CRL@,$PKI/trust/crl.pem," \
        "$PH_SOURCE/tests/attacks/stock.conf" >"$WORK/stock.conf"
    sed -e "s,port: $PORT,port: $STOCK_PORT,;s,^store: .*,store: $STOCK_STORE," "$WORK/ingest.yaml" >"$WORK/stock-ingest.yaml"
    broker_start stock-broker "$WORK/stock.conf" || die "the stock broker does not start: $(tail -n 3 "$WORK/stock-broker.log")"
    spawn stock-ingest "$WORK/stock-ingest.log" "$PH_BIN/ph-ingest" run --config "$WORK/stock-ingest.yaml"
    wait_line 10 "$WORK/stock-ingest.log" subscribed || die "ingest does not start at the stock broker"
}

make_authority
write_configuration
registrar_says renew_at 0.1
start_stage
start_stock
first_fleet
start_fleets
for fleet in twin pair other storm wave bad stock; do
    finish "$fleet" 150
done
check_seeds
check_storm
check_wave
check_bad
check_stock
expect_sane
test_end
