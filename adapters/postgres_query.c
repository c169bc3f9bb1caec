#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/postgres_pq.h"
#include "base/clock.h"
#include "base/text.h"

enum { VALUES_MAX = 32, FETCH_ROWS = 1000 };

struct prepared {
    char name[24];
};

/* ---- Statements. */

enum ph_err ph_pg_send(struct ph_pg *pg, const char *sql, struct ph_error *error)
{
    enum ph_err err = ph_pq_check_usable(pg, "run statement", error);
    if (err != PH_OK) {
        return err;
    }
    pg->sent_err = PH_OK;
    ph_error_clear(&pg->sent_error);
    return PQsendQuery(pg->conn, sql) == 1 ? PH_OK : ph_pq_fail_send(pg, "run statement", error);
}

enum ph_err ph_pg_exec(struct ph_pg *pg, const char *sql, struct ph_error *error)
{
    enum ph_err err = ph_pg_send(pg, sql, error);
    return err == PH_OK ? ph_pq_collect(pg, "run statement", NULL, error) : err;
}

/* Whether the next result is there, or is known never to come. */
static bool is_ready(struct ph_pg *pg, int wait_ms)
{
    bool open = PQflush(pg->conn) >= 0;
    if (open && PQisBusy(pg->conn) != 0) {
        (void)ph_pq_wait(pg, POLLIN, ph_clock_monotonic_ms() + wait_ms);
        open = PQconsumeInput(pg->conn) != 0;
    }
    return !open || PQisBusy(pg->conn) == 0;
}

enum ph_err ph_pg_poll(struct ph_pg *pg, int wait_ms, bool *done, struct ph_error *error)
{
    *done = false;
    while (is_ready(pg, wait_ms)) {
        PGresult *result = PQgetResult(pg->conn);
        if (result != NULL && !ph_pq_is_good(result) && pg->sent_err == PH_OK) {
            pg->sent_err = ph_pq_fail_result(pg, result, "run statement", &pg->sent_error);
        }
        *done = result == NULL || pg->lost;
        PQclear(result);
        if (*done) {
            return pg->sent_err == PH_OK
                       ? PH_OK
                       : ph_error_set(error, pg->sent_err, "%s", pg->sent_error.message);
        }
    }
    return PH_OK;
}

struct parameters {
    const char *values[VALUES_MAX];
    int lengths[VALUES_MAX];
    int formats[VALUES_MAX];
};

static enum ph_err take_values(struct ph_pg *pg, const struct ph_pg_value *values, size_t count,
    struct parameters *out, struct ph_error *error)
{
    if (count > VALUES_MAX) {
        return ph_error_set(
            error, PH_ERR_INTERNAL, "%s: run statement: too many parameters", pg->name);
    }
    for (size_t i = 0; i < count; i++) {
        bool binary = values[i].bytes != NULL;
        out->values[i] = binary ? values[i].bytes : values[i].text;
        out->lengths[i] = binary ? (int)values[i].len : 0;
        out->formats[i] = binary ? 1 : 0;
    }
    return PH_OK;
}

enum ph_err ph_pg_query(struct ph_pg *pg, const char *sql, const struct ph_pg_value *values,
    size_t count, struct ph_pg_result **result, struct ph_error *error)
{
    struct parameters parameters;
    enum ph_err err = ph_pq_check_usable(pg, "run statement", error);
    if (err == PH_OK) {
        err = take_values(pg, values, count, &parameters, error);
    }
    if (err != PH_OK) {
        return err;
    }
    return PQsendQueryParams(pg->conn, sql, (int)count, NULL, parameters.values, parameters.lengths,
               parameters.formats, 0) == 1
               ? ph_pq_collect(pg, "run statement", result, error)
               : ph_pq_fail_send(pg, "run statement", error);
}

static enum ph_err prepare(
    struct ph_pg *pg, const char *sql, const struct prepared **out, struct ph_error *error)
{
    struct prepared *prepared = ph_map_get(pg->prepared, sql, strlen(sql));
    if (prepared != NULL) {
        *out = prepared;
        return PH_OK;
    }
    prepared = calloc(1, sizeof *prepared);
    if (prepared == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", pg->name);
    }
    (void)snprintf(prepared->name, sizeof prepared->name, "ph%zu", ph_map_count(pg->prepared));
    enum ph_err err = PQsendPrepare(pg->conn, prepared->name, sql, 0, NULL) == 1
                          ? ph_pq_collect(pg, "prepare statement", NULL, error)
                          : ph_pq_fail_send(pg, "prepare statement", error);
    if (err == PH_OK && ph_map_put(pg->prepared, sql, strlen(sql), prepared) != PH_OK) {
        err = ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", pg->name);
    }
    if (err != PH_OK) {
        free(prepared);
        return err;
    }
    *out = prepared;
    return PH_OK;
}

enum ph_err ph_pg_query_prepared(struct ph_pg *pg, const char *sql,
    const struct ph_pg_value *values, size_t count, struct ph_pg_result **result,
    struct ph_error *error)
{
    struct parameters parameters;
    const struct prepared *prepared = NULL;
    enum ph_err err = ph_pq_check_usable(pg, "run statement", error);
    if (err == PH_OK) {
        err = take_values(pg, values, count, &parameters, error);
    }
    if (err == PH_OK) {
        err = prepare(pg, sql, &prepared, error);
    }
    if (err != PH_OK) {
        return err;
    }
    return PQsendQueryPrepared(pg->conn, prepared->name, (int)count, parameters.values,
               parameters.lengths, parameters.formats, 0) == 1
               ? ph_pq_collect(pg, "run statement", result, error)
               : ph_pq_fail_send(pg, "run statement", error);
}

/* ---- Results. */

void ph_pg_result_free(struct ph_pg_result **result)
{
    if (*result != NULL) {
        PQclear((*result)->result);
        free(*result);
        *result = NULL;
    }
}

size_t ph_pg_rows(const struct ph_pg_result *result)
{
    return (size_t)PQntuples(result->result);
}

int64_t ph_pg_affected(const struct ph_pg_result *result)
{
    return strtoll(PQcmdTuples(result->result), NULL, 10);
}

bool ph_pg_is_null(const struct ph_pg_result *result, size_t row, int column)
{
    return PQgetisnull(result->result, (int)row, column) != 0;
}

const char *ph_pg_text(const struct ph_pg_result *result, size_t row, int column)
{
    return ph_pg_is_null(result, row, column) ? NULL : PQgetvalue(result->result, (int)row, column);
}

int64_t ph_pg_int64(const struct ph_pg_result *result, size_t row, int column)
{
    return strtoll(PQgetvalue(result->result, (int)row, column), NULL, 10);
}

double ph_pg_double(const struct ph_pg_result *result, size_t row, int column)
{
    return strtod(PQgetvalue(result->result, (int)row, column), NULL);
}

bool ph_pg_bool(const struct ph_pg_result *result, size_t row, int column)
{
    return PQgetvalue(result->result, (int)row, column)[0] == 't';
}

enum ph_err ph_pg_bytes(const struct ph_pg_result *result, size_t row, int column, void **bytes,
    size_t *len, struct ph_error *error)
{
    const char *text = PQgetvalue(result->result, (int)row, column);
    size_t digits = strlen(text);
    *len = digits < 2 ? 0 : digits / 2 - 1;
    if (digits > 0 && (strncmp(text, "\\x", 2) != 0 || digits % 2 != 0)) {
        return ph_error_set(error, PH_ERR_INPUT, "database: bytea: not in hexadecimal digits");
    }
    uint8_t *decoded = malloc(*len + 1);
    if (decoded == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "database: out of memory");
    }
    if (*len > 0 && !ph_hex_decode(decoded, *len, text + 2)) {
        free(decoded);
        return ph_error_set(error, PH_ERR_INPUT, "database: bytea: not in hexadecimal digits");
    }
    *bytes = decoded;
    return PH_OK;
}

static enum ph_err declare(struct ph_pg *pg, const char *sql, const struct ph_pg_value *values,
    size_t count, struct ph_error *error)
{
    static const char head[] = "DECLARE ph_each NO SCROLL CURSOR FOR ";
    size_t size = sizeof head + strlen(sql);
    char *text = malloc(size);
    if (text == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", pg->name);
    }
    (void)snprintf(text, size, "%s%s", head, sql);
    enum ph_err err = ph_pg_query(pg, text, values, count, NULL, error);
    free(text);
    return err;
}

/* The next rows of the cursor; *more is false when they were the last. */
static enum ph_err visit_some(
    struct ph_pg *pg, ph_pg_visit *visit, void *context, bool *more, struct ph_error *error)
{
    struct ph_pg_result *result = NULL;
    char sql[48];
    (void)snprintf(sql, sizeof sql, "FETCH %d FROM ph_each", FETCH_ROWS);
    enum ph_err err = ph_pg_query(pg, sql, NULL, 0, &result, error);
    size_t rows = result != NULL ? ph_pg_rows(result) : 0;
    *more = rows == FETCH_ROWS;
    for (size_t row = 0; row < rows && err == PH_OK; row++) {
        err = visit(context, result, row, error);
    }
    ph_pg_result_free(&result);
    return err;
}

enum ph_err ph_pg_each(struct ph_pg *pg, const char *sql, const struct ph_pg_value *values,
    size_t count, ph_pg_visit *visit, void *context, struct ph_error *error)
{
    bool more = true;
    enum ph_err err = ph_pg_exec(pg, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", error);
    if (err == PH_OK) {
        err = declare(pg, sql, values, count, error);
    }
    while (err == PH_OK && more) {
        err = visit_some(pg, visit, context, &more, error);
    }
    ph_pg_rollback(pg);
    return err;
}

/* ---- COPY. */

enum ph_err ph_pg_copy_begin(struct ph_pg *pg, const char *sql, struct ph_error *error)
{
    enum ph_err err = ph_pg_send(pg, sql, error);
    return err == PH_OK ? ph_pq_collect(pg, "copy", NULL, error) : err;
}

enum ph_err ph_pg_copy_data(struct ph_pg *pg, const void *bytes, size_t len, struct ph_error *error)
{
    enum { CHUNK_BYTES = 1 << 20 };
    int64_t deadline_ms = ph_pq_deadline(pg);
    enum ph_err err = ph_pq_check_usable(pg, "copy", error);
    for (size_t at = 0; at < len && err == PH_OK;) {
        size_t part = len - at < CHUNK_BYTES ? len - at : CHUNK_BYTES;
        int taken = PQputCopyData(pg->conn, (const char *)bytes + at, (int)part);
        if (taken < 0) {
            return ph_pq_fail_send(pg, "copy", error);
        }
        at += taken > 0 ? part : 0;
        err = ph_pq_flush(pg, "copy", deadline_ms, error);
    }
    return err;
}

enum ph_err ph_pg_copy_end(struct ph_pg *pg, int64_t *rows, struct ph_error *error)
{
    struct ph_pg_result *result = NULL;
    enum ph_err err = ph_pq_check_usable(pg, "copy", error);
    if (err == PH_OK && PQputCopyEnd(pg->conn, NULL) != 1) {
        err = ph_pq_fail_send(pg, "copy", error);
    }
    if (err == PH_OK) {
        err = ph_pq_collect(pg, "copy", &result, error);
    }
    if (err == PH_OK) {
        *rows = ph_pg_affected(result);
    }
    ph_pg_result_free(&result);
    return err;
}

/* ---- Transactions. */

enum ph_err ph_pg_begin(struct ph_pg *pg, struct ph_error *error)
{
    return ph_pg_exec(pg, "BEGIN", error);
}

/* A COMMIT that waits for a standby must not be cut short: the server would say that it has
 * committed, with no more than a warning. A failed transaction's COMMIT succeeds as a ROLLBACK. */
enum ph_err ph_pg_commit(struct ph_pg *pg, struct ph_error *error)
{
    struct ph_pg_result *result = NULL;
    enum ph_err err = ph_pq_check_usable(pg, "commit", error);
    if (err != PH_OK) {
        return err;
    }
    pg->warned = false;
    err = PQsendQuery(pg->conn, "SET LOCAL statement_timeout = 0; COMMIT") == 1
              ? ph_pq_collect(pg, "commit", &result, error)
              : ph_pq_fail_send(pg, "commit", error);
    if (result != NULL && strcmp(PQcmdStatus(result->result), "COMMIT") != 0) {
        err = ph_error_set(
            error, PH_ERR_INTERNAL, "%s: commit: the transaction had failed before", pg->name);
    } else if (err == PH_OK && pg->warned) {
        err = ph_pq_fail_lost(pg, "commit", pg->warning, error);
    }
    ph_pg_result_free(&result);
    return err;
}

/* A COPY that is under way must end first. */
static void abandon(struct ph_pg *pg)
{
    if (PQtransactionStatus(pg->conn) == PQTRANS_ACTIVE) {
        (void)PQputCopyEnd(pg->conn, "given up");
        if (ph_pq_collect(pg, "copy", NULL, NULL) == PH_OK) {
            pg->lost = true; /* it was to fail */
        }
    }
}

void ph_pg_rollback(struct ph_pg *pg)
{
    if (pg->lost) {
        return;
    }
    abandon(pg);
    PGTransactionStatusType status = PQtransactionStatus(pg->conn);
    if (status == PQTRANS_INTRANS || status == PQTRANS_INERROR) {
        if (ph_pg_exec(pg, "ROLLBACK", NULL) != PH_OK) {
            pg->lost = true;
        }
    }
}
