#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "certs/commands.h"
#include "certs/table.h"

const struct ph_cli_option ph_ca_expected_options[] = {
    PH_CA_OPTION,
    {"tenant", "NAME", "only those of a tenant"},
    {"state", "STATE", "only expected, enrolled or forbidden"},
    PH_CA_FORMAT_OPTION,
    {0},
};

static const struct ph_table_column columns[] = {
    {.name = "device", .title = "DEVICE", .width = 40},
    {.name = "state", .title = "STATE", .width = 9},
    {.name = "hardware", .title = "HARDWARE", .width = 20},
    {.name = "key_hash"},
    {.name = "who", .title = "BY", .width = 12},
    {.name = "why", .title = "WHY"},
    {.name = "made"},
    {0},
};

static const char *const state_names[] = {
    [PH_EXPECTED] = "expected",
    [PH_EXPECTED_ENROLLED] = "enrolled",
    [PH_EXPECTED_FORBIDDEN] = "forbidden",
};
enum { STATE_COUNT = sizeof state_names / sizeof state_names[0], ANY = -1 };

struct listing {
    struct ph_table table;
    const char *tenant; /* NULL: any */
    int state;
};

static const char *or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static enum ph_err print_expected(
    const struct ph_expected *expected, void *context, struct ph_error *error)
{
    (void)error;
    struct listing *listing = context;
    char device[PH_IDENTITY_BYTES];
    char made[PH_UTC_BYTES];
    bool wanted =
        (listing->tenant == NULL || strcmp(listing->tenant, expected->identity.tenant) == 0) &&
        (listing->state == ANY || listing->state == (int)expected->state);
    if (!wanted) {
        return PH_OK;
    }
    ph_identity_print(device, sizeof device, &expected->identity);
    ph_utc_print(made, expected->made_ms);
    const char *const cells[] = {device, state_names[expected->state], or_null(expected->hardware),
        or_null(expected->key_hash), or_null(expected->who), or_null(expected->why), made};
    ph_table_row(&listing->table, cells);
    return PH_OK;
}

static enum ph_err read_state(const char *name, int *state, struct ph_error *error)
{
    *state = ANY;
    for (int i = 0; name != NULL && i < STATE_COUNT; i++) {
        if (strcmp(name, state_names[i]) == 0) {
            *state = i;
        }
    }
    return name == NULL || *state != ANY
               ? PH_OK
               : ph_error_set(error, PH_ERR_USAGE,
                     "--state: want expected, enrolled or forbidden, have \"%s\"", name);
}

enum ph_err ph_ca_cmd_expected(const struct ph_cli *cli, struct ph_error *error)
{
    struct listing listing = {
        .table = {.file = stdout, .columns = columns}, .tenant = ph_cli_value(cli, "tenant")};
    struct ph_ca *ca = NULL;
    enum ph_err err =
        ph_table_format_parse(ph_cli_value(cli, "format"), &listing.table.format, error);
    if (err == PH_OK) {
        err = read_state(ph_cli_value(cli, "state"), &listing.state, error);
    }
    if (err == PH_OK) {
        err = ph_ca_open_named(cli, &ca, error);
    }
    if (err == PH_OK) {
        ph_table_begin(&listing.table);
        err = ph_expected_each(ph_ca_inventory(ca), print_expected, &listing, error);
    }
    if (err == PH_OK) {
        ph_table_end(&listing.table);
    }
    ph_ca_close(&ca);
    return err;
}
