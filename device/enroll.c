#include "device/enroll.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/random.h"
#include "device/registrar_link.h"
#include "x509/issue.h"
#include "x509/signed.h"

enum { LIMIT_BURST = 5, LIMIT_MS = 60000 };

void ph_enroll_init(struct ph_enroll *enroll, const struct ph_claim_section *section,
    struct ph_slots *slots, const struct ph_self *self, const struct ph_renewal_section *renewal)
{
    *enroll = (struct ph_enroll){
        .section = section,
        .slots = slots,
        .self = self,
        .reuse_key = renewal->reuse_key,
        .answer_ms = renewal->answer_ms,
        .backoff = {.min_ms = renewal->retry_min_ms, .max_ms = renewal->retry_max_ms},
        .limit = {.interval_ms = LIMIT_MS, .burst = LIMIT_BURST},
    };
}

bool ph_enroll_due(const struct ph_enroll *enroll, int64_t now_ms)
{
    return now_ms >= enroll->next_ms;
}

static enum ph_err prove(const struct ph_self *self, const struct ph_buf *csr, struct ph_buf *proof,
    struct ph_error *error)
{
    struct ph_certificate *certificate = NULL;
    struct ph_key *key = NULL;
    enum ph_err err = ph_certificate_load(self->certificate, &certificate, error);
    if (err == PH_OK) {
        err = ph_key_load(self->key, &key, error);
    }
    if (err == PH_OK) {
        err = ph_signed_make(csr->data, csr->len, certificate, key, NULL, proof, error);
    }
    ph_key_free(&key);
    ph_certificate_free(&certificate);
    return err;
}

/* Without an answer it asks again. */
static void wait_for_answer(struct ph_enroll *enroll, int64_t now_ms)
{
    enroll->next_ms = now_ms + enroll->answer_ms + ph_backoff_next_ms(&enroll->backoff);
}

/* Says what the registrar said, when that is something else than before. */
static void say(
    struct ph_enroll *enroll, const char *text, const char *reason, const struct ph_moment *now)
{
    char said[sizeof enroll->said];
    int64_t suppressed = 0;
    (void)snprintf(said, sizeof said, "%s: %s", text, reason);
    if (strcmp(said, enroll->said) == 0 ||
        !ph_log_limit_pass(&enroll->limit, now->monotonic_ms, &suppressed)) {
        return;
    }
    memcpy(enroll->said, said, sizeof said);
    ph_log(PH_LOG_WARNING, text, PH_STR("reason", reason),
        PH_INT("retry_in_ms", enroll->next_ms - now->monotonic_ms),
        PH_INT("suppressed", suppressed));
}

enum ph_err ph_enroll_ask(struct ph_enroll *enroll, struct ph_ask *ask, struct ph_buf *csr,
    struct ph_buf *proof, const struct ph_moment *now, struct ph_error *error)
{
    const struct ph_self *self = enroll->self;
    bool expired = self->certificate != NULL;
    wait_for_answer(enroll, now->monotonic_ms);
    if (enroll->open) {
        say(enroll, "the registrar does not answer", PH_REGISTRAR_SILENCE, now);
    }
    enum ph_err err = ph_slots_request(
        enroll->slots, expired ? &self->identity : NULL, expired && enroll->reuse_key, csr, error);
    if (err == PH_OK && expired) {
        err = prove(self, csr, proof, error);
    }
    *ask = (struct ph_ask){
        .type = PH_ASK_ENROLL,
        .csr = csr->data,
        .kind = enroll->section->kind,
        .name = enroll->section->name,
        .serial = enroll->section->serial,
        .proof = expired ? proof->data : NULL,
    };
    memcpy(ask->id, enroll->id, sizeof ask->id);
    enroll->open = err == PH_OK;
    return err;
}

/* As told, and up to a tenth later, so that a batch of devices does not come back at once. */
static void wait_as_told(struct ph_enroll *enroll, int64_t retry_s, int64_t now_ms)
{
    int64_t limit_s = PH_ENROLL_WAIT_MAX_MS / 1000;
    int64_t wait_ms = (retry_s < limit_s ? retry_s : limit_s) * 1000;
    enroll->open = false;
    ph_backoff_reset(&enroll->backoff);
    enroll->next_ms = now_ms + wait_ms + (int64_t)(ph_random_u64() % (uint64_t)(wait_ms / 10 + 1));
}

static bool take(
    struct ph_enroll *enroll, const struct ph_answer *answer, const struct ph_moment *now)
{
    struct ph_error error = {0};
    bool expired = enroll->self->certificate != NULL;
    enum ph_err err = ph_slots_store(enroll->slots, answer->certificate,
        expired ? &enroll->self->identity : NULL, now->known ? now->unix_ms : 0, &error);
    if (err == PH_OK) {
        err = ph_slots_promote(enroll->slots, &error);
    }
    if (err != PH_OK) {
        enroll->open = false;
        wait_for_answer(enroll, now->monotonic_ms);
        say(enroll, "certificate from the registrar not taken", error.message, now);
    }
    return err == PH_OK;
}

bool ph_enroll_answer(
    struct ph_enroll *enroll, const struct ph_answer *answer, const struct ph_moment *now)
{
    bool words = answer->type == PH_ANSWER_WAIT || answer->type == PH_ANSWER_REFUSED;
    if (strcmp(answer->id, enroll->id) != 0 || (words && !enroll->open)) {
        return false;
    }
    switch (answer->type) {
    case PH_ANSWER_CERTIFICATE:
        return take(enroll, answer, now);
    case PH_ANSWER_WAIT:
        wait_as_told(enroll, answer->retry_s, now->monotonic_ms);
        say(enroll, "the registrar lets us wait", answer->reason, now);
        return false;
    case PH_ANSWER_REFUSED:
        wait_as_told(enroll, answer->retry_s, now->monotonic_ms);
        say(enroll, "the registrar refused to enrol us", answer->reason, now);
        return false;
    default:
        return false;
    }
}
