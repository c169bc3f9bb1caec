#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "certs/commands.h"
#include "certs/table.h"

const struct ph_cli_option ph_ca_claims_options[] = {
    PH_CA_OPTION,
    {"tenant", "NAME", "only those of a tenant"},
    PH_CA_FORMAT_OPTION,
    {0},
};

static const struct ph_table_column columns[] = {
    {.name = "claim", .title = "CLAIM", .width = 32},
    {.name = "state", .title = "STATE", .width = 8},
    {.name = "used", .title = "USED", .width = 6, .kind = PH_TABLE_NUMBER},
    {.name = "limit", .title = "OF", .width = 6, .kind = PH_TABLE_NUMBER},
    {.name = "kind", .title = "KIND", .width = 16},
    {.name = "expires", .title = "EXPIRES"},
    {.name = "made"},
    {.name = "revoked"},
    {0},
};

struct listing {
    struct ph_table table;
    const char *tenant; /* NULL: any */
    int64_t now_ms;
};

static const char *state_of(const struct ph_claim *claim, int64_t now_ms)
{
    return claim->revoked_ms != 0        ? "revoked"
           : claim->used >= claim->limit ? "used-up"
           : now_ms > claim->expires_ms  ? "expired"
                                         : "open";
}

static enum ph_err print_claim(const struct ph_claim *claim, void *context, struct ph_error *error)
{
    (void)error;
    struct listing *listing = context;
    char name[2 * PH_SEGMENT_BYTES];
    char used[24];
    char limit[24];
    char times[3][PH_UTC_BYTES];
    if (listing->tenant != NULL && strcmp(listing->tenant, claim->tenant) != 0) {
        return PH_OK;
    }
    (void)snprintf(name, sizeof name, "%s/%s", claim->tenant, claim->name);
    (void)snprintf(used, sizeof used, "%" PRId64, claim->used);
    (void)snprintf(limit, sizeof limit, "%" PRId64, claim->limit);
    ph_utc_print(times[0], claim->expires_ms);
    ph_utc_print(times[1], claim->made_ms);
    ph_utc_print(times[2], claim->revoked_ms);
    const char *const cells[] = {name, state_of(claim, listing->now_ms), used, limit,
        claim->kind[0] != '\0' ? claim->kind : NULL, times[0], times[1],
        claim->revoked_ms != 0 ? times[2] : NULL};
    ph_table_row(&listing->table, cells);
    return PH_OK;
}

enum ph_err ph_ca_cmd_claims(const struct ph_cli *cli, struct ph_error *error)
{
    struct listing listing = {.table = {.file = stdout, .columns = columns},
        .tenant = ph_cli_value(cli, "tenant"),
        .now_ms = ph_clock_unix_ms()};
    struct ph_ca *ca = NULL;
    enum ph_err err =
        ph_table_format_parse(ph_cli_value(cli, "format"), &listing.table.format, error);
    if (err == PH_OK) {
        err = ph_ca_open_named(cli, &ca, error);
    }
    if (err == PH_OK) {
        ph_table_begin(&listing.table);
        err = ph_claim_each(ph_ca_inventory(ca), print_claim, &listing, error);
    }
    if (err == PH_OK) {
        ph_table_end(&listing.table);
    }
    ph_ca_close(&ca);
    return err;
}
