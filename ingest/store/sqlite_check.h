/* Inside the SQLite store's check: what its two files share.
 *
 * Everything happens in one read transaction over temporary tables that go with it:
 *
 *   ranges    what dead letters stand for
 *   known     one kind's streams, with a name for people
 *   covered   what their marks cover, a row per range
 *   seen      the kind's numbered readings
 *   counted   its rows per stream (and partition)
 *   newest    the rows that `known` calls the newest
 *
 * A rule is a statement that yields (what, where) for each fault. */
#ifndef PH_STORE_SQLITE_CHECK_H
#define PH_STORE_SQLITE_CHECK_H

#include "ingest/store/sqlite_result.h"

struct sqlite_check {
    struct ph_db *db;
    const struct ph_rows *rows;
    int64_t *faults;
};

/* Counts a fault, and hands its row on. */
enum ph_err ph_sqlite_report(const struct sqlite_check *check, const char *what, const char *where,
    struct ph_error *error) PH_NODISCARD;

/* Reports what a rule yields; a kind that is not NULL is its ?1. */
enum ph_err ph_sqlite_apply(const struct sqlite_check *check, const char *rule, const char *kind,
    struct ph_error *error) PH_NODISCARD;

/* sqlite_check_streams.c: fills `known` and `covered`, and reports marks that cannot be read. */
enum ph_err ph_sqlite_check_marks(
    const struct sqlite_check *check, const char *kind, struct ph_error *error) PH_NODISCARD;

/* Holds the kind's streams against its rows, once all the tables are filled. */
enum ph_err ph_sqlite_check_streams(
    const struct sqlite_check *check, const char *kind, struct ph_error *error) PH_NODISCARD;

#endif
