/* [CFG-10] */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/kinds_file.h"

static const char good[] = "kinds:\n"
                           "  - name: thermostat\n"
                           "    fields:\n"
                           "      - {name: temperature_c, type: number, unit: Cel, min: -40, "
                           "max: 85, required: true}\n"
                           "      - {name: hvac, type: enum, values: ['off', idle, heating]}\n"
                           "  - name: meter\n"
                           "    plain: true\n"
                           "    unknown_fields: store\n"
                           "    fields:\n"
                           "      - {name: count, type: integer, description: a counter}\n";

static enum ph_err load(const char *text, struct ph_kinds **out, struct ph_error *error)
{
    char path[] = "/tmp/ph-kinds-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
    enum ph_err err = ph_kinds_load(path, out, error);
    assert_int_equal(remove(path), 0);
    return err;
}

static char *print(const struct ph_kinds *kinds)
{
    char *text = NULL;
    size_t len = 0;
    struct ph_error error = {0};
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    assert_int_equal(ph_kinds_print(out, kinds, &error), PH_OK);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* [CFG-10] [KND-8] */
static void loads_and_prints(void **state)
{
    (void)state;
    struct ph_kinds *kinds = NULL;
    struct ph_kinds *again = NULL;
    struct ph_error error = {0};
    assert_int_equal(load(good, &kinds, &error), PH_OK);
    const struct ph_kind *thermostat = ph_kinds_find(kinds, "thermostat");
    assert_non_null(thermostat);
    assert_false(thermostat->plain);
    assert_int_equal(thermostat->field_count, 2);
    assert_true(*thermostat->fields[0].max > 84.9);
    assert_true(thermostat->fields[0].required);
    assert_string_equal(thermostat->fields[1].values[2], "heating");
    assert_true(ph_kinds_find(kinds, "meter")->plain);
    assert_int_equal(thermostat->unknown, PH_UNKNOWN_REFUSE);
    assert_int_equal(ph_kinds_find(kinds, "meter")->unknown, PH_UNKNOWN_STORE);
    assert_null(ph_kinds_find(kinds, "nosuch"));
    char *first = print(kinds);
    assert_int_equal(load(first, &again, &error), PH_OK);
    char *second = print(again);
    assert_non_null(strstr(first, "unknown_fields: store"));
    assert_int_equal(ph_kinds_find(again, "meter")->unknown, PH_UNKNOWN_STORE);
    assert_string_equal(first, second);
    free(first);
    free(second);
    ph_kinds_free(&kinds);
    ph_kinds_free(&again);
    ph_kinds_free(&again);
}

static const struct {
    const char *text;
    const char *message;
} refusals[] = {
    {"kinds: []\n", ":1: kinds: want at least 1 entries, have 0"},
    {"kinds:\n  - name: a\n    fields: []\n", "kinds[0].fields: want at least 1 entries"},
    {"kinds:\n  - name: a\n    fields: [{name: x, type: float}]\n",
        "kinds[0].fields[0].type: want one of number, integer, boolean, text, enum, have "
        "\"float\""},
    {"kinds:\n  - name: a\n    unknown_fields: keep\n    fields: [{name: x, type: number}]\n",
        "kinds[0].unknown_fields: want one of refuse, store, drop, have \"keep\""},
    {"kinds:\n  - name: a\n    fields: [{name: up, type: number}]\n",
        "kind \"a\": field \"up\": name: reserved; choose another"},
    {"kinds:\n  - name: a\n    fields: [{name: x, type: number}]\n"
     "  - name: a\n    fields: [{name: x, type: number}]\n",
        "kind \"a\" is declared twice; keep one"},
    {"kinds:\n  - name: A\n    fields: [{name: x, type: number}]\n", "/tmp/ph-kinds-"},
};

static void refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct ph_kinds *kinds = NULL;
        struct ph_error error = {0};
        enum ph_err err = load(refusals[i].text, &kinds, &error);
        if (err != PH_ERR_CONFIG || strstr(error.message, refusals[i].message) == NULL) {
            fail_msg("input %zu: want \"%s\"\nhave %s \"%s\"", i, refusals[i].message,
                ph_err_name(err), error.message);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_and_prints),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
