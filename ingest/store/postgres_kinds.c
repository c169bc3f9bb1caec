#include <stdlib.h>
#include <string.h>

#include "ingest/store/postgres.h"
#include "ingest/store/postgres_rows.h"

/* Names of partitions and their indexes are made from a kind's, and PostgreSQL's are cut at 63. */
enum { KIND_BYTES = 32 };

static enum ph_err check_name(const char *kind, struct ph_error *error)
{
    static const char *const reserved[] = {"device", "stream", "field", "dead_letter",
        "letter_count", "certificate", "meta", "partition", "dropped"};
    if (strlen(kind) > KIND_BYTES) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "kind %s: name: want at most %d bytes in a PostgreSQL store; name the kind otherwise",
            kind, KIND_BYTES);
    }
    bool bad = !ph_field_name_valid(kind) || strncmp(kind, "reading_", 8) == 0 ||
               strncmp(kind, "pg_", 3) == 0;
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0] && !bad; i++) {
        bad = strcmp(kind, reserved[i]) == 0;
    }
    return bad ? ph_error_set(error, PH_ERR_CONFIG,
                     "kind %s: name: taken by the store itself; name the kind otherwise", kind)
               : PH_OK;
}

static const char *sql_type(enum ph_field_type type)
{
    switch (type) {
    case PH_FIELD_NUMBER:
        return "double precision";
    case PH_FIELD_INTEGER:
        return "bigint";
    case PH_FIELD_BOOLEAN:
        return "boolean";
    case PH_FIELD_TEXT:
    case PH_FIELD_ENUM:
        break;
    }
    return "text";
}

static enum ph_err run(struct ph_pg *pg, struct ph_sql *sql, struct ph_error *error)
{
    const char *text = ph_sql_text(sql, error);
    enum ph_err err = text != NULL ? ph_pg_exec(pg, text, error) : sql->err;
    ph_sql_fini(sql);
    return err;
}

/* ---- What the store has of a kind. */

enum { FIELD_NAME, FIELD_TYPE, FIELD_UNIT, FIELD_DESCRIPTION };

struct known_kind {
    struct ph_pg_result *fields; /* columns as above */
    bool table;
    bool view;
    bool partitioned;
};

static enum ph_err look_up_relations(
    struct ph_pg *pg, const char *kind, struct known_kind *out, struct ph_error *error)
{
    const struct ph_pg_value values[] = {{.text = kind}};
    struct ph_pg_result *result = NULL;
    enum ph_err err = ph_pg_query(pg,
        "SELECT c.relkind = 'v', c.relkind = 'p' FROM pg_class c JOIN pg_namespace n"
        " ON n.oid = c.relnamespace WHERE n.nspname = current_schema()"
        " AND c.relname IN ($1::text, 'reading_' || $1::text)",
        values, 1, &result, error);
    for (size_t i = 0; err == PH_OK && i < ph_pg_rows(result); i++) {
        bool view = ph_pg_bool(result, i, 0);
        out->view = out->view || view;
        out->table = out->table || !view;
        out->partitioned = out->partitioned || ph_pg_bool(result, i, 1);
    }
    ph_pg_result_free(&result);
    return err;
}

static enum ph_err look_up(
    struct ph_pg *pg, const char *kind, struct known_kind *out, struct ph_error *error)
{
    const struct ph_pg_value values[] = {{.text = kind}};
    *out = (struct known_kind){0};
    enum ph_err err = look_up_relations(pg, kind, out, error);
    return err != PH_OK ? err
                        : ph_pg_query(pg,
                              "SELECT name, type, unit, description FROM field"
                              " WHERE kind = $1::text ORDER BY position",
                              values, 1, &out->fields, error);
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* The row of the field; their number when the store does not know it. */
static size_t find_known(const struct known_kind *known, const char *name)
{
    size_t i = 0;
    while (i < ph_pg_rows(known->fields) &&
           strcmp(ph_pg_text(known->fields, i, FIELD_NAME), name) != 0) {
        i++;
    }
    return i;
}

static enum ph_err check_type(const struct ph_pg *pg, const char *kind,
    const struct ph_field_rule *field, const char *have, struct ph_error *error)
{
    const char *want = ph_field_type_name(field->type);
    bool texts = strcmp(sql_type(field->type), "text") == 0 &&
                 (strcmp(have, ph_field_type_name(PH_FIELD_TEXT)) == 0 ||
                     strcmp(have, ph_field_type_name(PH_FIELD_ENUM)) == 0);
    if (texts || strcmp(have, want) == 0) {
        return PH_OK;
    }
    return ph_error_set(error, PH_ERR_CONFIG,
        "kind %s: field %s: type: the store %s has it as %s, the kinds file says %s; give the "
        "field another name",
        kind, field->name, ph_pg_name(pg), have, want);
}

/* PH_ERR_CONFIG when the store contradicts the declaration; *lacks when it lacks some of it. */
static enum ph_err compare(const struct ph_pg *pg, const struct ph_kind *kind,
    const struct known_kind *known, bool *lacks, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    *lacks = !known->table || !known->view;
    for (size_t i = 0; i < kind->field_count && err == PH_OK; i++) {
        const struct ph_field_rule *field = &kind->fields[i];
        size_t row = find_known(known, field->name);
        if (row == ph_pg_rows(known->fields)) {
            *lacks = true;
            continue;
        }
        const char *type = ph_pg_text(known->fields, row, FIELD_TYPE);
        err = check_type(pg, kind->name, field, type, error);
        *lacks = *lacks || !same_text(type, ph_field_type_name(field->type)) ||
                 !same_text(ph_pg_text(known->fields, row, FIELD_UNIT), field->unit) ||
                 !same_text(ph_pg_text(known->fields, row, FIELD_DESCRIPTION), field->description);
    }
    return err;
}

/* ---- Tables. */

static enum ph_err add_table(struct ph_pg *pg, const char *kind, struct ph_error *error)
{
    struct ph_sql sql;
    ph_sql_init(&sql);
    ph_sql_add(&sql, "CREATE TABLE \"reading_");
    ph_sql_add(&sql, kind);
    ph_sql_add(&sql, "\"(_stream bigint NOT NULL, _device bigint NOT NULL, _seq bigint,"
                     " _time timestamptz NOT NULL, _received timestamptz NOT NULL,"
                     " _timing smallint NOT NULL, _certificate bigint, _unvouched smallint,"
                     " _extra jsonb) PARTITION BY RANGE (_received)");
    return run(pg, &sql, error);
}

static enum ph_err add_column(
    struct ph_pg *pg, const char *kind, const struct ph_field_rule *field, struct ph_error *error)
{
    struct ph_sql sql;
    ph_sql_init(&sql);
    ph_sql_add(&sql, "ALTER TABLE \"reading_");
    ph_sql_add(&sql, kind);
    ph_sql_add(&sql, "\" ADD COLUMN \"");
    ph_sql_add(&sql, field->name);
    ph_sql_add(&sql, "\" ");
    ph_sql_add(&sql, sql_type(field->type));
    return run(pg, &sql, error);
}

static enum ph_err save_field(
    struct ph_pg *pg, const char *kind, const struct ph_field_rule *field, struct ph_error *error)
{
    const struct ph_pg_value values[] = {{.text = kind}, {.text = field->name},
        {.text = ph_field_type_name(field->type)}, {.text = field->unit},
        {.text = field->description}};
    return ph_pg_query(pg,
        "INSERT INTO field(kind, position, name, type, unit, description)"
        " VALUES ($1, (SELECT count(*) FROM field WHERE kind = $1), $2, $3, $4, $5)"
        " ON CONFLICT(kind, name) DO UPDATE SET type = $3, unit = $4, description = $5",
        values, 5, NULL, error);
}

/* Unit and description, where whoever looks at the table or the view finds them. The server quotes
 * what the statement is made of. */
static enum ph_err comment(
    struct ph_pg *pg, const char *kind, const struct ph_field_rule *field, struct ph_error *error)
{
    const struct ph_pg_value values[] = {
        {.text = kind}, {.text = field->name}, {.text = field->description}, {.text = field->unit}};
    struct ph_pg_result *result = NULL;
    enum ph_err err = ph_pg_query(pg,
        "SELECT format('COMMENT ON COLUMN %I.%I IS %L; COMMENT ON COLUMN %I.%I IS %L',"
        " 'reading_' || $1::text, $2::text, text, $1::text, $2::text, text)"
        " FROM concat_ws('; ', $3::text, 'unit: ' || $4::text) text",
        values, 4, &result, error);
    if (err == PH_OK) {
        err = ph_pg_exec(pg, ph_pg_text(result, 0, 0), error);
    }
    ph_pg_result_free(&result);
    return err;
}

/* ---- Extension. */

static enum ph_err extend_kind(struct ph_pg *pg, const struct ph_kind *kind, struct ph_error *error)
{
    struct known_kind known = {0};
    enum ph_err err = look_up(pg, kind->name, &known, error);
    if (err == PH_OK && !known.table) {
        err = add_table(pg, kind->name, error);
    }
    for (size_t i = 0; i < kind->field_count && err == PH_OK; i++) {
        if (find_known(&known, kind->fields[i].name) == ph_pg_rows(known.fields)) {
            err = add_column(pg, kind->name, &kind->fields[i], error);
        }
        if (err == PH_OK) {
            err = save_field(pg, kind->name, &kind->fields[i], error);
        }
    }
    if (err == PH_OK) {
        err = ph_postgres_make_view(pg, kind->name, error);
    }
    for (size_t i = 0; i < kind->field_count && err == PH_OK; i++) {
        err = comment(pg, kind->name, &kind->fields[i], error);
    }
    ph_pg_result_free(&known.fields);
    return err;
}

/* Changing a table that is read needs a lock that holds up every writer of it while it is waited
 * for: not for long. */
static enum ph_err extend(struct ph_pg *pg, const struct ph_kind *kind, struct ph_error *error)
{
    enum ph_err err = ph_pg_begin(pg, error);
    if (err == PH_OK) {
        err = ph_postgres_lock(pg, error);
    }
    if (err == PH_OK) {
        err = ph_pg_exec(pg, "SET LOCAL lock_timeout = '1s'", error);
    }
    if (err == PH_OK) {
        err = extend_kind(pg, kind, error);
    }
    if (err == PH_OK) {
        err = ph_pg_commit(pg, error);
    }
    if (err != PH_OK) {
        ph_pg_rollback(pg);
        return ph_error_prefix(error, err, "kind %s", kind->name);
    }
    return PH_OK;
}

static enum ph_err bring_up(struct postgres_store *store, const struct ph_kind *kind,
    bool *partitioned, struct ph_error *error)
{
    struct known_kind known = {0};
    bool lacks = false;
    enum ph_err err = check_name(kind->name, error);
    if (err == PH_OK) {
        err = look_up(store->pg, kind->name, &known, error);
    }
    if (err == PH_OK) {
        err = compare(store->pg, kind, &known, &lacks, error);
    }
    if (err == PH_OK && lacks) {
        err = extend(store->pg, kind, error);
    }
    *partitioned = known.partitioned || !known.table;
    ph_pg_result_free(&known.fields);
    return err;
}

/* ---- The tables in memory. */

static enum ph_err copy_kind(
    struct ph_kind *out, const struct ph_kind *kind, struct ph_error *error)
{
    *out = (struct ph_kind){.unknown = kind->unknown, .plain = kind->plain};
    out->name = strdup(kind->name);
    out->fields = calloc(kind->field_count + 1, sizeof out->fields[0]);
    bool complete = out->name != NULL && out->fields != NULL;
    for (size_t i = 0; i < kind->field_count && complete; i++) {
        out->fields[i].name = strdup(kind->fields[i].name);
        out->fields[i].type = kind->fields[i].type;
        out->field_count++;
        complete = out->fields[i].name != NULL;
    }
    return complete ? PH_OK : ph_error_set(error, PH_ERR_MEMORY, "kinds: out of memory");
}

static enum ph_err make_copy(struct postgres_table *table, struct ph_error *error)
{
    struct ph_sql sql;
    ph_sql_init(&sql);
    ph_sql_add(&sql, "COPY \"reading_");
    ph_sql_add(&sql, table->kind.name);
    ph_sql_add(&sql, "\"(_stream, _device, _seq, _time, _received, _timing, _certificate,"
                     " _unvouched");
    for (size_t i = 0; i < table->kind.field_count; i++) {
        ph_sql_add(&sql, ", \"");
        ph_sql_add(&sql, table->kind.fields[i].name);
        ph_sql_add(&sql, "\"");
    }
    ph_sql_add(&sql, ", _extra) FROM STDIN (FORMAT binary)");
    const char *text = ph_sql_text(&sql, error);
    enum ph_err err = sql.err;
    if (text != NULL && (table->copy = strdup(text)) == NULL) {
        err = ph_error_set(error, PH_ERR_MEMORY, "kinds: out of memory");
    }
    ph_sql_fini(&sql);
    return err;
}

void ph_postgres_tables_free(struct postgres_store *store)
{
    for (size_t i = 0; i < store->table_count; i++) {
        struct postgres_table *table = &store->tables[i];
        for (size_t j = 0; j < table->kind.field_count; j++) {
            free(table->kind.fields[j].name);
        }
        free(table->kind.fields);
        free(table->kind.name);
        free(table->copy);
        ph_buf_fini(&table->rows);
    }
    free(store->tables);
    store->tables = NULL;
    store->table_count = 0;
}

enum ph_err ph_postgres_extend(
    struct postgres_store *store, const struct ph_kinds *kinds, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    store->tables = calloc(kinds->kind_count + 1, sizeof store->tables[0]);
    if (store->tables == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "kinds: out of memory");
    }
    for (size_t i = 0; i < kinds->kind_count && err == PH_OK; i++) {
        struct postgres_table *table = &store->tables[store->table_count++];
        ph_buf_init(&table->rows, PH_POSTGRES_CHUNK_BYTES + PH_POSTGRES_ROW_BYTES);
        err = bring_up(store, &kinds->kinds[i], &table->partitioned, error);
        if (err == PH_OK) {
            err = copy_kind(&table->kind, &kinds->kinds[i], error);
        }
        if (err == PH_OK) {
            err = make_copy(table, error);
        }
    }
    return err;
}
