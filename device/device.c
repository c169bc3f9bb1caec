#include "device/device.h"

#include <string.h>

#include "base/limits.h"
#include "base/log.h"

static struct ph_moment read_clocks(void)
{
    return (struct ph_moment){
        .monotonic_ms = ph_clock_monotonic_ms(),
        .boot_ms = ph_clock_boot_ms(),
        .unix_ms = ph_clock_unix_ms(),
    };
}

static struct ph_moment read_time(struct ph_device *device)
{
    struct ph_moment shown = read_clocks();
    return ph_life_moment(&device->life, &shown);
}

static enum ph_err keep(
    struct ph_device *device, const struct ph_spool_entry *entry, struct ph_error *error)
{
    int64_t seq = 0;
    enum ph_err err = ph_ledger_intend(&device->ledger, entry, error);
    if (err != PH_OK) {
        return err;
    }
    ph_keeper_append(&device->keeper, entry, &seq);
    device->session.lost = ph_keeper_counters(&device->keeper).lost;
    return seq == 0 ? PH_OK
                    : ph_ledger_captured(&device->ledger,
                          ph_keeper_counters(&device->keeper).stream, seq, entry, error);
}

static int64_t room_clock(const struct ph_device *device, const struct ph_moment *now)
{
    return device->options.room_start_ms != 0 ? device->room_ms : device->room_ms + now->boot_ms;
}

/* One turn of the control loop: the room moves on, the thermostat decides, the reading is kept. */
static enum ph_err capture(
    struct ph_device *device, const struct ph_moment *now, struct ph_error *error)
{
    const struct ph_device_hooks *hooks = &device->options.hooks;
    int64_t room_ms = room_clock(device, now);
    struct ph_buf json;
    if (hooks->capture != NULL) {
        hooks->capture(hooks->context, device, room_ms);
    }
    if (device->options.room_start_ms != 0) {
        device->room_ms += device->interval_ms; /* which the hook may have changed */
    }
    ph_room_advance(&device->room, room_ms, device->thermostat.heating);
    struct ph_room_sample sample = ph_room_sample(&device->room);
    ph_thermostat_control(&device->thermostat, sample.temperature_c);
    device->seen++;
    ph_buf_init(&json, PH_LIMIT_READING_BYTES);
    enum ph_err err = ph_thermostat_reading(&device->thermostat, &sample, now, &json);
    if (err == PH_OK) {
        struct ph_spool_entry entry = {
            .json = json.data,
            .time_ms = now->known ? now->unix_ms : now->boot_ms,
            .up = !now->known,
        };
        err = keep(device, &entry, error);
    } else {
        (void)ph_error_set(error, err, "%s: reading cannot be encoded", device->life.self.name);
    }
    ph_buf_fini(&json);
    return err;
}

static enum ph_err capture_if_due(
    struct ph_device *device, const struct ph_moment *now, struct ph_error *error)
{
    int64_t now_ms = now->monotonic_ms;
    if (now_ms < ph_device_due_ms(device)) {
        return PH_OK;
    }
    enum ph_err err = capture(device, now, error);
    device->next_ms += device->interval_ms;
    if (device->next_ms <= now_ms) {
        device->next_ms = now_ms + device->interval_ms;
    }
    if (device->options.want > 0 && device->seen >= device->options.want) {
        ph_device_stop(device, INT64_MAX / 2);
    }
    return err;
}

static enum ph_err take_events(struct ph_device *device, struct ph_error *error)
{
    const struct ph_device_hooks *hooks = &device->options.hooks;
    for (int i = 0; i < 1000 && ph_life_mqtt(&device->life) != NULL; i++) {
        struct ph_mqtt_event event = {0};
        bool have = false;
        enum ph_err err = ph_mqtt_next(ph_life_mqtt(&device->life), 0, &event, &have, error);
        if (err != PH_OK || !have) {
            return err;
        }
        if (hooks->event != NULL) {
            hooks->event(hooks->context, &event);
        }
        struct ph_moment now = read_time(device);
        if (ph_life_event(&device->life, &event, &now)) {
            ph_session_event(&device->session, &event, &now);
        }
        ph_mqtt_event_fini(&event);
    }
    return PH_OK;
}

static void init_room(struct ph_device *device, const struct ph_moment *now)
{
    const struct ph_device_config *config = device->options.config;
    int64_t start_ms = device->options.room_start_ms;
    uint64_t seed =
        config->room.seed != 0 ? (uint64_t)config->room.seed : ph_self_seed(&device->life.self);
    device->room_ms = start_ms != 0 ? start_ms : now->unix_ms - now->boot_ms;
    device->thermostat.setpoint_c = config->room.setpoint_c;
    ph_room_init(&device->room, seed, config->room.speed, start_ms != 0 ? start_ms : now->unix_ms);
}

static void init_session(struct ph_device *device, const struct ph_moment *now)
{
    const struct ph_device_config *config = device->options.config;
    const struct ph_session_options options = {
        .topics = &device->life.topics,
        .readings_max = (size_t)config->publish.readings_per_message,
        .bytes_max = (size_t)config->publish.message_bytes,
        .window = (size_t)config->publish.window,
        .ack_timeout_ms = config->publish.ack_timeout_ms,
    };
    ph_session_init(&device->session, &options, &device->thermostat, now);
    device->life.will = device->session.will;
}

static enum ph_err open_spool(struct ph_device *device, struct ph_error *error)
{
    const struct ph_device_config *config = device->options.config;
    ph_clock_boot_id(device->boot);
    device->keeper = (struct ph_keeper){
        .path = config->spool.file,
        .shared = device->options.spool,
        .identity = device->life.self.name,
        .boot = device->boot,
        .max_bytes = config->spool.max_bytes,
        .sync = config->spool.sync,
    };
    enum ph_err err = ph_keeper_open(&device->keeper, error);
    ph_publisher_use(&device->session.publisher, device->keeper.spool);
    device->session.lost = ph_keeper_counters(&device->keeper).lost;
    return err;
}

static void say_hello(const struct ph_device *device, const struct ph_moment *now)
{
    const struct ph_device_config *config = device->options.config;
    ph_log(PH_LOG_INFO, "started", PH_STR("device", device->life.self.name),
        PH_STR("broker", config->broker.host), PH_INT("port", config->broker.port),
        PH_STR("spool", config->spool.file),
        PH_INT("pending", ph_keeper_counters(&device->keeper).pending));
    ph_self_say_expiring(&device->life.self, now);
    ph_keeper_say_others(&device->keeper);
}

/* What there is once it knows who it is. */
static enum ph_err begin(
    struct ph_device *device, const struct ph_moment *now, struct ph_error *error)
{
    init_room(device, now);
    init_session(device, now);
    enum ph_err err = open_spool(device, error);
    device->begun = err == PH_OK;
    device->next_ms = now->monotonic_ms + device->options.delay_ms;
    return err;
}

static enum ph_err begin_if_known(
    struct ph_device *device, const struct ph_moment *now, struct ph_error *error)
{
    if (device->begun || !ph_life_known(&device->life)) {
        return PH_OK;
    }
    enum ph_err err = begin(device, now, error);
    if (err == PH_OK) {
        say_hello(device, now);
    }
    return err;
}

static void pump(struct ph_device *device, const struct ph_moment *now)
{
    bool other = ph_life_pump(&device->life, now);
    if (!device->begun) {
        return;
    }
    if (other) {
        ph_session_attach(&device->session, ph_life_telemetry(&device->life));
    }
    ph_session_pump(&device->session, now);
}

enum ph_err ph_device_open(struct ph_device *device, const struct ph_device_options *options,
    bool repair, struct ph_error *error)
{
    struct ph_moment shown = read_clocks();
    *device = (struct ph_device){
        .options = *options,
        .ledger = {.fd = -1},
        .interval_ms = options->config->publish.interval_ms,
    };
    enum ph_err err = ph_life_open(&device->life, options->config, repair, &shown, error);
    if (err == PH_OK && ph_life_known(&device->life)) {
        struct ph_moment now = read_time(device);
        ph_self_watch_clock(&device->life.self, &now);
    }
    return err;
}

enum ph_err ph_device_start(struct ph_device *device, struct ph_error *error)
{
    struct ph_moment now = read_time(device);
    enum ph_err err = PH_OK;
    if (ph_life_known(&device->life)) {
        err = begin(device, &now, error);
    }
    if (err == PH_OK) {
        err = ph_life_start(&device->life, &now, error);
    }
    device->started = err == PH_OK;
    if (device->started && device->begun) {
        ph_session_attach(&device->session, ph_life_telemetry(&device->life));
        say_hello(device, &now);
    }
    return err;
}

enum ph_err ph_device_turn(struct ph_device *device, struct ph_error *error)
{
    struct ph_moment now = read_time(device);
    if (device->begun) {
        ph_self_watch_clock(&device->life.self, &now);
    }
    if (device->begun && ph_keeper_retry(&device->keeper, now.monotonic_ms)) {
        ph_publisher_use(&device->session.publisher, device->keeper.spool);
    }
    enum ph_err err = capture_if_due(device, &now, error);
    if (err == PH_OK) {
        err = take_events(device, error);
    }
    now = read_time(device);
    if (err == PH_OK) {
        err = begin_if_known(device, &now, error);
    }
    if (err == PH_OK) {
        pump(device, &now);
    }
    return err;
}

int ph_device_fd(const struct ph_device *device)
{
    struct ph_mqtt *mqtt = ph_life_mqtt(&device->life);
    return mqtt != NULL ? ph_mqtt_fd(mqtt) : -1;
}

uint64_t ph_device_clients(const struct ph_device *device)
{
    return device->life.connection.made;
}

int64_t ph_device_due_ms(const struct ph_device *device)
{
    return device->begun && !device->stopping ? device->next_ms : INT64_MAX;
}

void ph_device_suspend(struct ph_device *device)
{
    ph_connection_suspend(&device->life.connection);
}

void ph_device_resume(struct ph_device *device)
{
    ph_connection_resume(&device->life.connection);
}

void ph_device_stop(struct ph_device *device, int64_t drain_ms)
{
    device->stopping = true;
    device->drain_until_ms = ph_clock_monotonic_ms() + drain_ms;
}

bool ph_device_done(const struct ph_device *device)
{
    return device->stopping && (ph_keeper_counters(&device->keeper).pending == 0 ||
                                   ph_clock_monotonic_ms() >= device->drain_until_ms);
}

void ph_device_say_goodbye(struct ph_device *device)
{
    struct ph_mqtt *mqtt = ph_life_telemetry(&device->life);
    if (device->begun && mqtt != NULL && ph_mqtt_connected(mqtt)) {
        struct ph_moment now = read_time(device);
        ph_session_say(&device->session, false, &now);
    }
}

void ph_device_close(struct ph_device *device, int stop_ms)
{
    struct ph_spool_counters counters = ph_keeper_counters(&device->keeper);
    if (ph_life_mqtt(&device->life) != NULL) {
        ph_mqtt_stop(ph_life_mqtt(&device->life), stop_ms);
    }
    if (device->started) {
        ph_log(PH_LOG_INFO, "ended", PH_STR("device", device->life.self.name),
            PH_INT("captured", device->seen), PH_INT("pending", counters.pending),
            PH_INT("dropped", counters.dropped), PH_INT("lost", device->keeper.lost));
    }
    ph_life_close(&device->life);
    ph_session_fini(&device->session);
    ph_keeper_close(&device->keeper);
}
