/* [PUB-2] to [PUB-6], [PUB-11] */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "device/window.h"

static struct ph_window window;

static void send_messages(int from, int count, int64_t now_ms)
{
    for (int i = from; i < from + count; i++) {
        ph_window_sent(&window, i * 10 + 1, i * 10 + 10, 100 + i, now_ms);
    }
}

/* [PUB-2] closed until connected, and by the count of outstanding messages */
static void test_opens_and_closes(void **state)
{
    (void)state;
    ph_window_init(&window, 4, 1000);
    assert_false(ph_window_open(&window));
    ph_window_connect(&window, 65535);
    assert_true(ph_window_open(&window));
    send_messages(0, 4, 0);
    assert_false(ph_window_open(&window));
    assert_int_equal(window.cursor, 40);
    for (int token = 100; token < 104; token++) {
        assert_true(ph_window_confirm(&window, token));
    }
    assert_false(ph_window_confirm(&window, 100)); /* not twice */
    assert_false(ph_window_open(&window));         /* the broker has them; ingest does not yet */
    ph_window_ack(&window, &(struct ph_ack){.through = 9});
    assert_false(ph_window_open(&window));
    ph_window_ack(&window, &(struct ph_ack){.through = 10});
    assert_true(ph_window_open(&window));
    assert_int_equal(ph_window_outstanding(&window), 3);
    ph_window_disconnect(&window);
    assert_false(ph_window_open(&window));
}

/* [PUB-3] fewer messages without PUBACK than the broker's Receive Maximum */
static void test_receive_maximum(void **state)
{
    (void)state;
    ph_window_init(&window, 64, 1000);
    ph_window_connect(&window, 20);
    int sent = 0;
    while (ph_window_open(&window)) {
        send_messages(sent++, 1, 0);
    }
    assert_int_equal(sent, 14); /* six are kept for status, replies and the registrar */
    ph_window_ack(&window, &(struct ph_ack){.through = 1000});
    assert_false(ph_window_open(&window)); /* acknowledged before the PUBACK */
    assert_int_equal(ph_window_outstanding(&window), 0);
    assert_true(ph_window_confirm(&window, 100));
    assert_true(ph_window_open(&window));
    ph_window_connect(&window, 1);
    assert_true(ph_window_open(&window));
}

/* [PUB-4] a message that is overdue is sent again, with all that followed */
static void test_timeout(void **state)
{
    (void)state;
    ph_window_init(&window, 4, 1000);
    ph_window_connect(&window, 65535);
    send_messages(0, 1, 0);
    send_messages(1, 1, 500);
    assert_false(ph_window_tick(&window, 999));
    assert_int_equal(window.cursor, 20);
    assert_true(ph_window_tick(&window, 1000));
    assert_int_equal(window.cursor, 0);
    assert_int_equal(ph_window_outstanding(&window), 0);
    assert_int_equal(ph_window_unconfirmed(&window), 2); /* the broker still counts them */
    assert_false(ph_window_tick(&window, 5000));
}

/* [PUB-5] nothing is sent, and nothing is overdue, while ingest is offline; all again after */
static void test_ingest_status(void **state)
{
    (void)state;
    ph_window_init(&window, 4, 1000);
    ph_window_connect(&window, 65535);
    send_messages(0, 2, 0);
    ph_window_ingest(&window, false, true);
    assert_false(ph_window_open(&window));
    assert_false(ph_window_tick(&window, 100000));
    ph_window_ingest(&window, true, false);
    assert_true(ph_window_open(&window));
    assert_int_equal(window.cursor, 0);
    send_messages(0, 2, 100000);
    ph_window_ingest(&window, true, false); /* retained: no reason to send again */
    assert_int_equal(window.cursor, 20);
    ph_window_ingest(&window, true, true); /* it has just subscribed: what was sent may be lost */
    assert_int_equal(window.cursor, 0);
}

/* [PUB-5] what ingest said ends with the connection: nobody may be there to take it back */
static void test_ingest_status_forgotten(void **state)
{
    (void)state;
    ph_window_init(&window, 4, 1000);
    ph_window_ingest(&window, false, false); /* retained, before the last subscription stands */
    ph_window_connect(&window, 65535);
    assert_false(ph_window_open(&window));
    ph_window_disconnect(&window);
    ph_window_connect(&window, 65535);
    assert_true(ph_window_open(&window));
}

/* [PUB-6] ranges beyond a gap count too, also for a message that straddles `through` */
static void test_ranges(void **state)
{
    (void)state;
    ph_window_init(&window, 8, 1000);
    ph_window_connect(&window, 65535);
    send_messages(0, 5, 0);
    ph_window_ack(
        &window, &(struct ph_ack){.through = 15, .also = {{16, 20}, {31, 40}}, .also_count = 2});
    assert_int_equal(ph_window_outstanding(&window), 2);
    ph_window_ack(&window, &(struct ph_ack){.through = 20, .also = {{22, 50}}, .also_count = 1});
    assert_int_equal(ph_window_outstanding(&window), 1); /* 21 is still missing */
}

/* [PUB-11] one question, and nothing else, until the acknowledgement that repeats its number */
static void test_question(void **state)
{
    (void)state;
    ph_window_init(&window, 4, 1000);
    ph_window_ask(&window, 77);
    assert_false(ph_window_open(&window));
    ph_window_connect(&window, 65535);
    ph_window_ack(&window, &(struct ph_ack){.through = 10}); /* late, of what was sent before */
    assert_true(window.asking);
    assert_true(ph_window_open(&window));
    ph_window_sent(&window, 0, 0, 7, 0);
    assert_false(ph_window_open(&window));
    assert_int_equal(window.cursor, 0);
    assert_true(ph_window_confirm(&window, 7)); /* the broker has it; that is no answer */
    assert_false(ph_window_open(&window));
    ph_window_ack(&window, &(struct ph_ack){.through = 10});
    ph_window_ack(&window, &(struct ph_ack){.through = 10, .asked = 76}); /* of an earlier one */
    assert_true(window.asking);
    assert_false(ph_window_open(&window));
    ph_window_ack(&window, &(struct ph_ack){.through = 0, .asked = 77});
    assert_false(window.asking);
    assert_true(ph_window_open(&window));
    send_messages(0, 2, 0);
    assert_true(ph_window_open(&window));
    assert_int_equal(ph_window_outstanding(&window), 2);
}

/* [PUB-11] asked again by the rules for every message */
static void test_question_again(void **state)
{
    (void)state;
    ph_window_init(&window, 4, 1000);
    ph_window_ask(&window, 77);
    ph_window_connect(&window, 65535);
    ph_window_sent(&window, 0, 0, 7, 0);
    assert_false(ph_window_tick(&window, 999));
    assert_true(ph_window_tick(&window, 1000));
    assert_true(ph_window_open(&window));
    ph_window_sent(&window, 0, 0, 8, 1000);
    ph_window_disconnect(&window);
    ph_window_connect(&window, 65535);
    assert_true(ph_window_open(&window));
    ph_window_sent(&window, 0, 0, 9, 2000);
    ph_window_ingest(&window, true, true);
    assert_true(window.asking);
    assert_true(ph_window_open(&window));
    ph_window_ingest(&window, false, true);
    assert_false(ph_window_open(&window));
}

static void test_rewinds_are_bounded(void **state)
{
    (void)state;
    ph_window_init(&window, 100000, 1);
    assert_true(window.size <= PH_WINDOW_MAX / 2);
    ph_window_connect(&window, 65535);
    int token = 1;
    for (int64_t now = 0; now < 5000; now += 10) {
        (void)ph_window_tick(&window, now);
        while (ph_window_open(&window)) {
            ph_window_sent(&window, 1, 1, token++, now);
        }
    }
    assert_true(window.count <= PH_WINDOW_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opens_and_closes),
        cmocka_unit_test(test_receive_maximum),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_ingest_status),
        cmocka_unit_test(test_ingest_status_forgotten),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_question),
        cmocka_unit_test(test_question_again),
        cmocka_unit_test(test_rewinds_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
