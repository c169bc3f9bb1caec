/* Fills the store of ingest_test.sh: test_fill STORE KINDS <MESSAGES
 * Breaks it:                         test_fill --sql STORE STATEMENTS
 *
 * One message per line, "RECEIVED FINGERPRINT TOPIC PAYLOAD": milliseconds since 1970, what vouches
 * for it ("-": nothing), and the rest of the line as it is. All are checked and stored as ph-ingest
 * does, in one transaction. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/sqlite.h"
#include "base/text.h"
#include "ingest/batch.h"
#include "ingest/store/store.h"

#define PATTERN "ph/v1/{tenant}/{kind}/{device}/telemetry"

static void die(const char *what, const struct ph_error *error)
{
    fprintf(stderr, "test_fill: %s: %s\n", what, error->message);
    exit(1); /* NOLINT(concurrency-mt-unsafe): there is one thread */
}

static char *word(char **line)
{
    char *start = *line;
    char *end = strchr(start, ' ');
    if (end == NULL) {
        die(start, &(struct ph_error){.message = "want RECEIVED FINGERPRINT TOPIC PAYLOAD"});
    }
    *end = '\0';
    *line = end + 1;
    return start;
}

static enum ph_err store_entry(
    struct ph_store *store, const struct ph_batch_entry *entry, struct ph_error *error)
{
    struct ph_store_counts counts = {0};
    const struct ph_store_message message = {
        .identity = &entry->identity,
        .message = entry->message,
        .refused = entry->refused,
        .provenance = &entry->provenance,
        .received_ms = entry->received_ms,
    };
    const struct ph_dead_letter letter = {
        .reason = entry->reason,
        .topic = entry->topic,
        .identity = entry->has_identity ? &entry->identity : NULL,
        .payload = entry->payload,
        .payload_len = entry->payload_len,
        .provenance = &entry->provenance,
        .received_ms = entry->received_ms,
        .has_range = entry->has_range,
        .stream = entry->range.stream,
        .ranges = entry->ranges,
        .range_count = entry->range_count,
    };
    enum ph_err err = entry->reason != NULL ? ph_store_bury(store, &letter, &counts, error) : PH_OK;
    return err == PH_OK && entry->message != NULL ? ph_store_append(store, &message, &counts, error)
                                                  : err;
}

static void take_line(struct ph_store *store, const struct ph_kinds *kinds, char *line)
{
    struct ph_error error = {0};
    struct ph_batch batch = {0};
    struct ph_publish publish = {0};
    if (!ph_text_to_int64(word(&line), 0, INT64_MAX, &publish.received_ms)) {
        die("RECEIVED", &(struct ph_error){.message = "want a number"});
    }
    const char *fingerprint = word(&line);
    publish.topic = word(&line);
    publish.payload = line;
    publish.payload_len = strlen(line);
    if (ph_batch_init(&batch, 1, &error) != PH_OK ||
        ph_batch_add(&batch, PATTERN, kinds, &publish, &error) != PH_OK) {
        die(publish.topic, &error);
    }
    struct ph_batch_entry *entry = &batch.entries[0];
    if (strcmp(fingerprint, "-") != 0) {
        entry->provenance = (struct ph_provenance){.anchor = "devices"};
        (void)snprintf(
            entry->provenance.fingerprint, sizeof entry->provenance.fingerprint, "%s", fingerprint);
    }
    if (store_entry(store, entry, &error) != PH_OK) {
        die(publish.topic, &error);
    }
    ph_batch_fini(&batch);
}

static void run_sql(const char *path, const char *sql)
{
    struct ph_error error = {0};
    struct ph_db *db = NULL;
    if (ph_db_open(path, PH_DB_WRITE, 1000, &db, &error) != PH_OK ||
        ph_db_exec(db, sql, &error) != PH_OK) {
        die(path, &error);
    }
    ph_db_close(&db);
}

static void fill(const char *path, const struct ph_kinds *kinds)
{
    struct ph_error error = {0};
    struct ph_store *store = NULL;
    char line[8192];
    const struct ph_store_options options = {
        .location = path,
        .kinds = kinds,
        .limits = {.partition_ms = 86400000,
            .partition_rows = 1000000,
            .letters_per_device = 4,
            .letter_bytes_per_device = 1 << 20,
            .timing = {.future_ms = 300000, .oldest_ms = INT64_C(1577836800000)}},
    };
    if (ph_store_open(&options, &store, &error) != PH_OK ||
        ph_store_begin(store, &error) != PH_OK) {
        die(path, &error);
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        take_line(store, kinds, line);
    }
    if (ph_store_commit(store, &error) != PH_OK) {
        die(path, &error);
    }
    ph_store_close(&store);
}

int main(int argc, char **argv)
{
    struct ph_error error = {0};
    struct ph_kinds *kinds = NULL;
    if (argc == 4 && strcmp(argv[1], "--sql") == 0) {
        run_sql(argv[2], argv[3]);
        return 0;
    }
    if (argc != 3) {
        die("usage", &(struct ph_error){.message = "test_fill STORE KINDS <MESSAGES"});
    }
    if (ph_kinds_load(argv[2], &kinds, &error) != PH_OK) {
        die(argv[2], &error);
    }
    fill(argv[1], kinds);
    ph_kinds_free(&kinds);
    return 0;
}
