/* For the tests of the JSON report: a run that never was, its report read back with the project's
 * own parser, and what a member of it holds. Every failure fails the test. */
#ifndef PH_FLEET_OUTPUT_TESTBED_H
#define PH_FLEET_OUTPUT_TESTBED_H

#include <stddef.h>
#include <stdint.h>

#include "device/fleet/report.h"
#include "format/json.h"

extern struct ph_fleet_report testbed_report;
extern char testbed_path[64]; /* where a report may be written */

/* cmocka fixtures. Of the group: the folder. Of a test: a report of two seconds in which everything
 * happened that can be counted. */
int testbed_make_folder(void **state);
int testbed_remove_folder(void **state);
int testbed_run(void **state);
int testbed_release(void **state);

/* Writes the report as JSON. */
enum ph_err testbed_write(const char *where, struct ph_error *error) PH_NODISCARD;

/* Writes it, and returns the outermost object of what was written; valid until the end of the test.
 */
const struct ph_json_value *testbed_read_back(void);

/* A member that is there, and is of that type. */
const struct ph_json_value *json_member(const struct ph_json_value *object, const char *name);
double json_number(const struct ph_json_value *object, const char *name);
int64_t json_integer(const struct ph_json_value *object, const char *name);
const char *json_text(const struct ph_json_value *object, const char *name);

/* An element that is there; a value that is of that type. */
const struct ph_json_value *json_at(const struct ph_json_value *array, size_t index);
int64_t json_integer_of(const struct ph_json_value *value);
const char *json_text_of(const struct ph_json_value *value);

/* The number of a sample's row in the column of that name. */
int64_t testbed_cell(const struct ph_json_value *samples, size_t row, const char *column);

#endif
