#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "certs/commands.h"
#include "certs/line.h"
#include "certs/table.h"

const struct ph_cli_option ph_ca_authority_add_options[] = {
    PH_CA_OPTION,
    {"tenant", "NAME", "whose CA it is; it can vouch for nobody else"},
    {"days", "N", "its lifetime (default: as init was told)"},
    PH_CA_ROOT_KEY_OPTION,
    PH_CA_PASSPHRASE_OPTION,
    PH_CA_BY_OPTION,
    PH_CA_WHY_OPTION,
    {0},
};

const struct ph_cli_option ph_ca_authority_list_options[] = {
    PH_CA_OPTION,
    PH_CA_FORMAT_OPTION,
    {0},
};

/* ---- add ---- */

static enum ph_err read_change(
    const struct ph_cli *cli, struct ph_authority_change *change, struct ph_error *error)
{
    const char *role = ph_cli_argument(cli, 0);
    enum ph_err err = ph_ca_change_read(cli, change, error);
    if (err == PH_OK && (!ph_ca_role_parse(role, &change->role) || change->role == PH_ROOT ||
                            change->role == PH_BROKERS)) {
        err = ph_error_set(
            error, PH_ERR_USAGE, "want devices, services or claims, have \"%s\"", role);
    }
    return err == PH_OK ? ph_cli_int64(cli, "days", 1, 36525, 0, &change->days, error) : err;
}

enum ph_err ph_ca_cmd_authority_add(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_authority_change change = {0};
    struct ph_ca *ca = NULL;
    enum ph_err err = read_change(cli, &change, error);
    if (err == PH_OK) {
        err = ph_ca_open_named(cli, &ca, error);
    }
    if (err == PH_OK) {
        err = ph_authority_add(ca, &change, error);
    }
    if (err == PH_OK) {
        printf("%s%s%s made; brokers trust it when they have read %s/trust again\n",
            ph_ca_role_name(change.role), change.tenant != NULL ? "@" : "",
            change.tenant != NULL ? change.tenant : "", ph_ca_dir(ca));
    }
    ph_ca_close(&ca);
    return err;
}

/* ---- list ---- */

static const struct ph_table_column columns[] = {
    {.name = "name", .title = "NAME", .width = 20},
    {.name = "role", .title = "ROLE", .width = 9},
    {.name = "tenant", .title = "TENANT", .width = 12},
    {.name = "generation", .title = "GEN", .width = 4, .kind = PH_TABLE_NUMBER},
    {.name = "state", .title = "STATE", .width = 8},
    {.name = "issuer", .title = "ISSUER", .width = 8},
    {.name = "serial", .title = "SERIAL", .width = 32},
    {.name = "not_after", .title = "NOT AFTER", .width = 24},
    {.name = "valid", .title = "VALID", .width = 6, .kind = PH_TABLE_NUMBER},
    {0},
};

static enum ph_err print_authority(struct ph_inventory *inventory, struct ph_table *table,
    const struct ph_authority *authority, int64_t now_ms, struct ph_error *error)
{
    char generation[16];
    char valid[24];
    char end[PH_UTC_BYTES];
    int64_t count = 0;
    enum ph_err err = ph_line_left(inventory, authority, now_ms, &count, error);
    if (err != PH_OK) {
        return err;
    }
    (void)snprintf(generation, sizeof generation, "%d", authority->generation);
    (void)snprintf(valid, sizeof valid, "%" PRId64, count);
    ph_utc_print(end, authority->not_after_ms);
    const char *state = authority->revoked ? "revoked" : ph_authority_state_name(authority->state);
    const char *const cells[] = {authority->name, ph_ca_role_name(authority->role),
        authority->tenant[0] != '\0' ? authority->tenant : NULL, generation, state,
        authority->issuer, authority->serial, end, valid};
    ph_table_row(table, cells);
    return PH_OK;
}

enum ph_err ph_ca_cmd_authority_list(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_table table = {.file = stdout, .columns = columns};
    struct ph_authority_list list = {0};
    struct ph_ca *ca = NULL;
    int64_t now_ms = ph_clock_unix_ms();
    enum ph_err err = ph_table_format_parse(ph_cli_value(cli, "format"), &table.format, error);
    if (err == PH_OK) {
        err = ph_ca_open_named(cli, &ca, error);
    }
    if (err == PH_OK) {
        err = ph_authorities_list(ph_ca_inventory(ca), &list, error);
    }
    if (err == PH_OK) {
        ph_table_begin(&table);
        for (size_t i = 0; err == PH_OK && i < list.count; i++) {
            err = print_authority(ph_ca_inventory(ca), &table, &list.items[i], now_ms, error);
        }
        ph_table_end(&table);
    }
    ph_authority_list_free(&list);
    ph_ca_close(&ca);
    return err;
}
