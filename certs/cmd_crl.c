#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "certs/authority_make.h"
#include "certs/commands.h"

const struct ph_cli_option ph_ca_crl_options[] = {
    PH_CA_OPTION,
    {"days", "N", "from now on, days to nextUpdate of the subordinate CAs' CRLs"},
    {"root-days", "N", "from now on, days to nextUpdate of the roots' CRLs"},
    PH_CA_ROOT_KEY_OPTION,
    PH_CA_PASSPHRASE_OPTION,
    PH_CA_BY_OPTION,
    PH_CA_WHY_OPTION,
    {0},
};

struct days {
    const struct ph_cli *cli;
    struct ph_ca_actor actor;
    struct ph_authority_defaults defaults; /* of the CAs to come */
};

static enum ph_err read_days(struct days *days, struct ph_error *error)
{
    struct ph_authority_defaults *defaults = &days->defaults;
    enum ph_err err =
        ph_cli_int64(days->cli, "days", 1, 3650, defaults->crl_days, &defaults->crl_days, error);
    return err == PH_OK ? ph_cli_int64(days->cli, "root-days", 1, 3650, defaults->root_crl_days,
                              &defaults->root_crl_days, error)
                        : err;
}

static enum ph_err set_each(
    struct ph_inventory *inventory, const struct days *days, struct ph_error *error)
{
    struct ph_authority_list list = {0};
    enum ph_err err = ph_authorities_list(inventory, &list, error);
    for (size_t i = 0; err == PH_OK && i < list.count; i++) {
        bool is_root = list.items[i].role == PH_ROOT;
        if (ph_cli_has(days->cli, is_root ? "root-days" : "days")) {
            err = ph_authority_set_crl_days(inventory, list.items[i].name,
                is_root ? days->defaults.root_crl_days : days->defaults.crl_days, error);
        }
    }
    ph_authority_list_free(&list);
    return err;
}

static enum ph_err set_days(struct ph_ca *ca, void *context, struct ph_error *error)
{
    struct days *days = context;
    struct ph_inventory *inventory = ph_ca_inventory(ca);
    char detail[96];
    enum ph_err err = ph_authority_defaults_get(inventory, &days->defaults, error);
    if (err == PH_OK) {
        err = read_days(days, error);
    }
    if (err == PH_OK) {
        err = ph_authority_defaults_put(inventory, &days->defaults, error);
    }
    if (err == PH_OK) {
        err = set_each(inventory, days, error);
    }
    (void)snprintf(detail, sizeof detail, "{\"days\":%" PRId64 ",\"root_days\":%" PRId64 "}",
        days->defaults.crl_days, days->defaults.root_crl_days);
    return err == PH_OK ? ph_ca_record(ca, &days->actor, ph_clock_unix_ms(), "crl-days",
                              ph_ca_dir(ca), detail, error)
                        : err;
}

enum ph_err ph_ca_cmd_crl(const struct ph_cli *cli, struct ph_error *error)
{
    const struct ph_root_key root = ph_ca_root_key_read(cli);
    bool named = root.dir != NULL || root.passphrase_file != NULL;
    struct days days = {.cli = cli};
    struct ph_ca *ca = NULL;
    enum ph_err err = ph_ca_actor_read(cli, &days.actor, error);
    if (err == PH_OK) {
        err = ph_ca_open_named(cli, &ca, error);
    }
    if (err == PH_OK && (ph_cli_has(cli, "days") || ph_cli_has(cli, "root-days"))) {
        err = ph_ca_transaction(ca, set_days, &days, error);
    }
    if (err == PH_OK) {
        err = ph_ca_publish(ca, named ? &root : NULL, ph_clock_unix_ms(), error);
    }
    if (err == PH_OK) {
        printf("CRLs signed: %s/trust/crl.pem\n", ph_ca_dir(ca));
    }
    ph_ca_close(&ca);
    return err;
}
