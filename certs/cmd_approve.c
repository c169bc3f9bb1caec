#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "certs/commands.h"

const struct ph_cli_option ph_ca_approve_options[] = {
    PH_CA_OPTION,
    {"as", "TENANT/KIND/DEVICE", "what it shall be, instead of what it asks for"},
    PH_CA_BY_OPTION,
    PH_CA_WHY_OPTION,
    {0},
};

const struct ph_cli_option ph_ca_refuse_options[] = {
    PH_CA_OPTION,
    PH_CA_BY_OPTION,
    {"why", "TEXT", "why, for the log of acts and for the device; needed"},
    {0},
};

struct decision {
    int64_t id;
    const char *as; /* NULL: as it asks */
    bool refuse;
    struct ph_ca_actor actor;
    int64_t now_ms;
    struct ph_enrolment request; /* set: as it is then */
};

static enum ph_err read_id(const struct ph_cli *cli, int64_t *id, struct ph_error *error)
{
    const char *text = ph_cli_argument(cli, 0);
    return ph_text_to_int64(text, 1, INT64_MAX, id)
               ? PH_OK
               : ph_error_set(error, PH_ERR_USAGE,
                     "\"%s\": want the ID of a request, as ph-ca requests shows it", text);
}

/* What a request names is the device's wish, which nobody has checked so far. */
static enum ph_err read_identity(
    const struct decision *decision, struct ph_identity *out, struct ph_error *error)
{
    const struct ph_enrolment *request = &decision->request;
    char text[PH_IDENTITY_BYTES];
    (void)snprintf(text, sizeof text, "%s/%s/%s", request->tenant, request->kind, request->name);
    enum ph_err err = ph_ca_device_parse(decision->as != NULL ? decision->as : text, out, error);
    if (err != PH_OK && decision->as == NULL) {
        err = ph_error_prefix(error, err,
            "request %" PRId64 ": cannot have what it asks for: approve it --as "
            "TENANT/KIND/DEVICE",
            decision->id);
    }
    if (err == PH_OK && strcmp(out->tenant, request->tenant) != 0) {
        err = ph_error_set(error, PH_ERR_DENIED,
            "--as: %s: the claim of request %" PRId64 " is of tenant %s, which its devices are of",
            decision->as, decision->id, request->tenant);
    }
    return err;
}

static enum ph_err check_kind(struct ph_inventory *inventory, const struct ph_enrolment *request,
    const char *kind, struct ph_error *error)
{
    struct ph_claim claim;
    enum ph_err err = ph_claim_find(inventory, request->tenant, request->claim, &claim, error);
    return err != PH_OK || claim.kind[0] == '\0' || strcmp(claim.kind, kind) == 0
               ? err
               : ph_error_set(error, PH_ERR_DENIED,
                     "request %" PRId64 ": claim %s/%s is for devices of kind %s, not %s",
                     request->id, request->tenant, request->claim, claim.kind, kind);
}

/* Who has a name already. */
struct rival {
    const struct ph_identity *identity;
    int64_t request;              /* the one that is being decided */
    int64_t approved;             /* another, which was approved for the name; 0: none */
    char serial[PH_SERIAL_BYTES]; /* of a certificate; "": none */
};

static enum ph_err note_request(
    const struct ph_enrolment *request, void *context, struct ph_error *error)
{
    (void)error;
    struct rival *rival = context;
    if (request->state == PH_ENROLMENT_APPROVED && request->id != rival->request &&
        strcmp(request->tenant, rival->identity->tenant) == 0 &&
        strcmp(request->kind, rival->identity->kind) == 0 &&
        strcmp(request->name, rival->identity->device) == 0) {
        rival->approved = request->id;
    }
    return PH_OK;
}

static enum ph_err note_serial(
    const struct ph_inventory_entry *entry, void *context, struct ph_error *error)
{
    (void)error;
    struct rival *rival = context;
    memcpy(rival->serial, entry->serial, sizeof rival->serial);
    return PH_OK;
}

static enum ph_err find_rival(
    struct ph_inventory *inventory, int64_t now_ms, struct rival *rival, struct ph_error *error)
{
    char holder[PH_IDENTITY_BYTES];
    ph_identity_print(holder, sizeof holder, rival->identity);
    const struct ph_inventory_filter filter = {.tenant = rival->identity->tenant,
        .kind = rival->identity->kind,
        .holder = holder,
        .states = PH_STATE_VALID | PH_STATE_NOT_YET_VALID | PH_STATE_HELD,
        .now_ms = now_ms};
    enum ph_err err = ph_inventory_each(inventory, &filter, note_serial, rival, error);
    return err == PH_OK ? ph_enrolment_each(inventory, false, note_request, rival, error) : err;
}

/* A name that is expected of a device with another mark is not for this one. */
static enum ph_err check_marks(const struct ph_expected *expected,
    const struct ph_enrolment *request, const char *holder, struct ph_error *error)
{
    bool key = expected->key_hash[0] != '\0' && strcmp(expected->key_hash, request->key_hash) != 0;
    bool hardware =
        expected->hardware[0] != '\0' && strcmp(expected->hardware, request->hardware) != 0;
    return expected->state != PH_EXPECTED || (!key && !hardware)
               ? PH_OK
               : ph_error_set(error, PH_ERR_DENIED,
                     "%s: is expected with another %s than request %" PRId64
                     ": ph-ca expect it anew, or approve --as another name",
                     holder, key ? "key" : "serial number", request->id);
}

/* Neither a name that is forbidden nor one that another device answers to. */
static enum ph_err check_free(struct ph_inventory *inventory, const struct decision *decision,
    const struct ph_identity *identity, struct ph_error *error)
{
    char holder[PH_IDENTITY_BYTES];
    struct ph_expected expected = {0};
    struct rival rival = {.identity = identity, .request = decision->id};
    ph_identity_print(holder, sizeof holder, identity);
    bool known = ph_expected_find(inventory, identity, &expected, NULL) == PH_OK;
    if (known && expected.state == PH_EXPECTED_FORBIDDEN) {
        return ph_error_set(error, PH_ERR_DENIED,
            "%s: decommissioned: it never enrols again; approve --as another name", holder);
    }
    enum ph_err err = known ? check_marks(&expected, &decision->request, holder, error) : PH_OK;
    if (err == PH_OK) {
        err = find_rival(inventory, decision->now_ms, &rival, error);
    }
    if (err == PH_OK && rival.serial[0] != '\0') {
        err = ph_error_set(error, PH_ERR_EXISTS,
            "%s: has a certificate already (%s): revoke that first, or approve --as another name",
            holder, rival.serial);
    }
    if (err == PH_OK && rival.approved != 0) {
        err = ph_error_set(error, PH_ERR_EXISTS,
            "%s: request %" PRId64 " was approved for it: refuse that first, or approve --as "
            "another name",
            holder, rival.approved);
    }
    return err;
}

static enum ph_err check_state(const struct decision *decision, struct ph_error *error)
{
    enum ph_enrolment_state state = decision->request.state;
    bool open =
        state == PH_ENROLMENT_WAITING || (state == PH_ENROLMENT_APPROVED && decision->refuse);
    return open ? PH_OK
                : ph_error_set(error, PH_ERR_EXISTS, "request %" PRId64 ": is %s already%s",
                      decision->id, ph_ca_request_state(state),
                      state == PH_ENROLMENT_ISSUED ? ": use ph-ca revoke" : "");
}

static enum ph_err apply(
    struct ph_inventory *inventory, struct decision *decision, struct ph_error *error)
{
    struct ph_enrolment *request = &decision->request;
    struct ph_identity identity;
    if (decision->refuse) {
        request->state = PH_ENROLMENT_REFUSED;
        return PH_OK;
    }
    enum ph_err err = read_identity(decision, &identity, error);
    if (err == PH_OK) {
        err = check_kind(inventory, request, identity.kind, error);
    }
    if (err == PH_OK) {
        err = check_free(inventory, decision, &identity, error);
    }
    if (err == PH_OK) {
        request->state = PH_ENROLMENT_APPROVED;
        memcpy(request->kind, identity.kind, sizeof request->kind);
        memcpy(request->name, identity.device, sizeof request->name);
    }
    return err;
}

static enum ph_err record(struct ph_ca *ca, const struct decision *decision, struct ph_error *error)
{
    const struct ph_enrolment *request = &decision->request;
    char detail[256];
    char what[PH_IDENTITY_BYTES];
    (void)snprintf(detail, sizeof detail,
        "{\"request\":%" PRId64 ",\"claim\":\"%s\",\"key_hash\":\"%s\"}", request->id,
        request->claim, request->key_hash);
    if (decision->refuse) {
        (void)snprintf(what, sizeof what, "request %" PRId64, request->id);
    } else {
        (void)snprintf(
            what, sizeof what, "%s/%s/%s", request->tenant, request->kind, request->name);
    }
    return ph_ca_record(ca, &decision->actor, decision->now_ms,
        decision->refuse ? "refuse" : "approve", what, detail, error);
}

static enum ph_err decide(struct ph_ca *ca, void *context, struct ph_error *error)
{
    struct decision *decision = context;
    struct ph_inventory *inventory = ph_ca_inventory(ca);
    enum ph_err err = ph_enrolment_get(inventory, decision->id, &decision->request, error);
    if (err == PH_OK) {
        err = check_state(decision, error);
    }
    if (err == PH_OK) {
        err = apply(inventory, decision, error);
    }
    if (err != PH_OK) {
        return err;
    }
    decision->request.decided_ms = decision->now_ms;
    (void)snprintf(decision->request.who, sizeof decision->request.who, "%s", decision->actor.who);
    (void)snprintf(decision->request.why, sizeof decision->request.why, "%s", decision->actor.why);
    err = ph_enrolment_put(inventory, &decision->request, error);
    return err == PH_OK ? record(ca, decision, error) : err;
}

static enum ph_err run_decision(
    const struct ph_cli *cli, struct decision *decision, struct ph_error *error)
{
    struct ph_ca *ca = NULL;
    decision->now_ms = ph_clock_unix_ms();
    enum ph_err err = read_id(cli, &decision->id, error);
    if (err == PH_OK) {
        err = ph_ca_actor_read(cli, &decision->actor, error);
    }
    if (err == PH_OK) {
        err = ph_ca_open_named(cli, &ca, error);
    }
    if (err == PH_OK) {
        err = ph_ca_transaction(ca, decide, decision, error);
    }
    ph_ca_close(&ca);
    return err;
}

enum ph_err ph_ca_cmd_approve(const struct ph_cli *cli, struct ph_error *error)
{
    struct decision decision = {.as = ph_cli_value(cli, "as")};
    enum ph_err err = run_decision(cli, &decision, error);
    if (err == PH_OK) {
        printf("request %" PRId64 " approved as %s/%s/%s: it gets its certificate when it asks "
               "again\n",
            decision.id, decision.request.tenant, decision.request.kind, decision.request.name);
    }
    return err;
}

enum ph_err ph_ca_cmd_refuse(const struct ph_cli *cli, struct ph_error *error)
{
    struct decision decision = {.refuse = true};
    if (!ph_cli_has(cli, "why")) {
        return ph_error_set(
            error, PH_ERR_USAGE, "--why: is needed: the device and the log are told");
    }
    enum ph_err err = run_decision(cli, &decision, error);
    if (err == PH_OK) {
        printf("request %" PRId64 " refused\n", decision.id);
    }
    return err;
}
