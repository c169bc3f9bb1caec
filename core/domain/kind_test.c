/* ph.domain.kind: declarations, and readings against them. */
#include "domain/kind.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"

static double minimum;
static double maximum;
static char *hvac[] = {NULL, NULL, NULL};
static struct ph_field_rule rules[PH_LIMIT_READING_FIELDS + 1];
static struct ph_kind kind;

static char *text(const char *literal)
{
    union {
        const char *in;
        char *out;
    } cast = {literal};
    return cast.out;
}

static int set_up(void **state)
{
    (void)state;
    minimum = -40;
    maximum = 85;
    hvac[0] = text("off");
    hvac[1] = text("idle");
    hvac[2] = text("heating");
    memset(rules, 0, sizeof rules);
    rules[0] = (struct ph_field_rule){.name = text("temperature_c"),
        .type = PH_FIELD_NUMBER,
        .unit = text("Cel"),
        .min = &minimum,
        .max = &maximum,
        .required = true};
    rules[1] = (struct ph_field_rule){
        .name = text("hvac"), .type = PH_FIELD_ENUM, .values = hvac, .value_count = 3};
    rules[2] = (struct ph_field_rule){.name = text("starts"), .type = PH_FIELD_INTEGER};
    rules[3] = (struct ph_field_rule){.name = text("open"), .type = PH_FIELD_BOOLEAN};
    rules[4] = (struct ph_field_rule){.name = text("note"), .type = PH_FIELD_TEXT};
    kind = (struct ph_kind){.name = text("thermostat"), .fields = rules, .field_count = 5};
    return 0;
}

static void assert_refused(const char *message)
{
    struct ph_error error = {0};
    assert_int_equal(ph_kind_validate(&kind, &error), PH_ERR_CONFIG);
    if (strstr(error.message, message) == NULL) {
        fail_msg("want \"%s\", have \"%s\"", message, error.message);
    }
    (void)set_up(NULL);
}

static void declarations(void **state)
{
    (void)state;
    assert_int_equal(ph_kind_validate(&kind, NULL), PH_OK);
    kind.name = NULL;
    assert_refused("kind: name: want [a-z]");
    kind.name = text("Thermostat");
    assert_refused("have \"Thermostat\"");
    kind.field_count = 0;
    assert_refused("kind \"thermostat\": fields: want 1 to 32, have 0");
    kind.field_count = PH_LIMIT_READING_FIELDS + 1;
    assert_refused("fields: want 1 to 32, have 33");
    rules[3].name = NULL;
    assert_refused("kind \"thermostat\": field 4: name: want [a-z]");
    rules[3].name = text("a-b");
    assert_refused("field 4: name: want [a-z][a-z0-9_]{0,62}, have \"a-b\"");
    rules[3].name = text("hvac");
    assert_refused("field \"hvac\": name: used by two fields");
    rules[3].name = text("seq");
    assert_refused("field \"seq\": name: reserved");
    rules[3].name = text("stored");
    assert_refused("field \"stored\": name: reserved");
    rules[3].name = text("age");
    assert_refused("field \"age\": name: reserved");
    rules[0].unit = text("");
    assert_refused("field \"temperature_c\": unit: want a text");
    rules[0].description = text("\xFF");
    assert_refused("field \"temperature_c\": description: want a text");
}

static void bounds_and_values(void **state)
{
    (void)state;
    rules[4].min = &minimum;
    assert_refused("field \"note\": min and max: only for number and integer");
    minimum = 86;
    assert_refused("field \"temperature_c\": min is greater than max");
    maximum = (double)INFINITY;
    assert_refused("min and max: want finite numbers");
    minimum = (double)NAN;
    assert_refused("min and max: want finite numbers");
    rules[4].values = hvac;
    rules[4].value_count = 3;
    assert_refused("field \"note\": values: only for enum");
    rules[1].value_count = 0;
    assert_refused("field \"hvac\": values: want 1 to 64 texts");
    hvac[1] = text("");
    assert_refused("values: want texts of 1 to 256 bytes");
    hvac[1] = NULL;
    assert_refused("values: want texts of 1 to 256 bytes");
    hvac[2] = text("off");
    assert_refused("values: one text is there twice");
}

struct checked {
    struct ph_field fields[3];
    size_t count;
    const char *message; /* NULL: accepted */
};

#define NUMBER(n)                                                                                  \
    {                                                                                              \
        .type = PH_VALUE_NUMBER, .number = (n)                                                     \
    }
#define TEXT(t)                                                                                    \
    {                                                                                              \
        .type = PH_VALUE_TEXT, .text = (t)                                                         \
    }
#define BOOLEAN                                                                                    \
    {                                                                                              \
        .type = PH_VALUE_BOOL, .boolean = true                                                     \
    }

static void readings(void **state)
{
    (void)state;
    const struct checked cases[] = {
        {{{"temperature_c", NUMBER(21.5)}, {"hvac", TEXT("idle")}}, 2, NULL},
        {{{"hvac", TEXT("off")}, {"temperature_c", NUMBER(-40)}, {"note", TEXT("x")}}, 3, NULL},
        {{{"temperature_c", NUMBER(85)}, {"starts", NUMBER(-7)}, {"open", BOOLEAN}}, 3, NULL},
        {{{"hvac", TEXT("off")}}, 1, "field \"temperature_c\": required, but missing"},
        {{{"temperature_c", NUMBER(0)}}, 0, "field \"temperature_c\": required, but missing"},
        {{{"temperature_c", NUMBER(85.5)}}, 1,
            "field \"temperature_c\": want at most 85, have 85.5"},
        {{{"temperature_c", NUMBER(-41)}}, 1, "want at least -40, have -41"},
        {{{"temperature_c", TEXT("21")}}, 1, "field \"temperature_c\": want a number"},
        {{{"temperature_c", BOOLEAN}}, 1, "want a number"},
        {{{"temperature_c", NUMBER((double)NAN)}}, 1, "want a number"},
        {{{"temperature_c", NUMBER(1)}, {"bogus", NUMBER(1)}}, 2,
            "field \"bogus\": is not declared"},
        {{{"temperature_c", NUMBER(1)}, {"hvac", TEXT("of\nf")}}, 2,
            "field \"hvac\": \"of\\x0af\" is not one of its values"},
        {{{"hvac", NUMBER(1)}}, 1, "field \"hvac\": want an enum"},
        {{{"starts", NUMBER(1.5)}}, 1, "field \"starts\": want a whole number"},
        {{{"starts", NUMBER(9007199254740992.0)}}, 1, "want a whole number within 2^53"},
        {{{"starts", TEXT("1")}}, 1, "field \"starts\": want an integer"},
        {{{"open", NUMBER(1)}}, 1, "field \"open\": want a boolean"},
        {{{"note", BOOLEAN}}, 1, "field \"note\": want a text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct ph_reading reading = {
            .fields = cases[i].fields, .field_count = cases[i].count};
        struct ph_error error = {0};
        enum ph_err err = ph_kind_check_reading(&kind, &reading, &error);
        assert_int_equal(err, cases[i].message == NULL ? PH_OK : PH_ERR_INPUT);
        if (cases[i].message != NULL && strstr(error.message, cases[i].message) == NULL) {
            fail_msg("want \"%s\", have \"%s\"", cases[i].message, error.message);
        }
    }
}

static void names_of_types(void **state)
{
    (void)state;
    assert_string_equal(ph_field_type_name(PH_FIELD_NUMBER), "number");
    assert_string_equal(ph_field_type_name(PH_FIELD_ENUM), "enum");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(declarations, set_up),
        cmocka_unit_test_setup(bounds_and_values, set_up),
        cmocka_unit_test_setup(readings, set_up),
        cmocka_unit_test(names_of_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
