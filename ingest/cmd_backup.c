#include <stdio.h>

#include "ingest/commands.h"
#include "ingest/reader.h"

const struct ph_cli_option ph_ingest_backup_options[] = {
    PH_READER_OPTIONS,
    {0},
};

enum ph_err ph_ingest_backup(const struct ph_cli *cli, struct ph_error *error)
{
    const char *path = ph_cli_argument(cli, 0);
    struct ph_store *store = NULL;
    enum ph_err err = ph_reader_open_store(cli, &store, error);
    if (err == PH_OK) {
        err = ph_store_backup(store, path, error);
    }
    ph_store_close(&store);
    if (err == PH_OK) {
        printf("%s: ok\n", path);
    }
    return err;
}
