/* Questions to the registrar and its answers, over one connection: subscribes to the answers, sends
 * one question at a time, reads what comes. What to ask, and what an answer means, is the caller's.
 *
 * A broker whose policy does not grant the two topics refuses them without harm to the rest: that
 * is said now and then, and asked again after a while. */
#ifndef PH_DEVICE_REGISTRAR_LINK_H
#define PH_DEVICE_REGISTRAR_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/mqtt.h"
#include "base/limits.h"
#include "base/log.h"
#include "device/topics.h"
#include "format/enrolment.h"

/* The reason that is logged when the next question is due and the one before has no answer. */
#define PH_REGISTRAR_SILENCE                                                                       \
    "the question before has no answer: does ph-ca serve run, connected to this broker?"

/* The connection: as ph_mqtt_subscribe() and ph_mqtt_publish(), QoS 1. */
struct ph_registrar_port {
    enum ph_err (*subscribe)(void *context, const char *filter, int *token, struct ph_error *error);
    enum ph_err (*publish)(void *context, const char *topic, const void *payload, size_t len,
        int *token, struct ph_error *error);
    void *context;
};

struct ph_registrar_link {
    struct ph_registrar_port port;
    int64_t rest_ms; /* how long a refusal by the policy is not asked again */
    char question_topic[PH_LIMIT_TOPIC_BYTES + 1];
    char answer_topic[PH_LIMIT_TOPIC_BYTES + 1 + PH_TOPIC_ID_BYTES];
    bool open;      /* there is a connection */
    bool listening; /* the subscription stands */
    int subscribing;
    int publishing;    /* tokens; 0: none */
    int64_t resume_ms; /* monotonic: after a refusal */
    struct ph_log_limit limit;
    struct ph_answer_message *message; /* of the last answer */
};

/* Without a connection; the port is copied. */
void ph_registrar_link_init(
    struct ph_registrar_link *link, const struct ph_registrar_port *port, int64_t rest_ms);

/* A connection stands: subscribes. */
void ph_registrar_link_open(struct ph_registrar_link *link, const char *question_topic,
    const char *answer_topic, int64_t now_ms);

/* It is gone. Also releases the last answer. */
void ph_registrar_link_close(struct ph_registrar_link *link);

/* Subscribes again after a refusal. */
void ph_registrar_link_pump(struct ph_registrar_link *link, int64_t now_ms);

/* Whether a question can be sent now. */
bool ph_registrar_link_ready(const struct ph_registrar_link *link, int64_t now_ms);

/* Sends it; only when ready. */
enum ph_err ph_registrar_link_ask(
    struct ph_registrar_link *link, const struct ph_ask *ask, struct ph_error *error) PH_NODISCARD;

enum ph_registrar_news {
    PH_REGISTRAR_FOREIGN, /* the event is not of this link */
    PH_REGISTRAR_NOTHING, /* it is, and there is nothing to do */
    PH_REGISTRAR_REFUSED, /* the broker's policy does not permit the questions or the answers */
    PH_REGISTRAR_LOST,    /* the question did not reach the broker */
    PH_REGISTRAR_ANSWER,
};

/* Takes one event of the connection. What *answer borrows lives until the next event. */
enum ph_registrar_news ph_registrar_link_event(struct ph_registrar_link *link,
    const struct ph_mqtt_event *event, int64_t now_ms, struct ph_answer *answer);

#endif
