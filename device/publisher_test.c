/* [PUB-1] [PUB-7] [PUB-8] [PUB-11] to [PUB-14] with a fake in the place of the MQTT client */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "device/publisher.h"
#include "format/message.h"

#define START_MS INT64_C(1790000000000)
#define BOOT     "00000000-0000-4000-8000-000000000001"

enum { SENT_MAX = 512 };

/* What a broker and an ingest service would have seen. */
struct fake {
    bool offline;
    int tokens;
    int messages;
    int questions;
    int64_t asked;  /* "seq" of the last question */
    int64_t oldest; /* of the last message, like what follows; -1: not said */
    int64_t now_ms;
    int64_t up_ms;
    uint64_t stream;
    int64_t times[SENT_MAX]; /* by number: the reading's "t" */
    int copies[SENT_MAX];
    size_t largest;
    size_t most_readings;
};

static struct fake fake;
static char dir[64];
static int64_t max_bytes;
static struct ph_spool_file *file;
static struct ph_spool *spool;
static struct ph_publisher publisher;

static enum ph_err fake_send(void *context, const char *topic, const void *payload, size_t len,
    int *token, struct ph_error *error)
{
    assert_ptr_equal(context, &fake);
    assert_string_equal(topic, "t");
    if (fake.offline) {
        return ph_error_set(error, PH_ERR_UNAVAILABLE, "not connected");
    }
    struct ph_message *message = NULL;
    struct ph_error problem = {0};
    if (ph_message_parse(payload, len, &message, &problem) != PH_OK) {
        fail_msg("%s", problem.message);
    }
    fake.stream = message->stream;
    fake.messages += message->reading_count > 0;
    fake.questions += message->reading_count == 0;
    fake.asked = message->reading_count == 0 ? message->seq : fake.asked;
    fake.oldest = message->oldest;
    fake.now_ms = message->has_now ? message->now_ms : -1;
    fake.up_ms = message->has_up ? message->up_ms : -1;
    fake.largest = len > fake.largest ? len : fake.largest;
    fake.most_readings =
        message->reading_count > fake.most_readings ? message->reading_count : fake.most_readings;
    for (size_t i = 0; i < message->reading_count; i++) {
        int64_t seq = message->seq + (int64_t)i;
        assert_true(seq < SENT_MAX);
        fake.times[seq] = message->readings[i].time_ms;
        fake.copies[seq]++;
    }
    ph_message_free(&message);
    *token = ++fake.tokens;
    return PH_OK;
}

static void append(int count)
{
    for (int i = 0; i < count; i++) {
        char json[64];
        int64_t seq = 0;
        int64_t number = ph_spool_counters(spool).captured + 1;
        (void)snprintf(json, sizeof json, "{\"t\":%" PRId64 ",\"temperature_c\":21.5}", number);
        struct ph_spool_entry entry = {.json = json, .time_ms = number};
        assert_int_equal(ph_spool_append(spool, &entry, 1, &seq, NULL), PH_OK);
    }
}

static bool clock_set;

static void pump(int64_t now_ms)
{
    struct ph_error error = {0};
    struct ph_moment now = {.monotonic_ms = now_ms,
        .boot_ms = 5000 + now_ms,
        .unix_ms = START_MS + now_ms,
        .known = clock_set};
    (void)ph_window_tick(&publisher.window, now_ms);
    if (ph_publisher_pump(&publisher, &now, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
}

static enum ph_spool_acked acknowledge(const struct ph_ack *ack)
{
    struct ph_buf text;
    enum ph_spool_acked result = PH_SPOOL_ACK_FOREIGN;
    ph_buf_init(&text, 256);
    assert_int_equal(ph_ack_encode(ack, &text), PH_OK);
    assert_int_equal(ph_publisher_ack(&publisher, text.data, text.len, &result, NULL), PH_OK);
    ph_buf_fini(&text);
    return result;
}

static enum ph_spool_acked ack_through(uint64_t stream, int64_t through)
{
    return acknowledge(&(struct ph_ack){.stream = stream, .through = through});
}

/* To the last question. */
static enum ph_spool_acked answer(int64_t through)
{
    return acknowledge(
        &(struct ph_ack){.stream = fake.stream, .through = through, .asked = fake.asked});
}

static void reopen(void)
{
    ph_publisher_use(&publisher, NULL);
    ph_spool_close(&spool);
    assert_int_equal(ph_spool_open(file, "acme/thermostat/a", max_bytes, &spool, NULL), PH_OK);
    ph_publisher_use(&publisher, spool);
}

/* A connection whose question has been answered. */
static void connect_and_ask(void)
{
    ph_window_connect(&publisher.window, 65535);
    pump(0);
    assert_int_equal(fake.questions, 1);
    assert_int_equal(fake.messages, 0);
    assert_true(ph_window_confirm(&publisher.window, 1));
    assert_int_equal(answer(0), PH_SPOOL_ACK_APPLIED);
    fake.tokens = 0;
}

/* [PUB-1] readings are packed up to a count and to a size, each under its number */
static void test_packs(void **state)
{
    (void)state;
    append(100);
    connect_and_ask();
    pump(0);
    assert_int_equal(fake.messages, 4); /* the window */
    assert_int_equal(fake.most_readings, 10);
    assert_true(fake.largest <= 600);
    assert_int_equal(ack_through(fake.stream, 40), PH_SPOOL_ACK_APPLIED);
    for (int i = 1; i <= 4; i++) {
        (void)ph_window_confirm(&publisher.window, i);
    }
    pump(1);
    assert_int_equal(fake.messages, 8);
    for (int64_t seq = 1; seq <= 80; seq++) {
        assert_int_equal(fake.copies[seq], 1);
        assert_int_equal(fake.times[seq], seq);
    }
    publisher.readings_max = 512; /* now the size is what bounds */
    ack_through(fake.stream, 80);
    pump(2);
    assert_true(fake.most_readings > 10);
    assert_true(fake.largest <= 600);
}

/* [PUB-7] what was under way when the connection broke goes out again under the same numbers */
static void test_reconnect(void **state)
{
    (void)state;
    append(30);
    connect_and_ask();
    pump(0);
    uint64_t stream = fake.stream;
    assert_int_equal(ack_through(stream, 10), PH_SPOOL_ACK_APPLIED);
    fake.offline = true;
    append(1);
    pump(1); /* the client says: not connected */
    ph_window_disconnect(&publisher.window);
    pump(2);
    fake.offline = false;
    ph_window_connect(&publisher.window, 65535);
    pump(3);
    assert_int_equal(fake.stream, stream);
    for (int64_t seq = 1; seq <= 31; seq++) {
        assert_int_equal(fake.copies[seq], seq <= 10 || seq == 31 ? 1 : 2);
        assert_int_equal(fake.times[seq], seq);
    }
    assert_int_equal(ack_through(stream, 31), PH_SPOOL_ACK_APPLIED);
    assert_int_equal(ph_spool_counters(spool).pending, 0);
}

/* [PUB-8] a new stream after a restored spool: everything pending goes out anew from 1 */
static void test_new_stream(void **state)
{
    (void)state;
    append(20);
    connect_and_ask();
    pump(0);
    uint64_t stream = fake.stream;
    assert_int_equal(ack_through(stream, 5), PH_SPOOL_ACK_APPLIED);
    assert_int_equal(ack_through(stream, 21), PH_SPOOL_ACK_RESTARTED);
    memset(fake.copies, 0, sizeof fake.copies);
    pump(1);
    assert_int_not_equal(fake.stream, stream);
    for (int64_t seq = 1; seq <= 15; seq++) {
        assert_int_equal(fake.copies[seq], 1);
        assert_int_equal(fake.times[seq], seq + 5);
    }
    assert_int_equal(ack_through(stream, 15), PH_SPOOL_ACK_FOREIGN); /* a late one */
    assert_int_equal(ack_through(fake.stream, 15), PH_SPOOL_ACK_APPLIED);
    assert_int_equal(ph_spool_counters(spool).pending, 0);
}

/* [PUB-11] after a start nothing goes out but a question, until it is answered; then everything
 * does */
static void test_question(void **state)
{
    (void)state;
    append(25);
    ph_window_connect(&publisher.window, 65535);
    pump(0);
    pump(999);
    assert_int_equal(fake.questions, 1);
    int64_t asked = fake.asked;
    assert_true(asked > INT64_C(1) << 51);
    assert_int_equal(fake.messages, 0);
    pump(1000); /* not answered in time */
    assert_int_equal(fake.questions, 2);
    ph_window_disconnect(&publisher.window);
    ph_window_connect(&publisher.window, 65535);
    pump(1500);
    assert_int_equal(fake.questions, 3);
    ph_window_ingest(&publisher.window, true, true);
    append(1);
    pump(1600);
    assert_int_equal(fake.questions, 4);
    assert_true(fake.asked == asked);
    assert_int_equal(ack_through(fake.stream ^ 1, 0), PH_SPOOL_ACK_FOREIGN);
    pump(1700);
    assert_int_equal(fake.messages, 0);
    assert_int_equal(answer(0), PH_SPOOL_ACK_APPLIED);
    pump(1700);
    assert_int_equal(fake.questions, 4);
    assert_int_equal(fake.messages, 3);
    ph_window_disconnect(&publisher.window);
    ph_window_connect(&publisher.window, 65535);
    pump(1800); /* a new connection is no new start */
    assert_int_equal(fake.questions, 4);
    assert_int_equal(fake.messages, 6);
}

/* [PUB-11] an acknowledgement that was under way when the question went out is no answer, nor is
 * the answer to an earlier question: ingest may have more of the former life by now */
static void test_no_answer(void **state)
{
    (void)state;
    append(5);
    connect_and_ask();
    pump(0);
    int64_t earlier = fake.asked;
    fake = (struct fake){.offline = false};
    reopen(); /* as a copy of 5 readings; the former life went on and sent 20 */
    append(20);
    pump(1);
    assert_int_equal(ack_through(fake.stream, 3), PH_SPOOL_ACK_APPLIED);
    assert_int_equal(
        acknowledge(&(struct ph_ack){.stream = fake.stream, .through = 4, .asked = earlier}),
        PH_SPOOL_ACK_APPLIED);
    pump(2);
    assert_int_equal(fake.questions, 1);
    assert_int_equal(fake.messages, 0);
    assert_int_equal(answer(20), PH_SPOOL_ACK_RESTARTED);
    pump(3);
    for (int64_t seq = 1; seq <= 20; seq++) {
        assert_int_equal(fake.copies[seq], 1);
        assert_int_equal(fake.times[seq], seq + 5);
    }
}

/* [PUB-11] what the answer covers is not sent again */
static void test_answer_covers(void **state)
{
    (void)state;
    append(20);
    connect_and_ask();
    pump(0);
    fake = (struct fake){.offline = false};
    reopen();
    pump(1);
    assert_int_equal(fake.questions, 1);
    assert_int_equal(answer(15), PH_SPOOL_ACK_APPLIED);
    pump(2);
    for (int64_t seq = 1; seq <= 20; seq++) {
        assert_int_equal(fake.copies[seq], seq > 15);
    }
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* [PUB-11] an answer that cannot be written down is one all the same: a full disk does not keep
 * what could be sent before from being sent again */
static void test_answer_on_full_disk(void **state)
{
    (void)state;
    struct ph_error error = {0};
    enum ph_spool_acked result = PH_SPOOL_ACK_FOREIGN;
    char text[128];
    append(20);
    connect_and_ask();
    pump(0);
    uint64_t stream = fake.stream;
    fake = (struct fake){.offline = false};
    reopen();
    pump(1);
    int len = snprintf(text, sizeof text,
        "{\"v\":1,\"stream\":\"%016" PRIx64 "\",\"through\":5,\"asked\":%" PRId64 "}", stream,
        fake.asked);
    limit_files(1);
    enum ph_err err = ph_publisher_ack(&publisher, text, (size_t)len, &result, &error);
    limit_files(RLIM_INFINITY);
    assert_int_equal(err, PH_ERR_IO);
    assert_non_null(strstr(error.message, "check the disk"));
    pump(2);
    assert_int_equal(fake.questions, 1);
    for (int64_t seq = 1; seq <= 20; seq++) {
        assert_int_equal(fake.copies[seq], 1);
    }
}

/* [PUB-12] an answer beyond what was ever sent: nothing is asked twice, and what ingest cannot have
 * goes out at once in the new stream */
static void test_answer_of_another_life(void **state)
{
    (void)state;
    append(10);
    ph_window_connect(&publisher.window, 65535);
    pump(0);
    uint64_t old = fake.stream;
    assert_int_equal(ack_through(old, 4), PH_SPOOL_ACK_RESTARTED);
    pump(1);
    assert_int_not_equal(fake.stream, old);
    assert_int_equal(fake.questions, 1);
    for (int64_t seq = 1; seq <= 10; seq++) {
        assert_int_equal(fake.copies[seq], 1);
        assert_int_equal(fake.times[seq], seq);
    }
    assert_int_equal(ack_through(fake.stream, 10), PH_SPOOL_ACK_APPLIED);
    assert_int_equal(ph_spool_counters(spool).pending, 0);
}

/* [PUB-13] once readings were dropped every message says which is the oldest there is */
static void test_oldest(void **state)
{
    (void)state;
    max_bytes = 300;
    reopen();
    append(5);
    connect_and_ask();
    assert_int_equal(fake.oldest, 0);
    pump(0);
    assert_int_equal(fake.oldest, 0);
    append(20);
    struct ph_spool_counters counters = ph_spool_counters(spool);
    assert_true(counters.dropped > 5);
    int64_t first = counters.captured - counters.pending + 1;
    pump(1);
    assert_int_equal(fake.oldest, first);
    assert_int_equal(fake.copies[first], 1);
    struct ph_ack some = {.stream = fake.stream, .also = {{first, first + 1}}, .also_count = 1};
    enum ph_spool_acked result = PH_SPOOL_ACK_FOREIGN;
    assert_int_equal(ph_spool_ack(spool, &some, &result, NULL), PH_OK);
    reopen(); /* the question says it, too */
    fake.questions = 0;
    pump(2);
    assert_int_equal(fake.questions, 1);
    assert_int_equal(fake.oldest, first + 2);
}

static void append_up(int64_t up_ms)
{
    char json[64];
    int64_t seq = 0;
    (void)snprintf(json, sizeof json, "{\"up\":%" PRId64 ",\"temperature_c\":21.5}", up_ms);
    struct ph_spool_entry entry = {.json = json, .time_ms = up_ms, .up = true};
    assert_int_equal(ph_spool_append(spool, &entry, 1, &seq, NULL), PH_OK);
}

/* [PUB-14] messages say what time it is, once that is known, and how long the device is up when
 * that gives readings of this boot a time */
static void test_times(void **state)
{
    (void)state;
    clock_set = false;
    connect_and_ask();
    assert_int_equal(fake.now_ms, -1);
    assert_int_equal(fake.up_ms, -1);
    append_up(4000);
    pump(10);
    assert_int_equal(fake.now_ms, -1);
    assert_int_equal(fake.up_ms, 5010);
    append_up(5005);
    clock_set = true;
    append(1);
    pump(20);
    assert_int_equal(fake.now_ms, START_MS + 20);
    assert_int_equal(fake.up_ms, 5020);
    append(1);
    pump(30);
    assert_int_equal(fake.now_ms, START_MS + 30);
    assert_int_equal(fake.up_ms, -1);
    assert_int_equal(fake.messages, 3);
}

static void test_bad_ack(void **state)
{
    (void)state;
    struct ph_error error = {0};
    enum ph_spool_acked result = PH_SPOOL_ACK_APPLIED;
    append(3);
    assert_int_equal(ph_publisher_ack(&publisher, "{\"v\":1}", 7, &result, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "ack"));
    assert_int_equal(ph_spool_counters(spool).pending, 3);
}

static int setup(void **state)
{
    (void)state;
    char path[96];
    (void)snprintf(dir, sizeof dir, "/tmp/ph-publisher-XXXXXX");
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/spool.db", dir);
    if (ph_spool_file_open(path, PH_SPOOL_SYNC_OS, BOOT, &file, NULL) != PH_OK ||
        ph_spool_open(file, "acme/thermostat/a", 1 << 20, &spool, NULL) != PH_OK) {
        return -1;
    }
    fake = (struct fake){.offline = false};
    clock_set = true;
    max_bytes = 1 << 20;
    ph_publisher_init(&publisher, "t", 10, 600, 4, 1000);
    ph_publisher_use(&publisher, spool);
    publisher.send = fake_send;
    publisher.context = &fake;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char line[128];
    ph_publisher_fini(&publisher);
    ph_spool_close(&spool);
    ph_spool_file_close(&file);
    (void)snprintf(line, sizeof line, "rm -rf '%s'", dir);
    return system(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_packs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reconnect, setup, teardown),
        cmocka_unit_test_setup_teardown(test_new_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(test_question, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer_covers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer_on_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer_of_another_life, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oldest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_times, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_ack, setup, teardown),
    };
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit is met as an error, as a full disk is */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
