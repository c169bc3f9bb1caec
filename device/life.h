/* A device's life with its certificates: who it is, with which of them it is connected, what it
 * asks the registrar, and what it makes of the answers. It holds the one connection; while that
 * carries telemetry its other events are the session's.
 *
 *     no certificate, or an expired one, and a claim:  enrols over the claim's connection
 *     time unknown, or the clock under suspicion:      asks for the time over one without dates
 *     otherwise:                                       is the device; renews (renewal.h)
 */
#ifndef PH_DEVICE_LIFE_H
#define PH_DEVICE_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/backoff.h"
#include "base/log.h"
#include "device/config.h"
#include "device/connection.h"
#include "device/enroll.h"
#include "device/moment.h"
#include "device/registrar_link.h"
#include "device/renewal.h"
#include "device/self.h"
#include "device/slots.h"
#include "device/timekeeper.h"
#include "device/topics.h"

struct ph_life {
    const struct ph_device_config *config; /* borrowed */
    struct ph_slots slots;
    struct ph_self self;  /* name "" while it does not know who it is */
    struct ph_self claim; /* name "" without a claim */
    struct ph_device_topics topics;
    struct ph_device_topics claim_topics;
    struct ph_connection connection;
    struct ph_registrar_link link;
    struct ph_timekeeper timekeeper;
    struct ph_renewal renewal;
    struct ph_enroll enroll;
    const char *will;           /* of the telemetry connection; borrowed, set by the program */
    enum ph_renewal_step asked; /* STATE or REQUEST: what the link's question is about */
    bool anew;                  /* connect anew at once: its files have changed */
    bool outdated;              /* the client has files that are gone: not to reconnect with */
    bool was_known;             /* the time */
    int refusals;               /* by the broker's decision, in a row, of the device as itself */
    bool guest;         /* the claim's connection is such an attempt: one question, no more */
    int stranded;       /* attempts in a row that failed since the own one expired */
    int64_t floor_ms;   /* unix: a time that has passed for certain */
    int64_t time_ms;    /* monotonic: when to ask for it, or when the answer is overdue */
    int64_t give_up_ms; /* monotonic: the end of a connection for the time alone */
    struct ph_backoff time_backoff;
    struct ph_log_limit limit;
};

/* Reads the certificates; connects nothing. With `repair`, finishes in the slots what a killed
 * process has begun. What cannot work and no claim can mend is an error (docs/spec/device.md,
 * RUN-7). `shown` is what the clocks show. Nothing needs ph_life_close() after an error. */
enum ph_err ph_life_open(struct ph_life *life, const struct ph_device_config *config, bool repair,
    const struct ph_moment *shown, struct ph_error *error) PH_NODISCARD;

/* Whether it knows who it is: then it captures. */
bool ph_life_known(const struct ph_life *life);

/* What the clocks mean. */
struct ph_moment ph_life_moment(struct ph_life *life, const struct ph_moment *shown);

/* The first client; later ones are ph_life_pump()'s, which logs its errors. */
enum ph_err ph_life_start(
    struct ph_life *life, const struct ph_moment *now, struct ph_error *error) PH_NODISCARD;

/* The present client; NULL between two. `telemetry`: only if that is what it is for. */
struct ph_mqtt *ph_life_mqtt(const struct ph_life *life);
struct ph_mqtt *ph_life_telemetry(const struct ph_life *life);

/* Takes one event. True when it is the session's too. */
bool ph_life_event(
    struct ph_life *life, const struct ph_mqtt_event *event, const struct ph_moment *now);

/* Does what is due. True when the client is another, or none: what the session had of the former
 * one is gone. */
bool ph_life_pump(struct ph_life *life, const struct ph_moment *now);

void ph_life_close(struct ph_life *life);

#endif
