#include "ingest/health.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/text.h"
#include "ingest/store/store.h"
#include "x509/certificate.h"

enum { FULL_BYTES = 1 << 20 };

/* Whether the store's file system has no room left, which is why nothing is committed. */
static bool is_full(const char *store, struct ph_error *error)
{
    char folder[PATH_MAX];
    struct statvfs info;
    if (ph_store_is_postgres(store) || !ph_text_copy(folder, sizeof folder, store)) {
        return false;
    }
    char *slash = strrchr(folder, '/');
    if (slash == NULL) {
        return false;
    }
    slash[slash == folder ? 1 : 0] = '\0';
    if (statvfs(folder, &info) != 0 || info.f_bavail * info.f_frsize >= FULL_BYTES) {
        return false;
    }
    ph_error_clear(error);
    ph_error_set(error, PH_ERR_FAULT,
        "nothing is committed, and %s is full (%llu kB free): make room; until then devices keep "
        "their readings",
        folder, (unsigned long long)(info.f_bavail * info.f_frsize / 1024));
    return true;
}

/* Our own name, and what was left under it. */
struct mark {
    char writer[PH_IDENTITY_BYTES];
    struct ph_beat beat;
};

static enum ph_err find_beat(const char *uri, struct mark *mark, struct ph_error *error)
{
    struct ph_store *store = NULL;
    enum ph_err err = ph_store_open_watcher(uri, &store, error);
    if (err != PH_OK) {
        return ph_error_prefix(error, err, "store");
    }
    err = ph_store_last_beat(store, mark->writer, &mark->beat, error);
    ph_store_close(&store);
    return err;
}

static enum ph_err find(
    const struct ph_ingest_config *config, struct mark *mark, struct ph_error *error)
{
    struct ph_error why = {0};
    enum ph_err err = ph_certificate_client_id(config->broker.certificate, mark->writer, error);
    if (err != PH_OK) {
        return err;
    }
    err = find_beat(config->store, mark, &why);
    if (err == PH_ERR_NOT_FOUND) {
        return ph_error_set(
            error, err, "%s: start ph-ingest run, or wait until it has committed", why.message);
    }
    return err == PH_OK ? PH_OK : ph_error_set(error, err, "%s", why.message);
}

enum ph_err ph_health_look(const struct ph_ingest_config *config, int64_t now_ms,
    char line[PH_HEALTH_LINE_BYTES], struct ph_error *error)
{
    struct mark mark;
    struct ph_error why = {0};
    enum ph_err err = find(config, &mark, &why);
    if (err != PH_OK) {
        return ph_error_set(error, PH_ERR_FAULT, "%s", why.message);
    }
    err = ph_beat_judge(&mark.beat, "ph-ingest run", mark.writer, now_ms, line, error);
    if (err != PH_OK && ph_beat_is_late(&mark.beat, now_ms)) {
        (void)is_full(config->store, error);
    }
    return err;
}
