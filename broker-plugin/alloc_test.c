/* [PLG-8], [PLG-40] */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker-plugin/broker_inside.h"
#include "broker-plugin/fleet_fixture.h"

/* Every allocation of the code under test comes by here (linker option --wrap). The one that counts
 * `left` down to zero fails: of this thread, or of the loader's. */
static _Thread_local bool here;
static atomic_bool fail_here;
static atomic_int left;
static atomic_int allocations; /* of this thread */
static atomic_bool failed;

void *real_malloc(size_t size) __asm__("__real_malloc");
void *real_calloc(size_t count, size_t size) __asm__("__real_calloc");
void *real_realloc(void *old, size_t size) __asm__("__real_realloc");
char *real_strdup(const char *text) __asm__("__real_strdup");
char *real_strndup(const char *text, size_t len) __asm__("__real_strndup");
void *wrap_malloc(size_t size) __asm__("__wrap_malloc");
void *wrap_calloc(size_t count, size_t size) __asm__("__wrap_calloc");
void *wrap_realloc(void *old, size_t size) __asm__("__wrap_realloc");
char *wrap_strdup(const char *text) __asm__("__wrap_strdup");
char *wrap_strndup(const char *text, size_t len) __asm__("__wrap_strndup");

static bool must_fail(void)
{
    allocations += here ? 1 : 0;
    if (left > 0 && here == fail_here && --left == 0) {
        failed = true;
        return true;
    }
    return false;
}

void *wrap_malloc(size_t size)
{
    return must_fail() ? NULL : real_malloc(size);
}

void *wrap_calloc(size_t count, size_t size)
{
    return must_fail() ? NULL : real_calloc(count, size);
}

void *wrap_realloc(void *old, size_t size)
{
    return must_fail() ? NULL : real_realloc(old, size);
}

char *wrap_strdup(const char *text)
{
    return must_fail() ? NULL : real_strdup(text);
}

char *wrap_strndup(const char *text, size_t len)
{
    return must_fail() ? NULL : real_strndup(text, len);
}

/* The n-th allocation from now on fails, once. */
static void fail_at(int n, bool in_this_thread)
{
    fail_here = in_this_thread;
    failed = false;
    left = n;
}

/* True when it came to that. */
static bool stop_failing(void)
{
    left = 0;
    return failed;
}

static struct fleet fleet;
static struct fleet_device one;
static struct fleet_device two;

static const char limited[] =
    "roles:\n"
    "  - name: device\n"
    "    match: {anchor: devices}\n"
    "    publish: ['d/{tenant}/{device}/telemetry', 'd/{tenant}/{device}/status']\n"
    "    will: ['d/{tenant}/{device}/status']\n"
    "    subscribe: ['d/{tenant}/{device}/command']\n"
    "    status: 'd/{tenant}/{device}/status'\n"
    "    limits: {messages_per_second: 1, over: disconnect}\n";

static int set_up(void **state)
{
    (void)state;
    here = true;
    fleet_init(&fleet);
    fleet_write_policy(&fleet, NULL, limited);
    fleet_issue(&fleet, &one, FLEET_DEVICES, "acme", "t-1", FLEET_NOW_MS + 30 * FLEET_DAY_MS);
    fleet_issue(&fleet, &two, FLEET_DEVICES, "acme", "t-2", FLEET_NOW_MS + 30 * FLEET_DAY_MS);
    fleet_open(&fleet);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fleet_device_fini(&one);
    fleet_device_fini(&two);
    fleet_fini(&fleet);
    return 0;
}

enum { ENOUGH = 20000 };

static void opens_or_says_why(void **state)
{
    (void)state;
    fleet_close(&fleet);
    int refused = 0;
    bool came = true;
    for (int n = 1; came; n++) {
        struct ph_error error = {0};
        assert_true(n < ENOUGH);
        fail_at(n, true);
        enum ph_err err = fleet_try_open(&fleet, &error);
        came = stop_failing();
        if (err != PH_OK) {
            assert_true(came);
            assert_null(fleet.broker);
            assert_string_not_equal(error.message, "");
            refused++;
        }
        if (err == PH_OK) { /* it could do without */
            assert_int_equal(fleet_connect(&fleet, &one), PH_ADMIT);
            fleet_close(&fleet);
        }
    }
    assert_true(refused > 100);
    fleet_open(&fleet);
}

static void admits_or_refuses(void **state)
{
    (void)state;
    int refused = 0;
    bool came = true;
    for (int n = 1; came; n++) {
        fleet_close(&fleet);
        fleet_open(&fleet);
        fail_at(n, true);
        enum ph_verdict verdict = fleet_connect(&fleet, &one);
        came = stop_failing();
        if (verdict == PH_REFUSE) {
            assert_true(came);
            assert_int_equal(ph_sessions_count(fleet.broker->sessions), 0);
            refused++;
        }
        assert_int_equal(fleet_connect(&fleet, &one), PH_ADMIT);
        assert_true(fleet_may(&fleet, &one, PH_ACCESS_READ, "d/acme/t-1/command"));
    }
    assert_true(refused >= 5);
    assert_true(ph_broker_metrics(fleet.broker)->admitted > 0);
}

/* Whoever could not be let in anew is cut off as before, and its old connection still ends. */
static void forgets_no_cut_off(void **state)
{
    (void)state;
    bool came = true;
    for (int n = 1; came; n++) {
        assert_int_equal(fleet_connect(&fleet, &one), PH_ADMIT);
        struct ph_session *session = ph_sessions_by_client(fleet.broker->sessions, &one);
        assert_non_null(session);
        session->cut = PH_REASON_DENIED_SERIAL;
        ph_cutoff_queue(fleet.broker, session, session->role, session->cut);
        struct fleet_device again = one;
        fail_at(n, true);
        enum ph_verdict verdict = fleet_connect(&fleet, &again);
        came = stop_failing();
        assert_int_equal(
            fleet_may(&fleet, &one, PH_ACCESS_READ, "d/acme/t-1/command"), verdict == PH_ADMIT);
        fleet_forget(&fleet);
        fleet_tick(&fleet, 0);
        assert_int_equal(fleet.kicks, verdict == PH_REFUSE ? 1 : 0);
        assert_int_equal(fleet.publishes, verdict == PH_REFUSE ? 1 : 0);
    }
}

static const char shared[] = "roles:\n"
                             "  - name: claim\n"
                             "    match: {anchor: devices, kind: thermostat}\n"
                             "    client_id: '{tenant}/{device}/*'\n"
                             "    subscribe: ['d/{tenant}/{device}/command']\n";

/* [PLG-40] [PLG-42] the entries of an identity and of its connection come together, or not at all
 */
static void admits_or_refuses_one_of_many(void **state)
{
    (void)state;
    struct fleet_device first = one;
    struct fleet_device next = one;
    (void)snprintf(first.client_id, sizeof first.client_id, "acme/t-1/first");
    (void)snprintf(next.client_id, sizeof next.client_id, "acme/t-1/next");
    fleet_write_policy(&fleet, NULL, shared);
    for (int others = 0; others < 2; others++) {
        int refused = 0;
        bool came = true;
        for (int n = 1; came; n++) {
            fleet_close(&fleet);
            fleet_open(&fleet);
            if (others > 0) {
                assert_int_equal(fleet_connect(&fleet, &first), PH_ADMIT);
            }
            size_t before = ph_sessions_count(fleet.broker->sessions);
            fail_at(n, true);
            enum ph_verdict verdict = fleet_connect(&fleet, &next);
            came = stop_failing();
            if (verdict == PH_REFUSE) {
                assert_true(came);
                assert_int_equal(ph_sessions_count(fleet.broker->sessions), before);
                assert_null(ph_sessions_by_client(fleet.broker->sessions, &next));
                refused++;
            }
            assert_int_equal(fleet_connect(&fleet, &next), PH_ADMIT);
            assert_int_equal(ph_sessions_count(fleet.broker->sessions), 2 + others);
            assert_true(fleet_may(&fleet, &next, PH_ACCESS_READ, "d/acme/t-1/command"));
            assert_true(
                fleet_may(&fleet, &first, PH_ACCESS_READ, "d/acme/t-1/command") || others == 0);
        }
        assert_in_range(refused, 4, 100);
    }
}

/* [PLG-8] */
static void checks_without_allocating(void **state)
{
    (void)state;
    static const struct fleet_device restored = {.user_name = "device:devices:acme/thermostat/t-7"};
    assert_int_equal(fleet_connect(&fleet, &one), PH_ADMIT);
    assert_int_equal(fleet_connect(&fleet, &two), PH_ADMIT);
    for (int round = 0; round < 2; round++) { /* the first use of a grant is recorded */
        allocations = 0;
        assert_true(fleet_may(&fleet, &one, PH_ACCESS_WRITE, "d/acme/t-1/telemetry"));
        assert_true(fleet_may(&fleet, &one, PH_ACCESS_SUBSCRIBE, "d/acme/t-1/command"));
        assert_true(fleet_may(&fleet, &one, PH_ACCESS_READ, "d/acme/t-1/command"));
        assert_true(fleet_may(&fleet, &restored, PH_ACCESS_READ, "d/acme/t-7/command"));
        fleet_tick(&fleet, 1000);
        allocations = 0;
        assert_true(fleet_send(&fleet, &one, "d/acme/t-1/telemetry", 1));
    }
    assert_int_equal(allocations, 0);
    allocations = 0;
    for (int i = 0; i < 100; i++) {
        assert_true(fleet_may(&fleet, &one, PH_ACCESS_WRITE, "d/acme/t-1/telemetry"));
        assert_true(fleet_may(&fleet, &one, PH_ACCESS_SUBSCRIBE, "d/acme/t-1/command"));
        assert_true(fleet_may(&fleet, &one, PH_ACCESS_READ, "d/acme/t-1/command"));
        assert_true(fleet_may(&fleet, &restored, PH_ACCESS_READ, "d/acme/t-7/command"));
    }
    assert_int_equal(allocations, 0);
}

static void denies_all_the_same(void **state)
{
    (void)state;
    assert_int_equal(fleet_connect(&fleet, &one), PH_ADMIT);
    bool came = true;
    for (int n = 1; came; n++) {
        fleet_tick(&fleet, 60000); /* so that denials may be recorded again */
        fail_at(n, true);
        assert_false(fleet_may(&fleet, &one, PH_ACCESS_WRITE, "d/acme/t-2/telemetry"));
        assert_true(fleet_may(&fleet, &one, PH_ACCESS_WRITE, "d/acme/t-1/telemetry"));
        assert_true(fleet_send(&fleet, &one, "d/acme/t-1/telemetry", 1));
        assert_false(fleet_send(&fleet, &one, "d/acme/t-1/telemetry", 1));
        came = stop_failing();
        size_t kicks = fleet.kicks;
        fleet_tick(&fleet, 1); /* with or without its status */
        assert_int_equal(fleet.kicks, kicks + 1);
        assert_int_equal(fleet_connect(&fleet, &one), PH_ADMIT);
    }
}

static void ends_a_connection(void **state)
{
    (void)state;
    bool came = true;
    for (int n = 1; came; n++) {
        assert_int_equal(fleet_connect(&fleet, &one), PH_ADMIT);
        fail_at(n, true);
        fleet_end(&fleet, &one);
        came = stop_failing();
        assert_null(ph_sessions_by_client(fleet.broker->sessions, &one));
    }
}

static void reload_all(void)
{
    ph_broker_reload(fleet.broker, fleet.now_ms, fleet.now_monotonic_ms);
    fleet_reload(&fleet);
}

/* Reload, load, swap, sweep and kick, with every allocation of one thread failing in turn. What was
 * to be cut off is so, at the latest when there is memory. */
static void reloads_in_spite_of(bool in_this_thread)
{
    bool came = true;
    for (int n = 1; came; n += n < 40 || in_this_thread ? 1 : 7) { /* the many are alike */
        assert_true(n < ENOUGH);
        fleet_write(&fleet, FLEET_DENY, "# nobody\n");
        while (fleet_connect(&fleet, &one) != PH_ADMIT) {
            reload_all();
        }
        assert_int_equal(fleet_connect(&fleet, &two), PH_ADMIT);
        fleet_write(&fleet, FLEET_DENY, "deny identity acme/thermostat/t-1\n");
        fleet_forget(&fleet);
        fail_at(n, in_this_thread);
        for (int i = 0; i < 3 && !failed; i++) { /* a look of before may come first */
            reload_all();
        }
        came = stop_failing();
        while (fleet.kicks == 0) {
            assert_int_equal(fleet_connect(&fleet, &two), PH_ADMIT);
            reload_all();
        }
        assert_true(fleet_told(&fleet, "kick device:devices:acme/thermostat/t-1\n"));
        assert_int_equal(fleet.kicks, 1);
        assert_false(fleet_may(&fleet, &one, PH_ACCESS_READ, "d/acme/t-1/command"));
        assert_true(fleet_may(&fleet, &two, PH_ACCESS_READ, "d/acme/t-2/command"));
    }
}

static void reloads_without_memory_here(void **state)
{
    (void)state;
    reloads_in_spite_of(true);
}

static void reloads_without_memory_there(void **state)
{
    (void)state;
    reloads_in_spite_of(false);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(opens_or_says_why),
        TEST(admits_or_refuses),
        TEST(forgets_no_cut_off),
        TEST(admits_or_refuses_one_of_many),
        TEST(checks_without_allocating),
        TEST(denies_all_the_same),
        TEST(ends_a_connection),
        TEST(reloads_without_memory_here),
        TEST(reloads_without_memory_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
