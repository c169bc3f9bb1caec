#include <stdio.h>

#include "base/clock.h"
#include "certs/commands.h"

const struct ph_cli_option ph_ca_crl_options[] = {
    PH_CA_OPTION,
    {"days", "N", "from now on, days to nextUpdate of the subordinate CAs' CRLs"},
    {"root-days", "N", "from now on, days to nextUpdate of the root's CRL"},
    {0},
};

static enum ph_err set_days(const struct ph_cli *cli, struct ph_inventory *inventory,
    enum ph_authority authority, struct ph_error *error)
{
    const char *name = ph_authority_name(authority);
    struct ph_inventory_crl crl;
    enum ph_err err = ph_inventory_crl_get(inventory, name, &crl, error);
    if (err == PH_OK) {
        err = ph_cli_int64(
            cli, authority == PH_ROOT ? "root-days" : "days", 1, 3650, crl.days, &crl.days, error);
    }
    return err == PH_OK ? ph_inventory_crl_set(inventory, name, &crl, error) : err;
}

static enum ph_err set_all_days(
    const struct ph_cli *cli, struct ph_inventory *inventory, struct ph_error *error)
{
    enum ph_err err = ph_inventory_begin(inventory, error);
    if (err != PH_OK) {
        return err;
    }
    for (enum ph_authority i = PH_ROOT; err == PH_OK && i < PH_AUTHORITY_COUNT; i++) {
        err = set_days(cli, inventory, i, error);
    }
    if (err == PH_OK) {
        err = ph_inventory_commit(inventory, error);
    } else {
        ph_inventory_rollback(inventory);
    }
    return err;
}

enum ph_err ph_ca_cmd_crl(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_ca *ca = NULL;
    enum ph_err err = ph_ca_open_named(cli, &ca, error);
    if (err == PH_OK && (ph_cli_has(cli, "days") || ph_cli_has(cli, "root-days"))) {
        err = set_all_days(cli, ph_ca_inventory(ca), error);
    }
    if (err == PH_OK) {
        err = ph_ca_publish(ca, ph_clock_unix_ms(), error);
    }
    if (err == PH_OK) {
        printf("CRLs signed: %s/trust/crl.pem\n", ph_ca_dir(ca));
    }
    ph_ca_close(&ca);
    return err;
}
