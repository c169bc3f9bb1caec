#include <inttypes.h>
#include <stdio.h>

#include "ingest/commands.h"
#include "ingest/reader.h"

const struct ph_cli_option ph_ingest_check_options[] = {
    PH_READER_OPTIONS,
    PH_READER_FORMAT,
    {0},
};

/* Holds the heading back until there is a fault to stand below it. */
struct faults {
    const struct ph_rows *rows;
    bool begun;
};

static enum ph_err begin_faults(struct faults *faults, struct ph_error *error)
{
    static const struct ph_column columns[] = {
        {"what", NULL, PH_CELL_TEXT},
        {"where", NULL, PH_CELL_TEXT},
    };
    if (faults->begun) {
        return PH_OK;
    }
    faults->begun = true;
    return faults->rows->begin(
        faults->rows->context, columns, sizeof columns / sizeof columns[0], error);
}

static enum ph_err ignore_columns(
    void *context, const struct ph_column *columns, size_t count, struct ph_error *error)
{
    (void)context;
    (void)columns;
    (void)count;
    (void)error;
    return PH_OK;
}

static enum ph_err pass_fault(void *context, const struct ph_cell *cells, struct ph_error *error)
{
    struct faults *faults = context;
    enum ph_err err = begin_faults(faults, error);
    return err == PH_OK ? faults->rows->row(faults->rows->context, cells, error) : err;
}

static enum ph_err judge(
    const struct ph_reader *reader, struct faults *faults, int64_t count, struct ph_error *error)
{
    if (count > 0) {
        return ph_error_set(error, PH_ERR_INPUT,
            "store: %" PRId64 " fault%s; keep a copy of it, and restore a backup or ask for help",
            count, count == 1 ? "" : "s");
    }
    if (reader->format == PH_OUTPUT_TABLE) {
        puts("ok");
    }
    return reader->format == PH_OUTPUT_CSV ? begin_faults(faults, error) : PH_OK;
}

enum ph_err ph_ingest_check(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_reader reader;
    int64_t count = 0;
    enum ph_err err = ph_reader_open(cli, &reader, error);
    if (err != PH_OK) {
        return err;
    }
    struct faults faults = {.rows = &reader.rows};
    const struct ph_rows rows = {.context = &faults, .begin = ignore_columns, .row = pass_fault};
    err = ph_store_check(reader.store, &rows, &count, error);
    if (err == PH_OK) {
        err = ph_output_finish(reader.output, error);
    }
    if (err == PH_OK) {
        err = judge(&reader, &faults, count, error);
    }
    ph_output_free(&reader.output);
    return ph_reader_close(&reader, err, error);
}
