/* [SCN-3], [SCN-6] to [SCN-9]: what is refused, and in which words */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "device/fleet/scenario_testbed.h"

struct bad {
    const char *text;
    const char *message; /* behind the file's name */
};

static void assert_all_bad(struct ph_scenario_bed *bed, const struct bad *bads, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_false(ph_scenario_bed_parse(bed, bads[i].text));
        assert_int_equal(bed->error.code, PH_ERR_CONFIG);
        size_t len = strlen(bed->file);
        assert_memory_equal(bed->error.message, bed->file, len);
        assert_string_equal(bed->error.message + len, bads[i].message);
    }
}
#define ASSERT_ALL_BAD(bads) assert_all_bad(*state, bads, sizeof(bads) / sizeof(bads)[0])

/* [SCN-3] keys and types, with the line */
static void test_bad_form(void **state)
{
    static const struct bad bads[] = {
        {"devices: 10\nspeed: 2\n",
            ":2: unknown key \"speed\"; known here: devices, seed, interval_ms, duration_s, "
            "connects_per_s, tenant, kind, prefix, day, houses, certificates, acts"},
        {"houses: { cold: 1 }\n",
            ":1: houses: unknown key \"cold\"; known here: outdoor_c, start, speed"},
        {"day:\n  hours: noon\n", ":2: day.hours: want a finite number, have \"noon\""},
        {"acts:\n  - { at_s: 1, do: dance }\n",
            ":2: acts[0].do: want one of storm, outage, mad, thief, have \"dance\""},
        {"acts:\n  - { do: storm, share: 1 }\n", ":2: acts[0]: missing key \"at_s\""},
        {"acts:\n  - { at_s: 1, share: 1 }\n", ":2: acts[0]: missing key \"do\""},
        {"acts:\n  - { at_s: 1, for_s: 1, do: mad, devices: 1, how: [loud] }\n",
            ":2: acts[0].how[0]: want one of flood, garbage, foreign, have \"loud\""},
        {"acts:\n  - { at_s: 1, for_s: 1, do: mad, devices: 1, how: [] }\n",
            ":2: acts[0].how: want at least 1 entries, have 0"},
        {"devices: 1e3\n",
            ":1: devices: want a whole number from -9223372036854775808 to 9223372036854775807, "
            "have \"1e3\""},
    };
    ASSERT_ALL_BAD(bads);
}

/* [SCN-3] every bound of the fleet's own keys */
static void test_bad_values(void **state)
{
    static const struct bad bads[] = {
        {"devices: 100001\n", ": devices: want 1 to 100000, have 100001"},
        {"devices: -1\n", ": devices: want 1 to 100000, have -1"},
        {"seed: -7\n", ": seed: want 1 to 9223372036854775807, have -7"},
        {"interval_ms: 86400001\n", ": interval_ms: want 1 to 86400000, have 86400001"},
        {"duration_s: -1\n", ": duration_s: want 0 to 31536000, have -1"},
        {"connects_per_s: 100001\n", ": connects_per_s: want 1 to 100000, have 100001"},
        {"tenant: a/b\n",
            ": tenant: want letters, digits, '.', '_' and '-' behind a letter or digit, have "
            "\"a/b\""},
        {"kind: +\n",
            ": kind: want letters, digits, '.', '_' and '-' behind a letter or digit, have \"+\""},
        {"prefix: -t\n",
            ": prefix: want letters, digits, '.', '_' and '-' behind a letter or digit, have "
            "\"-t\""},
        {"prefix: a234567890b234567890c234567890d234567890e23456789\n",
            ": prefix: want at most 48 bytes, so that the number fits behind it, have 49"},
        {"day: { hours: 0.0001, swing: 0.5 }\n", ": day.hours: want 0.001 to 2400, have 0.0001"},
        {"day: { hours: -24, swing: 0.5 }\n", ": day.hours: want 0.001 to 2400, have -24"},
        {"day: { hours: 24, swing: 1.1 }\n", ": day.swing: want 0 to 1, have 1.1"},
        {"day: { hours: 24 }\n", ": day.swing: want above 0 and at most 1 beside hours, have 0"},
        {"interval_ms: 99\nday: { swing: 0.5 }\n",
            ": interval_ms: want at least 100 with a day, have 99"},
        {"houses: { outdoor_c: -31 }\n", ": houses.outdoor_c: want -30 to 40, have -31"},
        {"houses: { outdoor_c: 40.5 }\n", ": houses.outdoor_c: want -30 to 40, have 40.5"},
        {"houses: { speed: 10001 }\n", ": houses.speed: want 0.01 to 10000, have 10001"},
        {"houses: { start: noon }\n",
            ": houses.start: time \"noon\": want 2026-11-22T19:02:16Z, 2026-11-22, or milliseconds "
            "since 1970"},
        {"houses: { start: 1999-12-31 }\n",
            ": houses.start: want a time in the years 2000 to 2099, have 1999-12-31"},
        {"houses: { start: 2100-01-01 }\n",
            ": houses.start: want a time in the years 2000 to 2099, have 2100-01-01"},
        {"certificates: { days: 36526 }\n", ": certificates.days: want 0 to 36525, have 36526"},
        {"certificates: { minutes: -1 }\n", ": certificates.minutes: want 0 to 525600, have -1"},
        {"certificates: { days: 1, minutes: 1 }\n",
            ": certificates: want days or minutes, have both"},
    };
    ASSERT_ALL_BAD(bads);
}

/* [SCN-6] whom, [SCN-7] how long, [SCN-8] how, [SCN-9] and when: of each act */
static void test_bad_acts(void **state)
{
    struct ph_scenario_bed *bed = *state;
    static const struct bad bads[] = {
        {"acts: [{ at_s: -1, do: storm, share: 1 }]\n",
            ": acts[0].at_s: want 0 to 31536000, have -1"},
        {"acts: [{ at_s: 1, do: storm }]\n", ": acts[0]: want share or devices, have neither"},
        {"acts: [{ at_s: 1, do: storm, share: 0.5, devices: 5 }]\n",
            ": acts[0]: want share or devices, have both"},
        {"acts: [{ at_s: 1, do: storm, share: 1.01 }]\n",
            ": acts[0].share: want above 0 and at most 1, have 1.01"},
        {"acts: [{ at_s: 1, do: storm, share: -0.1 }]\n",
            ": acts[0].share: want above 0 and at most 1, have -0.1"},
        {"devices: 4\nacts: [{ at_s: 1, do: storm, devices: 5 }]\n",
            ": acts[0].devices: want 0 to 4, have 5"},
        {"acts: [{ at_s: 1, do: thief, share: 0.1 }]\n",
            ": acts[0].share: a thief takes devices by number; say devices instead"},
        {"acts: [{ at_s: 1, do: outage, share: 1 }]\n",
            ": acts[0].for_s: want 1 to 31536000, have 0"},
        {"acts: [{ at_s: 1, do: mad, devices: 1 }]\n",
            ": acts[0].for_s: want 1 to 31536000, have 0"},
        {"acts: [{ at_s: 9, do: thief }, { at_s: 1, for_s: 9, do: storm, share: 1 }]\n",
            ": acts[1].for_s: a storm has no length; delete it"},
        {"acts: [{ at_s: 1, for_s: 9, do: thief }]\n",
            ": acts[0].for_s: a thief has no length; delete it"},
        {"acts: [{ at_s: 1, for_s: 9, do: outage, share: 1, how: [flood] }]\n",
            ": acts[0].how: only mad devices have it, and this is \"outage\"; delete it"},
        {"acts: [{ at_s: 1, do: thief, messages_per_s: 1 }]\n",
            ": acts[0].messages_per_s: only mad devices have it, and this is \"thief\"; delete it"},
        {"acts: [{ at_s: 1, for_s: 9, do: mad, devices: 1, messages_per_s: 1000001 }]\n",
            ": acts[0].messages_per_s: want 0 to 1000000, have 1000001"},
        {"duration_s: 60\nacts: [{ at_s: 60, do: storm, share: 1 }]\n",
            ": acts[0]: the storm comes at 60 s, the run ends at 60 s; lengthen the run"},
        {"duration_s: 60\nacts: [{ at_s: 30, for_s: 40, do: outage, share: 1 }]\n",
            ": acts[0]: the outage ends at 70 s, the run ends at 60 s; lengthen the run"},
    };
    ASSERT_ALL_BAD(bads);
    /* An option can make an act impossible, too. */
    assert_true(ph_scenario_bed_parse(
        bed, "duration_s: 60\nacts: [{ at_s: 50, do: storm, devices: 90 }]\n"));
    assert_false(ph_scenario_bed_load(bed, "--scenario", bed->file, "--duration", "20", NULL));
    assert_non_null(
        strstr(bed->error.message, "acts[0]: the storm comes at 50 s, the run ends at 20"));
    assert_false(ph_scenario_bed_load(bed, "--scenario", bed->file, "--devices", "89", NULL));
    assert_non_null(strstr(bed->error.message, "acts[0].devices: want 0 to 89, have 90"));
}

/* [SCN-3] options have the same bounds, and a missing file is named */
static void test_bad_options(void **state)
{
    struct ph_scenario_bed *bed = *state;
    static const struct {
        const char *option;
        const char *value;
        const char *message;
    } bads[] = {
        {"--devices", "0", "--devices: want a whole number from 1 to 100000, have \"0\""},
        {"--duration", "-1", "--duration: want a whole number from 0 to 31536000, have \"-1\""},
        {"--interval-ms", "0", "--interval-ms: want a whole number from 1 to 86400000, have \"0\""},
        {"--ramp", "many", "--ramp: want a whole number from 1 to 100000, have \"many\""},
        {"--seed", "0", "--seed: want a whole number from 1 to 9223372036854775807, have \"0\""},
    };
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        assert_false(ph_scenario_bed_load(bed, bads[i].option, bads[i].value, NULL));
        assert_int_equal(bed->error.code, PH_ERR_USAGE);
        assert_string_equal(bed->error.message, bads[i].message);
    }
    assert_false(ph_scenario_bed_load(bed, "--scenario", "/nonexistent/s.yaml", NULL));
    assert_int_equal(bed->error.code, PH_ERR_NOT_FOUND);
    assert_string_equal(bed->error.message, "/nonexistent/s.yaml: open: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_form),
        cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_bad_acts),
        cmocka_unit_test(test_bad_options),
    };
    return cmocka_run_group_tests(tests, ph_scenario_bed_make, ph_scenario_bed_remove);
}
