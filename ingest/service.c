#include "ingest/service.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "adapters/mqtt.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/signals.h"
#include "ingest/metrics.h"
#include "ingest/pipeline.h"
#include "ingest/standing.h"
#include "ingest/subscriber.h"
#include "x509/certificate.h"

enum {
    STORE_BACKOFF_MIN_MS = 100,
    STORE_BACKOFF_MAX_MS = 2000,
    IDLE_MS = 1000,
    REPORT_MS = 60000,
    DRAIN_MS = 5000,
    FAREWELL_MS = 2000,
    EVENTS_PER_TURN = 1000, /* between two looks at the clock for signals and reports */
    GATHER_MS = 2, /* what comes within it is taken at one wake-up: thousands a second cost more
                      than the messages */
};

struct service {
    const char *config_file;
    const struct ph_ingest_config *config;
    struct ph_pipeline *pipeline;
    struct ph_subscriber subscriber;
    struct ph_notify notify;
    int signals;
    char client_id[PH_IDENTITY_BYTES];
    bool reload_wanted;
    bool stop_wanted;
    int64_t report_ms;
    struct ph_exposition_file metrics;
    int64_t dropped; /* by the queue, as of the last report */
    struct ph_pipeline_counts reported;
};

/* Takes one event when there is one. */
static enum ph_err take_event(struct service *service, bool *have, struct ph_error *error)
{
    struct ph_mqtt_event event = {0};
    enum ph_err err = ph_mqtt_next(service->subscriber.mqtt, 0, &event, have, error);
    if (err == PH_OK && *have) {
        ph_subscriber_event(&service->subscriber, &event);
        ph_mqtt_event_fini(&event);
    }
    return err;
}

static void take_turn(struct service *service)
{
    ph_pipeline_turn(service->pipeline, ph_clock_monotonic_ms());
    ph_pipeline_connected(service->pipeline, service->subscriber.subscribed);
    ph_subscriber_update(&service->subscriber);
}

/* While the store works, what waits is better off in the queue, which is bounded in bytes, than
 * dropped; while it does not, the events between the messages must be seen. */
static bool must_wait(const struct service *service)
{
    return !ph_pipeline_has_room(service->pipeline) && ph_pipeline_store_up(service->pipeline);
}

static struct ph_pipeline_limits limits_of(const struct ph_ingest_config *config)
{
    return (struct ph_pipeline_limits){
        .store = ph_ingest_config_limits(config),
        .ack_interval_ms = config->acks.interval_ms,
        .letters_per_minute = config->dead_letters.per_minute,
    };
}

/* The kinds and the limits; what else the file says is read at the next start. */
static void reload_if_wanted(struct service *service)
{
    struct ph_error error = {0};
    struct ph_ingest_config *config = NULL;
    if (!service->reload_wanted) {
        return;
    }
    enum ph_err err = ph_ingest_config_load(service->config_file, &config, &error);
    if (err == PH_OK) {
        struct ph_pipeline_limits limits = limits_of(config);
        err = ph_pipeline_reload(service->pipeline, &limits, &error);
    }
    ph_ingest_config_free(&config);
    service->reload_wanted = err == PH_ERR_BUSY;
    if (err != PH_OK && err != PH_ERR_BUSY) {
        ph_log_error(
            PH_LOG_ERROR, "kinds and limits not reloaded, the old ones stay in force", &error);
    }
}

static void read_signals(struct service *service)
{
    int number = 0;
    while ((number = ph_signals_read(service->signals)) != 0) {
        if (number == SIGHUP) {
            service->reload_wanted = true;
        } else {
            service->stop_wanted = true;
        }
    }
}

static void report(struct service *service, int64_t now_ms, bool anyway)
{
    if (!anyway && now_ms < service->report_ms) {
        return;
    }
    const struct ph_pipeline_counts counts = ph_pipeline_counts(service->pipeline);
    const struct ph_pipeline_counts *now = &counts;
    const struct ph_pipeline_counts *then = &service->reported;
    int64_t dropped = ph_mqtt_dropped(service->subscriber.mqtt) + now->dropped;
    service->report_ms = now_ms + REPORT_MS;
    if (anyway || now->messages != then->messages || dropped != service->dropped) {
        ph_log(PH_LOG_INFO, "ingested", PH_INT("messages", now->messages - then->messages),
            PH_INT("stored", now->stored - then->stored),
            PH_INT("duplicates", now->duplicates - then->duplicates),
            PH_INT("given_up", now->given_up - then->given_up),
            PH_INT("misdated", now->misdated - then->misdated),
            PH_INT("unvouched", now->unvouched - then->unvouched),
            PH_INT("dead_letters", now->dead_letters - then->dead_letters),
            PH_INT("not_kept", now->dead_letters_not_kept - then->dead_letters_not_kept),
            PH_INT("held_back", now->held_back - then->held_back),
            PH_INT("dropped", dropped - service->dropped),
            PH_INT("commits", now->commits - then->commits), PH_INT("acks", now->acks - then->acks),
            PH_INT("conflicts", now->conflicts - then->conflicts));
    }
    service->reported = *now;
    service->dropped = dropped;
}

static void store_metrics(struct service *service, int64_t now_ms)
{
    if (!ph_exposition_file_is_due(&service->metrics, now_ms)) {
        return;
    }
    const struct ph_ingest_metrics metrics = {
        .counts = ph_pipeline_counts(service->pipeline),
        .connected = service->subscriber.subscribed,
        .store_up = ph_pipeline_store_up(service->pipeline),
        .shed = ph_mqtt_dropped(service->subscriber.mqtt),
        .waiting = ph_pipeline_waiting(service->pipeline),
        .lag_ms = ph_pipeline_lag_ms(service->pipeline, now_ms),
    };
    ph_ingest_metrics_write(&service->metrics, &metrics, now_ms);
}

/* Alive is who takes messages while the store's thread gets on with its work: what it does now may
 * take as long as the manager allows. A store that fails and is tried again is no reason. */
static void tell_manager(struct service *service)
{
    const struct ph_broker_section *broker = &service->config->broker;
    int64_t now_ms = ph_clock_monotonic_ms();
    const struct ph_standing standing = {
        .host = broker->host,
        .port = broker->port,
        .trouble = service->subscriber.trouble,
        .connected = ph_mqtt_connected(service->subscriber.mqtt),
        .subscribed = service->subscriber.subscribed,
        .store_up = ph_pipeline_store_up(service->pipeline),
        .waiting = ph_pipeline_waiting(service->pipeline),
        .counts = ph_pipeline_counts(service->pipeline),
    };
    ph_standing_say(&standing, &service->notify);
    ph_notify_turn(&service->notify, now_ms,
        ph_pipeline_step_ms(service->pipeline, now_ms) < ph_notify_patience_ms(&service->notify));
}

/* Sleeps until an event, a signal, or the time for the next commit or reconnect attempt. */
static void sleep_until_due(const struct service *service, bool gather)
{
    bool deaf = gather || must_wait(service);
    struct pollfd fds[] = {
        {.fd = service->signals, .events = POLLIN},
        {.fd = ph_pipeline_fd(service->pipeline), .events = POLLIN},
        {.fd = deaf ? -1 : ph_mqtt_fd(service->subscriber.mqtt), .events = POLLIN},
    };
    int64_t due_ms = ph_pipeline_due_ms(service->pipeline, ph_clock_monotonic_ms());
    int64_t most_ms = gather ? GATHER_MS : IDLE_MS;
    most_ms = ph_notify_sleep_ms(&service->notify, ph_clock_monotonic_ms(), most_ms);
    (void)poll(
        fds, sizeof fds / sizeof fds[0], (int)(due_ms >= 0 && due_ms < most_ms ? due_ms : most_ms));
}

static enum ph_err turn(struct service *service, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    bool have = true;
    int taken = 0;
    while (taken < EVENTS_PER_TURN && have && err == PH_OK && !must_wait(service)) {
        err = take_event(service, &have, error);
        taken += have ? 1 : 0;
    }
    take_turn(service);
    read_signals(service);
    reload_if_wanted(service);
    report(service, ph_clock_monotonic_ms(), false);
    store_metrics(service, ph_clock_monotonic_ms());
    tell_manager(service);
    if (err == PH_OK && (!have || must_wait(service)) && !service->stop_wanted) {
        sleep_until_due(service, taken > 0);
    }
    return err;
}

/* Takes and commits what has been received, for at most `limit_ms`. */
static enum ph_err drain(struct service *service, int64_t limit_ms, struct ph_error *error)
{
    int64_t end_ms = ph_clock_monotonic_ms() + limit_ms;
    bool have = true;
    enum ph_err err = PH_OK;
    while (have && err == PH_OK && ph_clock_monotonic_ms() < end_ms) {
        if (must_wait(service)) {
            err = ph_pipeline_drain(service->pipeline, end_ms - ph_clock_monotonic_ms(), error);
        } else {
            err = take_event(service, &have, error);
        }
    }
    return err == PH_OK
               ? ph_pipeline_drain(service->pipeline, end_ms - ph_clock_monotonic_ms(), error)
               : err;
}

/* Publishes "offline" and gives the broker time to confirm it. */
static void say_farewell(struct service *service)
{
    struct ph_subscriber *subscriber = &service->subscriber;
    int64_t end_ms = ph_clock_monotonic_ms() + FAREWELL_MS;
    bool have = false;
    if (!subscriber->subscribed) {
        return;
    }
    ph_subscriber_say(subscriber, false);
    while (subscriber->status_token != 0 && ph_clock_monotonic_ms() < end_ms &&
           ph_mqtt_connected(subscriber->mqtt) && take_event(service, &have, NULL) == PH_OK) {
        take_turn(service);
        if (!have) {
            struct pollfd fd = {.fd = ph_mqtt_fd(subscriber->mqtt), .events = POLLIN};
            (void)poll(&fd, 1, 100);
        }
    }
}

static enum ph_err stop(struct service *service, struct ph_error *error)
{
    service->subscriber.leaving = true;
    ph_notify_stopping(&service->notify);
    ph_log(PH_LOG_INFO, "stopping", PH_INT("waiting", ph_pipeline_waiting(service->pipeline)));
    (void)!drain(service, DRAIN_MS, NULL);
    say_farewell(service);
    (void)!drain(service, DRAIN_MS, NULL);
    ph_mqtt_stop(service->subscriber.mqtt, FAREWELL_MS);
    enum ph_err err =
        drain(service, DRAIN_MS, error); /* what came in while the connection closed */
    report(service, ph_clock_monotonic_ms(), true);
    return err;
}

static enum ph_err open_pipeline(struct service *service, struct ph_error *error)
{
    const struct ph_ingest_config *config = service->config;
    struct ph_pipeline_options options = {
        .store = config->store,
        .kinds = config->kinds,
        .telemetry = config->topics.telemetry,
        .limits = limits_of(config),
        .batch_messages = config->batch.messages,
        .batch_delay_ms = config->batch.delay_ms,
        .backoff_min_ms = STORE_BACKOFF_MIN_MS,
        .backoff_max_ms = STORE_BACKOFF_MAX_MS,
        .writer = service->client_id,
        .beat_every_ms = (int64_t)config->beat_s * 1000,
        .send = ph_subscriber_send_ack, /* at a turn or drain: the subscriber is open by then */
        .context = &service->subscriber,
    };
    return ph_pipeline_new(&options, &service->pipeline, error);
}

enum ph_err ph_ingest_service_run(
    const char *config_file, const struct ph_ingest_config *config, struct ph_error *error)
{
    struct service service = {.config_file = config_file,
        .config = config,
        .signals = -1,
        .metrics = {.path = config->metrics}};
    struct ph_error unheard = {0};
    if (ph_notify_open(&service.notify, &unheard) != PH_OK) {
        ph_log_error(PH_LOG_WARNING, "service manager", &unheard);
    }
    enum ph_err err = ph_signals_open(&service.signals, error);
    if (err == PH_OK) {
        err = ph_certificate_client_id(config->broker.certificate, service.client_id, error);
    }
    if (err == PH_OK) {
        err = open_pipeline(&service, error);
    }
    if (err == PH_OK) {
        err = ph_subscriber_open(
            &service.subscriber, config, service.client_id, service.pipeline, error);
    }
    if (err == PH_OK) {
        ph_log(PH_LOG_INFO, "started", PH_STR("store", config->store),
            PH_STR("broker", config->broker.host), PH_INT("port", config->broker.port));
        service.report_ms = ph_clock_monotonic_ms() + REPORT_MS;
        ph_notify_ready(&service.notify);
    }
    while (err == PH_OK && !service.stop_wanted) {
        err = turn(&service, error);
    }
    if (err == PH_OK) {
        err = stop(&service, error);
    }
    ph_subscriber_close(&service.subscriber);
    ph_pipeline_free(&service.pipeline);
    if (service.signals >= 0) {
        (void)close(service.signals);
    }
    ph_notify_close(&service.notify);
    return err;
}
