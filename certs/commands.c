#include "certs/commands.h"

#include <ctype.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "certs/acts.h"

enum ph_err ph_ca_open_named(const struct ph_cli *cli, struct ph_ca **out, struct ph_error *error)
{
    const char *dir = ph_cli_value(cli, "ca");
    return ph_ca_open(dir != NULL ? dir : "pki", out, error);
}

/* ---- who and why ---- */

static const char *login_name(void)
{
    static char text[4096]; /* for all that is known of the user; the name is in it */
    struct passwd user = {0};
    struct passwd *found = NULL;
    int rc = getpwuid_r(getuid(), &user, text, sizeof text, &found);
    if (rc == 0 && found != NULL && user.pw_name[0] != '\0') {
        return user.pw_name;
    }
    (void)snprintf(text, sizeof text, "user %ld", (long)getuid());
    return text;
}

static enum ph_err check_line(
    const char *option, const char *text, size_t size, struct ph_error *error)
{
    size_t len = strlen(text);
    bool line = ph_text_clean(text, len) && strchr(text, '\t') == NULL;
    return line && len > 0 && len < size
               ? PH_OK
               : ph_error_set(error, PH_ERR_USAGE,
                     "--%s: want one line of 1 to %zu bytes of text, have \"%s\"", option, size - 1,
                     text);
}

enum ph_err ph_ca_actor_read(
    const struct ph_cli *cli, struct ph_ca_actor *out, struct ph_error *error)
{
    const char *by = ph_cli_value(cli, "by");
    const char *why = ph_cli_value(cli, "why");
    out->who = by != NULL ? by : login_name();
    out->why = why != NULL ? why : "";
    enum ph_err err = check_line("by", out->who, PH_WHO_BYTES, error);
    return err == PH_OK && why != NULL ? check_line("why", why, PH_WHY_BYTES, error) : err;
}

struct ph_root_key ph_ca_root_key_read(const struct ph_cli *cli)
{
    return (struct ph_root_key){
        .dir = ph_cli_value(cli, "root"), .passphrase_file = ph_cli_value(cli, "passphrase-file")};
}

enum ph_err ph_ca_change_read(
    const struct ph_cli *cli, struct ph_authority_change *change, struct ph_error *error)
{
    char checked[PH_SEGMENT_BYTES];
    change->tenant = ph_cli_value(cli, "tenant");
    change->root = ph_ca_root_key_read(cli);
    change->now_ms = ph_clock_unix_ms();
    enum ph_err err = ph_ca_actor_read(cli, &change->actor, error);
    if (err == PH_OK && change->tenant != NULL) {
        err = ph_segment_set(checked, "--tenant", change->tenant, strlen(change->tenant), error);
    }
    return err;
}

enum ph_err ph_ca_transaction(
    struct ph_ca *ca, ph_ca_step *step, void *context, struct ph_error *error)
{
    struct ph_inventory *inventory = ph_ca_inventory(ca);
    enum ph_err err = ph_inventory_begin(inventory, error);
    if (err != PH_OK) {
        return err;
    }
    err = step(ca, context, error);
    if (err == PH_OK) {
        return ph_inventory_commit(inventory, error);
    }
    ph_inventory_rollback(inventory);
    return err;
}

enum ph_err ph_ca_record(struct ph_ca *ca, const struct ph_ca_actor *actor, int64_t now_ms,
    const char *act, const char *what, const char *detail, struct ph_error *error)
{
    const struct ph_act record = {
        .time_ms = now_ms,
        .who = actor->who,
        .act = act,
        .what = what,
        .why = actor->why != NULL ? actor->why : "",
        .detail = detail != NULL ? detail : "{}",
    };
    return ph_act_add(ph_ca_inventory(ca), &record, error);
}

enum ph_err ph_ca_publish_marks(const struct ph_cli *cli, struct ph_ca *ca, int64_t now_ms,
    const char *done, struct ph_error *error)
{
    const struct ph_root_key root = ph_ca_root_key_read(cli);
    bool named = root.dir != NULL || root.passphrase_file != NULL;
    enum ph_err err = ph_ca_publish(ca, named ? &root : NULL, now_ms, error);
    return err == PH_OK ? PH_OK
                        : ph_error_prefix(error, err,
                              "%s in the inventory, but not yet on the CRL (run ph-ca crl)", done);
}

/* ---- reading ---- */

enum ph_err ph_ca_serial_parse(const char *text, char out[PH_SERIAL_BYTES], struct ph_error *error)
{
    const char *digits = text + strspn(text, "0");
    size_t len = strlen(digits);
    if (len == 0 || len >= PH_SERIAL_BYTES || strspn(digits, "0123456789abcdefABCDEF") != len) {
        return ph_error_set(error, PH_ERR_USAGE,
            "\"%s\": want a serial number in hexadecimal, or a file that exists", text);
    }
    memcpy(out, digits, len + 1);
    for (char *p = out; *p != '\0'; p++) {
        *p = (char)tolower((unsigned char)*p);
    }
    return PH_OK;
}

enum ph_err ph_ca_hash_parse(
    const char *option, const char *text, char out[PH_FINGERPRINT_BYTES], struct ph_error *error)
{
    size_t len = 0;
    for (const char *p = text; *p != '\0' && len < PH_FINGERPRINT_BYTES; p++) {
        if (*p != ':') {
            out[len++] = (char)tolower((unsigned char)*p);
        }
    }
    out[len < PH_FINGERPRINT_BYTES ? len : 0] = '\0';
    return len == PH_FINGERPRINT_BYTES - 1 && strspn(out, "0123456789abcdef") == len
               ? PH_OK
               : ph_error_set(error, PH_ERR_USAGE,
                     "--%s: want a SHA-256 in 64 hexadecimal digits, have \"%s\"", option, text);
}

bool ph_ca_kind_reserved(const char *kind)
{
    return strcmp(kind, "service") == 0 || strcmp(kind, "claim") == 0;
}

enum ph_err ph_ca_device_parse(const char *text, struct ph_identity *out, struct ph_error *error)
{
    enum ph_err err = ph_identity_parse(text, out, error);
    return err != PH_OK || !ph_ca_kind_reserved(out->kind)
               ? err
               : ph_error_set(error, PH_ERR_INPUT,
                     "%s: kind \"%s\" is no device's: it is kept for %ss", text, out->kind,
                     out->kind);
}

enum ph_err ph_ca_claim_parse(const char *text, struct ph_identity *out, struct ph_error *error)
{
    const char *slash = strchr(text, '/');
    *out = (struct ph_identity){.kind = "claim"};
    if (slash == NULL) {
        return ph_error_set(error, PH_ERR_INPUT, "claim \"%s\": want TENANT/NAME", text);
    }
    enum ph_err err = ph_segment_set(out->tenant, "tenant", text, (size_t)(slash - text), error);
    return err == PH_OK ? ph_segment_set(out->device, "claim", slash + 1, strlen(slash + 1), error)
                        : err;
}

/* ---- certificates as words ---- */

const char *ph_ca_status(const struct ph_inventory_entry *entry, int64_t now_ms)
{
    return ph_inventory_state_name(ph_inventory_state(entry, now_ms));
}

void ph_ca_holder(char *out, size_t size, const struct ph_inventory_entry *entry)
{
    if (entry->tenant[0] != '\0') {
        (void)snprintf(out, size, "%s/%s/%s", entry->tenant, entry->kind, entry->name);
    } else {
        (void)snprintf(out, size, "%s", entry->name);
    }
}

const char *ph_ca_reason(const struct ph_inventory_entry *entry)
{
    const char *name = ph_revocation_reason_name(entry->reason);
    return entry->revoked_ms == 0 ? "" : name != NULL ? name : "unspecified";
}

bool ph_ca_foreign(const struct ph_inventory_entry *entry)
{
    return strcmp(entry->issuer, "foreign") == 0;
}

enum ph_err ph_ca_deny_line(struct ph_inventory *inventory, const char *serial,
    char out[PH_CA_DENY_BYTES], struct ph_error *error)
{
    struct ph_certificate *certificate = NULL;
    struct ph_certificate_facts facts;
    struct ph_buf der;
    ph_buf_init(&der, PH_LIMIT_CERTIFICATE_BYTES);
    enum ph_err err = ph_inventory_der(inventory, serial, &der, error);
    if (err == PH_OK) {
        err = ph_certificate_parse(der.data, der.len, &certificate, error);
    }
    if (err == PH_OK) {
        err = ph_certificate_facts(certificate, &facts, error);
    }
    if (err == PH_OK) {
        (void)snprintf(out, PH_CA_DENY_BYTES, "deny serial %s %s", facts.serial, facts.issuer);
    }
    ph_certificate_free(&certificate);
    ph_buf_fini(&der);
    return err;
}

const char *ph_ca_request_state(enum ph_enrolment_state state)
{
    static const char *const names[] = {
        [PH_ENROLMENT_WAITING] = "waiting",
        [PH_ENROLMENT_APPROVED] = "approved",
        [PH_ENROLMENT_REFUSED] = "refused",
        [PH_ENROLMENT_ISSUED] = "issued",
    };
    return names[state];
}
