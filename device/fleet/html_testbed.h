/* For the tests of the HTML report: a run that never was, and what is wrong with a page. */
#ifndef PH_FLEET_HTML_TESTBED_H
#define PH_FLEET_HTML_TESTBED_H

#include <stdint.h>

#include "device/fleet/report.h"

struct testbed {
    struct ph_scenario scenario;
    struct ph_act acts[4];
    struct ph_fleet_report report;
    char folder[64];
    char path[96];
};

/* A run of `seconds` with a storm, an outage, mad devices and a thief; two workers and a watched
 * broker. The same numbers each time. */
void testbed_init(struct testbed *bed, int64_t devices, int64_t seconds);
void testbed_fini(struct testbed *bed);

/* A reason, as a worker would count it. */
void testbed_reason(struct testbed *bed, const char *text, int64_t count);

/* The page of the report; to be freed. */
char *testbed_page(struct testbed *bed);

/* What is not as it should be in the markup: an element that is not closed in order, a loose "<" or
 * "&", a byte below the space; NULL when nothing is. */
const char *markup_fault(const char *page);

#endif
