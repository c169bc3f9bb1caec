/* [SCN-1], [SCN-2], [SCN-4] to [SCN-8], [SCN-12], [SCN-14] */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "device/fleet/scenario_testbed.h"

#define SCENARIOS "../../config/scenarios"

/* [SCN-1] without a file it is the steady fleet; [SCN-2] with a default for everything */
static void test_defaults(void **state)
{
    struct ph_scenario_bed *bed = *state;
    assert_true(ph_scenario_bed_load(bed, NULL));
    assert_int_equal(bed->scenario->devices, 100);
    assert_int_equal(bed->scenario->seed, 1);
    assert_int_equal(bed->scenario->interval_ms, 10000);
    assert_int_equal(bed->scenario->duration_s, 0);
    assert_int_equal(bed->scenario->connects_per_s, 200);
    assert_string_equal(bed->scenario->tenant, "acme");
    assert_string_equal(bed->scenario->kind, "thermostat");
    assert_string_equal(bed->scenario->prefix, "t-");
    assert_true(bed->scenario->day.hours == 0.0);
    assert_true(bed->scenario->houses.outdoor_c == 6.0);
    assert_string_equal(bed->scenario->houses.start, "2026-01-15T06:00:00Z");
    assert_int_equal(bed->scenario->houses.start_ms, INT64_C(1768456800000));
    assert_true(bed->scenario->houses.speed == 1.0);
    assert_int_equal(bed->scenario->certificates.days, 0);
    assert_int_equal(bed->scenario->certificates.minutes, 0);
    assert_int_equal(bed->scenario->act_count, 0);
    assert_null(bed->scenario->acts);
}

static const char everything[] =
    "devices: 1000\nseed: 7\ninterval_ms: 2500\nduration_s: 600\nconnects_per_s: 100\n"
    "tenant: globex\nkind: valve\nprefix: v.\n"
    "day: { hours: 0.3333333333333333, swing: 0.6 }\n"
    "houses: { outdoor_c: 0, start: 2026-07-01T12:30:00Z, speed: 72 }\n"
    "certificates: { days: 30 }\n"
    "acts:\n"
    "  - { at_s: 200, for_s: 30, do: mad, devices: 3, how: [foreign, flood], messages_per_s: 9 }\n"
    "  - { at_s: 0, do: storm, share: 0.1 }\n"
    "  - { at_s: 120, for_s: 60, do: outage, share: 1 }\n"
    "  - { at_s: 200, do: thief }\n"
    "  - { at_s: 120, for_s: 1, do: mad, devices: 1000 }\n";

/* What `everything` says, with the acts in order of time. */
static void assert_everything(const struct ph_scenario *scenario)
{
    assert_int_equal(scenario->devices, 1000);
    assert_int_equal(scenario->seed, 7);
    assert_int_equal(scenario->interval_ms, 2500);
    assert_int_equal(scenario->duration_s, 600);
    assert_int_equal(scenario->connects_per_s, 100);
    assert_string_equal(scenario->tenant, "globex");
    assert_string_equal(scenario->kind, "valve");
    assert_string_equal(scenario->prefix, "v.");
    assert_true(scenario->day.hours == 0.3333333333333333);
    assert_true(scenario->day.swing == 0.6);
    assert_true(scenario->houses.outdoor_c == 0.0);
    assert_int_equal(scenario->houses.start_ms, INT64_C(1782909000000));
    assert_true(scenario->houses.speed == 72.0);
    assert_int_equal(scenario->certificates.days, 30);
    static const struct ph_act acts[] = {
        {.kind = PH_ACT_STORM, .share = 0.1},
        {.kind = PH_ACT_OUTAGE, .at_s = 120, .for_s = 60, .share = 1.0},
        {.kind = PH_ACT_MAD,
            .how = PH_MAD_FLOOD | PH_MAD_GARBAGE | PH_MAD_FOREIGN,
            .at_s = 120,
            .for_s = 1,
            .devices = 1000},
        {.kind = PH_ACT_MAD,
            .how = PH_MAD_FLOOD | PH_MAD_FOREIGN,
            .at_s = 200,
            .for_s = 30,
            .devices = 3,
            .messages_per_s = 9},
        {.kind = PH_ACT_THIEF, .at_s = 200, .devices = 1},
    };
    assert_int_equal(scenario->act_count, sizeof acts / sizeof acts[0]);
    for (size_t i = 0; i < scenario->act_count; i++) {
        const struct ph_act *act = &scenario->acts[i];
        assert_int_equal(act->kind, acts[i].kind);
        assert_int_equal(act->at_s, acts[i].at_s);
        assert_int_equal(act->for_s, acts[i].for_s);
        assert_true(act->share == acts[i].share);
        assert_int_equal(act->devices, acts[i].devices);
        assert_int_equal(act->how, acts[i].how);
        assert_int_equal(act->messages_per_s, acts[i].messages_per_s);
    }
}

/* [SCN-1] what the file says; [SCN-2] 0 degrees is a temperature; [SCN-5] acts by time, those of
 * one moment as they stand; [SCN-6] one thief, and [SCN-8] every way to be mad, unless said */
static void test_file(void **state)
{
    struct ph_scenario_bed *bed = *state;
    assert_true(ph_scenario_bed_parse(bed, everything));
    assert_everything(bed->scenario);
}

/* [SCN-1] options win */
static void test_options(void **state)
{
    struct ph_scenario_bed *bed = *state;
    assert_true(ph_scenario_bed_parse(bed, everything));
    assert_true(ph_scenario_bed_load(bed, "--scenario", bed->file, "--devices", "2000",
        "--duration", "0", "--interval-ms", "100", "--ramp", "7", "--seed", "9", NULL));
    assert_int_equal(bed->scenario->devices, 2000);
    assert_int_equal(bed->scenario->duration_s, 0);
    assert_int_equal(bed->scenario->interval_ms, 100);
    assert_int_equal(bed->scenario->connects_per_s, 7);
    assert_int_equal(bed->scenario->seed, 9);
    assert_string_equal(bed->scenario->tenant, "globex");
    assert_int_equal(bed->scenario->act_count, 5);
}

static void print_to_file(struct ph_scenario_bed *bed)
{
    FILE *out = fopen(bed->file, "w");
    assert_non_null(out);
    assert_int_equal(ph_scenario_print(out, bed->scenario, &bed->error), PH_OK);
    assert_int_equal(fclose(out), 0);
}

/* [SCN-4] what is printed loads to the same: every value, and with the options in it */
static void test_print(void **state)
{
    struct ph_scenario_bed *bed = *state;
    assert_true(ph_scenario_bed_parse(bed, everything));
    print_to_file(bed);
    assert_true(ph_scenario_bed_load(bed, "--scenario", bed->file, NULL));
    assert_everything(bed->scenario);
    assert_true(ph_scenario_bed_load(bed, "--seed", "12", "--duration", "30", NULL));
    print_to_file(bed);
    assert_true(ph_scenario_bed_load(bed, "--scenario", bed->file, NULL));
    assert_int_equal(bed->scenario->seed, 12);
    assert_int_equal(bed->scenario->duration_s, 30);
    assert_string_equal(bed->scenario->houses.start, "2026-01-15T06:00:00Z");
    assert_true(bed->scenario->day.hours == 0.0);
    assert_int_equal(bed->scenario->act_count, 0);
}

/* [SCN-12] a day that is not said to last so long is the houses' day */
static void test_day_follows_houses(void **state)
{
    struct ph_scenario_bed *bed = *state;
    assert_true(ph_scenario_bed_parse(bed, "day: { swing: 0.5 }\n"));
    assert_true(bed->scenario->day.hours == 24.0);
    assert_true(ph_scenario_bed_parse(bed, "day: { swing: 0.5 }\nhouses: { speed: 10000 }\n"));
    assert_true(fabs(bed->scenario->day.hours - 0.0024) < 1e-12);
    assert_true(ph_scenario_bed_parse(bed, "day: { swing: 0.5 }\nhouses: { speed: 0.01 }\n"));
    assert_true(bed->scenario->day.hours == 2400.0);
}

static void assert_acts(
    struct ph_scenario_bed *bed, const char *name, size_t count, enum ph_act_kind kind)
{
    char path[128];
    (void)snprintf(path, sizeof path, SCENARIOS "/%s.yaml", name);
    bool loaded = ph_scenario_bed_load(bed, "--scenario", path, NULL);
    assert_string_equal(bed->error.message, "");
    assert_true(loaded);
    assert_in_range(bed->scenario->duration_s, 60, 600);
    assert_int_equal(bed->scenario->act_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(bed->scenario->acts[i].kind, kind);
        assert_string_equal(ph_act_name(bed->scenario->acts[i].kind), name);
    }
}

/* [SCN-14] each shipped scenario loads, and does what its name says */
static void test_shipped(void **state)
{
    struct ph_scenario_bed *bed = *state;
    assert_acts(bed, "steady", 0, 0);
    assert_true(bed->scenario->day.hours == 0.0);
    assert_acts(bed, "diurnal", 0, 0);
    assert_true(bed->scenario->day.hours * 3600.0 <= (double)bed->scenario->duration_s);
    assert_true(bed->scenario->day.swing > 0.5);
    assert_acts(bed, "storm", 2, PH_ACT_STORM);
    assert_int_equal(
        ph_act_victims(bed->scenario, &bed->scenario->acts[1]), bed->scenario->devices);
    assert_acts(bed, "outage", 1, PH_ACT_OUTAGE);
    assert_acts(bed, "mad", 4, PH_ACT_MAD);
    assert_acts(bed, "thief", 2, PH_ACT_THIEF);
    assert_acts(bed, "expiry", 0, 0);
    /* Two thirds of a life that began five minutes before the certificate was issued. */
    int64_t due_s = (bed->scenario->certificates.minutes * 60 + 300) * 2 / 3 - 300;
    assert_in_range(due_s, 60, bed->scenario->duration_s - 60);
}

/* [SCN-14] and there is none that the test above leaves out */
static void test_shipped_all(void **state)
{
    (void)state;
    DIR *folder = opendir(SCENARIOS);
    assert_non_null(folder);
    int files = 0;
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        files += strstr(entry->d_name, ".yaml") != NULL ? 1 : 0;
    }
    assert_int_equal(closedir(folder), 0);
    assert_int_equal(files, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_day_follows_houses),
        cmocka_unit_test(test_shipped),
        cmocka_unit_test(test_shipped_all),
    };
    return cmocka_run_group_tests(tests, ph_scenario_bed_make, ph_scenario_bed_remove);
}
