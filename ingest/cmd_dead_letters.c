#include "ingest/commands.h"
#include "ingest/reader.h"

#define LIMIT_DEFAULT 1000

const struct ph_cli_option ph_ingest_dead_letters_options[] = {
    PH_READER_OPTIONS,
    {"limit", "N", "the newest N (default 1000; 0: all)"},
    PH_READER_CERTIFICATES,
    {0},
};

enum ph_err ph_ingest_dead_letters(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_reader reader;
    int64_t limit = 0;
    enum ph_err err = ph_cli_int64(cli, "limit", 0, INT64_MAX, LIMIT_DEFAULT, &limit, error);
    if (err == PH_OK) {
        err = ph_reader_open(cli, &reader, error);
    }
    if (err != PH_OK) {
        return err;
    }
    err = ph_store_dead_letters(
        reader.store, limit, ph_reader_certificates(cli, &reader), &reader.rows, error);
    return ph_reader_close(&reader, err, error);
}
