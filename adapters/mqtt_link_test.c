/* [MQTT-5] [MQTT-7] [MQTT-9] [MQTT-13] [MQTT-14] [MQTT-15] the connection's state without Paho: the
 * test plays Paho's callbacks, in orders that no broker can be made to produce. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "adapters/mqtt_link.h"
#include "base/clock.h"

enum { MIN_MS = 100, MAX_MS = 1000, REFUSED_MS = 3600000, WATCHDOG_MS = 60000 };

static struct ph_mqtt mqtt;

/* Takes the next event, which must be of that type. */
static struct ph_mqtt_event take(enum ph_mqtt_event_type type)
{
    struct ph_mqtt_event event = {0};
    assert_true(ph_mqtt_link_take(&mqtt, &event));
    assert_int_equal(event.type, type);
    return event;
}

static void assert_no_event(void)
{
    struct ph_mqtt_event event = {0};
    assert_false(ph_mqtt_link_take(&mqtt, &event));
}

static void connect_at(int64_t now_ms)
{
    assert_true(ph_mqtt_link_begin(&mqtt, now_ms));
    ph_mqtt_link_up(&mqtt, false, 20, now_ms);
    (void)take(PH_MQTT_CONNECTED);
}

static struct ph_mqtt_pending *pending_new(void)
{
    struct ph_mqtt_pending *pending = NULL;
    assert_int_equal(ph_mqtt_pending_new(&mqtt, PH_MQTT_PUBLISHED, "a/b", &pending, NULL), PH_OK);
    return pending;
}

/* [MQTT-5] one attempt at a time, none before it is due, and the delay doubles up to its maximum */
static void test_attempts(void **state)
{
    (void)state;
    int64_t now = 1000;
    int64_t most = MIN_MS;
    assert_false(ph_mqtt_link_begin(&mqtt, now)); /* not started */
    assert_true(ph_mqtt_link_start(&mqtt, now));
    assert_false(ph_mqtt_link_start(&mqtt, now));
    for (int i = 0; i < 6; i++) {
        assert_true(ph_mqtt_link_begin(&mqtt, now));
        assert_false(ph_mqtt_link_begin(&mqtt, now));
        ph_mqtt_link_end(&mqtt, 0, "nobody there", now);
        ph_mqtt_link_end(&mqtt, 0, "said twice", now);
        struct ph_mqtt_event event = take(PH_MQTT_DISCONNECTED);
        assert_non_null(strstr(event.text, "here:8883: nobody there"));
        assert_no_event();
        assert_true(event.retry_in_ms >= most / 2 && event.retry_in_ms <= most + 20);
        most = most * 2 < MAX_MS ? most * 2 : MAX_MS;
        assert_false(ph_mqtt_link_begin(&mqtt, now + event.retry_in_ms - 1));
        assert_int_equal(ph_mqtt_link_due_in(&mqtt, now, 100000), event.retry_in_ms);
        now += event.retry_in_ms;
    }
}

/* [MQTT-5] a connection that does not last does not start the back-off anew: no storm */
static void test_short_connections(void **state)
{
    (void)state;
    int64_t now = 0;
    int64_t delay = 0;
    assert_true(ph_mqtt_link_start(&mqtt, now));
    for (int i = 0; i < 6; i++) {
        connect_at(now);
        ph_mqtt_link_end(&mqtt, 0, "lost", now + 9000);
        delay = take(PH_MQTT_DISCONNECTED).retry_in_ms;
        now += 9000 + delay;
    }
    assert_true(delay >= MAX_MS / 2);
    connect_at(now);
    ph_mqtt_link_end(&mqtt, 0, "lost", now + 11000);
    assert_true(take(PH_MQTT_DISCONNECTED).retry_in_ms <= MIN_MS + 20);
}

/* [MQTT-9] decisions by the broker, and what only sounds like one */
static void test_reasons(void **state)
{
    (void)state;
    static const struct {
        int reason_code;
        enum ph_mqtt_event_type type;
    } cases[] = {
        {0x87, PH_MQTT_REFUSED},      /* not authorized */
        {0x98, PH_MQTT_REFUSED},      /* administrative action */
        {0x8A, PH_MQTT_REFUSED},      /* banned */
        {0x85, PH_MQTT_REFUSED},      /* client identifier not valid */
        {0x88, PH_MQTT_DISCONNECTED}, /* server unavailable */
        {0x8B, PH_MQTT_DISCONNECTED}, /* server shutting down */
        {0x8E, PH_MQTT_DISCONNECTED}, /* session taken over: by whom may be gone in a moment */
        {0x00, PH_MQTT_DISCONNECTED},
    };
    int64_t now = 0;
    assert_true(ph_mqtt_link_start(&mqtt, now));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        connect_at(now);
        ph_mqtt_link_end(&mqtt, cases[i].reason_code, "disconnected", now);
        struct ph_mqtt_event event = take(cases[i].type);
        bool refused = cases[i].type == PH_MQTT_REFUSED;
        assert_int_equal(event.retry_in_ms >= REFUSED_MS, refused);
        assert_false(ph_mqtt_link_begin(&mqtt, now + event.retry_in_ms - 1));
        now += event.retry_in_ms;
    }
}

/* [MQTT-13] an answer that comes after its attempt was given up counts, and so does its end */
static void test_late_answer(void **state)
{
    (void)state;
    assert_true(ph_mqtt_link_start(&mqtt, 0));
    assert_true(ph_mqtt_link_begin(&mqtt, 0));
    assert_false(ph_mqtt_link_begin(&mqtt, WATCHDOG_MS + 1)); /* gives it up */
    struct ph_mqtt_event event = take(PH_MQTT_DISCONNECTED);
    assert_non_null(strstr(event.text, "the attempt did not end"));
    ph_mqtt_link_up(&mqtt, true, 7, WATCHDOG_MS + 2);
    event = take(PH_MQTT_CONNECTED);
    assert_int_equal(event.receive_maximum, 7);
    assert_true(event.session_present);
    assert_true(atomic_load(&mqtt.connected));
    assert_false(ph_mqtt_link_begin(&mqtt, WATCHDOG_MS + 100000)); /* it stands */
    ph_mqtt_link_end(&mqtt, 0, "lost", WATCHDOG_MS + 100000);
    event = take(PH_MQTT_DISCONNECTED);
    assert_true(ph_mqtt_link_begin(&mqtt, WATCHDOG_MS + 100000 + event.retry_in_ms));
}

/* [MQTT-14] events of the connection and confirmations come even when the queue has no room */
static void test_full_queue(void **state)
{
    (void)state;
    mqtt.queue.max_bytes = 0;
    assert_true(ph_mqtt_link_start(&mqtt, 0));
    connect_at(0);
    ph_mqtt_link_message(&mqtt, NULL);
    struct ph_mqtt_pending *pending = pending_new();
    ph_mqtt_pending_settle(pending, true);
    ph_mqtt_pending_result(pending, true, 0);
    ph_mqtt_link_end(&mqtt, 0, "lost", 1);
    (void)take(PH_MQTT_PUBLISHED);
    (void)take(PH_MQTT_DISCONNECTED);
    assert_int_equal(atomic_load(&mqtt.dropped), 1);
}

/* [MQTT-7] exactly one result, whenever the connection is lost */
static void test_pending(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_mqtt_pending *pending = NULL;
    assert_true(ph_mqtt_link_start(&mqtt, 0));
    assert_int_equal(
        ph_mqtt_pending_new(&mqtt, PH_MQTT_PUBLISHED, "a/b", &pending, &error), PH_ERR_UNAVAILABLE);
    assert_non_null(strstr(error.message, "a/b: not connected"));
    connect_at(0);

    struct ph_mqtt_pending *early = pending_new(); /* confirmed before the call returned */
    int first = mqtt.last_token;
    ph_mqtt_pending_result(early, true, 0);
    ph_mqtt_pending_settle(early, true);
    struct ph_mqtt_pending *refused = pending_new(); /* not taken by Paho: no event */
    ph_mqtt_pending_settle(refused, false);
    struct ph_mqtt_pending *under_way = pending_new();
    ph_mqtt_pending_settle(under_way, true);
    struct ph_mqtt_pending *in_call = pending_new();
    int last = mqtt.last_token;
    ph_mqtt_link_end(&mqtt, 0, "lost", 1);
    ph_mqtt_pending_settle(in_call, true);
    ph_mqtt_pending_result(under_way, true, 0); /* Paho sent it again later: nobody's concern */
    ph_mqtt_pending_result(in_call, false, 0x87);

    assert_int_equal(take(PH_MQTT_PUBLISHED).token, first);
    assert_int_equal(take(PH_MQTT_PUBLISH_FAILED).token, last - 1);
    (void)take(PH_MQTT_DISCONNECTED);
    assert_int_equal(take(PH_MQTT_PUBLISH_FAILED).token, last);
    assert_no_event();
    assert_null(mqtt.pending);
}

static void *confirm_later(void *argument)
{
    (void)poll(NULL, 0, 50);
    ph_mqtt_pending_result(argument, true, 0);
    return NULL;
}

/* A stop waits for what is pending, fails what stays, and ends all attempts. */
static void test_stop(void **state)
{
    (void)state;
    pthread_t thread;
    assert_true(ph_mqtt_link_start(&mqtt, 0));
    connect_at(0);
    struct ph_mqtt_pending *pending = pending_new();
    ph_mqtt_pending_settle(pending, true);
    assert_int_equal(pthread_create(&thread, NULL, confirm_later, pending), 0);
    assert_true(ph_mqtt_link_drain(&mqtt, ph_clock_monotonic_ms() + 10000));
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)take(PH_MQTT_PUBLISHED);

    pending = pending_new();
    ph_mqtt_pending_settle(pending, true);
    int64_t now = ph_clock_monotonic_ms();
    assert_true(ph_mqtt_link_drain(&mqtt, now + 50));
    assert_true(ph_clock_monotonic_ms() - now >= 50);
    ph_mqtt_link_stopped(&mqtt);
    (void)take(PH_MQTT_PUBLISH_FAILED);
    assert_false(atomic_load(&mqtt.connected));
    ph_mqtt_link_up(&mqtt, false, 20, 0); /* an answer that nobody waits for any more */
    assert_false(atomic_load(&mqtt.connected));
    assert_false(ph_mqtt_link_begin(&mqtt, INT64_MAX / 2));
    assert_no_event();
}

/* What an earlier connection left in Paho's hands does not hold up the end. */
static void test_stop_with_leftovers(void **state)
{
    (void)state;
    assert_true(ph_mqtt_link_start(&mqtt, 0));
    connect_at(0);
    ph_mqtt_pending_settle(pending_new(), true);
    ph_mqtt_link_end(&mqtt, 0, "lost", 1);
    (void)take(PH_MQTT_PUBLISH_FAILED);
    (void)take(PH_MQTT_DISCONNECTED);
    connect_at(100000);
    int64_t now = ph_clock_monotonic_ms();
    assert_true(ph_mqtt_link_drain(&mqtt, now + 5000));
    assert_true(ph_clock_monotonic_ms() - now < 2000);
    assert_non_null(mqtt.pending); /* released with the client */
}

/* [MQTT-15] no attempt while it is suspended; one that was under way ends as soon as it stands */
static void test_suspend(void **state)
{
    (void)state;
    assert_true(ph_mqtt_link_start(&mqtt, 0));
    connect_at(0);
    assert_false(ph_mqtt_link_cut(&mqtt, 10));
    ph_mqtt_link_suspend(&mqtt, true, 10);
    ph_mqtt_pending_settle(pending_new(), true);
    assert_true(ph_mqtt_link_cut(&mqtt, 10));
    (void)take(PH_MQTT_PUBLISH_FAILED);
    (void)take(PH_MQTT_DISCONNECTED);
    assert_false(ph_mqtt_link_cut(&mqtt, 11));
    assert_false(ph_mqtt_link_begin(&mqtt, 1000000));
    assert_int_equal(ph_mqtt_link_due_in(&mqtt, 1000000, 777), 777);
    ph_mqtt_link_suspend(&mqtt, false, 1000000);
    assert_int_equal(ph_mqtt_link_due_in(&mqtt, 1000000, 777), 0);
    assert_true(ph_mqtt_link_begin(&mqtt, 1000000));
    ph_mqtt_link_suspend(&mqtt, true, 1000001);
    assert_false(ph_mqtt_link_cut(&mqtt, 1000001)); /* it does not stand yet */
    ph_mqtt_link_up(&mqtt, false, 20, 1000002);
    assert_true(ph_mqtt_link_cut(&mqtt, 1000003));
    (void)take(PH_MQTT_CONNECTED);
    (void)take(PH_MQTT_DISCONNECTED);
}

static int setup(void **state)
{
    (void)state;
    mqtt = (struct ph_mqtt){.options = {.host = "here",
                                .port = 8883,
                                .queue_bytes = 10000,
                                .backoff_min_ms = MIN_MS,
                                .backoff_max_ms = MAX_MS,
                                .backoff_refused_ms = REFUSED_MS}};
    return ph_mqtt_link_init(&mqtt, NULL) == PH_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    ph_mqtt_link_fini(&mqtt);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_attempts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_short_connections, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reasons, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_queue, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pending, setup, teardown),
        cmocka_unit_test_setup_teardown(test_suspend, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_with_leftovers, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
