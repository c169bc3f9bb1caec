/* [PUB-1] [PUB-7] [PUB-8] with a fake in the place of the MQTT client */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/publisher.h"
#include "format/message.h"

enum { SENT_MAX = 512 };

/* What a broker and an ingest service would have seen. */
struct fake {
    bool offline;
    int tokens;
    int messages;
    uint64_t stream;
    int64_t times[SENT_MAX]; /* by number: the reading's "t" */
    int copies[SENT_MAX];
    size_t largest;
    size_t most_readings;
};

static struct fake fake;
static char dir[64];
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
    fake.messages++;
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

static void pump(int64_t now_ms)
{
    struct ph_error error = {0};
    (void)ph_window_tick(&publisher.window, now_ms);
    if (ph_publisher_pump(&publisher, now_ms, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
}

static enum ph_spool_acked ack_through(uint64_t stream, int64_t through)
{
    char text[128];
    enum ph_spool_acked result = PH_SPOOL_ACK_FOREIGN;
    int len = snprintf(text, sizeof text,
        "{\"v\":1,\"stream\":\"%016" PRIx64 "\",\"through\":%" PRId64 "}", stream, through);
    assert_int_equal(ph_publisher_ack(&publisher, text, (size_t)len, &result, NULL), PH_OK);
    return result;
}

/* [PUB-1] readings are packed up to a count and to a size, each under its number */
static void test_packs(void **state)
{
    (void)state;
    append(100);
    ph_window_connect(&publisher.window, 65535);
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
    ph_window_connect(&publisher.window, 65535);
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
    ph_window_connect(&publisher.window, 65535);
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
    if (ph_spool_file_open(path, PH_SPOOL_SYNC_OS, &file, NULL) != PH_OK ||
        ph_spool_open(file, "acme/thermostat/a", 1 << 20, &spool, NULL) != PH_OK) {
        return -1;
    }
    fake = (struct fake){.offline = false};
    ph_publisher_init(&publisher, "t", 10, 600, 4, 1000);
    publisher.spool = spool;
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
        cmocka_unit_test_setup_teardown(test_bad_ack, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
