/* What actors try and send, without a broker; with one: tests/fleet/actors_test.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device/fleet/actor_internal.h"
#include "format/message.h"
#include "format/topic.h"

enum { NAMES = 1000, NAME_BYTES = 32 };

#define SELF "acme/thermostat/t-0003"

static char texts[NAMES][NAME_BYTES];
static char *names[NAMES];
static struct ph_identities others = {.names = names};
static struct ph_topic_templates templates;

/* The first `count` of acme's devices, SELF among them. */
static void make(struct ph_attempts *attempts, size_t count)
{
    struct ph_error error = {0};
    others.count = count;
    assert_int_equal(ph_attempts_init(attempts, &templates, SELF, &others, &error), PH_OK);
}

static size_t count_topic(
    const struct ph_attempts *attempts, enum ph_attempt_how how, const char *topic)
{
    size_t count = 0;
    struct ph_attempt attempt;
    for (size_t i = 0; i < attempts->wills_end; i++) {
        ph_attempts_get(attempts, i, &attempt);
        count += attempt.how == how && strcmp(attempt.topic, topic) == 0;
    }
    return count;
}

/* [ACT-23] what is its own, and nothing else, is meant to be granted. */
static void test_own(void **state)
{
    (void)state;
    static const char *const publish[] = {"telemetry", "status", "reply", "renew"};
    struct ph_attempts attempts;
    struct ph_attempt attempt;
    make(&attempts, 10);
    assert_int_equal(attempts.own_end, 8);
    for (size_t i = 0; i < attempts.own_end; i++) {
        ph_attempts_get(&attempts, i, &attempt);
        assert_true(attempt.own);
        assert_int_equal(
            attempt.how, i < PH_ATTEMPT_OWN_PUBLISH ? PH_ATTEMPT_PUBLISH : PH_ATTEMPT_SUBSCRIBE);
        if (i < PH_ATTEMPT_OWN_PUBLISH) {
            char topic[64];
            (void)snprintf(topic, sizeof topic, "ph/v1/" SELF "/%s", publish[i]);
            assert_string_equal(attempt.topic, topic);
        }
    }
    ph_attempts_get(&attempts, PH_ATTEMPT_TELEMETRY, &attempt);
    assert_string_equal(attempt.topic, "ph/v1/" SELF "/telemetry");
    size_t own = 0;
    for (size_t i = attempts.own_end; i < attempts.wills_end; i++) {
        ph_attempts_get(&attempts, i, &attempt);
        own += attempt.own;
        assert_int_equal(attempt.own, i == attempts.ids_end);
    }
    assert_int_equal(own, 1);
    ph_attempts_get(&attempts, attempts.ids_end, &attempt);
    assert_int_equal(attempt.how, PH_ATTEMPT_WILL);
    assert_string_equal(attempt.topic, "ph/v1/" SELF "/status");
}

/* [ACT-20] everybody else's topics, each once, and none of its own among them. */
static void test_others(void **state)
{
    (void)state;
    static const char *const publish[] = {
        "telemetry", "status", "reply", "renew", "ack", "command", "certificate"};
    static const char *const subscribe[] = {"ack", "command", "certificate"};
    struct ph_attempts attempts;
    struct ph_attempt attempt;
    char topic[64];
    make(&attempts, 10);
    for (size_t i = 0; i < sizeof publish / sizeof publish[0]; i++) {
        (void)snprintf(topic, sizeof topic, "ph/v1/acme/thermostat/t-0010/%s", publish[i]);
        assert_int_equal(count_topic(&attempts, PH_ATTEMPT_PUBLISH, topic), 1);
    }
    for (size_t i = 0; i < sizeof subscribe / sizeof subscribe[0]; i++) {
        (void)snprintf(topic, sizeof topic, "ph/v1/acme/thermostat/t-0001/%s", subscribe[i]);
        assert_int_equal(count_topic(&attempts, PH_ATTEMPT_SUBSCRIBE, topic), 1);
    }
    for (size_t i = attempts.own_end; i < attempts.topics_end; i++) {
        ph_attempts_get(&attempts, i, &attempt);
        assert_null(strstr(attempt.topic, SELF));
        assert_true(attempt.how == PH_ATTEMPT_NONE || attempt.topic[0] != '\0');
    }
    static const char *const wide[] = {"#", "+/#", "$SYS/#", "$share/thief/#",
        "ph/v1/+/+/+/telemetry", "$share/thief/ph/v1/+/+/+/telemetry", "ph/v1/+/+/+/certificate",
        "ph/v1/claim/+/+/enroll", "ph/v1/claim/+/+/certificate/+"};
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++) {
        assert_int_equal(count_topic(&attempts, PH_ATTEMPT_SUBSCRIBE, wide[i]), 1);
    }
    assert_int_equal(count_topic(&attempts, PH_ATTEMPT_PUBLISH, "ph/v1/ingest/status"), 1);
    ph_attempts_get(&attempts, attempts.own_end, &attempt);
    assert_true(attempt.retained); /* that status */
}

/* [ACT-4] what is published to is a topic name, what is subscribed to a filter. */
static void test_protocol(void **state)
{
    (void)state;
    struct ph_attempts attempts;
    struct ph_attempt attempt;
    make(&attempts, 10);
    for (size_t i = 0; i < attempts.wills_end; i++) {
        struct ph_error error = {0};
        ph_attempts_get(&attempts, i, &attempt);
        if (attempt.how == PH_ATTEMPT_PUBLISH || attempt.how == PH_ATTEMPT_WILL) {
            assert_null(strpbrk(attempt.topic, "+#"));
        } else if (attempt.how == PH_ATTEMPT_SUBSCRIBE) {
            assert_int_equal(ph_topic_filter_check(ph_topic_unshare(attempt.topic), &error), PH_OK);
        }
    }
}

static size_t count_how(const struct ph_attempts *attempts, enum ph_attempt_how how)
{
    size_t count = 0;
    struct ph_attempt attempt;
    for (size_t i = 0; i < attempts->wills_end; i++) {
        ph_attempts_get(attempts, i, &attempt);
        count += attempt.how == how;
    }
    return count;
}

/* [ACT-21] [ACT-22] all client ids, or a sample from the first to (nearly) the last; few wills. */
static void test_samples(void **state)
{
    (void)state;
    struct ph_attempts attempts;
    struct ph_attempt attempt;
    make(&attempts, 10);
    assert_int_equal(count_how(&attempts, PH_ATTEMPT_CONNECT), 9);
    assert_int_equal(count_topic(&attempts, PH_ATTEMPT_CONNECT, SELF), 0);
    make(&attempts, NAMES);
    assert_int_equal(count_how(&attempts, PH_ATTEMPT_CONNECT), PH_ATTEMPT_IDS);
    ph_attempts_get(&attempts, attempts.ids_end - 1, &attempt);
    assert_string_equal(attempt.topic, "acme/thermostat/t-0996");
    assert_int_equal(count_how(&attempts, PH_ATTEMPT_WILL), 2 + 3 * PH_ATTEMPT_WILLS);
    ph_attempts_get(&attempts, attempts.ids_end + 1, &attempt);
    assert_string_equal(attempt.topic, "ph/v1/ingest/status");
    assert_true(attempt.readable);
    assert_int_equal(
        count_topic(&attempts, PH_ATTEMPT_WILL, "ph/v1/acme/thermostat/t-0751/command"), 1);
    make(&attempts, 0);
    assert_int_equal(count_how(&attempts, PH_ATTEMPT_CONNECT), 0);
    assert_int_equal(count_how(&attempts, PH_ATTEMPT_WILL), 2);
}

static void test_names(void **state)
{
    (void)state;
    struct ph_attempts attempts;
    struct ph_error error = {0};
    others.count = 3;
    static char short_name[] = "acme/thermostat";
    names[1] = short_name;
    assert_int_equal(ph_attempts_init(&attempts, &templates, SELF, &others, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "acme/thermostat"));
    names[1] = texts[1];
    ph_error_clear(&error);
    assert_int_equal(
        ph_attempts_init(&attempts, &templates, "nobody", &others, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "nobody"));
}

/* [ACT-10] what ingest would store. */
static void test_flood(void **state)
{
    (void)state;
    struct ph_rng rng = {.state = 1};
    struct ph_buf buf;
    struct ph_message *message = NULL;
    struct ph_error error = {0};
    ph_buf_init(&buf, 4096);
    for (int64_t seq = 1; seq < 100; seq += PH_FLOOD_READINGS) {
        ph_buf_reset(&buf);
        assert_int_equal(ph_flood_make(0xabcd, seq, 1790000000000, &rng, &buf), PH_OK);
        assert_int_equal(ph_message_parse(buf.data, buf.len, &message, &error), PH_OK);
        assert_true(message->stream == 0xabcd && message->seq == seq);
        assert_int_equal(message->reading_count, PH_FLOOD_READINGS);
        assert_true(message->readings[0].time_ms < 1790000000000);
        assert_string_equal(message->readings[0].fields[0].name, "temperature_c");
        double temperature_c = message->readings[0].fields[0].value.number;
        assert_true(temperature_c >= 15.0 && temperature_c < 25.0);
        ph_message_free(&message);
    }
    ph_buf_fini(&buf);
}

/* [ACT-11] nothing of it is a message, and nothing is larger than it should be. */
static void test_garbage(void **state)
{
    (void)state;
    struct ph_rng rng = {.state = 1};
    struct ph_buf good;
    struct ph_buf buf;
    size_t largest = 0;
    ph_buf_init(&good, 4096);
    ph_buf_init(&buf, PH_GARBAGE_BYTES);
    assert_int_equal(ph_flood_make(1, 1, 1790000000000, &rng, &good), PH_OK);
    for (int i = 0; i < 200 * PH_GARBAGE_KINDS; i++) {
        struct ph_message *message = NULL;
        enum ph_garbage kind = (enum ph_garbage)(i % PH_GARBAGE_KINDS);
        ph_buf_reset(&buf);
        assert_int_equal(ph_garbage_make(kind, &rng, &good, &buf), PH_OK);
        assert_int_equal(buf.len == 0, kind == PH_GARBAGE_EMPTY);
        assert_int_not_equal(ph_message_parse(buf.data, buf.len, &message, NULL), PH_OK);
        largest = buf.len > largest ? buf.len : largest;
    }
    assert_true(largest > PH_GARBAGE_BYTES / 2 && largest <= PH_GARBAGE_BYTES);
    ph_buf_fini(&buf);
    ph_buf_fini(&good);
}

/* [ACT-2] An actor that was never connected: what is sent is kept, answers are found in any order.
 */
static void test_answers(void **state)
{
    (void)state;
    static struct ph_actor actor;
    struct ph_mqtt_event event = {.type = PH_MQTT_PUBLISHED, .token = 12};
    size_t tag = 0;
    actor.sent_count = 3;
    for (size_t i = 0; i < 3; i++) {
        actor.sent[i] = (struct ph_actor_sent){.token = 11 + (int)i, .tag = 100 + i};
    }
    actor.window = 3;
    assert_false(ph_actor_has_room(&actor));
    actor.up = true;
    assert_false(ph_actor_has_room(&actor));
    assert_true(ph_actor_answered(&actor, &event, &tag));
    assert_true(ph_actor_has_room(&actor));
    assert_int_equal(tag, 101);
    assert_false(ph_actor_answered(&actor, &event, &tag)); /* once */
    event = (struct ph_mqtt_event){.type = PH_MQTT_PUBLISH_FAILED, .token = 13};
    assert_false(ph_actor_answered(&actor, &event, &tag)); /* lost, not answered */
    event.reason_code = 0x87;
    assert_true(ph_actor_answered(&actor, &event, &tag));
    assert_int_equal(tag, 102);
    assert_int_equal(actor.sent_count, 1);
    assert_int_equal(actor.sent[0].token, 11);
}

static void test_wrong_act(void **state)
{
    (void)state;
    const struct ph_act act = {.kind = PH_ACT_STORM};
    const struct ph_actor_options options = {.act = &act};
    struct ph_actor *actor = NULL;
    struct ph_error error = {0};
    assert_int_equal(ph_actor_new(&options, &actor, &error), PH_ERR_INTERNAL);
    assert_string_equal(error.message, "actor: neither mad nor a thief");
    assert_null(actor);
    ph_actor_free(&actor);
}

/* A certificate that is not there ends it before it begins. */
static void test_no_certificate(void **state)
{
    (void)state;
    static struct ph_fleet_stats stats;
    char host[] = "localhost";
    char missing[] = "/nonexistent/cert.pem";
    static const enum ph_act_kind kinds[] = {PH_ACT_MAD, PH_ACT_THIEF};
    struct ph_device_config config = {.broker = {.host = host,
                                          .port = 8883,
                                          .ca = missing,
                                          .certificate = missing,
                                          .key = missing},
        .reconnect = {.min_ms = 10, .max_ms = 100, .refused_ms = 100},
        .topics = templates};
    others.count = 3;
    for (size_t i = 0; i < 2; i++) {
        const struct ph_act act = {.kind = kinds[i], .how = PH_MAD_FLOOD};
        const struct ph_actor_options options = {
            .config = &config, .name = SELF, .others = &others, .act = &act, .stats = &stats};
        struct ph_actor *actor = NULL;
        struct ph_error error = {0};
        assert_int_equal(ph_actor_new(&options, &actor, &error), PH_ERR_NOT_FOUND);
        assert_non_null(strstr(error.message, missing));
        assert_null(actor);
    }
}

static int setup(void **state)
{
    (void)state;
    struct ph_error error = {0};
    for (size_t i = 0; i < NAMES; i++) {
        (void)snprintf(texts[i], NAME_BYTES, "acme/thermostat/t-%04zu", i + 1);
        names[i] = texts[i];
    }
    return ph_topic_templates_default(&templates, &error) == PH_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < PH_TOPIC_COUNT; i++) {
        free(templates.text[i]);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_protocol),
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_wrong_act),
        cmocka_unit_test(test_no_certificate),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
