/* ph.ingest.subscriber: what a broker answers that does not let ingest do its work. */
#include "ingest/subscriber.h"

#include "ingest/testing.h"

static char status_topic[] = "ph/v1/ingest/status";
static const struct ph_ingest_config config = {.topics.status = status_topic};

/* One that asks for its subscription and has its status on the way, and neither client nor pipeline
 * behind it: what is refused reaches neither. */
static struct ph_subscriber asking(void)
{
    return (struct ph_subscriber){.config = &config,
        .filter = "ph/v1/+/+/+/telemetry",
        .subscribe_token = 1,
        .status_token = 2};
}

static void answer(
    struct ph_subscriber *subscriber, enum ph_mqtt_event_type type, int token, int reason_code)
{
    const struct ph_mqtt_event event = {.type = type, .token = token, .reason_code = reason_code};
    ph_subscriber_event(subscriber, &event);
}

/* [ING-50] */
static void a_refused_subscription_is_none(void **state)
{
    struct ph_subscriber subscriber = asking();
    (void)state;
    answer(&subscriber, PH_MQTT_SUBSCRIBED, 7, 0x87); /* one that nobody waits for any more */
    assert_int_equal(log_count("subscription refused"), 0);
    answer(&subscriber, PH_MQTT_SUBSCRIBED, 1, 0x87);
    assert_int_equal(
        log_count("subscription refused: this role's policy must allow the filter"), 1);
    assert_int_equal(log_count("filter=ph/v1/+/+/+/telemetry reason_code=135"), 1);
    assert_false(subscriber.subscribed);
    assert_false(subscriber.shown_online);
}

static void a_refused_status_is_told(void **state)
{
    struct ph_subscriber subscriber = asking();
    (void)state;
    answer(&subscriber, PH_MQTT_PUBLISH_FAILED, 7, 0x87);
    assert_int_equal(subscriber.status_token, 2);
    assert_int_equal(log_count("status refused"), 0);
    answer(&subscriber, PH_MQTT_PUBLISH_FAILED, 2, 0x87);
    assert_int_equal(subscriber.status_token, 0);
    assert_int_equal(log_count("status refused: this role's policy must allow the topic"), 1);
    assert_int_equal(log_count("topic=ph/v1/ingest/status reason_code=135"), 1);
}

static void a_status_lost_with_its_connection_is_not_refused(void **state)
{
    struct ph_subscriber subscriber = asking();
    (void)state;
    answer(&subscriber, PH_MQTT_PUBLISH_FAILED, 2, 0);
    assert_int_equal(subscriber.status_token, 0);
    assert_int_equal(log_count("status refused"), 0);
}

static int capture(void **state)
{
    (void)state;
    log_capture();
    return 0;
}

static int release(void **state)
{
    (void)state;
    log_release();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_refused_subscription_is_none, capture, release),
        cmocka_unit_test_setup_teardown(a_refused_status_is_told, capture, release),
        cmocka_unit_test_setup_teardown(
            a_status_lost_with_its_connection_is_not_refused, capture, release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
