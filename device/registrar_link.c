#include "device/registrar_link.h"

#include <stdio.h>
#include <string.h>

enum { LIMIT_BURST = 3, LIMIT_MS = 60000 };

void ph_registrar_link_init(
    struct ph_registrar_link *link, const struct ph_registrar_port *port, int64_t rest_ms)
{
    *link = (struct ph_registrar_link){.port = *port,
        .rest_ms = rest_ms,
        .limit = {.interval_ms = LIMIT_MS, .burst = LIMIT_BURST}};
}

/* What the broker or a peer causes, at a limited rate. */
static void say(struct ph_registrar_link *link, int64_t now_ms, const char *text, const char *topic,
    const char *reason)
{
    int64_t suppressed = 0;
    if (ph_log_limit_pass(&link->limit, now_ms, &suppressed)) {
        ph_log(PH_LOG_WARNING, text, PH_STR("topic", topic), PH_STR("reason", reason),
            PH_INT("suppressed", suppressed));
    }
}

static void rest(struct ph_registrar_link *link, int64_t now_ms, const char *topic)
{
    say(link, now_ms, "not allowed to speak with the registrar: the policy must grant this topic",
        topic, "refused by the broker");
    link->resume_ms = now_ms + link->rest_ms;
}

static void subscribe(struct ph_registrar_link *link, int64_t now_ms)
{
    struct ph_error error = {0};
    if (link->port.subscribe(link->port.context, link->answer_topic, &link->subscribing, &error) !=
        PH_OK) {
        link->subscribing = 0;
        say(link, now_ms, "cannot subscribe", link->answer_topic, error.message);
        link->resume_ms = now_ms + link->rest_ms;
    }
}

void ph_registrar_link_open(struct ph_registrar_link *link, const char *question_topic,
    const char *answer_topic, int64_t now_ms)
{
    ph_registrar_link_close(link);
    (void)snprintf(link->question_topic, sizeof link->question_topic, "%s", question_topic);
    (void)snprintf(link->answer_topic, sizeof link->answer_topic, "%s", answer_topic);
    link->open = true;
    subscribe(link, now_ms);
}

void ph_registrar_link_close(struct ph_registrar_link *link)
{
    ph_answer_message_free(&link->message);
    link->open = false;
    link->listening = false;
    link->subscribing = 0;
    link->publishing = 0;
    link->resume_ms = 0;
}

void ph_registrar_link_pump(struct ph_registrar_link *link, int64_t now_ms)
{
    if (link->open && !link->listening && link->subscribing == 0 && now_ms >= link->resume_ms) {
        subscribe(link, now_ms);
    }
}

bool ph_registrar_link_ready(const struct ph_registrar_link *link, int64_t now_ms)
{
    return link->open && link->listening && link->publishing == 0 && now_ms >= link->resume_ms;
}

enum ph_err ph_registrar_link_ask(
    struct ph_registrar_link *link, const struct ph_ask *ask, struct ph_error *error)
{
    struct ph_buf json;
    ph_buf_init(&json, PH_LIMIT_ASK_BYTES);
    enum ph_err err = ph_ask_encode(ask, &json, error);
    if (err == PH_OK) {
        err = link->port.publish(link->port.context, link->question_topic, json.data, json.len,
            &link->publishing, error);
    }
    if (err != PH_OK) {
        link->publishing = 0;
    }
    ph_buf_fini(&json);
    return err;
}

static enum ph_registrar_news on_subscribed(
    struct ph_registrar_link *link, int reason_code, int64_t now_ms)
{
    link->subscribing = 0;
    link->listening = reason_code < 0x80;
    if (link->listening) {
        return PH_REGISTRAR_NOTHING;
    }
    rest(link, now_ms, link->answer_topic);
    return PH_REGISTRAR_REFUSED;
}

static enum ph_registrar_news on_published(
    struct ph_registrar_link *link, const struct ph_mqtt_event *event, int64_t now_ms)
{
    link->publishing = 0;
    if (event->type == PH_MQTT_PUBLISHED) {
        return PH_REGISTRAR_NOTHING;
    }
    if (event->reason_code < 0x80) {
        return PH_REGISTRAR_LOST;
    }
    rest(link, now_ms, link->question_topic);
    return PH_REGISTRAR_REFUSED;
}

/* A retained message is no answer: nobody had asked when it was sent. */
static enum ph_registrar_news on_message(struct ph_registrar_link *link,
    const struct ph_mqtt_event *event, int64_t now_ms, struct ph_answer *answer)
{
    struct ph_error error = {0};
    if (event->retained) {
        return PH_REGISTRAR_NOTHING;
    }
    ph_answer_message_free(&link->message);
    if (ph_answer_parse(event->payload, event->payload_len, &link->message, answer, &error) !=
        PH_OK) {
        say(link, now_ms, "registrar's answer not understood", link->answer_topic, error.message);
        return PH_REGISTRAR_NOTHING;
    }
    return PH_REGISTRAR_ANSWER;
}

enum ph_registrar_news ph_registrar_link_event(struct ph_registrar_link *link,
    const struct ph_mqtt_event *event, int64_t now_ms, struct ph_answer *answer)
{
    switch (event->type) {
    case PH_MQTT_SUBSCRIBED:
        return event->token != 0 && event->token == link->subscribing
                   ? on_subscribed(link, event->reason_code, now_ms)
                   : PH_REGISTRAR_FOREIGN;
    case PH_MQTT_PUBLISHED:
    case PH_MQTT_PUBLISH_FAILED:
        return event->token != 0 && event->token == link->publishing
                   ? on_published(link, event, now_ms)
                   : PH_REGISTRAR_FOREIGN;
    case PH_MQTT_MESSAGE:
        return link->open && strcmp(event->topic, link->answer_topic) == 0
                   ? on_message(link, event, now_ms, answer)
                   : PH_REGISTRAR_FOREIGN;
    default:
        return PH_REGISTRAR_FOREIGN;
    }
}
