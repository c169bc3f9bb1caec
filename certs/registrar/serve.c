#include "certs/registrar/serve.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/mqtt.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/signals.h"
#include "certs/registrar/letters.h"
#include "certs/registrar/vital.h"
#include "certs/signers.h"
#include "domain/route.h"
#include "x509/certificate.h"

enum {
    KEEP_ALIVE_S = 30,
    SESSION_EXPIRY_S = 0x7FFFFFFF, /* Paho 1.3.12 encodes larger values wrongly */
    RECEIVE_MAXIMUM = 500,
    QUEUE_BYTES = 32 << 20,
    BACKOFF_MIN_MS = 250,
    BACKOFF_MAX_MS = 5000,
    BACKOFF_REFUSED_MS = 30000,
    FILTERS = 2,
    IDLE_MS = 500,
    CRL_PAUSE_MS =
        1000,     /* between two looks whether CRLs are due: what comes meanwhile shares one */
    CRL_REST = 4, /* times as long as a signing took is left for answers: long CRLs take a second */
    INVENTORY_MS = 1000,
    REPORT_MS = 60000,
    STOP_MS = 2000,
};

struct server {
    const struct ph_registrar_config *config;
    struct ph_registrar_rules rules;
    struct ph_ca *ca;
    struct ph_registrar *registrar;
    struct ph_mqtt *mqtt;
    struct ph_notify notify;
    int signals;
    bool stop;
    int subscribed;         /* filters that the broker has confirmed on this connection */
    char trouble_text[256]; /* why there is no connection; "": not known yet */
    char filters[FILTERS][PH_FILTER_BYTES];
    struct ph_letters letters;
    struct ph_registrar_counts reported;
    struct stat inventory; /* ca.db as it was opened */
    int64_t inventory_ms;  /* monotonic: next look at it; so on */
    int64_t report_ms;
    int64_t crl_ms;
    struct ph_vital vital;
};

/* ---- events ---- */

static void subscribe(struct server *server)
{
    for (size_t i = 0; i < FILTERS; i++) {
        struct ph_error error = {0};
        int token = 0;
        if (ph_mqtt_subscribe(server->mqtt, server->filters[i], 1, &token, &error) != PH_OK) {
            ph_log_error(PH_LOG_WARNING, "cannot subscribe", &error);
        }
    }
}

/* What a person sees who asks the service manager. */
static void show_state(struct server *server)
{
    const struct ph_broker_section *broker = &server->config->broker;
    const struct ph_registrar_counts counts = ph_registrar_counts(server->registrar);
    const char *why = server->trouble_text;
    if (!ph_mqtt_connected(server->mqtt)) {
        ph_notify_status(&server->notify, "Waits for the broker %s:%d%s%s", broker->host,
            broker->port, why[0] != '\0' ? ": " : "", why);
    } else if (server->subscribed < FILTERS) {
        ph_notify_status(&server->notify, "Connected, waits for its subscriptions");
    } else {
        ph_notify_status(&server->notify,
            "Serves; since the start %" PRId64 " enrolled, %" PRId64 " renewed, %" PRId64
            " refused, %" PRId64 " made to wait",
            counts.enrolled, counts.renewed, counts.refused, counts.waiting);
    }
}

static void on_event(struct server *server, struct ph_mqtt_event *event)
{
    switch (event->type) {
    case PH_MQTT_CONNECTED:
        server->subscribed = 0;
        ph_log(PH_LOG_INFO, "connected", PH_STR("broker", server->config->broker.host),
            PH_INT("port", server->config->broker.port));
        subscribe(server);
        break;
    case PH_MQTT_SUBSCRIBED:
        server->subscribed += event->reason_code < 0x80 ? 1 : 0;
        if (event->reason_code >= 0x80) {
            ph_log(PH_LOG_ERROR,
                "subscription refused: the policy must allow the registrar both filters",
                PH_STR("renew", server->filters[0]), PH_STR("enroll", server->filters[1]));
        }
        break;
    case PH_MQTT_DISCONNECTED:
    case PH_MQTT_REFUSED:
        server->subscribed = 0;
        memcpy(server->trouble_text, event->text, sizeof server->trouble_text);
        ph_log(event->type == PH_MQTT_REFUSED ? PH_LOG_ERROR : PH_LOG_WARNING,
            event->type == PH_MQTT_REFUSED ? "refused by the broker" : "not connected",
            PH_STR("reason", event->text), PH_INT("retry_in_ms", event->retry_in_ms));
        break;
    case PH_MQTT_MESSAGE:
        ph_letters_take(&server->letters, event);
        break;
    case PH_MQTT_PUBLISHED:
    case PH_MQTT_PUBLISH_FAILED:
        break;
    }
}

static enum ph_err take_events(struct server *server, struct ph_error *error)
{
    bool have = true;
    enum ph_err err = PH_OK;
    while (err == PH_OK && have && !ph_letters_full(&server->letters)) {
        struct ph_mqtt_event event = {0};
        err = ph_mqtt_next(server->mqtt, 0, &event, &have, error);
        if (err == PH_OK && have) {
            on_event(server, &event);
            ph_mqtt_event_fini(&event);
        }
    }
    return err;
}

/* ---- what is due by time ---- */

static enum ph_err look_at_inventory(
    const struct server *server, struct stat *out, struct ph_error *error)
{
    char path[PATH_MAX];
    enum ph_err err = ph_path_join(path, sizeof path, server->config->ca, "ca.db", error);
    if (err == PH_OK && stat(path, out) != 0) {
        *out = (struct stat){0};
    }
    return err;
}

/* An inventory that is gone cannot answer, and one that was put in its place is not the one that we
 * have open: whoever starts us anew finds out which. */
static enum ph_err check_inventory(struct server *server, int64_t now_ms, struct ph_error *error)
{
    struct stat now;
    if (now_ms < server->inventory_ms) {
        return PH_OK;
    }
    server->inventory_ms = now_ms + INVENTORY_MS;
    enum ph_err err = look_at_inventory(server, &now, error);
    if (err != PH_OK ||
        (now.st_ino == server->inventory.st_ino && now.st_dev == server->inventory.st_dev)) {
        return err;
    }
    return ph_error_set(error, PH_ERR_NOT_FOUND,
        "%s/ca.db: was moved, deleted or replaced while the registrar ran: put it back, or restore "
        "the backup, and start again",
        server->config->ca);
}

static void sign_crls(struct server *server, int64_t now_ms)
{
    struct ph_error error = {0};
    bool signed_any = false;
    if (now_ms < server->crl_ms) {
        return;
    }
    if (ph_registrar_crls(server->registrar, ph_clock_unix_ms(), &signed_any, &error) != PH_OK) {
        ph_log_error(PH_LOG_ERROR, "CRLs not signed: the old ones stay in force", &error);
        server->crl_ms = now_ms + BACKOFF_REFUSED_MS;
        return;
    }
    if (signed_any) {
        ph_log(PH_LOG_INFO, "CRLs signed", PH_STR("ca", server->config->ca));
    }
    const int64_t end_ms = ph_clock_monotonic_ms();
    const int64_t rest_ms = CRL_REST * (end_ms - now_ms);
    server->crl_ms = end_ms + (rest_ms > CRL_PAUSE_MS ? rest_ms : CRL_PAUSE_MS);
}

static void report(struct server *server, int64_t now_ms)
{
    const struct ph_registrar_counts now = ph_registrar_counts(server->registrar);
    const struct ph_registrar_counts *then = &server->reported;
    if (now_ms < server->report_ms) {
        return;
    }
    server->report_ms = now_ms + REPORT_MS;
    if (memcmp(&now, then, sizeof now) == 0) {
        return;
    }
    ph_log(PH_LOG_INFO, "answered", PH_INT("enrolled", now.enrolled - then->enrolled),
        PH_INT("renewed", now.renewed - then->renewed),
        PH_INT("repeated", now.repeated - then->repeated),
        PH_INT("waiting", now.waiting - then->waiting),
        PH_INT("refused", now.refused - then->refused),
        PH_INT("confirmed", now.confirmed - then->confirmed),
        PH_INT("superseded", now.superseded - then->superseded));
    server->reported = now;
}

static void show_signs_of_life(struct server *server)
{
    const struct ph_registrar_counts counts = ph_registrar_counts(server->registrar);
    ph_vital_turn(&server->vital, server->ca, &counts, server->subscribed == FILTERS,
        ph_clock_monotonic_ms(), ph_clock_unix_ms());
}

static void read_signals(struct server *server)
{
    for (int number = ph_signals_read(server->signals); number != 0;
         number = ph_signals_read(server->signals)) {
        if (number == SIGHUP) {
            ph_log(PH_LOG_INFO, "nothing to reload: the configuration is read at the start",
                PH_STR("signal", "SIGHUP"));
        } else {
            server->stop = true;
        }
    }
}

/* ---- the loop ---- */

static void sleep_until_due(const struct server *server)
{
    struct pollfd fds[] = {
        {.fd = server->signals, .events = POLLIN},
        {.fd = ph_mqtt_fd(server->mqtt), .events = POLLIN},
    };
    int64_t most_ms = ph_notify_sleep_ms(&server->notify, ph_clock_monotonic_ms(), IDLE_MS);
    (void)poll(fds, sizeof fds / sizeof fds[0], (int)most_ms);
}

static enum ph_err turn(struct server *server, struct ph_error *error)
{
    enum ph_err err = take_events(server, error);
    bool busy = server->letters.count > 0;
    int64_t now_ms = ph_clock_monotonic_ms();
    ph_letters_answer(&server->letters, server->mqtt);
    sign_crls(server, now_ms);
    report(server, now_ms);
    show_signs_of_life(server);
    read_signals(server);
    show_state(server);
    ph_notify_turn(&server->notify, ph_clock_monotonic_ms(), true);
    if (err == PH_OK) {
        err = check_inventory(server, now_ms, error);
    }
    if (err == PH_OK && !busy && !server->stop) {
        sleep_until_due(server);
    }
    return err;
}

static enum ph_err open_mqtt(struct server *server, struct ph_error *error)
{
    const struct ph_broker_section *broker = &server->config->broker;
    char client_id[PH_IDENTITY_BYTES];
    enum ph_err err = ph_certificate_client_id(broker->certificate, client_id, error);
    if (err != PH_OK) {
        return err;
    }
    const struct ph_mqtt_options options = {
        .host = broker->host,
        .port = broker->port,
        .client_id = client_id,
        .ca_file = broker->ca,
        .cert_file = broker->certificate,
        .key_file = broker->key,
        .keep_alive_s = KEEP_ALIVE_S,
        .session_expiry_s = SESSION_EXPIRY_S,
        .receive_maximum = RECEIVE_MAXIMUM,
        .queue_bytes = QUEUE_BYTES,
        .backoff_min_ms = BACKOFF_MIN_MS,
        .backoff_max_ms = BACKOFF_MAX_MS,
        .backoff_refused_ms = BACKOFF_REFUSED_MS,
    };
    err = ph_mqtt_new(&options, &server->mqtt, error);
    return err == PH_OK ? ph_mqtt_start(server->mqtt, error) : err;
}

static enum ph_err start(struct server *server, struct ph_error *error)
{
    const struct ph_registrar_config *config = server->config;
    enum ph_err err = ph_signals_open(&server->signals, error);
    if (err == PH_OK) {
        err = ph_ca_open(config->ca, &server->ca, error);
    }
    if (err == PH_OK) {
        err = look_at_inventory(server, &server->inventory, error);
    }
    if (err == PH_OK) {
        err = ph_signers_check_keys(server->ca, PH_DEVICES, error);
    }
    if (err == PH_OK) {
        err = ph_ca_bundles(server->ca, error); /* what a killed command has left undone */
    }
    if (err == PH_OK) {
        err = ph_registrar_new(server->ca, &server->rules, config->broker.certificate,
            config->broker.key, &server->registrar, error);
    }
    if (err == PH_OK) {
        ph_letters_init(&server->letters, &config->topics, server->registrar);
        err = open_mqtt(server, error);
    }
    if (err == PH_OK) {
        ph_log(PH_LOG_INFO, "started", PH_STR("ca", config->ca),
            PH_STR("broker", config->broker.host), PH_INT("port", config->broker.port),
            PH_STR("auto_approve", config->enrolment.auto_approve ? "yes" : "no"));
        ph_notify_ready(&server->notify);
    }
    return err;
}

enum ph_err ph_registrar_serve(const struct ph_registrar_config *config, struct ph_error *error)
{
    struct server server = {.config = config,
        .rules = ph_registrar_config_rules(config),
        .signals = -1,
        .vital = {.pulse = {.every_ms = ph_registrar_config_beat_ms(config)},
            .metrics = {.path = config->metrics}}};
    struct ph_error unheard = {0};
    if (ph_notify_open(&server.notify, &unheard) != PH_OK) {
        ph_log_error(PH_LOG_WARNING, "service manager", &unheard);
    }
    ph_route_filter(server.filters[0], config->topics.renew);
    ph_route_filter(server.filters[1], config->topics.enroll);
    enum ph_err err = start(&server, error);
    while (err == PH_OK && !server.stop) {
        err = turn(&server, error);
    }
    ph_notify_stopping(&server.notify);
    if (server.mqtt != NULL) {
        ph_mqtt_stop(server.mqtt, STOP_MS);
    }
    ph_mqtt_free(&server.mqtt);
    ph_registrar_free(&server.registrar);
    ph_ca_close(&server.ca);
    if (server.signals >= 0) {
        (void)close(server.signals);
    }
    ph_notify_close(&server.notify);
    return err;
}
