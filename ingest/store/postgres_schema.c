#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ingest/store/postgres.h"

enum { OLDEST_SERVER = 150000 };

/* Under this and the name of the schema, makers of tables wait for each other. */
#define LOCK_SQL "SELECT pg_advisory_xact_lock(1885882702, hashtext(current_schema()))"

/* Step i takes version i to i + 1. `stream` is updated all the time, and no index holds what
 * changes: room in its pages keeps the new versions of rows beside the old ones. */
static const char *const steps[] = {
    "CREATE TABLE device("
    " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " tenant text NOT NULL, kind text NOT NULL, device text NOT NULL,"
    " streams bigint NOT NULL," /* rows of it in `stream` that have a number */
    " UNIQUE(tenant, kind, device));"
    "CREATE TABLE stream("
    " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " device bigint NOT NULL,"
    " stream bigint,"           /* 64 bits; NULL for the readings of a plain publisher */
    " version bigint NOT NULL," /* one more with each change: two writers notice each other */
    " through bigint NOT NULL," /* all from 1 to this are dealt with */
    " beyond text NOT NULL,"    /* ranges beyond the first gap: "1050-1060 1070-1070" */
    " stored bigint NOT NULL,"  /* rows ever written */
    " given_up bigint NOT NULL,"
    " latest jsonb," /* the newest reading's fields; NULL: none */
    " latest_seq bigint NOT NULL,"
    " latest_time timestamptz,"
    " latest_timing smallint,"
    " latest_certificate bigint,"
    " latest_unvouched smallint,"
    " received timestamptz," /* of the last message */
    " skew bigint,"          /* ms; NULL: the device never said */
    " UNIQUE NULLS NOT DISTINCT (device, stream)) WITH (fillfactor = 50);"
    "CREATE TABLE certificate("
    " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " fingerprint text NOT NULL, anchor text NOT NULL,"
    " tenant text NOT NULL, kind text NOT NULL, device text NOT NULL,"
    " first_seen bigint NOT NULL," /* ms since 1970 */
    " last_seen bigint NOT NULL,"  /* to the minute */
    " UNIQUE(tenant, kind, device, fingerprint, anchor));"
    "CREATE TABLE field("
    " kind text NOT NULL, position integer NOT NULL, name text NOT NULL, type text NOT NULL,"
    " unit text, description text, PRIMARY KEY(kind, name));"
    "CREATE TABLE partition("
    " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " kind text NOT NULL, name text NOT NULL UNIQUE,"
    " from_ms bigint NOT NULL, to_ms bigint NOT NULL," /* of reception, since 1970 */
    " first_time timestamptz, last_time timestamptz, rows bigint,"
    " state smallint NOT NULL," /* enum ph_postgres_partition */
    " UNIQUE(kind, from_ms));"
    "CREATE TABLE dropped(kind text PRIMARY KEY, rows bigint NOT NULL);"
    "CREATE TABLE dead_letter("
    " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " received timestamptz NOT NULL, reason text NOT NULL, topic text NOT NULL,"
    " device text,"   /* tenant/kind/device */
    " stream bigint," /* with ranges "1042-1042 1044-1050", or both NULL */
    " ranges text, payload bytea NOT NULL, anchor text, fingerprint text, unvouched smallint);"
    "CREATE TABLE letter_count("
    " device text PRIMARY KEY, kept bigint NOT NULL, bytes bigint NOT NULL,"
    " not_kept bigint NOT NULL);",

    "CREATE TABLE _beat(" /* signs of life, the last of each writer */
    " writer text PRIMARY KEY,"
    " at bigint NOT NULL,"    /* ms since 1970 */
    " every bigint NOT NULL," /* ms */
    " connected boolean NOT NULL,"
    " since bigint NOT NULL," /* when that became so; ms since 1970 */
    " version text NOT NULL) WITH (fillfactor = 50);",
};
enum { STEPS = sizeof steps / sizeof steps[0] };

struct ph_postgres_number ph_postgres_number(int64_t number)
{
    struct ph_postgres_number out;
    (void)snprintf(out.text, sizeof out.text, "%" PRId64, number);
    return out;
}

static enum ph_err check_server(const struct ph_pg *pg, struct ph_error *error)
{
    int version = ph_pg_version(pg);
    return version >= OLDEST_SERVER
               ? PH_OK
               : ph_error_set(error, PH_ERR_CONFIG,
                     "%s: server: want PostgreSQL 15 or later, have %d.%d; upgrade the server",
                     ph_pg_name(pg), version / 10000, version % 10000);
}

/* A server that says "committed" before the disk has it breaks what an acknowledgement promises;
 * it is somebody's decision, so it is not refused. Once per process. */
static enum ph_err check_durability(const struct postgres_store *store, struct ph_error *error)
{
    static atomic_flag warned = ATOMIC_FLAG_INIT;
    struct ph_pg_result *result = NULL;
    enum ph_err err = ph_pg_query(store->pg,
        "SELECT name || ' = ' || setting FROM pg_settings WHERE setting = 'off'"
        " AND name IN ('fsync', 'full_page_writes', 'synchronous_commit') ORDER BY name",
        NULL, 0, &result, error);
    if (err == PH_OK && ph_pg_rows(result) > 0 && !atomic_flag_test_and_set(&warned)) {
        ph_log(PH_LOG_WARNING, "the database may lose acknowledged readings when its host fails",
            PH_STR("server", ph_pg_name(store->pg)), PH_STR("setting", ph_pg_text(result, 0, 0)));
    }
    ph_pg_result_free(&result);
    return err;
}

/* 0 when there is no schema yet. */
static enum ph_err read_version(struct ph_pg *pg, int64_t *version, struct ph_error *error)
{
    struct ph_pg_result *result = NULL;
    enum ph_err err = ph_pg_query(pg,
        "SELECT current_schema(),"
        " to_regclass(quote_ident(current_schema()) || '.meta') IS NOT NULL",
        NULL, 0, &result, error);
    if (err == PH_OK && ph_pg_is_null(result, 0, 0)) {
        err = ph_error_set(error, PH_ERR_CONFIG,
            "%s: schema: search_path names none that exists; make one, or set it for this role",
            ph_pg_name(pg));
    }
    bool have = err == PH_OK && ph_pg_bool(result, 0, 1);
    ph_pg_result_free(&result);
    if (!have) {
        *version = 0;
        return err;
    }
    err = ph_pg_query(pg, "SELECT version FROM meta", NULL, 0, &result, error);
    if (err == PH_OK && ph_pg_rows(result) == 1) {
        *version = ph_pg_int64(result, 0, 0);
    } else if (err == PH_OK) {
        err = ph_error_set(error, PH_ERR_INPUT,
            "%s: table meta: want one row; this schema is not ours, name another", ph_pg_name(pg));
    }
    ph_pg_result_free(&result);
    return err;
}

static enum ph_err check_version(
    const struct postgres_store *store, int64_t version, struct ph_error *error)
{
    if (version > STEPS) {
        return ph_error_set(error, PH_ERR_INPUT,
            "%s: schema version: want at most %d, have %" PRId64
            ": written by a newer program; upgrade this one",
            ph_pg_name(store->pg), STEPS, version);
    }
    if (!store->writer && version == 0) {
        return ph_error_set(error, PH_ERR_NOT_FOUND,
            "%s: schema: no store in it; run ph-ingest once, it makes one", ph_pg_name(store->pg));
    }
    if (!store->writer && version < STEPS) {
        return ph_error_set(error, PH_ERR_INPUT,
            "%s: schema version: want %d, have %" PRId64 ": run ph-ingest once, it upgrades it",
            ph_pg_name(store->pg), STEPS, version);
    }
    return PH_OK;
}

enum ph_err ph_postgres_lock(struct ph_pg *pg, struct ph_error *error)
{
    return ph_pg_exec(pg, LOCK_SQL, error);
}

static enum ph_err save_version(struct ph_pg *pg, int64_t from, struct ph_error *error)
{
    const struct ph_postgres_number version = ph_postgres_number(STEPS);
    const struct ph_pg_value values[] = {{.text = version.text}};
    enum ph_err err = from > 0 ? PH_OK
                               : ph_pg_exec(pg,
                                     "CREATE TABLE meta(version integer NOT NULL);"
                                     "INSERT INTO meta(version) VALUES (0)",
                                     error);
    return err == PH_OK
               ? ph_pg_query(pg, "UPDATE meta SET version = $1::integer", values, 1, NULL, error)
               : err;
}

/* All steps in one transaction; another process may have been faster. */
static enum ph_err upgrade(struct ph_pg *pg, struct ph_error *error)
{
    int64_t version = 0;
    enum ph_err err = ph_pg_begin(pg, error);
    if (err == PH_OK) {
        err = ph_postgres_lock(pg, error);
    }
    if (err == PH_OK) {
        err = read_version(pg, &version, error);
    }
    int64_t from = version;
    for (; version < STEPS && err == PH_OK; version++) {
        err = ph_pg_exec(pg, steps[version], error);
    }
    if (err == PH_OK && from < STEPS) {
        err = save_version(pg, from, error);
    }
    if (err == PH_OK) {
        err = ph_pg_commit(pg, error);
    }
    if (err != PH_OK) {
        ph_pg_rollback(pg);
    }
    return err;
}

enum ph_err ph_postgres_migrate(struct postgres_store *store, struct ph_error *error)
{
    int64_t version = 0;
    enum ph_err err = check_server(store->pg, error);
    if (err == PH_OK) {
        err = read_version(store->pg, &version, error);
    }
    if (err == PH_OK) {
        err = check_version(store, version, error);
    }
    if (err != PH_OK || !store->writer) {
        return err;
    }
    if (version < STEPS) {
        err = upgrade(store->pg, error);
    }
    return err == PH_OK ? check_durability(store, error) : err;
}
