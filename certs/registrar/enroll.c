#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "certs/registrar/turn.h"

static struct ph_inventory *inventory_of(const struct ph_turn *turn)
{
    return turn->registrar->inventory;
}

static const char *claim_name(const struct ph_turn *turn)
{
    return turn->asker->identity.device;
}

/* ---- the claim ---- */

static enum ph_err find_claim(struct ph_turn *turn, struct ph_claim *claim, struct ph_error *error)
{
    struct ph_error lookup = {0};
    enum ph_err err = ph_claim_find(
        inventory_of(turn), turn->asker->identity.tenant, claim_name(turn), claim, &lookup);
    if (err == PH_ERR_NOT_FOUND) {
        return ph_turn_refuse(turn, "there is no such claim");
    }
    if (err != PH_OK) {
        return ph_error_set(error, err, "%s", lookup.message);
    }
    return claim->revoked_ms == 0 ? PH_OK : ph_turn_refuse(turn, "the claim was revoked");
}

static enum ph_err check_claim_open(struct ph_turn *turn, const struct ph_claim *claim)
{
    if (turn->now_ms > claim->expires_ms) {
        return ph_turn_refuse(turn, "the claim has expired");
    }
    if (claim->used >= claim->limit) {
        return ph_turn_refuse(turn, "the claim is used up: it was good for %lld device%s",
            (long long)claim->limit, claim->limit == 1 ? "" : "s");
    }
    return PH_OK;
}

/* ---- who it shall be ---- */

/* What the device says of itself, where the claim leaves it open. */
static const char *asked_kind(const struct ph_turn *turn, const struct ph_claim *claim)
{
    return turn->ask->kind != NULL || claim->kind[0] == '\0' ? turn->ask->kind : claim->kind;
}

static bool reserved(const char *kind)
{
    return strcmp(kind, "service") == 0 || strcmp(kind, "claim") == 0;
}

/* ---- issuing ---- */

static enum ph_err mark_done(struct ph_turn *turn, struct ph_enrolment *enrolment,
    const struct ph_grant *grant, const char *serial, struct ph_error *error)
{
    (void)!ph_text_copy(enrolment->kind, sizeof enrolment->kind, grant->identity.kind);
    (void)!ph_text_copy(enrolment->name, sizeof enrolment->name, grant->identity.device);
    (void)!ph_text_copy(enrolment->serial, sizeof enrolment->serial, serial);
    enrolment->state = PH_ENROLMENT_ISSUED;
    enrolment->decided_ms = turn->now_ms;
    enum ph_err err = ph_claim_use(inventory_of(turn), enrolment->tenant, enrolment->claim, error);
    if (err == PH_OK) {
        err = ph_expected_set(inventory_of(turn), &grant->identity, PH_EXPECTED_ENROLLED,
            grant->approved_by, grant->why, turn->now_ms, error);
    }
    return err == PH_OK ? ph_enrolment_put(inventory_of(turn), enrolment, error) : err;
}

static enum ph_err issue(struct ph_turn *turn, struct ph_enrolment *enrolment,
    const struct ph_identity *identity, const char *approved_by, const char *why,
    struct ph_error *error)
{
    struct ph_inventory_entry issued = {0};
    const struct ph_grant grant = {
        .identity = *identity,
        .claim = claim_name(turn),
        .approved_by = approved_by,
        .why = why,
        .act = "enroll",
    };
    enum ph_err err = ph_turn_grant(turn, &grant, &issued, error);
    if (err == PH_OK) {
        err = mark_done(turn, enrolment, &grant, issued.serial, error);
    }
    turn->registrar->counts.enrolled += err == PH_OK ? 1 : 0;
    return err;
}

/* ---- whether it may be ---- */

static enum ph_err check_key_new(struct ph_turn *turn, struct ph_error *error)
{
    struct ph_inventory_entry known = {0};
    struct ph_error lookup = {0};
    enum ph_err err = ph_inventory_find_key(
        inventory_of(turn), ph_request_key_hash(turn->request), &known, &lookup);
    if (err == PH_OK) {
        return ph_turn_refuse(turn, "this key has had a certificate before: make a new one");
    }
    return err == PH_ERR_NOT_FOUND ? PH_OK : ph_error_set(error, err, "%s", lookup.message);
}

static enum ph_err check_expected(struct ph_turn *turn, const struct ph_expected *expected)
{
    switch (expected->state) {
    case PH_EXPECTED:
        return PH_OK;
    case PH_EXPECTED_ENROLLED:
        return ph_turn_refuse(turn,
            "%s has enrolled already: if its key is lost, ph-ca expect it again",
            expected->identity.device);
    case PH_EXPECTED_FORBIDDEN:
        break;
    }
    return ph_turn_refuse(turn, "%s was decommissioned", expected->identity.device);
}

static const char *mark_of(const struct ph_expected *expected)
{
    if (expected->key_hash[0] != '\0') {
        return "expected by its key";
    }
    return expected->hardware[0] != '\0' ? "expected by its serial number" : "expected by its name";
}

/* Nobody has said anything of such a device: only a kind and a name that are free will do. */
static enum ph_err check_free(
    struct ph_turn *turn, const struct ph_identity *identity, struct ph_error *error)
{
    struct ph_inventory_entry entry = {0};
    struct ph_expected expected = {0};
    struct ph_error lookup = {0};
    enum ph_err err = ph_expected_find(inventory_of(turn), identity, &expected, &lookup);
    if (err == PH_OK && expected.state == PH_EXPECTED) {
        return ph_turn_refuse(
            turn, "%s is expected with another key or serial number", identity->device);
    }
    if (err == PH_OK) {
        return check_expected(turn, &expected);
    }
    if (err == PH_ERR_NOT_FOUND) {
        ph_error_clear(&lookup);
        err = ph_inventory_find_newest(inventory_of(turn), identity, &entry, &lookup);
    }
    if (err == PH_OK) {
        return ph_turn_refuse(turn, "%s had a certificate already", identity->device);
    }
    return err == PH_ERR_NOT_FOUND ? PH_OK : ph_error_set(error, err, "%s", lookup.message);
}

static enum ph_err keep_waiting(
    struct ph_turn *turn, struct ph_enrolment *enrolment, struct ph_error *error)
{
    struct ph_error store = {0};
    enrolment->state = PH_ENROLMENT_WAITING;
    enum ph_err err = ph_enrolment_put(inventory_of(turn), enrolment, &store);
    if (err == PH_ERR_LIMIT) {
        return ph_turn_refuse(turn, "too many requests of this claim wait for approval");
    }
    if (err != PH_OK) {
        return ph_error_set(error, err, "%s", store.message);
    }
    turn->registrar->counts.waiting++;
    ph_log(PH_LOG_WARNING, "an enrolment waits for approval: ph-ca approve, or ph-ca refuse",
        PH_STR("from", turn->who), PH_INT("request", enrolment->id),
        PH_STR("kind", enrolment->kind), PH_STR("name", enrolment->name),
        PH_STR("hardware", enrolment->hardware));
    return ph_turn_wait(turn, turn->registrar->rules->retry_waiting_s, "waits for approval");
}

static enum ph_err decide_unexpected(struct ph_turn *turn, const struct ph_claim *claim,
    struct ph_enrolment *enrolment, struct ph_error *error)
{
    struct ph_identity identity;
    bool complete = enrolment->kind[0] != '\0' && enrolment->name[0] != '\0';
    if (reserved(enrolment->kind)) {
        return ph_turn_refuse(turn, "kind %s is not a device's", enrolment->kind);
    }
    if (!turn->registrar->rules->auto_approve || !complete) {
        return keep_waiting(turn, enrolment, error);
    }
    ph_turn_identity(&identity, claim->tenant, enrolment->kind, enrolment->name);
    enum ph_err err = ph_turn_check_kind(turn, claim, identity.kind);
    if (err == PH_OK) {
        err = check_free(turn, &identity, error);
    }
    return err == PH_OK
               ? issue(turn, enrolment, &identity, "registrar", "approved automatically", error)
               : err;
}

static enum ph_err find_expected(struct ph_turn *turn, const struct ph_claim *claim,
    struct ph_expected *expected, struct ph_error *error)
{
    return ph_expected_match(inventory_of(turn), claim->tenant, ph_request_key_hash(turn->request),
        turn->ask->serial, asked_kind(turn, claim), turn->ask->name, expected, error);
}

static enum ph_err issue_expected(struct ph_turn *turn, const struct ph_claim *claim,
    struct ph_enrolment *enrolment, const struct ph_expected *expected, struct ph_error *error)
{
    enum ph_err err = check_expected(turn, expected);
    if (err == PH_OK) {
        err = ph_turn_check_kind(turn, claim, expected->identity.kind);
    }
    return err == PH_OK ? issue(turn, enrolment, &expected->identity, expected->who,
                              mark_of(expected), error)
                        : err;
}

static enum ph_err decide(struct ph_turn *turn, const struct ph_claim *claim,
    struct ph_enrolment *enrolment, struct ph_error *error)
{
    struct ph_expected expected = {0};
    struct ph_error lookup = {0};
    enum ph_err err = find_expected(turn, claim, &expected, &lookup);
    switch (err) {
    case PH_OK:
        return issue_expected(turn, claim, enrolment, &expected, error);
    case PH_ERR_NOT_FOUND:
        return decide_unexpected(turn, claim, enrolment, error);
    case PH_ERR_DENIED:
        return ph_turn_refuse(turn, "%s", lookup.message);
    default:
        return ph_error_set(error, err, "%s", lookup.message);
    }
}

static void fill_enrolment(
    struct ph_turn *turn, const struct ph_claim *claim, struct ph_enrolment *enrolment)
{
    const char *kind = asked_kind(turn, claim);
    *enrolment = (struct ph_enrolment){.received_ms = turn->now_ms};
    (void)!ph_text_copy(enrolment->tenant, sizeof enrolment->tenant, claim->tenant);
    (void)!ph_text_copy(enrolment->claim, sizeof enrolment->claim, claim->name);
    (void)!ph_text_copy(
        enrolment->key_hash, sizeof enrolment->key_hash, ph_request_key_hash(turn->request));
    (void)!ph_text_copy(enrolment->kind, sizeof enrolment->kind, kind != NULL ? kind : "");
    (void)!ph_text_copy(
        enrolment->name, sizeof enrolment->name, turn->ask->name != NULL ? turn->ask->name : "");
    (void)!ph_text_copy(enrolment->hardware, sizeof enrolment->hardware,
        turn->ask->serial != NULL ? turn->ask->serial : "");
}

/* ---- a request that was ---- */

/* Since it was approved, the name may have been given to another, or been forbidden. */
static enum ph_err check_still_free(struct ph_turn *turn, const struct ph_enrolment *enrolment,
    const struct ph_identity *identity, struct ph_error *error)
{
    struct ph_expected expected = {0};
    struct ph_error lookup = {0};
    enum ph_err err = ph_expected_find(inventory_of(turn), identity, &expected, &lookup);
    if (err == PH_OK && expected.state == PH_EXPECTED_FORBIDDEN) {
        return check_expected(turn, &expected);
    }
    if (err == PH_OK && expected.state == PH_EXPECTED && expected.key_hash[0] != '\0' &&
        strcmp(expected.key_hash, enrolment->key_hash) != 0) {
        return ph_turn_refuse(turn, "%s is expected with another key", identity->device);
    }
    if (err == PH_OK && expected.state == PH_EXPECTED_ENROLLED &&
        expected.made_ms >= enrolment->decided_ms) {
        return ph_turn_refuse(
            turn, "another device has enrolled as %s since that was approved", identity->device);
    }
    return err == PH_OK || err == PH_ERR_NOT_FOUND ? PH_OK
                                                   : ph_error_set(error, err, "%s", lookup.message);
}

static enum ph_err issue_approved(struct ph_turn *turn, const struct ph_claim *claim,
    struct ph_enrolment *enrolment, struct ph_error *error)
{
    struct ph_identity identity;
    ph_turn_identity(&identity, enrolment->tenant, enrolment->kind, enrolment->name);
    enum ph_err err = check_claim_open(turn, claim);
    if (err == PH_OK) {
        err = check_key_new(turn, error);
    }
    if (err == PH_OK) {
        err = check_still_free(turn, enrolment, &identity, error);
    }
    return err == PH_OK
               ? issue(turn, enrolment, &identity, enrolment->who,
                     enrolment->why[0] != '\0' ? enrolment->why : "approved by an operator", error)
               : err;
}

/* Whoever waits, or was refused, may have been expected after that. */
static enum ph_err look_again(struct ph_turn *turn, const struct ph_claim *claim,
    struct ph_enrolment *enrolment, struct ph_error *error)
{
    struct ph_expected expected = {0};
    struct ph_error lookup = {0};
    enum ph_err err = find_expected(turn, claim, &expected, &lookup);
    if (err == PH_ERR_NOT_FOUND || err == PH_ERR_DENIED ||
        (err == PH_OK &&
            (expected.state != PH_EXPECTED || expected.made_ms < enrolment->decided_ms))) {
        return PH_OK;
    }
    if (err != PH_OK) {
        return ph_error_set(error, err, "%s", lookup.message);
    }
    err = check_claim_open(turn, claim);
    if (err == PH_OK) {
        err = check_key_new(turn, error);
    }
    return err == PH_OK ? issue_expected(turn, claim, enrolment, &expected, error) : err;
}

static enum ph_err answer_undecided(struct ph_turn *turn, const struct ph_claim *claim,
    struct ph_enrolment *enrolment, struct ph_error *error)
{
    bool refused = enrolment->state == PH_ENROLMENT_REFUSED;
    enum ph_err err = look_again(turn, claim, enrolment, error);
    if (err != PH_OK || enrolment->state == PH_ENROLMENT_ISSUED) {
        return err;
    }
    return refused
               ? ph_turn_refuse(turn, "refused by an operator: %s", enrolment->why)
               : ph_turn_wait(turn, turn->registrar->rules->retry_waiting_s, "waits for approval");
}

static enum ph_err answer_again(struct ph_turn *turn, const struct ph_claim *claim,
    struct ph_enrolment *enrolment, struct ph_error *error)
{
    struct ph_inventory_entry entry = {0};
    enum ph_err err = PH_OK;
    switch (enrolment->state) {
    case PH_ENROLMENT_WAITING:
    case PH_ENROLMENT_REFUSED:
        return answer_undecided(turn, claim, enrolment, error);
    case PH_ENROLMENT_APPROVED:
        return issue_approved(turn, claim, enrolment, error);
    case PH_ENROLMENT_ISSUED:
        err = ph_inventory_find(inventory_of(turn), enrolment->serial, &entry, error);
        return err == PH_OK ? ph_turn_repeat(turn, &entry, error) : err;
    }
    return ph_error_set(
        error, PH_ERR_INTERNAL, "request %lld: unknown state", (long long)enrolment->id);
}

/* ---- the handler ---- */

static enum ph_err enroll(
    struct ph_turn *turn, const struct ph_claim *claim, struct ph_error *error)
{
    struct ph_enrolment enrolment = {0};
    struct ph_error lookup = {0};
    enum ph_err err = ph_enrolment_find(inventory_of(turn), claim->tenant, claim->name,
        ph_request_key_hash(turn->request), &enrolment, &lookup);
    if (err == PH_OK) {
        return answer_again(turn, claim, &enrolment, error);
    }
    if (err != PH_ERR_NOT_FOUND) {
        return ph_error_set(error, err, "%s", lookup.message);
    }
    err = check_claim_open(turn, claim);
    if (err == PH_OK) {
        err = check_key_new(turn, error);
    }
    if (err != PH_OK) {
        return err;
    }
    fill_enrolment(turn, claim, &enrolment);
    return decide(turn, claim, &enrolment, error);
}

enum ph_err ph_turn_enroll(struct ph_turn *turn, struct ph_error *error)
{
    struct ph_claim claim = {0};
    struct ph_inventory_entry certificate = {0};
    bool plain = turn->ask->proof == NULL;
    if (!turn->asker->claim) {
        return ph_turn_refuse(turn, "only a claim may enroll: a device renews");
    }
    enum ph_err err = find_claim(turn, &claim, error);
    if (err == PH_OK) {
        err = ph_turn_find_certificate(turn, &certificate, error);
    }
    if (err == PH_OK) {
        err = ph_turn_read_request(turn);
    }
    if (err == PH_OK && !plain) {
        err = ph_turn_renew_by_proof(turn, &claim, &plain, error);
    }
    return err == PH_OK && plain ? enroll(turn, &claim, error) : err;
}
