#include "broker-plugin/loader.h"

#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

/* Bad files that did not change are tried again, at first soon: what was bad may have been the
 * moment, such as one without free descriptors. */
#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 60000

/* A text and where it goes. */
struct parcel {
    char path[PATH_MAX];
    struct ph_buf text;
};

/* What the two threads share, under `mutex` but for what stands first. */
struct ph_loader {
    char *policy_file;
    struct ph_state *newest; /* the thread's: the state loaded last, in force or about to be */
    int64_t retry_after_ms;  /* the thread's: 0 while nothing is bad */
    int64_t loaded_ms;       /* the thread's */
    struct parcel writing;   /* the thread's */

    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t work;
    bool stop;
    bool look;
    bool force;
    int64_t now_ms;
    bool finished; /* `result` waits to be taken */
    struct ph_load result;
    struct ph_state *released; /* linked by `next` */
    bool store;
    struct parcel stored;
    bool store_failed;
    struct ph_error store_error;
};

/* What one look is asked. */
struct look {
    bool force;
    int64_t now_ms;
};

/* ---- the thread: called without the mutex ---- */

static bool look_is_due(struct ph_loader *loader, const struct look *look)
{
    bool changed = ph_state_changed(loader->newest);
    bool retry =
        loader->retry_after_ms != 0 && look->now_ms - loader->loaded_ms >= loader->retry_after_ms;
    if (changed || look->force) {
        loader->retry_after_ms = 0;
    }
    return changed || retry || look->force;
}

static int64_t next_retry_ms(int64_t retry_after_ms)
{
    int64_t next_ms = retry_after_ms > 0 ? 2 * retry_after_ms : RETRY_MIN_MS;
    return next_ms < RETRY_MAX_MS ? next_ms : RETRY_MAX_MS;
}

/* OpenSSL's representation of a CRL is ten times as large as what is kept of it. */
static void give_memory_back(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

/* False when there was nothing to load. */
static bool run_look(struct ph_loader *loader, const struct look *look, struct ph_load *load)
{
    *load = (struct ph_load){.state = NULL};
    if (!look_is_due(loader, look)) {
        return false;
    }
    if (look->force) {
        ph_state_forget_stamps(loader->newest);
    }
    int64_t start_ms = ph_clock_monotonic_ms();
    enum ph_err err = ph_state_load(
        loader->policy_file, loader->newest, &load->state, &load->report, &load->error);
    give_memory_back();
    load->duration_ms = ph_clock_monotonic_ms() - start_ms;
    bool bad = err != PH_OK || load->report.problem_count > 0;
    loader->retry_after_ms = bad ? next_retry_ms(loader->retry_after_ms) : 0;
    loader->loaded_ms = look->now_ms;
    if (bad && load->state != NULL && ph_state_same(load->state, loader->newest)) {
        ph_state_free(&load->state); /* nothing good was new */
    }
    loader->newest = load->state != NULL ? load->state : loader->newest;
    return true;
}

static void free_all(struct ph_state *state)
{
    while (state != NULL) {
        struct ph_state *next = state->next;
        ph_state_free(&state);
        state = next;
    }
}

/* ---- the thread: called with the mutex, which they let go meanwhile ---- */

static void do_free(struct ph_loader *loader)
{
    struct ph_state *released = loader->released;
    loader->released = NULL;
    pthread_mutex_unlock(&loader->mutex);
    free_all(released);
    pthread_mutex_lock(&loader->mutex);
}

static void do_store(struct ph_loader *loader)
{
    struct parcel swap = loader->writing;
    loader->writing = loader->stored;
    loader->stored = swap;
    loader->store = false;
    pthread_mutex_unlock(&loader->mutex);
    struct ph_error error = {0};
    const struct ph_buf *text = &loader->writing.text;
    enum ph_err err = ph_file_replace(
        loader->writing.path, 0644, text->data != NULL ? text->data : "", text->len, &error);
    pthread_mutex_lock(&loader->mutex);
    if (err != PH_OK) {
        loader->store_failed = true;
        loader->store_error = error;
    }
}

static void do_look(struct ph_loader *loader)
{
    const struct look look = {.force = loader->force, .now_ms = loader->now_ms};
    struct ph_load load;
    loader->look = false;
    loader->force = false;
    pthread_mutex_unlock(&loader->mutex);
    bool finished = run_look(loader, &look, &load);
    pthread_mutex_lock(&loader->mutex);
    if (finished) {
        loader->result = load;
        loader->finished = true;
    }
}

/* In this order, so that a state is freed before the next is loaded. A look waits until the result
 * before was taken: there is one at a time. */
static void *run(void *argument)
{
    struct ph_loader *loader = argument;
    pthread_mutex_lock(&loader->mutex);
    for (;;) {
        if (loader->released != NULL) {
            do_free(loader);
        } else if (loader->store) {
            do_store(loader);
        } else if (loader->stop) {
            break;
        } else if (loader->look && !loader->finished) {
            do_look(loader);
        } else {
            pthread_cond_wait(&loader->work, &loader->mutex);
        }
    }
    pthread_mutex_unlock(&loader->mutex);
    return NULL;
}

/* ---- the broker's thread ---- */

static void destroy(struct ph_loader *loader)
{
    pthread_cond_destroy(&loader->work);
    pthread_mutex_destroy(&loader->mutex);
    ph_buf_fini(&loader->stored.text);
    ph_buf_fini(&loader->writing.text);
    free(loader->policy_file);
    free(loader);
}

static struct ph_loader *create(const char *policy_file, struct ph_state *current)
{
    struct ph_loader *loader = calloc(1, sizeof *loader);
    if (loader == NULL) {
        return NULL;
    }
    loader->newest = current;
    loader->policy_file = strdup(policy_file);
    if (pthread_mutex_init(&loader->mutex, NULL) != 0) {
        free(loader->policy_file);
        free(loader);
        return NULL;
    }
    if (pthread_cond_init(&loader->work, NULL) != 0) {
        pthread_mutex_destroy(&loader->mutex);
        free(loader->policy_file);
        free(loader);
        return NULL;
    }
    if (loader->policy_file == NULL) {
        destroy(loader);
        return NULL;
    }
    return loader;
}

enum ph_err ph_loader_start(const char *policy_file, struct ph_state *current,
    struct ph_loader **out, struct ph_error *error)
{
    struct ph_loader *loader = create(policy_file, current);
    if (loader == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "loader: out of memory");
    }
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* the thread inherits it */
    int failure = pthread_create(&loader->thread, NULL, run, loader);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0) {
        destroy(loader);
        return ph_error_set_errno(error, failure, "loader: start a thread");
    }
    (void)pthread_setname_np(loader->thread, "ph-loader");
    *out = loader;
    return PH_OK;
}

void ph_loader_stop(struct ph_loader **loader)
{
    if (loader == NULL || *loader == NULL) {
        return;
    }
    struct ph_loader *old = *loader;
    pthread_mutex_lock(&old->mutex);
    old->stop = true;
    pthread_cond_signal(&old->work);
    pthread_mutex_unlock(&old->mutex);
    (void)pthread_join(old->thread, NULL);
    ph_state_free(&old->result.state);
    destroy(old);
    *loader = NULL;
}

void ph_loader_look(struct ph_loader *loader, bool force, int64_t now_monotonic_ms)
{
    pthread_mutex_lock(&loader->mutex);
    loader->look = true;
    loader->force = loader->force || force;
    loader->now_ms = now_monotonic_ms;
    pthread_cond_signal(&loader->work);
    pthread_mutex_unlock(&loader->mutex);
}

bool ph_loader_take(struct ph_loader *loader, struct ph_load *out)
{
    pthread_mutex_lock(&loader->mutex);
    bool finished = loader->finished;
    if (finished) {
        *out = loader->result;
        loader->result.state = NULL;
        loader->finished = false;
        pthread_cond_signal(&loader->work);
    }
    pthread_mutex_unlock(&loader->mutex);
    return finished;
}

void ph_loader_release(struct ph_loader *loader, struct ph_state **state)
{
    if (*state == NULL) {
        return;
    }
    pthread_mutex_lock(&loader->mutex);
    (*state)->next = loader->released;
    loader->released = *state;
    pthread_cond_signal(&loader->work);
    pthread_mutex_unlock(&loader->mutex);
    *state = NULL;
}

void ph_loader_store(struct ph_loader *loader, const char *path, struct ph_buf *text)
{
    size_t max = text->max;
    pthread_mutex_lock(&loader->mutex);
    loader->store = ph_text_copy(loader->stored.path, sizeof loader->stored.path, path);
    if (loader->store) {
        struct ph_buf swap = loader->stored.text;
        loader->stored.text = *text;
        *text = swap; /* its memory serves the next text */
        pthread_cond_signal(&loader->work);
    } else {
        loader->store_failed = true;
        ph_error_clear(&loader->store_error);
        ph_error_set(&loader->store_error, PH_ERR_LIMIT, "%.200s: path too long", path);
    }
    pthread_mutex_unlock(&loader->mutex);
    text->max = max;
    ph_buf_reset(text);
}

bool ph_loader_store_error(struct ph_loader *loader, struct ph_error *error)
{
    pthread_mutex_lock(&loader->mutex);
    bool failed = loader->store_failed;
    if (failed) {
        *error = loader->store_error;
        loader->store_failed = false;
    }
    pthread_mutex_unlock(&loader->mutex);
    return failed;
}
