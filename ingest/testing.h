/* What the tests of this folder share: a scratch folder, a kinds file, messages. */
#ifndef PH_INGEST_TESTING_H
#define PH_INGEST_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/kinds_file.h"
#include "ingest/store.h"

struct scratch {
    char dir[64];
    char store[96];
    char kinds_file[96];
    struct ph_kinds *kinds;
    struct ph_error error;
};

extern const char scratch_kinds[]; /* thermostat, and the plain kind doorbell */

/* cmocka's setup and teardown: *state is a struct scratch with `kinds` loaded. */
int scratch_setup(void **state);
int scratch_teardown(void **state);

/* Opens the store; aborts the test on failure. */
struct ph_store *scratch_open_store(struct scratch *scratch);

/* Runs statements on the store's database. */
void scratch_sql(struct scratch *scratch, const char *sql);

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
};

/* Empties the sheet. */
struct ph_rows rows_to(struct sheet *sheet);

#endif
