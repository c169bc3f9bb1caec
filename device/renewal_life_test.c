/* ph.device.renewal_life: docs/spec/enrolment.md, whole lives of devices with everything that can
 * go wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "device/renewal.h"

#define SECOND INT64_C(1000)
#define HOUR   (3600 * SECOND)
#define DAY    (24 * HOUR)

#define BIRTH INT64_C(1790000000000) /* unix, at monotonic 0 */
#define LIFE  (90 * DAY)

#define STATE_ID   "00000000000000000000000000000001"
#define REQUEST_ID "00000000000000000000000000000002"

static const struct ph_renewal_options options = {
    .enabled = true,
    .at = 2.0 / 3,
    .jitter = 0.05,
    .retry_min_ms = 60 * SECOND,
    .retry_max_ms = INT64_C(16) * 60 * SECOND,
    .answer_ms = 30 * SECOND,
    .state_interval_ms = 6 * HOUR,
    .trials = 3,
    .seed = 7,
};

/* A device, its broker and its registrar, by the second; everything that can go wrong does. */
struct world {
    struct ph_rng rng;
    struct ph_renewal renewal;
    int64_t now;
    int64_t born; /* monotonic: of the current certificate */
    int64_t next_born;
    bool have_next;
    bool next_bad;    /* the broker refuses the next pair */
    bool current_bad; /* the same of the current one */
    bool network;
    bool disk;
    int suspected; /* trials that came to nothing while the current pair then connected */
    bool suspect;
    int64_t last_request;
    int64_t last_try;
    int renewals;
    int drops;
};

static bool chance(struct world *world, double share)
{
    return ph_rng_uniform(&world->rng) < share;
}

static struct ph_moment moment(const struct world *world)
{
    return (struct ph_moment){.monotonic_ms = world->now,
        .boot_ms = world->now,
        .unix_ms = BIRTH + world->now,
        .known = true};
}

static void restart(struct world *world)
{
    ph_renewal_init(&world->renewal, &options);
    ph_renewal_use(
        &world->renewal, BIRTH + world->born, BIRTH + world->born + LIFE, world->have_next);
    world->suspect = false;
    world->suspected = 0;
    world->last_try = INT64_MIN / 2;
    world->last_request = INT64_MIN / 2;
}

static void network(struct world *world)
{
    struct ph_moment now = moment(world);
    struct ph_renewal *renewal = &world->renewal;
    bool expired = !renewal->on_next && world->now > world->born + LIFE;
    bool good =
        world->network && !expired && !(renewal->on_next ? world->next_bad : world->current_bad);
    if (!good || (renewal->connected && chance(world, 0.001))) {
        ph_renewal_disconnected(renewal, &now);
    } else if (!renewal->connected) {
        if (!renewal->on_next && world->suspect) {
            world->suspected++;
            world->suspect = false;
        }
        ph_renewal_connected(renewal, &now);
    }
}

static void send(struct world *world, enum ph_ask_type type, const char *id)
{
    struct ph_moment now = moment(world);
    struct ph_ask ask = {.type = type};
    memcpy(ask.id, id, sizeof ask.id);
    ph_renewal_sent(&world->renewal, &ask, &now);
}

static void answer(struct world *world, enum ph_answer_type type, const char *id, int64_t retry_s)
{
    struct ph_moment now = moment(world);
    struct ph_answer message = {.type = type, .retry_s = retry_s};
    memcpy(message.id, id, sizeof message.id);
    assert_true(ph_renewal_answer(&world->renewal, &message, &now));
}

static void request(struct world *world)
{
    struct ph_moment now = moment(world);
    struct ph_renewal *renewal = &world->renewal;
    assert_true(renewal->connected && !world->have_next);
    assert_true(world->now - world->last_request >= options.retry_min_ms);
    world->last_request = world->now;
    if (!world->disk) {
        ph_renewal_failed(renewal, PH_RENEWAL_REQUEST, &now);
        return;
    }
    send(world, PH_ASK_RENEW, REQUEST_ID);
    if (chance(world, 0.3)) {
        return; /* lost on the way */
    }
    if (chance(world, 0.2)) {
        answer(world, PH_ANSWER_WAIT, REQUEST_ID, 100);
        return;
    }
    answer(world, PH_ANSWER_CERTIFICATE, REQUEST_ID, 0);
    world->have_next = true;
    world->next_born = world->now;
    world->next_bad = chance(world, 0.3);
    world->suspected = 0;
    ph_renewal_stored(renewal, &now);
}

static void begin_trial(struct world *world)
{
    struct ph_moment now = moment(world);
    assert_true(world->have_next);
    assert_true(
        world->now - world->last_try >= options.retry_min_ms || world->last_try < world->next_born);
    world->last_try = world->now;
    ph_renewal_on(&world->renewal, true, &now);
}

static void promote(struct world *world)
{
    struct ph_moment now = moment(world);
    assert_true(world->renewal.on_next && !world->next_bad);
    if (!world->disk) {
        ph_renewal_failed(&world->renewal, PH_RENEWAL_PROMOTE, &now);
        return;
    }
    world->born = world->next_born;
    world->have_next = false;
    world->current_bad = false;
    world->suspect = false;
    world->renewals++;
    ph_renewal_use(&world->renewal, BIRTH + world->born, BIRTH + world->born + LIFE, false);
}

static void drop(struct world *world)
{
    assert_true(world->suspected >= options.trials);
    world->have_next = false;
    world->suspected = 0;
    world->drops++;
    ph_renewal_use(&world->renewal, BIRTH + world->born, BIRTH + world->born + LIFE, false);
}

static void step(struct world *world)
{
    struct ph_moment now = moment(world);
    struct ph_renewal *renewal = &world->renewal;
    switch (ph_renewal_next(renewal, &now)) {
    case PH_RENEWAL_STATE:
        assert_true(renewal->connected && !renewal->on_next);
        send(world, PH_ASK_STATE, STATE_ID);
        if (chance(world, 0.8)) {
            answer(world, PH_ANSWER_STATE, STATE_ID, 0);
        }
        break;
    case PH_RENEWAL_REQUEST:
        request(world);
        break;
    case PH_RENEWAL_TRY:
        begin_trial(world);
        break;
    case PH_RENEWAL_BACK:
        world->suspect = true;
        ph_renewal_on(renewal, false, &now);
        break;
    case PH_RENEWAL_PROMOTE:
        promote(world);
        break;
    case PH_RENEWAL_DROP:
        drop(world);
        break;
    default:
        break;
    }
}

/* A while in which things break and mend. */
static void live_on(struct world *world)
{
    bool busy = world->have_next || world->now > world->born + 50 * DAY;
    world->now += busy ? 10 * SECOND : HOUR;
    if (chance(world, 0.002)) {
        world->network = !world->network || chance(world, 0.5);
    } else if (!world->network && chance(world, 0.01)) {
        world->network = true;
    }
    world->disk = world->disk ? !chance(world, 0.0002) : chance(world, 0.01);
    if (chance(world, 0.0002)) {
        restart(world);
    }
    network(world);
    step(world);
    assert_true(world->now < world->born + LIFE || world->have_next);
}

/* [RENEW-7] [RENEW-13] [RENEW-14] [RENEW-15] Whatever is lost, killed or refused: it never drops a
 * pair that was not shown to be at fault, asks and tries at no faster pace than it was told, and
 * always has a good certificate again. */
static void a_life_full_of_trouble(void **state)
{
    (void)state;
    int renewals = 0;
    int drops = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct world world = {.rng = {seed}, .network = true, .disk = true};
        restart(&world);
        while (world.now < 500 * DAY) {
            live_on(&world);
            assert_true(world.now <= world.born + 70 * DAY); /* ten days after it was due */
        }
        renewals += world.renewals;
        drops += world.drops;
    }
    assert_true(renewals > 40 * 6);
    assert_true(drops > 10);
}

/* [RENEW-14] Neither pair works for a while, in every combination: the one that comes to work is
 * found within a few turns. */
static void whichever_pair_works_is_found(void **state)
{
    (void)state;
    for (unsigned which = 1; which <= 3; which++) {
        for (uint64_t seed = 1; seed <= 50; seed++) {
            struct world world = {.rng = {seed},
                .network = true,
                .disk = true,
                .have_next = true,
                .next_bad = true,
                .current_bad = true};
            restart(&world);
            for (; world.now < DAY; world.now += SECOND) { /* nothing works */
                network(&world);
                step(&world);
            }
            assert_true(world.have_next && world.drops == 0);
            world.current_bad = (which & 1U) == 0;
            world.next_bad = (which & 2U) == 0;
            int64_t until = world.now + INT64_C(17) * 60 * SECOND;
            for (; world.now < until && !world.renewal.connected; world.now += SECOND) {
                network(&world);
                step(&world);
            }
            assert_true(world.renewal.connected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_life_full_of_trouble),
        cmocka_unit_test(whichever_pair_works_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
