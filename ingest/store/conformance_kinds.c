/* Kinds: what a store makes of their declarations. */
#include "ingest/store/conformance.h"

#include <string.h>

/* [KND-4] [KND-5] */
static void kinds_extend_the_store(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    struct sheet sheet;
    struct ph_rows rows = rows_to(&sheet);
    struct ph_store_query query = {.kind = "thermostat", .to_ms = INT64_MAX};
    commit_range(store, T1, 1, 1, 1);
    ph_store_close(&store);
    scratch_load_kinds(scratch, "kinds:\n"
                                "  - name: thermostat\n"
                                "    fields:\n"
                                "      - {name: temperature_c, type: number, unit: K}\n"
                                "      - {name: select, type: text}\n"
                                "      - {name: hvac, type: text}\n"
                                "  - name: boiler\n"
                                "    fields: [{name: on, type: boolean}]\n");
    store = scratch_open_store(scratch);
    commit_text(store, T1,
        "{\"v\":1,\"stream\":\"" S1 "\",\"seq\":2,\"readings\":"
        "[{\"t\":1789000000000,\"temperature_c\":1,\"select\":\"x\"}]}",
        NULL, NOON);
    assert_int_equal(ph_store_query(store, &query, &rows, NULL), PH_OK);
    assert_string_equal(sheet.text,
        "device stream seq time temperature_c hvac window_open starts select extra received timing"
        "\n" T1 " " S1 " 2 1789000000000 1 - - - x - 1790000000000 -\n" T1 " " S1
        " 1 1790000000001 21.5 idle - - - - 1790000000001 -\n");
    ph_store_close(&store);
}

/* [KND-4] Also beside partitions that are closed. */
static void a_new_field_reaches_closed_partitions(void **state)
{
    struct scratch *scratch = *state;
    scratch->limits.partition_ms = HOUR;
    struct ph_store *store = scratch_open_store(scratch);
    struct sheet sheet;
    commit_at(store, T1, 1, 1, 2, HOUR_0);
    maintain(store, HOUR_0 + HOUR + 1);
    ph_store_close(&store);
    scratch_load_kinds(scratch, "kinds:\n"
                                "  - name: thermostat\n"
                                "    fields:\n"
                                "      - {name: hvac, type: text}\n"
                                "      - {name: level, type: integer}\n");
    store = scratch_open_store(scratch);
    commit_text(store, T1,
        "{\"v\":1,\"stream\":\"" S1 "\",\"seq\":3,\"readings\":[{\"t\":1790000000003,"
        "\"level\":7}]}",
        NULL, HOUR_0 + HOUR + 2);
    query_rows(store, T1, "seq temperature_c hvac level", &sheet);
    assert_string_equal(sheet.text, "1 21.5 idle -\n2 21.5 idle -\n3 - - 7\n");
    assert_sql(scratch, "SELECT seq, hvac, level FROM thermostat ORDER BY seq",
        "1|idle|-\n2|idle|-\n3|-|7\n");
    ph_store_close(&store);
}

/* [KND-6] */
static void kinds_that_contradict_the_store(void **state)
{
    static const struct {
        const char *kinds, *says;
    } cases[] = {
        {"kinds:\n  - name: thermostat\n    fields: [{name: temperature_c, type: text}]\n",
            "kind thermostat: field temperature_c: type: the store"},
        {"kinds:\n  - name: device\n    fields: [{name: x, type: text}]\n",
            "kind device: name: taken by the store itself"},
        {"kinds:\n  - name: partition\n    fields: [{name: x, type: text}]\n",
            "kind partition: name: taken by the store itself"},
        {"kinds:\n  - name: reading_x\n    fields: [{name: x, type: text}]\n",
            "kind reading_x: name: taken"},
    };
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    ph_store_close(&store);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scratch_load_kinds(scratch, cases[i].kinds);
        struct ph_store_options options = scratch_options(scratch);
        scratch_failed(scratch, ph_store_open(&options, &store, &scratch->error), PH_ERR_CONFIG,
            cases[i].says);
        assert_null(store);
    }
}

static void unknown_kind_is_refused(void **state)
{
    struct ph_store *store = scratch_open_store(*state);
    struct ph_store_counts counts = {0};
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    assert_int_equal(append(store, "acme/toaster/t", 1, 1, 1, &counts), PH_ERR_CONFIG);
    ph_store_rollback(store);
    ph_store_close(&store);
}

/* [KND-3] Units and descriptions are there for whoever reads the database. */
static void fields_are_described(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = scratch_open_store(scratch);
    ph_store_close(&store);
    assert_sql(scratch,
        "SELECT name, type, unit FROM field WHERE kind = 'thermostat'"
        " ORDER BY position",
        "temperature_c|number|Cel\nhvac|enum|-\nwindow_open|boolean|-\nstarts|integer|-\n");
}

#define UNKNOWN_KINDS                                                                              \
    "kinds:\n"                                                                                     \
    "  - name: thermostat\n"                                                                       \
    "    unknown_fields: %s\n"                                                                     \
    "    fields: [{name: temperature_c, type: number}]\n"

static void with_policy(struct scratch *scratch, const char *policy)
{
    char text[512];
    (void)snprintf(text, sizeof text, UNKNOWN_KINDS, policy);
    scratch_load_kinds(scratch, text);
}

static void add_unknown(struct ph_store *store, int64_t seq, const char *fields)
{
    char text[512];
    (void)snprintf(text, sizeof text,
        "{\"v\":1,\"stream\":\"" S1 "\",\"seq\":%d,\"readings\":[{\"t\":1790000000%03d,"
        "\"temperature_c\":1%s}]}",
        (int)seq, (int)seq, fields);
    assert_int_equal(commit_text(store, T1, text, NULL, NOON).stored, 1);
}

/* [KND-10] What is declared later is a column from then on. */
static void unknown_fields_are_stored_or_dropped(void **state)
{
    struct scratch *scratch = *state;
    struct sheet sheet;
    with_policy(scratch, "store");
    struct ph_store *store = scratch_open_store(scratch);
    add_unknown(store, 1, ",\"wind\":3,\"from\":\"N\"");
    add_unknown(store, 2, "");
    ph_store_close(&store);
    with_policy(scratch, "drop");
    store = scratch_open_store(scratch);
    add_unknown(store, 3, ",\"wind\":4");
    query_rows(store, T1, "seq temperature_c", &sheet);
    assert_string_equal(sheet.text, "1 1\n2 1\n3 1\n");
    struct ph_store_query query = {.kind = "thermostat", .to_ms = INT64_MAX};
    struct ph_rows rows = rows_picked(&sheet, "extra");
    assert_int_equal(ph_store_query(store, &query, &rows, NULL), PH_OK);
    char *end = strchr(sheet.text, '\n');
    assert_non_null(end);
    assert_string_equal(end, "\n-\n-\n");
    assert_non_null(strstr(sheet.text, "\"wind\":")); /* PostgreSQL orders and spaces as it likes */
    assert_non_null(strstr(sheet.text, "\"N\""));
    ph_store_close(&store);
}

int conformance_kinds(void)
{
    const struct CMUnitTest tests[] = {
        CONFORMANCE_TEST(kinds_extend_the_store),
        CONFORMANCE_TEST(a_new_field_reaches_closed_partitions),
        CONFORMANCE_TEST(kinds_that_contradict_the_store),
        CONFORMANCE_TEST(unknown_kind_is_refused),
        CONFORMANCE_TEST(fields_are_described),
        CONFORMANCE_TEST(unknown_fields_are_stored_or_dropped),
    };
    return cmocka_run_group_tests_name(conformance_name("kinds"), tests, NULL, NULL);
}
