#include "ingest/config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <cyaml/cyaml.h>

#include "base/file.h"
#include "config/broker_schema.h"
#include "config/yaml.h"
#include "domain/template.h"
#include "format/topic.h"
#include "ingest/route.h"

enum {
    MESSAGES_DEFAULT = 10000,
    MESSAGES_MAX = 100000,
    DELAY_DEFAULT_MS = 100,
    DELAY_MAX_MS = 10000,
    QUEUE_DEFAULT = 64 << 20,
    QUEUE_MIN = 1 << 20,
    QUEUE_MAX = 1 << 30,
};

static const cyaml_schema_field_t batch_fields[] = {
    CYAML_FIELD_UINT("messages", CYAML_FLAG_OPTIONAL, struct ph_batch_section, messages),
    CYAML_FIELD_UINT("delay_ms", CYAML_FLAG_OPTIONAL, struct ph_batch_section, delay_ms),
    CYAML_FIELD_END,
};

#define OPTIONAL_TEXT (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

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
    CYAML_FIELD_MAPPING("batch", CYAML_FLAG_OPTIONAL, struct ph_ingest_config, batch, batch_fields),
    CYAML_FIELD_UINT("queue_bytes", CYAML_FLAG_OPTIONAL, struct ph_ingest_config, queue_bytes),
    CYAML_FIELD_MAPPING(
        "topics", CYAML_FLAG_OPTIONAL, struct ph_ingest_config, topics, topics_fields),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t top = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct ph_ingest_config, top_fields)};

static void default_number(uint32_t *value, uint32_t fallback)
{
    *value = *value == 0 ? fallback : *value;
}

static enum ph_err default_text(char **value, const char *fallback, struct ph_error *error)
{
    if (*value == NULL && (*value = strdup(fallback)) == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "configuration: out of memory");
    }
    return PH_OK;
}

static enum ph_err apply_defaults(struct ph_ingest_config *config, struct ph_error *error)
{
    default_number(&config->batch.messages, MESSAGES_DEFAULT);
    default_number(&config->batch.delay_ms, DELAY_DEFAULT_MS);
    default_number(&config->queue_bytes, QUEUE_DEFAULT);
    enum ph_err err =
        default_text(&config->topics.telemetry, "ph/v1/{tenant}/{kind}/{device}/telemetry", error);
    if (err == PH_OK) {
        err = default_text(&config->topics.ack, "ph/v1/{tenant}/{kind}/{device}/ack", error);
    }
    if (err == PH_OK) {
        err = default_text(&config->topics.status, "ph/v1/ingest/status", error);
    }
    return err;
}

static enum ph_err resolve(const char *config_path, char **path, struct ph_error *error)
{
    char full[PATH_MAX];
    enum ph_err err = ph_path_resolve(full, sizeof full, config_path, *path, error);
    if (err != PH_OK) {
        return err;
    }
    char *copy = strdup(full);
    if (copy == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "configuration: out of memory");
    }
    free(*path);
    *path = copy;
    return PH_OK;
}

static enum ph_err check_range(
    const char *key, uint32_t value, uint32_t min, uint32_t max, struct ph_error *error)
{
    return value >= min && value <= max
               ? PH_OK
               : ph_error_set(error, PH_ERR_CONFIG, "%s: want %u to %u, have %u", key,
                     (unsigned)min, (unsigned)max, (unsigned)value);
}

static enum ph_err check_numbers(const struct ph_ingest_config *config, struct ph_error *error)
{
    enum ph_err err = check_range("batch.messages", config->batch.messages, 1, MESSAGES_MAX, error);
    if (err == PH_OK) {
        err = check_range("batch.delay_ms", config->batch.delay_ms, 1, DELAY_MAX_MS, error);
    }
    if (err == PH_OK) {
        err = check_range("queue_bytes", config->queue_bytes, QUEUE_MIN, QUEUE_MAX, error);
    }
    return err;
}

/* Passes a rule's sentence on under the key that broke it. */
static enum ph_err broken_key(
    const char *key, enum ph_err err, const struct ph_error *why, struct ph_error *error)
{
    return err == PH_OK ? PH_OK : ph_error_set(error, PH_ERR_CONFIG, "%s: %s", key, why->message);
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

static enum ph_err finish(struct ph_ingest_config *config, const char *path, struct ph_error *error)
{
    enum ph_err err = apply_defaults(config, error);
    if (err == PH_OK) {
        err = check_numbers(config, error);
    }
    if (err == PH_OK) {
        err = check_topics(config, error);
    }
    if (err != PH_OK) {
        (void)ph_error_prefix(error, err, "%s", path);
        return err;
    }
    err = ph_broker_section_finish(&config->broker, path, error);
    if (err == PH_OK) {
        err = resolve(path, &config->store, error);
    }
    if (err == PH_OK) {
        err = resolve(path, &config->kinds, error);
    }
    return err;
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
