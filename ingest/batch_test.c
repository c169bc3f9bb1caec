#include "ingest/testing.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "ingest/batch.h"

#define PATTERN "ph/v1/{tenant}/{kind}/{device}/telemetry"
#define TOPIC   "ph/v1/acme/thermostat/t1/telemetry"
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
    int64_t letter_first, letter_last;
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
        assert_int_equal(entry->letter_first, want->letter_first);
        assert_int_equal(entry->letter_last, want->letter_last);
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
            "(and 1 more readings of this message)", true, true, 6, 6},
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            every_message_becomes_rows_or_a_dead_letter, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(
            payload_with_nul_and_empty_payload, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(room_is_bounded, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests_name("ph.ingest.batch", tests, NULL, NULL);
}
