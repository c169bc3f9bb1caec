#include "ingest/commands.h"
#include "ingest/letter_print.h"
#include "ingest/reader.h"

#define LIMIT_DEFAULT 1000

const struct ph_cli_option ph_ingest_dead_letters_options[] = {
    PH_READER_OPTIONS,
    PH_READER_LETTERS("1000; 0: all"),
    PH_READER_FORMAT,
    PH_READER_CERTIFICATES,
    {0},
};

enum ph_err ph_ingest_dead_letters(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_letter_filter filter;
    struct ph_identity device = {0};
    struct ph_reader reader;
    enum ph_err err = ph_reader_letters(cli, LIMIT_DEFAULT, &filter, &device, error);
    if (err == PH_OK) {
        err = ph_reader_open(cli, &reader, error);
    }
    if (err != PH_OK) {
        return err;
    }
    struct ph_letter_list list = {
        .rows = reader.rows, .provenance = ph_reader_certificates(cli, &reader)};
    err = ph_letter_list_begin(&list, error);
    if (err == PH_OK) {
        err = ph_store_letters(reader.store, &filter, ph_letter_list_row, &list, error);
    }
    return ph_reader_close(&reader, err, error);
}
