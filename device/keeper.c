#include "device/keeper.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"

enum { RETRY_MS = 10000 };

static enum ph_err open_spool(struct ph_keeper *keeper, struct ph_error *error)
{
    if (keeper->shared != NULL) {
        return ph_spool_open(
            keeper->shared, keeper->identity, keeper->max_bytes, &keeper->spool, error);
    }
    enum ph_err err =
        ph_spool_file_open(keeper->path, keeper->sync, keeper->boot, &keeper->file, error);
    if (err == PH_OK) {
        err =
            ph_spool_open(keeper->file, keeper->identity, keeper->max_bytes, &keeper->spool, error);
    }
    if (err != PH_OK) {
        ph_spool_file_close(&keeper->file);
    }
    struct stat status = {0};
    if (err == PH_OK && stat(keeper->path, &status) == 0) {
        keeper->inode = status.st_ino;
    }
    return err;
}

void ph_keeper_close(struct ph_keeper *keeper)
{
    ph_spool_close(&keeper->spool);
    ph_spool_file_close(&keeper->file);
}

static void say_trouble(struct ph_keeper *keeper, const struct ph_error *error)
{
    if (!keeper->degraded) {
        keeper->degraded = true;
        ph_log(PH_LOG_ERROR, "spool cannot be written: readings are lost until it can",
            PH_STR("reason", error->message), PH_STR("code", ph_err_name(error->code)));
    }
}

static void say_works(struct ph_keeper *keeper)
{
    if (keeper->degraded) {
        keeper->degraded = false;
        ph_log(PH_LOG_INFO, "spool works again", PH_INT("lost", keeper->lost));
    }
}

enum ph_err ph_keeper_open(struct ph_keeper *keeper, struct ph_error *error)
{
    enum ph_err err = open_spool(keeper, error);
    if (err == PH_ERR_PERMISSION || err == PH_ERR_IO) {
        say_trouble(keeper, error);
        ph_error_clear(error);
        return PH_OK;
    }
    return err;
}

/* What is open may have been deleted, or replaced by another file: it must be opened again. */
static bool is_replaced(const struct ph_keeper *keeper)
{
    struct stat status = {0};
    return stat(keeper->path, &status) != 0 || status.st_ino != keeper->inode;
}

bool ph_keeper_retry(struct ph_keeper *keeper, int64_t now_ms)
{
    struct ph_error error = {0};
    if (!keeper->degraded || now_ms < keeper->retry_ms) {
        return false;
    }
    keeper->retry_ms = now_ms + RETRY_MS;
    if (keeper->spool != NULL && (keeper->shared != NULL || !is_replaced(keeper))) {
        return false;
    }
    bool had = keeper->spool != NULL;
    ph_keeper_close(keeper);
    enum ph_err err = open_spool(keeper, &error);
    if (err != PH_OK) {
        say_trouble(keeper, &error);
    }
    return had || err == PH_OK;
}

void ph_keeper_append(struct ph_keeper *keeper, const struct ph_spool_entry *entry, int64_t *seq)
{
    struct ph_error error = {0};
    struct ph_spool_entry counted = *entry;
    counted.lost = keeper->unsaved;
    enum ph_err err = keeper->spool == NULL
                          ? PH_ERR_UNAVAILABLE
                          : ph_spool_append(keeper->spool, &counted, 1, seq, &error);
    if (err == PH_OK) {
        keeper->unsaved = 0;
        say_works(keeper);
        return;
    }
    *seq = 0;
    keeper->lost++;
    keeper->unsaved++;
    say_trouble(keeper, &error);
}

struct ph_spool_counters ph_keeper_counters(const struct ph_keeper *keeper)
{
    struct ph_spool_counters counters = {0};
    if (keeper->spool != NULL) {
        counters = ph_spool_counters(keeper->spool);
    }
    counters.lost += keeper->unsaved;
    return counters;
}

/* What else the spool's database holds. */
struct others {
    const char *own;
    char identity[PH_IDENTITY_BYTES]; /* the first with pending readings */
    int64_t identities;
    int64_t pending;
};

static enum ph_err count_others(void *context, const char *identity,
    const struct ph_spool_counters *counters, struct ph_error *error)
{
    struct others *others = context;
    (void)error;
    if (counters->pending == 0 || strcmp(identity, others->own) == 0) {
        return PH_OK;
    }
    if (others->identities == 0) {
        (void)snprintf(others->identity, sizeof others->identity, "%s", identity);
    }
    others->identities++;
    others->pending += counters->pending;
    return PH_OK;
}

void ph_keeper_say_others(const struct ph_keeper *keeper)
{
    struct ph_error error = {0};
    struct others others = {.own = keeper->identity};
    if (keeper->spool == NULL || keeper->shared != NULL) {
        return; /* a shared one is full of others */
    }
    if (ph_spool_list(keeper->path, count_others, &others, &error) != PH_OK) {
        ph_log_error(PH_LOG_WARNING, "cannot list the spool", &error);
    } else if (others.pending > 0) {
        ph_log(PH_LOG_WARNING,
            "the spool holds readings of another identity: unsent until its certificate is back",
            PH_STR("identity", others.identity), PH_INT("readings", others.pending),
            PH_INT("identities", others.identities));
    }
}
