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
#include "device/life.h"
#include "device/room.h"
#include "device/session.h"
#include "device/thermostat.h"

enum {
    LOOP_MS = 1000,
    STOP_MS = 2000,
};

struct app {
    const struct ph_device_config *config;
    struct ph_life life;
    char boot[PH_BOOT_ID_BYTES];
    bool begun; /* it knows who it is: spool and session are there */
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

static struct ph_moment read_clocks(void)
{
    return (struct ph_moment){
        .monotonic_ms = ph_clock_monotonic_ms(),
        .boot_ms = ph_clock_boot_ms(),
        .unix_ms = ph_clock_unix_ms(),
    };
}

static struct ph_moment read_time(struct app *app)
{
    struct ph_moment shown = read_clocks();
    return ph_life_moment(&app->life, &shown);
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
        (void)ph_error_set(error, err, "%s: reading cannot be encoded", app->life.self.name);
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
    if (app->stopping || !app->begun || now_ms < app->next_ms) {
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
    for (int i = 0; i < 1000 && ph_life_mqtt(&app->life) != NULL; i++) {
        struct ph_mqtt_event event = {0};
        bool have = false;
        enum ph_err err = ph_mqtt_next(ph_life_mqtt(&app->life), 0, &event, &have, error);
        if (err != PH_OK || !have) {
            return err;
        }
        struct ph_moment now = read_time(app);
        if (ph_life_event(&app->life, &event, &now)) {
            ph_session_event(&app->session, &event, &now);
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
    struct ph_mqtt *mqtt = ph_life_mqtt(&app->life);
    struct pollfd fds[] = {
        {.fd = app->signal_fd, .events = POLLIN},
        {.fd = mqtt != NULL ? ph_mqtt_fd(mqtt) : -1, .events = POLLIN},
    };
    int64_t capture_ms = app->begun ? app->next_ms - now_ms : LOOP_MS;
    int64_t wait = app->stopping ? 100 : capture_ms;
    wait = wait < 0 ? 0 : wait;
    (void)poll(fds, 2, (int)(wait < LOOP_MS ? wait : LOOP_MS));
}

static void init_session(struct app *app, const struct ph_moment *now)
{
    const struct ph_device_config *config = app->config;
    const struct ph_session_options options = {
        .topics = &app->life.topics,
        .readings_max = (size_t)config->publish.readings_per_message,
        .bytes_max = (size_t)config->publish.message_bytes,
        .window = (size_t)config->publish.window,
        .ack_timeout_ms = config->publish.ack_timeout_ms,
    };
    uint64_t seed =
        config->room.seed != 0 ? (uint64_t)config->room.seed : ph_self_seed(&app->life.self);
    app->thermostat.setpoint_c = config->room.setpoint_c;
    app->room_ms = now->unix_ms - now->boot_ms;
    ph_room_init(&app->room, seed, config->room.speed, now->unix_ms);
    ph_session_init(&app->session, &options, &app->thermostat, now);
    app->life.will = app->session.will;
}

static enum ph_err open_spool(struct app *app, struct ph_error *error)
{
    ph_clock_boot_id(app->boot);
    app->keeper = (struct ph_keeper){
        .path = app->config->spool.file,
        .identity = app->life.self.name,
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
    ph_log(PH_LOG_INFO, "started", PH_STR("device", app->life.self.name),
        PH_STR("broker", config->broker.host), PH_INT("port", config->broker.port),
        PH_STR("spool", config->spool.file),
        PH_INT("pending", ph_keeper_counters(&app->keeper).pending));
    ph_self_say_expiring(&app->life.self, now);
    ph_keeper_say_others(&app->keeper);
}

/* What there is once it knows who it is. */
static enum ph_err begin(struct app *app, const struct ph_moment *now, struct ph_error *error)
{
    init_session(app, now);
    enum ph_err err = open_spool(app, error);
    app->begun = err == PH_OK;
    app->next_ms = now->monotonic_ms;
    return err;
}

static enum ph_err begin_if_known(
    struct app *app, const struct ph_moment *now, struct ph_error *error)
{
    if (app->begun || !ph_life_known(&app->life)) {
        return PH_OK;
    }
    enum ph_err err = begin(app, now, error);
    if (err == PH_OK) {
        say_hello(app, now);
    }
    return err;
}

static void pump(struct app *app, const struct ph_moment *now)
{
    bool other = ph_life_pump(&app->life, now);
    if (!app->begun) {
        return;
    }
    if (other) {
        ph_session_attach(&app->session, ph_life_telemetry(&app->life));
    }
    ph_session_pump(&app->session, now);
}

static enum ph_err turn(struct app *app, struct ph_error *error)
{
    struct ph_moment now = read_time(app);
    take_signals(app, now.monotonic_ms);
    if (app->begun) {
        ph_self_watch_clock(&app->life.self, &now);
    }
    if (app->begun && ph_keeper_retry(&app->keeper, now.monotonic_ms)) {
        ph_publisher_use(&app->session.publisher, app->keeper.spool);
    }
    enum ph_err err = capture_if_due(app, &now, error);
    if (err == PH_OK) {
        err = take_events(app, error);
    }
    now = read_time(app);
    if (err == PH_OK) {
        err = begin_if_known(app, &now, error);
    }
    if (err == PH_OK) {
        pump(app, &now);
    }
    return err;
}

static enum ph_err loop(struct app *app, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    int64_t now_ms = ph_clock_monotonic_ms();
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
    struct ph_mqtt *mqtt = ph_life_mqtt(&app->life);
    if (ph_life_telemetry(&app->life) != NULL && ph_mqtt_connected(mqtt)) {
        struct ph_moment now = read_time(app);
        ph_session_say(&app->session, false, &now);
    }
    if (mqtt != NULL) {
        ph_mqtt_stop(mqtt, app->leave ? 0 : STOP_MS);
    }
    ph_log(PH_LOG_INFO, "ended", PH_STR("device", app->life.self.name),
        PH_INT("captured", app->seen), PH_INT("pending", counters.pending),
        PH_INT("dropped", counters.dropped), PH_INT("lost", app->keeper.lost));
}

static enum ph_err start(struct app *app, struct ph_error *error)
{
    struct ph_moment now = read_time(app);
    enum ph_err err = ph_signals_open(&app->signal_fd, error);
    if (err == PH_OK && ph_life_known(&app->life)) {
        err = begin(app, &now, error);
    }
    if (err == PH_OK) {
        err = ph_life_start(&app->life, &now, error);
    }
    if (err == PH_OK && app->begun) {
        ph_session_attach(&app->session, ph_life_telemetry(&app->life));
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
    ph_life_close(&app->life);
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
    bool check = ph_cli_has(cli, "check-config");
    struct ph_moment shown = read_clocks();
    err = ph_life_open(&app.life, config, !check, &shown, error);
    if (err == PH_OK && check && ph_life_known(&app.life)) {
        struct ph_moment now = read_time(&app);
        ph_self_watch_clock(&app.life.self, &now);
    } else if (err == PH_OK && !check) {
        err = run(cli, &app, error);
    }
out:
    ph_device_config_free(&config);
    return err;
}
