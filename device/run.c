#include "device/run.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/signals.h"
#include "device/config.h"
#include "device/device.h"

enum {
    LOOP_MS = 1000,
    DRAIN_MS = 100,
    STOP_MS = 2000,
};

/* The loop around the one device. */
struct app {
    struct ph_device device;
    struct ph_notify notify;
    int signal_fd;
    bool asked; /* to end, by a signal */
    bool leave; /* asked again: not to wait for acknowledgements */
};

static void take_signals(struct app *app)
{
    int64_t drain_ms = app->device.options.config->publish.drain_ms;
    for (int number = ph_signals_read(app->signal_fd); number != 0;
         number = ph_signals_read(app->signal_fd)) {
        if (number == SIGHUP) {
            ph_log(PH_LOG_INFO, "nothing to reload", PH_STR("signal", "SIGHUP"));
            continue;
        }
        app->leave = app->asked;
        app->asked = true;
        ph_log(PH_LOG_INFO, app->leave ? "ending at once" : "ending", PH_INT("signal", number),
            PH_INT("drain_ms", drain_ms));
        ph_notify_stopping(&app->notify);
        ph_device_stop(&app->device, drain_ms);
    }
}

/* A device without a broker is well: it captures. One that waits for its first certificate, too,
 * since a person may have to allow it. One whose spool does not open is not ready. */
static bool is_ready(const struct ph_device *device)
{
    return !device->begun || device->keeper.spool != NULL;
}

static void say_state(struct app *app)
{
    const struct ph_device *device = &app->device;
    const struct ph_spool_counters counters = ph_keeper_counters(&device->keeper);
    struct ph_mqtt *mqtt = ph_life_mqtt(&device->life);
    const char *link = mqtt != NULL && ph_mqtt_connected(mqtt) ? "connected" : "not connected";
    if (!device->begun) {
        ph_notify_status(&app->notify, "Waits for its certificate; %s", link);
    } else if (device->keeper.spool == NULL) {
        ph_notify_status(&app->notify, "%s: the spool does not open, %" PRId64 " readings lost; %s",
            device->life.self.name, device->keeper.lost, link);
    } else {
        ph_notify_status(&app->notify,
            "%s: %s; %" PRId64 " readings captured, %" PRId64 " to be acknowledged, %" PRId64
            " dropped, %" PRId64 " lost",
            device->life.self.name, link, device->seen, counters.pending, counters.dropped,
            counters.lost);
    }
}

static void tell_manager(struct app *app)
{
    if (is_ready(&app->device)) {
        ph_notify_ready(&app->notify);
    }
    say_state(app);
    ph_notify_turn(&app->notify, ph_clock_monotonic_ms(), true);
}

static void wait_for_work(const struct app *app)
{
    struct pollfd fds[] = {
        {.fd = app->signal_fd, .events = POLLIN},
        {.fd = ph_device_fd(&app->device), .events = POLLIN},
    };
    int64_t most = app->device.stopping ? DRAIN_MS : LOOP_MS;
    int64_t now_ms = ph_clock_monotonic_ms();
    int64_t wait = ph_device_due_ms(&app->device) - now_ms;
    wait = wait < 0 ? 0 : wait;
    most = ph_notify_sleep_ms(&app->notify, now_ms, most);
    (void)poll(fds, 2, (int)(wait < most ? wait : most));
}

static enum ph_err loop(struct app *app, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    while (err == PH_OK && !app->leave && !ph_device_done(&app->device)) {
        wait_for_work(app);
        take_signals(app);
        err = ph_device_turn(&app->device, error);
        if (err == PH_OK) {
            tell_manager(app);
        }
    }
    return err;
}

static enum ph_err run(struct app *app, struct ph_error *error)
{
    struct ph_device *device = &app->device;
    enum ph_err err = ph_signals_open(&app->signal_fd, error);
    if (err == PH_OK) {
        err = ph_device_start(device, error);
    }
    if (err == PH_OK) {
        tell_manager(app);
        err = loop(app, error);
        ph_device_say_goodbye(device);
    }
    if (err == PH_OK && device->options.want > 0 && device->keeper.lost > 0) {
        err = ph_error_set(error, PH_ERR_IO,
            "%s: %" PRId64 " of %" PRId64 " readings lost, as the spool could not be written; the "
            "log says why",
            device->keeper.path, device->keeper.lost, device->seen);
    }
    if (app->signal_fd >= 0) {
        (void)close(app->signal_fd);
    }
    return err;
}

static enum ph_err be_thermostat(
    const struct ph_cli *cli, const struct ph_device_config *config, struct ph_error *error)
{
    struct app app = {.signal_fd = -1};
    struct ph_device_options options = {.config = config};
    struct ph_ledger ledger = {.fd = -1};
    bool check = ph_cli_has(cli, "check-config");
    enum ph_err err = ph_cli_int64(cli, "readings", 1, PH_LIMIT_SEQ, 0, &options.want, error);
    if (err == PH_OK) {
        err = ph_device_open(&app.device, &options, !check, error);
    }
    if (err != PH_OK || check) {
        return err;
    }
    struct ph_error unheard = {0};
    if (ph_notify_open(&app.notify, &unheard) != PH_OK) {
        ph_log_error(PH_LOG_WARNING, "service manager", &unheard);
    }
    err = ph_ledger_open(&ledger, ph_cli_value(cli, "ledger"), error);
    if (err == PH_OK) {
        app.device.ledger = ledger;
        err = run(&app, error);
    }
    ph_device_close(&app.device, app.leave ? 0 : STOP_MS);
    ph_ledger_close(&ledger);
    ph_notify_close(&app.notify);
    return err;
}

enum ph_err ph_device_run(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_device_config *config = NULL;
    enum ph_err err = ph_device_config_load(cli, &config, error);
    if (err == PH_OK && ph_cli_has(cli, "print-config")) {
        err = ph_device_config_print(stdout, config, error);
    } else if (err == PH_OK) {
        err = be_thermostat(cli, config, error);
    }
    ph_device_config_free(&config);
    return err;
}
