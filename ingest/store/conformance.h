/* What every store must do: tests that are written against store.h alone and run against each store
 * by a test program of its own (sqlite_test.c, postgres_test.c), which describes the store in a
 * struct conformance. After every test ph_store_check() must find no fault. */
#ifndef PH_STORE_CONFORMANCE_H
#define PH_STORE_CONFORMANCE_H

#include "ingest/testing.h"

/* A way to break a store, and what ph_store_check() must say of it. */
struct conformance_fault {
    const char *sql;
    const char *what; /* text that a row of the check must hold: what, then where */
};

/* A store under test. SQL is for faults and for looking behind the vtable; statements in the tests
 * are such that every store understands them, given the tables that all stores have. */
struct conformance {
    const char *name; /* the groups of tests are called ph.store.NAME.GROUP */

    /* Makes room for a new store before each test, and takes it away after it; scratch->store says
     * where it is (as made, a file in the scratch folder). NULL: nothing to do. */
    void (*setup)(struct scratch *scratch);
    void (*teardown)(struct scratch *scratch);

    /* Runs statements; runs one whose rows are written to `out` as text: cells joined by '|', "-"
     * for NULL, rows ended by '\n'. Either aborts the test on failure. */
    void (*sql)(struct scratch *scratch, const char *sql);
    void (*select)(struct scratch *scratch, const char *sql, char *out, size_t size);

    /* SQL after which every change of a row in table `stream` fails, and which mends that. */
    const char *refuse_streams;
    const char *allow_streams;

    /* SQL that writes a second row for each row of kind thermostat, in the same partition, and that
     * deletes the row with number 2; the partition is the store's only one. */
    const char *repeat_readings;
    const char *lose_reading;

    /* Faults of this store alone, planted into conformance_plant()'s store. */
    const struct conformance_fault *faults;
    size_t fault_count;

    /* Whether ph_store_backup() makes one; otherwise it must be PH_ERR_UNAVAILABLE. */
    bool backup;
};

/* Runs every test; the number of those that failed. */
int conformance_run(const struct conformance *conformance);

/* ---- For the tests themselves. */

#define CONFORMANCE_TEST(name)                                                                     \
    cmocka_unit_test_setup_teardown(name, conformance_setup, conformance_teardown)

#define T1     "acme/thermostat/t1"
#define T2     "acme/thermostat/t2"
#define S1     "0000000000000001"     /* stream 1 as it is shown */
#define NOON   INT64_C(1790000000000) /* readings have this plus their number as their time */
#define HOUR   INT64_C(3600000)
#define HOUR_0 INT64_C(1790002800000) /* a full hour */

/* The store under test, and the name of a group of its tests. */
const struct conformance *conformance_subject(void);
const char *conformance_name(const char *group);

/* Makes the scratch folder that every test gets as its state. */
int conformance_setup(void **state);

/* Checks the store, unless the test broke it on purpose (scratch->broken). */
int conformance_teardown(void **state);

/* The groups. */
int conformance_marks(void);
int conformance_writers(void);
int conformance_letters(void);
int conformance_revive(void);
int conformance_kinds(void);
int conformance_provenance(void);
int conformance_timing(void);
int conformance_reading(void);
int conformance_partitions(void);
int conformance_check(void);
int conformance_beat(void);

/* Appends readings [first, first + count) of a thermostat; received at NOON + first. */
enum ph_err append(struct ph_store *store, const char *device, uint64_t stream, int64_t first,
    size_t count, struct ph_store_counts *counts) PH_NODISCARD;
enum ph_err append_at(struct ph_store *store, const char *device, uint64_t stream, int64_t first,
    size_t count, int64_t received_ms, struct ph_store_counts *counts) PH_NODISCARD;

/* Appends a message as it was sent; `provenance` may be NULL. */
enum ph_err append_text(struct ph_store *store, const char *device, const char *text,
    const struct ph_provenance *provenance, int64_t received_ms,
    struct ph_store_counts *counts) PH_NODISCARD;

/* A dead letter about readings [first, last] of stream 1, without a range when `first` is 0; of no
 * device when `device` is NULL. */
enum ph_err bury(struct ph_store *store, const char *device, int64_t first, int64_t last,
    struct ph_store_counts *counts) PH_NODISCARD;

/* The same in a transaction of their own, begun again when the store is busy; the transaction must
 * succeed. */
struct ph_store_counts commit_range(
    struct ph_store *store, const char *device, uint64_t stream, int64_t first, int64_t last);
struct ph_store_counts commit_at(struct ph_store *store, const char *device, uint64_t stream,
    int64_t first, int64_t last, int64_t received_ms);
struct ph_store_counts commit_text(struct ph_store *store, const char *device, const char *text,
    const struct ph_provenance *provenance, int64_t received_ms);
struct ph_store_counts commit_letter(
    struct ph_store *store, const char *device, int64_t first, int64_t last);

/* "through first-last ..." of the stream's acknowledgement. */
void assert_ack(struct ph_store *store, const char *device, uint64_t stream, const char *want);

/* The rows of a query, of the table that conformance's select prints. */
void assert_sql(struct scratch *scratch, const char *sql, const char *want);

/* ph_store_totals(), which must succeed. */
struct ph_store_totals totals_of(struct ph_store *store);

/* Maintains until there is nothing more to do. */
void maintain(struct ph_store *store, int64_t now_ms);

/* The named columns of the readings of a device (NULL: of kind thermostat), or of latest or
 * devices; see rows_picked(). */
void query_rows(
    struct ph_store *store, const char *device, const char *columns, struct sheet *sheet);
void latest_rows(struct ph_store *store, int64_t now_ms, const char *columns, struct sheet *sheet);
void device_rows(struct ph_store *store, const char *columns, struct sheet *sheet);

/* The dead letters that the filter lets through, one line each: device stream ranges reason topic
 * payload fingerprint unvouched. */
void letter_rows(
    struct ph_store *store, const struct ph_letter_filter *filter, struct sheet *sheet);

/* The id of the newest dead letter that is kept. */
int64_t newest_letter(struct ph_store *store);

/* A store with readings 1 to 4, 7 and 8 of T1, a dead letter about 9, a letter without range of T1
 * and one of no device; closed again. The same with a closed and indexed partition before it, when
 * `partitions` is true. */
void conformance_plant(struct scratch *scratch, bool partitions);

#endif
