/* PostgreSQL behind a small surface: libpq's types appear nowhere outside its files. A handle
 * belongs to one thread at a time. Speaks to PostgreSQL 15 and later; what else speaks its protocol
 * may work.
 *
 * Location: a libpq URI, "postgresql://user@host1,host2/database?sslmode=verify-full&...". Several
 * hosts, target_session_attrs, client certificates (sslcert, sslkey, sslrootcert), pass files and
 * service files are libpq's. Unless the URI says otherwise: connect_timeout 5 s, keepalives within
 * 15 s, tcp_user_timeout 15 s, and target_session_attrs=read-write for a writer, so that a standby
 * is never taken for the primary. A password in the URI is refused: it would be shown by ps and in
 * logs; use a client certificate or a pass file.
 *
 * Error mapping: connection failures and shutting-down servers (SQLSTATE 08, 57P, 53, 25006)
 * PH_ERR_UNAVAILABLE; 40001, 40P01, 55P03 PH_ERR_BUSY; 42501 and 28 PH_ERR_PERMISSION (or DENIED);
 * 23 PH_ERR_EXISTS; 58 and XX PH_ERR_IO; 3D000 and 42P01 PH_ERR_NOT_FOUND; 22 PH_ERR_INPUT. The
 * message names host, port and database, never a password, and what the server said in one line. */
#ifndef PH_ADAPTERS_POSTGRES_H
#define PH_ADAPTERS_POSTGRES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct ph_pg;

/* Checks a location without connecting: a URI that libpq understands, without password.
 * PH_ERR_CONFIG. */
enum ph_err ph_pg_check(const char *uri, struct ph_error *error) PH_NODISCARD;

/* Connects; waits for at most the connect timeout of each host. Logs a warning when the server was
 * reached through TCP and sslmode is not verify-full. The session has UTC, plain ISO
 * dates, statement_timeout `timeout_ms` (0: none), lock_timeout as much, synchronous_commit on (a
 * database or role that says remote_apply keeps it), and the application name "ph-ingest". */
enum ph_err ph_pg_open(const char *uri, bool writer, int64_t timeout_ms, struct ph_pg **out,
    struct ph_error *error) PH_NODISCARD;
void ph_pg_close(struct ph_pg **pg);

/* "host:port/database" of the server that answered; borrowed. */
const char *ph_pg_name(const struct ph_pg *pg);

/* As in 150004. */
int ph_pg_version(const struct ph_pg *pg);

/* Runs one or more statements without parameters and results. */
enum ph_err ph_pg_exec(struct ph_pg *pg, const char *sql, struct ph_error *error) PH_NODISCARD;

/* Sends statements without waiting; ph_pg_poll() says when they are done. Nothing else may be done
 * with the handle meanwhile. */
enum ph_err ph_pg_send(struct ph_pg *pg, const char *sql, struct ph_error *error) PH_NODISCARD;

/* Waits for at most `wait_ms`; *done once everything sent has ended, or the connection is lost. The
 * error, once done, is that of the first that failed. */
enum ph_err ph_pg_poll(
    struct ph_pg *pg, int wait_ms, bool *done, struct ph_error *error) PH_NODISCARD;

/* A parameter: as text, or as bytes in the binary format of its type (of bytea: themselves). A type
 * that must be told is cast in the SQL, "$1::bigint". text NULL and bytes NULL: NULL. Borrowed for
 * the call. */
struct ph_pg_value {
    const char *text;
    const void *bytes;
    size_t len; /* of bytes */
};

/* One statement with parameters; its rows are all in memory in *result (NULL: not wanted). */
struct ph_pg_result;
enum ph_err ph_pg_query(struct ph_pg *pg, const char *sql, const struct ph_pg_value *values,
    size_t count, struct ph_pg_result **result, struct ph_error *error) PH_NODISCARD;

/* The same, prepared on the server under the statement's text at its first use. */
enum ph_err ph_pg_query_prepared(struct ph_pg *pg, const char *sql,
    const struct ph_pg_value *values, size_t count, struct ph_pg_result **result,
    struct ph_error *error) PH_NODISCARD;

/* NULL is allowed. */
void ph_pg_result_free(struct ph_pg_result **result);

/* How many rows the statement yielded, and how many it changed. */
size_t ph_pg_rows(const struct ph_pg_result *result);
int64_t ph_pg_affected(const struct ph_pg_result *result);

/* Rows and columns count from 0; text is borrowed from the result, NULL for NULL; numbers of NULL
 * are 0. Bytes are of a bytea column, decoded in place: each cell once. */
bool ph_pg_is_null(const struct ph_pg_result *result, size_t row, int column);
const char *ph_pg_text(const struct ph_pg_result *result, size_t row, int column);
int64_t ph_pg_int64(const struct ph_pg_result *result, size_t row, int column);
double ph_pg_double(const struct ph_pg_result *result, size_t row, int column);
bool ph_pg_bool(const struct ph_pg_result *result, size_t row, int column);
enum ph_err ph_pg_bytes(const struct ph_pg_result *result, size_t row, int column, void **bytes,
    size_t *len, struct ph_error *error) PH_NODISCARD; /* the caller frees *bytes */

/* Rows of a large result one by one, through a cursor in a read-only transaction of its own, a
 * thousand at a time: memory stays bounded, and nothing is locked that a writer needs. */
typedef enum ph_err ph_pg_visit(
    void *context, const struct ph_pg_result *result, size_t row, struct ph_error *error);
enum ph_err ph_pg_each(struct ph_pg *pg, const char *sql, const struct ph_pg_value *values,
    size_t count, ph_pg_visit *visit, void *context, struct ph_error *error) PH_NODISCARD;

/* COPY ... FROM STDIN (FORMAT binary): begin, any number of data, end. The caller writes the
 * format, header and trailer included. */
enum ph_err ph_pg_copy_begin(
    struct ph_pg *pg, const char *sql, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_pg_copy_data(
    struct ph_pg *pg, const void *bytes, size_t len, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_pg_copy_end(struct ph_pg *pg, int64_t *rows, struct ph_error *error) PH_NODISCARD;

/* BEGIN, COMMIT, ROLLBACK. A commit whose answer is lost with the connection is
 * PH_ERR_UNAVAILABLE, and may have happened. */
enum ph_err ph_pg_begin(struct ph_pg *pg, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_pg_commit(struct ph_pg *pg, struct ph_error *error) PH_NODISCARD;
void ph_pg_rollback(struct ph_pg *pg);

#endif
