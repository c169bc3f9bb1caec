#include <inttypes.h>
#include <stdio.h>

#include "ingest/commands.h"
#include "ingest/letter_print.h"
#include "ingest/reader.h"
#include "ingest/replay.h"
#include "ingest/writer.h"

const struct ph_cli_option ph_ingest_letters_purge_options[] = {
    PH_WRITER_OPTIONS,
    {"yes", NULL, "delete them"},
    PH_READER_LETTERS("all"),
    PH_READER_FORMAT,
    {0},
};

static enum ph_err print_result(
    const struct ph_rows *rows, const struct ph_letter_result *result, struct ph_error *error)
{
    static const struct ph_column columns[] = {
        {"letters", NULL, PH_CELL_INTEGER},
        {"deleted", NULL, PH_CELL_INTEGER},
        {"gone", NULL, PH_CELL_INTEGER},
    };
    const struct ph_cell cells[] = {
        {.type = PH_CELL_INTEGER, .integer = result->letters},
        {.type = PH_CELL_INTEGER, .integer = result->done},
        {.type = PH_CELL_INTEGER, .integer = result->gone},
    };
    enum ph_err err =
        rows->begin(rows->context, columns, sizeof columns / sizeof columns[0], error);
    return err == PH_OK ? rows->row(rows->context, cells, error) : err;
}

static enum ph_err list(
    const struct ph_reader *reader, const struct ph_letter_filter *filter, struct ph_error *error)
{
    struct ph_letter_list list = {.rows = reader->rows};
    enum ph_err err = ph_letter_list_begin(&list, error);
    return err == PH_OK ? ph_store_letters(reader->store, filter, ph_letter_list_row, &list, error)
                        : err;
}

static enum ph_err purge(const struct ph_cli *cli, const struct ph_reader *reader,
    const struct ph_letter_filter *filter, struct ph_error *error)
{
    struct ph_letter_result result = {0};
    struct ph_writer writer;
    enum ph_err err = ph_writer_open(cli, &writer, error);
    if (err == PH_OK) {
        const struct ph_letter_work work = {
            .reader = reader->store,
            .writer = writer.store,
            .patience_ms = PH_WRITER_PATIENCE_MS,
        };
        err = ph_letters_purge(&work, filter, &result, error);
    }
    ph_writer_close(&writer);
    if (err != PH_OK && result.done > 0) {
        return ph_error_prefix(error, err, "after %" PRId64 " letters were deleted", result.done);
    }
    return err == PH_OK ? print_result(&reader->rows, &result, error) : err;
}

enum ph_err ph_ingest_letters_purge(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_letter_filter filter;
    struct ph_identity device = {0};
    struct ph_reader reader;
    bool dry_run = ph_cli_has(cli, "dry-run");
    if (!dry_run && !ph_cli_has(cli, "yes")) {
        return ph_error_set(error, PH_ERR_USAGE,
            "--yes: missing; --dry-run shows what would be deleted for good, --yes deletes it");
    }
    enum ph_err err = ph_reader_letters(cli, 0, &filter, &device, error);
    if (err == PH_OK) {
        err = ph_reader_open(cli, &reader, error);
    }
    if (err != PH_OK) {
        return err;
    }
    err = dry_run ? list(&reader, &filter, error) : purge(cli, &reader, &filter, error);
    return ph_reader_close(&reader, err, error);
}
