#include <stdio.h>

#include "ingest/commands.h"
#include "ingest/letter_print.h"
#include "ingest/reader.h"

const struct ph_cli_option ph_ingest_letters_export_options[] = {
    PH_READER_OPTIONS,
    PH_READER_LETTERS("all"),
    {0},
};

enum ph_err ph_ingest_letters_export(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_letter_filter filter;
    struct ph_identity device = {0};
    struct ph_store *store = NULL;
    enum ph_err err = ph_reader_letters(cli, 0, &filter, &device, error);
    if (err == PH_OK) {
        err = ph_reader_open_store(cli, &store, error);
    }
    if (err == PH_OK) {
        err = ph_store_letters(store, &filter, ph_letter_export, stdout, error);
    }
    ph_store_close(&store);
    return err;
}
