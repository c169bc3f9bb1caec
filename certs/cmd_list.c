#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "certs/commands.h"
#include "certs/listing.h"

const struct ph_cli_option ph_ca_list_options[] = {
    PH_CA_OPTION,
    {"type", "TYPE", "only authority, device, broker, service or claim"},
    {"tenant", "NAME", "only those of a tenant"},
    {"kind", "NAME", "only those of a kind"},
    {"state", "STATE,...", "only valid, expired, not-yet-valid, revoked, superseded, held"},
    {"issuer", "NAME", "only those of one CA, or foreign: made elsewhere"},
    {"claim", "TENANT/NAME", "only those that were enrolled by a claim"},
    {"expiring-within", "DAYS", "only valid ones that end within that many days"},
    PH_CA_FORMAT_OPTION,
    {0},
};

static enum ph_err print_entry(
    const struct ph_inventory_entry *entry, void *context, struct ph_error *error)
{
    (void)error;
    ph_listing_row(context, entry, NULL);
    return PH_OK;
}

/* A word that none can have would else list nothing, in silence. */
static enum ph_err check_type(const char *type, struct ph_error *error)
{
    static const char *const types[] = {"authority", "device", "broker", "service", "claim"};
    for (size_t i = 0; type != NULL && i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(type, types[i]) == 0) {
            return PH_OK;
        }
    }
    return type == NULL ? PH_OK
                        : ph_error_set(error, PH_ERR_USAGE,
                              "--type: want authority, device, broker, service or claim, have "
                              "\"%s\"",
                              type);
}

static enum ph_err read_states(const char *text, unsigned *states, struct ph_error *error)
{
    char word[PH_INVENTORY_WORD_BYTES];
    for (const char *p = text; p != NULL;) {
        enum ph_inventory_state state = PH_STATE_VALID;
        size_t len = strcspn(p, ",");
        (void)snprintf(word, sizeof word, "%.*s", (int)len, p);
        if (len >= sizeof word || !ph_inventory_state_parse(word, &state)) {
            return ph_error_set(error, PH_ERR_USAGE,
                "--state: want valid, expired, not-yet-valid, revoked, superseded or held, or "
                "several with commas, have \"%s\"",
                text);
        }
        *states |= state;
        p = p[len] == ',' ? p + len + 1 : NULL;
    }
    return PH_OK;
}

static enum ph_err read_segment(
    const struct ph_cli *cli, const char *option, const char **out, struct ph_error *error)
{
    char copy[PH_SEGMENT_BYTES];
    *out = ph_cli_value(cli, option);
    return *out == NULL ? PH_OK : ph_segment_set(copy, option, *out, strlen(*out), error);
}

/* `claim` is filled from --claim, and must live as long as the filter. */
static enum ph_err read_claim(const struct ph_cli *cli, struct ph_inventory_filter *filter,
    struct ph_identity *claim, struct ph_error *error)
{
    const char *text = ph_cli_value(cli, "claim");
    if (text == NULL) {
        return PH_OK;
    }
    enum ph_err err = ph_ca_claim_parse(text, claim, error);
    if (err == PH_OK && filter->tenant != NULL && strcmp(filter->tenant, claim->tenant) != 0) {
        err = ph_error_set(error, PH_ERR_USAGE, "--claim: not of the tenant that --tenant names");
    }
    filter->tenant = claim->tenant;
    filter->claim = claim->device;
    return err;
}

static enum ph_err read_within(
    const struct ph_cli *cli, struct ph_inventory_filter *filter, struct ph_error *error)
{
    int64_t days = 0;
    if (!ph_cli_has(cli, "expiring-within")) {
        return PH_OK;
    }
    if (filter->states != 0) {
        return ph_error_set(error, PH_ERR_USAGE,
            "--expiring-within: not together with --state: only valid ones are listed");
    }
    enum ph_err err = ph_cli_int64(cli, "expiring-within", 1, 36525, 0, &days, error);
    filter->states = PH_STATE_VALID;
    filter->expires_before_ms = filter->now_ms + days * PH_DAY_MS;
    return err;
}

static enum ph_err read_filter(const struct ph_cli *cli, struct ph_inventory_filter *filter,
    struct ph_identity *claim, struct ph_error *error)
{
    filter->now_ms = ph_clock_unix_ms();
    filter->holder = ph_cli_argument(cli, 0);
    filter->type = ph_cli_value(cli, "type");
    filter->issuer = ph_cli_value(cli, "issuer");
    enum ph_err err = check_type(filter->type, error);
    if (err == PH_OK) {
        err = read_states(ph_cli_value(cli, "state"), &filter->states, error);
    }
    if (err == PH_OK) {
        err = read_segment(cli, "tenant", &filter->tenant, error);
    }
    if (err == PH_OK) {
        err = read_segment(cli, "kind", &filter->kind, error);
    }
    if (err == PH_OK) {
        err = read_claim(cli, filter, claim, error);
    }
    return err == PH_OK ? read_within(cli, filter, error) : err;
}

static enum ph_err check_issuer(struct ph_ca *ca, const char *issuer, struct ph_error *error)
{
    struct ph_authority authority;
    bool any = issuer == NULL || strcmp(issuer, "foreign") == 0;
    return any ? PH_OK : ph_authority_find(ph_ca_inventory(ca), issuer, &authority, error);
}

enum ph_err ph_ca_cmd_list(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_inventory_filter filter = {0};
    struct ph_identity claim;
    struct ph_listing listing = {0};
    enum ph_table_format format = PH_TABLE_TEXT;
    struct ph_ca *ca = NULL;
    enum ph_err err = ph_table_format_parse(ph_cli_value(cli, "format"), &format, error);
    if (err == PH_OK) {
        err = read_filter(cli, &filter, &claim, error);
    }
    if (err == PH_OK) {
        err = ph_ca_open_named(cli, &ca, error);
    }
    if (err == PH_OK) {
        err = check_issuer(ca, filter.issuer, error);
    }
    if (err == PH_OK) {
        listing.now_ms = filter.now_ms;
        ph_listing_begin(&listing, format, false);
        err = ph_inventory_each(ph_ca_inventory(ca), &filter, print_entry, &listing, error);
    }
    if (err == PH_OK) {
        ph_listing_end(&listing);
    }
    ph_ca_close(&ca);
    return err;
}
