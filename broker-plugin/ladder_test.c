/* [PLG-23] */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "broker-plugin/ladder.h"

#define HOUR_MS  INT64_C(3600000)
#define START_MS INT64_C(1790000000000)

/* The CRLs that the anchors are said to have (linker option --wrap). */
static struct ph_crl_life lives[3];
static size_t life_count;
size_t wrap_count(const struct ph_trust *trust) __asm__("__wrap_ph_trust_crl_count");
struct ph_crl_life wrap_life(const struct ph_trust *trust, size_t index) __asm__(
    "__wrap_ph_trust_crl_life");

size_t wrap_count(const struct ph_trust *trust)
{
    (void)trust;
    return life_count;
}

struct ph_crl_life wrap_life(const struct ph_trust *trust, size_t index)
{
    (void)trust;
    return lives[index];
}

static char anchor_name[] = "devices";
static struct ph_anchor anchor = {.name = anchor_name};
static const struct ph_policy policy = {.anchors = &anchor, .anchor_count = 1};
static const struct ph_trust *no_trust;
static const struct ph_state in_force = {.policy = &policy, .trusts = &no_trust};

static char told[4096];

static void hear(void *context, const struct ph_ladder_step *step)
{
    size_t len = strlen(told);
    assert_ptr_equal(context, told);
    (void)snprintf(told + len, sizeof told - len, "%s %s %d\n", step->anchor, step->life->issuer,
        (int)step->stage);
}

static const char *look(struct ph_ladder *ladder, int64_t now_ms)
{
    told[0] = '\0';
    ph_ladder_look(ladder, &in_force, now_ms, hear, told);
    return told;
}

/* A week from START_MS, a grace of a day. */
static struct ph_crl_life week(const char *issuer)
{
    return (struct ph_crl_life){.issuer = issuer,
        .number = "1",
        .this_update_ms = START_MS,
        .next_update_ms = START_MS + 168 * HOUR_MS,
        .grace_ms = 24 * HOUR_MS};
}

static struct ph_ladder *new_ladder(void)
{
    struct ph_ladder *ladder = ph_ladder_new();
    assert_non_null(ladder);
    return ladder;
}

static void tells_each_step_once_and_what_calls_for_an_act_every_hour(void **state)
{
    (void)state;
    struct ph_ladder *ladder = new_ladder();
    lives[0] = week("CN=a");
    life_count = 1;
    assert_string_equal(look(ladder, START_MS), "");
    assert_string_equal(look(ladder, START_MS + 125 * HOUR_MS), "");
    assert_string_equal(look(ladder, START_MS + 127 * HOUR_MS), "devices CN=a 1\n");
    assert_string_equal(look(ladder, START_MS + 167 * HOUR_MS), "");
    int64_t end_ms = START_MS + 168 * HOUR_MS;
    assert_string_equal(look(ladder, end_ms + 1000), "devices CN=a 2\n");
    assert_string_equal(look(ladder, end_ms + HOUR_MS), "");
    assert_string_equal(look(ladder, end_ms + HOUR_MS + 1000), "devices CN=a 2\n");
    assert_string_equal(look(ladder, end_ms + HOUR_MS + 2000), "");
    assert_string_equal(look(ladder, end_ms + 24 * HOUR_MS + 1000), "devices CN=a 3\n");
    assert_string_equal(look(ladder, end_ms + 24 * HOUR_MS + 2000), "");
    assert_string_equal(look(ladder, end_ms + 25 * HOUR_MS + 1000), "devices CN=a 3\n");
    lives[0].next_update_ms += 336 * HOUR_MS;
    lives[0].this_update_ms = end_ms + 25 * HOUR_MS;
    assert_string_equal(look(ladder, end_ms + 25 * HOUR_MS + 2000), "devices CN=a 0\n");
    assert_string_equal(look(ladder, end_ms + 26 * HOUR_MS + 2000), "");
    ph_ladder_free(&ladder);
    assert_null(ladder);
    ph_ladder_free(&ladder);
}

static void begins_where_a_crl_stands(void **state)
{
    (void)state;
    struct ph_ladder *ladder = new_ladder();
    lives[0] = week("CN=a");
    lives[1] = week("CN=b");
    lives[1].next_update_ms -= 100 * HOUR_MS;
    life_count = 2;
    assert_string_equal(look(ladder, START_MS + 67 * HOUR_MS), "devices CN=b 1\n");
    assert_string_equal(look(ladder, START_MS + 127 * HOUR_MS), "devices CN=a 1\ndevices CN=b 3\n");
    ph_ladder_free(&ladder);
}

/* A CA that changes its key has two CRLs for a while. */
static void tells_cas_of_one_name_apart(void **state)
{
    (void)state;
    struct ph_ladder *ladder = new_ladder();
    lives[0] = week("CN=a");
    lives[1] = week("CN=b");
    lives[2] = week("CN=a");
    lives[2].this_update_ms += 100 * HOUR_MS;
    lives[2].next_update_ms += 100 * HOUR_MS;
    life_count = 3;
    assert_string_equal(look(ladder, START_MS + 127 * HOUR_MS), "devices CN=a 1\ndevices CN=b 1\n");
    assert_string_equal(look(ladder, START_MS + 127 * HOUR_MS + 1000), "");
    assert_string_equal(look(ladder, START_MS + 127 * HOUR_MS + 2000), "");
    ph_ladder_free(&ladder);
}

/* The next reminder does not wait for a time that a wrong clock once showed. */
static void reminds_although_the_clock_was_set_back(void **state)
{
    (void)state;
    struct ph_ladder *ladder = new_ladder();
    lives[0] = week("CN=a");
    life_count = 1;
    assert_string_equal(look(ladder, START_MS + 9000 * HOUR_MS), "devices CN=a 3\n");
    assert_string_equal(look(ladder, START_MS + 300 * HOUR_MS), "devices CN=a 3\n");
    assert_string_equal(look(ladder, START_MS + 301 * HOUR_MS), "devices CN=a 3\n");
    assert_string_equal(look(ladder, START_MS + 301 * HOUR_MS + 1000), "");
    ph_ladder_free(&ladder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_each_step_once_and_what_calls_for_an_act_every_hour),
        cmocka_unit_test(begins_where_a_crl_stands),
        cmocka_unit_test(tells_cas_of_one_name_apart),
        cmocka_unit_test(reminds_although_the_clock_was_set_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
