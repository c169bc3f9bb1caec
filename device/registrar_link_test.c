/* [LIFE-10] to [LIFE-13]: over a connection that is made up */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "device/registrar_link.h"

#define QUESTIONS "ph/v1/acme/thermostat/t-0001/renew"
#define ANSWERS   "ph/v1/acme/thermostat/t-0001/certificate"
#define ID        "00112233445566778899aabbccddeeff"

enum { REST_MS = 1000 };

static struct {
    int tokens;
    int subscribed;
    int published;
    bool away;
    char topic[600];
    char payload[1024];
} broker;

static struct ph_registrar_link registrar;
static struct ph_answer answer;
static int lines;
static char last_line[1024];

static void count_line(enum ph_log_level level, const char *line)
{
    (void)level;
    lines++;
    (void)snprintf(last_line, sizeof last_line, "%s", line);
}

static enum ph_err subscribe(void *context, const char *filter, int *token, struct ph_error *error)
{
    (void)context;
    if (broker.away) {
        return ph_error_set(error, PH_ERR_UNAVAILABLE, "not connected");
    }
    (void)snprintf(broker.topic, sizeof broker.topic, "%s", filter);
    broker.subscribed++;
    *token = ++broker.tokens;
    return PH_OK;
}

static enum ph_err publish(void *context, const char *topic, const void *payload, size_t len,
    int *token, struct ph_error *error)
{
    (void)context;
    if (broker.away) {
        return ph_error_set(error, PH_ERR_UNAVAILABLE, "not connected");
    }
    (void)snprintf(broker.topic, sizeof broker.topic, "%s", topic);
    (void)snprintf(broker.payload, sizeof broker.payload, "%.*s", (int)len, (const char *)payload);
    broker.published++;
    *token = ++broker.tokens;
    return PH_OK;
}

static enum ph_registrar_news give(
    enum ph_mqtt_event_type type, int token, int code, int64_t now_ms)
{
    const struct ph_mqtt_event event = {.type = type, .token = token, .reason_code = code};
    return ph_registrar_link_event(&registrar, &event, now_ms, &answer);
}

static enum ph_registrar_news say(
    const char *topic, const char *text, bool retained, int64_t now_ms)
{
    char name[128];
    char payload[1024];
    (void)snprintf(name, sizeof name, "%s", topic);
    (void)snprintf(payload, sizeof payload, "%s", text);
    const struct ph_mqtt_event event = {.type = PH_MQTT_MESSAGE,
        .topic = name,
        .payload = payload,
        .payload_len = strlen(payload),
        .retained = retained};
    return ph_registrar_link_event(&registrar, &event, now_ms, &answer);
}

static const struct ph_ask ask = {.type = PH_ASK_TIME, .id = ID};

static int setup(void **state)
{
    (void)state;
    const struct ph_registrar_port port = {subscribe, publish, NULL};
    memset(&broker, 0, sizeof broker);
    lines = 0;
    ph_log_sink_set(count_line);
    ph_registrar_link_init(&registrar, &port, REST_MS);
    ph_registrar_link_open(&registrar, QUESTIONS, ANSWERS, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ph_registrar_link_close(&registrar);
    ph_log_sink_set(NULL);
    return 0;
}

/* [LIFE-10] nothing is asked before answers can come, and one question at a time */
static void test_ask(void **state)
{
    (void)state;
    struct ph_error error = {0};
    assert_int_equal(broker.subscribed, 1);
    assert_string_equal(broker.topic, ANSWERS);
    assert_false(ph_registrar_link_ready(&registrar, 0));
    assert_int_equal(give(PH_MQTT_SUBSCRIBED, 99, 0, 0), PH_REGISTRAR_FOREIGN);
    assert_int_equal(give(PH_MQTT_SUBSCRIBED, 1, 1, 0), PH_REGISTRAR_NOTHING);
    assert_true(ph_registrar_link_ready(&registrar, 0));
    assert_int_equal(ph_registrar_link_ask(&registrar, &ask, &error), PH_OK);
    assert_string_equal(broker.topic, QUESTIONS);
    assert_non_null(strstr(broker.payload, "\"id\":\"" ID "\""));
    assert_false(ph_registrar_link_ready(&registrar, 0));
    assert_int_equal(give(PH_MQTT_PUBLISHED, 99, 0, 0), PH_REGISTRAR_FOREIGN);
    assert_int_equal(give(PH_MQTT_PUBLISHED, 2, 0, 0), PH_REGISTRAR_NOTHING);
    assert_true(ph_registrar_link_ready(&registrar, 0));
    assert_int_equal(ph_registrar_link_ask(&registrar, &ask, &error), PH_OK);
    assert_int_equal(give(PH_MQTT_PUBLISH_FAILED, 3, 0, 0), PH_REGISTRAR_LOST);
    assert_true(ph_registrar_link_ready(&registrar, 0));
    ph_registrar_link_close(&registrar);
    assert_false(ph_registrar_link_ready(&registrar, 0));
}

/* [LIFE-11] a policy that does not grant the topics: said, and asked again after the rest */
static void test_refused(void **state)
{
    (void)state;
    struct ph_error error = {0};
    const int64_t later = REST_MS + 1;
    assert_int_equal(give(PH_MQTT_SUBSCRIBED, 1, 0x87, 1), PH_REGISTRAR_REFUSED);
    assert_int_equal(lines, 1);
    assert_non_null(strstr(last_line, "the policy must grant this topic"));
    assert_non_null(strstr(last_line, ANSWERS));
    ph_registrar_link_pump(&registrar, REST_MS);
    assert_int_equal(broker.subscribed, 1);
    ph_registrar_link_pump(&registrar, later);
    assert_int_equal(broker.subscribed, 2);
    assert_int_equal(give(PH_MQTT_SUBSCRIBED, 2, 1, later), PH_REGISTRAR_NOTHING);
    assert_true(ph_registrar_link_ready(&registrar, later));
    assert_int_equal(ph_registrar_link_ask(&registrar, &ask, &error), PH_OK);
    assert_int_equal(give(PH_MQTT_PUBLISH_FAILED, 3, 0x87, later), PH_REGISTRAR_REFUSED);
    assert_non_null(strstr(last_line, QUESTIONS));
    assert_false(ph_registrar_link_ready(&registrar, later + REST_MS - 1));
    assert_true(ph_registrar_link_ready(&registrar, later + REST_MS));
    /* at a limited rate */
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ph_registrar_link_ask(&registrar, &ask, &error), PH_OK);
        (void)give(PH_MQTT_PUBLISH_FAILED, broker.tokens, 0x87, later);
    }
    assert_int_equal(lines, 3);
}

/* [LIFE-12] answers are read, and nothing else is one */
static void test_answer(void **state)
{
    (void)state;
#define WAIT "{\"v\":1,\"answer\":\"wait\",\"id\":\"" ID "\",\"reason\":\"not yet\",\"retry_s\":60}"
    assert_int_equal(say(ANSWERS, WAIT, false, 0), PH_REGISTRAR_ANSWER);
    assert_int_equal(answer.type, PH_ANSWER_WAIT);
    assert_string_equal(answer.id, ID);
    assert_string_equal(answer.reason, "not yet");
    assert_int_equal(answer.retry_s, 60);
    assert_int_equal(say(ANSWERS, WAIT, true, 0), PH_REGISTRAR_NOTHING);
    assert_int_equal(say("ph/v1/ingest/status", WAIT, false, 0), PH_REGISTRAR_FOREIGN);
    assert_int_equal(lines, 0);
    assert_int_equal(say(ANSWERS, "garbage", false, 0), PH_REGISTRAR_NOTHING);
    assert_int_equal(lines, 1);
    assert_non_null(strstr(last_line, "answer not understood"));
}

/* [LIFE-13] without a connection nothing is left pending */
static void test_no_connection(void **state)
{
    (void)state;
    struct ph_error error = {0};
    assert_int_equal(give(PH_MQTT_SUBSCRIBED, 1, 1, 0), PH_REGISTRAR_NOTHING);
    broker.away = true;
    assert_int_equal(ph_registrar_link_ask(&registrar, &ask, &error), PH_ERR_UNAVAILABLE);
    assert_string_equal(error.message, "not connected");
    assert_true(ph_registrar_link_ready(&registrar, 0));
    ph_registrar_link_open(&registrar, QUESTIONS, ANSWERS, 0);
    assert_non_null(strstr(last_line, "cannot subscribe"));
    broker.away = false;
    ph_registrar_link_pump(&registrar, REST_MS);
    assert_int_equal(broker.subscribed, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ask, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_connection, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
