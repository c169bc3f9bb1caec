#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "device/life_internal.h"

static void new_id(char out[PH_ASK_ID_BYTES])
{
    uint8_t bytes[(PH_ASK_ID_BYTES - 1) / 2];
    ph_random_bytes(bytes, sizeof bytes);
    ph_hex_encode(out, bytes, sizeof bytes);
}

static void say(struct ph_life *life, enum ph_log_level level, const char *text, const char *reason,
    const struct ph_moment *now)
{
    int64_t suppressed = 0;
    if (ph_log_limit_pass(&life->limit, now->monotonic_ms, &suppressed)) {
        ph_log(level, text, PH_STR("reason", reason), PH_INT("suppressed", suppressed));
    }
}

/* ---- the next certificate ---- */

static enum ph_err make_state(
    const struct ph_life *life, struct ph_ask *ask, char digest[65], struct ph_error *error)
{
    ask->type = PH_ASK_STATE;
    ask->certificate = life->self.fingerprint;
    ask->trust = digest;
    return ph_slots_trust_digest(&life->slots, digest, error);
}

static enum ph_err make_request(
    struct ph_life *life, struct ph_ask *ask, struct ph_buf *csr, struct ph_error *error)
{
    enum ph_err err = ph_slots_request(
        &life->slots, &life->self.identity, life->config->renewal.reuse_key, csr, error);
    ask->type = PH_ASK_RENEW;
    ask->csr = csr->data;
    return err;
}

static void send(struct ph_life *life, enum ph_renewal_step step, const struct ph_moment *now)
{
    char digest[65];
    struct ph_ask ask = {0};
    struct ph_error error = {0};
    struct ph_buf csr;
    ph_buf_init(&csr, PH_LIMIT_CERTIFICATE_BYTES);
    if (ph_renewal_unanswered(&life->renewal, step)) {
        say(life, PH_LOG_WARNING, "the registrar does not answer", PH_REGISTRAR_SILENCE, now);
    }
    new_id(ask.id);
    enum ph_err err = step == PH_RENEWAL_STATE ? make_state(life, &ask, digest, &error)
                                               : make_request(life, &ask, &csr, &error);
    if (err == PH_OK) {
        err = ph_registrar_link_ask(&life->link, &ask, &error);
    }
    if (err == PH_OK) {
        life->asked = step;
        ph_renewal_sent(&life->renewal, &ask, now);
    } else {
        say(life, PH_LOG_WARNING, "cannot ask the registrar", error.message, now);
        ph_renewal_failed(&life->renewal, step, now);
    }
    ph_buf_fini(&csr);
}

/* Sends when the link can, and rests when the broker does not let it. */
static void send_if_ready(
    struct ph_life *life, enum ph_renewal_step step, const struct ph_moment *now)
{
    const struct ph_registrar_link *link = &life->link;
    if (ph_registrar_link_ready(link, now->monotonic_ms)) {
        send(life, step, now);
    } else if (link->open && now->monotonic_ms < link->resume_ms) {
        ph_renewal_failed(&life->renewal, step, now);
    }
}

static void promote(struct ph_life *life, const struct ph_moment *now)
{
    char expires[PH_UTC_BYTES];
    struct ph_error error = {0};
    enum ph_err err = ph_slots_promote(&life->slots, &error);
    if (err == PH_OK) {
        /* The connection stays, but its client must not read the files of the slot again. */
        life->connection.purpose.next = false;
        life->outdated = true;
        err = ph_life_use(life, &error);
    }
    if (err != PH_OK) {
        say(life, PH_LOG_ERROR, "cannot take the next certificate into use", error.message, now);
        ph_renewal_failed(&life->renewal, PH_RENEWAL_PROMOTE, now);
        return;
    }
    ph_utc_print(expires, life->self.not_after_ms);
    ph_log(PH_LOG_INFO, "renewed: the next certificate is in use", PH_STR("expires", expires));
}

static void drop(struct ph_life *life, const struct ph_moment *now)
{
    struct ph_error error = {0};
    enum ph_err err = ph_slots_drop(&life->slots, &error);
    if (err != PH_OK) {
        say(life, PH_LOG_ERROR, "cannot drop the next certificate", error.message, now);
        ph_renewal_failed(&life->renewal, PH_RENEWAL_DROP, now);
        return;
    }
    ph_log(PH_LOG_WARNING, "the next certificate did not connect: dropped, another is asked for",
        PH_STR("device", life->self.name));
    ph_renewal_use(&life->renewal, life->self.not_before_ms, life->self.not_after_ms, false);
}

void ph_life_renew(struct ph_life *life, const struct ph_moment *now)
{
    const struct ph_purpose *purpose = &life->connection.purpose;
    if (!life->renewal.options.enabled || purpose->claim || purpose->time_only) {
        return;
    }
    enum ph_renewal_step step = ph_renewal_next(&life->renewal, now);
    switch (step) {
    case PH_RENEWAL_STATE:
    case PH_RENEWAL_REQUEST:
        send_if_ready(life, step, now);
        break;
    case PH_RENEWAL_TRY:
    case PH_RENEWAL_BACK:
        ph_renewal_on(&life->renewal, step == PH_RENEWAL_TRY, now);
        say(life, PH_LOG_INFO,
            step == PH_RENEWAL_TRY ? "connecting with the next certificate"
                                   : "connecting with the certificate from before",
            step == PH_RENEWAL_TRY ? "renewal" : "the next one did not connect", now);
        break;
    case PH_RENEWAL_PROMOTE:
        promote(life, now);
        break;
    case PH_RENEWAL_DROP:
        drop(life, now);
        break;
    default:
        break;
    }
}

static void take_certificate(
    struct ph_life *life, const struct ph_answer *answer, const struct ph_moment *now)
{
    struct ph_error error = {0};
    if (ph_slots_store(&life->slots, answer->certificate, &life->self.identity,
            now->known ? now->unix_ms : 0, &error) == PH_OK) {
        ph_log(PH_LOG_INFO, "the registrar has sent the next certificate",
            PH_STR("device", life->self.name));
        ph_renewal_stored(&life->renewal, now);
    } else {
        say(life, PH_LOG_ERROR, "certificate from the registrar not taken", error.message, now);
        ph_renewal_failed(&life->renewal, PH_RENEWAL_REQUEST, now);
    }
}

static void take_trust(struct ph_life *life, const char *statement, const struct ph_moment *now)
{
    int64_t number = 0;
    struct ph_error error = {0};
    if (ph_slots_trust(&life->slots, statement, &number, &error) == PH_OK) {
        ph_log(PH_LOG_INFO, "new set of trusted CAs: connecting anew with it",
            PH_INT("number", number), PH_STR("file", life->slots.trust));
        life->anew = true;
    } else {
        say(life, PH_LOG_ERROR, "set of trusted CAs not taken", error.message, now);
    }
}

/* The same request would be refused for ever: the next one is for another key. */
static void forget_key(struct ph_life *life, const struct ph_moment *now)
{
    struct ph_error error = {0};
    if (!ph_slots_have(&life->slots, PH_SLOT_NEXT) &&
        ph_slots_drop(&life->slots, &error) != PH_OK) {
        say(life, PH_LOG_WARNING, "cannot drop the key that was refused", error.message, now);
    }
}

static void on_renewal_answer(
    struct ph_life *life, const struct ph_answer *answer, const struct ph_moment *now)
{
    if (!ph_renewal_answer(&life->renewal, answer, now)) {
        return;
    }
    switch (answer->type) {
    case PH_ANSWER_CERTIFICATE:
        take_certificate(life, answer, now);
        break;
    case PH_ANSWER_WAIT:
        say(life, PH_LOG_INFO, "the registrar lets the renewal wait", answer->reason, now);
        break;
    case PH_ANSWER_REFUSED:
        say(life, PH_LOG_WARNING,
            life->asked == PH_RENEWAL_STATE ? "the registrar refused what we say of ourselves"
                                            : "the registrar refused the renewal",
            answer->reason, now);
        forget_key(life, now);
        break;
    default:
        if (answer->trust != NULL) {
            take_trust(life, answer->trust, now);
        }
        break;
    }
}

/* ---- the first certificate ---- */

static void enroll(struct ph_life *life, const struct ph_moment *now)
{
    struct ph_ask ask = {0};
    struct ph_error error = {0};
    struct ph_buf csr;
    struct ph_buf proof;
    ph_buf_init(&csr, PH_LIMIT_CERTIFICATE_BYTES);
    ph_buf_init(&proof, PH_LIMIT_PROOF_BYTES);
    enum ph_err err = ph_enroll_ask(&life->enroll, &ask, &csr, &proof, now, &error);
    if (err == PH_OK) {
        err = ph_registrar_link_ask(&life->link, &ask, &error);
    }
    if (err != PH_OK) {
        say(life, PH_LOG_ERROR, "cannot ask to be enrolled", error.message, now);
    }
    ph_buf_fini(&csr);
    ph_buf_fini(&proof);
}

/* The claim could not help: the device goes on trying as itself. */
static void end_visit(struct ph_life *life)
{
    if (life->guest) {
        life->guest = false;
        life->refusals++;
    }
}

static void on_enroll_answer(
    struct ph_life *life, const struct ph_answer *answer, const struct ph_moment *now)
{
    struct ph_error error = {0};
    if (!ph_enroll_answer(&life->enroll, answer, now)) {
        end_visit(life);
        return;
    }
    if (ph_life_use(life, &error) != PH_OK) {
        ph_log_error(PH_LOG_ERROR, "cannot take the new certificate into use", &error);
        return;
    }
    life->anew = true;
    life->refusals = 0;
    life->connection.failures = now->known ? 0 : ph_purpose_patience(false);
    ph_log(PH_LOG_INFO, "enrolled", PH_STR("device", life->self.name));
}

/* ---- the time ---- */

static void ask_time(struct ph_life *life, const struct ph_moment *now)
{
    struct ph_ask ask = {.type = PH_ASK_TIME};
    struct ph_error error = {0};
    new_id(ask.id);
    if (life->connection.purpose.claim) {
        memcpy(ask.id, life->enroll.id, sizeof ask.id); /* the id of the topic it listens to */
    }
    ph_timekeeper_asked(&life->timekeeper, ask.id);
    life->asked = PH_RENEWAL_REST;
    life->time_ms = now->monotonic_ms + life->config->renewal.answer_ms;
    if (ph_registrar_link_ask(&life->link, &ask, &error) != PH_OK) {
        say(life, PH_LOG_WARNING, "cannot ask for the time", error.message, now);
    }
}

/* Once is enough for a connection that is for nothing else: it ends without an answer. */
static void overdue(struct ph_life *life, const struct ph_moment *now)
{
    ph_timekeeper_forget(&life->timekeeper);
    life->time_ms = now->monotonic_ms + ph_backoff_next_ms(&life->time_backoff);
}

/* A claim asks too when the own certificate seems to have expired: that may be the clock. */
static bool time_wanted(const struct ph_life *life, const struct ph_moment *now)
{
    return life->connection.purpose.claim
               ? ph_self_expired(&life->self, now) && !life->timekeeper.given
               : !now->known || life->timekeeper.given;
}

static void watch_time(struct ph_life *life, const struct ph_moment *now)
{
    struct ph_connection *connection = &life->connection;
    if (connection->purpose.time_only) {
        if (connection->up && now->monotonic_ms >= life->give_up_ms) {
            say(life, PH_LOG_WARNING, "nobody says what time it is", "no answer in time", now);
            connection->failures = 0;
            life->stranded++;
            return;
        }
    } else if (!time_wanted(life, now)) {
        return;
    }
    if (now->monotonic_ms < life->time_ms) {
        return;
    }
    if (life->timekeeper.nonce[0] != '\0') {
        overdue(life, now);
    } else if (ph_registrar_link_ready(&life->link, now->monotonic_ms)) {
        ask_time(life, now);
    }
}

static void on_time_answer(
    struct ph_life *life, const struct ph_answer *answer, const struct ph_moment *now)
{
    bool adopted = false;
    char text[PH_UTC_BYTES];
    struct ph_error error = {0};
    const struct ph_purpose *purpose = &life->connection.purpose;
    const struct ph_time_asker asker = {
        .device = purpose->claim ? life->claim.name : life->self.name,
        .roots = life->slots.trust,
        .floor_ms = life->floor_ms,
    };
    if (ph_timekeeper_take(&life->timekeeper, answer->token, &asker, now, &adopted, &error) !=
        PH_OK) {
        say(life, PH_LOG_ERROR, "time from the registrar not taken", error.message, now);
        return;
    }
    if (adopted) {
        ph_utc_print(text, life->timekeeper.given_ms);
        ph_log(PH_LOG_INFO, "the time comes from the registrar", PH_STR("time", text));
        life->self.timeless = false;
    }
    ph_backoff_reset(&life->time_backoff);
    life->time_ms = now->monotonic_ms + life->config->renewal.state_interval_ms;
    life->connection.failures = 0;
    life->stranded = 0;
    life->anew = life->anew || purpose->time_only;
}

/* ---- the link ---- */

void ph_life_ask(struct ph_life *life, const struct ph_moment *now)
{
    const struct ph_purpose *purpose = &life->connection.purpose;
    watch_time(life, now);
    if (life->guest && now->monotonic_ms >= life->give_up_ms) {
        end_visit(life);
    }
    if (purpose->claim && !purpose->time_only && life->timekeeper.nonce[0] == '\0' &&
        ph_registrar_link_ready(&life->link, now->monotonic_ms) &&
        ph_enroll_due(&life->enroll, now->monotonic_ms)) {
        enroll(life, now);
    }
}

static void on_answer(
    struct ph_life *life, const struct ph_answer *answer, const struct ph_moment *now)
{
    const struct ph_purpose *purpose = &life->connection.purpose;
    if (answer->type == PH_ANSWER_TIME) {
        on_time_answer(life, answer, now);
    } else if (purpose->claim) {
        on_enroll_answer(life, answer, now);
    } else if (!purpose->time_only) {
        on_renewal_answer(life, answer, now);
    }
}

/* Without permission to ask, a connection that is for nothing else has no purpose. */
static void on_failure(struct ph_life *life, bool refused, const struct ph_moment *now)
{
    const struct ph_purpose *purpose = &life->connection.purpose;
    if (purpose->time_only && refused) {
        life->give_up_ms = now->monotonic_ms;
    } else if (!purpose->claim && !purpose->time_only && life->asked != PH_RENEWAL_REST) {
        ph_renewal_failed(&life->renewal, life->asked, now);
        life->asked = PH_RENEWAL_REST;
    }
}

bool ph_life_registrar_event(
    struct ph_life *life, const struct ph_mqtt_event *event, const struct ph_moment *now)
{
    struct ph_answer answer = {0};
    enum ph_registrar_news news =
        ph_registrar_link_event(&life->link, event, now->monotonic_ms, &answer);
    switch (news) {
    case PH_REGISTRAR_FOREIGN:
        return false;
    case PH_REGISTRAR_ANSWER:
        on_answer(life, &answer, now);
        break;
    case PH_REGISTRAR_REFUSED:
    case PH_REGISTRAR_LOST:
        on_failure(life, news == PH_REGISTRAR_REFUSED, now);
        break;
    case PH_REGISTRAR_NOTHING:
        break;
    }
    return true;
}
