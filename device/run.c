#include "device/run.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/mqtt.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/signals.h"
#include "device/config.h"
#include "device/keeper.h"
#include "device/ledger.h"
#include "device/room.h"
#include "device/self.h"
#include "device/session.h"
#include "device/thermostat.h"

enum {
    LOOP_MS = 1000,
    STOP_MS = 2000,
    KEEP_ALIVE_S = 30,
    QUEUE_BYTES = 256 * 1024,
};

struct app {
    const struct ph_device_config *config;
    struct ph_self self;
    struct ph_device_topics topics;
    char boot[PH_BOOT_ID_BYTES];
    struct ph_mqtt *mqtt;
    struct ph_keeper keeper;
    struct ph_ledger ledger;
    struct ph_room room;
    int64_t room_ms; /* what the wall clock showed at boot: the room has its own days */
    struct ph_thermostat thermostat;
    struct ph_session session;
    int signal_fd;
    int64_t want;    /* readings to capture; 0: no end */
    int64_t seen;    /* captured in this run, the lost ones included */
    bool stopping;   /* no more captures */
    bool leave;      /* do not wait for acknowledgements */
    int64_t next_ms; /* monotonic: next capture */
    int64_t drain_until_ms;
};

/* A clock that shows a time from before the own certificate was made has not been set. */
static struct ph_moment read_clocks(const struct app *app)
{
    int64_t unix_ms = ph_clock_unix_ms();
    return (struct ph_moment){
        .monotonic_ms = ph_clock_monotonic_ms(),
        .boot_ms = ph_clock_boot_ms(),
        .unix_ms = unix_ms,
        .known = unix_ms >= app->self.not_before_ms,
    };
}

/* FNV-1a: a seed of its own for every identity. */
static uint64_t seed_of(const struct app *app)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *p = app->self.name; *p != '\0'; p++) {
        hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    }
    return app->config->room.seed != 0 ? (uint64_t)app->config->room.seed : hash;
}

static enum ph_err open_mqtt(struct app *app, struct ph_error *error)
{
    const struct ph_device_config *config = app->config;
    const struct ph_mqtt_options options = {
        .host = config->broker.host,
        .port = config->broker.port,
        .client_id = app->self.name,
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

static enum ph_err keep(struct app *app, const struct ph_spool_entry *entry, struct ph_error *error)
{
    int64_t seq = 0;
    enum ph_err err = ph_ledger_intend(&app->ledger, entry, error);
    if (err != PH_OK) {
        return err;
    }
    ph_keeper_append(&app->keeper, entry, &seq);
    app->session.lost = ph_keeper_counters(&app->keeper).lost;
    return seq == 0 ? PH_OK
                    : ph_ledger_captured(
                          &app->ledger, ph_keeper_counters(&app->keeper).stream, seq, entry, error);
}

/* One turn of the control loop: the room moves on, the thermostat decides, the reading is kept. */
static enum ph_err capture(struct app *app, const struct ph_moment *now, struct ph_error *error)
{
    struct ph_buf json;
    ph_room_advance(&app->room, app->room_ms + now->boot_ms, app->thermostat.heating);
    struct ph_room_sample sample = ph_room_sample(&app->room);
    ph_thermostat_control(&app->thermostat, sample.temperature_c);
    app->seen++;
    ph_buf_init(&json, PH_LIMIT_READING_BYTES);
    enum ph_err err = ph_thermostat_reading(&app->thermostat, &sample, now, &json);
    if (err == PH_OK) {
        struct ph_spool_entry entry = {
            .json = json.data,
            .time_ms = now->known ? now->unix_ms : now->boot_ms,
            .up = !now->known,
        };
        err = keep(app, &entry, error);
    } else {
        (void)ph_error_set(error, err, "%s: reading cannot be encoded", app->self.name);
    }
    ph_buf_fini(&json);
    return err;
}

static void begin_stop(struct app *app, int64_t now_ms, int64_t drain_ms)
{
    app->stopping = true;
    app->drain_until_ms = now_ms + drain_ms;
}

static enum ph_err capture_if_due(
    struct app *app, const struct ph_moment *now, struct ph_error *error)
{
    int64_t now_ms = now->monotonic_ms;
    if (app->stopping || now_ms < app->next_ms) {
        return PH_OK;
    }
    enum ph_err err = capture(app, now, error);
    app->next_ms += app->config->publish.interval_ms;
    if (app->next_ms <= now_ms) {
        app->next_ms = now_ms + app->config->publish.interval_ms;
    }
    if (app->want > 0 && app->seen >= app->want) {
        begin_stop(app, now_ms, INT64_MAX / 2);
    }
    return err;
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

static enum ph_err take_events(struct app *app, struct ph_error *error)
{
    for (int i = 0; i < 1000; i++) {
        struct ph_mqtt_event event = {0};
        bool have = false;
        enum ph_err err = ph_mqtt_next(app->mqtt, 0, &event, &have, error);
        if (err != PH_OK || !have) {
            return err;
        }
        struct ph_moment now = read_clocks(app);
        ph_session_event(&app->session, &event, &now);
        if (event.type == PH_MQTT_DISCONNECTED || event.type == PH_MQTT_REFUSED) {
            ph_self_say_expired(&app->self, &now);
        }
        ph_mqtt_event_fini(&event);
    }
    return PH_OK;
}

/* Without connection or ingest the wait is not cut short: either may come back in time. */
static bool done(const struct app *app, int64_t now_ms)
{
    return app->stopping && (app->leave || now_ms >= app->drain_until_ms ||
                                ph_keeper_counters(&app->keeper).pending == 0);
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

static enum ph_err turn(struct app *app, struct ph_error *error)
{
    struct ph_moment now = read_clocks(app);
    ph_self_watch_clock(&app->self, &now);
    take_signals(app, now.monotonic_ms);
    if (ph_keeper_retry(&app->keeper, now.monotonic_ms)) {
        ph_publisher_use(&app->session.publisher, app->keeper.spool);
    }
    enum ph_err err = capture_if_due(app, &now, error);
    if (err == PH_OK) {
        err = take_events(app, error);
    }
    if (err == PH_OK) {
        now = read_clocks(app);
        ph_session_pump(&app->session, &now);
    }
    return err;
}

static enum ph_err loop(struct app *app, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    int64_t now_ms = ph_clock_monotonic_ms();
    app->next_ms = now_ms;
    while (err == PH_OK && !done(app, now_ms)) {
        wait_for_work(app, now_ms);
        err = turn(app, error);
        now_ms = ph_clock_monotonic_ms();
    }
    return err;
}

static void say_goodbye(struct app *app)
{
    struct ph_spool_counters counters = ph_keeper_counters(&app->keeper);
    if (ph_mqtt_connected(app->mqtt)) {
        struct ph_moment now = read_clocks(app);
        ph_session_say(&app->session, false, &now);
    }
    ph_mqtt_stop(app->mqtt, app->leave ? 0 : STOP_MS);
    ph_log(PH_LOG_INFO, "ended", PH_STR("device", app->self.name), PH_INT("captured", app->seen),
        PH_INT("pending", counters.pending), PH_INT("dropped", counters.dropped),
        PH_INT("lost", app->keeper.lost));
}

static void init_session(struct app *app, const struct ph_moment *now)
{
    const struct ph_device_config *config = app->config;
    const struct ph_session_options options = {
        .topics = &app->topics,
        .readings_max = (size_t)config->publish.readings_per_message,
        .bytes_max = (size_t)config->publish.message_bytes,
        .window = (size_t)config->publish.window,
        .ack_timeout_ms = config->publish.ack_timeout_ms,
    };
    app->thermostat.setpoint_c = config->room.setpoint_c;
    app->room_ms = now->unix_ms - now->boot_ms;
    ph_room_init(&app->room, seed_of(app), config->room.speed, now->unix_ms);
    ph_session_init(&app->session, &options, &app->thermostat, now);
}

static enum ph_err open_spool(struct app *app, struct ph_error *error)
{
    ph_clock_boot_id(app->boot);
    app->keeper = (struct ph_keeper){
        .path = app->config->spool.file,
        .identity = app->self.name,
        .boot = app->boot,
        .max_bytes = app->config->spool.max_bytes,
        .sync = app->config->spool.sync,
    };
    enum ph_err err = ph_keeper_open(&app->keeper, error);
    ph_publisher_use(&app->session.publisher, app->keeper.spool);
    app->session.lost = ph_keeper_counters(&app->keeper).lost;
    return err;
}

static void say_hello(const struct app *app, const struct ph_moment *now)
{
    const struct ph_device_config *config = app->config;
    ph_log(PH_LOG_INFO, "started", PH_STR("device", app->self.name),
        PH_STR("broker", config->broker.host), PH_INT("port", config->broker.port),
        PH_STR("spool", config->spool.file),
        PH_INT("pending", ph_keeper_counters(&app->keeper).pending));
    ph_self_say_expiring(&app->self, now);
    ph_keeper_say_others(&app->keeper);
}

static enum ph_err start(struct app *app, struct ph_error *error)
{
    struct ph_moment now = read_clocks(app);
    enum ph_err err = ph_signals_open(&app->signal_fd, error);
    if (err != PH_OK) {
        return err;
    }
    init_session(app, &now);
    err = open_spool(app, error);
    if (err == PH_OK) {
        err = open_mqtt(app, error);
    }
    if (err == PH_OK) {
        say_hello(app, &now);
    }
    return err;
}

static enum ph_err run(const struct ph_cli *cli, struct app *app, struct ph_error *error)
{
    enum ph_err err = ph_cli_int64(cli, "readings", 1, PH_LIMIT_SEQ, 0, &app->want, error);
    if (err == PH_OK) {
        err = ph_ledger_open(&app->ledger, ph_cli_value(cli, "ledger"), error);
    }
    if (err == PH_OK) {
        err = start(app, error);
    }
    if (err == PH_OK) {
        err = loop(app, error);
        say_goodbye(app);
    }
    if (err == PH_OK && app->want > 0 && app->keeper.lost > 0) {
        err = ph_error_set(error, PH_ERR_IO,
            "%s: %" PRId64 " of %" PRId64 " readings lost, as the spool could not be written; the "
            "log says why",
            app->config->spool.file, app->keeper.lost, app->seen);
    }
    ph_mqtt_free(&app->mqtt);
    ph_session_fini(&app->session);
    ph_keeper_close(&app->keeper);
    ph_ledger_close(&app->ledger);
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
    struct app app = {.config = config, .signal_fd = -1, .ledger = {.fd = -1}};
    err = ph_self_load(&app.self, &config->broker, ph_clock_unix_ms(), error);
    if (err == PH_OK) {
        err = ph_device_topics_make(&config->topics, &app.self.identity, &app.topics, error);
    }
    if (err == PH_OK && ph_cli_has(cli, "check-config")) {
        struct ph_moment now = read_clocks(&app);
        ph_self_watch_clock(&app.self, &now);
    } else if (err == PH_OK) {
        err = run(cli, &app, error);
    }
out:
    ph_device_config_free(&config);
    return err;
}
