#include "certs/acts.h"

#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "certs/inventory_internal.h"
#include "x509/digest.h"

enum {
    ACT_BYTES = 17,
    WHAT_BYTES = 257,
    DETAIL_BYTES = 5 * PH_ACT_DETAIL_BYTES, /* every byte escaped */
    RECORD_BYTES = 8 * DETAIL_BYTES         /* texts as long as that are read, and hashed */
};

static const char first_hash[] = /* what stands before the first record */
    "0000000000000000000000000000000000000000000000000000000000000000";

/* What a record's hash covers besides the hash before it. */
enum { WHO, ACT, WHAT, WHY, DETAIL, TEXTS };

struct record {
    int64_t id;
    int64_t time_ms;
    const char *texts[TEXTS];
};

/* SHA-256 of the hash before, id, time and texts, each with a newline behind it. */
static enum ph_err hash_record(char out[PH_SHA256_HEX_BYTES], const char *before,
    const struct record *record, struct ph_error *error)
{
    struct ph_buf text;
    ph_buf_init(&text, RECORD_BYTES);
    enum ph_err err = ph_buf_printf(
        &text, "%s\n%lld\n%lld\n", before, (long long)record->id, (long long)record->time_ms);
    for (int i = 0; err == PH_OK && i < TEXTS; i++) {
        err = ph_buf_printf(&text, "%s\n", record->texts[i]);
    }
    if (err == PH_OK && !ph_sha256_hex(out, text.data, text.len)) {
        err = PH_ERR_MEMORY;
    }
    ph_buf_fini(&text);
    return err == PH_OK
               ? PH_OK
               : ph_error_set(error, err, "act %lld: cannot be hashed", (long long)record->id);
}

/* ---- adding ---- */

/* The texts of a record as they are stored: one clean line each. */
struct draft {
    char who[PH_WHO_BYTES];
    char act[ACT_BYTES];
    char what[WHAT_BYTES];
    char why[PH_WHY_BYTES];
    char detail[DETAIL_BYTES];
};

/* What a log should not show becomes \xNN, and in JSON, which is to stay JSON, \\xNN. */
static enum ph_err escape_detail(char out[DETAIL_BYTES], const char *detail, struct ph_error *error)
{
    char clean[4 * PH_ACT_DETAIL_BYTES];
    if (strlen(detail) >= PH_ACT_DETAIL_BYTES) {
        return ph_error_set(error, PH_ERR_LIMIT,
            "log of acts: detail: want at most %d bytes, have %zu", PH_ACT_DETAIL_BYTES - 1,
            strlen(detail));
    }
    ph_text_escape(clean, sizeof clean, detail);
    for (const char *from = clean; *from != '\0'; detail++) {
        if (*from != *detail) {
            *out++ = '\\';
            memcpy(out, from, 3);
            out += 3;
            from += 3;
        }
        *out++ = *from++;
    }
    *out = '\0';
    return PH_OK;
}

static enum ph_err draft_record(
    struct draft *draft, const struct ph_act *act, struct record *record, struct ph_error *error)
{
    ph_text_escape(draft->who, sizeof draft->who, act->who);
    ph_text_escape(draft->act, sizeof draft->act, act->act);
    ph_text_escape(draft->what, sizeof draft->what, act->what);
    ph_text_escape(draft->why, sizeof draft->why, act->why != NULL ? act->why : "");
    *record = (struct record){.time_ms = act->time_ms,
        .texts = {draft->who, draft->act, draft->what, draft->why, draft->detail}};
    return escape_detail(draft->detail, act->detail != NULL ? act->detail : "{}", error);
}

/* The id of the next record, and the hash that it continues. */
static enum ph_err read_end(struct ph_inventory *inventory, int64_t *id,
    char before[PH_SHA256_HEX_BYTES], struct ph_error *error)
{
    struct ph_stmt *last = NULL;
    bool found = false;
    enum ph_err err = ph_inventory_kept(inventory, PH_KEPT_ACT_LAST,
        "SELECT id, hash FROM act ORDER BY id DESC LIMIT 1", &last, error);
    if (err != PH_OK) {
        return err;
    }
    *id = 1;
    memcpy(before, first_hash, sizeof first_hash);
    err = ph_stmt_step(last, &found, error);
    if (err == PH_OK && found) {
        struct ph_row row = {.stmt = last};
        *id = ph_row_int64(&row, 0, 1);
        ph_row_hex(&row, 1, before, PH_SHA256_HEX_BYTES);
        row.bad = row.bad || *id == INT64_MAX;
        *id += row.bad ? 0 : 1;
        err = ph_row_check(&row, inventory, "act", error);
    }
    ph_stmt_reset(last);
    return err;
}

static enum ph_err insert(struct ph_inventory *inventory, const struct record *record,
    const char *hash, struct ph_error *error)
{
    struct ph_stmt *add = NULL;
    enum ph_err err = ph_inventory_kept(inventory, PH_KEPT_ACT_ADD,
        "INSERT INTO act (id, time_ms, who, act, what, why, detail, hash)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        &add, error);
    if (err != PH_OK) {
        return err;
    }
    ph_stmt_bind_int64(add, 1, record->id);
    ph_stmt_bind_int64(add, 2, record->time_ms);
    for (int i = 0; i < TEXTS; i++) {
        ph_stmt_bind_text(add, 3 + i, record->texts[i]);
    }
    ph_stmt_bind_text(add, 8, hash);
    return ph_stmt_run(add, error);
}

enum ph_err ph_act_add(
    struct ph_inventory *inventory, const struct ph_act *act, struct ph_error *error)
{
    struct draft draft;
    struct record record = {0};
    char before[PH_SHA256_HEX_BYTES];
    char hash[PH_SHA256_HEX_BYTES];
    enum ph_err err = draft_record(&draft, act, &record, error);
    if (err == PH_OK) {
        err = read_end(inventory, &record.id, before, error);
    }
    if (err == PH_OK) {
        err = hash_record(hash, before, &record, error);
    }
    return err == PH_OK ? insert(inventory, &record, hash, error) : err;
}

/* ---- reading ---- */

struct visitor {
    ph_act_visit *visit;
    void *context;
};

/* Texts are borrowed from `stmt`. False when one is not a clean line of text. */
static bool read_record(const struct ph_stmt *stmt, struct record *record, const char **hash)
{
    *record = (struct record){.id = ph_stmt_int64(stmt, 0), .time_ms = ph_stmt_int64(stmt, 1)};
    size_t len = 0;
    bool clean = ph_stmt_column_type(stmt, 1) == PH_COLUMN_INTEGER;
    for (int column = 2; clean && column < 8; column++) {
        const char *text = ph_stmt_text(stmt, column);
        (void)ph_stmt_bytes(stmt, column, &len);
        clean = text != NULL && len < DETAIL_BYTES && ph_text_clean(text, len);
        if (column < 7) {
            record->texts[column - 2] = text;
        } else {
            *hash = text;
        }
    }
    return clean;
}

static enum ph_err visit_row(struct ph_inventory *inventory, const struct ph_stmt *stmt,
    void *context, struct ph_error *error)
{
    const struct visitor *visitor = context;
    struct record record;
    const char *hash = NULL;
    struct ph_row row = {.stmt = stmt, .bad = !read_record(stmt, &record, &hash)};
    enum ph_err err = ph_row_check(&row, inventory, "act", error);
    if (err != PH_OK) {
        return err;
    }
    const struct ph_act act = {.id = record.id,
        .time_ms = record.time_ms,
        .who = record.texts[WHO],
        .act = record.texts[ACT],
        .what = record.texts[WHAT],
        .why = record.texts[WHY],
        .detail = record.texts[DETAIL],
        .hash = hash};
    return visitor->visit(&act, visitor->context, error);
}

#define RECORDS                                                                                    \
    "SELECT id, time_ms, who, act, what, why, detail, hash FROM act WHERE id >= ?1 ORDER BY id"

static enum ph_err each_row(struct ph_inventory *inventory, int64_t from_id, ph_row_read *read,
    void *context, struct ph_error *error)
{
    struct ph_stmt *stmt = NULL;
    enum ph_err err = ph_stmt_prepare(inventory->db, RECORDS, &stmt, error);
    if (err == PH_OK) {
        ph_stmt_bind_int64(stmt, 1, from_id);
        err = ph_inventory_rows(inventory, stmt, read, context, error);
    }
    ph_stmt_free(&stmt);
    return err;
}

enum ph_err ph_act_each(struct ph_inventory *inventory, int64_t from_id, ph_act_visit *visit,
    void *context, struct ph_error *error)
{
    struct visitor visitor = {visit, context};
    return each_row(inventory, from_id, visit_row, &visitor, error);
}

/* ---- verifying ---- */

struct chain {
    char before[PH_SHA256_HEX_BYTES]; /* hash that the next record continues */
    int64_t last;                     /* id of the record before; 0: none */
    int64_t count;
    int64_t fault; /* id of the record that does not fit; what follows says how; 0: none */
};

static enum ph_err broken(
    const struct ph_inventory *inventory, int64_t id, const char *how, struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_DENIED, "%s: log of acts: record %lld: %s",
        ph_db_path(inventory->db), (long long)id, how);
}

/* The record behind one that does not fit: when it fits to the hash that is written there, that
 * record was edited; otherwise the records are not in the order in which they were written. */
static enum ph_err explain(const struct ph_inventory *inventory, const struct chain *chain,
    bool next_fits, struct ph_error *error)
{
    return broken(inventory, chain->fault,
        next_fits ? "it was changed after it was written"
                  : "it does not follow the one before: records were removed, put in or moved here",
        error);
}

static enum ph_err check_row(struct ph_inventory *inventory, const struct ph_stmt *stmt,
    void *context, struct ph_error *error)
{
    struct chain *chain = context;
    struct record record;
    const char *hash = NULL;
    char want[PH_SHA256_HEX_BYTES];
    bool clean = read_record(stmt, &record, &hash);
    if (chain->fault == 0 && record.id != chain->last + 1) {
        return broken(inventory, chain->last + 1,
            record.id > chain->last ? "it is missing" : "records stand before the first", error);
    }
    if (!clean) {
        return chain->fault != 0 ? explain(inventory, chain, false, error)
                                 : broken(inventory, record.id,
                                       "it was changed: it is not text of one line each", error);
    }
    enum ph_err err = hash_record(want, chain->before, &record, error);
    if (err != PH_OK) {
        return err;
    }
    bool fits = strcmp(want, hash) == 0;
    if (chain->fault != 0) {
        return explain(inventory, chain, fits, error);
    }
    chain->fault = fits ? 0 : record.id;
    chain->last = record.id;
    chain->count += fits ? 1 : 0;
    return ph_text_copy(chain->before, sizeof chain->before, hash)
               ? PH_OK
               : broken(inventory, record.id, "it was changed: its hash is too long", error);
}

enum ph_err ph_act_verify(
    struct ph_inventory *inventory, char head[65], int64_t *count, struct ph_error *error)
{
    struct chain chain = {0};
    memcpy(chain.before, first_hash, sizeof first_hash);
    enum ph_err err = each_row(inventory, INT64_MIN, check_row, &chain, error);
    if (err == PH_OK && chain.fault != 0) {
        err = broken(inventory, chain.fault, "the last one: it was changed or put in", error);
    }
    if (err == PH_OK) {
        memcpy(head, chain.before, sizeof chain.before);
        *count = chain.count;
    }
    return err;
}
