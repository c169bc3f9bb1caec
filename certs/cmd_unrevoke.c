#include <stdio.h>

#include "base/clock.h"
#include "certs/commands.h"

const struct ph_cli_option ph_ca_unrevoke_options[] = {
    PH_CA_OPTION,
    {"serial", "HEX", "the certificate with this serial number"},
    PH_CA_BY_OPTION,
    PH_CA_WHY_OPTION,
    PH_CA_ROOT_KEY_OPTION,
    PH_CA_PASSPHRASE_OPTION,
    {0},
};

struct target {
    const char *text; /* as it was given */
    bool by_identity;
    struct ph_identity identity;
    char serial[PH_SERIAL_BYTES];
};

struct work {
    struct target target;
    struct ph_ca_actor actor;
    struct ph_inventory_revocation revocation;
};

static enum ph_err unrevoke(struct ph_ca *ca, void *context, struct ph_error *error)
{
    struct work *work = context;
    const struct target *target = &work->target;
    char detail[64];
    enum ph_err err = ph_inventory_unrevoke(ph_ca_inventory(ca),
        target->by_identity ? &target->identity : NULL, target->serial, &work->revocation, error);
    if (err == PH_OK && work->revocation.changed == 0) {
        err = work->revocation.known == 0
                  ? ph_error_set(error, PH_ERR_NOT_FOUND,
                        "%s: no such certificate in the inventory; ph-ca list shows what is",
                        target->text)
                  : ph_error_set(error, PH_ERR_DENIED,
                        "%s: not on hold: only a certificateHold can be taken back; issue a new "
                        "certificate instead",
                        target->text);
    }
    if (err != PH_OK) {
        return err;
    }
    (void)snprintf(
        detail, sizeof detail, "{\"certificates\":%lld}", (long long)work->revocation.changed);
    return ph_ca_record(
        ca, &work->actor, work->revocation.now_ms, "unrevoke", target->text, detail, error);
}

static enum ph_err read_held(
    const struct ph_cli *cli, struct target *target, struct ph_error *error)
{
    if (ph_cli_argument_count(cli) + (ph_cli_has(cli, "serial") ? 1 : 0) != 1) {
        return ph_error_set(
            error, PH_ERR_USAGE, "want exactly one of TENANT/KIND/DEVICE and --serial");
    }
    target->by_identity = ph_cli_argument_count(cli) == 1;
    target->text = target->by_identity ? ph_cli_argument(cli, 0) : ph_cli_value(cli, "serial");
    return target->by_identity ? ph_identity_parse(target->text, &target->identity, error)
                               : ph_ca_serial_parse(target->text, target->serial, error);
}

enum ph_err ph_ca_cmd_unrevoke(const struct ph_cli *cli, struct ph_error *error)
{
    struct work work = {.revocation.now_ms = ph_clock_unix_ms()};
    struct ph_ca *ca = NULL;
    enum ph_err err = read_held(cli, &work.target, error);
    if (err == PH_OK) {
        err = ph_ca_actor_read(cli, &work.actor, error);
    }
    if (err == PH_OK) {
        err = ph_ca_open_named(cli, &ca, error);
    }
    if (err == PH_OK) {
        err = ph_ca_transaction(ca, unrevoke, &work, error);
    }
    if (err == PH_OK) {
        err = ph_ca_publish_marks(cli, ca, work.revocation.now_ms, "no longer held", error);
    }
    if (err == PH_OK) {
        printf("%lld no longer held; CRLs signed\n", (long long)work.revocation.changed);
    }
    ph_ca_close(&ca);
    return err;
}
