#include "ingest/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "ingest/acks.h"

struct heard {
    struct ph_ack acks[16];
    char devices[16][80];
    size_t count;
};

static void hear(void *context, const struct ph_identity *identity, const void *payload, size_t len)
{
    struct heard *heard = context;
    assert_true(heard->count < 16);
    assert_int_equal(ph_ack_parse(payload, len, &heard->acks[heard->count], NULL), PH_OK);
    (void)snprintf(heard->devices[heard->count], 80, "%s", identity->device);
    heard->count++;
}

static void append(
    struct ph_store *store, struct ph_acks *acks, const char *device, int64_t seq, size_t count)
{
    char text[2048];
    message_text(text, sizeof text, 0xaa, seq, count);
    struct ph_message *parsed = message_of(text);
    struct ph_identity identity = identity_of(device);
    struct ph_store_message message = {.identity = &identity, .message = parsed};
    struct ph_store_counts counts = {0};
    assert_int_equal(ph_store_append(store, &message, &counts, NULL), PH_OK);
    ph_acks_add(acks, &identity, 0xaa, seq, seq + (int64_t)count - 1);
    ph_message_free(&parsed);
}

/* [ING-12] */
static void coalesced_per_stream(void **state)
{
    struct scratch *scratch = *state;
    struct ph_store *store = NULL;
    struct ph_acks *acks = ph_acks_new();
    struct heard heard = {.count = 0};
    assert_non_null(acks);
    assert_int_equal(ph_store_open(scratch->store, scratch->kinds, &store, NULL), PH_OK);
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    for (int64_t seq = 1; seq <= 50; seq += 2) {
        append(store, acks, "acme/thermostat/t1", seq, 2);
        append(store, acks, "acme/thermostat/t2", seq, 1);
    }
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    assert_int_equal(ph_acks_flush(acks, store, hear, &heard), 2);
    assert_int_equal(heard.count, 2);
    assert_string_equal(heard.devices[0], "t1");
    assert_int_equal(heard.acks[0].through, 50);
    assert_int_equal(heard.acks[0].also_count, 0);
    assert_int_equal(heard.acks[1].through, 1);
    assert_int_equal(heard.acks[1].also_count, 24);
    assert_int_equal(ph_acks_flush(acks, store, hear, &heard), 0); /* emptied */
    ph_acks_free(&acks);
    ph_store_close(&store);
}

/* [ING-12] Every range that was received is in one of the acknowledgements. */
static void more_ranges_than_one_can_hold(void **state)
{
    enum { RANGES = PH_LIMIT_ACK_RANGES * 2 + 10 };
    struct scratch *scratch = *state;
    struct ph_store *store = NULL;
    struct ph_acks *acks = ph_acks_new();
    struct heard heard = {.count = 0};
    bool seen[RANGES] = {false};
    assert_non_null(acks);
    assert_int_equal(ph_store_open(scratch->store, scratch->kinds, &store, NULL), PH_OK);
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    for (int64_t i = 0; i < RANGES; i++) {
        append(store, acks, "acme/thermostat/t1", 2 + 2 * i, 1);
    }
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    assert_int_equal(ph_acks_flush(acks, store, hear, &heard), 3);
    for (size_t i = 0; i < heard.count; i++) {
        for (size_t j = 0; j < heard.acks[i].also_count; j++) {
            seen[(heard.acks[i].also[j].first - 2) / 2] = true;
        }
    }
    for (size_t i = 0; i < RANGES; i++) {
        assert_true(seen[i]);
    }
    ph_acks_free(&acks);
    ph_store_close(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(coalesced_per_stream, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(
            more_ranges_than_one_can_hold, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests_name("ph.ingest.acks", tests, NULL, NULL);
}
