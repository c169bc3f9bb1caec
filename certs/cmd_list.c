#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "certs/commands.h"

const struct ph_cli_option ph_ca_list_options[] = {
    PH_CA_OPTION,
    {"format", "FORMAT", "table (default), csv or json"},
    {0},
};

/* Serial numbers, times and words of the identity grammar: nothing that any format must quote. */
struct row {
    const struct ph_inventory_entry *entry;
    char holder[PH_IDENTITY_BYTES];
    char not_before[PH_UTC_BYTES];
    char not_after[PH_UTC_BYTES];
    char revoked[PH_UTC_BYTES]; /* "" when not */
    const char *reason;         /* "" when not */
    const char *status;
};

static void table_row(const struct row *row)
{
    printf("%-40s %-9s %-13s %-20.10s %-24s %s\n", row->entry->serial, row->entry->type,
        row->status, row->not_after, row->revoked[0] != '\0' ? row->reason : "-", row->holder);
}

static void csv_row(const struct row *row)
{
    printf("%s,%s,%s,%s,%s,%s,%s,%s,%s,%s\n", row->entry->serial, row->entry->issuer,
        row->entry->type, row->holder, row->status, row->not_before, row->not_after, row->revoked,
        row->reason, row->entry->fingerprint);
}

static void json_row(const struct row *row)
{
    printf("{\"serial\":\"%s\",\"issuer\":\"%s\",\"type\":\"%s\",\"holder\":\"%s\","
           "\"status\":\"%s\",\"not_before\":\"%s\",\"not_after\":\"%s\",",
        row->entry->serial, row->entry->issuer, row->entry->type, row->holder, row->status,
        row->not_before, row->not_after);
    if (row->revoked[0] != '\0') {
        printf("\"revoked\":\"%s\",\"reason\":\"%s\",", row->revoked, row->reason);
    }
    printf("\"fingerprint\":\"%s\"}", row->entry->fingerprint);
}

static const struct format {
    const char *name;
    const char *head;
    void (*print)(const struct row *row);
    const char *between;
    const char *tail;
} formats[] = {
    {"table",
        "SERIAL                                   TYPE      STATUS        NOT AFTER            "
        "REVOKED FOR              HOLDER\n",
        table_row, "", ""},
    {"csv", "serial,issuer,type,holder,status,not_before,not_after,revoked,reason,fingerprint\n",
        csv_row, "", ""},
    {"json", "[", json_row, ",\n ", "]\n"},
};

struct listing {
    const struct format *format;
    int64_t now_ms;
    bool started;
};

static enum ph_err print_entry(
    const struct ph_inventory_entry *entry, void *context, struct ph_error *error)
{
    (void)error;
    struct listing *listing = context;
    struct row row = {.entry = entry, .reason = ""};
    ph_ca_holder(row.holder, sizeof row.holder, entry);
    ph_utc_print(row.not_before, entry->not_before_ms);
    ph_utc_print(row.not_after, entry->not_after_ms);
    if (entry->revoked_ms != 0) {
        const char *reason = ph_revocation_reason_name(entry->reason);
        ph_utc_print(row.revoked, entry->revoked_ms);
        row.reason = reason != NULL ? reason : "unspecified";
    }
    row.status = ph_ca_status(entry, listing->now_ms);
    fputs(listing->started ? listing->format->between : "", stdout);
    listing->format->print(&row);
    listing->started = true;
    return PH_OK;
}

static enum ph_err read_format(
    const struct ph_cli *cli, const struct format **out, struct ph_error *error)
{
    const char *name = ph_cli_value(cli, "format");
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (strcmp(formats[i].name, name != NULL ? name : "table") == 0) {
            *out = &formats[i];
            return PH_OK;
        }
    }
    return ph_error_set(
        error, PH_ERR_USAGE, "--format: want table, csv or json, have \"%s\"", name);
}

enum ph_err ph_ca_cmd_list(const struct ph_cli *cli, struct ph_error *error)
{
    struct listing listing = {.now_ms = ph_clock_unix_ms()};
    struct ph_ca *ca = NULL;
    enum ph_err err = read_format(cli, &listing.format, error);
    if (err == PH_OK) {
        err = ph_ca_open_named(cli, &ca, error);
    }
    if (err == PH_OK) {
        fputs(listing.format->head, stdout);
        err = ph_inventory_each(ph_ca_inventory(ca), print_entry, &listing, error);
        fputs(listing.format->tail, stdout);
    }
    ph_ca_close(&ca);
    return err;
}
