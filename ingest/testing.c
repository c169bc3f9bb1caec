#include "ingest/testing.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/sqlite.h"

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

int scratch_setup(void **state)
{
    struct scratch *scratch = calloc(1, sizeof *scratch);
    assert_non_null(scratch);
    (void)snprintf(scratch->dir, sizeof scratch->dir, "/tmp/ph-ingest-test-XXXXXX");
    assert_non_null(mkdtemp(scratch->dir));
    (void)snprintf(scratch->store, sizeof scratch->store, "%s/readings.db", scratch->dir);
    (void)snprintf(scratch->kinds_file, sizeof scratch->kinds_file, "%s/kinds.yaml", scratch->dir);
    scratch_load_kinds(scratch, scratch_kinds);
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

struct ph_store *scratch_open_store(struct scratch *scratch)
{
    struct ph_store *store = NULL;
    if (ph_store_open(scratch->store, scratch->kinds, &store, &scratch->error) != PH_OK) {
        fail_msg("%s", scratch->error.message);
    }
    return store;
}

void scratch_sql(struct scratch *scratch, const char *sql)
{
    struct ph_db *db = NULL;
    assert_int_equal(ph_db_open(scratch->store, PH_DB_CREATE, 0, &db, NULL), PH_OK);
    assert_int_equal(ph_db_exec(db, sql, NULL), PH_OK);
    ph_db_close(&db);
}

static void put(struct sheet *sheet, const char *text, bool last)
{
    int len = snprintf(
        &sheet->text[sheet->len], sizeof sheet->text - sheet->len, "%s%s", text, last ? "\n" : " ");
    sheet->len += (size_t)len;
    assert_true(sheet->len < sizeof sheet->text);
}

static enum ph_err sheet_begin(
    void *context, const struct ph_column *columns, size_t count, struct ph_error *error)
{
    struct sheet *sheet = context;
    (void)error;
    sheet->columns = count;
    for (size_t i = 0; i < count; i++) {
        put(sheet, columns[i].name, i + 1 == count);
    }
    return PH_OK;
}

static enum ph_err sheet_row(void *context, const struct ph_cell *cells, struct ph_error *error)
{
    struct sheet *sheet = context;
    (void)error;
    sheet->rows++;
    for (size_t i = 0; i < sheet->columns; i++) {
        char text[64] = "-";
        if (cells[i].type == PH_CELL_REAL) {
            (void)snprintf(text, sizeof text, "%g", cells[i].real);
        } else if (cells[i].type != PH_CELL_TEXT && cells[i].type != PH_CELL_NULL) {
            (void)snprintf(text, sizeof text, "%" PRId64, cells[i].integer);
        }
        put(sheet, cells[i].type == PH_CELL_TEXT ? cells[i].text : text, i + 1 == sheet->columns);
    }
    return PH_OK;
}

struct ph_rows rows_to(struct sheet *sheet)
{
    *sheet = (struct sheet){0};
    return (struct ph_rows){.context = sheet, .begin = sheet_begin, .row = sheet_row};
}
