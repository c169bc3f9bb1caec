/* [CFG-1] to [CFG-8] */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <cyaml/cyaml.h>

#include "base/limits.h"
#include "config/yaml.h"

enum colour { RED, GREEN };

struct item {
    char *name;
    int32_t small;
    uint16_t port;
    enum colour colour;
    double *bound;
    char **tags;
    size_t tag_count;
};

struct sample {
    char *title;
    struct item *items;
    size_t item_count;
    bool enabled;
    bool *tristate;
};

static const cyaml_strval_t colours[] = {{"red", RED}, {"green", GREEN}};
static const cyaml_schema_value_t tag = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 8)};
static const cyaml_schema_field_t item_fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct item, name, 1, 16),
    CYAML_FIELD_INT("small", CYAML_FLAG_OPTIONAL, struct item, small),
    CYAML_FIELD_UINT("port", CYAML_FLAG_OPTIONAL, struct item, port),
    CYAML_FIELD_ENUM("colour", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct item, colour,
        colours, CYAML_ARRAY_LEN(colours)),
    CYAML_FIELD_FLOAT_PTR("bound", CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER, struct item, bound),
    CYAML_FIELD_SEQUENCE_COUNT(
        "tags", CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER, struct item, tags, tag_count, &tag, 0, 3),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t item = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct item, item_fields)};
static const cyaml_schema_field_t sample_fields[] = {
    CYAML_FIELD_STRING_PTR("title", CYAML_FLAG_POINTER, struct sample, title, 1, 32),
    CYAML_FIELD_SEQUENCE_COUNT(
        "items", CYAML_FLAG_POINTER, struct sample, items, item_count, &item, 1, 4),
    CYAML_FIELD_BOOL("enabled", CYAML_FLAG_OPTIONAL, struct sample, enabled),
    CYAML_FIELD_BOOL_PTR(
        "tristate", CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER, struct sample, tristate),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t sample = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct sample, sample_fields)};

static const char good[] = "title: a sample\n"
                           "items:\n"
                           "  - name: one\n"
                           "    small: -7\n"
                           "    port: 65535\n"
                           "    colour: green\n"
                           "    bound: -0.1\n"
                           "    tags: [a, \"true\", '#x']\n"
                           "  - {name: two}\n"
                           "enabled: true\n"
                           "tristate: false\n";

/* [CFG-1] what the schema describes is loaded, absent optional members are 0 or NULL */
static void loads_every_type(void **state)
{
    (void)state;
    void *loaded = NULL;
    struct ph_error error = {0};
    assert_int_equal(ph_yaml_parse("f", good, strlen(good), &sample, &loaded, &error), PH_OK);
    struct sample *have = loaded;
    assert_string_equal(have->title, "a sample");
    assert_int_equal(have->item_count, 2);
    assert_int_equal(have->items[0].small, -7);
    assert_int_equal(have->items[0].port, 65535);
    assert_int_equal(have->items[0].colour, GREEN);
    assert_true(*have->items[0].bound < -0.09);
    assert_int_equal(have->items[0].tag_count, 3);
    assert_string_equal(have->items[0].tags[1], "true");
    assert_null(have->items[1].bound);
    assert_int_equal(have->items[1].tag_count, 0);
    assert_true(have->enabled);
    assert_non_null(have->tristate);
    assert_false(*have->tristate);
    ph_yaml_free(&sample, &loaded);
    assert_null(loaded);
    ph_yaml_free(&sample, &loaded);
    ph_yaml_free(&sample, NULL);
}

static char *print(const void *data)
{
    char *text = NULL;
    size_t len = 0;
    struct ph_error error = {0};
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    assert_int_equal(ph_yaml_print(out, &sample, data, &error), PH_OK);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* [CFG-8] printing and loading again changes nothing */
static void prints_what_loads_again(void **state)
{
    (void)state;
    void *first = NULL;
    void *second = NULL;
    struct ph_error error = {0};
    assert_int_equal(ph_yaml_parse("f", good, strlen(good), &sample, &first, &error), PH_OK);
    char *text = print(first);
    assert_int_equal(ph_yaml_parse("f", text, strlen(text), &sample, &second, &error), PH_OK);
    char *again = print(second);
    assert_string_equal(text, again);
    assert_true(
        *((struct sample *)first)->items[0].bound == *((struct sample *)second)->items[0].bound);
    free(text);
    free(again);
    ph_yaml_free(&sample, &first);
    ph_yaml_free(&sample, &second);
}

struct refused {
    const char *text;
    const char *message;
};

#define ITEM(line) "title: x\nitems:\n  - name: one\n    " line "\n"

static const struct refused refusals[] = {
    /* [CFG-2] the schema's keys and no others, once each */
    {ITEM("bogus: 1"), "f:4: items[0]: unknown key \"bogus\"; known here: name, small, port"},
    {ITEM("Small: 1"), "f:4: items[0]: unknown key \"Small\""},
    {"title: x\n", "f:1: missing key \"items\""},
    {"title: x\nitems:\n  - small: 1\n", "f:3: items[0]: missing key \"name\""},
    {ITEM("small: 1\n    small: 2"), "f:5: items[0]: key \"small\" appears twice; keep one"},
    {ITEM("[a, b]: 2"), "f:4: items[0]: want a key, have a list"},
    /* [CFG-3] types and ranges */
    {ITEM("small: abc"), "f:4: items[0].small: want a whole number from -2147483648 to"},
    {ITEM("small: 12abc"), "have \"12abc\""},
    {ITEM("small: 2147483648"), "to 2147483647, have \"2147483648\""},
    {ITEM("small: 010"), "have \"010\""},
    {ITEM("small: 0x10"), "have \"0x10\""},
    {ITEM("small:"), "items[0].small: want a whole number from -2147483648 to 2147483647, have "
                     "nothing"},
    {ITEM("port: 65536"), "f:4: items[0].port: want a whole number from 0 to 65535"},
    {ITEM("port: -1"), "have \"-1\""},
    {ITEM("port: [1]"), "f:4: items[0].port: want a whole number, have a list"},
    {ITEM("bound: 1.5x"), "f:4: items[0].bound: want a finite number, have \"1.5x\""},
    {ITEM("bound: nan"), "want a finite number, have \"nan\""},
    {ITEM("bound: 1e999"), "want a finite number, have \"1e999\""},
    {ITEM("bound: 0x1p3"), "want a finite number"},
    {ITEM("bound: {a: 1}"), "want a finite number, have a mapping"},
    {ITEM("colour: blue"), "f:4: items[0].colour: want one of red, green, have \"blue\""},
    {ITEM("colour: 1"), "want one of red, green, have \"1\""},
    {"title: x\nenabled: maybe\nitems: [{name: a}]\n", "f:2: enabled: want true or false, have"},
    {"title: x\nenabled: True\nitems: [{name: a}]\n", "have \"True\""},
    {"title: x\nenabled: 1\nitems: [{name: a}]\n", "have \"1\""},
    {ITEM("tags: [a, b, c, d]"), "f:4: items[0].tags: want at most 3 entries"},
    {ITEM("tags: [abcdefghi]"), "f:4: items[0].tags[0]: want text of at most 8 bytes, have 9"},
    {ITEM("tags: a"), "f:4: items[0].tags: want a list, have \"a\""},
    {"title: x\nitems: []\n", "f:2: items: want at least 1 entries, have 0"},
    {"title: ''\nitems: [{name: a}]\n", "f:1: title: want text of at least 1 bytes, have 0"},
    {"title: \"a\\0b\"\nitems: [{name: a}]\n", "f:1: title: want text without NUL bytes"},
    {"title: x\nitems: [a]\n", "f:2: items[0]: want a mapping (key: value), have \"a\""},
    {"- a\n", "f:1: want a mapping (key: value), have a list"},
    {"text\n", "f:1: want a mapping (key: value), have \"text\""},
    /* [CFG-4] no anchors, aliases, tags, second documents */
    {"title: &a x\nitems: [{name: a}]\n", "f:1: title: anchors (&name) are not allowed"},
    {"title: *a\nitems: [{name: a}]\n", "f:1: title: aliases (*name) are not allowed"},
    {"title: !!str x\nitems: [{name: a}]\n", "f:1: title: tags (!name) are not allowed"},
    {"!x\ntitle: x\n", "f:1: tags (!name) are not allowed"},
    {"title: x\nitems: [{name: a}]\n---\ntitle: y\n", "f:3: a second document; keep one per file"},
    /* an alias bomb stops at its first anchor */
    {"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", "f:1: unknown key \"a\""},
    {"title: x\nitems: &a [*a, *a]\n", "f:2: items: anchors"},
    /* [CFG-5] what is not YAML at all */
    {"", "f: empty: want keys and values"},
    {"# only a comment\n", "f: empty: want keys and values"},
    {"title: x\n items: 3\n", "f:2: not YAML: mapping values are not allowed"},
    {"title: x\nitems: [\n", "not YAML:"},
    {"\x01\x02", "f:1: not YAML: control characters are not allowed"},
    {"title: \xff\xfe\n", "not YAML: invalid leading UTF-8 octet"},
    {"\t- x", "f:1: not YAML:"},
};

static void refuses_with_file_line_and_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        void *loaded = NULL;
        struct ph_error error = {0};
        enum ph_err err = ph_yaml_parse(
            "f", refusals[i].text, strlen(refusals[i].text), &sample, &loaded, &error);
        if (err != PH_ERR_CONFIG || strstr(error.message, refusals[i].message) == NULL) {
            fail_msg("input %zu:\n%s\nwant \"%s\"\nhave \"%s\"", i, refusals[i].text,
                refusals[i].message, error.message);
        }
        assert_null(loaded);
        assert_null(strchr(error.message, '\n'));
    }
}

/* [CFG-6] the size of a file and the depth of its nesting are bounded */
static void bounds_size_and_depth(void **state)
{
    (void)state;
    char path[] = "/tmp/ph-yaml-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    for (size_t i = 0; i <= PH_LIMIT_CONFIG_BYTES; i++) {
        assert_int_not_equal(fputc('#', file), EOF);
    }
    assert_int_equal(fclose(file), 0);
    void *loaded = NULL;
    struct ph_error error = {0};
    assert_int_equal(ph_yaml_load(path, &sample, &loaded, &error), PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "larger than the 1048576 bytes allowed"));
    assert_int_equal(remove(path), 0);

    char *deep = malloc(100001);
    assert_non_null(deep);
    memset(deep, '[', 100000);
    deep[100000] = '\0';
    ph_error_clear(&error);
    assert_int_equal(
        ph_yaml_parse("f", deep, strlen(deep), &sample, &loaded, &error), PH_ERR_CONFIG);
    assert_non_null(strstr(error.message, "f:1: want a mapping"));
    free(deep);
}

/* [CFG-7] a file that cannot be read is named */
static void names_a_missing_file(void **state)
{
    (void)state;
    void *loaded = NULL;
    struct ph_error error = {0};
    assert_int_equal(
        ph_yaml_load("/nonexistent/x.yaml", &sample, &loaded, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "/nonexistent/x.yaml"));
}

struct all_optional {
    uint16_t port;
};
static const cyaml_schema_field_t optional_fields[] = {
    CYAML_FIELD_UINT("port", CYAML_FLAG_OPTIONAL, struct all_optional, port),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t optional = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct all_optional, optional_fields)};

static void gives_a_zero_structure_when_all_is_optional(void **state)
{
    (void)state;
    void *loaded = NULL;
    struct ph_error error = {0};
    assert_int_equal(ph_yaml_parse("f", "{}", 2, &optional, &loaded, &error), PH_OK);
    assert_non_null(loaded);
    assert_int_equal(((struct all_optional *)loaded)->port, 0);
    ph_yaml_free(&optional, &loaded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_every_type),
        cmocka_unit_test(prints_what_loads_again),
        cmocka_unit_test(refuses_with_file_line_and_key),
        cmocka_unit_test(bounds_size_and_depth),
        cmocka_unit_test(names_a_missing_file),
        cmocka_unit_test(gives_a_zero_structure_when_all_is_optional),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
