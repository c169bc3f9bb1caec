/* What the tests of this folder share: a scratch folder, a kinds file, messages. */
#ifndef PH_INGEST_TESTING_H
#define PH_INGEST_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/kinds_file.h"
#include "ingest/store/store.h"

struct scratch {
    char dir[64];
    char store[512]; /* its location: readings.db in the folder, unless a setup says otherwise */
    char kinds_file[96];
    struct ph_kinds *kinds;
    struct ph_store_limits limits; /* for scratch_open_store(); as set up, none is ever reached */
    bool opened;                   /* scratch_open_store() has made a store */
    bool broken;                   /* the test has broken it on purpose */
    struct ph_error error;
};

extern const char scratch_kinds[]; /* thermostat, and the plain kind doorbell */

/* cmocka's setup and teardown: *state is a struct scratch with `kinds` loaded. */
int scratch_setup(void **state);
int scratch_teardown(void **state);

/* What scratch_open_store() opens. */
struct ph_store_options scratch_options(const struct scratch *scratch);

/* Opens the store; aborts the test on failure. */
struct ph_store *scratch_open_store(struct scratch *scratch);
struct ph_store *scratch_open_reader(struct scratch *scratch);

/* Runs statements on the store's database, which is one of SQLite. */
void scratch_sql(struct scratch *scratch, const char *sql);

/* The rows of one statement as text: cells joined by '|', "-" for NULL, rows ended by '\n'. */
void scratch_select(struct scratch *scratch, const char *sql, char *out, size_t size);

void scratch_write(const char *path, const char *text);

/* Replaces `kinds`. */
void scratch_load_kinds(struct scratch *scratch, const char *text);

/* Asserts the code and that the message holds `text`; clears the error. */
void scratch_failed(struct scratch *scratch, enum ph_err have, enum ph_err want, const char *text);

/* `count` valid thermostat readings from `seq`; reading i has t = 1790000000000 + seq + i. */
void message_text(char *out, size_t size, uint64_t stream, int64_t seq, size_t count);
struct ph_message *message_of(const char *text);
struct ph_identity identity_of(const char *text);

/* Rows as text, for comparison: cells joined by ' ', rows by '\n'; tables begin with their columns.
 */
struct sheet {
    char text[16384];
    size_t len;
    size_t columns;
    int64_t rows;
    const char *picked; /* names of columns, separated by ' '; NULL: all */
    size_t picks[16];
    size_t pick_count;
};

/* Empties the sheet. */
struct ph_rows rows_to(struct sheet *sheet);

/* The same with these columns only, in this order, and no line of names; one that a table does not
 * have is shown as "-". */
struct ph_rows rows_picked(struct sheet *sheet, const char *columns);

/* Appends to the sheet. */
void sheet_put(struct sheet *sheet, const char *text);

/* Acknowledgements as "device payload\n", in order of their arrival. Zero-initialise. */
struct ack_box {
    char text[131072];
    size_t len;
    size_t count;
};

/* A ph_ack_send whose context is the box. */
void ack_box_put(
    void *context, const struct ph_identity *identity, const void *payload, size_t len);
void ack_box_empty(struct ack_box *box);

/* From here on the log's lines are kept, from whatever thread they come; until log_release(). */
void log_capture(void);
void log_release(void);

/* In how many of the lines kept so far a text occurs. */
size_t log_count(const char *text);

#endif
