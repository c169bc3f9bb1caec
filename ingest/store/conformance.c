#include "ingest/store/conformance.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "base/text.h"

static const struct conformance *subject;

const struct conformance *conformance_subject(void)
{
    return subject;
}

const char *conformance_name(const char *group)
{
    static char name[64];
    (void)snprintf(name, sizeof name, "ph.store.%s.%s", subject->name, group);
    return name;
}

int conformance_setup(void **state)
{
    int result = scratch_setup(state);
    if (result == 0 && subject->setup != NULL) {
        subject->setup(*state);
    }
    return result;
}

static void assert_faultless(struct scratch *scratch)
{
    struct sheet sheet;
    struct ph_rows rows = rows_to(&sheet);
    int64_t faults = 0;
    struct ph_store *reader = scratch_open_reader(scratch);
    if (ph_store_check(reader, &rows, &faults, &scratch->error) != PH_OK) {
        fail_msg("check: %s", scratch->error.message);
    }
    assert_int_equal(sheet.rows, faults);
    if (faults != 0) {
        fail_msg("check: %s", sheet.text);
    }
    ph_store_close(&reader);
}

int conformance_teardown(void **state)
{
    struct scratch *scratch = *state;
    if (scratch->opened && !scratch->broken) {
        assert_faultless(scratch);
    }
    if (subject->teardown != NULL) {
        subject->teardown(scratch);
    }
    return scratch_teardown(state);
}

enum ph_err append_text(struct ph_store *store, const char *device, const char *text,
    const struct ph_provenance *provenance, int64_t received_ms, struct ph_store_counts *counts)
{
    struct ph_message *parsed = message_of(text);
    struct ph_identity identity = identity_of(device);
    struct ph_store_message message = {.identity = &identity,
        .message = parsed,
        .provenance = provenance,
        .received_ms = received_ms};
    enum ph_err err = ph_store_append(store, &message, counts, NULL);
    ph_message_free(&parsed);
    return err;
}

enum ph_err append_at(struct ph_store *store, const char *device, uint64_t stream, int64_t first,
    size_t count, int64_t received_ms, struct ph_store_counts *counts)
{
    char *text = malloc(PH_LIMIT_MESSAGE_BYTES);
    assert_non_null(text);
    message_text(text, PH_LIMIT_MESSAGE_BYTES, stream, first, count);
    enum ph_err err = append_text(store, device, text, NULL, received_ms, counts);
    free(text);
    return err;
}

enum ph_err append(struct ph_store *store, const char *device, uint64_t stream, int64_t first,
    size_t count, struct ph_store_counts *counts)
{
    return append_at(store, device, stream, first, count, NOON + first, counts);
}

enum ph_err bury(struct ph_store *store, const char *device, int64_t first, int64_t last,
    struct ph_store_counts *counts)
{
    struct ph_identity identity = {0};
    const struct ph_seq_range range = {.first = first, .last = last};
    struct ph_dead_letter letter = {
        .reason = "because",
        .topic = "some/topic",
        .payload = "a\0\xff",
        .payload_len = 3,
        .received_ms = NOON,
        .has_range = first > 0,
        .stream = 1,
        .ranges = &range,
        .range_count = first > 0 ? 1 : 0,
    };
    if (device != NULL) {
        identity = identity_of(device);
        letter.identity = &identity;
    }
    return ph_store_bury(store, &letter, counts, NULL);
}

/* What one transaction of the helpers below holds. */
struct job {
    const char *device;
    const char *text; /* NULL: readings `first` to `last` of `stream`, or a letter about them */
    bool letter;
    uint64_t stream;
    int64_t first;
    int64_t last;
    const struct ph_provenance *provenance;
    int64_t received_ms;
};

static enum ph_err do_job(
    struct ph_store *store, const struct job *job, struct ph_store_counts *counts)
{
    if (job->letter) {
        return bury(store, job->device, job->first, job->last, counts);
    }
    if (job->text != NULL) {
        return append_text(
            store, job->device, job->text, job->provenance, job->received_ms, counts);
    }
    return append_at(store, job->device, job->stream, job->first,
        (size_t)(job->last - job->first + 1), job->received_ms, counts);
}

static enum ph_err try_job(
    struct ph_store *store, const struct job *job, struct ph_store_counts *counts)
{
    *counts = (struct ph_store_counts){0};
    enum ph_err err = ph_store_begin(store, NULL);
    if (err != PH_OK) {
        return err;
    }
    err = do_job(store, job, counts);
    if (err != PH_OK) {
        ph_store_rollback(store);
        return err;
    }
    return ph_store_commit(store, NULL);
}

static struct ph_store_counts commit_job(struct ph_store *store, const struct job *job)
{
    struct ph_store_counts counts = {0};
    enum ph_err err = try_job(store, job, &counts);
    for (int tries = 1; err == PH_ERR_BUSY && tries < 5; tries++) {
        err = try_job(store, job, &counts);
    }
    assert_int_equal(err, PH_OK);
    return counts;
}

struct ph_store_counts commit_at(struct ph_store *store, const char *device, uint64_t stream,
    int64_t first, int64_t last, int64_t received_ms)
{
    const struct job job = {.device = device,
        .stream = stream,
        .first = first,
        .last = last,
        .received_ms = received_ms};
    return commit_job(store, &job);
}

struct ph_store_counts commit_range(
    struct ph_store *store, const char *device, uint64_t stream, int64_t first, int64_t last)
{
    return commit_at(store, device, stream, first, last, NOON + first);
}

struct ph_store_counts commit_text(struct ph_store *store, const char *device, const char *text,
    const struct ph_provenance *provenance, int64_t received_ms)
{
    const struct job job = {
        .device = device, .text = text, .provenance = provenance, .received_ms = received_ms};
    return commit_job(store, &job);
}

struct ph_store_counts commit_letter(
    struct ph_store *store, const char *device, int64_t first, int64_t last)
{
    const struct job job = {.device = device, .letter = true, .first = first, .last = last};
    return commit_job(store, &job);
}

void assert_ack(struct ph_store *store, const char *device, uint64_t stream, const char *want)
{
    struct ph_identity identity = identity_of(device);
    struct ph_ack ack = {0};
    size_t used = 0;
    char have[512];
    assert_int_equal(ph_store_acks(store, &identity, stream, NULL, 0, &ack, &used, NULL), PH_OK);
    assert_true(ack.stream == stream);
    int len = snprintf(have, sizeof have, "%" PRId64, ack.through);
    for (size_t i = 0; i < ack.also_count; i++) {
        len += snprintf(&have[len], sizeof have - (size_t)len, " %" PRId64 "-%" PRId64,
            ack.also[i].first, ack.also[i].last);
    }
    assert_string_equal(have, want);
}

void assert_sql(struct scratch *scratch, const char *sql, const char *want)
{
    char have[4096];
    subject->select(scratch, sql, have, sizeof have);
    assert_string_equal(have, want);
}

struct ph_store_totals totals_of(struct ph_store *store)
{
    struct ph_store_totals totals = {0};
    assert_int_equal(ph_store_stats(store, NULL, &totals, NULL), PH_OK);
    return totals;
}

void maintain(struct ph_store *store, int64_t now_ms)
{
    bool more = true;
    for (int i = 0; i < 1000 && more; i++) {
        struct ph_error error = {0};
        if (ph_store_maintain(store, now_ms, &more, &error) != PH_OK) {
            fail_msg("maintain: %s", error.message);
        }
        if (more) { /* an index may be in the making */
            (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
    }
    assert_false(more);
}

void query_rows(
    struct ph_store *store, const char *device, const char *columns, struct sheet *sheet)
{
    struct ph_rows rows = rows_picked(sheet, columns);
    struct ph_identity identity = {0};
    struct ph_store_query query = {.kind = "thermostat", .to_ms = INT64_MAX, .provenance = true};
    if (device != NULL) {
        identity = identity_of(device);
        query.device = &identity;
    }
    assert_int_equal(ph_store_query(store, &query, &rows, NULL), PH_OK);
}

void latest_rows(struct ph_store *store, int64_t now_ms, const char *columns, struct sheet *sheet)
{
    struct ph_rows rows = rows_picked(sheet, columns);
    assert_int_equal(ph_store_latest(store, now_ms, true, &rows, NULL), PH_OK);
}

void device_rows(struct ph_store *store, const char *columns, struct sheet *sheet)
{
    struct ph_rows rows = rows_picked(sheet, columns);
    assert_int_equal(ph_store_devices(store, &rows, NULL), PH_OK);
}

static void put_ranges(struct sheet *sheet, const struct ph_kept_letter *letter)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%016" PRIx64 " ", letter->stream);
    sheet_put(sheet, letter->has_range ? text : "- - ");
    for (size_t i = 0; letter->has_range && i < letter->range_count; i++) {
        (void)snprintf(text, sizeof text, "%" PRId64 "-%" PRId64 "%s", letter->ranges[i].first,
            letter->ranges[i].last, i + 1 < letter->range_count ? "," : " ");
        sheet_put(sheet, text);
    }
}

static enum ph_err put_letter(
    void *context, const struct ph_kept_letter *letter, struct ph_error *error)
{
    struct sheet *sheet = context;
    char device[PH_IDENTITY_BYTES] = "-";
    char payload[256];
    const char *reason = ph_provenance_reason(letter->provenance.state);
    (void)error;
    sheet->rows++;
    if (letter->identity != NULL) {
        ph_identity_print(device, sizeof device, letter->identity);
    }
    sheet_put(sheet, device);
    sheet_put(sheet, " ");
    put_ranges(sheet, letter);
    ph_text_escape_bytes(payload, sizeof payload, letter->payload, letter->payload_len);
    const char *const words[] = {letter->reason, letter->topic, payload,
        reason == NULL ? letter->provenance.fingerprint : "-", reason != NULL ? reason : "-"};
    for (size_t i = 0; i < 5; i++) {
        sheet_put(sheet, words[i]);
        sheet_put(sheet, i < 4 ? " " : "\n");
    }
    return PH_OK;
}

void letter_rows(struct ph_store *store, const struct ph_letter_filter *filter, struct sheet *sheet)
{
    const struct ph_letter_filter all = {.to_ms = INT64_MAX};
    *sheet = (struct sheet){0};
    assert_int_equal(
        ph_store_letters(store, filter != NULL ? filter : &all, put_letter, sheet, NULL), PH_OK);
}

static enum ph_err take_id(
    void *context, const struct ph_kept_letter *letter, struct ph_error *error)
{
    (void)error;
    *(int64_t *)context = letter->id;
    return PH_OK;
}

int64_t newest_letter(struct ph_store *store)
{
    const struct ph_letter_filter filter = {.to_ms = INT64_MAX, .limit = 1};
    int64_t id = 0;
    assert_int_equal(ph_store_letters(store, &filter, take_id, &id, NULL), PH_OK);
    assert_int_not_equal(id, 0);
    return id;
}

void conformance_plant(struct scratch *scratch, bool partitions)
{
    scratch->limits.partition_ms = HOUR;
    struct ph_store *store = scratch_open_store(scratch);
    commit_at(store, T1, 1, 1, 4, HOUR_0);
    commit_at(store, T1, 1, 7, 8, HOUR_0);
    commit_letter(store, T1, 9, 9);
    commit_letter(store, T1, 0, 0);
    commit_letter(store, NULL, 0, 0);
    if (partitions) {
        maintain(store, HOUR_0 + HOUR + 1);
        commit_at(store, T1, 1, 10, 11, HOUR_0 + HOUR + 1);
    }
    ph_store_close(&store);
}

int conformance_run(const struct conformance *conformance)
{
    int (*const groups[])(void) = {
        conformance_marks,
        conformance_writers,
        conformance_letters,
        conformance_revive,
        conformance_kinds,
        conformance_provenance,
        conformance_timing,
        conformance_reading,
        conformance_partitions,
        conformance_check,
        conformance_beat,
    };
    int failed = 0;
    subject = conformance;
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        failed += groups[i]();
    }
    return failed;
}
