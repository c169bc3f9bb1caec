#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "certs/commands.h"
#include "certs/table.h"

const struct ph_cli_option ph_ca_requests_options[] = {
    PH_CA_OPTION,
    {"all", NULL, "also those that were decided"},
    PH_CA_FORMAT_OPTION,
    {0},
};

/* What the device says of itself stands last. */
static const struct ph_table_column columns[] = {
    {.name = "id", .title = "ID", .width = 6, .kind = PH_TABLE_NUMBER},
    {.name = "state", .title = "STATE", .width = 8},
    {.name = "received", .title = "RECEIVED", .width = 24},
    {.name = "claim", .title = "BY CLAIM", .width = 24},
    {.name = "kind", .title = "KIND", .width = 16},
    {.name = "name", .title = "NAME", .width = 24},
    {.name = "hardware", .title = "HARDWARE"},
    {.name = "key_hash"},
    {.name = "serial"},
    {.name = "decided"},
    {.name = "who"},
    {.name = "why"},
    {0},
};

static const char *or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static enum ph_err print_request(
    const struct ph_enrolment *request, void *context, struct ph_error *error)
{
    (void)error;
    char id[24];
    char claim[2 * PH_SEGMENT_BYTES];
    char times[2][PH_UTC_BYTES];
    (void)snprintf(id, sizeof id, "%" PRId64, request->id);
    (void)snprintf(claim, sizeof claim, "%s/%s", request->tenant, request->claim);
    ph_utc_print(times[0], request->received_ms);
    ph_utc_print(times[1], request->decided_ms);
    const char *const cells[] = {id, ph_ca_request_state(request->state), times[0], claim,
        or_null(request->kind), or_null(request->name), or_null(request->hardware),
        request->key_hash, or_null(request->serial), request->decided_ms != 0 ? times[1] : NULL,
        or_null(request->who), or_null(request->why)};
    ph_table_row(context, cells);
    return PH_OK;
}

enum ph_err ph_ca_cmd_requests(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_table table = {.file = stdout, .columns = columns};
    struct ph_ca *ca = NULL;
    enum ph_err err = ph_table_format_parse(ph_cli_value(cli, "format"), &table.format, error);
    if (err == PH_OK) {
        err = ph_ca_open_named(cli, &ca, error);
    }
    if (err == PH_OK) {
        ph_table_begin(&table);
        err = ph_enrolment_each(
            ph_ca_inventory(ca), !ph_cli_has(cli, "all"), print_request, &table, error);
    }
    if (err == PH_OK) {
        ph_table_end(&table);
    }
    ph_ca_close(&ca);
    return err;
}
