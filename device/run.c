#include "device/run.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/mqtt.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/signals.h"
#include "device/config.h"
#include "device/room.h"
#include "device/session.h"
#include "device/thermostat.h"
#include "x509/certificate.h"

enum {
    LOOP_MS = 1000,
    SPOOL_RETRY_MS = 10000,
    STOP_MS = 2000,
    KEEP_ALIVE_S = 30,
    QUEUE_BYTES = 256 * 1024,
};

#define WARN_BEFORE_EXPIRY_MS (INT64_C(30) * 86400 * 1000)

struct app {
    const struct ph_device_config *config;
    char name[PH_IDENTITY_BYTES];
    struct ph_identity identity;
    struct ph_device_topics topics;
    int64_t not_after_ms;
    struct ph_mqtt *mqtt;
    struct ph_spool_file *file;
    struct ph_spool *spool;
    ino_t spool_inode;
    struct ph_room room;
    struct ph_thermostat thermostat;
    struct ph_session session;
    int signal_fd;
    int64_t want;    /* readings to capture; 0: no end */
    int64_t seen;    /* captured in this run, the lost ones included */
    int64_t lost;    /* captured while the spool could not be written */
    bool degraded;   /* the spool cannot be written */
    bool stopping;   /* no more captures */
    bool leave;      /* do not wait for acknowledgements */
    int64_t next_ms; /* monotonic: next capture */
    int64_t retry_ms;
    int64_t drain_until_ms;
};

/* Reads the own certificate: who we are, and whether it can work at all today. */
static enum ph_err load_identity(struct app *app, int64_t unix_ms, struct ph_error *error)
{
    const char *path = app->config->broker.certificate;
    struct ph_certificate *certificate = NULL;
    struct ph_certificate_facts facts;
    char when[PH_UTC_BYTES];
    enum ph_err err = ph_certificate_load(path, &certificate, error);
    if (err != PH_OK) {
        return err;
    }
    err = ph_certificate_identity(certificate, &app->identity, error);
    if (err == PH_OK) {
        err = ph_certificate_facts(certificate, &facts, error);
    }
    if (err == PH_OK) {
        err = ph_certificate_check_key(certificate, app->config->broker.key, error);
    }
    ph_certificate_free(&certificate);
    if (err != PH_OK) {
        return err;
    }
    app->not_after_ms = facts.not_after_ms;
    ph_identity_print(app->name, sizeof app->name, &app->identity);
    if (unix_ms > facts.not_after_ms) {
        ph_utc_print(when, facts.not_after_ms);
        return ph_error_set(error, PH_ERR_DENIED,
            "%s: certificate of %s expired on %s; have a new one issued, or set the clock", path,
            app->name, when);
    }
    if (unix_ms < facts.not_before_ms) {
        ph_utc_print(when, facts.not_before_ms);
        return ph_error_set(error, PH_ERR_DENIED,
            "%s: certificate of %s is not valid before %s; set the clock, or have one issued that "
            "is valid now",
            path, app->name, when);
    }
    return PH_OK;
}

/* FNV-1a: a seed of its own for every identity. */
static uint64_t seed_of(const struct app *app)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *p = app->name; *p != '\0'; p++) {
        hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    }
    return app->config->room.seed != 0 ? (uint64_t)app->config->room.seed : hash;
}

static enum ph_err open_spool(struct app *app, struct ph_error *error)
{
    enum ph_err err =
        ph_spool_file_open(app->config->spool.file, app->config->spool.sync, &app->file, error);
    if (err == PH_OK) {
        err = ph_spool_open(app->file, app->name, app->config->spool.max_bytes, &app->spool, error);
    }
    if (err != PH_OK) {
        ph_spool_file_close(&app->file);
    }
    struct stat status = {0};
    if (err == PH_OK && stat(app->config->spool.file, &status) == 0) {
        app->spool_inode = status.st_ino;
    }
    app->session.publisher.spool = app->spool;
    return err;
}

static void close_spool(struct app *app)
{
    app->session.publisher.spool = NULL;
    ph_window_rewind(&app->session.publisher.window);
    ph_spool_close(&app->spool);
    ph_spool_file_close(&app->file);
}

/* What is open may have been deleted, or replaced by another file: it must be opened again. */
static bool is_spool_replaced(const struct app *app)
{
    struct stat status = {0};
    return stat(app->config->spool.file, &status) != 0 || status.st_ino != app->spool_inode;
}

/* The room must be heated whether or not a disk works: what a person can repair while the device
 * runs is said once per change, and what is lost is counted. */
static void spool_trouble(struct app *app, const struct ph_error *error)
{
    if (!app->degraded) {
        app->degraded = true;
        ph_log(PH_LOG_ERROR, "spool cannot be written: readings are lost until it can",
            PH_STR("reason", error->message), PH_STR("code", ph_err_name(error->code)));
    }
}

static void spool_works(struct app *app)
{
    if (app->degraded) {
        app->degraded = false;
        ph_log(PH_LOG_INFO, "spool works again", PH_INT("lost", app->lost));
    }
}

static bool is_repairable(enum ph_err err)
{
    return err == PH_ERR_PERMISSION || err == PH_ERR_IO;
}

/* What else the spool's database holds. */
struct others {
    const char *own;
    char identity[PH_IDENTITY_BYTES]; /* the first with pending readings */
    int64_t identities;
    int64_t pending;
};

static enum ph_err count_others(void *context, const char *identity,
    const struct ph_spool_counters *counters, struct ph_error *error)
{
    struct others *others = context;
    (void)error;
    if (counters->pending == 0 || strcmp(identity, others->own) == 0) {
        return PH_OK;
    }
    if (others->identities == 0) {
        (void)snprintf(others->identity, sizeof others->identity, "%s", identity);
    }
    others->identities++;
    others->pending += counters->pending;
    return PH_OK;
}

/* After a certificate with a new name the readings of the old one would wait without a word. */
static void say_if_others(const struct app *app)
{
    struct ph_error error = {0};
    struct others others = {.own = app->name};
    if (app->spool == NULL) {
        return;
    }
    if (ph_spool_list(app->config->spool.file, count_others, &others, &error) != PH_OK) {
        ph_log_error(PH_LOG_WARNING, "cannot list the spool", &error);
    } else if (others.pending > 0) {
        ph_log(PH_LOG_WARNING,
            "the spool holds readings of another identity: unsent until its certificate is back",
            PH_STR("identity", others.identity), PH_INT("readings", others.pending),
            PH_INT("identities", others.identities));
    }
}

static enum ph_err first_open_spool(struct app *app, struct ph_error *error)
{
    enum ph_err err = open_spool(app, error);
    if (is_repairable(err)) {
        spool_trouble(app, error);
        ph_error_clear(error);
        return PH_OK;
    }
    return err;
}

static void retry_spool(struct app *app, int64_t now_ms)
{
    struct ph_error error = {0};
    if (!app->degraded || now_ms < app->retry_ms) {
        return;
    }
    app->retry_ms = now_ms + SPOOL_RETRY_MS;
    if (app->spool != NULL && is_spool_replaced(app)) {
        close_spool(app);
    }
    if (app->spool != NULL) {
        return;
    }
    if (open_spool(app, &error) != PH_OK) {
        spool_trouble(app, &error);
    }
}

static enum ph_err open_mqtt(struct app *app, struct ph_error *error)
{
    const struct ph_device_config *config = app->config;
    const struct ph_mqtt_options options = {
        .host = config->broker.host,
        .port = config->broker.port,
        .client_id = app->name,
        .ca_file = config->broker.ca,
        .cert_file = config->broker.certificate,
        .key_file = config->broker.key,
        .keep_alive_s = KEEP_ALIVE_S,
        .clean_start = true,
        .queue_bytes = QUEUE_BYTES,
        .backoff_min_ms = config->reconnect.min_ms,
        .backoff_max_ms = config->reconnect.max_ms,
        .backoff_refused_ms = config->reconnect.refused_ms,
        .will = {app->topics.name[PH_TOPIC_STATUS], app->session.will, 1, true},
    };
    enum ph_err err = ph_mqtt_new(&options, &app->mqtt, error);
    app->session.mqtt = app->mqtt;
    return err == PH_OK ? ph_mqtt_start(app->mqtt, error) : err;
}

/* One turn of the control loop: the room moves on, the thermostat decides, the reading is kept. */
static void capture(struct app *app, int64_t unix_ms)
{
    struct ph_error error = {0};
    struct ph_buf json;
    int64_t seq = 0;
    ph_room_advance(&app->room, unix_ms, app->thermostat.heating);
    struct ph_room_sample sample = ph_room_sample(&app->room);
    ph_thermostat_control(&app->thermostat, sample.temperature_c);
    app->seen++;
    ph_buf_init(&json, PH_LIMIT_READING_BYTES);
    enum ph_err err = ph_thermostat_reading(&app->thermostat, &sample, unix_ms, &json);
    if (err == PH_OK && app->spool != NULL) {
        struct ph_spool_entry entry = {.json = json.data, .time_ms = unix_ms};
        err = ph_spool_append(app->spool, &entry, 1, &seq, &error);
    } else if (err == PH_OK) {
        err = PH_ERR_UNAVAILABLE;
    }
    if (err != PH_OK) {
        app->lost++;
        spool_trouble(app, &error);
    } else {
        spool_works(app);
    }
    ph_buf_fini(&json);
}

static void begin_stop(struct app *app, int64_t now_ms, int64_t drain_ms)
{
    app->stopping = true;
    app->drain_until_ms = now_ms + drain_ms;
}

static void capture_if_due(struct app *app, int64_t now_ms)
{
    if (app->stopping || now_ms < app->next_ms) {
        return;
    }
    capture(app, ph_clock_unix_ms());
    app->next_ms += app->config->publish.interval_ms;
    if (app->next_ms <= now_ms) {
        app->next_ms = now_ms + app->config->publish.interval_ms;
    }
    if (app->want > 0 && app->seen >= app->want) {
        begin_stop(app, now_ms, INT64_MAX / 2);
    }
}

static void take_signals(struct app *app, int64_t now_ms)
{
    for (int number = ph_signals_read(app->signal_fd); number != 0;
         number = ph_signals_read(app->signal_fd)) {
        if (number == SIGHUP) {
            ph_log(PH_LOG_INFO, "nothing to reload", PH_STR("signal", "SIGHUP"));
            continue;
        }
        /* --readings waits without a limit; only a signal before this one has set a limit. */
        app->leave = app->stopping && app->drain_until_ms < INT64_MAX / 4;
        ph_log(PH_LOG_INFO, app->leave ? "ending at once" : "ending", PH_INT("signal", number),
            PH_INT("drain_ms", app->config->publish.drain_ms));
        begin_stop(app, now_ms, app->config->publish.drain_ms);
    }
}

static void say_if_expired(const struct app *app, const struct ph_mqtt_event *event)
{
    bool trouble = event->type == PH_MQTT_DISCONNECTED || event->type == PH_MQTT_REFUSED;
    if (trouble && ph_clock_unix_ms() > app->not_after_ms) {
        char when[PH_UTC_BYTES];
        ph_utc_print(when, app->not_after_ms);
        ph_log(PH_LOG_ERROR, "own certificate has expired: have a new one issued",
            PH_STR("certificate", app->config->broker.certificate), PH_STR("expired", when));
    }
}

static enum ph_err take_events(struct app *app, struct ph_error *error)
{
    for (int i = 0; i < 1000; i++) {
        struct ph_mqtt_event event = {0};
        bool have = false;
        enum ph_err err = ph_mqtt_next(app->mqtt, 0, &event, &have, error);
        if (err != PH_OK || !have) {
            return err;
        }
        ph_session_event(&app->session, &event, ph_clock_monotonic_ms(), ph_clock_unix_ms());
        say_if_expired(app, &event);
        ph_mqtt_event_fini(&event);
    }
    return PH_OK;
}

/* Without connection or ingest the wait is not cut short: either may come back in time. */
static bool done(const struct app *app, int64_t now_ms)
{
    return app->stopping && (app->leave || app->spool == NULL || now_ms >= app->drain_until_ms ||
                                ph_spool_counters(app->spool).pending == 0);
}

static void wait_for_work(const struct app *app, int64_t now_ms)
{
    struct pollfd fds[] = {
        {.fd = app->signal_fd, .events = POLLIN},
        {.fd = ph_mqtt_fd(app->mqtt), .events = POLLIN},
    };
    int64_t wait = app->stopping ? 100 : app->next_ms - now_ms;
    wait = wait < 0 ? 0 : wait;
    (void)poll(fds, 2, (int)(wait < LOOP_MS ? wait : LOOP_MS));
}

static enum ph_err loop(struct app *app, struct ph_error *error)
{
    int64_t now_ms = ph_clock_monotonic_ms();
    app->next_ms = now_ms;
    while (!done(app, now_ms)) {
        wait_for_work(app, now_ms);
        now_ms = ph_clock_monotonic_ms();
        take_signals(app, now_ms);
        retry_spool(app, now_ms);
        capture_if_due(app, now_ms);
        enum ph_err err = take_events(app, error);
        if (err != PH_OK) {
            return err;
        }
        ph_session_pump(&app->session, ph_clock_monotonic_ms());
    }
    return PH_OK;
}

static void say_goodbye(struct app *app)
{
    struct ph_spool_counters counters = {0};
    if (app->spool != NULL) {
        counters = ph_spool_counters(app->spool);
    }
    if (ph_mqtt_connected(app->mqtt)) {
        ph_session_say(&app->session, false, ph_clock_unix_ms());
    }
    ph_mqtt_stop(app->mqtt, app->leave ? 0 : STOP_MS);
    ph_log(PH_LOG_INFO, "ended", PH_STR("device", app->name), PH_INT("captured", app->seen),
        PH_INT("pending", counters.pending), PH_INT("dropped", counters.dropped),
        PH_INT("lost", app->lost));
}

static enum ph_err start(struct app *app, struct ph_error *error)
{
    int64_t unix_ms = ph_clock_unix_ms();
    const struct ph_device_config *config = app->config;
    const struct ph_session_options options = {
        .topics = &app->topics,
        .readings_max = (size_t)config->publish.readings_per_message,
        .bytes_max = (size_t)config->publish.message_bytes,
        .window = (size_t)config->publish.window,
        .ack_timeout_ms = config->publish.ack_timeout_ms,
    };
    enum ph_err err = ph_signals_open(&app->signal_fd, error);
    if (err != PH_OK) {
        return err;
    }
    app->thermostat.setpoint_c = config->room.setpoint_c;
    ph_room_init(&app->room, seed_of(app), config->room.speed, unix_ms);
    ph_session_init(&app->session, &options, &app->thermostat, unix_ms);
    err = first_open_spool(app, error);
    if (err == PH_OK) {
        err = open_mqtt(app, error);
    }
    if (err != PH_OK) {
        return err;
    }
    ph_log(PH_LOG_INFO, "started", PH_STR("device", app->name),
        PH_STR("broker", config->broker.host), PH_INT("port", config->broker.port),
        PH_STR("spool", config->spool.file),
        PH_INT("pending", app->spool != NULL ? ph_spool_counters(app->spool).pending : 0));
    if (app->not_after_ms - unix_ms < WARN_BEFORE_EXPIRY_MS) {
        char when[PH_UTC_BYTES];
        ph_utc_print(when, app->not_after_ms);
        ph_log(PH_LOG_WARNING, "own certificate expires soon", PH_STR("expires", when));
    }
    say_if_others(app);
    return PH_OK;
}

static enum ph_err run(const struct ph_cli *cli, struct app *app, struct ph_error *error)
{
    enum ph_err err = ph_cli_int64(cli, "readings", 1, PH_LIMIT_SEQ, 0, &app->want, error);
    if (err == PH_OK) {
        err = start(app, error);
    }
    if (err == PH_OK) {
        err = loop(app, error);
        say_goodbye(app);
    }
    if (err == PH_OK && app->want > 0 && app->lost > 0) {
        err = ph_error_set(error, PH_ERR_IO,
            "%s: %" PRId64 " of %" PRId64 " readings lost, as the spool could not be written; the "
            "log says why",
            app->config->spool.file, app->lost, app->seen);
    }
    ph_mqtt_free(&app->mqtt);
    close_spool(app);
    ph_session_fini(&app->session);
    if (app->signal_fd >= 0) {
        (void)close(app->signal_fd);
    }
    return err;
}

enum ph_err ph_device_run(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_device_config *config = NULL;
    enum ph_err err = ph_device_config_load(cli, &config, error);
    if (err != PH_OK) {
        return err;
    }
    if (ph_cli_has(cli, "print-config")) {
        err = ph_device_config_print(stdout, config, error);
        goto out;
    }
    struct app app = {.config = config, .signal_fd = -1};
    err = load_identity(&app, ph_clock_unix_ms(), error);
    if (err == PH_OK) {
        err = ph_device_topics_make(&config->topics, &app.identity, &app.topics, error);
    }
    if (err == PH_OK && !ph_cli_has(cli, "check-config")) {
        err = run(cli, &app, error);
    }
out:
    ph_device_config_free(&config);
    return err;
}
