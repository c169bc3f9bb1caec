#include <inttypes.h>
#include <stdio.h>

#include "ingest/commands.h"
#include "ingest/reader.h"
#include "ingest/replay.h"
#include "ingest/writer.h"

const struct ph_cli_option ph_ingest_letters_replay_options[] = {
    PH_WRITER_OPTIONS,
    PH_READER_LETTERS("all"),
    PH_READER_FORMAT,
    {0},
};

static enum ph_err print_result(
    const struct ph_rows *rows, const struct ph_letter_result *result, struct ph_error *error)
{
    static const struct ph_column columns[] = {
        {"letters", NULL, PH_CELL_INTEGER},
        {"stored", NULL, PH_CELL_INTEGER},
        {"readings", NULL, PH_CELL_INTEGER},
        {"refused", NULL, PH_CELL_INTEGER},
        {"gone", NULL, PH_CELL_INTEGER},
        {"first_refused", NULL, PH_CELL_INTEGER},
        {"why", NULL, PH_CELL_TEXT},
    };
    const bool refused = result->refused > 0;
    const struct ph_cell cells[] = {
        {.type = PH_CELL_INTEGER, .integer = result->letters},
        {.type = PH_CELL_INTEGER, .integer = result->done},
        {.type = PH_CELL_INTEGER, .integer = result->readings},
        {.type = PH_CELL_INTEGER, .integer = result->refused},
        {.type = PH_CELL_INTEGER, .integer = result->gone},
        {.type = refused ? PH_CELL_INTEGER : PH_CELL_NULL, .integer = result->first_refused},
        {.type = refused ? PH_CELL_TEXT : PH_CELL_NULL, .text = result->why},
    };
    enum ph_err err =
        rows->begin(rows->context, columns, sizeof columns / sizeof columns[0], error);
    return err == PH_OK ? rows->row(rows->context, cells, error) : err;
}

static enum ph_err replay(const struct ph_cli *cli, const struct ph_reader *reader,
    const struct ph_letter_filter *filter, struct ph_error *error)
{
    struct ph_letter_result result = {0};
    struct ph_writer writer;
    enum ph_err err = ph_writer_open(cli, &writer, error);
    if (err == PH_OK) {
        const struct ph_letter_work work = {
            .reader = reader->store,
            .writer = writer.store,
            .pattern = writer.config->topics.telemetry,
            .kinds = writer.kinds,
            .patience_ms = PH_WRITER_PATIENCE_MS,
        };
        err = ph_letters_replay(&work, filter, &result, error);
    }
    ph_writer_close(&writer);
    if (err != PH_OK && result.done > 0) {
        return ph_error_prefix(error, err, "after %" PRId64 " letters were stored", result.done);
    }
    return err == PH_OK ? print_result(&reader->rows, &result, error) : err;
}

enum ph_err ph_ingest_letters_replay(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_letter_filter filter;
    struct ph_identity device = {0};
    struct ph_reader reader;
    enum ph_err err = ph_reader_letters(cli, 0, &filter, &device, error);
    if (err == PH_OK) {
        err = ph_reader_open(cli, &reader, error);
    }
    if (err != PH_OK) {
        return err;
    }
    err = replay(cli, &reader, &filter, error);
    return ph_reader_close(&reader, err, error);
}
