/* The one place where the registrar signs. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "certs/acts.h"
#include "certs/registrar/turn.h"

/* ---- signers ---- */

static enum ph_err open_signer(
    struct ph_turn *turn, const char *tenant, struct ph_signer **out, struct ph_error *error)
{
    struct ph_registrar *registrar = turn->registrar;
    enum ph_err err = PH_OK;
    if (registrar->signers == NULL) {
        err = ph_signers_new(registrar->ca, PH_DEVICES, &registrar->signers, error);
    }
    return err == PH_OK ? ph_signers_get(registrar->signers, tenant, turn->now_ms, out, error)
                        : err;
}

/* They are kept: reading a CA, its key and its CRLs takes longer than to sign. When there is room
 * for no more (tenants with CAs of their own), all make room. */
static enum ph_err find_signer(
    struct ph_turn *turn, const char *tenant, struct ph_signer **out, struct ph_error *error)
{
    struct ph_registrar *registrar = turn->registrar;
    if (registrar->signers != NULL &&
        ph_signers_check(registrar->signers, turn->now_ms, NULL) != PH_OK) {
        ph_signers_free(&registrar->signers);
    }
    enum ph_err err = open_signer(turn, tenant, out, error);
    if (err == PH_ERR_LIMIT) {
        ph_signers_free(&registrar->signers);
        ph_error_clear(error);
        err = open_signer(turn, tenant, out, error);
    }
    return err;
}

/* ---- what is recorded ---- */

static void copy(char *out, size_t size, const char *text)
{
    (void)snprintf(out, size, "%s", text);
}

static void complete(struct ph_inventory_entry *entry, const struct ph_grant *grant)
{
    const struct ph_inventory_entry *before = grant->predecessor;
    copy(entry->lineage, sizeof entry->lineage, before != NULL ? before->lineage : entry->serial);
    copy(entry->predecessor, sizeof entry->predecessor, before != NULL ? before->serial : "");
    copy(entry->origin, sizeof entry->origin, before != NULL ? "renewed" : "enrolled");
    copy(entry->claim, sizeof entry->claim, before != NULL ? before->claim : grant->claim);
    copy(entry->approved_by, sizeof entry->approved_by, grant->approved_by);
    copy(entry->why, sizeof entry->why, grant->why);
}

static enum ph_err record(struct ph_turn *turn, const struct ph_grant *grant,
    const struct ph_leaf *leaf, struct ph_error *error)
{
    char what[PH_IDENTITY_BYTES];
    char detail[2 * PH_SERIAL_BYTES + 64];
    const struct ph_act act = {
        .time_ms = turn->now_ms,
        .who = "registrar",
        .act = grant->act,
        .what = what,
        .why = grant->why,
        .detail = detail,
    };
    ph_identity_print(what, sizeof what, &grant->identity);
    (void)snprintf(detail, sizeof detail, "{\"serial\":\"%s\",\"follows\":\"%s\"}",
        leaf->entry.serial, leaf->entry.predecessor);
    enum ph_err err = ph_inventory_add(
        turn->registrar->inventory, &leaf->entry, leaf->der.data, leaf->der.len, error);
    return err == PH_OK ? ph_act_add(turn->registrar->inventory, &act, error) : err;
}

static enum ph_err sign(struct ph_turn *turn, const struct ph_grant *grant, struct ph_leaf *leaf,
    struct ph_error *error)
{
    const struct ph_leaf_order order = {
        .tenant = grant->identity.tenant,
        .kind = grant->identity.kind,
        .name = grant->identity.device,
        .now_ms = turn->now_ms,
        .not_before_ms = turn->now_ms - PH_CA_BACKDATE_MS,
        .not_after_ms = turn->now_ms + turn->registrar->rules->device_ms,
        .cut_to_authority = true,
    };
    struct ph_signer *signer = NULL;
    enum ph_err err = find_signer(turn, grant->identity.tenant, &signer, error);
    return err == PH_OK ? ph_signer_sign(signer, &order, ph_request_key(turn->request), leaf, error)
                        : err;
}

static enum ph_err answer(struct ph_turn *turn, const struct ph_leaf *leaf, struct ph_error *error)
{
    enum ph_err err =
        ph_buf_append(&turn->text, leaf->certificate_pem.data, leaf->certificate_pem.len);
    if (err != PH_OK) {
        return ph_error_set(
            error, err, "certificate %s: does not fit an answer", leaf->entry.serial);
    }
    turn->answer.type = PH_ANSWER_CERTIFICATE;
    turn->answer.certificate = turn->text.data;
    return ph_turn_renew_time(turn, &leaf->entry, &turn->answer.renew_ms, error);
}

enum ph_err ph_turn_grant(struct ph_turn *turn, const struct ph_grant *grant,
    struct ph_inventory_entry *issued, struct ph_error *error)
{
    struct ph_leaf leaf = {0};
    ph_buf_init(&leaf.key_pem, PH_LIMIT_CERTIFICATE_BYTES);
    ph_buf_init(&leaf.certificate_pem, PH_LIMIT_CERTIFICATE_BYTES);
    ph_buf_init(&leaf.der, PH_LIMIT_CERTIFICATE_BYTES);
    enum ph_err err = sign(turn, grant, &leaf, error);
    if (err == PH_OK) {
        complete(&leaf.entry, grant);
        err = record(turn, grant, &leaf, error);
    }
    if (err == PH_OK) {
        *issued = leaf.entry;
        err = answer(turn, &leaf, error);
    }
    if (err == PH_OK) {
        ph_log(PH_LOG_INFO, "certificate issued", PH_STR("act", grant->act),
            PH_STR("from", turn->who), PH_STR("name", leaf.entry.name),
            PH_STR("serial", leaf.entry.serial), PH_STR("why", grant->why));
    }
    ph_buf_fini(&leaf.key_pem);
    ph_buf_fini(&leaf.certificate_pem);
    ph_buf_fini(&leaf.der);
    return err;
}
