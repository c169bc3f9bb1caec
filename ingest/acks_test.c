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

/* A store with one reading, numbers 1 to 1, of each of these devices. */
static struct ph_store *store_of(
    struct scratch *scratch, struct ph_acks *acks, const char *const *devices, size_t count)
{
    struct ph_store *store = scratch_open_store(scratch);
    assert_non_null(acks);
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    for (size_t i = 0; i < count; i++) {
        append(store, acks, devices[i], 1, 1);
    }
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    return store;
}

static size_t flush(
    struct ph_acks *acks, struct ph_store *store, int64_t now_ms, size_t max, struct heard *heard)
{
    heard->count = 0;
    return ph_acks_flush(acks, store, now_ms, false, max, hear, heard);
}

static const char *const devices[] = {
    "acme/thermostat/t1", "acme/thermostat/t2", "acme/thermostat/t3"};

/* [ING-12] */
static void coalesced_per_stream(void **state)
{
    struct ph_acks *acks = ph_acks_new(0);
    struct ph_store *store = store_of(*state, acks, devices, 0);
    struct heard heard = {.count = 0};
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    for (int64_t seq = 1; seq <= 50; seq += 2) {
        append(store, acks, devices[0], seq, 2);
        append(store, acks, devices[1], seq, 1);
    }
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    assert_int_equal(ph_acks_waiting(acks), 2);
    assert_int_equal(flush(acks, store, 0, 100, &heard), 2);
    assert_int_equal(heard.count, 2);
    assert_string_equal(heard.devices[0], "t1");
    assert_int_equal(heard.acks[0].through, 50);
    assert_int_equal(heard.acks[0].also_count, 0);
    assert_int_equal(heard.acks[1].through, 1);
    assert_int_equal(heard.acks[1].also_count, 24);
    assert_int_equal(flush(acks, store, 0, 100, &heard), 0); /* emptied */
    assert_int_equal(ph_acks_waiting(acks), 0);
    ph_acks_free(&acks);
    ph_store_close(&store);
}

/* [ING-12] Every range that was received is in one of the acknowledgements. */
static void more_ranges_than_one_can_hold(void **state)
{
    enum { RANGES = PH_LIMIT_ACK_RANGES * 2 + 10 };
    struct ph_acks *acks = ph_acks_new(0);
    struct ph_store *store = store_of(*state, acks, devices, 0);
    struct heard heard = {.count = 0};
    bool seen[RANGES] = {false};
    assert_int_equal(ph_store_begin(store, NULL), PH_OK);
    for (int64_t i = 0; i < RANGES; i++) {
        append(store, acks, devices[0], 2 + 2 * i, 1);
    }
    assert_int_equal(ph_store_commit(store, NULL), PH_OK);
    assert_int_equal(flush(acks, store, 0, 1, &heard), 3);
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

/* [ING-130] Streams that wait for their intervals do not hold up each other. */
static void each_stream_has_its_interval(void **state)
{
    struct ph_acks *acks = ph_acks_new(100);
    struct ph_store *store = store_of(*state, acks, devices, 3);
    struct heard heard = {.count = 0};
    const struct ph_identity t1 = identity_of(devices[0]);
    const struct ph_identity t2 = identity_of(devices[1]);
    const struct ph_identity t3 = identity_of(devices[2]);
    assert_int_equal(ph_acks_due_ms(acks), 0);
    assert_int_equal(flush(acks, store, 1000, 1, &heard), 1); /* t1, and the others not yet */
    assert_int_equal(ph_acks_waiting(acks), 2);
    assert_int_equal(ph_acks_due_ms(acks), 0);
    assert_int_equal(flush(acks, store, 1050, 10, &heard), 2);
    ph_acks_add(acks, &t2, 0xaa, 1, 1);
    ph_acks_add(acks, &t1, 0xaa, 1, 1);
    ph_acks_add(acks, &t1, 0xaa, 1, 1);
    assert_int_equal(ph_acks_due_ms(acks), 1100);
    assert_int_equal(flush(acks, store, 1099, 10, &heard), 0);
    assert_int_equal(flush(acks, store, 1100, 10, &heard), 1);
    assert_string_equal(heard.devices[0], "t1");
    assert_int_equal(ph_acks_due_ms(acks), 1150);
    ph_acks_set_interval(acks, 10);
    assert_int_equal(flush(acks, store, 1150, 10, &heard), 1);
    assert_string_equal(heard.devices[0], "t2");
    ph_acks_add(acks, &t2, 0xaa, 1, 0);
    ph_acks_add(acks, &t3, 0xaa, 1, 0); /* quiet for longer than its interval */
    assert_int_equal(ph_acks_due_ms(acks), 0);
    assert_int_equal(flush(acks, store, 1155, 10, &heard), 1);
    assert_string_equal(heard.devices[0], "t3");
    assert_int_equal(ph_acks_due_ms(acks), 1160);
    assert_int_equal(ph_acks_flush(acks, store, 1156, true, 10, hear, &heard), 1);
    assert_int_equal(ph_acks_due_ms(acks), INT64_MAX);
    ph_acks_free(&acks);
    assert_null(acks);
    ph_acks_free(&acks);
    ph_store_close(&store);
}

/* [ING-132] The last question is answered, beside what else there is to acknowledge. */
static void questions_are_answered(void **state)
{
    struct ph_acks *acks = ph_acks_new(100);
    struct ph_store *store = store_of(*state, acks, devices, 1);
    struct heard heard = {.count = 0};
    const struct ph_identity t1 = identity_of(devices[0]);
    ph_acks_add(acks, &t1, 0xaa, 700, 699);
    ph_acks_add(acks, &t1, 0xaa, 900, 899);
    assert_int_equal(flush(acks, store, 1000, 10, &heard), 1);
    assert_int_equal(heard.acks[0].through, 1);
    assert_int_equal(heard.acks[0].asked, 900);
    ph_acks_add(acks, &t1, 0xaa, 1, 1);
    assert_int_equal(flush(acks, store, 1100, 10, &heard), 1);
    assert_int_equal(heard.acks[0].asked, 0); /* answered once */
    ph_acks_free(&acks);
    ph_store_close(&store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(coalesced_per_stream),
        TEST(more_ranges_than_one_can_hold),
        TEST(each_stream_has_its_interval),
        TEST(questions_are_answered),
    };
    return cmocka_run_group_tests_name("ph.ingest.acks", tests, NULL, NULL);
}
