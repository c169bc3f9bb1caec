#include <inttypes.h>
#include <stdio.h>

#include "ingest/commands.h"
#include "ingest/reader.h"

const struct ph_cli_option ph_ingest_stats_options[] = {
    PH_READER_OPTIONS,
    PH_READER_FORMAT,
    {"totals", NULL, "only the totals"},
    {0},
};

enum { TOTALS = 18 };

static const struct ph_column columns[TOTALS] = {
    {"devices", NULL, PH_CELL_INTEGER},
    {"streams", NULL, PH_CELL_INTEGER},
    {"stored", NULL, PH_CELL_INTEGER},
    {"duplicates", NULL, PH_CELL_INTEGER},
    {"dead_letters", NULL, PH_CELL_INTEGER},
    {"dead_letters_not_kept", NULL, PH_CELL_INTEGER},
    {"vouched", NULL, PH_CELL_INTEGER},
    {"unvouched_missing", NULL, PH_CELL_INTEGER},
    {"unvouched_malformed", NULL, PH_CELL_INTEGER},
    {"unvouched_repeated", NULL, PH_CELL_INTEGER},
    {"unvouched_other_identity", NULL, PH_CELL_INTEGER},
    {"unrecorded", NULL, PH_CELL_INTEGER},
    {"given_up", NULL, PH_CELL_INTEGER},
    {"dropped", NULL, PH_CELL_INTEGER},
    {"timing_future", NULL, PH_CELL_INTEGER},
    {"timing_past", NULL, PH_CELL_INTEGER},
    {"timing_estimated", NULL, PH_CELL_INTEGER},
    {"timing_arrival", NULL, PH_CELL_INTEGER},
};

static void values_of(const struct ph_store_totals *totals, int64_t values[TOTALS])
{
    const int64_t all[TOTALS] = {totals->devices, totals->streams, totals->stored,
        totals->duplicates, totals->dead_letters, totals->dead_letters_not_kept, totals->vouched,
        totals->unvouched[PH_PROVENANCE_MISSING], totals->unvouched[PH_PROVENANCE_MALFORMED],
        totals->unvouched[PH_PROVENANCE_REPEATED], totals->unvouched[PH_PROVENANCE_OTHER],
        totals->unrecorded, totals->given_up, totals->dropped, totals->timing[PH_TIMING_FUTURE],
        totals->timing[PH_TIMING_PAST], totals->timing[PH_TIMING_ESTIMATED],
        totals->timing[PH_TIMING_ARRIVAL]};
    for (size_t i = 0; i < TOTALS; i++) {
        values[i] = all[i];
    }
}

/* One row, as a program reads it. */
static enum ph_err send_row(
    const struct ph_rows *rows, const int64_t values[TOTALS], struct ph_error *error)
{
    struct ph_cell cells[TOTALS] = {0};
    for (size_t i = 0; i < TOTALS; i++) {
        cells[i] = (struct ph_cell){.type = PH_CELL_INTEGER, .integer = values[i]};
    }
    enum ph_err err = rows->begin(rows->context, columns, TOTALS, error);
    return err == PH_OK ? rows->row(rows->context, cells, error) : err;
}

/* One line each: side by side they are wider than any screen. */
static enum ph_err send_lines(
    const struct ph_rows *rows, const int64_t values[TOTALS], struct ph_error *error)
{
    static const struct ph_column pair[] = {
        {"total", NULL, PH_CELL_TEXT}, {"count", NULL, PH_CELL_INTEGER}};
    enum ph_err err = rows->begin(rows->context, pair, 2, error);
    for (size_t i = 0; i < TOTALS && err == PH_OK; i++) {
        const struct ph_cell cells[] = {
            {.type = PH_CELL_TEXT, .text = columns[i].name},
            {.type = PH_CELL_INTEGER, .integer = values[i]},
        };
        err = rows->row(rows->context, cells, error);
    }
    return err;
}

static enum ph_err print_rows(
    struct ph_reader *reader, const struct ph_store_totals *totals, struct ph_error *error)
{
    int64_t values[TOTALS];
    values_of(totals, values);
    return reader->format == PH_OUTPUT_TABLE ? send_lines(&reader->rows, values, error)
                                             : send_row(&reader->rows, values, error);
}

static void print_json(const struct ph_store_totals *totals)
{
    int64_t values[TOTALS];
    values_of(totals, values);
    printf("\"totals\":{");
    for (size_t i = 0; i < TOTALS; i++) {
        printf("%s\"%s\":%" PRId64, i == 0 ? "" : ",", columns[i].name, values[i]);
    }
    printf("}}\n");
}

/* {"streams":[...],"totals":{...}}, or without the streams. */
static enum ph_err json(struct ph_reader *reader, bool only_totals, struct ph_error *error)
{
    struct ph_store_totals totals = {0};
    printf(only_totals ? "{" : "{\"streams\":");
    enum ph_err err =
        ph_store_stats(reader->store, only_totals ? NULL : &reader->rows, &totals, error);
    if (err == PH_OK && !only_totals) {
        err = ph_output_finish(reader->output, error);
        printf(",");
    }
    if (err == PH_OK) {
        print_json(&totals);
    }
    ph_output_free(&reader->output);
    return err;
}

enum ph_err ph_ingest_stats(const struct ph_cli *cli, struct ph_error *error)
{
    bool only_totals = ph_cli_has(cli, "totals");
    struct ph_store_totals totals = {0};
    struct ph_reader reader;
    enum ph_err err = ph_reader_open(cli, &reader, error);
    if (err != PH_OK) {
        return err;
    }
    if (reader.format == PH_OUTPUT_JSON) {
        err = json(&reader, only_totals, error);
        return ph_reader_close(&reader, err, error);
    }
    err = ph_store_stats(reader.store, only_totals ? NULL : &reader.rows, &totals, error);
    if (err == PH_OK && (only_totals || reader.format == PH_OUTPUT_TABLE)) {
        err = print_rows(&reader, &totals, error);
    }
    return ph_reader_close(&reader, err, error);
}
