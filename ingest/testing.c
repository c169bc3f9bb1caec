#include "ingest/testing.h"

#include <ftw.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/sqlite.h"
#include "base/log.h"

const char scratch_kinds[] =
    "kinds:\n"
    "  - name: thermostat\n"
    "    fields:\n"
    "      - {name: temperature_c, type: number, unit: Cel, min: -40, max: 85, required: true}\n"
    "      - {name: hvac, type: enum, values: [\"off\", idle, heating]}\n"
    "      - {name: window_open, type: boolean}\n"
    "      - {name: starts, type: integer}\n"
    "  - name: doorbell\n"
    "    plain: true\n"
    "    fields:\n"
    "      - {name: pressed, type: boolean, required: true}\n"
    "      - {name: label, type: text}\n";

void scratch_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

void scratch_load_kinds(struct scratch *scratch, const char *text)
{
    ph_kinds_free(&scratch->kinds);
    scratch_write(scratch->kinds_file, text);
    if (ph_kinds_load(scratch->kinds_file, &scratch->kinds, &scratch->error) != PH_OK) {
        fail_msg("%s", scratch->error.message);
    }
}

static const struct ph_store_limits unreached = {
    .partition_ms = INT64_C(86400000),
    .partition_rows = 1000000,
    .letters_per_device = 1000,
    .letter_bytes_per_device = 1048576,
    .timing = {.future_ms = INT64_C(86400000), .oldest_ms = INT64_C(1577836800000)},
};

int scratch_setup(void **state)
{
    struct scratch *scratch = calloc(1, sizeof *scratch);
    assert_non_null(scratch);
    (void)snprintf(scratch->dir, sizeof scratch->dir, "/tmp/ph-ingest-test-XXXXXX");
    assert_non_null(mkdtemp(scratch->dir));
    (void)snprintf(scratch->store, sizeof scratch->store, "%s/readings.db", scratch->dir);
    (void)snprintf(scratch->kinds_file, sizeof scratch->kinds_file, "%s/kinds.yaml", scratch->dir);
    scratch_load_kinds(scratch, scratch_kinds);
    scratch->limits = unreached;
    *state = scratch;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

int scratch_teardown(void **state)
{
    struct scratch *scratch = *state;
    ph_kinds_free(&scratch->kinds);
    assert_int_equal(nftw(scratch->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    free(scratch);
    return 0;
}

void scratch_failed(struct scratch *scratch, enum ph_err have, enum ph_err want, const char *text)
{
    if (have != want || strstr(scratch->error.message, text) == NULL) {
        fail_msg("want %s with \"%s\", have %s with \"%s\"", ph_err_name(want), text,
            ph_err_name(have), scratch->error.message);
    }
    ph_error_clear(&scratch->error);
}

void message_text(char *out, size_t size, uint64_t stream, int64_t seq, size_t count)
{
    int len = snprintf(out, size,
        "{\"v\":1,\"stream\":\"%016" PRIx64 "\",\"seq\":%" PRId64 ",\"readings\":[", stream, seq);
    for (size_t i = 0; i < count; i++) {
        len += snprintf(&out[len], size - (size_t)len,
            "%s{\"t\":%" PRId64 ",\"temperature_c\":21.5,\"hvac\":\"idle\"}", i == 0 ? "" : ",",
            INT64_C(1790000000000) + seq + (int64_t)i);
    }
    len += snprintf(&out[len], size - (size_t)len, "]}");
    assert_true((size_t)len < size);
}

struct ph_message *message_of(const char *text)
{
    struct ph_error error = {0};
    struct ph_message *message = NULL;
    if (ph_message_parse(text, strlen(text), &message, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    return message;
}

struct ph_identity identity_of(const char *text)
{
    struct ph_identity identity = {0};
    assert_int_equal(ph_identity_parse(text, &identity, NULL), PH_OK);
    return identity;
}

struct ph_store_options scratch_options(const struct scratch *scratch)
{
    return (struct ph_store_options){
        .location = scratch->store, .kinds = scratch->kinds, .limits = scratch->limits};
}

struct ph_store *scratch_open_store(struct scratch *scratch)
{
    struct ph_store *store = NULL;
    struct ph_store_options options = scratch_options(scratch);
    if (ph_store_open(&options, &store, &scratch->error) != PH_OK) {
        fail_msg("%s", scratch->error.message);
    }
    scratch->opened = true;
    return store;
}

struct ph_store *scratch_open_reader(struct scratch *scratch)
{
    struct ph_store *store = NULL;
    if (ph_store_open_reader(scratch->store, &store, &scratch->error) != PH_OK) {
        fail_msg("%s", scratch->error.message);
    }
    return store;
}

void scratch_sql(struct scratch *scratch, const char *sql)
{
    struct ph_db *db = NULL;
    assert_int_equal(ph_db_open(scratch->store, PH_DB_CREATE, 1000, &db, NULL), PH_OK);
    if (ph_db_exec(db, sql, &scratch->error) != PH_OK) {
        fail_msg("%s", scratch->error.message);
    }
    ph_db_close(&db);
}

void scratch_select(struct scratch *scratch, const char *sql, char *out, size_t size)
{
    struct ph_db *db = NULL;
    struct ph_stmt *stmt = NULL;
    int len = 0;
    bool row = false;
    out[0] = '\0';
    assert_int_equal(ph_db_open(scratch->store, PH_DB_READ, 1000, &db, NULL), PH_OK);
    if (ph_stmt_prepare(db, sql, &stmt, &scratch->error) != PH_OK) {
        fail_msg("%s", scratch->error.message);
    }
    while (ph_stmt_step(stmt, &row, NULL) == PH_OK && row) {
        for (int i = 0; i < ph_stmt_columns(stmt); i++) {
            const char *text = ph_stmt_text(stmt, i);
            len += snprintf(
                &out[len], size - (size_t)len, "%s%s", i > 0 ? "|" : "", text != NULL ? text : "-");
        }
        len += snprintf(&out[len], size - (size_t)len, "\n");
        assert_true((size_t)len < size);
    }
    ph_stmt_free(&stmt);
    ph_db_close(&db);
}

void sheet_put(struct sheet *sheet, const char *text)
{
    int len = snprintf(&sheet->text[sheet->len], sizeof sheet->text - sheet->len, "%s", text);
    sheet->len += (size_t)len;
    assert_true(sheet->len < sizeof sheet->text);
}

static size_t find_column(
    const struct ph_column *columns, size_t count, const char *name, size_t len)
{
    size_t i = 0;
    while (
        i < count && (strlen(columns[i].name) != len || memcmp(columns[i].name, name, len) != 0)) {
        i++;
    }
    return i;
}

static void pick(struct sheet *sheet, const struct ph_column *columns, size_t count)
{
    sheet->pick_count = 0;
    for (const char *name = sheet->picked; *name != '\0';) {
        size_t len = strcspn(name, " ");
        assert_true(sheet->pick_count < sizeof sheet->picks / sizeof sheet->picks[0]);
        sheet->picks[sheet->pick_count++] = find_column(columns, count, name, len);
        name += len + strspn(&name[len], " ");
    }
}

static enum ph_err sheet_begin(
    void *context, const struct ph_column *columns, size_t count, struct ph_error *error)
{
    struct sheet *sheet = context;
    (void)error;
    sheet->columns = count;
    if (sheet->picked != NULL) {
        pick(sheet, columns, count);
        return PH_OK;
    }
    for (size_t i = 0; i < count; i++) {
        sheet_put(sheet, columns[i].name);
        sheet_put(sheet, i + 1 == count ? "\n" : " ");
    }
    return PH_OK;
}

static void put_cell(struct sheet *sheet, const struct ph_cell *cell)
{
    char text[64] = "-";
    if (cell->type == PH_CELL_REAL) {
        (void)snprintf(text, sizeof text, "%g", cell->real);
    } else if (cell->type != PH_CELL_TEXT && cell->type != PH_CELL_NULL) {
        (void)snprintf(text, sizeof text, "%" PRId64, cell->integer);
    }
    sheet_put(sheet, cell->type == PH_CELL_TEXT ? cell->text : text);
}

static enum ph_err sheet_row(void *context, const struct ph_cell *cells, struct ph_error *error)
{
    static const struct ph_cell missing = {.type = PH_CELL_NULL};
    struct sheet *sheet = context;
    size_t count = sheet->picked != NULL ? sheet->pick_count : sheet->columns;
    (void)error;
    sheet->rows++;
    for (size_t i = 0; i < count; i++) {
        size_t column = sheet->picked != NULL ? sheet->picks[i] : i;
        put_cell(sheet, column < sheet->columns ? &cells[column] : &missing);
        sheet_put(sheet, i + 1 == count ? "\n" : " ");
    }
    return PH_OK;
}

struct ph_rows rows_picked(struct sheet *sheet, const char *columns)
{
    *sheet = (struct sheet){.picked = columns};
    return (struct ph_rows){.context = sheet, .begin = sheet_begin, .row = sheet_row};
}

struct ph_rows rows_to(struct sheet *sheet)
{
    return rows_picked(sheet, NULL);
}

void ack_box_put(void *context, const struct ph_identity *identity, const void *payload, size_t len)
{
    struct ack_box *box = context;
    int added = snprintf(&box->text[box->len], sizeof box->text - box->len, "%s %.*s\n",
        identity->device, (int)len, (const char *)payload);
    box->len += (size_t)added;
    box->count++;
    assert_true(box->len < sizeof box->text);
}

void ack_box_empty(struct ack_box *box)
{
    box->text[0] = '\0';
    box->len = 0;
    box->count = 0;
}

static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
static char log_lines[16384];
static size_t log_len;

static void keep_line(enum ph_log_level level, const char *line)
{
    (void)level;
    (void)pthread_mutex_lock(&log_mutex);
    int added = snprintf(&log_lines[log_len], sizeof log_lines - log_len, "%s\n", line);
    if ((size_t)added < sizeof log_lines - log_len) {
        log_len += (size_t)added;
    }
    log_lines[log_len] = '\0';
    (void)pthread_mutex_unlock(&log_mutex);
}

void log_capture(void)
{
    log_lines[0] = '\0';
    log_len = 0;
    ph_log_sink_set(keep_line);
}

void log_release(void)
{
    ph_log_sink_set(NULL);
}

size_t log_count(const char *text)
{
    size_t count = 0;
    (void)pthread_mutex_lock(&log_mutex);
    for (const char *line = log_lines; *line != '\0';) {
        const char *end = strchr(line, '\n');
        const char *found = strstr(line, text);
        count += found != NULL && found < end ? 1 : 0;
        line = end + 1;
    }
    (void)pthread_mutex_unlock(&log_mutex);
    return count;
}
