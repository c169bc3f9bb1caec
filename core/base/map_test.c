#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/map.h"

static void frees_values(void **state)
{
    (void)state;
    struct ph_map *map = ph_map_new();
    assert_non_null(map);
    for (int i = 0; i < 100; i++) {
        char *value = malloc(1);
        assert_non_null(value);
        assert_int_equal(ph_map_put(map, &i, sizeof i, value), PH_OK);
    }
    ph_map_free_values(&map, free);
    assert_null(map);
    ph_map_free_values(&map, free);
}

static void keeps_order_and_values(void **state)
{
    struct ph_map *map = ph_map_new();
    int values[3] = {0};
    (void)state;
    assert_non_null(map);
    assert_null(ph_map_oldest(map));
    assert_int_equal(ph_map_put(map, "a\0x", 3, &values[0]), PH_OK);
    assert_int_equal(ph_map_put(map, "a\0y", 3, &values[1]), PH_OK);
    assert_int_equal(ph_map_put(map, "a", 1, &values[2]), PH_OK);
    assert_int_equal(ph_map_count(map), 3);
    assert_ptr_equal(ph_map_get(map, "a\0y", 3), &values[1]);
    assert_null(ph_map_get(map, "a\0", 2));
    assert_ptr_equal(ph_map_oldest(map), &values[0]);
    assert_true(ph_map_renew(map, "a\0x", 3));
    assert_true(ph_map_renew(map, "a\0x", 3));
    assert_false(ph_map_renew(map, "b", 1));
    assert_ptr_equal(ph_map_oldest(map), &values[1]);
    assert_ptr_equal(ph_map_replace(map, "a\0y", 3, &values[2]), &values[1]);
    assert_ptr_equal(ph_map_oldest(map), &values[2]);
    assert_null(ph_map_replace(map, "b", 1, &values[0]));
    assert_null(ph_map_get(map, "b", 1));
    assert_ptr_equal(ph_map_replace(map, "a\0y", 3, &values[1]), &values[2]);
    assert_ptr_equal(ph_map_remove(map, "a\0y", 3), &values[1]);
    assert_null(ph_map_remove(map, "a\0y", 3));
    assert_ptr_equal(ph_map_oldest(map), &values[2]);
    assert_int_equal(ph_map_count(map), 2);
    ph_map_free(&map);
    assert_null(map);
    ph_map_free(&map);
}

static void holds_many(void **state)
{
    enum { COUNT = 20000 };
    struct ph_map *map = ph_map_new();
    char *keys = calloc(COUNT, 16);
    (void)state;
    assert_non_null(map);
    assert_non_null(keys);
    for (size_t i = 0; i < COUNT; i++) {
        char *key = &keys[16 * i];
        (void)snprintf(key, 16, "device-%zu", i);
        assert_int_equal(ph_map_put(map, key, strlen(key), key), PH_OK);
    }
    for (size_t i = 0; i < COUNT; i++) {
        char *key = &keys[16 * i];
        assert_ptr_equal(ph_map_get(map, key, strlen(key)), key);
        assert_ptr_equal(ph_map_oldest(map), key);
        assert_ptr_equal(ph_map_remove(map, key, strlen(key)), key);
    }
    assert_int_equal(ph_map_count(map), 0);
    assert_int_equal(ph_map_put(map, "again", 5, keys), PH_OK);
    ph_map_free(&map);
    free(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frees_values),
        cmocka_unit_test(keeps_order_and_values),
        cmocka_unit_test(holds_many),
    };
    return cmocka_run_group_tests_name("ph.base.map", tests, NULL, NULL);
}
