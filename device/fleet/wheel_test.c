/* [FLEET-22] who is due when: see device/fleet/wheel.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "device/fleet/wheel.h"

static struct ph_wheel wheel;

static int64_t due_of(struct ph_wheel_entry *entry, int64_t from_ms)
{
    for (int64_t now = from_ms; now < from_ms + INT64_C(3) * PH_WHEEL_MS; now++) {
        if (ph_wheel_take(&wheel, now) == entry) {
            return now;
        }
    }
    fail_msg("it never came");
    return 0;
}

static void test_due_times(void **state)
{
    (void)state;
    struct ph_wheel_entry entry = {0};
    static const struct {
        int64_t due_ms;
        int64_t comes_ms;
    } cases[] = {
        {5000, 5001}, /* now: the next millisecond */
        {1, 5001}, {5001, 5001}, {5700, 5700}, {5000 + PH_WHEEL_MS - 1, 5000 + PH_WHEEL_MS - 1},
        {99999, 5000 + PH_WHEEL_MS - 1}, /* too far: looked after before */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ph_wheel_init(&wheel, 5000);
        ph_wheel_put(&wheel, &entry, cases[i].due_ms);
        assert_int_equal(ph_wheel_wait_ms(&wheel, 5000, 100000), cases[i].comes_ms - 5000);
        assert_int_equal(due_of(&entry, 5000), cases[i].comes_ms);
    }
}

static void test_order_and_moves(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    static struct ph_wheel_entry entries[COUNT];
    int seen[COUNT] = {0};
    ph_wheel_init(&wheel, 0);
    for (int i = 0; i < COUNT; i++) {
        ph_wheel_put(&wheel, &entries[i], 900);
        ph_wheel_put(&wheel, &entries[i], 1 + i / 2); /* two in each slot; moved, not doubled */
    }
    ph_wheel_remove(&entries[7]);
    ph_wheel_remove(&entries[7]);
    int64_t last = 0;
    for (int64_t now = 0; now <= 1000; now += 10) {
        struct ph_wheel_entry *entry = NULL;
        while ((entry = ph_wheel_take(&wheel, now)) != NULL) {
            long i = entry - entries;
            assert_in_range(i, 0, COUNT - 1);
            assert_true(1 + i / 2 <= now && 1 + i / 2 >= last - 10);
            last = now;
            seen[i]++;
        }
    }
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(seen[i], i != 7);
    }
}

/* After a long pause all come, each once, and what is put meanwhile comes later. */
static void test_pause(void **state)
{
    (void)state;
    struct ph_wheel_entry first = {0};
    struct ph_wheel_entry second = {0};
    ph_wheel_init(&wheel, 0);
    ph_wheel_put(&wheel, &first, 10);
    ph_wheel_put(&wheel, &second, 1000);
    assert_int_equal(ph_wheel_wait_ms(&wheel, 50000, 100), 0);
    assert_ptr_equal(ph_wheel_take(&wheel, 50000), &first);
    ph_wheel_put(&wheel, &first, 50500);
    assert_ptr_equal(ph_wheel_take(&wheel, 50000), &second);
    struct ph_wheel_entry *again = ph_wheel_take(&wheel, 50000);
    assert_true(again == NULL || again == &first); /* early rather than never */
    assert_null(ph_wheel_take(&wheel, 50000));
    assert_int_equal(ph_wheel_wait_ms(&wheel, 50000, 100), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_due_times),
        cmocka_unit_test(test_order_and_moves),
        cmocka_unit_test(test_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
