#include "ingest/config.h"

#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cyaml/cyaml.h>

#include "adapters/postgres.h"
#include "base/clock.h"
#include "base/limits.h"
#include "config/broker_schema.h"
#include "config/yaml.h"
#include "domain/route.h"
#include "domain/template.h"
#include "format/topic.h"

#define HOUR_MS INT64_C(3600000)

#define SECTION(name, fields)                                                                      \
    CYAML_FIELD_MAPPING(#name, CYAML_FLAG_OPTIONAL, struct ph_ingest_config, name, fields)

static const cyaml_schema_field_t batch_fields[] = {
    CYAML_FIELD_UINT("messages", CYAML_FLAG_OPTIONAL, struct ph_batch_section, messages),
    CYAML_FIELD_UINT("delay_ms", CYAML_FLAG_OPTIONAL, struct ph_batch_section, delay_ms),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t acks_fields[] = {
    CYAML_FIELD_UINT("interval_ms", CYAML_FLAG_OPTIONAL, struct ph_acks_section, interval_ms),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t partition_fields[] = {
    CYAML_FIELD_UINT("hours", CYAML_FLAG_OPTIONAL, struct ph_partition_section, hours),
    CYAML_FIELD_UINT("rows", CYAML_FLAG_OPTIONAL, struct ph_partition_section, rows),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t letters_fields[] = {
    CYAML_FIELD_UINT("per_device", CYAML_FLAG_OPTIONAL, struct ph_letters_section, per_device),
    CYAML_FIELD_UINT(
        "bytes_per_device", CYAML_FLAG_OPTIONAL, struct ph_letters_section, bytes_per_device),
    CYAML_FIELD_UINT("per_minute", CYAML_FLAG_OPTIONAL, struct ph_letters_section, per_minute),
    CYAML_FIELD_END,
};

#define OPTIONAL_TEXT (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

static const cyaml_schema_field_t clock_fields[] = {
    CYAML_FIELD_UINT("future_s", CYAML_FLAG_OPTIONAL, struct ph_clock_section, future_s),
    CYAML_FIELD_STRING_PTR("oldest", OPTIONAL_TEXT, struct ph_clock_section, oldest, 1, 64),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t topics_fields[] = {
    CYAML_FIELD_STRING_PTR(
        "telemetry", OPTIONAL_TEXT, struct ph_topics_section, telemetry, 1, PH_LIMIT_TOPIC_BYTES),
    CYAML_FIELD_STRING_PTR(
        "ack", OPTIONAL_TEXT, struct ph_topics_section, ack, 1, PH_LIMIT_TOPIC_BYTES),
    CYAML_FIELD_STRING_PTR(
        "status", OPTIONAL_TEXT, struct ph_topics_section, status, 1, PH_LIMIT_TOPIC_BYTES),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t top_fields[] = {
    CYAML_FIELD_MAPPING(
        "broker", CYAML_FLAG_DEFAULT, struct ph_ingest_config, broker, ph_broker_section_fields),
    CYAML_FIELD_STRING_PTR(
        "store", CYAML_FLAG_POINTER, struct ph_ingest_config, store, 1, PATH_MAX - 1),
    CYAML_FIELD_STRING_PTR(
        "kinds", CYAML_FLAG_POINTER, struct ph_ingest_config, kinds, 1, PATH_MAX - 1),
    SECTION(batch, batch_fields),
    SECTION(acks, acks_fields),
    SECTION(partition, partition_fields),
    CYAML_FIELD_UINT(
        "retention_days", CYAML_FLAG_OPTIONAL, struct ph_ingest_config, retention_days),
    SECTION(dead_letters, letters_fields),
    SECTION(clock, clock_fields),
    CYAML_FIELD_UINT("queue_bytes", CYAML_FLAG_OPTIONAL, struct ph_ingest_config, queue_bytes),
    CYAML_FIELD_UINT("beat_s", CYAML_FLAG_OPTIONAL, struct ph_ingest_config, beat_s),
    CYAML_FIELD_STRING_PTR(
        "metrics", OPTIONAL_TEXT, struct ph_ingest_config, metrics, 1, PATH_MAX - 1),
    SECTION(topics, topics_fields),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t top = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct ph_ingest_config, top_fields)};

/* Every number: what it is when it is absent or 0, and what it may be. */
static const struct number {
    const char *key;
    size_t offset;
    uint32_t fallback, min, max;
} numbers[] = {
#define NUMBER(member, fallback, min, max)                                                         \
    {                                                                                              \
#member, offsetof(struct ph_ingest_config, member), fallback, min, max                     \
    }
    NUMBER(batch.messages, 10000, 1, 100000),
    NUMBER(batch.delay_ms, 100, 1, 10000),
    NUMBER(acks.interval_ms, 200, 1, 10000),
    NUMBER(partition.hours, 24, 1, 8760),
    NUMBER(partition.rows, 1000000, 1000, 100000000),
    NUMBER(retention_days, 0, 0, 36500),
    NUMBER(dead_letters.per_device, 1000, 1, 1000000),
    /* The largest message must fit, or it could never be kept. */
    NUMBER(dead_letters.bytes_per_device, 1 << 20, PH_LIMIT_MESSAGE_BYTES, 1 << 30),
    NUMBER(dead_letters.per_minute, 60, 1, 1000000),
    NUMBER(clock.future_s, 300, 1, 31536000),
    NUMBER(queue_bytes, 64 << 20, 1 << 20, 1 << 30),
    NUMBER(beat_s, 10, 1, 300),
#undef NUMBER
};
enum { NUMBERS = sizeof numbers / sizeof numbers[0] };

static uint32_t *number_in(struct ph_ingest_config *config, const struct number *number)
{
    return (uint32_t *)(void *)((char *)config + number->offset);
}

static enum ph_err finish_numbers(struct ph_ingest_config *config, struct ph_error *error)
{
    for (const struct number *number = numbers; number < numbers + NUMBERS; number++) {
        uint32_t *value = number_in(config, number);
        *value = *value == 0 ? number->fallback : *value;
        if (*value < number->min || *value > number->max) {
            return ph_error_set(error, PH_ERR_CONFIG, "%s: want %u to %u, have %u", number->key,
                (unsigned)number->min, (unsigned)number->max, (unsigned)*value);
        }
    }
    return PH_OK;
}

static enum ph_err default_text(char **value, const char *fallback, struct ph_error *error)
{
    if (*value == NULL && (*value = strdup(fallback)) == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "configuration: out of memory");
    }
    return PH_OK;
}

static enum ph_err default_texts(struct ph_ingest_config *config, struct ph_error *error)
{
    enum ph_err err =
        default_text(&config->topics.telemetry, "ph/v1/{tenant}/{kind}/{device}/telemetry", error);
    if (err == PH_OK) {
        err = default_text(&config->clock.oldest, "2020-01-01", error);
    }
    if (err == PH_OK) {
        err = default_text(&config->topics.ack, "ph/v1/{tenant}/{kind}/{device}/ack", error);
    }
    if (err == PH_OK) {
        err = default_text(&config->topics.status, "ph/v1/ingest/status", error);
    }
    return err;
}

/* Passes a rule's sentence on under the key that broke it. */
static enum ph_err broken_key(
    const char *key, enum ph_err err, const struct ph_error *why, struct ph_error *error)
{
    return err == PH_OK ? PH_OK : ph_error_set(error, PH_ERR_CONFIG, "%s: %s", key, why->message);
}

static enum ph_err check_clock(const struct ph_clock_section *clock, struct ph_error *error)
{
    struct ph_error why = {0};
    int64_t oldest = 0;
    enum ph_err err = ph_utc_parse(clock->oldest, &oldest, &why);
    if (err == PH_OK && oldest < 0) {
        err = ph_error_set(
            &why, PH_ERR_CONFIG, "want a date from 1970 on, have \"%s\"", clock->oldest);
    }
    return broken_key("clock.oldest", err, &why, error);
}

static enum ph_err check_pattern(const char *key, const char *pattern, struct ph_error *error)
{
    struct ph_error why = {0};
    return broken_key(key, ph_route_check(pattern, &why), &why, error);
}

/* What ingest publishes must not come back to it as telemetry. */
static enum ph_err check_own_topics(const struct ph_topics_section *topics, struct ph_error *error)
{
    char telemetry[PH_FILTER_BYTES];
    char ack[PH_FILTER_BYTES];
    ph_route_filter(telemetry, topics->telemetry);
    ph_route_filter(ack, topics->ack);
    const char *key = ph_topic_filter_contains(telemetry, ack)    ? "ack"
                      : ph_topic_match(telemetry, topics->status) ? "status"
                                                                  : NULL;
    return key == NULL ? PH_OK
                       : ph_error_set(error, PH_ERR_CONFIG,
                             "topics.%s: topics.telemetry covers it, ingest would take its own "
                             "messages for telemetry; choose another",
                             key);
}

static enum ph_err check_topics(const struct ph_ingest_config *config, struct ph_error *error)
{
    struct ph_error why = {0};
    enum ph_err err = check_pattern("topics.telemetry", config->topics.telemetry, error);
    if (err == PH_OK) {
        err = check_pattern("topics.ack", config->topics.ack, error);
    }
    if (err == PH_OK) {
        err = broken_key(
            "topics.status", ph_topic_name_check(config->topics.status, &why), &why, error);
    }
    if (err == PH_OK) {
        err = check_own_topics(&config->topics, error);
    }
    return err;
}

static enum ph_err finish_store(char **store, const char *path, struct ph_error *error)
{
    struct ph_error why = {0};
    if (!ph_store_is_postgres(*store)) {
        return ph_yaml_resolve(store, path, error);
    }
    return broken_key("store", ph_pg_check(*store, &why), &why, error) == PH_OK
               ? PH_OK
               : ph_error_prefix(error, PH_ERR_CONFIG, "%s", path);
}

static enum ph_err finish_values(struct ph_ingest_config *config, struct ph_error *error)
{
    enum ph_err err = finish_numbers(config, error);
    if (err == PH_OK) {
        err = default_texts(config, error);
    }
    if (err == PH_OK) {
        err = check_clock(&config->clock, error);
    }
    return err == PH_OK ? check_topics(config, error) : err;
}

static enum ph_err finish(struct ph_ingest_config *config, const char *path, struct ph_error *error)
{
    enum ph_err err = finish_values(config, error);
    if (err != PH_OK) {
        (void)ph_error_prefix(error, err, "%s", path);
        return err;
    }
    err = ph_broker_section_finish(&config->broker, path, error);
    if (err == PH_OK) {
        err = finish_store(&config->store, path, error);
    }
    if (err == PH_OK && config->metrics != NULL) {
        err = ph_yaml_resolve(&config->metrics, path, error);
    }
    return err == PH_OK ? ph_yaml_resolve(&config->kinds, path, error) : err;
}

enum ph_err ph_ingest_config_load(
    const char *path, struct ph_ingest_config **out, struct ph_error *error)
{
    void *data = NULL;
    enum ph_err err = ph_yaml_load(path, &top, &data, error);
    if (err != PH_OK) {
        return err;
    }
    struct ph_ingest_config *config = data;
    err = finish(config, path, error);
    if (err != PH_OK) {
        ph_ingest_config_free(&config);
        return err;
    }
    *out = config;
    return PH_OK;
}

struct ph_store_limits ph_ingest_config_limits(const struct ph_ingest_config *config)
{
    int64_t oldest_ms = 0;
    if (ph_utc_parse(config->clock.oldest, &oldest_ms, NULL) != PH_OK) {
        oldest_ms = 0; /* never: it was checked */
    }
    return (struct ph_store_limits){
        .partition_ms = (int64_t)config->partition.hours * HOUR_MS,
        .partition_rows = config->partition.rows,
        .retention_ms = (int64_t)config->retention_days * 24 * HOUR_MS,
        .letters_per_device = config->dead_letters.per_device,
        .letter_bytes_per_device = config->dead_letters.bytes_per_device,
        .timing = {.future_ms = (int64_t)config->clock.future_s * 1000, .oldest_ms = oldest_ms},
    };
}

enum ph_err ph_ingest_config_print(
    FILE *out, const struct ph_ingest_config *config, struct ph_error *error)
{
    return ph_yaml_print(out, &top, config, error);
}

void ph_ingest_config_free(struct ph_ingest_config **config)
{
    void *data = *config;
    ph_yaml_free(&top, &data);
    *config = NULL;
}
