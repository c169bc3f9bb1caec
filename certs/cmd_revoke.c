#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "certs/commands.h"

const struct ph_cli_option ph_ca_revoke_options[] = {
    PH_CA_OPTION,
    {"serial", "HEX", "the certificate with this serial number"},
    {"authority", "NAME", "the subordinate CA devices, brokers or services, and all below it"},
    {"reason", "REASON", "keyCompromise, superseded, ... (default unspecified)"},
    {0},
};

static enum ph_err read_reason(const struct ph_cli *cli, int *reason, struct ph_error *error)
{
    const char *name = ph_cli_value(cli, "reason");
    *reason = 0;
    if (name == NULL || ph_revocation_reason_parse(name, reason)) {
        return PH_OK;
    }
    return ph_error_set(error, PH_ERR_USAGE,
        "--reason: want unspecified, keyCompromise, cACompromise, affiliationChanged, superseded, "
        "cessationOfOperation, privilegeWithdrawn or aACompromise, have \"%s\"",
        name);
}

static enum ph_err find_serial(const struct ph_cli *cli, struct ph_ca *ca,
    char serial[PH_SERIAL_BYTES], struct ph_error *error)
{
    const char *name = ph_cli_value(cli, "authority");
    char root[PH_SERIAL_BYTES];
    enum ph_authority authority = PH_ROOT;
    if (name != NULL && (!ph_authority_parse(name, &authority) || authority == PH_ROOT)) {
        return ph_error_set(error, PH_ERR_USAGE,
            "--authority: want devices, brokers or services, have \"%s\"", name);
    }
    enum ph_err err = name != NULL
                          ? ph_inventory_authority_serial(ph_ca_inventory(ca), name, serial, error)
                          : ph_ca_serial_parse(ph_cli_value(cli, "serial"), serial, error);
    if (err == PH_OK) {
        err = ph_inventory_authority_serial(ph_ca_inventory(ca), "root", root, error);
    }
    if (err == PH_OK && strcmp(serial, root) == 0) {
        err = ph_error_set(error, PH_ERR_USAGE,
            "--serial: the root cannot revoke itself: make a new authority with ph-ca init");
    }
    return err;
}

static enum ph_err mark(const struct ph_cli *cli, struct ph_ca *ca,
    struct ph_inventory_revocation *revocation, struct ph_error *error)
{
    struct ph_inventory *inventory = ph_ca_inventory(ca);
    const char *text = ph_cli_argument(cli, 0);
    const char *what = text;
    enum ph_err err = PH_OK;
    if (text != NULL) {
        struct ph_identity identity;
        err = ph_identity_parse(text, &identity, error);
        if (err == PH_OK) {
            err = ph_inventory_revoke_identity(inventory, &identity, revocation, error);
        }
    } else {
        char serial[PH_SERIAL_BYTES];
        err = find_serial(cli, ca, serial, error);
        if (err == PH_OK) {
            err = ph_inventory_revoke_serial(inventory, serial, revocation, error);
        }
        what = ph_cli_has(cli, "authority") ? ph_cli_value(cli, "authority")
                                            : ph_cli_value(cli, "serial");
    }
    if (err == PH_OK && revocation->known == 0) {
        err = ph_error_set(error, PH_ERR_NOT_FOUND,
            "%s: no such certificate in the inventory; ph-ca list shows what is", what);
    }
    return err;
}

/* The mark is committed first: whatever happens to the CRLs, the revocation is not forgotten. */
static enum ph_err run(const struct ph_cli *cli, struct ph_ca *ca,
    struct ph_inventory_revocation *revocation, struct ph_error *error)
{
    struct ph_inventory *inventory = ph_ca_inventory(ca);
    enum ph_err err = ph_inventory_begin(inventory, error);
    if (err != PH_OK) {
        return err;
    }
    err = mark(cli, ca, revocation, error);
    if (err == PH_OK) {
        err = ph_inventory_commit(inventory, error);
    } else {
        ph_inventory_rollback(inventory);
    }
    if (err != PH_OK) {
        return err;
    }
    err = ph_ca_publish(ca, revocation->now_ms, error);
    return err == PH_OK ? PH_OK
                        : ph_error_prefix(error, err,
                              "revoked in the inventory, but not yet on the CRL (run ph-ca crl)");
}

enum ph_err ph_ca_cmd_revoke(const struct ph_cli *cli, struct ph_error *error)
{
    int ways = (ph_cli_argument_count(cli) > 0 ? 1 : 0) + (ph_cli_has(cli, "serial") ? 1 : 0) +
               (ph_cli_has(cli, "authority") ? 1 : 0);
    if (ways != 1) {
        return ph_error_set(error, PH_ERR_USAGE,
            "want exactly one of TENANT/KIND/DEVICE, --serial and --authority");
    }
    struct ph_inventory_revocation revocation = {.now_ms = ph_clock_unix_ms()};
    struct ph_ca *ca = NULL;
    enum ph_err err = read_reason(cli, &revocation.reason, error);
    if (err == PH_OK) {
        err = ph_ca_open_named(cli, &ca, error);
    }
    if (err == PH_OK) {
        err = run(cli, ca, &revocation, error);
    }
    if (err == PH_OK) {
        printf("%lld revoked, %lld were before; CRLs signed\n", (long long)revocation.changed,
            (long long)(revocation.known - revocation.changed));
    }
    ph_ca_close(&ca);
    return err;
}
