#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/postgres.h"
#include "adapters/sqlite.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/text.h"
#include "store.h"

#define EPOCH_2000_MS INT64_C(946684800000)

enum {
    STREAM = 1,
    PARTITION_HOURS = 24,
    PARTITION_ROWS = 1000000,
    COPY_COLUMNS = 9 + BENCH_FIELDS
};

struct writer {
    const struct bench *bench;
    struct ph_store *store;
    struct ph_identity *identities; /* of each device */
    struct ph_provenance *provenances;
    struct ph_db *db;
    struct ph_stmt *insert;
    struct ph_pg *pg;
    struct ph_buf copy;
};

static enum ph_err new_writer(
    const struct bench *bench, struct writer **out, struct ph_error *error)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "writer: no memory");
    }
    (*out)->bench = bench;
    return PH_OK;
}

static void close_writer(struct writer *writer)
{
    if (writer == NULL) {
        return;
    }
    ph_store_close(&writer->store);
    ph_stmt_free(&writer->insert);
    ph_db_close(&writer->db);
    ph_pg_close(&writer->pg);
    ph_buf_fini(&writer->copy);
    free(writer->identities);
    free(writer->provenances);
    free(writer);
}

/* ---- The store. */

static enum ph_err name_devices(struct writer *writer, struct ph_error *error)
{
    const size_t count = (size_t)writer->bench->devices;
    writer->identities = calloc(count, sizeof *writer->identities);
    writer->provenances = calloc(count, sizeof *writer->provenances);
    if (writer->identities == NULL || writer->provenances == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "devices: no memory");
    }
    for (size_t i = 0; i < count; i++) {
        struct ph_provenance *provenance = &writer->provenances[i];
        char name[64];
        (void)snprintf(name, sizeof name, "acme/thermostat/d-%zu", i);
        enum ph_err err = ph_identity_parse(name, &writer->identities[i], error);
        if (err != PH_OK) {
            return err;
        }
        provenance->state = PH_PROVENANCE_VOUCHED;
        (void)snprintf(provenance->anchor, sizeof provenance->anchor, "devices");
        (void)snprintf(provenance->fingerprint, sizeof provenance->fingerprint, "%064zx", i);
    }
    return PH_OK;
}

static enum ph_err open_store(
    const struct bench *bench, struct writer **out, struct ph_error *error)
{
    char path[4096];
    const bool postgres = ph_store_is_postgres(bench->location);
    enum ph_err err = new_writer(bench, out, error);
    if (err == PH_OK) {
        err = name_devices(*out, error);
    }
    if (err == PH_OK && !postgres) {
        err = ph_path_join(path, sizeof path, bench->location, "store.db", error);
    }
    if (err != PH_OK) {
        return err;
    }
    const struct ph_store_options options = {
        .location = postgres ? bench->location : path,
        .kinds = bench->kinds,
        .limits = {.partition_ms = PARTITION_HOURS * INT64_C(3600000),
            .partition_rows = PARTITION_ROWS,
            .letters_per_device = 1000,
            .letter_bytes_per_device = 1 << 20,
            .timing = {.future_ms = 300000, .oldest_ms = INT64_C(1577836800000)}},
    };
    return ph_store_open(&options, &(*out)->store, error);
}

static enum ph_err append_row(
    struct writer *writer, int64_t i, struct ph_store_counts *counts, struct ph_error *error)
{
    const struct row row = bench_row(writer->bench, i);
    const struct ph_field fields[BENCH_FIELDS] = {
        {"temperature_c", {.type = PH_VALUE_NUMBER, .number = row.numbers[0]}},
        {"setpoint_c", {.type = PH_VALUE_NUMBER, .number = row.numbers[1]}},
        {"humidity_pct", {.type = PH_VALUE_NUMBER, .number = row.numbers[2]}},
        {"hvac", {.type = PH_VALUE_TEXT, .text = row.hvac}},
    };
    const struct ph_reading reading = {
        .has_time = true, .time_ms = row.time_ms, .fields = fields, .field_count = BENCH_FIELDS};
    const struct ph_message message = {
        .stream = STREAM, .seq = row.seq, .readings = &reading, .reading_count = 1};
    const struct ph_store_message in = {.identity = &writer->identities[row.device],
        .message = &message,
        .provenance = &writer->provenances[row.device],
        .received_ms = row.received_ms};
    return ph_store_append(writer->store, &in, counts, error);
}

static enum ph_err append_to_store(struct writer *writer, int64_t first, struct ph_error *error)
{
    struct ph_store_counts counts = {0};
    enum ph_err err = ph_store_begin(writer->store, error);
    if (err != PH_OK) {
        return err;
    }
    for (int64_t i = 0; i < writer->bench->batch && err == PH_OK; i++) {
        err = append_row(writer, first + i, &counts, error);
    }
    if (err != PH_OK) {
        ph_store_rollback(writer->store);
        return err;
    }
    err = ph_store_commit(writer->store, error);
    if (err == PH_OK && counts.stored != writer->bench->batch) {
        err = ph_error_set(error, PH_ERR_INTERNAL,
            "store: %" PRId64 " of %" PRId64 " readings were new; begin with an empty store",
            counts.stored, writer->bench->batch);
    }
    return err;
}

static enum ph_err maintain_store(
    struct writer *writer, int64_t next, bool *more, struct ph_error *error)
{
    return ph_store_maintain(
        writer->store, bench_row(writer->bench, next).received_ms, more, error);
}

const struct writer_ops bench_store = {open_store, append_to_store, maintain_store, close_writer};

/* ---- Append-only SQLite. */

static enum ph_err open_bare_sqlite(
    const struct bench *bench, struct writer **out, struct ph_error *error)
{
    char path[4096];
    enum ph_err err = new_writer(bench, out, error);
    if (err == PH_OK) {
        err = ph_path_join(path, sizeof path, bench->location, "bare.db", error);
    }
    if (err == PH_OK) {
        err = ph_db_open(path, PH_DB_CREATE, 5000, &(*out)->db, error);
    }
    if (err == PH_OK) {
        err = ph_db_exec((*out)->db,
            "CREATE TABLE reading(_id INTEGER PRIMARY KEY, _stream INTEGER NOT NULL, _seq INTEGER,"
            " _time INTEGER NOT NULL, _received INTEGER, _timing INTEGER, _certificate INTEGER,"
            " _unvouched INTEGER, _extra TEXT, temperature_c REAL, setpoint_c REAL,"
            " humidity_pct REAL, hvac TEXT)",
            error);
    }
    return err == PH_OK ? ph_stmt_prepare((*out)->db,
                              "INSERT INTO reading VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6, NULL, NULL,"
                              " ?7, ?8, ?9, ?10)",
                              &(*out)->insert, error)
                        : err;
}

static enum ph_err insert_row(struct writer *writer, int64_t i, struct ph_error *error)
{
    const struct row row = bench_row(writer->bench, i);
    ph_stmt_bind_int64(writer->insert, 1, row.device + 1);
    ph_stmt_bind_int64(writer->insert, 2, row.seq);
    ph_stmt_bind_int64(writer->insert, 3, row.time_ms);
    ph_stmt_bind_int64(writer->insert, 4, row.received_ms);
    ph_stmt_bind_int64(writer->insert, 5, 0);
    ph_stmt_bind_int64(writer->insert, 6, row.device + 1);
    for (int f = 0; f < BENCH_FIELDS - 1; f++) {
        ph_stmt_bind_double(writer->insert, 7 + f, row.numbers[f]);
    }
    ph_stmt_bind_borrowed_text(writer->insert, 10, row.hvac, strlen(row.hvac));
    return ph_stmt_run(writer->insert, error);
}

static enum ph_err append_bare_sqlite(struct writer *writer, int64_t first, struct ph_error *error)
{
    enum ph_err err = ph_db_begin(writer->db, error);
    if (err != PH_OK) {
        return err;
    }
    for (int64_t i = 0; i < writer->bench->batch && err == PH_OK; i++) {
        err = insert_row(writer, first + i, error);
    }
    if (err != PH_OK) {
        ph_db_rollback(writer->db);
        return err;
    }
    return ph_db_commit(writer->db, error);
}

const struct writer_ops bench_bare_sqlite = {
    open_bare_sqlite, append_bare_sqlite, NULL, close_writer};

/* ---- COPY. */

static enum ph_err open_bare_postgres(
    const struct bench *bench, struct writer **out, struct ph_error *error)
{
    enum ph_err err = new_writer(bench, out, error);
    if (err == PH_OK) {
        ph_buf_init(&(*out)->copy, (size_t)bench->batch * 256 + 64);
        err = ph_pg_open(bench->location, true, 0, &(*out)->pg, error);
    }
    return err == PH_OK
               ? ph_pg_exec((*out)->pg,
                     "CREATE TABLE bare(_stream bigint NOT NULL, _device bigint NOT NULL,"
                     " _seq bigint, _time timestamptz NOT NULL, _received timestamptz NOT NULL,"
                     " _timing smallint, _certificate bigint, _unvouched smallint, _extra jsonb,"
                     " temperature_c double precision, setpoint_c double precision,"
                     " humidity_pct double precision, hvac text)",
                     error)
               : err;
}

static char *put(char *at, uint32_t len, const void *bytes)
{
    const uint32_t size = htobe32(len);
    memcpy(at, &size, sizeof size);
    memcpy(at + sizeof size, bytes, len);
    return at + sizeof size + len;
}

static char *put_int64(char *at, int64_t value)
{
    const uint64_t bits = htobe64((uint64_t)value);
    return put(at, sizeof bits, &bits);
}

static char *put_double(char *at, double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    bits = htobe64(bits);
    return put(at, sizeof bits, &bits);
}

static char *put_null(char *at)
{
    memset(at, 0xff, 4);
    return at + 4;
}

static enum ph_err copy_row(struct writer *writer, int64_t i)
{
    const struct row row = bench_row(writer->bench, i);
    const uint16_t columns = htobe16(COPY_COLUMNS);
    const uint16_t timing = 0;
    char bytes[256];
    memcpy(bytes, &columns, sizeof columns);
    char *at = bytes + sizeof columns;
    at = put_int64(at, row.device + 1);
    at = put_int64(at, row.device + 1);
    at = put_int64(at, row.seq);
    at = put_int64(at, (row.time_ms - EPOCH_2000_MS) * 1000);
    at = put_int64(at, (row.received_ms - EPOCH_2000_MS) * 1000);
    at = put(at, sizeof timing, &timing);
    at = put_int64(at, row.device + 1);
    at = put_null(put_null(at));
    for (int f = 0; f < BENCH_FIELDS - 1; f++) {
        at = put_double(at, row.numbers[f]);
    }
    at = put(at, (uint32_t)strlen(row.hvac), row.hvac);
    return ph_buf_append(&writer->copy, bytes, (size_t)(at - bytes));
}

static enum ph_err append_bare_postgres(
    struct writer *writer, int64_t first, struct ph_error *error)
{
    static const char header[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";
    int64_t rows = 0;
    ph_buf_reset(&writer->copy);
    enum ph_err err = ph_buf_append(&writer->copy, header, sizeof header - 1);
    for (int64_t i = 0; i < writer->bench->batch && err == PH_OK; i++) {
        err = copy_row(writer, first + i);
    }
    if (err == PH_OK) {
        err = ph_buf_append(&writer->copy, "\377\377", 2);
    }
    if (err != PH_OK) {
        return ph_error_set(error, err, "rows: no memory");
    }
    err = ph_pg_copy_begin(writer->pg, "COPY bare FROM STDIN (FORMAT binary)", error);
    if (err == PH_OK) {
        err = ph_pg_copy_data(writer->pg, writer->copy.data, writer->copy.len, error);
    }
    return err == PH_OK ? ph_pg_copy_end(writer->pg, &rows, error) : err;
}

const struct writer_ops bench_bare_postgres = {
    open_bare_postgres, append_bare_postgres, NULL, close_writer};
