/* [LEDGER-1], [LEDGER-2] */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/ledger.h"

static char path[64];

static void expect_content(const char *want)
{
    char text[512] = "";
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_true(read(fd, text, sizeof text - 1) >= 0);
    (void)close(fd);
    assert_string_equal(text, want);
}

/* [LEDGER-1] one line before and one after, at the end of what is there */
static void test_lines(void **state)
{
    (void)state;
    struct ph_ledger ledger;
    const struct ph_spool_entry entry = {
        .json = "{\"t\":1790000000123,\"a\":1}", .time_ms = 1790000000123};
    const struct ph_spool_entry early = {.json = "{\"up\":77}", .time_ms = 77, .up = true};
    assert_int_equal(ph_ledger_open(&ledger, path, NULL), PH_OK);
    assert_int_equal(ph_ledger_intend(&ledger, &entry, NULL), PH_OK);
    ph_ledger_close(&ledger);
    assert_int_equal(ph_ledger_open(&ledger, path, NULL), PH_OK);
    assert_int_equal(
        ph_ledger_captured(&ledger, UINT64_C(0x00000000000000ab), 42, &entry, NULL), PH_OK);
    assert_int_equal(ph_ledger_intend(&ledger, &early, NULL), PH_OK);
    ph_ledger_close(&ledger);
    ph_ledger_close(&ledger);
    expect_content("intend 1790000000123 {\"t\":1790000000123,\"a\":1}\n"
                   "captured 00000000000000ab 42 1790000000123 {\"t\":1790000000123,\"a\":1}\n"
                   "intend 77 {\"up\":77}\n");
}

/* [LEDGER-2] what cannot be written down is an error; without a file nothing is */
static void test_errors(void **state)
{
    (void)state;
    struct ph_ledger ledger;
    struct ph_error error = {0};
    const struct ph_spool_entry entry = {.json = "{}", .time_ms = 1};
    assert_int_equal(ph_ledger_open(&ledger, "/nonexistent/l", &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "/nonexistent/l: open ledger"));
    ph_error_clear(&error);
    assert_int_equal(ph_ledger_open(&ledger, "/dev/full", NULL), PH_OK);
    assert_int_equal(ph_ledger_intend(&ledger, &entry, &error), PH_ERR_IO);
    assert_non_null(strstr(error.message, "/dev/full: write ledger: No space left"));
    ph_ledger_close(&ledger);
    assert_int_equal(ph_ledger_open(&ledger, NULL, NULL), PH_OK);
    assert_int_equal(ph_ledger_intend(&ledger, &entry, NULL), PH_OK);
    assert_int_equal(ph_ledger_captured(&ledger, 1, 1, &entry, NULL), PH_OK);
    ph_ledger_close(&ledger);
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof path, "/tmp/ph-ledger-XXXXXX");
    int fd = mkstemp(path);
    return fd >= 0 ? close(fd) : -1;
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
