/* ph.fleet.json_writer: what it writes is JSON, and where it goes. */
#include "device/fleet/json_writer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"

static struct ph_json_writer json;

static int begin(void **state)
{
    (void)state;
    ph_json_writer_init(&json, 4096);
    return 0;
}

static int end(void **state)
{
    (void)state;
    ph_json_writer_fini(&json);
    return 0;
}

/* [STAT-16] Commas stand between members and elements and nowhere else; rows begin a line. */
static void commas_and_lines(void **state)
{
    (void)state;
    ph_json_put_open(&json, "{");
    ph_json_put_line(&json);
    ph_json_add_integer(&json, "a", -7);
    ph_json_add_number(&json, "b", 0.25);
    ph_json_put_line(&json);
    ph_json_put_name(&json, "list");
    ph_json_put_open(&json, "[");
    ph_json_put_open(&json, "[");
    ph_json_put_close(&json, "]");
    ph_json_put_line(&json);
    ph_json_put_open(&json, "{");
    ph_json_add_text(&json, "ends with [", "and this with {");
    ph_json_add_text(&json, "none", NULL);
    ph_json_put_close(&json, "}");
    ph_json_put_integer(&json, 1);
    ph_json_put_null(&json);
    ph_json_put_text(&json, "x");
    ph_json_put_close(&json, "]");
    ph_json_put_close(&json, "}");
    assert_int_equal(json.err, PH_OK);
    assert_string_equal(json.buf.data, "{\n\"a\": -7, \"b\": 0.25,\n\"list\": [[],\n"
                                       "{\"ends with [\": \"and this with {\", \"none\": null},1,"
                                       "null,\"x\"]}");
}

/* [STAT-16] No text breaks out of its string, or does anything to a terminal. */
static void hostile_text(void **state)
{
    (void)state;
    ph_json_put_text(&json, "\"\\\n\x1b[2J\xFF\xC2\x9B");
    assert_string_equal(json.buf.data, "\"\\\"\\\\\\\\x0a\\\\x1b[2J\\\\xff\\\\xc2\\\\x9b\"");
}

/* [STAT-17] Times are told as quantiles, and as the steps they come from. */
static void times(void **state)
{
    (void)state;
    static struct ph_histogram times_us;
    memset(&times_us, 0, sizeof times_us);
    ph_histogram_record(&times_us, 10, 900);
    ph_histogram_record(&times_us, 200, 95);
    ph_histogram_record(&times_us, 1000, 5);
    ph_json_put_open(&json, "{");
    ph_json_add_times(&json, "ack", &times_us);
    ph_json_put_close(&json, "}");
    assert_string_equal(json.buf.data,
        "{\"ack\": {\"count\": 1000, \"mean_us\": 33.0075, \"p50_us\": 10, \"p90_us\": 10, "
        "\"p99_us\": 200, \"p99_9_us\": 1003, \"max_us\": 1003, "
        "\"steps\": [[10,900],[200,95],[1003,5]]}}");
}

/* [STAT-18] A document that does not fit, or that holds what JSON cannot say, is not written. */
static void errors_stay(void **state)
{
    (void)state;
    struct ph_error error = {0};
    ph_json_put_open(&json, "[");
    for (int i = 0; i < 5000; i++) {
        ph_json_put_integer(&json, i);
    }
    assert_int_equal(ph_json_writer_store(&json, "/nowhere", &error), PH_ERR_LIMIT);
    assert_string_equal(error.message, "/nowhere: the JSON report could not be made: limit");
    ph_json_writer_fini(&json);
    ph_json_writer_init(&json, 4096);
    ph_error_clear(&error);
    ph_json_put_number(&json, (double)NAN);
    ph_json_put_integer(&json, 1);
    assert_int_equal(ph_json_writer_store(&json, "-", &error), PH_ERR_INTERNAL);
    assert_string_equal(error.message, "-: the JSON report could not be made: internal");
}

/* [STAT-18] The file is whole, or what it was; standard output takes it for "-". */
static void where_it_goes(void **state)
{
    (void)state;
    char folder[] = "/tmp/ph-json-XXXXXX";
    char path[64];
    struct ph_error error = {0};
    struct ph_buf have;
    ph_buf_init(&have, 100);
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/report.json", folder);
    ph_json_put_integer(&json, 42);
    assert_int_equal(ph_json_writer_store(&json, path, &error), PH_OK);
    assert_int_equal(ph_file_load(path, &have, &error), PH_OK);
    assert_string_equal(have.data, "42\n");
    ph_buf_fini(&have);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(ph_json_writer_store(&json, path, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "report.json"));
}

/* [STAT-18] Standard output that is full is an error. */
static void standard_output_is_full(void **state)
{
    (void)state;
    struct ph_error error = {0};
    ph_json_put_integer(&json, 42);
    assert_int_equal(fflush(stdout), 0);
    int kept = dup(STDOUT_FILENO);
    assert_true(kept >= 0);
    FILE *full = fopen("/dev/full", "we");
    assert_non_null(full);
    assert_int_equal(dup2(fileno(full), STDOUT_FILENO), STDOUT_FILENO);
    enum ph_err err = ph_json_writer_store(&json, "-", &error);
    assert_int_equal(dup2(kept, STDOUT_FILENO), STDOUT_FILENO);
    clearerr(stdout);
    assert_int_equal(close(kept), 0);
    assert_int_equal(fclose(full), 0);
    assert_int_equal(err, PH_ERR_IO);
    assert_string_equal(error.message, "standard output: write: No space left on device");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(commas_and_lines, begin, end),
        cmocka_unit_test_setup_teardown(hostile_text, begin, end),
        cmocka_unit_test_setup_teardown(times, begin, end),
        cmocka_unit_test_setup_teardown(errors_stay, begin, end),
        cmocka_unit_test_setup_teardown(where_it_goes, begin, end),
        cmocka_unit_test_setup_teardown(standard_output_is_full, begin, end),
    };
    return cmocka_run_group_tests_name("ph.fleet.json_writer", tests, NULL, NULL);
}
