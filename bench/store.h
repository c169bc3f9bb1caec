/* Inside ph-bench-store: the rows that are written, and what writes them. */
#ifndef PH_BENCH_STORE_H
#define PH_BENCH_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "ingest/store/store.h"

enum { BENCH_FIELDS = 4 };

struct bench {
    const char *location; /* folder, or a postgresql:// URI */
    struct ph_kinds *kinds;
    int64_t devices;
    int64_t interval_ms; /* between two readings of one device */
    int64_t batch;       /* rows of a transaction */
};

/* Row i, from 0: devices take turns. */
struct row {
    int64_t device;
    int64_t seq;
    int64_t time_ms;
    int64_t received_ms;
    double numbers[BENCH_FIELDS - 1]; /* temperature_c, setpoint_c, humidity_pct */
    const char *hvac;
};
struct row bench_row(const struct bench *bench, int64_t i);

/* Something that writes rows. */
struct writer;
struct writer_ops {
    enum ph_err (*open)(const struct bench *bench, struct writer **out, struct ph_error *error);
    /* Rows [first, first + bench->batch), durable when it returns. */
    enum ph_err (*append)(struct writer *writer, int64_t first, struct ph_error *error);
    /* One step of maintenance as of row `next`; NULL: there is none. */
    enum ph_err (*maintain)(
        struct writer *writer, int64_t next, bool *more, struct ph_error *error);
    void (*close)(struct writer *writer);
};

extern const struct writer_ops bench_store;         /* the store at that location */
extern const struct writer_ops bench_bare_sqlite;   /* LOCATION/bare.db: one table, no index */
extern const struct writer_ops bench_bare_postgres; /* table bare: binary COPY, no index */

#endif
