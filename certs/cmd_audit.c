#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "certs/acts.h"
#include "certs/commands.h"
#include "certs/table.h"

const struct ph_cli_option ph_ca_audit_options[] = {
    PH_CA_OPTION,
    {"since", "TIME", "only acts from then on, such as 2026-11-22 or 2026-11-22T19:02:16Z"},
    PH_CA_FORMAT_OPTION,
    {0},
};

const struct ph_cli_option ph_ca_audit_verify_options[] = {
    PH_CA_OPTION,
    {"head", "HASH", "a head that was noted earlier and must still be in the log"},
    {0},
};

static const struct ph_table_column columns[] = {
    {.name = "id", .title = "ID", .width = 6, .kind = PH_TABLE_NUMBER},
    {.name = "time", .title = "TIME", .width = 24},
    {.name = "who", .title = "WHO", .width = 12},
    {.name = "act", .title = "ACT", .width = 13},
    {.name = "what", .title = "WHAT", .width = 40},
    {.name = "why", .title = "WHY"},
    {.name = "detail"},
    {.name = "hash"},
    {0},
};

struct listing {
    struct ph_table table;
    int64_t since_ms;
};

static enum ph_err print_act(const struct ph_act *act, void *context, struct ph_error *error)
{
    (void)error;
    struct listing *listing = context;
    char id[24];
    char time[PH_UTC_BYTES];
    if (act->time_ms < listing->since_ms) {
        return PH_OK;
    }
    (void)snprintf(id, sizeof id, "%" PRId64, act->id);
    ph_utc_print(time, act->time_ms);
    const char *const cells[] = {
        id, time, act->who, act->act, act->what, act->why, act->detail, act->hash};
    ph_table_row(&listing->table, cells);
    return PH_OK;
}

enum ph_err ph_ca_cmd_audit(const struct ph_cli *cli, struct ph_error *error)
{
    struct listing listing = {.table = {.file = stdout, .columns = columns}, .since_ms = INT64_MIN};
    const char *since = ph_cli_value(cli, "since");
    struct ph_ca *ca = NULL;
    enum ph_err err =
        ph_table_format_parse(ph_cli_value(cli, "format"), &listing.table.format, error);
    if (err == PH_OK && since != NULL && ph_utc_parse(since, &listing.since_ms, error) != PH_OK) {
        err = ph_error_prefix(error, PH_ERR_INPUT, "--since");
    }
    if (err == PH_OK) {
        err = ph_ca_open_named(cli, &ca, error);
    }
    if (err == PH_OK) {
        ph_table_begin(&listing.table);
        err = ph_act_each(ph_ca_inventory(ca), 1, print_act, &listing, error);
    }
    if (err == PH_OK) {
        ph_table_end(&listing.table);
    }
    ph_ca_close(&ca);
    return err;
}

/* ---- verify ---- */

struct search {
    const char *head;
    int64_t id; /* 0: not found */
};

static enum ph_err compare(const struct ph_act *act, void *context, struct ph_error *error)
{
    (void)error;
    struct search *search = context;
    if (strcmp(act->hash, search->head) == 0) {
        search->id = act->id;
    }
    return PH_OK;
}

/* A log that was cut short is still a chain: only a head that was kept elsewhere shows it. */
static enum ph_err check_head(
    struct ph_inventory *inventory, const char *head, struct ph_error *error)
{
    struct search search = {.head = head};
    enum ph_err err = ph_act_each(inventory, 1, compare, &search, error);
    return err != PH_OK || search.id != 0
               ? err
               : ph_error_set(error, PH_ERR_DENIED,
                     "log of acts: no record has the hash %s: records that were there are gone or "
                     "changed; put back a copy of the inventory that has it",
                     head);
}

enum ph_err ph_ca_cmd_audit_verify(const struct ph_cli *cli, struct ph_error *error)
{
    const char *text = ph_cli_value(cli, "head");
    char want[PH_FINGERPRINT_BYTES];
    char head[65] = "";
    int64_t count = 0;
    struct ph_ca *ca = NULL;
    enum ph_err err = text != NULL ? ph_ca_hash_parse("head", text, want, error) : PH_OK;
    if (err == PH_OK) {
        err = ph_ca_open_named(cli, &ca, error);
    }
    if (err == PH_OK) {
        err = ph_act_verify(ph_ca_inventory(ca), head, &count, error);
    }
    if (err == PH_OK && text != NULL) {
        err = check_head(ph_ca_inventory(ca), want, error);
    }
    if (err == PH_OK) {
        printf("%" PRId64 " acts, each as it was recorded; head %s\n", count, head);
    }
    ph_ca_close(&ca);
    return err;
}
