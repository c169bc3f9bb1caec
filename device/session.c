#include "device/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "device/command.h"

/* With the two that a command causes, no more than the window leaves free (window.c). */
enum { ANSWERS_MAX = 3 };
enum { SUBSCRIPTIONS = 3, REPLY_BYTES = 2048, LIMIT_BURST = 10, TIME_BYTES = 32, REST_MS = 1000 };

static enum ph_err send_telemetry(void *context, const char *topic, const void *payload, size_t len,
    int *token, struct ph_error *error)
{
    struct ph_session *session = context;
    return ph_mqtt_publish(session->mqtt, topic, payload, len, 1, false, token, error);
}

static const char *topic_of(const struct ph_session *session, enum ph_device_topic which)
{
    return session->topics->name[which];
}

/* A member of a status, or nothing while the time is not known. */
static void print_time(char *out, const struct ph_moment *now)
{
    out[0] = '\0';
    if (now->known) {
        (void)snprintf(out, TIME_BYTES, ",\"time\":%" PRId64, now->unix_ms);
    }
}

void ph_session_init(struct ph_session *session, const struct ph_session_options *options,
    struct ph_thermostat *thermostat, const struct ph_moment *now)
{
    char time[TIME_BYTES];
    *session = (struct ph_session){.topics = options->topics,
        .thermostat = thermostat,
        .limit = {.interval_ms = 10000, .burst = LIMIT_BURST},
        .ingest_limit = {.interval_ms = 10000, .burst = LIMIT_BURST}};
    print_time(time, now);
    (void)snprintf(session->will, sizeof session->will, "{\"v\":1,\"online\":false%s}", time);
    ph_publisher_init(&session->publisher, topic_of(session, PH_TOPIC_TELEMETRY),
        options->readings_max, options->bytes_max, options->window, options->ack_timeout_ms);
    session->publisher.send = send_telemetry;
    session->publisher.context = session;
}

void ph_session_fini(struct ph_session *session)
{
    ph_publisher_fini(&session->publisher);
}

void ph_session_attach(struct ph_session *session, struct ph_mqtt *mqtt)
{
    ph_window_disconnect(&session->publisher.window);
    session->mqtt = mqtt;
    session->overflow = 0;
}

/* Logs what a peer caused, at a limited rate. */
static void log_peer(struct ph_session *session, int64_t now_ms, enum ph_log_level level,
    const char *text, const char *topic, const char *reason)
{
    int64_t suppressed = 0;
    if (ph_log_limit_pass(&session->limit, now_ms, &suppressed)) {
        ph_log(level, text, PH_STR("topic", topic), PH_STR("reason", reason),
            PH_INT("suppressed", suppressed));
    }
}

static void publish_answer(
    struct ph_session *session, const char *topic, const char *payload, size_t len, bool retained)
{
    int token = 0;
    struct ph_error error = {0};
    if (ph_mqtt_publish(session->mqtt, topic, payload, len, 1, retained, &token, &error) == PH_OK) {
        session->answers++;
    } else {
        ph_log_error(PH_LOG_WARNING, "cannot publish", &error);
    }
}

void ph_session_say(struct ph_session *session, bool online, const struct ph_moment *now)
{
    char text[PH_SESSION_STATUS_BYTES];
    char time[TIME_BYTES];
    struct ph_spool_counters counters = {0};
    if (session->publisher.spool != NULL) {
        counters = ph_spool_counters(session->publisher.spool);
    }
    print_time(time, now);
    int len = snprintf(text, sizeof text,
        "{\"v\":1,\"online\":%s%s,\"setpoint_c\":%.2f,\"pending\":%" PRId64 ",\"dropped\":%" PRId64
        ",\"lost\":%" PRId64 "}",
        online ? "true" : "false", time, session->thermostat->setpoint_c, counters.pending,
        counters.dropped, session->lost);
    publish_answer(session, topic_of(session, PH_TOPIC_STATUS), text, (size_t)len, true);
    session->said.dropped = counters.dropped;
    session->said.lost = session->lost;
    session->said.at_ms = now->monotonic_ms;
}

static void subscribe_all(struct ph_session *session)
{
    const char *const filters[SUBSCRIPTIONS] = {topic_of(session, PH_TOPIC_INGEST_STATUS),
        topic_of(session, PH_TOPIC_ACK), topic_of(session, PH_TOPIC_COMMAND)};
    session->subscriptions = 0;
    for (int i = 0; i < SUBSCRIPTIONS; i++) {
        int token = 0;
        struct ph_error error = {0};
        if (ph_mqtt_subscribe(session->mqtt, filters[i], 1, &token, &error) != PH_OK) {
            ph_log_error(PH_LOG_WARNING, "cannot subscribe", &error);
        }
    }
}

static void on_subscribed(
    struct ph_session *session, const struct ph_mqtt_event *event, int64_t now_ms)
{
    if (event->reason_code >= 0x80) {
        log_peer(session, now_ms, PH_LOG_ERROR,
            "subscription refused: the policy must allow a device ack, command and ingest status",
            topic_of(session, PH_TOPIC_STATUS), "refused");
    }
    session->subscriptions++;
    if (session->subscriptions == SUBSCRIPTIONS) {
        ph_window_connect(&session->publisher.window, session->receive_maximum);
    }
}

static void on_published(
    struct ph_session *session, const struct ph_mqtt_event *event, int64_t now_ms)
{
    if (!ph_window_confirm(&session->publisher.window, event->token) && session->answers > 0) {
        session->answers--;
    }
    if (event->reason_code >= 0x80) {
        char code[16];
        (void)snprintf(code, sizeof code, "0x%02x", (unsigned)event->reason_code);
        log_peer(session, now_ms, PH_LOG_WARNING, "the broker refused a message",
            topic_of(session, PH_TOPIC_TELEMETRY), code);
    }
}

/* A spool that cannot be written now will hardly be a moment later, and whatever is sent meanwhile
 * comes back as an acknowledgement that cannot be applied. */
static void rest(struct ph_session *session, int64_t now_ms)
{
    session->rest_until_ms = now_ms + REST_MS;
}

static void on_ack(struct ph_session *session, const struct ph_mqtt_event *event, int64_t now_ms)
{
    struct ph_error error = {0};
    enum ph_spool_acked result = PH_SPOOL_ACK_FOREIGN;
    enum ph_err err =
        ph_publisher_ack(&session->publisher, event->payload, event->payload_len, &result, &error);
    if (err != PH_OK) {
        log_peer(session, now_ms, PH_LOG_WARNING, "acknowledgement not applied",
            topic_of(session, PH_TOPIC_ACK), error.message);
        if (err == PH_ERR_IO) {
            rest(session, now_ms);
        }
    } else if (result == PH_SPOOL_ACK_RESTARTED) {
        ph_log(PH_LOG_WARNING,
            "acknowledged beyond what can have been sent: the spool was restored from a copy, a "
            "new "
            "stream begins",
            PH_INT("pending", ph_spool_counters(session->publisher.spool).pending));
    }
}

static void reply(struct ph_session *session, const char *id, const char *reason)
{
    struct ph_buf buf;
    ph_buf_init(&buf, REPLY_BYTES);
    if (ph_reply_encode(id, reason, &buf) == PH_OK) {
        publish_answer(session, topic_of(session, PH_TOPIC_REPLY), buf.data, buf.len, false);
    }
    ph_buf_fini(&buf);
}

static void on_command(
    struct ph_session *session, const struct ph_mqtt_event *event, const struct ph_moment *now)
{
    int64_t now_ms = now->monotonic_ms;
    struct ph_command command;
    struct ph_error error = {0};
    if (session->answers > ANSWERS_MAX) {
        log_peer(session, now_ms, PH_LOG_WARNING, "command ignored",
            topic_of(session, PH_TOPIC_COMMAND), "answers to earlier ones are still under way");
        return;
    }
    enum ph_err err = ph_command_parse(event->payload, event->payload_len, &command, &error);
    if (err == PH_OK && event->retained) {
        err = ph_error_set(&error, PH_ERR_INPUT, "retained commands are not carried out");
    }
    if (err != PH_OK) {
        log_peer(session, now_ms, PH_LOG_WARNING, "command refused",
            topic_of(session, PH_TOPIC_COMMAND), error.message);
        reply(session, command.id, error.message);
        return;
    }
    session->commands++;
    session->thermostat->setpoint_c = command.setpoint_c;
    log_peer(session, now_ms, PH_LOG_INFO, "set point changed", topic_of(session, PH_TOPIC_COMMAND),
        command.id);
    reply(session, command.id, NULL);
    ph_session_say(session, true, now);
}

static void on_ingest_status(
    struct ph_session *session, const struct ph_mqtt_event *event, int64_t now_ms)
{
    bool online = true; /* when the retained message was deleted: unknown counts as online */
    struct ph_error error = {0};
    if (event->payload_len > 0 &&
        ph_ingest_status_parse(event->payload, event->payload_len, &online, &error) != PH_OK) {
        log_peer(session, now_ms, PH_LOG_WARNING, "ingest status not understood",
            topic_of(session, PH_TOPIC_INGEST_STATUS), error.message);
        return;
    }
    int64_t suppressed = 0;
    if (session->publisher.window.ingest_offline == online &&
        ph_log_limit_pass(&session->ingest_limit, now_ms, &suppressed)) {
        ph_log(PH_LOG_INFO,
            online ? "ingest is online: sending" : "ingest is offline: holding back",
            PH_STR("topic", topic_of(session, PH_TOPIC_INGEST_STATUS)),
            PH_INT("suppressed", suppressed));
    }
    ph_window_ingest(
        &session->publisher.window, online, !event->retained && event->payload_len > 0);
}

static void on_message(
    struct ph_session *session, const struct ph_mqtt_event *event, const struct ph_moment *now)
{
    if (strcmp(event->topic, topic_of(session, PH_TOPIC_ACK)) == 0) {
        on_ack(session, event, now->monotonic_ms);
    } else if (strcmp(event->topic, topic_of(session, PH_TOPIC_COMMAND)) == 0) {
        on_command(session, event, now);
    } else if (strcmp(event->topic, topic_of(session, PH_TOPIC_INGEST_STATUS)) == 0) {
        on_ingest_status(session, event, now->monotonic_ms);
    }
}

void ph_session_event(
    struct ph_session *session, const struct ph_mqtt_event *event, const struct ph_moment *now)
{
    switch (event->type) {
    case PH_MQTT_CONNECTED:
        ph_log(PH_LOG_INFO, "connected", PH_INT("receive_maximum", event->receive_maximum));
        session->receive_maximum = event->receive_maximum;
        session->answers = 0;
        subscribe_all(session);
        ph_session_say(session, true, now);
        break;
    case PH_MQTT_REFUSED:
    case PH_MQTT_DISCONNECTED:
        ph_window_disconnect(&session->publisher.window);
        ph_log(event->type == PH_MQTT_REFUSED ? PH_LOG_ERROR : PH_LOG_WARNING,
            event->type == PH_MQTT_REFUSED ? "refused" : "not connected",
            PH_STR("reason", event->text), PH_INT("retry_in_ms", event->retry_in_ms));
        break;
    case PH_MQTT_SUBSCRIBED:
        on_subscribed(session, event, now->monotonic_ms);
        break;
    case PH_MQTT_PUBLISHED:
    case PH_MQTT_PUBLISH_FAILED:
        on_published(session, event, now->monotonic_ms);
        break;
    case PH_MQTT_MESSAGE:
        on_message(session, event, now);
        break;
    }
}

/* Acknowledgements and commands will be repeated by their senders, but what ingest says of itself
 * will not: it is asked for again, since a missed "online" would hold us back for ever. */
static void make_up_for_dropped(struct ph_session *session, int64_t now_ms)
{
    int token = 0;
    struct ph_error error = {0};
    int64_t dropped =
        session->publisher.window.connected ? ph_mqtt_dropped(session->mqtt) : session->overflow;
    if (dropped == session->overflow) {
        return;
    }
    session->overflow = dropped;
    int64_t suppressed = 0;
    if (ph_log_limit_pass(&session->ingest_limit, now_ms, &suppressed)) {
        ph_log(PH_LOG_WARNING, "messages dropped: they come faster than the spool can be written",
            PH_INT("dropped", dropped), PH_INT("suppressed", suppressed));
    }
    if (ph_mqtt_subscribe(
            session->mqtt, topic_of(session, PH_TOPIC_INGEST_STATUS), 1, &token, &error) != PH_OK) {
        ph_log_error(PH_LOG_WARNING, "cannot subscribe", &error);
    }
}

static void say_losses(struct ph_session *session, const struct ph_moment *now)
{
    int64_t dropped = session->publisher.spool != NULL
                          ? ph_spool_counters(session->publisher.spool).dropped
                          : session->said.dropped;
    bool news = dropped != session->said.dropped || session->lost != session->said.lost;
    if (news && session->publisher.window.connected && session->answers <= ANSWERS_MAX &&
        now->monotonic_ms - session->said.at_ms >= PH_SESSION_STATUS_MS) {
        ph_session_say(session, true, now);
    }
}

void ph_session_pump(struct ph_session *session, const struct ph_moment *now)
{
    struct ph_error error = {0};
    int64_t now_ms = now->monotonic_ms;
    make_up_for_dropped(session, now_ms);
    say_losses(session, now);
    if (ph_window_tick(&session->publisher.window, now_ms)) {
        log_peer(session, now_ms, PH_LOG_WARNING, "no acknowledgement in time: sending again",
            topic_of(session, PH_TOPIC_TELEMETRY), "timeout");
    }
    if (now_ms < session->rest_until_ms) {
        return;
    }
    if (ph_publisher_pump(&session->publisher, now, &error) != PH_OK) {
        log_peer(session, now_ms, PH_LOG_ERROR, "cannot send from the spool",
            topic_of(session, PH_TOPIC_TELEMETRY), error.message);
        rest(session, now_ms);
    }
}
