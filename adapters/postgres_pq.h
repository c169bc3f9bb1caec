/* Inside the PostgreSQL adapter: what its files share. Nobody else includes this. */
#ifndef PH_ADAPTERS_POSTGRES_PQ_H
#define PH_ADAPTERS_POSTGRES_PQ_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "adapters/postgres.h"
#include "base/map.h"

enum { PH_PQ_NAME_BYTES = 320, PH_PQ_TEXT_BYTES = 512 };

struct ph_pg {
    PGconn *conn;
    char name[PH_PQ_NAME_BYTES];
    int64_t timeout_ms; /* 0: none */
    bool lost;          /* closed by the peer, or given up: nothing works any more */
    bool warned;        /* the server has sent a warning since this was last cleared */
    char warning[PH_PQ_TEXT_BYTES];
    struct ph_map *prepared; /* text of a statement: its name on the server */
    enum ph_err sent_err;    /* of what ph_pg_send() has sent */
    struct ph_error sent_error;
};

struct ph_pg_result {
    PGresult *result;
};

/* The connection is of no use any more: PH_ERR_UNAVAILABLE with what was said, or "connection
 * lost". */
enum ph_err ph_pq_fail_lost(
    struct ph_pg *pg, const char *doing, const char *said, struct ph_error *error) PH_NODISCARD;

/* The same with what libpq says. */
enum ph_err ph_pq_fail_send(
    struct ph_pg *pg, const char *doing, struct ph_error *error) PH_NODISCARD;

/* What the server says, with the code that goes with its SQLSTATE. */
enum ph_err ph_pq_fail_result(struct ph_pg *pg, const PGresult *result, const char *doing,
    struct ph_error *error) PH_NODISCARD;

/* PH_ERR_UNAVAILABLE once the connection is lost. */
enum ph_err ph_pq_check_usable(
    struct ph_pg *pg, const char *doing, struct ph_error *error) PH_NODISCARD;

/* True for a result that is no failure. */
bool ph_pq_is_good(const PGresult *result);

/* When a wait that begins now ends, by the monotonic clock. */
int64_t ph_pq_deadline(const struct ph_pg *pg);

/* Waits until the socket is ready (events of poll(2)), for a second at most: then whoever waits has
 * a look for himself. False when the deadline has passed. */
bool ph_pq_wait(struct ph_pg *pg, short events, int64_t deadline_ms);

/* Sends what libpq has buffered. PH_OK also when the connection broke meanwhile: the result says
 * so. */
enum ph_err ph_pq_flush(
    struct ph_pg *pg, const char *doing, int64_t deadline_ms, struct ph_error *error) PH_NODISCARD;

/* Takes all results of what was sent, up to where a COPY wants data; the last one goes to *out
 * (NULL: not wanted), and the first failure is what is returned. */
enum ph_err ph_pq_collect(struct ph_pg *pg, const char *doing, struct ph_pg_result **out,
    struct ph_error *error) PH_NODISCARD;

#endif
