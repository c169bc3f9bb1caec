#include "certs/registrar/letters.h"

#include <stdio.h>
#include <string.h>

#include "adapters/provenance.h"
#include "base/clock.h"
#include "domain/route.h"
#include "domain/template.h"

void ph_letters_init(struct ph_letters *letters, const struct ph_registrar_topics *topics,
    struct ph_registrar *registrar)
{
    const struct ph_log_limit limit = {.interval_ms = 10000, .burst = 10};
    *letters = (struct ph_letters){
        .topics = topics, .registrar = registrar, .strange = limit, .trouble = limit};
}

bool ph_letters_full(const struct ph_letters *letters)
{
    return letters->count == PH_LETTERS;
}

/* Who sent it: the topic, which the broker's plugin enforced. */
static enum ph_err read_asker(
    const struct ph_registrar_topics *topics, struct ph_letter *letter, struct ph_error *error)
{
    const struct ph_mqtt_event *event = &letter->event;
    struct ph_provenance provenance;
    struct ph_asker *asker = &letter->asker;
    *asker = (struct ph_asker){0};
    asker->claim = ph_route_parse(topics->enroll, event->topic, &asker->identity, NULL) == PH_OK;
    if (asker->claim) {
        memcpy(asker->identity.kind, "claim", sizeof "claim");
    } else {
        enum ph_err err = ph_route_parse(topics->renew, event->topic, &asker->identity, error);
        if (err != PH_OK) {
            return err;
        }
    }
    ph_provenance_read(event->properties, event->property_count, event->properties_incomplete,
        &asker->identity, &provenance);
    if (provenance.state == PH_PROVENANCE_VOUCHED) {
        memcpy(letter->fingerprint, provenance.fingerprint, sizeof letter->fingerprint);
        asker->fingerprint = letter->fingerprint;
    }
    return PH_OK;
}

static void say_strange(
    struct ph_letters *letters, const struct ph_letter *letter, const struct ph_error *error)
{
    int64_t suppressed = 0;
    if (ph_log_limit_pass(&letters->strange, ph_clock_monotonic_ms(), &suppressed)) {
        ph_log(PH_LOG_WARNING, "not a request", PH_STR("topic", letter->event.topic),
            PH_STR("reason", error->message), PH_INT("suppressed", suppressed));
    }
}

static void close_letter(struct ph_letter *letter)
{
    ph_mqtt_event_fini(&letter->event);
    ph_buf_fini(&letter->answer);
}

/* A retained message is a copy that the broker keeps: nobody asks now. */
void ph_letters_take(struct ph_letters *letters, struct ph_mqtt_event *event)
{
    struct ph_letter *letter = &letters->list[letters->count];
    struct ph_error error = {0};
    *letter = (struct ph_letter){.event = *event};
    *event = (struct ph_mqtt_event){0};
    ph_buf_init(&letter->answer, PH_LIMIT_ANSWER_BYTES);
    if (letter->event.retained) {
        close_letter(letter);
    } else if (read_asker(letters->topics, letter, &error) != PH_OK) {
        say_strange(letters, letter, &error);
        close_letter(letter);
    } else {
        letters->count++;
    }
}

/* ---- answers ---- */

static void send_answer(
    const struct ph_registrar_topics *topics, const struct ph_letter *letter, struct ph_mqtt *mqtt)
{
    const struct ph_asker *asker = &letter->asker;
    char topic[PH_LIMIT_TOPIC_BYTES + 1];
    char base[PH_LIMIT_TOPIC_BYTES + 1];
    struct ph_error error = {0};
    if (!ph_template_expand(base, sizeof base,
            asker->claim ? topics->enrolled : topics->certificate, &asker->identity)) {
        return; /* cannot be: the configuration was checked with the longest names */
    }
    int len = asker->claim ? snprintf(topic, sizeof topic, "%s/%s", base, letter->id)
                           : snprintf(topic, sizeof topic, "%s", base);
    /* QoS 0: an answer that is lost is asked for again, and is then the same. */
    if (len < (int)sizeof topic && ph_mqtt_publish(mqtt, topic, letter->answer.data,
                                       letter->answer.len, 0, false, NULL, &error) != PH_OK) {
        ph_log_error(PH_LOG_DEBUG, "answer not sent", &error);
    }
}

/* Adds the answer; an error only for our own trouble. */
static enum ph_err answer_one(
    struct ph_letters *letters, struct ph_letter *letter, struct ph_error *error)
{
    struct ph_error own = {0};
    enum ph_err err = ph_registrar_answer(letters->registrar, &letter->asker, letter->event.payload,
        letter->event.payload_len, ph_clock_unix_ms(), &letter->answer, letter->id, &own);
    if (err != PH_OK && letter->id[0] == '\0') {
        say_strange(letters, letter, &own);
        return PH_OK;
    }
    return err == PH_OK ? PH_OK : ph_error_set(error, err, "%s", own.message);
}

static enum ph_err answer_together(
    struct ph_letters *letters, size_t first, size_t count, struct ph_error *error)
{
    enum ph_err err = ph_registrar_begin(letters->registrar, error);
    if (err != PH_OK) {
        return err;
    }
    for (size_t i = first; err == PH_OK && i < first + count; i++) {
        struct ph_letter *letter = &letters->list[i];
        letter->id[0] = '\0';
        ph_buf_reset(&letter->answer);
        err = answer_one(letters, letter, error);
    }
    if (err != PH_OK) {
        ph_registrar_rollback(letters->registrar);
        return err;
    }
    return ph_registrar_commit(letters->registrar, error);
}

/* One by one, so that trouble with one is not everybody's. */
static void answer_apart(struct ph_letters *letters)
{
    bool locked = false; /* by another process: to wait for it once is enough */
    for (size_t i = 0; i < letters->count; i++) {
        struct ph_letter *letter = &letters->list[i];
        struct ph_error error = {0};
        enum ph_err err = locked ? PH_ERR_BUSY : answer_together(letters, i, 1, &error);
        if (err == PH_OK) {
            continue;
        }
        if (!locked &&
            ph_log_limit_pass(&letters->trouble, ph_clock_monotonic_ms(), &(int64_t){0})) {
            ph_log_error(PH_LOG_ERROR, "cannot answer", &error);
        }
        locked = locked || err == PH_ERR_BUSY;
        ph_buf_reset(&letter->answer);
        letter->id[0] = '\0';
        if (ph_registrar_apologize(letters->registrar, letter->event.payload,
                letter->event.payload_len, &letter->answer, letter->id, &error) != PH_OK) {
            letter->id[0] = '\0';
        }
    }
}

void ph_letters_answer(struct ph_letters *letters, struct ph_mqtt *mqtt)
{
    struct ph_error error = {0};
    if (letters->count == 0) {
        return;
    }
    if (answer_together(letters, 0, letters->count, &error) != PH_OK) {
        answer_apart(letters);
    }
    for (size_t i = 0; i < letters->count; i++) {
        if (letters->list[i].id[0] != '\0') {
            send_answer(letters->topics, &letters->list[i], mqtt);
        }
        close_letter(&letters->list[i]);
    }
    letters->count = 0;
}
