/* Against a store of memory, so that being busy, losing a letter and failing can be had at will;
 * the real ones are in ingest_test.sh and in the conformance suite. */
#include "ingest/testing.h"

#include <stdio.h>
#include <string.h>

#include "ingest/replay.h"

#define PATTERN "ph/v1/{tenant}/{kind}/{device}/telemetry"
#define TOPIC   "ph/v1/acme/thermostat/t1/telemetry"

enum { LETTERS_MAX = 1200 };

struct memory_store {
    struct ph_store store;
    struct ph_kept_letter letters[LETTERS_MAX];
    bool taken[LETTERS_MAX];   /* committed */
    bool pending[LETTERS_MAX]; /* in the transaction */
    size_t count;
    int64_t gone_id;  /* revive and discard do not find it */
    int64_t full_id;  /* revive has no room for it */
    int busy_begins;  /* so many fail */
    int busy_commits; /* so many fail */
    bool broken;      /* revive fails for good */
    bool open;        /* a transaction is */
    int transactions; /* committed */
    int64_t written;  /* in the transaction */
    int64_t most;     /* letters of one transaction */
    int64_t stored;   /* readings */
    int64_t received_ms;
    struct ph_provenance provenance;
};

static struct memory_store *memory_of(struct ph_store *store)
{
    return (struct memory_store *)(void *)store;
}

static enum ph_err memory_letters(struct ph_store *store, const struct ph_letter_filter *filter,
    ph_letter_visit *visit, void *context, struct ph_error *error)
{
    struct memory_store *memory = memory_of(store);
    enum ph_err err = PH_OK;
    assert_false(memory->open);
    for (size_t i = 0; i < memory->count && err == PH_OK; i++) {
        const struct ph_kept_letter *letter = &memory->letters[i];
        if (!memory->taken[i] && (filter->id == 0 || filter->id == letter->id) &&
            letter->received_ms >= filter->from_ms && letter->received_ms < filter->to_ms) {
            err = visit(context, letter, error);
        }
    }
    return err;
}

static enum ph_err memory_begin(struct ph_store *store, struct ph_error *error)
{
    struct memory_store *memory = memory_of(store);
    assert_false(memory->open);
    if (memory->busy_begins > 0) {
        memory->busy_begins--;
        return ph_error_set(error, PH_ERR_BUSY, "readings.db: locked");
    }
    memory->open = true;
    memory->written = 0;
    memset(memory->pending, 0, sizeof memory->pending);
    return PH_OK;
}

static void memory_rollback(struct ph_store *store)
{
    assert_true(memory_of(store)->open);
    memory_of(store)->open = false;
}

static enum ph_err memory_commit(struct ph_store *store, struct ph_error *error)
{
    struct memory_store *memory = memory_of(store);
    assert_true(memory->open);
    memory->open = false;
    if (memory->busy_commits > 0) {
        memory->busy_commits--;
        return ph_error_set(error, PH_ERR_BUSY, "readings.db: changed by another");
    }
    for (size_t i = 0; i < memory->count; i++) {
        memory->taken[i] = memory->taken[i] || memory->pending[i];
    }
    memory->transactions++;
    memory->most = memory->written > memory->most ? memory->written : memory->most;
    return PH_OK;
}

static enum ph_err memory_discard(
    struct ph_store *store, const struct ph_kept_letter *letter, struct ph_error *error)
{
    struct memory_store *memory = memory_of(store);
    assert_true(memory->open);
    if (letter->id == memory->gone_id) {
        return ph_error_set(error, PH_ERR_NOT_FOUND, "dead letter: gone");
    }
    memory->pending[letter->id - 1] = true;
    memory->written++;
    return PH_OK;
}

static enum ph_err memory_revive(struct ph_store *store, const struct ph_kept_letter *letter,
    const struct ph_store_message *message, struct ph_store_counts *counts, struct ph_error *error)
{
    struct memory_store *memory = memory_of(store);
    if (memory->broken) {
        return ph_error_set(error, PH_ERR_IO, "readings.db: disk I/O error");
    }
    if (letter->id == memory->full_id) {
        return ph_error_set(error, PH_ERR_LIMIT, "device: too many streams");
    }
    memory->received_ms = message->received_ms;
    memory->provenance = *message->provenance;
    counts->stored += letter->has_range ? letter->ranges[0].last - letter->ranges[0].first + 1
                                        : (int64_t)message->message->reading_count;
    return memory_discard(store, letter, error);
}

static const struct ph_store_ops memory_ops = {
    .begin = memory_begin,
    .commit = memory_commit,
    .rollback = memory_rollback,
    .revive = memory_revive,
    .discard = memory_discard,
    .letters = memory_letters,
};

static const struct ph_identity device = {.tenant = "acme", .kind = "thermostat", .device = "t1"};
static struct memory_store memory;
static struct ph_letter_result result;

static void empty_memory(void)
{
    memset(&memory, 0, sizeof memory);
    memory.store.ops = &memory_ops;
}

/* Letter number count + 1, for the readings of `range`; NULL: it says none. */
static void add_letter(const char *topic, const char *payload, const struct ph_seq_range *range)
{
    memory.letters[memory.count] = (struct ph_kept_letter){
        .id = (int64_t)memory.count + 1,
        .received_ms = 1790000000000 + (int64_t)memory.count,
        .reason = "reading 1: was refused",
        .topic = topic,
        .identity = &device,
        .provenance = {.state = PH_PROVENANCE_VOUCHED, .anchor = "devices", .fingerprint = "f00d"},
        .has_range = range != NULL,
        .stream = 10,
        .ranges = range,
        .range_count = range != NULL ? 1 : 0,
        .payload = payload,
        .payload_len = strlen(payload),
    };
    memory.count++;
}

static const struct ph_letter_filter any = {.from_ms = INT64_MIN, .to_ms = INT64_MAX};

static struct ph_letter_work work_of(const struct scratch *scratch)
{
    return (struct ph_letter_work){
        .reader = &memory.store,
        .writer = &memory.store,
        .pattern = PATTERN,
        .kinds = scratch->kinds,
        .patience_ms = 60000,
    };
}

static void replay(struct scratch *scratch)
{
    const struct ph_letter_work work = work_of(scratch);
    if (ph_letters_replay(&work, &any, &result, &scratch->error) != PH_OK) {
        fail_msg("%s", scratch->error.message);
    }
}

static void assert_result(int64_t letters, int64_t done, int64_t readings, int64_t refused)
{
    assert_int_equal(result.letters, letters);
    assert_int_equal(result.done, done);
    assert_int_equal(result.readings, readings);
    assert_int_equal(result.refused, refused);
    assert_int_equal(result.gone, letters - done - refused);
}

#define READINGS(...)                                                                              \
    "{\"v\":1,\"stream\":\"000000000000000a\",\"seq\":5,\"readings\":[" __VA_ARGS__ "]}"
#define GOOD "{\"t\":1,\"temperature_c\":1}"
#define HOT  "{\"t\":1,\"temperature_c\":99}"

static const struct ph_seq_range five = {5, 5};
static const struct ph_seq_range five_six = {5, 6};
static const struct ph_seq_range six = {6, 6};

/* [ING-118] */
static void what_passes_now_is_stored(void **state)
{
    empty_memory();
    add_letter(TOPIC, READINGS(GOOD), &five);
    add_letter(TOPIC, READINGS(GOOD "," HOT), &five_six);
    replay(*state);
    assert_result(2, 1, 1, 1);
    assert_int_equal(result.first_refused, 2);
    assert_memory_equal(result.why, "reading 2: ", 11);
    assert_non_null(strstr(result.why, "temperature_c"));
    assert_true(memory.taken[0]);
    assert_false(memory.taken[1]);
    assert_int_equal(memory.received_ms, 1790000000000);
    assert_string_equal(memory.provenance.fingerprint, "f00d");
}

/* [ING-118] The other readings of its message are stored already, and may break the kind now. */
static void only_the_letter_s_own_readings_count(void **state)
{
    empty_memory();
    add_letter(TOPIC, READINGS(HOT "," GOOD), &six);
    add_letter(TOPIC, READINGS(HOT "," GOOD), &five);
    replay(*state);
    assert_result(2, 1, 1, 1);
    assert_true(memory.taken[0]);
    assert_int_equal(result.first_refused, 2);
}

/* [ING-118] */
static void what_does_not_fit_its_letter_stays(void **state)
{
    static const struct ph_seq_range seven = {7, 7};
    static const struct ph_seq_range endless = {1, INT64_C(9007199254740991)};
    static const struct {
        const char *topic, *payload;
        const struct ph_seq_range *range;
        const char *says;
    } cases[] = {
        {TOPIC, "not JSON", NULL, "JSON"},
        {TOPIC, READINGS(GOOD), &seven, "message: does not hold the readings"},
        {TOPIC, READINGS(GOOD), &endless, "message: does not hold the readings"},
        {TOPIC, "{\"v\":1,\"stream\":\"000000000000000b\",\"seq\":5,\"readings\":[" GOOD "]}",
            &five, "message: is not of the stream"},
        {"ph/v1/acme/thermostat/t2/telemetry", READINGS(GOOD), &five,
            "topic: names another device than when the letter was kept"},
        {"elsewhere", READINGS(GOOD), &five, "topic"},
        {"ph/v1/acme/toaster/t1/telemetry", READINGS(GOOD), &five, "kind: not declared"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        empty_memory();
        add_letter(cases[i].topic, cases[i].payload, cases[i].range);
        replay(*state);
        assert_result(1, 0, 0, 1);
        if (strstr(result.why, cases[i].says) == NULL) {
            fail_msg("case %zu: want \"%s\", have \"%s\"", i, cases[i].says, result.why);
        }
    }
}

/* [ING-118] A plain message is replayed whole. */
static void a_letter_without_numbers(void **state)
{
    static const struct ph_identity bell = {.tenant = "acme", .kind = "doorbell", .device = "d1"};
    empty_memory();
    add_letter("ph/v1/acme/doorbell/d1/telemetry", "{\"pressed\":true}", NULL);
    memory.letters[0].identity = &bell;
    add_letter("ph/v1/acme/doorbell/d1/telemetry", "{\"pressed\":1}", NULL);
    memory.letters[1].identity = &bell;
    replay(*state);
    assert_result(2, 1, 1, 1);
}

/* [ING-110] */
static void a_busy_store_is_tried_again(void **state)
{
    empty_memory();
    add_letter(TOPIC, READINGS(GOOD), &five);
    memory.busy_begins = 2;
    memory.busy_commits = 2;
    replay(*state);
    assert_result(1, 1, 1, 0); /* counted once */
    assert_int_equal(memory.transactions, 1);
}

/* [ING-110] */
static void patience_ends(void **state)
{
    struct scratch *scratch = *state;
    struct ph_letter_work work = work_of(scratch);
    empty_memory();
    add_letter(TOPIC, READINGS(GOOD), &five);
    memory.busy_begins = 1000;
    work.patience_ms = 30;
    scratch_failed(scratch, ph_letters_replay(&work, &any, &result, &scratch->error), PH_ERR_BUSY,
        "readings.db: locked");
    assert_int_equal(result.done, 0);
    assert_false(memory.taken[0]);
}

/* [ING-110] */
static void a_failure_takes_back_its_transaction(void **state)
{
    struct scratch *scratch = *state;
    const struct ph_letter_work work = work_of(scratch);
    empty_memory();
    add_letter(TOPIC, READINGS(GOOD), &five);
    memory.broken = true;
    scratch_failed(scratch, ph_letters_replay(&work, &any, &result, &scratch->error), PH_ERR_IO,
        "readings.db: disk I/O error");
    assert_false(memory.open);
    assert_int_equal(result.done, 0);
    assert_int_equal(memory.transactions, 0);
}

/* [ING-110] */
static void transactions_are_bounded(void **state)
{
    empty_memory();
    for (size_t i = 0; i < LETTERS_MAX; i++) {
        add_letter(TOPIC, READINGS(GOOD), &five);
    }
    replay(*state);
    assert_result(LETTERS_MAX, LETTERS_MAX, LETTERS_MAX, 0);
    assert_int_equal(memory.transactions, 3);
    assert_int_equal(memory.most, 500);
}

/* [ING-110] Another replay, or a purge, came first; or there is no room for a stream. */
static void a_letter_may_be_gone(void **state)
{
    empty_memory();
    for (size_t i = 0; i < 3; i++) {
        add_letter(TOPIC, READINGS(GOOD), &five);
    }
    memory.gone_id = 1;
    memory.full_id = 2;
    replay(*state);
    assert_result(3, 1, 1, 1);
    assert_int_equal(result.gone, 1);
    assert_string_equal(result.why, "device: too many streams");
    assert_true(memory.taken[2]);
}

/* [ING-111] */
static void without_a_writer_nothing_changes(void **state)
{
    struct scratch *scratch = *state;
    struct ph_letter_work work = work_of(scratch);
    empty_memory();
    add_letter(TOPIC, READINGS(GOOD "," GOOD), &five_six);
    add_letter(TOPIC, READINGS(HOT), &five);
    work.writer = NULL;
    assert_int_equal(ph_letters_replay(&work, &any, &result, &scratch->error), PH_OK);
    assert_result(2, 1, 2, 1);
    assert_int_equal(memory.transactions, 0);
    assert_int_equal(ph_letters_purge(&work, &any, &result, &scratch->error), PH_OK);
    assert_result(2, 2, 0, 0);
    assert_int_equal(memory.transactions, 0);
}

/* [ING-112] */
static void purge_takes_what_the_filter_says(void **state)
{
    struct scratch *scratch = *state;
    struct ph_letter_work work = work_of(scratch);
    const struct ph_letter_filter filter = {.from_ms = 1790000000001, .to_ms = INT64_MAX};
    empty_memory();
    for (size_t i = 0; i < 3; i++) {
        add_letter("anything", "\xff", NULL);
    }
    work.pattern = NULL;
    work.kinds = NULL;
    assert_int_equal(ph_letters_purge(&work, &filter, &result, &scratch->error), PH_OK);
    assert_result(2, 2, 0, 0);
    assert_false(memory.taken[0]);
    assert_true(memory.taken[1] && memory.taken[2]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_passes_now_is_stored),
        TEST(only_the_letter_s_own_readings_count),
        TEST(what_does_not_fit_its_letter_stays),
        TEST(a_letter_without_numbers),
        TEST(a_busy_store_is_tried_again),
        TEST(patience_ends),
        TEST(a_failure_takes_back_its_transaction),
        TEST(transactions_are_bounded),
        TEST(a_letter_may_be_gone),
        TEST(without_a_writer_nothing_changes),
        TEST(purge_takes_what_the_filter_says),
    };
    return cmocka_run_group_tests_name("ph.ingest.replay", tests, NULL, NULL);
}
