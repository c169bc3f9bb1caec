#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "certs/commands.h"

enum { REASON_HOLD = 6 };

const struct ph_cli_option ph_ca_revoke_options[] = {
    PH_CA_OPTION,
    {"serial", "HEX", "the certificate with this serial number"},
    {"key", "SHA256", "every certificate for this key"},
    {"claim", "TENANT/NAME", "a claim: nobody enrols by it any more"},
    {"enrolled", NULL, "with --claim: and every device that was enrolled by it"},
    {"authority", "NAME", "a subordinate CA, and with it all below it"},
    {"issued-by", "NAME", "everything that a subordinate CA issued, and not the CA"},
    {"reason", "REASON", "keyCompromise, certificateHold, ... (default unspecified)"},
    PH_CA_BY_OPTION,
    PH_CA_WHY_OPTION,
    PH_CA_ROOT_KEY_OPTION,
    PH_CA_PASSPHRASE_OPTION,
    {0},
};

/* What is to be revoked. */
struct target {
    const char *text; /* as it was given */
    bool by_identity;
    bool by_claim;
    struct ph_identity identity; /* of a device or service, or of a claim */
    bool enrolled;
    const char *authority; /* to be revoked itself */
    const char *issuer;    /* whose certificates are to be */
    char key[PH_FINGERPRINT_BYTES];
    char serial[PH_SERIAL_BYTES]; /* also of the authority */
};

struct work {
    struct target target;
    struct ph_ca_actor actor;
    struct ph_inventory_revocation revocation;
    int64_t foreign;                      /* matching certificates that no CRL of ours can carry */
    char foreign_serial[PH_SERIAL_BYTES]; /* the first of them */
};

/* ---- the command line ---- */

static enum ph_err read_reason(const struct ph_cli *cli, int *reason, struct ph_error *error)
{
    const char *name = ph_cli_value(cli, "reason");
    *reason = 0;
    if (name == NULL || ph_revocation_reason_parse(name, reason)) {
        return PH_OK;
    }
    return ph_error_set(error, PH_ERR_USAGE,
        "--reason: want unspecified, keyCompromise, cACompromise, affiliationChanged, superseded, "
        "cessationOfOperation, certificateHold, privilegeWithdrawn or aACompromise, have \"%s\"",
        name);
}

static enum ph_err read_option_target(
    const struct ph_cli *cli, struct target *target, struct ph_error *error)
{
    if (ph_cli_has(cli, "serial")) {
        target->text = ph_cli_value(cli, "serial");
        return ph_ca_serial_parse(target->text, target->serial, error);
    }
    if (ph_cli_has(cli, "key")) {
        target->text = ph_cli_value(cli, "key");
        return ph_ca_hash_parse("key", target->text, target->key, error);
    }
    if (ph_cli_has(cli, "claim")) {
        target->text = ph_cli_value(cli, "claim");
        target->by_claim = true;
        target->enrolled = ph_cli_has(cli, "enrolled");
        return ph_ca_claim_parse(target->text, &target->identity, error);
    }
    target->authority = ph_cli_value(cli, "authority");
    target->issuer = ph_cli_value(cli, "issued-by");
    target->text = target->authority != NULL ? target->authority : target->issuer;
    return PH_OK;
}

static enum ph_err read_target(
    const struct ph_cli *cli, struct target *target, struct ph_error *error)
{
    static const char *const options[] = {"serial", "key", "claim", "authority", "issued-by"};
    int ways = ph_cli_argument_count(cli);
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        ways += ph_cli_has(cli, options[i]) ? 1 : 0;
    }
    if (ways != 1) {
        return ph_error_set(error, PH_ERR_USAGE,
            "want exactly one of TENANT/KIND/DEVICE, --serial, --key, --claim, --authority and "
            "--issued-by");
    }
    if (ph_cli_has(cli, "enrolled") && !ph_cli_has(cli, "claim")) {
        return ph_error_set(error, PH_ERR_USAGE, "--enrolled: goes with --claim");
    }
    if (ph_cli_argument_count(cli) == 0) {
        return read_option_target(cli, target, error);
    }
    target->text = ph_cli_argument(cli, 0);
    target->by_identity = true;
    return ph_identity_parse(target->text, &target->identity, error);
}

/* ---- what cannot be revoked ---- */

static enum ph_err find_authority(struct ph_ca *ca, struct target *target, struct ph_error *error)
{
    struct ph_authority authority;
    if (target->authority == NULL && target->issuer == NULL) {
        return PH_OK;
    }
    enum ph_err err = ph_authority_find(ph_ca_inventory(ca), target->text, &authority, error);
    if (err == PH_OK && authority.role == PH_ROOT) {
        err = ph_error_set(error, PH_ERR_USAGE,
            "--%s: want devices, brokers or another subordinate CA, have \"%s\": a root cannot "
            "revoke itself",
            target->authority != NULL ? "authority" : "issued-by", target->text);
    }
    if (err == PH_OK && target->authority != NULL) {
        memcpy(target->serial, authority.serial, sizeof target->serial);
    }
    return err;
}

/* A root is the one CA that is its own issuer. */
static enum ph_err refuse_root(
    struct ph_inventory *inventory, const struct target *target, struct ph_error *error)
{
    struct ph_inventory_entry entry;
    bool root = target->serial[0] != '\0' &&
                ph_inventory_find(inventory, target->serial, &entry, NULL) == PH_OK &&
                strcmp(entry.type, "authority") == 0 && strcmp(entry.name, entry.issuer) == 0;
    return root ? ph_error_set(error, PH_ERR_USAGE,
                      "--serial: a root cannot revoke itself: roll it over with ph-ca rollover")
                : PH_OK;
}

static bool matches(const struct target *target, const struct ph_inventory_entry *entry)
{
    if (target->by_identity) {
        return strcmp(entry->tenant, target->identity.tenant) == 0 &&
               strcmp(entry->kind, target->identity.kind) == 0 &&
               strcmp(entry->name, target->identity.device) == 0;
    }
    return (target->key[0] != '\0' && strcmp(entry->key_hash, target->key) == 0) ||
           (target->serial[0] != '\0' && strcmp(entry->serial, target->serial) == 0);
}

static enum ph_err count_foreign(
    const struct ph_inventory_entry *entry, void *context, struct ph_error *error)
{
    (void)error;
    struct work *work = context;
    if (matches(&work->target, entry)) {
        if (work->foreign == 0) {
            memcpy(work->foreign_serial, entry->serial, sizeof work->foreign_serial);
        }
        work->foreign++;
    }
    return PH_OK;
}

static enum ph_err find_foreign(struct ph_ca *ca, struct work *work, struct ph_error *error)
{
    const struct ph_inventory_filter filter = {.issuer = "foreign",
        .states = PH_STATE_VALID | PH_STATE_NOT_YET_VALID,
        .now_ms = work->revocation.now_ms};
    return ph_inventory_each(ph_ca_inventory(ca), &filter, count_foreign, work, error);
}

/* What is ours has been revoked by then; the rest is for the plugin's deny-list. */
static enum ph_err refuse_foreign(struct ph_ca *ca, const struct work *work, struct ph_error *error)
{
    char line[PH_CA_DENY_BYTES];
    enum ph_err err = PH_OK;
    if (work->foreign == 0) {
        return PH_OK;
    }
    err = ph_ca_deny_line(ph_ca_inventory(ca), work->foreign_serial, line, error);
    return err != PH_OK
               ? err
               : ph_error_set(error, PH_ERR_DENIED,
                     "%s: %lld made elsewhere, which no CRL of this authority can revoke: tell "
                     "their CA, and put them on the plugin's deny-list: %s%s",
                     work->target.text, (long long)work->foreign, line,
                     work->foreign > 1 ? " (ph-ca show says the line of the others)" : "");
}

/* ---- revoke ---- */

static enum ph_err mark(struct ph_inventory *inventory, const struct target *target,
    struct ph_inventory_revocation *revocation, struct ph_error *error)
{
    if (target->by_identity) {
        return ph_inventory_revoke_identity(inventory, &target->identity, revocation, error);
    }
    if (target->by_claim) {
        return ph_inventory_revoke_claim(inventory, target->identity.tenant,
            target->identity.device, target->enrolled, revocation, error);
    }
    if (target->key[0] != '\0') {
        return ph_inventory_revoke_key(inventory, target->key, revocation, error);
    }
    return target->issuer != NULL
               ? ph_inventory_revoke_issuer(inventory, target->issuer, revocation, error)
               : ph_inventory_revoke_serial(inventory, target->serial, revocation, error);
}

static enum ph_err revoke(struct ph_ca *ca, void *context, struct ph_error *error)
{
    struct work *work = context;
    struct ph_inventory *inventory = ph_ca_inventory(ca);
    const char *reason = ph_revocation_reason_name(work->revocation.reason);
    char detail[160];
    enum ph_err err = find_authority(ca, &work->target, error);
    if (err == PH_OK) {
        err = refuse_root(inventory, &work->target, error);
    }
    if (err == PH_OK) {
        err = find_foreign(ca, work, error);
    }
    if (err == PH_OK) {
        err = mark(inventory, &work->target, &work->revocation, error);
    }
    if (err == PH_OK && work->revocation.known == 0) {
        err = work->foreign > 0
                  ? refuse_foreign(ca, work, error)
                  : ph_error_set(error, PH_ERR_NOT_FOUND,
                        "%s: no such certificate in the inventory; ph-ca list shows what is",
                        work->target.text);
    }
    if (err != PH_OK) {
        return err;
    }
    (void)snprintf(detail, sizeof detail, "{\"reason\":\"%s\",\"certificates\":%lld%s}", reason,
        (long long)work->revocation.changed, work->target.enrolled ? ",\"enrolled\":true" : "");
    return ph_ca_record(
        ca, &work->actor, work->revocation.now_ms, "revoke", work->target.text, detail, error);
}

static enum ph_err finish_revoke(
    const struct ph_cli *cli, struct ph_ca *ca, const struct work *work, struct ph_error *error)
{
    const struct ph_inventory_revocation *revocation = &work->revocation;
    enum ph_err err = ph_ca_publish_marks(cli, ca, revocation->now_ms, "revoked", error);
    if (err == PH_OK) {
        printf("%lld %s, %lld were before; CRLs signed\n", (long long)revocation->changed,
            revocation->reason == REASON_HOLD ? "held" : "revoked",
            (long long)(revocation->known - revocation->changed));
        err = refuse_foreign(ca, work, error);
    }
    return err;
}

enum ph_err ph_ca_cmd_revoke(const struct ph_cli *cli, struct ph_error *error)
{
    struct work work = {.revocation.now_ms = ph_clock_unix_ms()};
    struct ph_ca *ca = NULL;
    enum ph_err err = read_target(cli, &work.target, error);
    if (err == PH_OK) {
        err = read_reason(cli, &work.revocation.reason, error);
    }
    if (err == PH_OK) {
        err = ph_ca_actor_read(cli, &work.actor, error);
    }
    if (err == PH_OK) {
        err = ph_ca_open_named(cli, &ca, error);
    }
    if (err == PH_OK) {
        err = ph_ca_transaction(ca, revoke, &work, error);
    }
    if (err == PH_OK) {
        err = finish_revoke(cli, ca, &work, error);
    }
    ph_ca_close(&ca);
    return err;
}
