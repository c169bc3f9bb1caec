#include "device/fleet/member.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum {
    STORM_MS = 1000, /* until Paho has closed what was cut */
    STOP_MS = 1000,
};
#define NEVER_MS (INT64_MAX / 4)

static struct ph_fleet_stats *stats_of(const struct ph_member *member)
{
    return member->options->stats;
}

/* ---- hooks of the device ---- */

/* The text without the broker's address, or the file's name, in front of it: reasons are few. */
static const char *reason_of(const char *text)
{
    const char *behind = strstr(text, ": ");
    return behind != NULL ? behind + 2 : text;
}

static void count_published(struct ph_member *member, const struct ph_mqtt_event *event)
{
    char text[64];
    if (event->type == PH_MQTT_PUBLISHED) {
        ph_fleet_stats_add(stats_of(member), PH_FLEET_PUBLISHED, 1);
    } else if (event->reason_code >= 0x80) {
        (void)snprintf(text, sizeof text, "message refused by the broker (0x%02x)",
            (unsigned)event->reason_code);
        ph_fleet_stats_add(stats_of(member), PH_FLEET_UNPUBLISHED, 1);
        ph_fleet_stats_reason(stats_of(member), text);
    }
}

static void count_end(struct ph_member *member, const struct ph_mqtt_event *event, int64_t now_ms)
{
    ph_fleet_stats_add(
        stats_of(member), event->type == PH_MQTT_REFUSED ? PH_FLEET_REFUSALS : PH_FLEET_LOSSES, 1);
    if (member->back_ms == 0) { /* otherwise it was cut on purpose */
        ph_fleet_stats_reason(stats_of(member), reason_of(event->text));
    }
    if (member->connected) {
        member->since_ms = now_ms;
    }
    member->connected = false;
}

static void on_event(void *context, const struct ph_mqtt_event *event)
{
    struct ph_member *member = context;
    int64_t now_us = ph_clock_monotonic_ns() / 1000;
    member->first = false; /* whatever it is, there was an answer */
    switch (event->type) {
    case PH_MQTT_CONNECTED:
        ph_fleet_stats_add(stats_of(member), PH_FLEET_CONNECTS, 1);
        ph_fleet_stats_add(stats_of(member), PH_FLEET_REACHED, !member->account.place->reached);
        member->account.place->reached = true;
        ph_fleet_stats_time(
            stats_of(member), PH_FLEET_CONNECT_US, now_us - member->since_ms * 1000);
        member->connected = true;
        break;
    case PH_MQTT_DISCONNECTED:
    case PH_MQTT_REFUSED:
        count_end(member, event, now_us / 1000);
        break;
    case PH_MQTT_PUBLISHED:
    case PH_MQTT_PUBLISH_FAILED:
        count_published(member, event);
        break;
    case PH_MQTT_SUBSCRIBED:
    case PH_MQTT_MESSAGE:
        break;
    }
}

static void on_capture(void *context, struct ph_device *device, int64_t room_ms)
{
    struct ph_member *member = context;
    const struct ph_scenario *scenario = member->options->scenario;
    int64_t run_ms = room_ms - scenario->houses.start_ms;
    double habit_c = ph_house_setpoint_c(&member->house, ph_house_clock_ms(&device->room, room_ms));
    device->interval_ms = ph_scenario_interval_ms(scenario, run_ms);
    if (habit_c != member->habit_c) { /* a command lasts until then */
        member->habit_c = habit_c;
        device->thermostat.setpoint_c = habit_c;
    }
}

/* ---- its life ---- */

static char *path_in(const char *folder, const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s", folder, name) >= 0 ? path : NULL;
}

static uint64_t seed_of(const struct ph_worker_options *options, size_t index)
{
    struct ph_rng rng = {.state = (uint64_t)options->scenario->seed};
    rng.state = ph_rng_u64(&rng) + index;
    uint64_t seed = ph_rng_u64(&rng) >> 1;
    return seed != 0 ? seed : 1;
}

enum ph_err ph_member_init(struct ph_member *member, const struct ph_worker_options *options,
    size_t index, struct ph_error *error)
{
    static const char *const names[] = {"ca.pem", "cert.pem", "key.pem"};
    const char *folder = options->identities->folders[index];
    member->options = options;
    ph_account_init(&member->account, options->stats, &options->places[index]);
    member->index = index;
    member->config = *options->config;
    for (size_t i = 0; i < 3; i++) {
        member->files[i] = path_in(folder, names[i]);
        if (member->files[i] == NULL) {
            return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", folder);
        }
    }
    member->config.broker.ca = member->files[0];
    member->config.broker.certificate = member->files[1];
    member->config.broker.key = member->files[2];
    member->config.publish.interval_ms = options->scenario->interval_ms;
    member->config.room.speed = options->scenario->houses.speed;
    member->config.room.seed = (int64_t)seed_of(options, index);
    ph_house_init(
        &member->house, (uint64_t)member->config.room.seed, options->scenario->houses.outdoor_c);
    return PH_OK;
}

static void fail(struct ph_member *member, const struct ph_error *error)
{
    ph_log(PH_LOG_ERROR, "device ended",
        PH_STR("device", member->options->identities->names[member->index]),
        PH_STR("reason", error->message));
    ph_fleet_stats_add(stats_of(member), PH_FLEET_FAILED, !member->account.place->failed);
    ph_fleet_stats_reason(stats_of(member), reason_of(error->message));
    member->account.place->failed = true;
    member->state = PH_MEMBER_FAILED;
    member->connected = false;
    member->back_ms = 0;
    member->first = false;
}

static struct ph_device_options device_options(
    struct ph_member *member, struct ph_spool_file *spool, int64_t missed_ms)
{
    int64_t interval_ms = member->config.publish.interval_ms;
    return (struct ph_device_options){
        .config = &member->config,
        .spool = spool,
        .hooks = {.context = member, .event = on_event, .capture = on_capture},
        .delay_ms = member->config.room.seed % interval_ms,
        .room_start_ms =
            member->options->scenario->houses.start_ms + missed_ms / interval_ms * interval_ms,
    };
}

void ph_member_start(
    struct ph_member *member, struct ph_spool_file *spool, int64_t due_ms, int64_t missed_ms)
{
    struct ph_error error = {0};
    struct ph_device_options options = device_options(member, spool, missed_ms);
    member->since_ms = due_ms;
    if (ph_device_open(&member->device, &options, true, &error) != PH_OK) {
        fail(member, &error);
        return;
    }
    if (ph_device_start(&member->device, &error) != PH_OK) {
        fail(member, &error);
        ph_device_close(&member->device, 0);
        return;
    }
    ph_house_furnish(&member->house, &member->device.room);
    member->state = PH_MEMBER_RUNNING;
    member->first = true;
    member->not_after_ms = member->device.life.self.not_after_ms;
    struct ph_spool_counters counters = ph_keeper_counters(&member->device.keeper);
    ph_account_open(&member->account, &counters, ph_clock_monotonic_ms());
}

static void look(struct ph_member *member, int64_t due_ms, int64_t seen)
{
    const struct ph_device *device = &member->device;
    struct ph_spool_counters counters = ph_keeper_counters(&device->keeper);
    ph_account_look(&member->account, &counters, due_ms, ph_clock_monotonic_ns() / 1000);
    if (device->seen > seen) { /* the next one is an interval later, unless that has passed */
        ph_account_skipped(&member->account, (device->next_ms - due_ms) / device->interval_ms - 1,
            device->interval_ms);
    }
    ph_account_lost(&member->account, member->device.keeper.lost);
}

/* A connection that the device itself has replaced ends without an event. */
static void note_connection(struct ph_member *member, int64_t now_ms)
{
    struct ph_mqtt *mqtt = ph_life_telemetry(&member->device.life);
    bool connected = mqtt != NULL && ph_mqtt_connected(mqtt);
    if (member->connected && !connected) {
        member->since_ms = now_ms;
    }
    member->connected = connected;
    if (member->device.life.self.not_after_ms > member->not_after_ms) {
        ph_fleet_stats_add(stats_of(member), PH_FLEET_RENEWALS, 1);
    }
    member->not_after_ms = member->device.life.self.not_after_ms;
}

/* The device comes back to its place. */
static void resume(struct ph_member *member, int64_t now_ms)
{
    bool displaced = member->actor != NULL;
    ph_actor_free(&member->actor);
    member->back_ms = 0;
    member->since_ms = now_ms;
    if (displaced && !member->device.stopping) {
        member->device.next_ms = now_ms + member->device.options.delay_ms;
    }
    ph_device_resume(&member->device);
}

static void turn_act(struct ph_member *member, int64_t now_ms)
{
    bool over = member->back_ms != 0 && now_ms >= member->back_ms;
    if (member->actor != NULL && !ph_actor_turn(member->actor, now_ms)) {
        over = true;
    }
    if (over) {
        resume(member, now_ms);
    }
}

void ph_member_turn(struct ph_member *member, int64_t now_ms)
{
    struct ph_error error = {0};
    if (member->state != PH_MEMBER_RUNNING) {
        return;
    }
    turn_act(member, now_ms);
    int64_t due_ms = ph_device_due_ms(&member->device);
    int64_t seen = member->device.seen;
    enum ph_err err = ph_device_turn(&member->device, &error);
    look(member, due_ms, seen);
    note_connection(member, now_ms);
    if (err != PH_OK) {
        fail(member, &error);
        ph_actor_free(&member->actor);
        ph_device_close(&member->device, 0);
    } else if (ph_device_done(&member->device)) {
        member->state = PH_MEMBER_DONE;
        atomic_fetch_add(&stats_of(member)->drained, 1);
    }
}

int64_t ph_member_due_ms(const struct ph_member *member)
{
    int64_t due_ms = ph_device_due_ms(&member->device);
    int64_t actor_ms = member->actor != NULL ? ph_actor_due_ms(member->actor) : NEVER_MS;
    int64_t back_ms = member->back_ms != 0 ? member->back_ms : NEVER_MS;
    due_ms = due_ms < actor_ms ? due_ms : actor_ms;
    return due_ms < back_ms ? due_ms : back_ms;
}

/* An actor stands on the broker under the device's client id: the device must not be there. */
static void displace(struct ph_member *member, const struct ph_act *act, int64_t now_ms)
{
    struct ph_error error = {0};
    const struct ph_actor_options options = {
        .config = &member->config,
        .name = member->options->identities->names[member->index],
        .others = member->options->identities,
        .act = act,
        .seed = (uint64_t)member->config.room.seed,
        .stats = stats_of(member),
    };
    if (ph_actor_new(&options, &member->actor, &error) != PH_OK) {
        ph_log_error(PH_LOG_ERROR, "act cannot begin", &error);
        ph_fleet_stats_reason(stats_of(member), error.message);
        return;
    }
    member->device.next_ms = NEVER_MS;
    member->back_ms = act->for_s > 0 ? now_ms + act->for_s * 1000 : NEVER_MS;
    member->watched_actor = 0;
}

void ph_member_strike(struct ph_member *member, const struct ph_act *act, int64_t now_ms)
{
    if (member->state != PH_MEMBER_RUNNING || member->back_ms != 0 || member->device.stopping) {
        return;
    }
    switch (act->kind) {
    case PH_ACT_STORM:
        member->back_ms = now_ms + STORM_MS;
        break;
    case PH_ACT_OUTAGE:
        member->back_ms = now_ms + act->for_s * 1000;
        break;
    case PH_ACT_MAD:
    case PH_ACT_THIEF:
        displace(member, act, now_ms);
        break;
    }
    if (member->back_ms != 0) {
        ph_device_suspend(&member->device);
    }
}

void ph_member_stop(struct ph_member *member, int64_t now_ms, int64_t until_ms)
{
    if (member->state != PH_MEMBER_RUNNING) {
        return;
    }
    ph_device_stop(&member->device, until_ms > now_ms ? until_ms - now_ms : 0);
    if (member->back_ms != 0) {
        resume(member, now_ms);
    }
}

bool ph_member_finished(const struct ph_member *member)
{
    return member->state == PH_MEMBER_DONE || member->state == PH_MEMBER_FAILED;
}

void ph_member_goodbye(struct ph_member *member)
{
    if (member->state == PH_MEMBER_DONE || member->state == PH_MEMBER_RUNNING) {
        ph_device_say_goodbye(&member->device);
    }
}

void ph_member_close(struct ph_member *member)
{
    ph_actor_free(&member->actor);
    if (member->state == PH_MEMBER_DONE || member->state == PH_MEMBER_RUNNING) {
        ph_device_close(&member->device, STOP_MS);
    }
    ph_account_fini(&member->account);
    for (size_t i = 0; i < 3; i++) {
        free(member->files[i]);
    }
}
