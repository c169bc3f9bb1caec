#include "broker-plugin/state.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/policy_file.h"

struct stamp {
    struct timespec modified;
    off_t size;
    ino_t inode;
    bool there;
};

struct watched {
    char *path;
    struct stamp stamp;
};

struct ph_watch {
    struct watched *files;
    size_t count;
};

static struct stamp take_stamp(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        return (struct stamp){.there = false};
    }
    return (struct stamp){
        .modified = st.st_mtim, .size = st.st_size, .inode = st.st_ino, .there = true};
}

static bool stamps_equal(const struct stamp *a, const struct stamp *b)
{
    return a->there == b->there && a->size == b->size && a->inode == b->inode &&
           a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec;
}

static void watch_free(struct ph_watch **watch)
{
    if (*watch == NULL) {
        return;
    }
    for (size_t i = 0; i < (*watch)->count; i++) {
        free((*watch)->files[i].path);
    }
    free((*watch)->files);
    free(*watch);
    *watch = NULL;
}

static enum ph_err watch_add(struct ph_watch *watch, const char *path, struct ph_error *error)
{
    struct watched *files = realloc(watch->files, (watch->count + 1) * sizeof *files);
    if (files == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", path);
    }
    watch->files = files;
    char *copy = strdup(path);
    if (copy == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", path);
    }
    files[watch->count++] = (struct watched){.path = copy, .stamp = take_stamp(path)};
    return PH_OK;
}

static enum ph_err watch_anchor(
    struct ph_watch *watch, const struct ph_anchor *anchor, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < anchor->ca_file_count; i++) {
        err = watch_add(watch, anchor->ca_files[i], error);
    }
    for (size_t i = 0; err == PH_OK && i < anchor->crl_file_count; i++) {
        err = watch_add(watch, anchor->crl_files[i], error);
    }
    return err;
}

static enum ph_err load_trusts(struct ph_state *state, struct ph_error *error)
{
    size_t count = state->policy->anchor_count;
    state->trusts = calloc(count, sizeof(struct ph_trust *));
    if (state->trusts == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "policy: out of memory");
    }
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < count; i++) {
        const struct ph_anchor *anchor = &state->policy->anchors[i];
        err = watch_anchor(state->watch, anchor, error);
        if (err == PH_OK) {
            err = ph_trust_load(anchor, &state->trusts[i], error);
        }
    }
    return err;
}

enum ph_err ph_state_load(const char *policy_file, struct ph_state **out, struct ph_error *error)
{
    struct ph_state *state = calloc(1, sizeof *state);
    if (state != NULL) {
        state->watch = calloc(1, sizeof *state->watch);
    }
    if (state == NULL || state->watch == NULL) {
        free(state);
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", policy_file);
    }
    enum ph_err err = watch_add(state->watch, policy_file, error);
    if (err == PH_OK) {
        err = ph_policy_load(policy_file, &state->policy, error);
    }
    if (err == PH_OK) {
        err = load_trusts(state, error);
    }
    if (err == PH_OK) {
        *out = state;
        state = NULL;
    }
    ph_state_free(&state);
    return err;
}

void ph_state_free(struct ph_state **state)
{
    if (state == NULL || *state == NULL) {
        return;
    }
    struct ph_state *old = *state;
    for (size_t i = 0; old->trusts != NULL && i < old->policy->anchor_count; i++) {
        ph_trust_free(&old->trusts[i]);
    }
    free(old->trusts);
    ph_policy_free(&old->policy);
    watch_free(&old->watch);
    free(old);
    *state = NULL;
}

bool ph_state_changed(struct ph_state *state)
{
    bool changed = false;
    for (size_t i = 0; i < state->watch->count; i++) {
        struct watched *file = &state->watch->files[i];
        struct stamp now = take_stamp(file->path);
        if (!stamps_equal(&now, &file->stamp)) {
            file->stamp = now;
            changed = true;
        }
    }
    return changed;
}

const struct ph_anchor *ph_state_expired_anchor(const struct ph_state *state, int64_t now_ms)
{
    for (size_t i = 0; i < state->policy->anchor_count; i++) {
        if (ph_trust_crl_expiry_ms(state->trusts[i]) <= now_ms) {
            return &state->policy->anchors[i];
        }
    }
    return NULL;
}
