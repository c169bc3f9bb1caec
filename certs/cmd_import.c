#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "certs/commands.h"
#include "certs/import.h"

const struct ph_cli_option ph_ca_import_options[] = {
    PH_CA_OPTION,
    {"as", "TYPE", "client (default): by O, OU and CN; or broker: by CN"},
    PH_CA_BY_OPTION,
    PH_CA_WHY_OPTION,
    {0},
};

static enum ph_err read_type(const struct ph_cli *cli, bool *broker, struct ph_error *error)
{
    const char *type = ph_cli_value(cli, "as");
    *broker = type != NULL && strcmp(type, "broker") == 0;
    return type == NULL || *broker || strcmp(type, "client") == 0
               ? PH_OK
               : ph_error_set(
                     error, PH_ERR_USAGE, "--as: want client or broker, have \"%s\"", type);
}

static void print_counts(const struct ph_import_counts *counts)
{
    printf("%" PRId64 " imported, %" PRId64 " of them made elsewhere; %" PRId64
           " known before, %" PRId64 " CA certificates passed over\n",
        counts->added, counts->foreign, counts->known, counts->authorities);
}

enum ph_err ph_ca_cmd_import(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_import_counts counts = {0};
    struct ph_import_order order = {
        .now_ms = ph_clock_unix_ms(), .file_count = (size_t)ph_cli_argument_count(cli)};
    const char **files = calloc(order.file_count, sizeof *files);
    struct ph_ca *ca = NULL;
    enum ph_err err = files != NULL ? read_type(cli, &order.broker, error)
                                    : ph_error_set(error, PH_ERR_MEMORY, "import: out of memory");
    for (size_t i = 0; err == PH_OK && i < order.file_count; i++) {
        files[i] = ph_cli_argument(cli, (int)i);
    }
    order.files = files;
    if (err == PH_OK) {
        err = ph_ca_actor_read(cli, &order.actor, error);
    }
    if (err == PH_OK) {
        err = ph_ca_open_named(cli, &ca, error);
    }
    if (err == PH_OK) {
        err = ph_import(ca, &order, &counts, error);
    }
    if (err == PH_OK) {
        print_counts(&counts);
    }
    ph_ca_close(&ca);
    free(files);
    return err;
}
