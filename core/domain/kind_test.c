/* ph.domain.kind: declarations, and readings against them. */
#include "domain/kind.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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
    rules[0].unit = text("");
    assert_refused("field \"temperature_c\": unit: want a text");
    rules[0].description = text("\xFF");
    assert_refused("field \"temperature_c\": description: want a text");
}

/* [KND-9] */
static void reserved_names(void **state)
{
    (void)state;
    static const char *const names[] = {"t", "v", "readings", "up", "now", "oldest", "stream",
        "seq", "time", "received", "timing", "extra", "stored", "age", "fingerprint", "unvouched"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char message[80];
        (void)snprintf(message, sizeof message, "field \"%s\": name: reserved", names[i]);
        rules[3].name = text(names[i]);
        assert_refused(message);
    }
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

static void assert_unknown(enum ph_unknown_fields policy, const struct ph_reading *reading,
    enum ph_err want, const char *object)
{
    struct ph_error error = {0};
    struct ph_buf buf;
    ph_buf_init(&buf, PH_KIND_UNKNOWN_BYTES);
    kind.unknown = policy;
    assert_int_equal(ph_kind_check_reading(&kind, reading, &error), want);
    assert_int_equal(ph_kind_encode_unknown(&kind, reading, &buf), PH_OK);
    if (object == NULL) {
        assert_int_equal(buf.len, 0);
    } else {
        assert_string_equal(buf.data, object);
    }
    ph_buf_fini(&buf);
}

/* [KND-2] [KND-8] [KND-10] */
static void unknown_fields(void **state)
{
    (void)state;
    const struct ph_field fields[] = {{"zeta", TEXT("a\"\\\n\x01\xC3\xA9")}, {"hvac", TEXT("idle")},
        {"bogus", NUMBER(0.1)}, {"temperature_c", NUMBER(21.5)}, {"lit", BOOLEAN}};
    const struct ph_reading reading = {.fields = fields, .field_count = 5};
    assert_unknown(PH_UNKNOWN_REFUSE, &reading, PH_ERR_INPUT, NULL);
    assert_unknown(PH_UNKNOWN_DROP, &reading, PH_OK, NULL);
    assert_unknown(PH_UNKNOWN_STORE, &reading, PH_OK,
        "{\"zeta\":\"a\\\"\\\\\\n\\u0001\xC3\xA9\",\"bogus\":0.1,\"lit\":true}");
    const struct ph_reading known = {.fields = fields + 3, .field_count = 1};
    assert_unknown(PH_UNKNOWN_STORE, &known, PH_OK, NULL);
    const struct ph_reading incomplete = {.fields = fields, .field_count = 3};
    assert_unknown(PH_UNKNOWN_DROP, &incomplete, PH_ERR_INPUT, NULL);
    const struct ph_field wrong[] = {{"zeta", NUMBER(1)}, {"temperature_c", NUMBER(86)}};
    const struct ph_reading beyond = {.fields = wrong, .field_count = 2};
    assert_unknown(PH_UNKNOWN_DROP, &beyond, PH_ERR_INPUT, NULL);
}

/* [KND-8] The largest object there can be has its room, and one byte less is not enough. */
static void unknown_fields_are_bounded(void **state)
{
    (void)state;
    static char names[PH_LIMIT_READING_FIELDS][64];
    static char value[PH_LIMIT_TEXT_VALUE_BYTES + 1];
    struct ph_field fields[PH_LIMIT_READING_FIELDS];
    const struct ph_reading reading = {.fields = fields, .field_count = PH_LIMIT_READING_FIELDS};
    struct ph_buf buf;
    memset(value, 1, sizeof value - 1);
    for (int i = 0; i < PH_LIMIT_READING_FIELDS; i++) {
        (void)snprintf(names[i], sizeof names[i], "x%062d", i);
        fields[i] = (struct ph_field){names[i], TEXT(value)};
    }
    kind.unknown = PH_UNKNOWN_STORE;
    ph_buf_init(&buf, PH_KIND_UNKNOWN_BYTES);
    assert_int_equal(ph_kind_encode_unknown(&kind, &reading, &buf), PH_OK);
    assert_int_equal(buf.len, PH_KIND_UNKNOWN_BYTES - 1);
    ph_buf_fini(&buf);
    ph_buf_init(&buf, PH_KIND_UNKNOWN_BYTES - 2);
    assert_int_equal(ph_buf_append_text(&buf, ""), PH_OK);
    assert_int_equal(ph_kind_encode_unknown(&kind, &reading, &buf), PH_ERR_LIMIT);
    assert_string_equal(buf.data, "");
    ph_buf_fini(&buf);
}

static void finds_fields(void **state)
{
    (void)state;
    for (size_t hint = 0; hint < 8; hint++) {
        for (size_t i = 0; i < kind.field_count; i++) {
            assert_int_equal(ph_kind_find_field(&kind, rules[i].name, hint), i);
        }
        assert_int_equal(ph_kind_find_field(&kind, "bogus", hint), kind.field_count);
    }
    assert_int_equal(ph_kind_find_field(&kind, "hvac", SIZE_MAX), 1);
}

static void names_of_words(void **state)
{
    (void)state;
    assert_string_equal(ph_field_type_name(PH_FIELD_NUMBER), "number");
    assert_string_equal(ph_field_type_name(PH_FIELD_ENUM), "enum");
    assert_string_equal(ph_unknown_fields_name(PH_UNKNOWN_REFUSE), "refuse");
    assert_string_equal(ph_unknown_fields_name(PH_UNKNOWN_STORE), "store");
    assert_string_equal(ph_unknown_fields_name(PH_UNKNOWN_DROP), "drop");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(declarations, set_up),
        cmocka_unit_test_setup(reserved_names, set_up),
        cmocka_unit_test_setup(bounds_and_values, set_up),
        cmocka_unit_test_setup(readings, set_up),
        cmocka_unit_test_setup(unknown_fields, set_up),
        cmocka_unit_test_setup(unknown_fields_are_bounded, set_up),
        cmocka_unit_test_setup(finds_fields, set_up),
        cmocka_unit_test(names_of_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
