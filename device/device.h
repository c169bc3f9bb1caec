/* One device without a loop: its room, thermostat, spool and connection, moved on by whoever drives
 * it. ph-thermostat drives one, a worker of ph-fleet thousands; both are the same device. Used by
 * one thread. */
#ifndef PH_DEVICE_DEVICE_H
#define PH_DEVICE_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/mqtt.h"
#include "base/clock.h"
#include "base/error.h"
#include "device/config.h"
#include "device/keeper.h"
#include "device/ledger.h"
#include "device/life.h"
#include "device/room.h"
#include "device/session.h"
#include "device/thermostat.h"

struct ph_device;

/* What a driver may watch and change; each may be NULL. */
struct ph_device_hooks {
    void *context;
    /* An event of the MQTT client, before the device takes it; borrowed for the call. */
    void (*event)(void *context, const struct ph_mqtt_event *event);
    /* Before a reading is captured; `room_ms` is what a clock in the room shows (unix). */
    void (*capture)(void *context, struct ph_device *device, int64_t room_ms);
};

/* Borrowed for the device's life, but for `error` texts. */
struct ph_device_options {
    const struct ph_device_config *config;
    struct ph_spool_file *spool; /* NULL: opens config->spool.file for itself */
    struct ph_device_hooks hooks;
    int64_t want;     /* readings to capture; 0: no end */
    int64_t delay_ms; /* before the first reading */
    /* Unix: the room's clock begins there and goes on by the interval with every reading, so that
     * the same seed gives the same readings; 0: it shows the time. */
    int64_t room_start_ms;
};

struct ph_device {
    struct ph_device_options options;
    struct ph_life life;
    char boot[PH_BOOT_ID_BYTES];
    bool started; /* to connect, */
    bool begun;   /* and it knows who it is: spool and session are there */
    struct ph_keeper keeper;
    struct ph_ledger ledger; /* set by the driver, before the start; it stays the driver's */
    struct ph_room room;
    int64_t
        room_ms; /* what the room's clock showed at boot; with room_start_ms, at its next reading */
    struct ph_thermostat thermostat;
    struct ph_session session;
    int64_t interval_ms; /* between readings; the driver may change it */
    int64_t seen;        /* captured in this run, the lost ones included */
    int64_t next_ms;     /* monotonic: next capture */
    bool stopping;       /* no more captures */
    int64_t drain_until_ms;
};

/* Reads its certificates; connects nothing. With `repair`, finishes in the slots what a killed
 * process has begun. Nothing needs ph_device_close() after an error. */
enum ph_err ph_device_open(struct ph_device *device, const struct ph_device_options *options,
    bool repair, struct ph_error *error) PH_NODISCARD;

/* Begins to capture and to connect. After an error, too, ph_device_close() is due. */
enum ph_err ph_device_start(struct ph_device *device, struct ph_error *error) PH_NODISCARD;

/* Does what is due: captures, takes the client's events, sends. To be called when ph_device_fd() is
 * readable, when ph_device_due_ms() has come, and at least once a second. What can be repaired
 * while it runs is logged; an error is the end of this device. */
enum ph_err ph_device_turn(struct ph_device *device, struct ph_error *error) PH_NODISCARD;

/* Readable while there are events; -1 without a client. Another one, even with the same number,
 * once ph_device_clients() has grown: the former one is closed then. */
int ph_device_fd(const struct ph_device *device);
uint64_t ph_device_clients(const struct ph_device *device);

/* Monotonic: the next capture; INT64_MAX when there will be none. */
int64_t ph_device_due_ms(const struct ph_device *device);

/* Cuts its connection as a failing network does (the broker publishes the will) and makes no other
 * until it is resumed; then the next attempt is due at once. It captures all the while. */
void ph_device_suspend(struct ph_device *device);
void ph_device_resume(struct ph_device *device);

/* No more captures; done once everything is acknowledged, or after `drain_ms`. Without connection
 * or ingest the wait is not cut short: either may come back in time. */
void ph_device_stop(struct ph_device *device, int64_t drain_ms);
bool ph_device_done(const struct ph_device *device);

/* Says on its status topic that it goes, if it can. */
void ph_device_say_goodbye(struct ph_device *device);

/* Disconnects, waiting up to `stop_ms` for what is unconfirmed, and releases everything. */
void ph_device_close(struct ph_device *device, int stop_ms);

#endif
