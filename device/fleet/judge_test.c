/* ph.fleet.judge: what makes a run good, and what is said when it is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "device/fleet/report.h"

static struct ph_scenario scenario = {.devices = 2000};
static struct ph_fleet_report report;

/* All captured readings are acknowledged, and everybody was connected. */
static int a_good_run(void **state)
{
    (void)state;
    memset(&report, 0, sizeof report);
    report.scenario = &scenario;
    report.connected_all_ms = 2500;
    report.connected_most = 2000;
    report.total.counts[PH_FLEET_CONNECTS] = 2000;
    report.total.counts[PH_FLEET_CAPTURED] = 5000;
    report.total.counts[PH_FLEET_ACKNOWLEDGED] = 5000;
    return 0;
}

static void assert_lacks(const char *want)
{
    ph_fleet_report_judge(&report);
    assert_string_equal(report.lacks, want);
    assert_int_equal(report.verdict, PH_FLEET_LACKING);
}

static void assert_good(void)
{
    ph_fleet_report_judge(&report);
    assert_string_equal(report.lacks, "");
    assert_int_equal(report.verdict, PH_FLEET_GOOD);
}

/* [STAT-13] Good, and nothing of an earlier judgement remains. */
static void good(void **state)
{
    (void)state;
    strcpy(report.lacks, "something");
    report.verdict = PH_FLEET_LACKING;
    assert_good();
}

/* [STAT-14] Losses that were made good, refusals, mad devices and a thief that was stopped are no
 * fault. */
static void no_fault(void **state)
{
    (void)state;
    static const enum ph_fleet_count harmless[] = {PH_FLEET_LOSSES, PH_FLEET_REFUSALS,
        PH_FLEET_UNPUBLISHED, PH_FLEET_RENEWALS, PH_FLEET_MAD_TRIED, PH_FLEET_MAD_PASSED,
        PH_FLEET_MAD_REFUSED, PH_FLEET_THEFT_TRIED, PH_FLEET_THEFT_REFUSED, PH_FLEET_THEFT_OWN};
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++) {
        report.total.counts[harmless[i]] = 7;
    }
    report.connected_all_ms = 0;
    assert_good();
}

/* [STAT-13] Each thing that lacks makes the run lacking by itself, and is named with its number. */
static void each_alone(void **state)
{
    static const struct {
        enum ph_fleet_count count;
        int64_t add;
        int64_t captured; /* more than the good run, so that nothing else is wrong */
        const char *lacks;
    } cases[] = {
        {PH_FLEET_THEFT_FOREIGN, 1, 0, "a thief was let through to what is not its own, 1 time"},
        {PH_FLEET_THEFT_FOREIGN, 1234, 0,
            "a thief was let through to what is not its own, 1,234 times"},
        {PH_FLEET_LOST, 1, 1, "1 reading lost, taken by no spool"},
        {PH_FLEET_DROPPED, 1500, 1500, "1,500 readings dropped from full spools"},
        {PH_FLEET_CAPTURED, 2, 0, "2 readings unaccounted for"},
        {PH_FLEET_ACKNOWLEDGED, 3, 0, "3 readings more accounted for than captured"},
        {PH_FLEET_FAILED, 12, 0, "12 of 2,000 devices failed for good"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        (void)a_good_run(state);
        report.total.counts[cases[i].count] += cases[i].add;
        report.total.counts[PH_FLEET_CAPTURED] += cases[i].captured;
        assert_lacks(cases[i].lacks);
    }
    (void)a_good_run(state);
    report.total.gauges[PH_FLEET_PENDING] = 1;
    report.total.counts[PH_FLEET_ACKNOWLEDGED]--;
    assert_lacks("1 reading not acknowledged");
    (void)a_good_run(state);
    report.connected_all_ms = -1;
    report.total.counts[PH_FLEET_REACHED] = 1999;
    assert_lacks("1 of 2,000 devices never connected");
}

/* [STAT-15] All in one sentence: what is worst comes first. */
static void all_by_weight(void **state)
{
    (void)state;
    report.total.counts[PH_FLEET_THEFT_FOREIGN] = 2;
    report.total.counts[PH_FLEET_LOST] = 3;
    report.total.counts[PH_FLEET_DROPPED] = 4;
    report.total.counts[PH_FLEET_CAPTURED] = 5000 + 3 + 4 + 5 + 6;
    report.total.gauges[PH_FLEET_PENDING] = 6;
    report.total.counts[PH_FLEET_FAILED] = 7;
    report.connected_all_ms = -1;
    report.total.counts[PH_FLEET_REACHED] = 8;
    assert_lacks("a thief was let through to what is not its own, 2 times; "
                 "3 readings lost, taken by no spool; "
                 "4 readings dropped from full spools; "
                 "5 readings unaccounted for; "
                 "6 readings not acknowledged; "
                 "7 of 2,000 devices failed for good; "
                 "1,992 of 2,000 devices never connected");
}

/* [STAT-15] The largest numbers there can be leave nothing out. */
static void largest_numbers(void **state)
{
    (void)state;
    static struct ph_scenario huge = {.devices = INT64_MAX};
    report.scenario = &huge;
    report.total.counts[PH_FLEET_THEFT_FOREIGN] = INT64_MAX;
    report.total.counts[PH_FLEET_LOST] = INT64_MAX / 4;
    report.total.counts[PH_FLEET_DROPPED] = INT64_MAX / 4;
    report.total.counts[PH_FLEET_CAPTURED] = INT64_MAX;
    report.total.gauges[PH_FLEET_PENDING] = INT64_MAX / 4;
    report.total.counts[PH_FLEET_FAILED] = INT64_MAX;
    report.connected_all_ms = -1;
    ph_fleet_report_judge(&report);
    int parts = 1;
    for (const char *p = report.lacks; *p != '\0'; p++) {
        parts += *p == ';';
    }
    assert_int_equal(parts, 7);
    const char *last = strrchr(report.lacks, ';');
    assert_non_null(last);
    assert_string_equal(last, "; 9,223,372,036,854,775,807 of 9,223,372,036,854,775,807 devices "
                              "never connected");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(good, a_good_run),
        cmocka_unit_test_setup(no_fault, a_good_run),
        cmocka_unit_test_setup(each_alone, a_good_run),
        cmocka_unit_test_setup(all_by_weight, a_good_run),
        cmocka_unit_test_setup(largest_numbers, a_good_run),
    };
    return cmocka_run_group_tests_name("ph.fleet.judge", tests, NULL, NULL);
}
