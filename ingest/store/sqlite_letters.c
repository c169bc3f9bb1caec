#include <inttypes.h>
#include <string.h>

#include "base/limits.h"
#include "ingest/store/sqlite.h"

/* Slots of store->letters. */
enum { ADMIT, LEAVE_OUT, INSERT, HOLD, TAKE_OUT, RELEASE };

/* Ranges of one letter as text: there are no more of them than readings in a message. */
enum { RANGES_BYTES = PH_LIMIT_MESSAGE_READINGS * 40 };

/* ---- Burying. */

/* One more letter, and so many bytes, unless the device has as many as it may: no row changes. */
static const char admit_sql[] =
    "INSERT INTO letter_count(device, kept, bytes, not_kept)"
    " SELECT ?1, 1, ?2, 0 WHERE ?3 > 0 AND ?2 <= ?4"
    " ON CONFLICT(device) DO UPDATE SET kept = kept + 1, bytes = bytes + ?2"
    " WHERE kept < ?3 AND bytes + ?2 <= ?4";

static const char leave_out_sql[] =
    "INSERT INTO letter_count(device, kept, bytes, not_kept) VALUES (?1, 0, 0, 1)"
    " ON CONFLICT(device) DO UPDATE SET not_kept = not_kept + 1";

static const char insert_sql[] =
    "INSERT INTO dead_letter(received, reason, topic, device, stream, ranges, payload, anchor,"
    " fingerprint, unvouched) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

static size_t kept_bytes(const struct ph_dead_letter *letter)
{
    return letter->payload_len < PH_LIMIT_MESSAGE_BYTES ? letter->payload_len
                                                        : PH_LIMIT_MESSAGE_BYTES;
}

static enum ph_err admit(struct sqlite_store *store, const char *device,
    const struct ph_dead_letter *letter, bool *kept, struct ph_error *error)
{
    struct ph_stmt **stmt = &store->letters[ADMIT];
    enum ph_err err = ph_store_sqlite_prepared(store, stmt, admit_sql, error);
    if (err != PH_OK) {
        return err;
    }
    ph_stmt_bind_text(*stmt, 1, device);
    ph_stmt_bind_int64(*stmt, 2, (int64_t)kept_bytes(letter));
    ph_stmt_bind_int64(*stmt, 3, store->limits.letters_per_device);
    ph_stmt_bind_int64(*stmt, 4, store->limits.letter_bytes_per_device);
    err = ph_stmt_run(*stmt, error);
    *kept = err == PH_OK && ph_db_changes(store->db) > 0;
    return err;
}

static enum ph_err leave_out(struct sqlite_store *store, const char *device,
    struct ph_store_counts *counts, struct ph_error *error)
{
    struct ph_stmt **stmt = &store->letters[LEAVE_OUT];
    enum ph_err err = ph_store_sqlite_prepared(store, stmt, leave_out_sql, error);
    if (err == PH_OK) {
        counts->not_kept++;
        ph_stmt_bind_text(*stmt, 1, device);
        err = ph_stmt_run(*stmt, error);
    }
    return err;
}

static void bind_provenance(struct ph_stmt *stmt, int first, const struct ph_provenance *provenance)
{
    if (provenance != NULL && provenance->state == PH_PROVENANCE_VOUCHED) {
        ph_stmt_bind_text(stmt, first, provenance->anchor);
        ph_stmt_bind_text(stmt, first + 1, provenance->fingerprint);
    } else {
        ph_stmt_bind_int64(
            stmt, first + 2, provenance != NULL ? provenance->state : PH_PROVENANCE_MISSING);
    }
}

static enum ph_err insert(struct sqlite_store *store, const char *device,
    const struct ph_dead_letter *letter, const char *ranges, struct ph_error *error)
{
    struct ph_stmt **slot = &store->letters[INSERT];
    enum ph_err err = ph_store_sqlite_prepared(store, slot, insert_sql, error);
    if (err != PH_OK) {
        return err;
    }
    struct ph_stmt *stmt = *slot;
    ph_stmt_bind_int64(stmt, 1, letter->received_ms);
    ph_stmt_bind_text(stmt, 2, letter->reason);
    ph_stmt_bind_text(stmt, 3, letter->topic);
    ph_stmt_bind_text(stmt, 4, letter->identity != NULL ? device : NULL);
    if (letter->has_range) {
        ph_stmt_bind_int64(stmt, 5, (int64_t)letter->stream);
        ph_stmt_bind_text(stmt, 6, ranges);
    }
    ph_stmt_bind_bytes(stmt, 7, letter->payload, kept_bytes(letter));
    bind_provenance(stmt, 8, letter->provenance);
    return ph_stmt_run(stmt, error);
}

static enum ph_err keep(struct sqlite_store *store, const struct ph_dead_letter *letter,
    struct ph_store_counts *counts, struct ph_error *error)
{
    char device[PH_IDENTITY_BYTES] = "";
    bool kept = false;
    enum ph_err err = PH_OK;
    struct ph_buf ranges;
    ph_buf_init(&ranges, RANGES_BYTES);
    if (letter->identity != NULL) {
        ph_identity_print(device, sizeof device, letter->identity);
    }
    if (!letter->count_only) {
        err = admit(store, device, letter, &kept, error);
    }
    if (err == PH_OK && !kept) {
        err = leave_out(store, device, counts, error);
    } else if (err == PH_OK && letter->has_range) {
        err = ph_marks_print_ranges(letter->ranges, letter->range_count, &ranges, error);
    }
    if (err == PH_OK && kept) {
        counts->dead_letters++;
        err = insert(store, device, letter, ranges.data, error);
    }
    ph_buf_fini(&ranges);
    return err;
}

enum ph_err ph_store_sqlite_bury_letter(struct ph_store *base, const struct ph_dead_letter *letter,
    struct ph_store_counts *counts, struct ph_error *error)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    struct ph_stream_row *row = NULL;
    struct ph_buried buried = {.count = 0};
    struct ph_dead_letter rest = *letter;
    enum ph_err err = PH_OK;
    if (letter->has_range) {
        err = ph_store_sqlite_stream(store, letter->identity, false, letter->stream, &row, error);
    }
    if (err == PH_OK && letter->has_range) {
        err = ph_stream_row_bury(store->streams, row, letter, &buried, error);
        rest.ranges = buried.ranges;
        rest.range_count = buried.count;
    }
    if (err != PH_OK) {
        return err;
    }
    counts->duplicates += buried.duplicates;
    return !letter->has_range || buried.count > 0 ? keep(store, &rest, counts, error) : PH_OK;
}

/* ---- Taking out. */

/* By more than its id, which another letter may have been given since. */
#define SAME_SQL                                                                                   \
    " FROM dead_letter WHERE id = ?1 AND received = ?2 AND payload = ?3 AND ranges IS ?4"

static const char hold_sql[] = "SELECT 1" SAME_SQL;
static const char take_out_sql[] = "DELETE" SAME_SQL;

static const char release_sql[] =
    "UPDATE letter_count SET kept = kept - 1, bytes = bytes - ?2 WHERE device = ?1";

static enum ph_err bind_letter(
    struct ph_stmt *stmt, const struct ph_kept_letter *letter, struct ph_error *error)
{
    struct ph_buf ranges;
    enum ph_err err = PH_OK;
    ph_buf_init(&ranges, RANGES_BYTES);
    ph_stmt_bind_int64(stmt, 1, letter->id);
    ph_stmt_bind_int64(stmt, 2, letter->received_ms);
    ph_stmt_bind_bytes(stmt, 3, letter->payload, letter->payload_len);
    if (letter->has_range) {
        err = ph_marks_print_ranges(letter->ranges, letter->range_count, &ranges, error);
        ph_stmt_bind_text(stmt, 4, ranges.data);
    }
    ph_buf_fini(&ranges);
    return err;
}

/* PH_ERR_NOT_FOUND unless the letter is there. */
static enum ph_err hold(
    struct sqlite_store *store, const struct ph_kept_letter *letter, struct ph_error *error)
{
    bool there = false;
    struct ph_stmt **stmt = &store->letters[HOLD];
    enum ph_err err = ph_store_sqlite_prepared(store, stmt, hold_sql, error);
    if (err == PH_OK && (err = bind_letter(*stmt, letter, error)) == PH_OK) {
        err = ph_stmt_step(*stmt, &there, error);
        ph_stmt_reset(*stmt);
    }
    if (err == PH_OK && !there) {
        err = ph_error_set(error, PH_ERR_NOT_FOUND,
            "dead letter %" PRId64 ": not there any more; list them again", letter->id);
    }
    return err;
}

static enum ph_err release(
    struct sqlite_store *store, const struct ph_kept_letter *letter, struct ph_error *error)
{
    char device[PH_IDENTITY_BYTES] = "";
    struct ph_stmt **stmt = &store->letters[RELEASE];
    enum ph_err err = ph_store_sqlite_prepared(store, stmt, release_sql, error);
    if (letter->identity != NULL) {
        ph_identity_print(device, sizeof device, letter->identity);
    }
    if (err == PH_OK) {
        ph_stmt_bind_text(*stmt, 1, device);
        ph_stmt_bind_int64(*stmt, 2, (int64_t)letter->payload_len);
        err = ph_stmt_run(*stmt, error);
    }
    return err;
}

static enum ph_err take_out(
    struct sqlite_store *store, const struct ph_kept_letter *letter, struct ph_error *error)
{
    struct ph_stmt **stmt = &store->letters[TAKE_OUT];
    enum ph_err err = ph_store_sqlite_prepared(store, stmt, take_out_sql, error);
    if (err == PH_OK && (err = bind_letter(*stmt, letter, error)) == PH_OK) {
        err = ph_stmt_run(*stmt, error);
    }
    return err == PH_OK ? release(store, letter, error) : err;
}

enum ph_err ph_store_sqlite_discard(
    struct ph_store *base, const struct ph_kept_letter *letter, struct ph_error *error)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    enum ph_err err = hold(store, letter, error);
    return err == PH_OK ? take_out(store, letter, error) : err;
}

enum ph_err ph_store_sqlite_revive(struct ph_store *base, const struct ph_kept_letter *letter,
    const struct ph_store_message *message, struct ph_store_counts *counts, struct ph_error *error)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    struct row_writer writer;
    struct ph_stream_row *row = NULL;
    enum ph_err err = hold(store, letter, error);
    if (err == PH_OK) {
        err = ph_store_sqlite_start_message(store, message, counts, &writer, &row, error);
    }
    if (err == PH_OK) {
        err = ph_stream_row_revive(
            store->streams, row, letter, message, ph_store_sqlite_insert, &writer, counts, error);
    }
    return err == PH_OK ? take_out(store, letter, error) : err;
}
