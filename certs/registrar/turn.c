#include "certs/registrar/turn.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

static void say(struct ph_turn *turn, enum ph_answer_type type, int64_t retry_s, const char *format,
    va_list arguments) PH_PRINTF(4, 0);

static void say(struct ph_turn *turn, enum ph_answer_type type, int64_t retry_s, const char *format,
    va_list arguments)
{
    char raw[PH_REASON_BYTES];
    (void)vsnprintf(raw, sizeof raw, format, arguments);
    ph_text_escape(turn->reason, sizeof turn->reason, raw);
    turn->decided = true;
    turn->answer.type = type;
    turn->answer.reason = turn->reason;
    turn->answer.retry_s = retry_s;
}

enum ph_err ph_turn_refuse(struct ph_turn *turn, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(turn, PH_ANSWER_REFUSED, turn->registrar->rules->retry_refused_s, format, arguments);
    va_end(arguments);
    return PH_ERR_DENIED;
}

enum ph_err ph_turn_wait(struct ph_turn *turn, int64_t retry_s, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(turn, PH_ANSWER_WAIT, retry_s, format, arguments);
    va_end(arguments);
    return PH_OK;
}

enum ph_err ph_turn_read_request(struct ph_turn *turn)
{
    struct ph_error error = {0};
    char extras[PH_REQUEST_EXTRAS_BYTES];
    int64_t suppressed = 0;
    const char *csr = turn->ask->csr;
    if (ph_request_parse(csr, strlen(csr), &turn->request, &error) != PH_OK) {
        return ph_turn_refuse(turn, "%s", error.message);
    }
    ph_request_extras(turn->request, turn->asker->claim ? NULL : &turn->asker->identity, extras);
    if (extras[0] != '\0' &&
        ph_log_limit_pass(&turn->registrar->extras, turn->now_ms, &suppressed)) {
        ph_log(PH_LOG_INFO, "the request asks for more than its key: ignored",
            PH_STR("from", turn->who), PH_STR("extras", extras), PH_INT("suppressed", suppressed));
    }
    return PH_OK;
}

static bool is_of(const struct ph_inventory_entry *entry, const struct ph_identity *identity)
{
    return strcmp(entry->tenant, identity->tenant) == 0 &&
           strcmp(entry->kind, identity->kind) == 0 && strcmp(entry->name, identity->device) == 0;
}

enum ph_err ph_turn_find_certificate(
    struct ph_turn *turn, struct ph_inventory_entry *out, struct ph_error *error)
{
    const char *fingerprint = turn->asker->fingerprint;
    struct ph_error lookup = {0};
    if (fingerprint == NULL) {
        return ph_turn_refuse(turn, "the broker does not say with which certificate you are "
                                    "connected: its role needs provenance");
    }
    enum ph_err err =
        ph_inventory_find_fingerprint(turn->registrar->inventory, fingerprint, out, &lookup);
    if (err == PH_ERR_NOT_FOUND) {
        return ph_turn_refuse(turn, "your certificate is not in the inventory of this registrar");
    }
    if (err != PH_OK) {
        return ph_error_set(error, err, "%s", lookup.message);
    }
    if (!is_of(out, &turn->asker->identity)) {
        return ph_turn_refuse(turn, "certificate %s is not that of %s", out->serial, turn->who);
    }
    if (out->revoked_ms != 0) {
        return ph_turn_refuse(turn, "certificate %s was revoked: %s", out->serial,
            ph_revocation_reason_name(out->reason));
    }
    return PH_OK;
}

/* Leaf and the CA that signed it, from what is kept: what was sent the first time. */
static enum ph_err load_chain(
    struct ph_turn *turn, const struct ph_inventory_entry *entry, struct ph_error *error)
{
    char path[PATH_MAX];
    struct ph_certificate *leaf = NULL;
    struct ph_buf der;
    ph_buf_init(&der, PH_LIMIT_CERTIFICATE_BYTES);
    enum ph_err err = ph_inventory_der(turn->registrar->inventory, entry->serial, &der, error);
    if (err == PH_OK) {
        err = ph_certificate_parse(der.data, der.len, &leaf, error);
    }
    if (err == PH_OK) {
        err = ph_certificate_print(leaf, &turn->text, error);
    }
    if (err == PH_OK) {
        err =
            ph_authority_path(path, ph_ca_dir(turn->registrar->ca), entry->issuer, "ca.crt", error);
    }
    if (err == PH_OK) {
        err = ph_file_load(path, &turn->text, error);
    }
    ph_certificate_free(&leaf);
    ph_buf_fini(&der);
    return err;
}

enum ph_err ph_turn_repeat(
    struct ph_turn *turn, const struct ph_inventory_entry *entry, struct ph_error *error)
{
    if (entry->revoked_ms != 0) {
        return ph_turn_refuse(turn, "the certificate for this key, %s, was revoked: %s",
            entry->serial, ph_revocation_reason_name(entry->reason));
    }
    enum ph_err err = load_chain(turn, entry, error);
    if (err == PH_OK) {
        err = ph_turn_renew_time(turn, entry, &turn->answer.renew_ms, error);
    }
    if (err == PH_OK) {
        turn->answer.type = PH_ANSWER_CERTIFICATE;
        turn->answer.certificate = turn->text.data;
        turn->registrar->counts.repeated++;
    }
    return err;
}

void ph_turn_identity(
    struct ph_identity *out, const char *tenant, const char *kind, const char *name)
{
    *out = (struct ph_identity){0};
    (void)!ph_text_copy(out->tenant, sizeof out->tenant, tenant);
    (void)!ph_text_copy(out->kind, sizeof out->kind, kind);
    (void)!ph_text_copy(out->device, sizeof out->device, name);
}

enum ph_err ph_turn_check_kind(struct ph_turn *turn, const struct ph_claim *claim, const char *kind)
{
    if (claim->kind[0] != '\0' && strcmp(claim->kind, kind) != 0) {
        return ph_turn_refuse(
            turn, "the claim is for devices of kind %s, not %s", claim->kind, kind);
    }
    return PH_OK;
}

enum ph_err ph_turn_check_allowed(
    struct ph_turn *turn, const struct ph_inventory_entry *entry, struct ph_error *error)
{
    struct ph_identity identity;
    struct ph_expected expected = {0};
    struct ph_error lookup = {0};
    ph_turn_identity(&identity, entry->tenant, entry->kind, entry->name);
    enum ph_err err = ph_expected_find(turn->registrar->inventory, &identity, &expected, &lookup);
    if (err == PH_OK && expected.state == PH_EXPECTED_FORBIDDEN) {
        return ph_turn_refuse(turn, "%s was decommissioned", entry->name);
    }
    return err == PH_OK || err == PH_ERR_NOT_FOUND ? PH_OK
                                                   : ph_error_set(error, err, "%s", lookup.message);
}
