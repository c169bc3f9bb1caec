#include "device/renewal.h"

#include <string.h>

enum { TURNS_MAX = 3 }; /* doublings of the wait while neither pair connects */

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Uniform from `from` to `to`. */
static int64_t draw(struct ph_rng *rng, int64_t from, int64_t to)
{
    return to > from ? from + (int64_t)(ph_rng_uniform(rng) * (double)(to - from + 1)) : from;
}

static void back_off(
    struct ph_renewal *renewal, struct ph_renewal_wait *wait, const struct ph_moment *now)
{
    const struct ph_renewal_options *options = &renewal->options;
    int64_t before = wait->step_ms == 0 ? options->retry_min_ms : wait->step_ms;
    wait->step_ms = smaller(before * 2, options->retry_max_ms);
    int64_t from = wait->step_ms / 2;
    from = from < options->retry_min_ms ? options->retry_min_ms : from;
    wait->until_ms = now->monotonic_ms + draw(&renewal->rng, from, wait->step_ms);
}

/* When something that has failed `times` in a row before may be done again. */
static int64_t pause_until(struct ph_renewal *renewal, int times, const struct ph_moment *now)
{
    struct ph_renewal_wait wait = {0};
    do {
        back_off(renewal, &wait, now);
    } while (times-- > 0);
    return wait.until_ms;
}

static bool may(
    const struct ph_renewal *renewal, enum ph_renewal_step step, const struct ph_moment *now)
{
    return now->monotonic_ms >= renewal->waits[step].until_ms;
}

void ph_renewal_init(struct ph_renewal *renewal, const struct ph_renewal_options *options)
{
    *renewal = (struct ph_renewal){.options = *options, .rng = {options->seed}};
}

/* One certificate has one moment, also after a restart: a device that restarts often would else
 * draw until it has an early one. */
static int64_t due_by_options(
    const struct ph_renewal_options *options, int64_t not_before_ms, int64_t not_after_ms)
{
    struct ph_rng rng = {options->seed ^ (uint64_t)not_before_ms};
    double share = options->at + options->jitter * (2 * ph_rng_uniform(&rng) - 1);
    return not_before_ms + (int64_t)((double)(not_after_ms - not_before_ms) * share);
}

void ph_renewal_use(
    struct ph_renewal *renewal, int64_t not_before_ms, int64_t not_after_ms, bool have_next)
{
    int64_t due_ms = renewal->proven ? renewal->granted_ms : 0;
    if (due_ms == 0) {
        due_ms = due_by_options(&renewal->options, not_before_ms, not_after_ms);
    }
    renewal->due_ms = smaller(due_ms, not_after_ms);
    renewal->not_after_ms = not_after_ms;
    renewal->have_next = have_next;
    renewal->on_next = false;
    renewal->proven = false;
    renewal->broken = false;
    renewal->suspect = false;
    renewal->failures = 0;
    renewal->state_id[0] = '\0';
    for (int step = 0; step < PH_RENEWAL_STEPS; step++) {
        if (step != PH_RENEWAL_REQUEST) {
            renewal->waits[step] = (struct ph_renewal_wait){0};
        }
    }
}

/* ---- what to do ---- */

static enum ph_renewal_step next_on_trial(
    const struct ph_renewal *renewal, const struct ph_moment *now)
{
    if (renewal->proven && may(renewal, PH_RENEWAL_PROMOTE, now)) {
        return PH_RENEWAL_PROMOTE;
    }
    bool over = renewal->broken || now->monotonic_ms >= renewal->trial_ms;
    return !renewal->connected && over && may(renewal, PH_RENEWAL_BACK, now) ? PH_RENEWAL_BACK
                                                                             : PH_RENEWAL_REST;
}

static enum ph_renewal_step next_connected(
    const struct ph_renewal *renewal, const struct ph_moment *now)
{
    if (may(renewal, PH_RENEWAL_STATE, now)) {
        return PH_RENEWAL_STATE;
    }
    bool due = now->known && now->unix_ms >= renewal->due_ms;
    return due && !renewal->have_next && may(renewal, PH_RENEWAL_REQUEST, now) ? PH_RENEWAL_REQUEST
                                                                               : PH_RENEWAL_REST;
}

enum ph_renewal_step ph_renewal_next(const struct ph_renewal *renewal, const struct ph_moment *now)
{
    if (!renewal->options.enabled) {
        return PH_RENEWAL_REST;
    }
    if (renewal->on_next) {
        return next_on_trial(renewal, now);
    }
    bool hopeless = renewal->failures >= renewal->options.trials;
    enum ph_renewal_step step = hopeless ? PH_RENEWAL_DROP : PH_RENEWAL_TRY;
    if (renewal->have_next && may(renewal, step, now)) {
        return step;
    }
    return renewal->connected ? next_connected(renewal, now) : PH_RENEWAL_REST;
}

/* ---- what came of it ---- */

void ph_renewal_on(struct ph_renewal *renewal, bool next, const struct ph_moment *now)
{
    renewal->on_next = next;
    renewal->connected = false;
    renewal->proven = false;
    renewal->broken = false;
    renewal->suspect = !next;
    renewal->trial_ms = now->monotonic_ms + renewal->options.answer_ms;
    if (!next) { /* the current pair has its turn */
        renewal->waits[PH_RENEWAL_TRY].until_ms = pause_until(renewal, renewal->turns, now);
        renewal->turns += renewal->turns < TURNS_MAX;
    }
}

/* The current pair connects, so it was not the network that the trial failed by. */
static void count_failure(struct ph_renewal *renewal, const struct ph_moment *now)
{
    renewal->suspect = false;
    renewal->failures++;
    back_off(renewal, &renewal->waits[PH_RENEWAL_TRY], now);
    if (renewal->failures >= renewal->options.trials) {
        back_off(renewal, &renewal->waits[PH_RENEWAL_REQUEST], now);
    }
}

void ph_renewal_connected(struct ph_renewal *renewal, const struct ph_moment *now)
{
    renewal->connected = true;
    renewal->turns = 0;
    renewal->broken = false;
    renewal->proven = renewal->on_next;
    renewal->waits[PH_RENEWAL_STATE] = (struct ph_renewal_wait){0};
    if (!renewal->on_next && renewal->suspect) {
        count_failure(renewal, now);
    }
}

void ph_renewal_disconnected(struct ph_renewal *renewal, const struct ph_moment *now)
{
    if (renewal->connected) {
        renewal->trial_ms = now->monotonic_ms + renewal->options.answer_ms;
    } else {
        renewal->broken = renewal->on_next;
    }
    renewal->connected = false;
}

void ph_renewal_sent(
    struct ph_renewal *renewal, const struct ph_ask *ask, const struct ph_moment *now)
{
    bool state = ask->type == PH_ASK_STATE;
    char *id = state ? renewal->state_id : renewal->request_id;
    struct ph_renewal_wait *wait = &renewal->waits[state ? PH_RENEWAL_STATE : PH_RENEWAL_REQUEST];
    memcpy(id, ask->id, PH_ASK_ID_BYTES);
    back_off(renewal, wait, now);
    wait->until_ms += renewal->options.answer_ms;
}

/* A connection resets the wait for the state: what a former one asked is no longer expected. */
bool ph_renewal_unanswered(const struct ph_renewal *renewal, enum ph_renewal_step step)
{
    const char *id = step == PH_RENEWAL_STATE ? renewal->state_id : renewal->request_id;
    return id[0] != '\0' && renewal->waits[step].step_ms > 0;
}

void ph_renewal_failed(
    struct ph_renewal *renewal, enum ph_renewal_step step, const struct ph_moment *now)
{
    back_off(renewal, &renewal->waits[step], now);
}

void ph_renewal_stored(struct ph_renewal *renewal, const struct ph_moment *now)
{
    renewal->have_next = true;
    renewal->failures = 0;
    renewal->suspect = false;
    renewal->waits[PH_RENEWAL_TRY] = (struct ph_renewal_wait){0};
    renewal->waits[PH_RENEWAL_REQUEST] =
        (struct ph_renewal_wait){.until_ms = pause_until(renewal, 0, now)};
}

/* ---- answers ---- */

/* Whether the answer is to what this id names: it then is under way no longer. */
static bool take(char id[PH_ASK_ID_BYTES], const struct ph_answer *answer)
{
    if (id[0] == '\0' || strcmp(id, answer->id) != 0) {
        return false;
    }
    id[0] = '\0';
    return true;
}

static void take_state(
    struct ph_renewal *renewal, const struct ph_answer *answer, const struct ph_moment *now)
{
    int64_t interval = renewal->options.state_interval_ms;
    renewal->waits[PH_RENEWAL_STATE] = (struct ph_renewal_wait){
        .until_ms = now->monotonic_ms +
                    draw(&renewal->rng, interval - interval / 10, interval + interval / 10)};
    if (answer->renew_ms > 0) {
        renewal->due_ms = smaller(answer->renew_ms, renewal->not_after_ms);
    }
}

/* Later than was said, by up to the shortest back-off: others were told the same. */
static void take_refusal(struct ph_renewal *renewal, enum ph_renewal_step step,
    const struct ph_answer *answer, const struct ph_moment *now)
{
    renewal->waits[step] =
        (struct ph_renewal_wait){.until_ms = now->monotonic_ms + answer->retry_s * 1000 +
                                             draw(&renewal->rng, 0, renewal->options.retry_min_ms)};
}

bool ph_renewal_answer(
    struct ph_renewal *renewal, const struct ph_answer *answer, const struct ph_moment *now)
{
    switch (answer->type) {
    case PH_ANSWER_STATE:
        if (take(renewal->state_id, answer)) {
            take_state(renewal, answer, now);
            return true;
        }
        return false;
    case PH_ANSWER_CERTIFICATE:
        if (take(renewal->request_id, answer)) {
            renewal->granted_ms = answer->renew_ms;
            return true;
        }
        return false;
    case PH_ANSWER_WAIT:
    case PH_ANSWER_REFUSED:
        if (take(renewal->request_id, answer)) {
            take_refusal(renewal, PH_RENEWAL_REQUEST, answer, now);
            return true;
        }
        if (take(renewal->state_id, answer)) {
            take_refusal(renewal, PH_RENEWAL_STATE, answer, now);
            return true;
        }
        return false;
    case PH_ANSWER_TIME:
        return false;
    }
    return false;
}
