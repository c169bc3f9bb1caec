#include "broker-plugin/part.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "config/policy_file.h"

#define READ_TRIES 3

static enum ph_err out_of_memory(const char *what, struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", what);
}

static enum ph_err stamp_files(
    struct ph_watch *files, const struct ph_source *source, struct ph_error *error)
{
    if (source->policy_file != NULL) {
        char *path = strdup(source->policy_file);
        enum ph_err err = path != NULL ? ph_watch_add(files, &path, 1, error)
                                       : out_of_memory(source->policy_file, error);
        free(path);
        return err;
    }
    if (source->lists != NULL) {
        return ph_watch_add(files, source->lists->lists, source->lists->list_count, error);
    }
    const struct ph_anchor *anchor = source->anchor;
    enum ph_err err = ph_watch_add(files, anchor->ca_files, anchor->ca_file_count, error);
    return err == PH_OK ? ph_watch_add(files, anchor->crl_files, anchor->crl_file_count, error)
                        : err;
}

static enum ph_err read_files(
    struct ph_part *part, const struct ph_source *source, struct ph_error *error)
{
    if (source->policy_file != NULL) {
        return ph_policy_load(source->policy_file, &part->policy, error);
    }
    if (source->lists != NULL) {
        return ph_deny_load(source->lists->lists, source->lists->list_count, &part->deny, error);
    }
    return ph_trust_load(source->anchor, &part->trust, error);
}

/* One try. PH_ERR_BUSY when a file changed meanwhile: what was read may be half of it. */
static enum ph_err part_try(
    const struct ph_source *source, struct ph_part **out, bool *changed, struct ph_error *error)
{
    struct ph_part *part = calloc(1, sizeof *part);
    if (part == NULL) {
        return out_of_memory("policy", error);
    }
    *out = part;
    part->references = 1;
    enum ph_err err = stamp_files(&part->files, source, error);
    if (err != PH_OK) {
        return err;
    }
    err = read_files(part, source, error);
    const char *path = ph_watch_differing(&part->files);
    *changed = path != NULL && err != PH_ERR_MEMORY;
    if (!*changed) {
        return err;
    }
    ph_error_clear(error);
    return ph_error_set(error, PH_ERR_BUSY,
        "%s: changed while it was being read: replace it by renaming a whole file over it", path);
}

enum ph_err ph_part_load(const struct ph_source *source, struct ph_watch *watch,
    struct ph_part **out, struct ph_error *error)
{
    struct ph_part *part = NULL;
    bool changed = true;
    enum ph_err err = PH_OK;
    for (int i = 0; changed && i < READ_TRIES; i++) {
        changed = false;
        ph_part_release(&part);
        ph_error_clear(error);
        err = part_try(source, &part, &changed, error);
    }
    if (err != PH_ERR_MEMORY && ph_watch_merge(watch, &part->files, NULL) != PH_OK) {
        ph_error_clear(error);
        err = out_of_memory("policy", error);
    }
    if (err == PH_OK) {
        *out = part;
        part = NULL;
    }
    ph_part_release(&part);
    return err;
}

struct ph_part *ph_part_share(struct ph_part *part)
{
    part->references++;
    return part;
}

void ph_part_release(struct ph_part **part)
{
    struct ph_part *old = *part;
    *part = NULL;
    if (old == NULL || --old->references > 0) {
        return;
    }
    ph_policy_free(&old->policy);
    ph_trust_free(&old->trust);
    ph_deny_free(&old->deny);
    ph_watch_fini(&old->files);
    free(old);
}
