#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "device/fleet/actor_internal.h"
#include "format/message.h"

enum {
    BURST = 16,         /* in one turn: devices share the thread */
    REPLAY_EACH = 8,    /* every so many messages of the flood are the one before once more */
    DEPTH = 2000,       /* of arrays */
    NOISE_BYTES = 2000, /* at most */
    HUGE_MIN_BYTES = 30000,
    MESSAGE_BYTES = 4096,
    READING_BYTES = 256,
    ELAPSED_MAX_MS = 250, /* after a pause the rate is not made up for */
    TROUBLE_MS = 100,
    PICKS = 8,
};

struct mad {
    unsigned kinds[3]; /* those of `how`, in turn */
    size_t kind_count;
    uint64_t sent; /* messages and subscriptions */
    uint64_t floods;
    uint64_t stream;
    int64_t seq; /* of the next reading */
    struct ph_buf message;
    struct ph_buf garbage;
    int64_t filled_ms;
    int64_t allowance; /* thousandths of a message; with messages_per_s */
};

/* ---- what it sends ---- */

static size_t below(struct ph_rng *rng, size_t limit)
{
    return (size_t)(ph_rng_u64(rng) % limit);
}

static enum ph_err make_reading(int64_t unix_ms, struct ph_rng *rng, struct ph_buf *out)
{
    double tenths = (double)below(rng, 100);
    const struct ph_field fields[] = {
        {"temperature_c", {.type = PH_VALUE_NUMBER, .number = 15.0 + tenths / 10.0}},
        {"setpoint_c", {.type = PH_VALUE_NUMBER, .number = 21.0}},
    };
    const struct ph_reading reading = {
        .has_time = true, .time_ms = unix_ms, .fields = fields, .field_count = 2};
    return ph_reading_encode(&reading, out);
}

enum ph_err ph_flood_make(
    uint64_t stream, int64_t seq, int64_t unix_ms, struct ph_rng *rng, struct ph_buf *out)
{
    struct ph_buf texts[PH_FLOOD_READINGS];
    const char *readings[PH_FLOOD_READINGS];
    enum ph_err err = PH_OK;
    for (int i = 0; i < PH_FLOOD_READINGS; i++) {
        ph_buf_init(&texts[i], READING_BYTES);
        if (err == PH_OK) {
            err = make_reading(unix_ms + i - PH_FLOOD_READINGS, rng, &texts[i]);
        }
        readings[i] = texts[i].data;
    }
    if (err == PH_OK) {
        const struct ph_message_head head = {
            .stream = stream, .seq = seq, .oldest = 1, .now_ms = unix_ms, .up_ms = -1};
        err = ph_message_encode(&head, readings, PH_FLOOD_READINGS, out);
    }
    for (int i = 0; i < PH_FLOOD_READINGS; i++) {
        ph_buf_fini(&texts[i]);
    }
    return err;
}

static enum ph_err append_noise(struct ph_rng *rng, size_t len, struct ph_buf *out)
{
    enum ph_err err = PH_OK;
    while (len > 0 && err == PH_OK) {
        uint64_t bits = ph_rng_u64(rng) | 0x80; /* never JSON by chance: the first byte */
        size_t step = len < sizeof bits ? len : sizeof bits;
        err = ph_buf_append(out, &bits, step);
        len -= step;
    }
    return err;
}

static enum ph_err append_often(const char *text, size_t times, struct ph_buf *out)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < times && err == PH_OK; i++) {
        err = ph_buf_append_text(out, text);
    }
    return err;
}

static enum ph_err make_huge(struct ph_rng *rng, struct ph_buf *out)
{
    static const char unit[] = "{\"t\":1,\"temperature_c\":20},";
    size_t bytes = HUGE_MIN_BYTES + below(rng, PH_GARBAGE_BYTES - HUGE_MIN_BYTES);
    enum ph_err err = ph_buf_append_text(out, "{\"v\":1,\"readings\":[");
    size_t times = (bytes - out->len) / (sizeof unit - 1);
    return err == PH_OK ? append_often(unit, times, out) : err;
}

enum ph_err ph_garbage_make(
    enum ph_garbage kind, struct ph_rng *rng, const struct ph_buf *good, struct ph_buf *out)
{
    switch (kind) {
    case PH_GARBAGE_NOISE:
        return append_noise(rng, 1 + below(rng, NOISE_BYTES), out);
    case PH_GARBAGE_TRUNCATED:
        return ph_buf_append(out, good->data, 1 + below(rng, good->len - 1));
    case PH_GARBAGE_HUGE:
        return make_huge(rng, out);
    case PH_GARBAGE_DEEP:
        return append_often("[", DEPTH, out);
    case PH_GARBAGE_EMPTY:
    case PH_GARBAGE_KINDS:
        break;
    }
    return PH_OK;
}

/* ---- sending it ---- */

static enum ph_err next_message(struct mad *mad, struct ph_rng *rng)
{
    ph_buf_reset(&mad->message);
    enum ph_err err = ph_flood_make(mad->stream, mad->seq, ph_clock_unix_ms(), rng, &mad->message);
    mad->seq += PH_FLOOD_READINGS;
    return err;
}

static enum ph_err send_flood(struct ph_actor *actor, struct mad *mad, struct ph_error *error)
{
    struct ph_attempt attempt;
    bool replay = mad->message.len > 0 && mad->floods % REPLAY_EACH == REPLAY_EACH - 1;
    if (!replay && next_message(mad, &actor->rng) != PH_OK) {
        return ph_error_set(error, PH_ERR_MEMORY, "mad device: out of memory");
    }
    mad->floods++;
    ph_attempts_get(&actor->attempts, PH_ATTEMPT_TELEMETRY, &attempt);
    return ph_actor_send(actor, &attempt, mad->message.data, mad->message.len, 0, error);
}

static enum ph_err send_garbage(struct ph_actor *actor, struct mad *mad, struct ph_error *error)
{
    struct ph_attempt attempt;
    enum ph_garbage kind = (enum ph_garbage)below(&actor->rng, PH_GARBAGE_KINDS);
    ph_buf_reset(&mad->garbage);
    if ((mad->message.len == 0 && next_message(mad, &actor->rng) != PH_OK) ||
        ph_garbage_make(kind, &actor->rng, &mad->message, &mad->garbage) != PH_OK) {
        return ph_error_set(error, PH_ERR_MEMORY, "mad device: out of memory");
    }
    ph_attempts_get(&actor->attempts, below(&actor->rng, PH_ATTEMPT_OWN_PUBLISH), &attempt);
    attempt.retained = false;
    return ph_actor_send(
        actor, &attempt, mad->garbage.len > 0 ? mad->garbage.data : "", mad->garbage.len, 0, error);
}

/* Its tag is the attempt's number, which is not 0: that is its own telemetry. */
static enum ph_err send_foreign(struct ph_actor *actor, struct ph_error *error)
{
    const struct ph_attempts *attempts = &actor->attempts;
    struct ph_attempt attempt = {0};
    char mark[PH_ACTOR_MARK_BYTES];
    size_t number = 0;
    for (int i = 0; i < PICKS && attempt.how == PH_ATTEMPT_NONE; i++) {
        number = attempts->own_end + below(&actor->rng, attempts->topics_end - attempts->own_end);
        ph_attempts_get(attempts, number, &attempt);
    }
    if (attempt.how == PH_ATTEMPT_NONE) {
        number = attempts->own_end; /* falls upon nobody */
        ph_attempts_get(attempts, number, &attempt);
    }
    ph_actor_mark(actor, -1, mark);
    return ph_actor_send(actor, &attempt, mark, strlen(mark), number, error);
}

static enum ph_err send_one(struct ph_actor *actor, struct mad *mad, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    switch (mad->kinds[mad->sent % mad->kind_count]) {
    case PH_MAD_FLOOD:
        err = send_flood(actor, mad, error);
        break;
    case PH_MAD_GARBAGE:
        err = send_garbage(actor, mad, error);
        break;
    default:
        err = send_foreign(actor, error);
        break;
    }
    if (err == PH_OK) {
        mad->sent++;
        mad->allowance -= 1000;
        ph_actor_count(actor, PH_FLEET_MAD_TRIED);
    }
    return err;
}

static void refill(struct mad *mad, int64_t rate, int64_t now_ms)
{
    int64_t elapsed_ms = now_ms - mad->filled_ms;
    mad->filled_ms = now_ms;
    mad->allowance += rate * (elapsed_ms < ELAPSED_MAX_MS ? elapsed_ms : ELAPSED_MAX_MS);
    int64_t most = rate * ELAPSED_MAX_MS > 1000 ? rate * ELAPSED_MAX_MS : 1000;
    mad->allowance = mad->allowance < most ? mad->allowance : most;
}

static bool work(struct ph_actor *actor, int64_t now_ms)
{
    struct mad *mad = actor->state;
    struct ph_error error = {0};
    int64_t rate = actor->options.act->messages_per_s;
    enum ph_err err = PH_OK;
    int sent = 0;
    refill(mad, rate, now_ms);
    while (err == PH_OK && sent < BURST && ph_actor_has_room(actor) &&
           (rate == 0 || mad->allowance >= 1000)) {
        err = send_one(actor, mad, &error);
        sent++;
    }
    if (err != PH_OK) {
        actor->due_ms = now_ms + TROUBLE_MS;
    } else if (ph_actor_has_room(actor)) {
        actor->due_ms = rate == 0 || mad->allowance >= 1000
                            ? now_ms
                            : now_ms + 1 + (1000 - mad->allowance) / rate;
    }
    return true;
}

static void answered(struct ph_actor *actor, size_t number, int reason_code, int64_t now_ms)
{
    struct ph_attempt attempt;
    if (reason_code >= 0x80) {
        ph_actor_count(actor, PH_FLEET_MAD_REFUSED);
        ph_actor_refused(actor, "refused", reason_code);
        return;
    }
    ph_actor_count(actor, PH_FLEET_MAD_PASSED);
    if (number != 0) {
        ph_attempts_get(&actor->attempts, number, &attempt);
        ph_actor_hole(actor, &attempt, now_ms);
    }
}

static void on_event(struct ph_actor *actor, const struct ph_mqtt_event *event, int64_t now_ms)
{
    size_t number = 0;
    switch (event->type) {
    case PH_MQTT_SUBSCRIBED:
    case PH_MQTT_PUBLISHED:
    case PH_MQTT_PUBLISH_FAILED:
        if (ph_actor_answered(actor, event, &number)) {
            answered(actor, number, event->reason_code, now_ms);
        }
        break;
    case PH_MQTT_DISCONNECTED:
    case PH_MQTT_REFUSED:
        actor->sent_count = 0;
        ph_actor_ended(actor, event);
        ph_actor_log(actor, "mad device: not connected", event->text, "", now_ms);
        break;
    case PH_MQTT_CONNECTED:
    case PH_MQTT_MESSAGE:
        break;
    }
}

/* ---- its life ---- */

static enum ph_err begin(struct ph_actor *actor, struct ph_error *error)
{
    struct mad *mad = calloc(1, sizeof *mad);
    if (mad == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "mad device: out of memory");
    }
    actor->state = mad;
    for (unsigned kind = PH_MAD_FLOOD; kind <= PH_MAD_FOREIGN; kind <<= 1) {
        if ((actor->options.act->how & kind) != 0) {
            mad->kinds[mad->kind_count++] = kind;
        }
    }
    if (mad->kind_count == 0) {
        return ph_error_set(error, PH_ERR_INTERNAL, "mad device: nothing to do");
    }
    do {
        mad->stream = ph_random_u64(); /* another one in every run: nothing of it is a duplicate */
    } while (mad->stream == 0);
    mad->seq = 1;
    ph_buf_init(&mad->message, MESSAGE_BYTES);
    ph_buf_init(&mad->garbage, PH_GARBAGE_BYTES);
    const struct ph_actor_as as = {.client_id = actor->options.name,
        .refused_ms = actor->options.config->reconnect.refused_ms};
    return ph_actor_connect(actor, &as, error);
}

static void release(struct ph_actor *actor)
{
    struct mad *mad = actor->state;
    if (mad != NULL) {
        ph_buf_fini(&mad->message);
        ph_buf_fini(&mad->garbage);
        free(mad);
        actor->state = NULL;
    }
}

const struct ph_actor_part ph_mad_part = {begin, on_event, work, release};
