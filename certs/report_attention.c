#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "certs/authority_trust.h"
#include "certs/claims.h"
#include "certs/commands.h"
#include "certs/report_parts.h"

enum { LATE_SHOWN = 10 };
#define YEAR_MS        (365 * PH_DAY_MS)
#define CLAIM_SOON_MS  (30 * PH_DAY_MS)
#define DAY_TEXT_BYTES sizeof "2026-11-22"

static const char *day(char out[PH_UTC_BYTES], int64_t ms)
{
    ph_utc_print(out, ms);
    out[DAY_TEXT_BYTES - 1] = '\0';
    return out;
}

/* ---- CAs and their CRLs ---- */

static enum ph_err look_at_crl(
    struct ph_report_work *work, struct ph_report_ca *ca, struct ph_error *error)
{
    struct ph_report *report = work->report;
    const char *name = ca->authority.name;
    struct ph_trust *trust = NULL;
    struct ph_error why = {0};
    char when[PH_UTC_BYTES];
    if (ph_authority_trust_load(ph_ca_dir(work->ca), &ca->authority, true, &trust, &why) != PH_OK) {
        return ph_report_note(report, error, "crl", "%s: its CRL cannot be read: %s; run ph-ca crl",
            name, why.message);
    }
    const struct ph_crl_life life = ph_trust_crl_life(trust, 0);
    enum ph_crl_stage stage = ph_crl_stage(&life, work->options->now_ms);
    ca->crl_next_update_ms = life.next_update_ms;
    ph_trust_free(&trust);
    if (life.this_update_ms > work->options->now_ms) {
        ph_utc_print(when, life.this_update_ms);
        return ph_report_note(report, error, "crl",
            "%s: its CRL starts at %s, nobody enters by it before: set the clock, then run ph-ca "
            "crl%s",
            name, when, ca->authority.role == PH_ROOT ? " with the root's key" : "");
    }
    if (stage == PH_CRL_FRESH) {
        return PH_OK;
    }
    ph_utc_print(when, ca->crl_next_update_ms);
    return ph_report_note(report, error, "crl", "%s: its CRL %s %s: run ph-ca crl%s", name,
        stage == PH_CRL_AGEING ? "ends soon, at" : "has ended, nobody enters by it since", when,
        ca->authority.role == PH_ROOT ? " with the root's key" : "");
}

static enum ph_err look_at_due(
    struct ph_report_work *work, const struct ph_report_ca *ca, struct ph_error *error)
{
    bool due = false;
    enum ph_err err =
        ph_inventory_crl_due(ph_ca_inventory(work->ca), ca->authority.name, &due, error);
    return err != PH_OK || !due ? err
                                : ph_report_note(work->report, error, "crl",
                                      "%s: has revocations that are on no CRL yet: run ph-ca crl%s",
                                      ca->authority.name,
                                      ca->authority.role == PH_ROOT ? " with the root's key" : "");
}

static enum ph_err look_at_end(
    struct ph_report_work *work, const struct ph_report_ca *ca, struct ph_error *error)
{
    const struct ph_authority *authority = &ca->authority;
    char when[PH_UTC_BYTES];
    bool ending = authority->not_after_ms - work->options->now_ms <= YEAR_MS;
    if (!ending || authority->state != PH_AUTHORITY_ACTIVE) {
        return PH_OK;
    }
    return ph_report_note(work->report, error, "authority",
        "%s: %s %s: roll it over (ph-ca rollover begin)", authority->name,
        authority->not_after_ms < work->options->now_ms ? "has ended" : "ends",
        day(when, authority->not_after_ms));
}

static enum ph_err look_at_revoked(
    struct ph_report_work *work, const struct ph_report_ca *ca, struct ph_error *error)
{
    const struct ph_authority *authority = &ca->authority;
    return !authority->revoked || authority->state != PH_AUTHORITY_ACTIVE
               ? PH_OK
               : ph_report_note(work->report, error, "authority",
                     "%s: is revoked and issues no more: roll it over (ph-ca rollover begin)",
                     authority->name);
}

static enum ph_err look_at_rollover(
    struct ph_report_work *work, const struct ph_report_ca *ca, struct ph_error *error)
{
    const struct ph_authority *authority = &ca->authority;
    struct ph_rollover_progress progress;
    if (authority->state != PH_AUTHORITY_ACTIVE) {
        return PH_OK;
    }
    enum ph_err err = ph_rollover_progress(ph_ca_inventory(work->ca), authority->role,
        authority->tenant, work->options->now_ms, &progress, error);
    if (err != PH_OK || progress.to[0] == '\0') {
        return err;
    }
    return ph_report_note(work->report, error, "rollover",
        "%s to %s: %s; %" PRId64 " certificates left, %" PRId64 " moved; %" PRId64 " of %" PRId64
        " devices hold the newest CAs (ph-ca rollover status)",
        progress.from, progress.to,
        progress.to_state == PH_AUTHORITY_NEXT ? "begun, not activated" : "activated, not finished",
        progress.left, progress.moved, progress.devices_trust, progress.devices);
}

static enum ph_err look_at_cas(struct ph_report_work *work, struct ph_error *error)
{
    static enum ph_err (*const looks[])(struct ph_report_work *, const struct ph_report_ca *,
        struct ph_error *) = {look_at_due, look_at_end, look_at_revoked, look_at_rollover};
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < work->report->ca_count; i++) {
        struct ph_report_ca *ca = &work->report->cas[i];
        if (ca->authority.state == PH_AUTHORITY_RETIRED) {
            continue;
        }
        err = look_at_crl(work, ca, error);
        for (size_t k = 0; err == PH_OK && k < sizeof looks / sizeof looks[0]; k++) {
            err = looks[k](work, ca, error);
        }
    }
    return err;
}

/* ---- renewals ---- */

static bool is_late(const struct ph_report_work *work, const struct ph_report_leaf *leaf)
{
    double life_ms = (double)(leaf->not_after_ms - leaf->not_before_ms);
    double age_ms = (double)(work->options->now_ms - leaf->not_before_ms);
    return strcmp(leaf->type, "claim") != 0 &&
           age_ms * 100 > life_ms * (double)work->options->due_percent;
}

/* Those that end first, in that order. */
struct late {
    struct ph_report_leaf leaves[LATE_SHOWN];
    size_t shown;
    int64_t count;
};

static void keep_late(struct late *late, const struct ph_report_leaf *leaf)
{
    size_t place = late->shown;
    late->count++;
    while (place > 0 && late->leaves[place - 1].not_after_ms > leaf->not_after_ms) {
        place--;
    }
    if (place == LATE_SHOWN) {
        return;
    }
    late->shown += late->shown < LATE_SHOWN ? 1 : 0;
    memmove(&late->leaves[place + 1], &late->leaves[place],
        (late->shown - place - 1) * sizeof late->leaves[0]);
    late->leaves[place] = *leaf;
}

static enum ph_err note_late(
    struct ph_report_work *work, const struct ph_report_leaf *leaf, struct ph_error *error)
{
    char when[PH_UTC_BYTES];
    return ph_report_note(work->report, error, "renewal", "%s %s: not renewed, ends %s%s",
        leaf->type, leaf->holder, day(when, leaf->not_after_ms),
        strcmp(leaf->type, "device") == 0 ? "" : ": issue it anew");
}

static void find_late(struct ph_report_work *work, struct late *late)
{
    struct ph_report_leaf *leaf = NULL;
    while ((leaf = ph_map_oldest(work->leaves)) != NULL) {
        char key[PH_INVENTORY_WORD_BYTES + 1 + PH_IDENTITY_BYTES];
        (void)snprintf(key, sizeof key, "%s %s", leaf->type, leaf->holder);
        (void)ph_map_remove(work->leaves, key, strlen(key));
        if (is_late(work, leaf)) {
            keep_late(late, leaf);
        }
        free(leaf);
    }
}

static enum ph_err look_at_leaves(struct ph_report_work *work, struct ph_error *error)
{
    struct late late = {0};
    enum ph_err err = PH_OK;
    find_late(work, &late);
    for (size_t i = 0; err == PH_OK && i < late.shown; i++) {
        err = note_late(work, &late.leaves[i], error);
    }
    return err == PH_OK && late.count > LATE_SHOWN
               ? ph_report_note(work->report, error, "renewal",
                     "%" PRId64 " more were not renewed: ph-ca list --expiring-within DAYS",
                     late.count - LATE_SHOWN)
               : err;
}

/* ---- enrolment ---- */

struct waiting {
    int64_t count;
    int64_t oldest_ms;
};

static enum ph_err count_request(
    const struct ph_enrolment *request, void *context, struct ph_error *error)
{
    (void)error;
    struct waiting *waiting = context;
    if (waiting->count == 0 || request->received_ms < waiting->oldest_ms) {
        waiting->oldest_ms = request->received_ms;
    }
    waiting->count++;
    return PH_OK;
}

static enum ph_err look_at_requests(struct ph_report_work *work, struct ph_error *error)
{
    struct waiting waiting = {0};
    char since[PH_UTC_BYTES];
    enum ph_err err =
        ph_enrolment_each(ph_ca_inventory(work->ca), true, count_request, &waiting, error);
    return err != PH_OK || waiting.count == 0
               ? err
               : ph_report_note(work->report, error, "request",
                     "%" PRId64 " device%s for approval, the first since %s: ph-ca requests",
                     waiting.count, waiting.count == 1 ? " waits" : "s wait",
                     day(since, waiting.oldest_ms));
}

static enum ph_err look_at_claim(
    const struct ph_claim *claim, void *context, struct ph_error *error)
{
    struct ph_report_work *work = context;
    int64_t left_ms = claim->expires_ms - work->options->now_ms;
    char when[PH_UTC_BYTES];
    bool open = claim->revoked_ms == 0 && claim->used < claim->limit && left_ms >= 0;
    return !open || left_ms > CLAIM_SOON_MS
               ? PH_OK
               : ph_report_note(work->report, error, "claim",
                     "%s/%s: expires %s with %" PRId64 " of %" PRId64 " devices not enrolled",
                     claim->tenant, claim->name, day(when, claim->expires_ms),
                     claim->limit - claim->used, claim->limit);
}

enum ph_err ph_report_attend(struct ph_report_work *work, struct ph_error *error)
{
    enum ph_err err = look_at_cas(work, error);
    if (err == PH_OK) {
        err = look_at_leaves(work, error);
    }
    if (err == PH_OK) {
        err = look_at_requests(work, error);
    }
    if (err == PH_OK) {
        err = ph_claim_each(ph_ca_inventory(work->ca), look_at_claim, work, error);
    }
    if (err == PH_OK && work->held > 0) {
        err = ph_report_note(work->report, error, "hold",
            "%" PRId64
            " certificates are on hold: ph-ca list --state held, then unrevoke or revoke",
            work->held);
    }
    return err;
}
