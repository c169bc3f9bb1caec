#include "device/fleet/load_thread.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "device/fleet/load_peer.h"

enum {
    TURN_NS = 20000000,   /* the phase is looked at so often */
    RETRY_NS = 100000000, /* and those without a connection */
    TICKS_MAX = 256,      /* messages that become due before the network has its turn */
    SECOND_NS = 1000000000,
};

int64_t ph_load_due_ns(const struct ph_load_plan *plan, int64_t publisher, int64_t seq)
{
    const int64_t rate = plan->options->rate;
    const int64_t k = seq * plan->options->publishers + publisher;
    return atomic_load_explicit(&plan->start_ns, memory_order_relaxed) + k / rate * SECOND_NS +
           k % rate * SECOND_NS / rate;
}

int64_t ph_load_share(const struct ph_load_options *options, int64_t publisher)
{
    return options->messages == 0 ? INT64_MAX
                                  : options->messages / options->publishers +
                                        (publisher < options->messages % options->publishers);
}

static void begin_connections(struct ph_load_thread *thread, int64_t now_ns)
{
    while (thread->begun < thread->peer_count &&
           ph_load_peer_begins_ns(&thread->peers[thread->begun]) <= now_ns) {
        ph_load_peer_connect(&thread->peers[thread->begun++], now_ns);
        now_ns = ph_clock_monotonic_ns();
    }
}

static void connect_again(struct ph_load_thread *thread, int64_t now_ns)
{
    if (thread->away == 0 || now_ns < thread->retry_ns) {
        return;
    }
    thread->retry_ns = now_ns + RETRY_NS;
    for (int64_t i = 0; i < thread->peer_count; i++) {
        struct ph_load_peer *peer = &thread->peers[i];
        if (peer->state == PH_LOAD_PEER_AWAY && peer->began_ns <= now_ns) {
            thread->away--;
            ph_load_peer_connect(peer, now_ns);
        }
    }
}

static int64_t next_due_ns(const struct ph_load_thread *thread)
{
    return thread->publisher_count == 0
               ? INT64_MAX
               : ph_load_due_ns(
                     thread->plan, thread->publishers[thread->cursor].number, thread->round);
}

static void note_behind(struct ph_load_thread *thread, int64_t due_ns)
{
    if (due_ns >= atomic_load(&thread->plan->measure_ns)) {
        ph_histogram_record(
            &thread->stats.times[PH_LOAD_BEHIND], (ph_clock_monotonic_ns() - due_ns) / 1000, 1);
    }
}

static void push_eager(struct ph_load_thread *thread, struct ph_load_peer *peer)
{
    if (!peer->eager) {
        peer->eager = true;
        peer->next_eager = thread->eager;
        thread->eager = peer;
    }
}

/* What has become due by now, publisher after publisher. */
static void tick(struct ph_load_thread *thread, int64_t now_ns)
{
    const int64_t until_ns = atomic_load(&thread->plan->until_ns);
    for (int i = 0; i < TICKS_MAX; i++) {
        const int64_t due_ns = next_due_ns(thread);
        if (due_ns > now_ns || due_ns >= until_ns) {
            return;
        }
        struct ph_load_peer *peer = &thread->publishers[thread->cursor];
        if (thread->round < peer->share) {
            note_behind(thread, due_ns);
        }
        peer->due = thread->round + 1;
        if (ph_load_peer_pump(peer)) {
            push_eager(thread, peer);
        }
        thread->cursor = (thread->cursor + 1) % thread->publisher_count;
        thread->round += thread->cursor == 0 ? 1 : 0;
    }
}

/* Those whose window has room again. */
static void pump_eager(struct ph_load_thread *thread)
{
    struct ph_load_peer *list = thread->eager;
    thread->eager = NULL;
    while (list != NULL) {
        struct ph_load_peer *peer = list;
        list = peer->next_eager;
        peer->eager = false;
        if (ph_load_peer_pump(peer)) {
            push_eager(thread, peer);
        }
    }
}

/* Until when there is nothing to do, unless the network has something. */
static int64_t rest_until_ns(const struct ph_load_thread *thread, int phase, int64_t now_ns)
{
    int64_t until_ns = now_ns + TURN_NS;
    if (thread->begun < thread->peer_count) {
        const int64_t begins_ns = ph_load_peer_begins_ns(&thread->peers[thread->begun]);
        until_ns = begins_ns < until_ns ? begins_ns : until_ns;
    }
    if (phase == PH_LOAD_RUNNING) {
        const int64_t due_ns = thread->plan->options->rate > 0 ? next_due_ns(thread) : INT64_MAX;
        until_ns = due_ns < until_ns ? due_ns : until_ns;
        until_ns = thread->eager != NULL ? now_ns : until_ns;
    }
    return until_ns;
}

static void run_phase(struct ph_load_thread *thread, int phase, int64_t now_ns)
{
    const struct ph_load_plan *plan = thread->plan;
    if (phase == PH_LOAD_CONNECTING) {
        begin_connections(thread, now_ns);
        return;
    }
    connect_again(thread, now_ns);
    if (phase == PH_LOAD_RUNNING && now_ns >= atomic_load(&plan->start_ns) &&
        now_ns < atomic_load(&plan->until_ns)) {
        if (plan->options->rate > 0) {
            tick(thread, now_ns);
        }
        pump_eager(thread);
    }
}

static void *run(void *context)
{
    struct ph_load_thread *thread = context;
    atomic_store(&thread->tid, gettid());
    for (;;) {
        const int phase = atomic_load(&thread->plan->phase);
        const int64_t now_ns = ph_clock_monotonic_ns();
        if (phase == PH_LOAD_ENDED || thread->error.code != PH_OK) {
            break;
        }
        run_phase(thread, phase, now_ns);
        if (ph_mosq_loop_turn(thread->loop, rest_until_ns(thread, phase, now_ns), &thread->error) !=
            PH_OK) {
            break;
        }
    }
    if (thread->error.code != PH_OK) {
        atomic_store(&thread->plan->broken, true);
    }
    for (int64_t i = 0; i < thread->peer_count; i++) {
        ph_load_peer_settle(&thread->peers[i], atomic_load(&thread->plan->stop_ns));
        ph_load_peer_fini(&thread->peers[i]);
    }
    return NULL;
}

/* How many of `count` belong to the thread. */
static int64_t share_of(const struct ph_load_thread *thread, int64_t count)
{
    const int64_t threads = thread->plan->options->threads;
    return count / threads + (thread->index < count % threads);
}

static enum ph_err make_peers(struct ph_load_thread *thread, struct ph_error *error)
{
    const struct ph_load_options *options = thread->plan->options;
    const int64_t subscribers = share_of(thread, options->subscribers);
    enum ph_err err = PH_OK;
    thread->publisher_count = share_of(thread, options->publishers);
    const int64_t count = subscribers + thread->publisher_count;
    thread->peers = calloc((size_t)count + 1, sizeof *thread->peers);
    if (thread->peers == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "connections: no memory");
    }
    thread->publishers = &thread->peers[subscribers];
    for (int64_t i = 0; i < count && err == PH_OK; i++) {
        const bool publishes = i >= subscribers;
        const int64_t turn = publishes ? i - subscribers : i;
        err = ph_load_peer_init(
            &thread->peers[i], thread, publishes, thread->index + turn * options->threads, error);
        thread->peer_count++;
    }
    return err;
}

enum ph_err ph_load_thread_start(
    struct ph_load_thread *thread, struct ph_load_plan *plan, int64_t index, struct ph_error *error)
{
    const struct ph_load_options *options = plan->options;
    thread->plan = plan;
    thread->index = index;
    atomic_store(&thread->window, options->window);
    enum ph_err err = ph_load_payload_init(
        &thread->payload, options->size_bytes, options->readings, ph_clock_unix_ms(), error);
    err = err == PH_OK ? ph_mosq_loop_new(&thread->loop, error) : err;
    err = err == PH_OK ? make_peers(thread, error) : err;
    if (err == PH_OK && pthread_create(&thread->id, NULL, run, thread) != 0) {
        err = ph_error_set(error, PH_ERR_MEMORY, "thread: the system makes no more");
    }
    thread->started = err == PH_OK;
    return err;
}

void ph_load_thread_join(struct ph_load_thread *thread)
{
    if (thread->started) {
        (void)pthread_join(thread->id, NULL);
        thread->started = false;
    }
}

void ph_load_thread_fini(struct ph_load_thread *thread)
{
    for (int64_t i = 0; i < thread->peer_count; i++) {
        ph_load_peer_fini(&thread->peers[i]);
    }
    free(thread->peers);
    thread->peers = NULL;
    thread->peer_count = 0;
    ph_mosq_loop_free(&thread->loop);
    ph_load_payload_fini(&thread->payload);
}
