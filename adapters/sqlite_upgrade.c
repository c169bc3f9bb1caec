#include "adapters/sqlite.h"

#include <stdio.h>
#include <stdlib.h>

#include "adapters/sqlite_db.h"

struct header {
    int64_t application_id;
    int64_t user_version;
    int64_t objects;
};

static enum ph_err read_header(struct ph_db *db, struct header *header, struct ph_error *error)
{
    enum ph_err err =
        ph_db_query_int64(db, "PRAGMA application_id", &header->application_id, error);
    if (err == PH_OK) {
        err = ph_db_query_int64(db, "PRAGMA user_version", &header->user_version, error);
    }
    if (err == PH_OK) {
        err = ph_db_query_int64(db, "SELECT count(*) FROM sqlite_schema", &header->objects, error);
    }
    return err;
}

static enum ph_err check_header(const struct ph_db *db, const struct header *header,
    int32_t application_id, int count, struct ph_error *error)
{
    bool empty = header->application_id == 0 && header->user_version == 0 && header->objects == 0;
    if (!empty && header->application_id != application_id) {
        return ph_error_set(error, PH_ERR_INPUT,
            "%s: application id: want 0x%08x, have 0x%08x: this database belongs to something "
            "else; name another file",
            ph_db_path(db), (unsigned)application_id, (unsigned)header->application_id);
    }
    if (header->user_version > count) {
        return ph_error_set(error, PH_ERR_INPUT,
            "%s: schema version: want at most %d, have %lld: written by a newer program; upgrade "
            "this one",
            ph_db_path(db), count, (long long)header->user_version);
    }
    if (ph_db_is_read_only(db) && header->user_version != count) {
        return ph_error_set(error, PH_ERR_INPUT,
            "%s: schema version: want %d, have %lld: run the program that writes this database "
            "once, it upgrades the schema",
            ph_db_path(db), count, (long long)header->user_version);
    }
    return PH_OK;
}

static enum ph_err run_step(struct ph_db *db, int32_t application_id, const struct ph_db_step *step,
    int version, struct ph_error *error)
{
    char pragma[96];
    enum ph_err err = step->sql != NULL ? ph_db_exec(db, step->sql, error) : PH_OK;
    if (err == PH_OK && step->run != NULL) {
        err = step->run(db, error);
    }
    if (err == PH_OK) {
        (void)snprintf(pragma, sizeof pragma, "PRAGMA application_id=%ld; PRAGMA user_version=%d",
            (long)application_id, version);
        err = ph_db_exec(db, pragma, error);
    }
    return err;
}

/* One step in one transaction; does nothing when another process was faster. */
static enum ph_err migrate_step(struct ph_db *db, int32_t application_id,
    const struct ph_db_step *step, int from, struct ph_error *error)
{
    struct header header = {0};
    enum ph_err err = ph_db_begin(db, error);
    if (err != PH_OK) {
        return err;
    }
    err = read_header(db, &header, error);
    if (err == PH_OK && header.user_version == from) {
        err = run_step(db, application_id, step, from + 1, error);
    }
    if (err == PH_OK) {
        return ph_db_commit(db, error);
    }
    ph_db_rollback(db);
    return ph_error_prefix(error, err, "schema version %d", from + 1);
}

enum ph_err ph_db_upgrade(struct ph_db *db, int32_t application_id, const struct ph_db_step *steps,
    int count, struct ph_error *error)
{
    struct header header = {0};
    enum ph_err err = read_header(db, &header, error);
    if (err == PH_OK) {
        err = check_header(db, &header, application_id, count, error);
    }
    if (err != PH_OK || ph_db_is_read_only(db)) {
        return err;
    }
    err = ph_db_use_wal(db, error);
    for (int step = (int)header.user_version; step < count && err == PH_OK; step++) {
        err = migrate_step(db, application_id, &steps[step], step, error);
    }
    return err;
}

enum ph_err ph_db_migrate(struct ph_db *db, int32_t application_id, const char *const *steps,
    int count, struct ph_error *error)
{
    struct ph_db_step *with = calloc((size_t)count + 1, sizeof *with);
    if (with == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: schema: out of memory", ph_db_path(db));
    }
    for (int i = 0; i < count; i++) {
        with[i].sql = steps[i];
    }
    enum ph_err err = ph_db_upgrade(db, application_id, with, count, error);
    free(with);
    return err;
}
