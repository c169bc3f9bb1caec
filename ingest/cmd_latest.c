#include "base/clock.h"
#include "ingest/commands.h"
#include "ingest/reader.h"

const struct ph_cli_option ph_ingest_latest_options[] = {
    PH_READER_OPTIONS,
    PH_READER_FORMAT,
    PH_READER_CERTIFICATES,
    {0},
};

enum ph_err ph_ingest_latest(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_reader reader;
    enum ph_err err = ph_reader_open(cli, &reader, error);
    if (err != PH_OK) {
        return err;
    }
    err = ph_store_latest(reader.store, ph_clock_unix_ms(), ph_reader_certificates(cli, &reader),
        &reader.rows, error);
    return ph_reader_close(&reader, err, error);
}
