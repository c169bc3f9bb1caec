#include "ingest/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/config.h"

#define BROKER "broker: {host: localhost, ca: ca.pem, certificate: cert.pem, key: /abs/key.pem}\n"

/* 320 bytes: with three names of 64 more than a topic may have, without them less. */
#define TEN "0123456789"
#define LONG                                                                                       \
    TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN    \
        TEN TEN TEN TEN TEN TEN TEN TEN TEN

static void load_text(struct scratch *scratch, const char *text, char path[128])
{
    (void)snprintf(path, 128, "%s/ingest.yaml", scratch->dir);
    scratch_write(path, text);
}

/* [ING-30] */
static void defaults_and_paths(void **state)
{
    struct scratch *scratch = *state;
    struct ph_ingest_config *config = NULL;
    char path[128];
    char want[128];
    load_text(scratch, BROKER "store: readings.db\nkinds: kinds.yaml\n", path);
    assert_int_equal(ph_ingest_config_load(path, &config, &scratch->error), PH_OK);
    assert_int_equal(config->broker.port, 8883);
    assert_string_equal(config->broker.key, "/abs/key.pem");
    (void)snprintf(want, sizeof want, "%s/ca.pem", scratch->dir);
    assert_string_equal(config->broker.ca, want);
    assert_string_equal(config->store, scratch->store);
    assert_string_equal(config->kinds, scratch->kinds_file);
    assert_int_equal(config->batch.messages, 10000);
    assert_int_equal(config->batch.delay_ms, 100);
    assert_int_equal(config->queue_bytes, 64 << 20);
    assert_string_equal(config->topics.telemetry, "ph/v1/{tenant}/{kind}/{device}/telemetry");
    assert_string_equal(config->topics.ack, "ph/v1/{tenant}/{kind}/{device}/ack");
    assert_string_equal(config->topics.status, "ph/v1/ingest/status");
    ph_ingest_config_free(&config);
    assert_null(config);
    ph_ingest_config_free(&config);
}

static char *printed(const struct ph_ingest_config *config)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    assert_int_equal(ph_ingest_config_print(out, config, NULL), PH_OK);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* [ING-30] */
static void printed_configuration_reads_back(void **state)
{
    struct scratch *scratch = *state;
    struct ph_ingest_config *config = NULL;
    char path[128];
    load_text(scratch,
        BROKER "store: a.db\nkinds: k.yaml\nbatch: {messages: 7}\nqueue_bytes: 1048576\n"
               "topics: {ack: \"{tenant}/{kind}/{device}\"}\n",
        path);
    assert_int_equal(ph_ingest_config_load(path, &config, &scratch->error), PH_OK);
    assert_int_equal(config->batch.messages, 7);
    char *first = printed(config);
    ph_ingest_config_free(&config);
    scratch_write(path, first);
    assert_int_equal(ph_ingest_config_load(path, &config, &scratch->error), PH_OK);
    char *second = printed(config);
    assert_string_equal(first, second);
    free(first);
    free(second);
    ph_ingest_config_free(&config);
}

/* [ING-31] [ING-32] */
static void bad_configurations(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"store: a\nkinds: k\n", "broker"},
        {BROKER "kinds: k\n", "store"},
        {BROKER "store: a\n", "kinds"},
        {BROKER "store: a\nkinds: k\nstorage: b\n", "storage"},
        {BROKER "store: a\nkinds: k\nbatch: {messages: 100001}\n",
            "ingest.yaml: batch.messages: want 1 to 100000, have 100001"},
        {BROKER "store: a\nkinds: k\nbatch: {delay_ms: 10001}\n",
            "batch.delay_ms: want 1 to 10000"},
        {BROKER "store: a\nkinds: k\nbatch: {delay_ms: soon}\n", "delay_ms"},
        {BROKER "store: a\nkinds: k\nqueue_bytes: 5\n", "queue_bytes: want 1048576 to"},
        {BROKER "store: a\nkinds: k\ntopics: {telemetry: \"a/{tenant}/{kind}\"}\n",
            "topics.telemetry: \"a/{tenant}/{kind}\": want {device} once"},
        {BROKER "store: a\nkinds: k\ntopics: {ack: \"a/{tenant}/{kind}/x{device}\"}\n",
            "topics.ack: "},
        {BROKER "store: a\nkinds: k\ntopics: {status: \"a/+/b\"}\n", "topics.status: "},
        {BROKER "store: a\nkinds: k\n"
                "topics: {ack: \"ph/v1/{tenant}/{kind}/{device}/telemetry\"}\n",
            "topics.ack: topics.telemetry covers it"},
        {BROKER "store: a\nkinds: k\n"
                "topics: {ack: \"ph/v1/{device}/{kind}/{tenant}/telemetry\"}\n",
            "topics.ack: topics.telemetry covers it"},
        {BROKER "store: a\nkinds: k\ntopics: {status: ph/v1/a/b/c/telemetry}\n",
            "topics.status: topics.telemetry covers it"},
        {BROKER "store: a\nkinds: k\ntopics: {ack: \"" LONG "/{tenant}/{kind}/{device}\"}\n",
            "longer than 512 bytes when filled in"},
    };
    struct scratch *scratch = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_ingest_config *config = NULL;
        char path[128];
        load_text(scratch, cases[i].text, path);
        scratch_failed(scratch, ph_ingest_config_load(path, &config, &scratch->error),
            PH_ERR_CONFIG, cases[i].says);
        assert_null(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(defaults_and_paths, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(
            printed_configuration_reads_back, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(bad_configurations, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests_name("ph.ingest.config", tests, NULL, NULL);
}
