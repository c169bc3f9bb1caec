#include "device/fleet/load.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/signals.h"
#include "device/fleet/load_thread.h"
#include "device/fleet/load_usage.h"

enum {
    STEP_MS = 10,
    START_NS = 30000000,        /* all threads have seen by then that it begins */
    CONNECT_TIMEOUT_MS = 30000, /* of one connection */
    SETTLE_S = 45,              /* seconds after the ramp: some answer never came */
    STALL_S = 30,               /* without an end set, a run in which nothing happens is over */
    SPARE_FILES = 64,
};

#define SECOND_NS INT64_C(1000000000)

struct run {
    const struct ph_load_options *options;
    struct ph_load_plan plan;
    struct ph_load_thread *threads;
    struct ph_load_result *result;
    int64_t counts[PH_LOAD_COUNTS]; /* of all threads, as of the last step */
    int64_t progress;               /* their sum, of those that say that something happens, */
    int64_t progress_ns;            /* and when that changed last */
    struct ph_load_usage *usage;    /* of each thread when measuring began */
    int64_t cpu_ns;                 /* of the process, then */
    int64_t measured_from_ns;       /* 0: measuring has not begun */
    int64_t measured_from[PH_LOAD_COUNTS];
    int signal_fd;
    int signals;
    ph_load_tick *tick;
    void *context;
    int64_t tick_ns;
    int64_t last[PH_LOAD_COUNTS];
    struct ph_histogram now;  /* of the times that the line shows: as of this second, */
    struct ph_histogram then; /* and the one before */
};

static void add_up(struct run *run, int64_t now_ns)
{
    memset(run->counts, 0, sizeof run->counts);
    for (int64_t i = 0; i < run->options->threads; i++) {
        for (int k = 0; k < PH_LOAD_COUNTS; k++) {
            run->counts[k] += ph_load_counted(&run->threads[i].stats, (enum ph_load_count)k);
        }
    }
    const int64_t progress = run->counts[PH_LOAD_SENT] + run->counts[PH_LOAD_CONFIRMED] +
                             run->counts[PH_LOAD_RECEIVED] + run->counts[PH_LOAD_REFUSED];
    if (progress != run->progress) {
        run->progress = progress;
        run->progress_ns = now_ns;
    }
}

static void show(struct run *run, int64_t now_ns)
{
    struct ph_load_sample sample = {.connections = run->result->connections};
    const int64_t start_ns = atomic_load(&run->plan.start_ns);
    const enum ph_load_time time =
        run->options->subscribers > 0 ? PH_LOAD_DELIVERY_DUE : PH_LOAD_CONFIRM_DUE;
    if (run->tick == NULL || now_ns - run->tick_ns < SECOND_NS) {
        return;
    }
    run->tick_ns = now_ns;
    sample.at_s = start_ns == 0 ? -1 : (now_ns - start_ns) / SECOND_NS;
    memset(&run->now, 0, sizeof run->now);
    for (int64_t i = 0; i < run->options->threads; i++) {
        ph_histogram_add(&run->now, &run->threads[i].stats.times[time]);
    }
    ph_histogram_subtract(&run->now, &run->then);
    sample.p50_us = ph_histogram_quantile(&run->now, 0.5);
    sample.p99_us = ph_histogram_quantile(&run->now, 0.99);
    ph_histogram_add(&run->then, &run->now);
    for (int k = 0; k < PH_LOAD_COUNTS; k++) {
        sample.counts[k] = run->counts[k];
        sample.last[k] = run->counts[k] - run->last[k];
        run->last[k] = run->counts[k];
    }
    run->tick(run->context, &sample);
}

/* Waits a step, and knows afterwards how far everything is. */
static int64_t step(struct run *run)
{
    struct pollfd fd = {.fd = run->signal_fd, .events = POLLIN};
    if (poll(&fd, 1, STEP_MS) > 0) {
        while (ph_signals_read(run->signal_fd) != 0) {
            run->signals++;
        }
    }
    const int64_t now_ns = ph_clock_monotonic_ns();
    add_up(run, now_ns);
    show(run, now_ns);
    return now_ns;
}

static bool broken(const struct run *run)
{
    return atomic_load(&run->plan.broken);
}

static void connect_all(struct run *run)
{
    struct ph_load_result *result = run->result;
    const int64_t ramp_ns = run->plan.ramp_ns;
    const int64_t until_ns =
        ramp_ns + (result->connections / run->options->ramp + SETTLE_S) * SECOND_NS;
    int64_t now_ns = ramp_ns;
    while (now_ns < until_ns && run->signals == 0 && !broken(run) &&
           run->counts[PH_LOAD_CONNECTED] + run->counts[PH_LOAD_FAILED] < result->connections) {
        now_ns = step(run);
    }
    result->connect_s = (double)(now_ns - ramp_ns) / 1e9;
}

static void begin_measuring(struct run *run, int64_t now_ns)
{
    run->measured_from_ns = now_ns;
    memcpy(run->measured_from, run->counts, sizeof run->measured_from);
    run->cpu_ns = ph_load_process_cpu_ns();
    for (int64_t i = 0; i < run->options->threads; i++) {
        run->usage[i] = ph_load_usage_of(run->threads[i].id, atomic_load(&run->threads[i].tid));
    }
}

static void end_measuring(struct run *run, int64_t now_ns)
{
    struct ph_load_result *result = run->result;
    const double wall_ns = (double)(now_ns - run->measured_from_ns);
    result->measured_s = wall_ns / 1e9;
    result->cpu_s = (double)(ph_load_process_cpu_ns() - run->cpu_ns) / 1e9;
    for (int k = 0; k < PH_LOAD_COUNTS; k++) {
        result->measured[k] = run->counts[k] - run->measured_from[k];
    }
    for (int64_t i = 0; i < run->options->threads && wall_ns > 0; i++) {
        const struct ph_load_usage usage =
            ph_load_usage_of(run->threads[i].id, atomic_load(&run->threads[i].tid));
        const double busy = (double)(usage.cpu_ns - run->usage[i].cpu_ns) / wall_ns;
        const double waited = (double)(usage.waited_ns - run->usage[i].waited_ns) / wall_ns;
        result->busiest = busy > result->busiest ? busy : result->busiest;
        result->waited = waited > result->waited ? waited : result->waited;
    }
}

static bool sending(const struct run *run, int64_t now_ns)
{
    const bool stalls =
        run->options->duration_s == 0 && now_ns - run->progress_ns > STALL_S * SECOND_NS;
    return now_ns < atomic_load(&run->plan.until_ns) && !stalls && run->signals == 0 &&
           !broken(run) && run->counts[PH_LOAD_FINISHED] < run->options->publishers;
}

static void send_all(struct run *run)
{
    const struct ph_load_options *options = run->options;
    struct ph_load_plan *plan = &run->plan;
    int64_t now_ns = ph_clock_monotonic_ns();
    const int64_t start_ns = now_ns + START_NS;
    const int64_t measure_ns = start_ns + options->warmup_s * SECOND_NS;
    atomic_store(&plan->measure_ns, measure_ns);
    atomic_store(&plan->until_ns,
        options->duration_s > 0 ? measure_ns + options->duration_s * SECOND_NS : INT64_MAX);
    atomic_store(&plan->start_ns, start_ns);
    atomic_store(&plan->phase, PH_LOAD_RUNNING);
    run->progress_ns = now_ns;
    while (sending(run, now_ns)) {
        now_ns = step(run);
        if (run->measured_from_ns == 0 && now_ns >= measure_ns) {
            begin_measuring(run, now_ns);
        }
    }
    if (run->measured_from_ns > 0) {
        end_measuring(run, now_ns);
    }
    atomic_store(&plan->stop_ns,
        now_ns < atomic_load(&plan->until_ns) ? now_ns : atomic_load(&plan->until_ns));
    atomic_store(&plan->phase, PH_LOAD_DRAINING);
}

static bool all_arrived(const struct run *run)
{
    const int64_t *counts = run->counts;
    return (run->options->qos == 0 ||
               counts[PH_LOAD_CONFIRMED] + counts[PH_LOAD_REFUSED] >= counts[PH_LOAD_SENT]) &&
           counts[PH_LOAD_RECEIVED] >= counts[PH_LOAD_EXPECTED];
}

static void drain(struct run *run)
{
    const int signals = run->signals;
    int64_t now_ns = step(run);
    run->progress_ns = now_ns;
    /* one step more: what is under way to be counted, such as a second copy */
    for (int i = 0; i < 2; i++) {
        while (!all_arrived(run) && run->signals == signals && !broken(run) &&
               now_ns - run->progress_ns < run->options->drain_s * SECOND_NS) {
            now_ns = step(run);
        }
        now_ns = step(run);
    }
}

static void collect(struct run *run, struct ph_error *error)
{
    struct ph_load_result *result = run->result;
    result->window = run->options->window;
    result->interrupted = run->signals > 0;
    result->stamped = ph_load_payload_stamped(run->options->size_bytes, run->options->readings);
    for (int64_t i = 0; i < run->options->threads; i++) {
        const struct ph_load_thread *thread = &run->threads[i];
        const int64_t window = atomic_load(&thread->window);
        ph_load_stats_add(&result->total, &thread->stats);
        result->window = window < result->window ? window : result->window;
        if (thread->error.code != PH_OK) {
            (void)ph_error_set(error, thread->error.code, "%s", thread->error.message);
        }
    }
    const int64_t unsettled = result->connections -
                              ph_load_counted(&result->total, PH_LOAD_CONNECTED) -
                              ph_load_counted(&result->total, PH_LOAD_FAILED);
    if (unsettled > 0) {
        ph_load_count(&result->total, PH_LOAD_FAILED, unsettled);
        ph_load_reason(&result->total.reasons, "not connected when the run began", unsettled);
    }
}

static enum ph_err start_threads(struct run *run, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    run->plan.ramp_ns = ph_clock_monotonic_ns() + START_NS;
    for (int64_t i = 0; i < run->options->threads && err == PH_OK; i++) {
        err = ph_load_thread_start(&run->threads[i], &run->plan, i, error);
    }
    return err;
}

static void end_threads(struct run *run)
{
    atomic_store(&run->plan.phase, PH_LOAD_ENDED);
    for (int64_t i = 0; i < run->options->threads; i++) {
        ph_load_thread_join(&run->threads[i]);
    }
}

static enum ph_err run_phases(struct run *run, struct ph_error *error)
{
    struct ph_error failed = {0};
    enum ph_err err = start_threads(run, error);
    if (err == PH_OK) {
        connect_all(run);
    }
    if (err == PH_OK && run->signals == 0 && run->counts[PH_LOAD_CONNECTED] > 0) {
        send_all(run);
        drain(run);
    }
    end_threads(run);
    if (err == PH_OK) {
        collect(run, &failed);
        err = failed.code == PH_OK ? PH_OK : ph_error_set(error, failed.code, "%s", failed.message);
    }
    return err;
}

/* A text for each of `count` connections; `place`: of the first one's certificate. */
static enum ph_err expand_all(const struct ph_load_options *options, const char *template,
    int64_t count, int64_t place, char ***out, struct ph_error *error)
{
    char text[PH_LOAD_NAME_BYTES];
    enum ph_err err = PH_OK;
    *out = calloc((size_t)count + 1, sizeof **out);
    for (int64_t i = 0; i < count && *out != NULL && err == PH_OK; i++) {
        err = ph_load_expand(text, template, i + 1, ph_load_cert_name(options, place + i), error);
        (*out)[i] = strdup(text);
        if ((*out)[i] == NULL) {
            err = ph_error_set(error, PH_ERR_MEMORY, "topics: no memory");
        }
    }
    return *out != NULL ? err : ph_error_set(error, PH_ERR_MEMORY, "topics: no memory");
}

static void free_texts(char **texts)
{
    for (size_t i = 0; texts != NULL && texts[i] != NULL; i++) {
        free(texts[i]);
    }
    free(texts);
}

/* Every connection takes three descriptors, and a name or a certificate is read now and then. */
static enum ph_err raise_limit(int64_t connections, struct ph_error *error)
{
    struct rlimit limit = {0};
    const rlim_t want = (rlim_t)(connections * PH_MOSQ_FILES + SPARE_FILES);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < want) {
        limit.rlim_cur = limit.rlim_max < want ? limit.rlim_max : want;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        if (limit.rlim_cur < want) {
            return ph_error_set(error, PH_ERR_UNAVAILABLE,
                "%" PRId64 " connections: need %llu open files, and the limit is %llu: raise it "
                "(ulimit -n, LimitNOFILE)",
                connections, (unsigned long long)want, (unsigned long long)limit.rlim_cur);
        }
    }
    return PH_OK;
}

static enum ph_err prepare(struct run *run, struct ph_error *error)
{
    const struct ph_load_options *options = run->options;
    struct ph_load_plan *plan = &run->plan;
    plan->options = options;
    plan->run = (uint32_t)ph_random_u64();
    plan->mosq = (struct ph_mosq_options){.host = options->host,
        .port = options->port,
        .version = options->version == 5 ? PH_MOSQ_5 : PH_MOSQ_3_1_1,
        .user = options->user,
        .password = options->password,
        .tls = options->tls,
        .ca_file = options->ca_file,
        .keep_alive_s = 60,
        .window = (uint16_t)options->window,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS};
    run->threads = calloc((size_t)options->threads, sizeof *run->threads);
    run->usage = calloc((size_t)options->threads, sizeof *run->usage);
    if (run->threads == NULL || run->usage == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "threads: no memory");
    }
    enum ph_err err = raise_limit(run->result->connections, error);
    if (err == PH_OK) {
        err = expand_all(options, options->topic, options->publishers, 0, &plan->topics, error);
    }
    if (err == PH_OK) {
        err = expand_all(options, options->filter, options->subscribers, options->publishers,
            &plan->filters, error);
    }
    if (err == PH_OK) {
        err = ph_load_account_new((const char *const *)plan->topics, (size_t)options->publishers,
            (const char *const *)plan->filters, (size_t)options->subscribers, &plan->account,
            error);
    }
    return err == PH_OK ? ph_mosq_probe(options->host, options->port, CONNECT_TIMEOUT_MS,
                              &plan->mosq.family, error)
                        : err;
}

enum ph_err ph_load_run(const struct ph_load_options *options, int signal_fd, ph_load_tick *tick,
    void *context, struct ph_load_result *result, struct ph_error *error)
{
    struct run *run = calloc(1, sizeof *run);
    if (run == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "load: no memory");
    }
    *run = (struct run){.options = options,
        .result = result,
        .signal_fd = signal_fd,
        .tick = tick,
        .context = context,
        .tick_ns = ph_clock_monotonic_ns()};
    memset(result, 0, sizeof *result);
    result->options = options;
    result->connections = options->publishers + options->subscribers;
    enum ph_err err = prepare(run, error);
    err = err == PH_OK ? run_phases(run, error) : err;
    if (err == PH_OK) {
        ph_load_result_judge(result);
    }
    for (int64_t i = 0; run->threads != NULL && i < options->threads; i++) {
        ph_load_thread_fini(&run->threads[i]);
    }
    ph_load_account_free(&run->plan.account);
    free_texts(run->plan.topics);
    free_texts(run->plan.filters);
    free(run->threads);
    free(run->usage);
    free(run);
    return err;
}
