/* The parts of the load generator. Requirements: [LOAD-5] to [LOAD-17] of docs/spec/fleet.md; whole
 * runs are in tests/fleet_load. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/fleet/load_account.h"
#include "device/fleet/load_payload.h"
#include "device/fleet/load_result.h"
#include "device/fleet/load_thread.h"
#include "format/json.h"

/* [LOAD-6] evenly over all publishers, without a sum of rounding errors */
static void test_schedule(void **state)
{
    (void)state;
    struct ph_load_options options = {.publishers = 3, .rate = 7, .messages = 10};
    struct ph_load_plan plan = {.options = &options};
    atomic_store(&plan.start_ns, 1000);
    assert_int_equal(ph_load_due_ns(&plan, 0, 0), 1000);
    assert_int_equal(ph_load_due_ns(&plan, 1, 0), 1000 + 1000000000 / 7);
    assert_int_equal(ph_load_due_ns(&plan, 1, 2), 1000 + 1000000000);
    assert_int_equal(
        ph_load_due_ns(&plan, 1, 2 + 7 * INT64_C(1000000)), 1000 + INT64_C(3000001) * 1000000000);
    assert_int_equal(ph_load_share(&options, 0), 4);
    assert_int_equal(ph_load_share(&options, 2), 3);
    options.messages = 0;
    assert_int_equal(ph_load_share(&options, 2), INT64_MAX);
}

static void check_stamp(int64_t size_bytes, int64_t readings)
{
    const struct ph_load_stamp stamp = {.run = 0xfedcba98,
        .publisher = 77,
        .seq = INT64_C(123456789012),
        .due_ns = INT64_C(9876543210123),
        .sent_ns = INT64_C(9876543219999)};
    struct ph_load_stamp read = {0};
    struct ph_load_payload payload;
    assert_int_equal(
        ph_load_payload_init(&payload, size_bytes, readings, 1790000000000, NULL), PH_OK);
    assert_false(ph_load_payload_read(payload.bytes, payload.len, &read));
    ph_load_payload_stamp(&payload, &stamp);
    assert_true(ph_load_payload_read(payload.bytes, payload.len, &read));
    assert_memory_equal(&read, &stamp, sizeof stamp);
    if (readings > 0) {
        struct ph_json *json = NULL;
        assert_int_equal(ph_json_parse(payload.bytes, payload.len, &json, NULL), PH_OK);
        const struct ph_json_value *root = ph_json_root(json);
        assert_string_equal(ph_json_text(ph_json_member(root, "stream")), "fedcba980000004d");
        assert_true(
            ph_json_number(ph_json_member(root, "seq")) == (double)(stamp.seq * readings + 1));
        assert_int_equal(ph_json_count(ph_json_member(root, "readings")), readings);
        ph_json_free(&json);
    } else {
        assert_int_equal(payload.len, size_bytes);
    }
    ph_load_payload_fini(&payload);
}

/* [LOAD-10] */
static void test_payload(void **state)
{
    (void)state;
    struct ph_load_stamp read;
    struct ph_load_payload payload;
    check_stamp(PH_LOAD_STAMP_BYTES, 0);
    check_stamp(100000, 0);
    check_stamp(0, 1);
    check_stamp(0, 300);
    assert_false(ph_load_payload_stamped(PH_LOAD_STAMP_BYTES - 1, 0));
    assert_int_equal(ph_load_payload_init(&payload, PH_LOAD_STAMP_BYTES - 1, 0, 0, NULL), PH_OK);
    ph_load_payload_stamp(&payload, &(struct ph_load_stamp){.run = 1});
    assert_false(ph_load_payload_read(payload.bytes, payload.len, &read));
    ph_load_payload_fini(&payload);
    assert_false(ph_load_payload_read("", 0, &read));
    assert_false(ph_load_payload_read("{\"load\":\"0", 10, &read));
}

static enum ph_load_receipt receive(
    struct ph_load_account *account, size_t subscriber, size_t publisher, int64_t seq)
{
    enum ph_load_receipt receipt = PH_LOAD_STRAY;
    assert_int_equal(ph_load_account_receive(account, subscriber, publisher, seq, &receipt), PH_OK);
    return receipt;
}

/* [LOAD-11] each subscription has an account of its own; those that share one have it together */
static void test_accounts(void **state)
{
    (void)state;
    static const char *const topics[] = {"t/1", "t/2", "t/3", "t/1"};
    static const char *const filters[] = {"t/+", "t/1", "$share/g/t/#", "$share/g/t/#", "x"};
    struct ph_load_account *account = NULL;
    assert_int_equal(ph_load_account_new(topics, 4, filters, 5, &account, NULL), PH_OK);
    assert_int_equal(ph_load_account_receivers(account, 0), 3);
    assert_int_equal(ph_load_account_receivers(account, 1), 2);
    assert_int_equal(ph_load_account_receivers(account, 3), 3);
    assert_int_equal(receive(account, 0, 1, 5), PH_LOAD_FRESH);
    assert_int_equal(receive(account, 0, 1, 5), PH_LOAD_DUPLICATE);
    assert_int_equal(receive(account, 0, 2, 5), PH_LOAD_FRESH);
    assert_int_equal(receive(account, 1, 3, 0), PH_LOAD_FRESH);
    assert_int_equal(receive(account, 1, 1, 0), PH_LOAD_STRAY);
    assert_int_equal(receive(account, 2, 0, 100000), PH_LOAD_FRESH);
    assert_int_equal(receive(account, 3, 0, 100000), PH_LOAD_DUPLICATE);
    assert_int_equal(receive(account, 3, 0, 99999), PH_LOAD_FRESH);
    /* [LOAD-12] what cannot be */
    assert_int_equal(receive(account, 4, 0, 0), PH_LOAD_STRAY);
    assert_int_equal(receive(account, 9, 0, 0), PH_LOAD_STRAY);
    assert_int_equal(receive(account, 0, 4, 0), PH_LOAD_STRAY);
    assert_int_equal(receive(account, 0, 0, INT64_MAX), PH_LOAD_STRAY);
    ph_load_account_free(&account);
    assert_null(account);
}

static struct ph_load_result *make_result(const struct ph_load_options *options)
{
    struct ph_load_result *result = calloc(1, sizeof *result);
    assert_non_null(result);
    result->options = options;
    result->connections = 3;
    result->measured_s = 2;
    result->stamped = true;
    ph_load_count(&result->total, PH_LOAD_CONNECTED, 3);
    ph_load_count(&result->total, PH_LOAD_SENT, 1000);
    ph_load_count(&result->total, PH_LOAD_CONFIRMED, 1000);
    ph_load_count(&result->total, PH_LOAD_EXPECTED, 2000);
    ph_load_count(&result->total, PH_LOAD_RECEIVED, 2000);
    return result;
}

static struct ph_load_options some_options(void)
{
    static char broker[] = "mqtt://a";
    static char topic[] = "t/{n}";
    static char filter[] = "t/+";
    return (struct ph_load_options){.broker = broker,
        .topic = topic,
        .filter = filter,
        .version = 5,
        .publishers = 1,
        .subscribers = 2,
        .rate = 500,
        .qos = 1,
        .threads = 1,
        .window = 10};
}

/* [LOAD-16] */
static void test_verdict(void **state)
{
    (void)state;
    struct ph_load_options options = some_options();
    struct ph_load_result *result = make_result(&options);
    ph_load_result_judge(result);
    assert_string_equal(result->lacks, "");
    ph_load_count(&result->total, PH_LOAD_FAILED, 1);
    ph_load_count(&result->total, PH_LOAD_LOSSES, 4);
    ph_load_count(&result->total, PH_LOAD_REFUSED, 1);
    ph_load_count(&result->total, PH_LOAD_CONFIRMED, -6);
    ph_load_count(&result->total, PH_LOAD_RECEIVED, -3);
    ph_load_result_judge(result);
    assert_string_equal(result->lacks,
        "1 of 3 connections failed; 4 connections were lost; 1 messages were refused; "
        "5 messages were not confirmed; 3 messages did not arrive");
    /* at QoS 0 a loss is counted, and is no fault */
    free(result);
    options.qos = 0;
    result = make_result(&options);
    ph_load_count(&result->total, PH_LOAD_RECEIVED, -3);
    ph_load_result_judge(result);
    assert_int_equal(ph_load_lost(result), 3);
    assert_int_equal(ph_load_unconfirmed(result), 0);
    assert_string_equal(result->lacks, "");
    free(result);
}

/* [LOAD-15] late, and why; silent where the broker took far longer than the generator was late */
static void test_warning(void **state)
{
    (void)state;
    struct ph_load_options options = some_options();
    struct ph_load_result *result = make_result(&options);
    ph_histogram_record(&result->total.times[PH_LOAD_BEHIND], 20000, 1000);
    result->busiest = 0.97;
    ph_load_result_judge(result);
    assert_non_null(strstr(result->warning, "the generator, not the broker, was late: 1 %"));
    assert_non_null(strstr(result->warning, "a thread of it had all of a core"));
    result->busiest = 0.2;
    result->waited = 0.4;
    ph_load_result_judge(result);
    assert_non_null(strstr(result->warning, "others had its cores"));
    result->waited = 0;
    ph_load_result_judge(result);
    assert_non_null(strstr(result->warning, "the system woke it late"));
    ph_histogram_record(&result->total.times[PH_LOAD_DELIVERY_DUE], 900000, 1000);
    ph_load_result_judge(result);
    assert_string_equal(result->warning, "");
    options.rate = 0;
    result->busiest = 0.97;
    ph_load_result_judge(result);
    assert_non_null(strstr(result->warning, "may have been the limit"));
    free(result);
}

/* [LOAD-5] */
static void test_reasons(void **state)
{
    (void)state;
    struct ph_load_stats *a = calloc(1, sizeof *a);
    struct ph_load_stats *b = calloc(1, sizeof *b);
    assert_true(a != NULL && b != NULL);
    ph_load_reason(&a->reasons, "refused\n", 1);
    ph_load_reason(&b->reasons, "reset", 2);
    ph_load_reason(&b->reasons, "refused\n", 3);
    ph_load_stats_add(a, b);
    assert_int_equal(a->reasons.len, 2);
    assert_string_equal(a->reasons.list[0].text, "refused\\x0a");
    assert_int_equal(a->reasons.list[0].count, 4);
    for (int i = 0; i < PH_LOAD_REASONS; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "reason %d", i);
        ph_load_reason(&a->reasons, text, 1);
    }
    assert_int_equal(a->reasons.len, PH_LOAD_REASONS);
    assert_int_equal(a->reasons.others, 2);
    free(a);
    free(b);
}

static void expect_text(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("want \"%s\" in: %s", part, text);
    }
}

/* [LOAD-7] both times stand side by side; [LOAD-17] */
static void test_summary(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    struct ph_load_options options = some_options();
    struct ph_load_result *result = make_result(&options);
    result->measured[PH_LOAD_SENT] = 3000;
    ph_load_count(&result->total, PH_LOAD_UNSENT, 12345678);
    ph_histogram_record(&result->total.times[PH_LOAD_CONFIRM_DUE], 50, 1);
    ph_histogram_record(&result->total.times[PH_LOAD_CONFIRM_SENT], 20, 1);
    FILE *out = open_memstream(&text, &len);
    ph_load_result_print(out, result);
    assert_int_equal(fclose(out), 0);
    expect_text(text, "12,345,678");
    expect_text(text, "1,500/s of 500/s");
    expect_text(text, "p99.99        max");
    expect_text(text, "confirmed, from due      0.050 ms");
    expect_text(text, "confirmed, from sent     0.020 ms");
    assert_null(strstr(text, "received, from"));
    free(text);
    options.rate = 0; /* [LOAD-8] */
    out = open_memstream(&text, &len);
    ph_load_result_print(out, result);
    assert_int_equal(fclose(out), 0);
    assert_null(strstr(text, "from due "));
    expect_text(text, "no rate: a slow broker is asked less often");
    free(text);
    free(result);
}

/* [LOAD-17] */
static void test_json(void **state)
{
    (void)state;
    struct ph_json *json = NULL;
    struct ph_buf text;
    struct ph_load_options options = some_options();
    struct ph_load_result *result = make_result(&options);
    ph_buf_init(&text, 65536);
    ph_load_reason(&result->total.reasons, "\"quoted\"", 2);
    ph_histogram_record(&result->total.times[PH_LOAD_DELIVERY_DUE], 77, 3);
    ph_load_result_judge(result);
    assert_int_equal(ph_load_result_json(result, &text, NULL), PH_OK);
    assert_int_equal(ph_json_parse(text.data, text.len, &json, NULL), PH_OK);
    const struct ph_json_value *root = ph_json_root(json);
    assert_true(ph_json_bool(ph_json_member(root, "good")));
    assert_true(ph_json_number(ph_json_member(root, "received")) == 2000);
    assert_true(ph_json_number(ph_json_member(root, "lost")) == 0);
    const struct ph_json_value *times = ph_json_member(root, "times_us");
    const struct ph_json_value *delivery = ph_json_member(times, "received_from_due");
    assert_true(ph_json_number(ph_json_member(delivery, "p99_99")) == 77);
    const struct ph_json_value *reason = ph_json_first(ph_json_member(root, "reasons"));
    assert_string_equal(ph_json_text(ph_json_member(reason, "text")), "\"quoted\"");
    ph_json_free(&json);
    ph_buf_fini(&text);
    free(result);
}

/* [LOAD-17] */
static void test_live_line(void **state)
{
    (void)state;
    char line[256];
    struct ph_load_sample sample = {.at_s = -1, .connections = 2000};
    sample.counts[PH_LOAD_CONNECTED] = 1500;
    ph_load_sample_print(line, sizeof line, &sample);
    assert_string_equal(line, "connected 1,500 of 2,000, failed 0");
    sample.at_s = 7;
    sample.last[PH_LOAD_SENT] = 12000;
    sample.p99_us = 1500;
    ph_load_sample_print(line, sizeof line, &sample);
    assert_string_equal(
        line, "   7 s  sent 12,000/s  confirmed 0/s  received 0/s  p50 0.000 ms  p99 1.50 ms");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_payload),
        cmocka_unit_test(test_accounts),
        cmocka_unit_test(test_verdict),
        cmocka_unit_test(test_warning),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_summary),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_live_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
