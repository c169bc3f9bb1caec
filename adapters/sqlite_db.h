/* Inside the SQLite adapter: what its files share, without a type of sqlite3. Nobody else includes
 * this. */
#ifndef PH_ADAPTERS_SQLITE_DB_H
#define PH_ADAPTERS_SQLITE_DB_H

#include "adapters/sqlite.h"

/* Opened with PH_DB_READ. */
bool ph_db_is_read_only(const struct ph_db *db);

/* The first column of a statement's first row; *out stays as it was when there is none. */
enum ph_err ph_db_query_int64(
    struct ph_db *db, const char *sql, int64_t *out, struct ph_error *error) PH_NODISCARD;

/* Puts the database into WAL mode, for good. PH_ERR_IO where the file system cannot do it. */
enum ph_err ph_db_use_wal(struct ph_db *db, struct ph_error *error) PH_NODISCARD;

#endif
