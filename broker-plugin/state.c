#include "broker-plugin/state.h"

#include <stdlib.h>
#include <string.h>

#include "broker-plugin/part.h"
#include "broker-plugin/watch.h"

struct ph_parts {
    struct ph_part *policy;
    struct ph_part **trusts; /* one for each of the policy's anchors */
    struct ph_part *deny;
};

struct whole {
    struct ph_state state; /* first: it is what others hold */
    struct ph_parts parts;
    struct ph_watch watch;
};

static enum ph_err out_of_memory(const char *what, struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", what);
}

/* ---- a state in the making ---- */

struct draft {
    const char *policy_file;
    const struct ph_state *previous; /* may be NULL */
    struct whole *whole;
    struct ph_state_report *report;
};

static void add_problem(struct ph_state_report *report, const struct ph_error *problem)
{
    if (report->problem_count < PH_STATE_PROBLEMS_MAX) {
        report->problems[report->problem_count] = *problem;
    }
    report->problem_count++;
}

/* Shares a part whose files are as they were. */
static enum ph_err keep(
    struct draft *draft, struct ph_part *part, struct ph_part **out, struct ph_error *error)
{
    *out = ph_part_share(part);
    return ph_watch_merge(&draft->whole->watch, &part->files, error);
}

static bool unchanged(const struct ph_part *part)
{
    return ph_watch_differing(&part->files) == NULL;
}

/* Takes a part over in place of one that could not be read. */
static enum ph_err fall_back(struct draft *draft, struct ph_part *part, struct ph_part **out,
    enum ph_err err, struct ph_error *error)
{
    if (err == PH_ERR_MEMORY || part == NULL) {
        return err;
    }
    add_problem(draft->report, error);
    ph_error_clear(error);
    *out = ph_part_share(part);
    return PH_OK;
}

static enum ph_err draft_policy(struct draft *draft, struct ph_error *error)
{
    const struct ph_source source = {.policy_file = draft->policy_file};
    struct ph_part *old = draft->previous != NULL ? draft->previous->parts->policy : NULL;
    struct ph_part **out = &draft->whole->parts.policy;
    if (old != NULL && unchanged(old)) {
        return keep(draft, old, out, error);
    }
    enum ph_err err = ph_part_load(&source, &draft->whole->watch, out, error);
    return err == PH_OK ? PH_OK : fall_back(draft, old, out, err, error);
}

static bool same_texts(char *const *a, size_t a_count, char *const *b, size_t b_count)
{
    bool same = a_count == b_count;
    for (size_t i = 0; same && i < a_count; i++) {
        same = strcmp(a[i], b[i]) == 0;
    }
    return same;
}

/* All that ph_trust_load() looks at. */
static bool same_definition(const struct ph_anchor *a, const struct ph_anchor *b)
{
    return a->crl_required == b->crl_required && a->crl_grace_s == b->crl_grace_s &&
           same_texts(a->ca_files, a->ca_file_count, b->ca_files, b->ca_file_count) &&
           same_texts(a->crl_files, a->crl_file_count, b->crl_files, b->crl_file_count);
}

/* Where in the policy before an anchor of that name is; false when it is not. */
static bool find_anchor(const struct ph_state *state, const char *name, size_t *index)
{
    for (size_t i = 0; state != NULL && i < state->policy->anchor_count; i++) {
        if (strcmp(state->policy->anchors[i].name, name) == 0) {
            *index = i;
            return true;
        }
    }
    return false;
}

static enum ph_err draft_trust(struct draft *draft, const struct ph_anchor *anchor,
    struct ph_part **out, struct ph_error *error)
{
    const struct ph_source source = {.anchor = anchor};
    size_t index = 0;
    struct ph_part *named = NULL; /* may be defined otherwise */
    struct ph_part *old = NULL;
    if (find_anchor(draft->previous, anchor->name, &index)) {
        named = draft->previous->parts->trusts[index];
        old = same_definition(anchor, &draft->previous->policy->anchors[index]) ? named : NULL;
    }
    if (old != NULL && unchanged(old)) {
        return keep(draft, old, out, error);
    }
    struct ph_part *fresh = NULL;
    enum ph_err err = ph_part_load(&source, &draft->whole->watch, &fresh, error);
    if (err == PH_OK && named != NULL) {
        err = ph_trust_check_newer(fresh->trust, named->trust, error);
    }
    if (err == PH_OK) {
        *out = fresh;
        return PH_OK;
    }
    ph_part_release(&fresh);
    return fall_back(draft, old, out, err, error);
}

static void release_trusts(struct ph_parts *parts)
{
    for (size_t i = 0; parts->trusts != NULL && i < parts->policy->policy->anchor_count; i++) {
        ph_part_release(&parts->trusts[i]);
    }
    free(parts->trusts);
    parts->trusts = NULL;
}

static enum ph_err draft_trusts(struct draft *draft, struct ph_error *error)
{
    struct ph_parts *parts = &draft->whole->parts;
    const struct ph_policy *policy = parts->policy->policy;
    parts->trusts = calloc(policy->anchor_count, sizeof(struct ph_part *));
    if (parts->trusts == NULL) {
        return out_of_memory(draft->policy_file, error);
    }
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < policy->anchor_count; i++) {
        err = draft_trust(draft, &policy->anchors[i], &parts->trusts[i], error);
    }
    return err;
}

/* Back to the policy before, because of an anchor that is new in this one. */
static enum ph_err refuse_policy(struct draft *draft, enum ph_err err, struct ph_error *error)
{
    struct ph_parts *parts = &draft->whole->parts;
    if (err == PH_ERR_MEMORY || draft->previous == NULL) {
        return err;
    }
    ph_error_prefix(error, err, "%s: not taken", draft->policy_file);
    draft->report->problem_count = 0; /* what else was bad is found again */
    add_problem(draft->report, error);
    ph_error_clear(error);
    release_trusts(parts);
    ph_part_release(&parts->policy);
    parts->policy = ph_part_share(draft->previous->parts->policy);
    return draft_trusts(draft, error);
}

static enum ph_err draft_deny(struct draft *draft, struct ph_error *error)
{
    const struct ph_policy *policy = draft->whole->parts.policy->policy;
    const struct ph_source source = {.lists = policy};
    struct ph_part *old = draft->previous != NULL ? draft->previous->parts->deny : NULL;
    struct ph_part **out = &draft->whole->parts.deny;
    bool same = old != NULL && old->files.count == policy->list_count;
    for (size_t i = 0; same && i < policy->list_count; i++) {
        same = strcmp(old->files.files[i].path, policy->lists[i]) == 0;
    }
    if (same && unchanged(old)) {
        return keep(draft, old, out, error);
    }
    enum ph_err err = ph_part_load(&source, &draft->whole->watch, out, error);
    return err == PH_OK ? PH_OK : fall_back(draft, old, out, err, error);
}

/* Makes the parts visible. */
static enum ph_err finish(struct draft *draft, struct ph_error *error)
{
    struct ph_state *state = &draft->whole->state;
    struct ph_parts *parts = &draft->whole->parts;
    size_t count = parts->policy->policy->anchor_count;
    state->trusts = calloc(count, sizeof(struct ph_trust *));
    if (state->trusts == NULL) {
        return out_of_memory(draft->policy_file, error);
    }
    state->policy = parts->policy->policy;
    state->deny = parts->deny->deny;
    for (size_t i = 0; i < count; i++) {
        state->trusts[i] = parts->trusts[i]->trust;
    }
    return PH_OK;
}

enum ph_err ph_state_load(const char *policy_file, const struct ph_state *previous,
    struct ph_state **out, struct ph_state_report *report, struct ph_error *error)
{
    struct ph_error own_error = {0};
    struct ph_state_report own_report = {.problem_count = 0};
    struct draft draft = {.policy_file = policy_file,
        .previous = previous,
        .report = report != NULL ? report : &own_report,
        .whole = calloc(1, sizeof *draft.whole)};
    struct ph_state *state = NULL;
    error = error != NULL ? error : &own_error;
    draft.report->problem_count = 0;
    if (draft.whole == NULL) {
        return out_of_memory(policy_file, error);
    }
    state = &draft.whole->state;
    state->parts = &draft.whole->parts;
    state->watch = &draft.whole->watch;
    enum ph_err err = draft_policy(&draft, error);
    if (err == PH_OK) {
        err = draft_trusts(&draft, error);
        err = err == PH_OK ? PH_OK : refuse_policy(&draft, err, error);
    }
    if (err == PH_OK) {
        err = draft_deny(&draft, error);
    }
    if (err == PH_OK) {
        err = finish(&draft, error);
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
    free(old->trusts);
    release_trusts(old->parts);
    ph_part_release(&old->parts->policy);
    ph_part_release(&old->parts->deny);
    ph_watch_fini(old->watch);
    free(old);
    *state = NULL;
}

/* ---- questions ---- */

bool ph_state_changed(struct ph_state *state)
{
    return ph_watch_look(state->watch);
}

void ph_state_forget_stamps(struct ph_state *state)
{
    ph_watch_forget(state->watch);
    ph_watch_forget(&state->parts->policy->files);
    ph_watch_forget(&state->parts->deny->files);
    for (size_t i = 0; i < state->policy->anchor_count; i++) {
        ph_watch_forget(&state->parts->trusts[i]->files);
    }
}

bool ph_state_same(const struct ph_state *a, const struct ph_state *b)
{
    bool same = a->policy == b->policy && a->deny == b->deny;
    for (size_t i = 0; same && i < a->policy->anchor_count; i++) {
        same = a->trusts[i] == b->trusts[i];
    }
    return same;
}

const struct ph_trust *ph_state_trust(const struct ph_state *state, const char *anchor)
{
    size_t index = 0;
    return find_anchor(state, anchor, &index) ? state->trusts[index] : NULL;
}
