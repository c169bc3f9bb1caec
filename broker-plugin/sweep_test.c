/* [PLG-28], [PLG-30] */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker-plugin/broker_inside.h"
#include "broker-plugin/fleet_fixture.h"

enum { ONE, TWO, THREE, FOUR, FIVE, SIX, DEVICES };

static struct fleet fleet;
static struct fleet_device devices[DEVICES];

static int set_up(void **state)
{
    (void)state;
    fleet_init(&fleet);
    fleet_open(&fleet);
    for (int i = 0; i < DEVICES; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "t-%d", i + 1);
        fleet_issue(
            &fleet, &devices[i], FLEET_DEVICES, "acme", name, FLEET_NOW_MS + 30 * FLEET_DAY_MS);
        assert_int_equal(fleet_connect(&fleet, &devices[i]), PH_ADMIT);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < DEVICES; i++) {
        fleet_device_fini(&devices[i]);
    }
    fleet_fini(&fleet);
    return 0;
}

static bool kicked(int device)
{
    char line[PH_USER_NAME_BYTES + 8];
    (void)snprintf(line, sizeof line, "kick %s\n", devices[device].user_name);
    return fleet_told(&fleet, line);
}

static bool may(int device)
{
    return fleet_may(&fleet, &devices[device], PH_ACCESS_READ, "all/news");
}

/* [PLG-28] its connection would have been ended with the next turn; the broker has ended it for the
 * new one */
static void does_not_kick_the_one_that_came_instead(void **state)
{
    (void)state;
    struct fleet_device renewed;
    struct fleet_device next;
    fleet_issue(&fleet, &renewed, FLEET_DEVICES, "acme", "t-1", FLEET_NOW_MS + 30 * FLEET_DAY_MS);
    fleet_issue(&fleet, &next, FLEET_DEVICES, "acme", "t-2", FLEET_NOW_MS + 30 * FLEET_DAY_MS);
    /* three in the queue; the state is swapped in behind the tick, so that nothing serves it */
    for (int i = ONE; i <= THREE; i++) {
        struct ph_session *session =
            ph_sessions_by_name(fleet.broker->sessions, devices[i].user_name);
        assert_non_null(session);
        session->cut = PH_REASON_REVOKED;
        ph_cutoff_queue(fleet.broker, session, session->role, PH_REASON_REVOKED);
    }
    assert_int_equal(fleet_connect(&fleet, &next), PH_ADMIT);    /* from the middle */
    assert_int_equal(fleet_connect(&fleet, &renewed), PH_ADMIT); /* from the front */
    fleet_tick(&fleet, 0);
    assert_int_equal(fleet.kicks, 1);
    assert_true(kicked(THREE));
    assert_true(fleet_may(&fleet, &renewed, PH_ACCESS_WRITE, "d/acme/t-1/telemetry"));
    assert_true(fleet_may(&fleet, &next, PH_ACCESS_WRITE, "d/acme/t-2/telemetry"));
    /* the end of the queue is where it was: two again, and the last is taken out */
    ph_cutoff_queue(fleet.broker,
        ph_sessions_by_name(fleet.broker->sessions, devices[FOUR].user_name), NULL,
        PH_REASON_MESSAGE_RATE);
    ph_cutoff_queue(fleet.broker,
        ph_sessions_by_name(fleet.broker->sessions, devices[FIVE].user_name), NULL,
        PH_REASON_MESSAGE_RATE);
    assert_int_equal(fleet_connect(&fleet, &devices[FIVE]), PH_ADMIT);
    ph_cutoff_queue(fleet.broker,
        ph_sessions_by_name(fleet.broker->sessions, devices[SIX].user_name), NULL,
        PH_REASON_MESSAGE_RATE);
    fleet_tick(&fleet, 0);
    assert_int_equal(fleet.kicks, 3);
    assert_true(kicked(FOUR) && kicked(SIX) && !kicked(FIVE));
    fleet_device_fini(&renewed);
    fleet_device_fini(&next);
}

enum { MANY = 10000 };

static char *addresses; /* of their connections */

/* Ten thousand identities with one certificate's facts. */
static void enter_many(void)
{
    struct ph_authn authn;
    struct ph_error error = {0};
    struct ph_sessions *sessions = fleet.broker->sessions;
    addresses = calloc(1, MANY);
    assert_non_null(addresses);
    assert_int_equal(ph_authn_connect(fleet.broker->state, devices[ONE].certificate,
                         devices[ONE].client_id, fleet.now_ms, NULL, &authn, &error),
        PH_OK);
    for (int i = 0; i < MANY; i++) {
        char client_id[64];
        (void)snprintf(authn.identity.device, sizeof authn.identity.device, "m-%d", i);
        (void)snprintf(
            authn.user_name, sizeof authn.user_name, "device:devices:acme/thermostat/m-%d", i);
        (void)snprintf(client_id, sizeof client_id, "acme/thermostat/m-%d", i);
        struct ph_session *session = ph_sessions_enter(sessions, &addresses[i], client_id, &authn);
        assert_non_null(session);
        session->generation = fleet.broker->metrics.generation;
    }
}

/* [PLG-30] */
static void works_in_portions(void **state)
{
    (void)state;
    enter_many();
    fleet_revoke(&fleet, FLEET_DEVICES, devices[ONE].facts.serial);
    fleet_wait_reload(&fleet);
    assert_true(fleet.broker->sweep.active);
    assert_non_null(fleet.broker->before);
    uint64_t generation = fleet.broker->metrics.generation;
    size_t most = fleet.kicks;
    int turns = 1;
    while (fleet.broker->sweep.active || ph_sessions_queued(fleet.broker->sessions)) {
        size_t before = fleet.kicks;
        fleet_tick(&fleet, 0);
        most = fleet.kicks - before > most ? fleet.kicks - before : most;
        turns++;
    }
    assert_int_equal(fleet.kicks, MANY + 1);
    assert_int_equal(fleet.publishes, MANY + 1);
    assert_in_range(most, 1, 256);
    assert_true(turns > 10);
    assert_int_equal(fleet.broker->metrics.generation, generation);
    assert_null(fleet.broker->before);
    assert_true(may(TWO));
    /* whoever the broker asked about meanwhile was judged at once; the others are cut off now */
    assert_int_equal(fleet.broker->metrics.cut_off[PH_REASON_REVOKED], MANY + 1);
    free(addresses);
}

/* [PLG-30] sessions have roles of at most two states */
static void takes_no_load_during_a_sweep(void **state)
{
    (void)state;
    enter_many();
    fleet_write(&fleet, FLEET_DENY, "# first\n");
    fleet_wait_reload(&fleet);
    assert_true(fleet.broker->sweep.active);
    const struct ph_state *first = fleet.broker->state;
    fleet_write(&fleet, FLEET_DENY, "deny identity acme/thermostat/t-1\n");
    ph_loader_look(fleet.broker->loader, true, fleet.now_monotonic_ms);
    uint64_t generation = fleet.broker->metrics.generation;
    while (fleet.broker->before != NULL) {
        assert_ptr_equal(fleet.broker->state, first);
        assert_int_equal(fleet.broker->metrics.generation, generation);
        assert_true(may(ONE));
        fleet_tick(&fleet, 0);
    }
    while (fleet.broker->metrics.generation == generation) {
        fleet_reload(&fleet);
    }
    fleet_settle(&fleet);
    assert_true(kicked(ONE));
    assert_int_equal(fleet.kicks, 1);
    assert_false(may(ONE));
    free(addresses);
}

/* [PLG-30] entries come and go during a sweep */
static void meets_everyone_in_a_changing_table(void **state)
{
    (void)state;
    enter_many();
    for (int i = 0; i < MANY; i += 3) {
        fleet_end(&fleet, (const struct fleet_device *)(const void *)&addresses[i]);
    }
    fleet.now_monotonic_ms += 700000; /* longer than an entry outlives its connection */
    fleet.now_ms += 700000;
    fleet_write(&fleet, FLEET_DENY, "deny identity acme/thermostat/m-1\n");
    fleet_wait_reload(&fleet);
    while (fleet.broker->sweep.active) {
        for (int i = 0; i < DEVICES; i++) {
            assert_int_equal(fleet_connect(&fleet, &devices[i]), PH_ADMIT);
        }
        fleet_tick(&fleet, 0);
    }
    fleet_settle(&fleet);
    assert_int_equal(fleet.kicks, 1);
    size_t count = ph_sessions_count(fleet.broker->sessions);
    assert_int_equal(count, DEVICES + MANY - (MANY + 2) / 3);
    for (size_t i = 0; i < count; i++) {
        const struct ph_session *session = ph_sessions_at(fleet.broker->sessions, i);
        assert_true(session->cut != PH_REASON_NONE ||
                    session->generation == fleet.broker->metrics.generation);
    }
    free(addresses);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(does_not_kick_the_one_that_came_instead),
        TEST(works_in_portions),
        TEST(takes_no_load_during_a_sweep),
        TEST(meets_everyone_in_a_changing_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
