#include <stdio.h>

#include "base/text.h"
#include "ingest/commands.h"
#include "ingest/letter_print.h"
#include "ingest/reader.h"

const struct ph_cli_option ph_ingest_letters_show_options[] = {
    PH_READER_OPTIONS,
    {0},
};

static enum ph_err show(void *context, const struct ph_kept_letter *letter, struct ph_error *error)
{
    bool *found = context;
    *found = true;
    return ph_letter_show(stdout, letter, error);
}

enum ph_err ph_ingest_letters_show(const struct ph_cli *cli, struct ph_error *error)
{
    const char *id = ph_cli_argument(cli, 0);
    struct ph_letter_filter filter = {.from_ms = INT64_MIN, .to_ms = INT64_MAX};
    struct ph_store *store = NULL;
    bool found = false;
    if (!ph_text_to_int64(id, 1, INT64_MAX, &filter.id)) {
        return ph_error_set(error, PH_ERR_USAGE,
            "ID: want the number of a dead letter, as dead-letters shows it, have \"%s\"", id);
    }
    enum ph_err err = ph_reader_open_store(cli, &store, error);
    if (err == PH_OK) {
        err = ph_store_letters(store, &filter, show, &found, error);
    }
    ph_store_close(&store);
    if (err == PH_OK && !found) {
        err = ph_error_set(error, PH_ERR_NOT_FOUND,
            "dead letter %s: not in this store; dead-letters shows those that are", id);
    }
    return err;
}
