#include "ingest/testing.h"

#include <inttypes.h>
#include <stdio.h>

#include "ingest/letter_limit.h"

/* How many of `tries` pass at one moment. */
static int passes(
    struct ph_letter_limit *limit, const struct ph_identity *identity, int64_t now_ms, int tries)
{
    int passed = 0;
    for (int i = 0; i < tries; i++) {
        passed += ph_letter_limit_pass(limit, identity, now_ms) ? 1 : 0;
    }
    return passed;
}

/* [ING-137] */
static void a_minutes_letters_at_once_then_one_by_one(void **state)
{
    const struct ph_identity t1 = identity_of("acme/thermostat/t1");
    struct ph_letter_limit *limit = ph_letter_limit_new(60);
    (void)state;
    assert_non_null(limit);
    assert_int_equal(passes(limit, &t1, 5000, 100), 60);
    assert_int_equal(passes(limit, &t1, 5999, 10), 0);
    assert_int_equal(passes(limit, &t1, 6000, 10), 1);
    assert_int_equal(passes(limit, &t1, 8500, 10), 2);
    assert_int_equal(passes(limit, &t1, 9000, 10), 1);       /* the half of before counts */
    assert_int_equal(passes(limit, &t1, 10000000, 100), 60); /* never more than a minute's */
    ph_letter_limit_free(&limit);
    assert_null(limit);
    ph_letter_limit_free(&limit);
}

/* [ING-137] Asking often does not keep the account from filling. */
static void a_slow_limit_fills_between_many_letters(void **state)
{
    const struct ph_identity t1 = identity_of("acme/thermostat/t1");
    struct ph_letter_limit *limit = ph_letter_limit_new(1);
    int passed = 0;
    (void)state;
    for (int64_t now_ms = 0; now_ms <= 180000; now_ms += 7) {
        passed += passes(limit, &t1, now_ms, 1);
    }
    assert_int_equal(passed, 1 + 2);
    assert_int_equal(passes(limit, &t1, 180100, 2), 1);
    ph_letter_limit_free(&limit);
}

/* [ING-137] */
static void devices_do_not_affect_each_other(void **state)
{
    const struct ph_identity t1 = identity_of("acme/thermostat/t1");
    const struct ph_identity t2 = identity_of("acme/thermostat/t2");
    struct ph_letter_limit *limit = ph_letter_limit_new(3);
    (void)state;
    assert_int_equal(passes(limit, &t1, 0, 10), 3);
    assert_int_equal(passes(limit, &t2, 0, 10), 3);
    assert_int_equal(passes(limit, NULL, 0, 10), 3); /* whose topic names none share one */
    assert_int_equal(passes(limit, NULL, 0, 10), 0);
    ph_letter_limit_free(&limit);
}

/* [ING-54] */
static void a_new_limit_holds_for_known_devices(void **state)
{
    const struct ph_identity t1 = identity_of("acme/thermostat/t1");
    struct ph_letter_limit *limit = ph_letter_limit_new(100);
    (void)state;
    assert_int_equal(passes(limit, &t1, 0, 10), 10);
    ph_letter_limit_set(limit, 5); /* ninety are left, of which five hold */
    assert_int_equal(passes(limit, &t1, 0, 10), 5);
    ph_letter_limit_set(limit, 6000);
    assert_int_equal(passes(limit, &t1, 0, 10), 0);
    assert_int_equal(passes(limit, &t1, 100, 20), 10);
    ph_letter_limit_free(&limit);
}

/* [ING-137] Memory is bounded: who was quiet longest begins anew. */
static void only_so_many_devices_are_remembered(void **state)
{
    const struct ph_identity quiet = identity_of("acme/thermostat/quiet");
    const struct ph_identity busy = identity_of("acme/thermostat/busy");
    struct ph_letter_limit *limit = ph_letter_limit_new(1);
    (void)state;
    assert_int_equal(passes(limit, &quiet, 0, 2), 1);
    assert_int_equal(passes(limit, &busy, 0, 2), 1);
    for (int i = 0; i < PH_LETTER_LIMIT_DEVICES - 1; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "acme/thermostat/d%d", i);
        const struct ph_identity other = identity_of(text);
        assert_int_equal(passes(limit, &other, 0, 2), 1);
        assert_int_equal(passes(limit, &busy, 0, 1), 0);
    }
    assert_int_equal(passes(limit, &quiet, 0, 2), 1);
    ph_letter_limit_free(&limit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minutes_letters_at_once_then_one_by_one),
        cmocka_unit_test(a_slow_limit_fills_between_many_letters),
        cmocka_unit_test(devices_do_not_affect_each_other),
        cmocka_unit_test(a_new_limit_holds_for_known_devices),
        cmocka_unit_test(only_so_many_devices_are_remembered),
    };
    return cmocka_run_group_tests_name("ph.ingest.letter_limit", tests, NULL, NULL);
}
