#include "ingest/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "ingest/batch.h"

#define PATTERN "ph/v1/{tenant}/{kind}/{device}/telemetry"
#define TOPIC   "ph/v1/acme/thermostat/t1/telemetry"
#define GOOD    "{\"t\":1,\"temperature_c\":1}"
#define BAD     "{\"t\":1,\"temperature_c\":900}"
#define HEAD    "{\"v\":1,\"stream\":\"00000000000000aa\",\"seq\":5,\"readings\":"

static void add(struct scratch *scratch, struct ph_batch *batch, const char *topic,
    const char *payload, size_t len)
{
    struct ph_publish publish = {
        .topic = topic, .payload = payload, .payload_len = len, .received_ms = 77};
    assert_int_equal(
        ph_batch_add(batch, PATTERN, scratch->kinds, &publish, &scratch->error), PH_OK);
}

struct expectation {
    const char *topic, *payload;
    const char *reason; /* NULL: no dead letter */
    bool stored;        /* readings go to the store */
    bool acknowledged;
    int64_t letter_first, letter_last; /* the first of its ranges; 0: it has none */
};

static void check(const struct expectation *want, const struct ph_batch_entry *entry)
{
    if (want->reason == NULL
            ? entry->reason != NULL
            : entry->reason == NULL || strstr(entry->reason, want->reason) == NULL) {
        fail_msg("%s: want \"%s\", have \"%s\"", want->payload,
            want->reason != NULL ? want->reason : "(none)",
            entry->reason != NULL ? entry->reason : "(none)");
    }
    assert_int_equal(entry->message != NULL, want->stored);
    assert_int_equal(entry->has_range, want->acknowledged);
    assert_int_equal(entry->received_ms, 77);
    if (want->reason != NULL) {
        assert_string_equal(entry->topic, want->topic);
        assert_int_equal(entry->payload_len, strlen(want->payload));
        assert_memory_equal(entry->payload, want->payload, entry->payload_len);
        assert_int_equal(entry->range_count > 0 ? entry->ranges[0].first : 0, want->letter_first);
        assert_int_equal(entry->range_count > 0 ? entry->ranges[0].last : 0, want->letter_last);
    }
}

/* [ING-20] [ING-21] [ING-22] [ING-23] [ING-24] [ING-25] [KND-2] */
static void every_message_becomes_rows_or_a_dead_letter(void **state)
{
    static const struct expectation cases[] = {
        {TOPIC, HEAD "[{\"t\":1,\"temperature_c\":21}]}", NULL, true, true, 0, 0},
        {"elsewhere", HEAD "[{\"t\":1,\"temperature_c\":21}]}", "topic: want the form", false,
            false, 0, 0},
        {"ph/v1/acme/toaster/t1/telemetry", HEAD "[{\"t\":1,\"x\":21},{\"t\":1,\"x\":2}]}",
            "kind: not declared", false, true, 5, 6},
        {TOPIC, "garbage", "", false, false, 0, 0},
        {TOPIC, HEAD "[{\"temperature_c\":21,\"t\":-5},{}]}", "t", false, true, 5, 6},
        {TOPIC, HEAD "[{\"t\":1,\"temperature_c\":900}]}", "temperature_c", true, true, 5, 5},
        {TOPIC,
            HEAD "[{\"t\":1,\"temperature_c\":1},{\"t\":1,\"temperature_c\":900},"
                 "{\"t\":2,\"hvac\":\"off\"}]}",
            "(and 1 more readings of this message)", true, true, 6, 7},
        {TOPIC, "{\"t\":1,\"temperature_c\":21}", "not declared plain", false, false, 0, 0},
        {"ph/v1/acme/doorbell/d1/telemetry", "{\"t\":1,\"pressed\":true}", NULL, true, false, 0, 0},
        {"ph/v1/acme/doorbell/d1/telemetry", "{\"t\":1,\"pressed\":7}", "pressed", true, false, 0,
            0},
    };
    struct scratch *scratch = *state;
    struct ph_batch batch = {0};
    enum { COUNT = sizeof cases / sizeof cases[0] };
    assert_int_equal(ph_batch_init(&batch, COUNT, &scratch->error), PH_OK);
    for (size_t i = 0; i < COUNT; i++) {
        add(scratch, &batch, cases[i].topic, cases[i].payload, strlen(cases[i].payload));
    }
    for (size_t i = 0; i < COUNT; i++) {
        check(&cases[i], &batch.entries[i]);
    }
    assert_true(batch.entries[6].refused[1] && batch.entries[6].refused[2]);
    assert_false(batch.entries[6].refused[0]);
    ph_batch_fini(&batch);
}

/* [ING-23] The letter stands for exactly the refused readings. */
static void refused_readings_as_ranges(void **state)
{
    struct scratch *scratch = *state;
    struct ph_batch batch = {0};
    static const bool good[] = {false, false, true, false, true, true, false};
    static const char text[] = HEAD "[" BAD "," BAD "," GOOD "," BAD "," GOOD "," GOOD "," BAD "]}";
    assert_int_equal(ph_batch_init(&batch, 1, &scratch->error), PH_OK);
    add(scratch, &batch, TOPIC, text, strlen(text));
    const struct ph_batch_entry *entry = &batch.entries[0];
    assert_int_equal(entry->range_count, 3);
    assert_int_equal(entry->ranges[0].first, 5);
    assert_int_equal(entry->ranges[0].last, 6);
    assert_int_equal(entry->ranges[1].first, 8);
    assert_int_equal(entry->ranges[1].last, 8);
    assert_int_equal(entry->ranges[2].first, 11);
    assert_int_equal(entry->ranges[2].last, 11);
    for (size_t i = 0; i < sizeof good; i++) {
        assert_int_equal(entry->refused[i], !good[i]);
    }
    ph_batch_fini(&batch);
}

/* [ING-132] A question is neither rows nor a letter, and is to be answered. */
static void question(void **state)
{
    struct scratch *scratch = *state;
    struct ph_batch batch = {0};
    static const char text[] = HEAD "[]}";
    assert_int_equal(ph_batch_init(&batch, 1, &scratch->error), PH_OK);
    add(scratch, &batch, TOPIC, text, strlen(text));
    const struct ph_batch_entry *entry = &batch.entries[0];
    assert_null(entry->reason);
    assert_non_null(entry->message);
    assert_int_equal(entry->message->reading_count, 0);
    assert_true(entry->has_range);
    assert_true(entry->range.stream == 0xaa);
    assert_int_equal(entry->range.first, 5);
    assert_int_equal(entry->range.last, 4);
    ph_batch_fini(&batch);
}

/* [ING-131] What becomes a letter later can be stored from it: nothing of the message is lost, be
 * it that some of it was a letter already. */
static void condemned(void **state)
{
    struct scratch *scratch = *state;
    struct ph_batch batch = {0};
    static const char *const texts[] = {
        "{\"v\":1,\"stream\":\"00000000000000aa\",\"seq\":5,\"oldest\":2,\"now\":77,\"up\":8,"
        "\"readings\":[{\"t\":1,\"temperature_c\":21.53,\"hvac\":\"off\"},"
        "{\"up\":3,\"temperature_c\":0.1}]}",
        HEAD "[{\"t\":1,\"temperature_c\":900},{\"t\":1,\"temperature_c\":1}]}",
    };
    assert_int_equal(ph_batch_init(&batch, 3, &scratch->error), PH_OK);
    for (size_t i = 0; i < 2; i++) {
        struct ph_batch_entry *entry = &batch.entries[i];
        add(scratch, &batch, TOPIC, texts[i], strlen(texts[i]));
        ph_batch_count_only(entry);
        assert_int_equal(
            ph_batch_condemn(entry, PATTERN, "store: will not", &scratch->error), PH_OK);
        const struct expectation want = {TOPIC, texts[i], "store: will not", false, true, 5, 6};
        check(&want, entry);
        assert_null(entry->refused);
        assert_int_equal(entry->range_count, 1);
        assert_false(entry->count_only);
        assert_string_equal(entry->identity.device, "t1");
    }
    static const char plain[] = "{\"t\":1,\"pressed\":true,\"label\":\"a\\\"b\"}";
    add(scratch, &batch, "ph/v1/acme/doorbell/d1/telemetry", plain, strlen(plain));
    struct ph_batch_entry *entry = &batch.entries[2];
    assert_int_equal(ph_batch_condemn(entry, PATTERN, "no", &scratch->error), PH_OK);
    const struct expectation want = {
        "ph/v1/acme/doorbell/d1/telemetry", plain, "no", false, false, 0, 0};
    check(&want, entry);
    ph_batch_fini(&batch);
}

/* As full as it gets of what is longer when written out: 1e15 has sixteen digits. */
static void widest(struct ph_buf *text)
{
    assert_int_equal(ph_buf_append_text(text, HEAD "["), PH_OK);
    while (text->len + 300 < PH_LIMIT_MESSAGE_BYTES) {
        assert_int_equal(ph_buf_append_text(text, "{\"t\":1"), PH_OK);
        for (const char *name = "abcdefghijklmnopqrs"; *name != '\0'; name++) {
            assert_int_equal(ph_buf_printf(text, ",\"%c\":1e15", *name), PH_OK);
        }
        assert_int_equal(ph_buf_append_text(text, "},"), PH_OK);
    }
    assert_int_equal(ph_buf_append_text(text, "{\"t\":1}]}"), PH_OK);
}

/* [ING-131] Whatever the size of a message written out again, its letter is made: nothing may hold
 * up the others. */
static void widest_is_condemned(void **state)
{
    struct scratch *scratch = *state;
    struct ph_batch batch = {0};
    struct ph_buf text;
    ph_buf_init(&text, PH_LIMIT_MESSAGE_BYTES);
    widest(&text);
    assert_int_equal(ph_batch_init(&batch, 1, &scratch->error), PH_OK);
    add(scratch, &batch, TOPIC, text.data, text.len);
    struct ph_batch_entry *entry = &batch.entries[0];
    assert_non_null(entry->message);
    assert_int_equal(ph_batch_condemn(entry, PATTERN, "no", &scratch->error), PH_OK);
    assert_string_equal(entry->reason, "no");
    assert_int_equal(entry->range_count, 1);
    ph_batch_fini(&batch);
    ph_buf_fini(&text);
}

/* [ING-137] */
static void only_counted(void **state)
{
    struct scratch *scratch = *state;
    struct ph_batch batch = {0};
    assert_int_equal(ph_batch_init(&batch, 1, &scratch->error), PH_OK);
    add(scratch, &batch, TOPIC, "garbage", 7);
    ph_batch_count_only(&batch.entries[0]);
    assert_true(batch.entries[0].count_only);
    assert_null(batch.entries[0].payload);
    assert_int_equal(batch.entries[0].payload_len, 0);
    assert_non_null(batch.entries[0].reason);
    ph_batch_fini(&batch);
}

static void payload_with_nul_and_empty_payload(void **state)
{
    struct scratch *scratch = *state;
    struct ph_batch batch = {0};
    assert_int_equal(ph_batch_init(&batch, 2, &scratch->error), PH_OK);
    add(scratch, &batch, TOPIC, "a\0b", 3);
    add(scratch, &batch, TOPIC, NULL, 0);
    assert_int_equal(batch.entries[0].payload_len, 3);
    assert_memory_equal(batch.entries[0].payload, "a\0b", 3);
    assert_int_equal(batch.entries[1].payload_len, 0);
    assert_non_null(batch.entries[1].reason);
    ph_batch_fini(&batch);
}

/* [ING-5] */
static void room_is_bounded(void **state)
{
    struct scratch *scratch = *state;
    struct ph_batch batch = {0};
    struct ph_publish publish = {.topic = TOPIC, .payload = "x", .payload_len = 1};
    assert_int_equal(ph_batch_init(&batch, 1, &scratch->error), PH_OK);
    add(scratch, &batch, TOPIC, "x", 1);
    assert_false(ph_batch_has_room(&batch));
    scratch_failed(scratch,
        ph_batch_add(&batch, PATTERN, scratch->kinds, &publish, &scratch->error), PH_ERR_LIMIT,
        "batch: full");
    ph_batch_reset(&batch);
    assert_true(ph_batch_has_room(&batch));
    ph_batch_fini(&batch);

    size_t len = PH_LIMIT_MESSAGE_BYTES + 1000;
    char *large = calloc(1, len);
    assert_non_null(large);
    assert_int_equal(ph_batch_init(&batch, 100000, &scratch->error), PH_OK);
    while (ph_batch_has_room(&batch)) {
        add(scratch, &batch, TOPIC, large, len);
        assert_int_equal(batch.entries[0].payload_len, PH_LIMIT_MESSAGE_BYTES);
    }
    assert_true(batch.bytes <= PH_BATCH_BYTES_MAX + len);
    free(large);
    ph_batch_fini(&batch);
}

/* [ING-5] What counts is the memory that a message takes, not how short it can be said. */
static void parsed_readings_count(void **state)
{
    struct scratch *scratch = *state;
    struct ph_batch batch = {0};
    char text[16384];
    size_t len = (size_t)snprintf(text, sizeof text, HEAD "[{\"t\":1}");
    for (size_t i = 1; i < PH_LIMIT_MESSAGE_READINGS; i++) {
        len += (size_t)snprintf(&text[len], sizeof text - len, ",{\"t\":1}");
    }
    len += (size_t)snprintf(&text[len], sizeof text - len, "]}");
    assert_true(len < sizeof text);
    assert_int_equal(ph_batch_init(&batch, 100000, &scratch->error), PH_OK);
    while (ph_batch_has_room(&batch)) {
        add(scratch, &batch, TOPIC, text, len);
    }
    assert_true(batch.count <=
                PH_BATCH_BYTES_MAX / (PH_LIMIT_MESSAGE_READINGS * sizeof(struct ph_reading)));
    assert_true(batch.count > 100);
    ph_batch_reset(&batch);
    assert_int_equal(batch.bytes, 0);
    ph_batch_fini(&batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            every_message_becomes_rows_or_a_dead_letter, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(
            payload_with_nul_and_empty_payload, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(
            refused_readings_as_ranges, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(question, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(condemned, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(widest_is_condemned, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(only_counted, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(room_is_bounded, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(parsed_readings_count, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests_name("ph.ingest.batch", tests, NULL, NULL);
}
