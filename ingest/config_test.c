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
    assert_int_equal(config->acks.interval_ms, 200);
    assert_int_equal(config->partition.hours, 24);
    assert_int_equal(config->partition.rows, 1000000);
    assert_int_equal(config->retention_days, 0);
    assert_int_equal(config->dead_letters.per_device, 1000);
    assert_int_equal(config->dead_letters.bytes_per_device, 1 << 20);
    assert_int_equal(config->dead_letters.per_minute, 60);
    assert_int_equal(config->clock.future_s, 300);
    assert_string_equal(config->clock.oldest, "2020-01-01");
    assert_string_equal(config->topics.telemetry, "ph/v1/{tenant}/{kind}/{device}/telemetry");
    assert_string_equal(config->topics.ack, "ph/v1/{tenant}/{kind}/{device}/ack");
    assert_string_equal(config->topics.status, "ph/v1/ingest/status");
    ph_ingest_config_free(&config);
    assert_null(config);
    ph_ingest_config_free(&config);
}

/* [ING-116] */
static void limits_of_the_store(void **state)
{
    struct scratch *scratch = *state;
    struct ph_ingest_config *config = NULL;
    char path[128];
    load_text(scratch,
        BROKER "store: a\nkinds: k\nretention_days: 36500\npartition: {hours: 2, rows: 5000}\n"
               "dead_letters: {per_device: 3, bytes_per_device: 65536}\n"
               "clock: {future_s: 60, oldest: \"1970-01-02\"}\n",
        path);
    assert_int_equal(ph_ingest_config_load(path, &config, &scratch->error), PH_OK);
    struct ph_store_limits limits = ph_ingest_config_limits(config);
    assert_int_equal(limits.partition_ms, 7200000);
    assert_int_equal(limits.partition_rows, 5000);
    assert_int_equal(limits.retention_ms, INT64_C(36500) * 86400000);
    assert_int_equal(limits.letters_per_device, 3);
    assert_int_equal(limits.letter_bytes_per_device, 65536);
    assert_int_equal(limits.timing.future_ms, 60000);
    assert_int_equal(limits.timing.oldest_ms, 86400000);
    ph_ingest_config_free(&config);
}

/* [ING-117] */
static void a_uri_stays_as_it_is(void **state)
{
    struct scratch *scratch = *state;
    struct ph_ingest_config *config = NULL;
    char path[128];
    load_text(scratch,
        BROKER "store: \"postgresql://ph@db1,db2/fleet?sslmode=verify-full\"\nkinds: k\n", path);
    assert_int_equal(ph_ingest_config_load(path, &config, &scratch->error), PH_OK);
    assert_string_equal(config->store, "postgresql://ph@db1,db2/fleet?sslmode=verify-full");
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
               "acks: {interval_ms: 1}\nretention_days: 30\nclock: {oldest: \"2024-06-01\"}\n"
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
        {BROKER "store: a\nkinds: k\nacks: {interval_ms: 10001}\n",
            "ingest.yaml: acks.interval_ms: want 1 to 10000, have 10001"},
        {BROKER "store: a\nkinds: k\npartition: {hours: 8761}\n",
            "partition.hours: want 1 to 8760"},
        {BROKER "store: a\nkinds: k\npartition: {rows: 999}\n",
            "partition.rows: want 1000 to 100000000, have 999"},
        {BROKER "store: a\nkinds: k\nretention_days: 36501\n", "retention_days: want 0 to 36500"},
        {BROKER "store: a\nkinds: k\ndead_letters: {bytes_per_device: 65535}\n",
            "dead_letters.bytes_per_device: want 65536 to"},
        {BROKER "store: a\nkinds: k\ndead_letters: {per_device: 1000001}\n",
            "dead_letters.per_device: want 1 to 1000000"},
        {BROKER "store: a\nkinds: k\ndead_letters: {per_minute: 1000001}\n",
            "dead_letters.per_minute: want 1 to 1000000"},
        {BROKER "store: a\nkinds: k\nclock: {future_s: 31536001}\n", "clock.future_s: want 1 to"},
        {BROKER "store: a\nkinds: k\nclock: {oldest: \"last year\"}\n",
            "ingest.yaml: clock.oldest: time \"last year\": want 2026-"},
        {BROKER "store: a\nkinds: k\nclock: {oldest: \"1969-12-31\"}\n",
            "clock.oldest: want a date from 1970 on"},
        {BROKER "store: \"postgresql://ph:secret@db/fleet\"\nkinds: k\n", "ingest.yaml: store: "},
        {BROKER "store: \"postgresql://db/fleet?nonsense=1\"\nkinds: k\n", "ingest.yaml: store: "},
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
        cmocka_unit_test_setup_teardown(limits_of_the_store, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(a_uri_stays_as_it_is, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(bad_configurations, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests_name("ph.ingest.config", tests, NULL, NULL);
}
