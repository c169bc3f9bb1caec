#include "device/fleet/load_peer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"

enum { PATH_BYTES = 4096, RETRY_NS = 1000000000 };

static void record(struct ph_load_peer *peer, enum ph_load_time time, int64_t ns, int64_t times)
{
    ph_histogram_record(&peer->thread->stats.times[time], ns / 1000, times);
}

static void count(struct ph_load_peer *peer, enum ph_load_count what, int64_t by)
{
    ph_load_count(&peer->thread->stats, what, by);
}

static void note_reason(struct ph_load_peer *peer, const char *text)
{
    ph_load_reason(&peer->thread->stats.reasons, text, 1);
}

static void become_eager(struct ph_load_peer *peer)
{
    if (peer->publishes && !peer->eager) {
        peer->eager = true;
        peer->next_eager = peer->thread->eager;
        peer->thread->eager = peer;
    }
}

static void finish(struct ph_load_peer *peer)
{
    if (peer->publishes && !peer->finished) {
        peer->finished = true;
        count(peer, PH_LOAD_FINISHED, 1);
    }
}

static void fail(struct ph_load_peer *peer, const char *reason)
{
    peer->state = PH_LOAD_PEER_FAILED;
    count(peer, PH_LOAD_FAILED, 1);
    note_reason(peer, reason);
    finish(peer);
}

static void become_ready(struct ph_load_peer *peer)
{
    if (peer->state != PH_LOAD_PEER_CONNECTING) {
        return;
    }
    peer->state = PH_LOAD_PEER_READY;
    if (!peer->connected_once) {
        peer->connected_once = true;
        record(peer, PH_LOAD_CONNECT, ph_clock_monotonic_ns() - peer->began_ns, 1);
        count(peer, PH_LOAD_CONNECTED, 1);
    }
    become_eager(peer);
}

static void on_accepted(void *context, uint16_t receive_maximum)
{
    struct ph_load_peer *peer = context;
    struct ph_load_thread *thread = peer->thread;
    const struct ph_load_options *options = thread->plan->options;
    if (!peer->publishes) {
        struct ph_error error = {0};
        if (ph_mosq_subscribe(peer->mosq, thread->plan->filters[peer->number], (int)options->qos,
                &error) != PH_OK &&
            !peer->connected_once) {
            fail(peer, error.message);
        }
        return;
    }
    if (options->qos > 0 && receive_maximum < peer->window) {
        peer->window = receive_maximum;
    }
    if (peer->window < atomic_load(&thread->window)) {
        atomic_store(&thread->window, peer->window);
    }
    become_ready(peer);
}

static void on_subscribed(void *context, int code)
{
    struct ph_load_peer *peer = context;
    char text[64];
    if (code < 0x80) {
        become_ready(peer);
    } else if (peer->state == PH_LOAD_PEER_CONNECTING && !peer->connected_once) {
        (void)snprintf(text, sizeof text, "subscription refused (0x%02x)", (unsigned)code);
        fail(peer, text);
    }
}

static void on_lost(void *context, const char *reason)
{
    struct ph_load_peer *peer = context;
    if (peer->state == PH_LOAD_PEER_FAILED) {
        return;
    }
    if (!peer->connected_once) {
        fail(peer, reason);
        return;
    }
    if (peer->state == PH_LOAD_PEER_READY) {
        count(peer, PH_LOAD_LOSSES, 1);
    }
    note_reason(peer, reason);
    peer->state = PH_LOAD_PEER_AWAY;
    peer->began_ns = ph_clock_monotonic_ns() + RETRY_NS;
    peer->thread->away++;
    if (peer->thread->plan->options->qos == 0) {
        peer->flying = 0;
    }
}

/* The message with this id, confirmed; brokers confirm in order, so it is the oldest. */
static bool land(struct ph_load_peer *peer, int mid, struct ph_load_flight *out)
{
    const int64_t size = peer->thread->plan->options->window;
    const bool any = peer->thread->plan->options->qos == 0;
    for (int64_t i = 0; i < peer->flying; i++) {
        struct ph_load_flight *flight = &peer->flights[(peer->oldest + i) % size];
        if (any || flight->mid == mid) {
            *out = *flight;
            flight->mid = 0;
            while (peer->flying > 0 && peer->flights[peer->oldest].mid == 0) {
                peer->oldest = (peer->oldest + 1) % size;
                peer->flying--;
            }
            return true;
        }
    }
    return false;
}

static void on_published(void *context, int mid, int code)
{
    struct ph_load_peer *peer = context;
    struct ph_load_flight flight;
    char text[64];
    if (!land(peer, mid, &flight)) {
        return;
    }
    become_eager(peer);
    if (peer->thread->plan->options->qos == 0) {
        return;
    }
    if (code >= 0x80) {
        (void)snprintf(text, sizeof text, "message refused (0x%02x)", (unsigned)code);
        note_reason(peer, text);
        count(peer, PH_LOAD_REFUSED, 1);
        count(peer, PH_LOAD_EXPECTED, -peer->receivers);
        return;
    }
    count(peer, PH_LOAD_CONFIRMED, 1);
    if (flight.due_ns >= peer->thread->plan->measure_ns) {
        const int64_t now_ns = ph_clock_monotonic_ns();
        record(peer, PH_LOAD_CONFIRM_DUE, now_ns - flight.due_ns, 1);
        record(peer, PH_LOAD_CONFIRM_SENT, now_ns - flight.sent_ns, 1);
    }
}

static void note_arrival(struct ph_load_peer *peer, const struct ph_load_stamp *stamp)
{
    static const enum ph_load_count counts[] = {
        [PH_LOAD_FRESH] = PH_LOAD_RECEIVED,
        [PH_LOAD_DUPLICATE] = PH_LOAD_DUPLICATES,
        [PH_LOAD_STRAY] = PH_LOAD_ASTRAY,
    };
    struct ph_load_thread *thread = peer->thread;
    enum ph_load_receipt receipt = PH_LOAD_STRAY;
    if (ph_load_account_receive(thread->plan->account, (size_t)peer->number, stamp->publisher,
            stamp->seq, &receipt) != PH_OK) {
        (void)ph_error_set(&thread->error, PH_ERR_MEMORY, "arrivals: no memory to note them");
    }
    count(peer, counts[receipt], 1);
    if (receipt == PH_LOAD_FRESH && stamp->due_ns >= thread->plan->measure_ns) {
        const int64_t now_ns = ph_clock_monotonic_ns();
        record(peer, PH_LOAD_DELIVERY_DUE, now_ns - stamp->due_ns, 1);
        record(peer, PH_LOAD_DELIVERY_SENT, now_ns - stamp->sent_ns, 1);
    }
}

static void on_message(void *context, const struct ph_mosq_message *message)
{
    struct ph_load_peer *peer = context;
    const struct ph_load_plan *plan = peer->thread->plan;
    struct ph_load_stamp stamp;
    if (!ph_load_payload_stamped(plan->options->size_bytes, plan->options->readings)) {
        const bool ours = !message->retained && message->len == (size_t)plan->options->size_bytes;
        count(peer, ours ? PH_LOAD_RECEIVED : PH_LOAD_ASTRAY, 1);
    } else if (ph_load_payload_read(message->payload, message->len, &stamp) &&
               stamp.run == plan->run) {
        note_arrival(peer, &stamp);
    } else {
        count(peer, PH_LOAD_ASTRAY, 1);
    }
}

static const struct ph_mosq_handlers handlers = {
    .accepted = on_accepted,
    .lost = on_lost,
    .published = on_published,
    .subscribed = on_subscribed,
    .message = on_message,
};

static enum ph_err make_connection(struct ph_load_peer *peer, struct ph_error *error)
{
    char client_id[PH_LOAD_NAME_BYTES];
    char cert[PATH_BYTES];
    char key[PATH_BYTES];
    const struct ph_load_plan *plan = peer->thread->plan;
    const struct ph_load_options *options = plan->options;
    const int64_t place = peer->publishes ? peer->number : options->publishers + peer->number;
    const char *folder = ph_load_cert_folder(options, place);
    enum ph_err err = ph_load_expand(
        client_id, options->client_id, place + 1, ph_load_cert_name(options, place), error);
    if (err == PH_OK && folder != NULL) {
        err = ph_path_join(cert, sizeof cert, folder, "cert.pem", error);
        err = err == PH_OK ? ph_path_join(key, sizeof key, folder, "key.pem", error) : err;
    }
    if (err != PH_OK) {
        return err;
    }
    const struct ph_mosq_identity identity = {.client_id = client_id,
        .cert_file = folder != NULL ? cert : NULL,
        .key_file = folder != NULL ? key : NULL};
    return ph_mosq_new(
        peer->thread->loop, &plan->mosq, &identity, &handlers, peer, &peer->mosq, error);
}

enum ph_err ph_load_peer_init(struct ph_load_peer *peer, struct ph_load_thread *thread,
    bool publishes, int64_t number, struct ph_error *error)
{
    const struct ph_load_options *options = thread->plan->options;
    *peer = (struct ph_load_peer){.thread = thread, .publishes = publishes, .number = number};
    if (publishes) {
        peer->window = options->window;
        peer->share = ph_load_share(options, number);
        peer->receivers = ph_load_account_receivers(thread->plan->account, (size_t)number);
        peer->flights = calloc((size_t)options->window, sizeof *peer->flights);
        if (peer->flights == NULL) {
            return ph_error_set(error, PH_ERR_MEMORY, "publisher: no memory");
        }
        if (peer->share == 0) {
            finish(peer);
        }
    }
    return make_connection(peer, error);
}

void ph_load_peer_fini(struct ph_load_peer *peer)
{
    ph_mosq_free(&peer->mosq);
    free(peer->flights);
    peer->flights = NULL;
}

int64_t ph_load_peer_begins_ns(const struct ph_load_peer *peer)
{
    const struct ph_load_plan *plan = peer->thread->plan;
    const int64_t place =
        peer->publishes ? plan->options->subscribers + peer->number : peer->number;
    return plan->ramp_ns + place * (1000000000 / plan->options->ramp);
}

void ph_load_peer_connect(struct ph_load_peer *peer, int64_t now_ns)
{
    struct ph_error error = {0};
    peer->state = PH_LOAD_PEER_CONNECTING;
    peer->began_ns = now_ns;
    if (ph_mosq_connect(peer->mosq, &error) != PH_OK) {
        on_lost(peer, error.message);
    }
}

static bool may_send(const struct ph_load_peer *peer)
{
    return peer->state == PH_LOAD_PEER_READY && peer->sent < peer->share &&
           peer->flying < peer->window &&
           (peer->thread->plan->options->rate == 0 || peer->sent < peer->due);
}

static bool send_next(struct ph_load_peer *peer)
{
    struct ph_load_thread *thread = peer->thread;
    const struct ph_load_plan *plan = thread->plan;
    const struct ph_load_options *options = plan->options;
    struct ph_load_flight *flight = &peer->flights[(peer->oldest + peer->flying) % options->window];
    struct ph_error error = {0};
    const int64_t now_ns = ph_clock_monotonic_ns();
    *flight = (struct ph_load_flight){.sent_ns = now_ns,
        .due_ns = options->rate == 0 ? now_ns : ph_load_due_ns(plan, peer->number, peer->sent)};
    ph_load_payload_stamp(&thread->payload, &(struct ph_load_stamp){.run = plan->run,
                                                .publisher = (uint32_t)peer->number,
                                                .seq = peer->sent,
                                                .due_ns = flight->due_ns,
                                                .sent_ns = now_ns});
    peer->flying++;
    if (ph_mosq_publish(peer->mosq, plan->topics[peer->number], thread->payload.bytes,
            thread->payload.len, (int)options->qos, options->retain, &flight->mid,
            &error) != PH_OK) {
        peer->flying--;
        note_reason(peer, error.message);
        count(peer, PH_LOAD_SENT, 1);
        count(peer, PH_LOAD_REFUSED, 1);
        peer->share = peer->sent;
        return false;
    }
    peer->sent++;
    count(peer, PH_LOAD_SENT, 1);
    count(peer, PH_LOAD_EXPECTED, peer->receivers);
    return true;
}

bool ph_load_peer_pump(struct ph_load_peer *peer)
{
    const int64_t most = peer->window;
    for (int64_t i = 0; i < most && may_send(peer) && send_next(peer); i++) {
    }
    if (peer->sent >= peer->share) {
        finish(peer);
    }
    return may_send(peer);
}

void ph_load_peer_settle(struct ph_load_peer *peer, int64_t stop_ns)
{
    const struct ph_load_plan *plan = peer->thread->plan;
    if (!peer->publishes || plan->options->rate == 0 || plan->start_ns == 0) {
        return;
    }
    for (int64_t seq = peer->sent; seq < peer->share; seq++) {
        const int64_t due_ns = ph_load_due_ns(plan, peer->number, seq);
        const int64_t waited_ns = stop_ns - due_ns;
        if (waited_ns <= 0) {
            break;
        }
        count(peer, PH_LOAD_UNSENT, 1);
        if (due_ns >= plan->measure_ns) {
            if (plan->options->qos > 0) {
                record(peer, PH_LOAD_CONFIRM_DUE, waited_ns, 1);
            }
            record(peer, PH_LOAD_DELIVERY_DUE, waited_ns, peer->receivers);
            if (seq >= peer->due) {
                record(peer, PH_LOAD_BEHIND, waited_ns, 1);
            }
        }
    }
}
