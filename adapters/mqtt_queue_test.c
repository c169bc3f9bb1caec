#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdlib.h>

#include "adapters/mqtt_queue.h"

static struct ph_mqtt_node *node_new(size_t bytes, int token)
{
    struct ph_mqtt_node *node = calloc(1, sizeof *node);
    assert_non_null(node);
    node->bytes = bytes;
    node->event.token = token;
    return node;
}

static bool readable(const struct ph_mqtt_queue *queue)
{
    struct pollfd fd = {.fd = queue->fd, .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

static void test_order_and_descriptor(void **state)
{
    (void)state;
    struct ph_mqtt_queue queue;
    assert_int_equal(ph_mqtt_queue_init(&queue, 100, NULL), PH_OK);
    assert_false(readable(&queue));
    assert_null(ph_mqtt_queue_pop(&queue));
    for (int token = 1; token <= 3; token++) {
        ph_mqtt_queue_push(&queue, node_new(10, token));
        assert_true(readable(&queue));
    }
    for (int token = 1; token <= 3; token++) {
        assert_true(readable(&queue));
        struct ph_mqtt_node *node = ph_mqtt_queue_pop(&queue);
        assert_int_equal(node->event.token, token);
        ph_mqtt_node_free(&node);
    }
    assert_false(readable(&queue));
    assert_null(ph_mqtt_queue_pop(&queue));
    ph_mqtt_queue_fini(&queue);
}

static void test_bound(void **state)
{
    (void)state;
    struct ph_mqtt_queue queue;
    assert_int_equal(ph_mqtt_queue_init(&queue, 100, NULL), PH_OK);
    assert_true(ph_mqtt_queue_has_room(&queue, 100));
    assert_false(ph_mqtt_queue_has_room(&queue, 101));
    assert_false(ph_mqtt_queue_has_room(&queue, SIZE_MAX));
    ph_mqtt_queue_push(&queue, node_new(60, 1));
    assert_true(ph_mqtt_queue_has_room(&queue, 40));
    assert_false(ph_mqtt_queue_has_room(&queue, 41));
    ph_mqtt_queue_push(&queue, node_new(0, 2)); /* what counts nothing always fits */
    struct ph_mqtt_node *node = ph_mqtt_queue_pop(&queue);
    ph_mqtt_node_free(&node);
    assert_true(ph_mqtt_queue_has_room(&queue, 100));
    ph_mqtt_queue_push(&queue, node_new(60, 3)); /* what is left is freed with the queue */
    ph_mqtt_queue_fini(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_descriptor),
        cmocka_unit_test(test_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
