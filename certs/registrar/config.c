#include "certs/registrar/config.h"

#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cyaml/cyaml.h>

#include "base/clock.h"
#include "base/limits.h"
#include "config/broker_schema.h"
#include "config/yaml.h"
#include "domain/route.h"

#define DAY_MS        INT64_C(86400000)
#define OPTIONAL_TEXT (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)
#define TEXT(type, member, max)                                                                    \
    CYAML_FIELD_STRING_PTR(#member, OPTIONAL_TEXT, struct type, member, 1, max)

enum { LENGTH_BYTES = 16 };

static const cyaml_schema_field_t devices_fields[] = {
    TEXT(ph_registrar_devices_section, lifetime, LENGTH_BYTES),
    CYAML_FIELD_FLOAT(
        "renew_at", CYAML_FLAG_OPTIONAL, struct ph_registrar_devices_section, renew_at),
    CYAML_FIELD_FLOAT(
        "renew_jitter", CYAML_FLAG_OPTIONAL, struct ph_registrar_devices_section, renew_jitter),
    TEXT(ph_registrar_devices_section, renew_grace, LENGTH_BYTES),
    TEXT(ph_registrar_devices_section, rollover, LENGTH_BYTES),
    CYAML_FIELD_BOOL(
        "reuse_key", CYAML_FLAG_OPTIONAL, struct ph_registrar_devices_section, reuse_key),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t enrolment_fields[] = {
    CYAML_FIELD_BOOL(
        "auto_approve", CYAML_FLAG_OPTIONAL, struct ph_registrar_enrolment_section, auto_approve),
    TEXT(ph_registrar_enrolment_section, retry_waiting, LENGTH_BYTES),
    TEXT(ph_registrar_enrolment_section, retry_refused, LENGTH_BYTES),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t topics_fields[] = {
    TEXT(ph_registrar_topics, renew, PH_LIMIT_TOPIC_BYTES),
    TEXT(ph_registrar_topics, certificate, PH_LIMIT_TOPIC_BYTES),
    TEXT(ph_registrar_topics, enroll, PH_LIMIT_TOPIC_BYTES),
    TEXT(ph_registrar_topics, enrolled, PH_LIMIT_TOPIC_BYTES),
    CYAML_FIELD_END,
};

#define SECTION(name, fields)                                                                      \
    CYAML_FIELD_MAPPING(#name, CYAML_FLAG_OPTIONAL, struct ph_registrar_config, name, fields)

static const cyaml_schema_field_t top_fields[] = {
    CYAML_FIELD_MAPPING(
        "broker", CYAML_FLAG_DEFAULT, struct ph_registrar_config, broker, ph_broker_section_fields),
    CYAML_FIELD_STRING_PTR(
        "ca", CYAML_FLAG_POINTER, struct ph_registrar_config, ca, 1, PATH_MAX - 1),
    TEXT(ph_registrar_config, beat, LENGTH_BYTES),
    TEXT(ph_registrar_config, metrics, PATH_MAX - 1),
    SECTION(devices, devices_fields),
    SECTION(enrolment, enrolment_fields),
    SECTION(topics, topics_fields),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t top = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct ph_registrar_config, top_fields)};

/* ---- texts ---- */

/* Every text: what it is when it is absent, and what kind of text. */
enum meaning { LENGTH, ROUTE, CLAIM_ROUTE };

static const struct text {
    const char *key;
    size_t offset;
    const char *fallback;
    enum meaning meaning;
    int64_t min_ms, max_ms;
} texts[] = {
#define ENTRY(member, fallback, meaning, min, max)                                                 \
    {                                                                                              \
#member, offsetof(struct ph_registrar_config, member), fallback, meaning, min, max         \
    }
    ENTRY(devices.lifetime, "365d", LENGTH, 10000, 36525 * DAY_MS),
    ENTRY(devices.renew_grace, "30d", LENGTH, 0, 3650 * DAY_MS),
    ENTRY(devices.rollover, "30d", LENGTH, 0, 3650 * DAY_MS),
    ENTRY(enrolment.retry_waiting, "60s", LENGTH, 1000, DAY_MS),
    ENTRY(enrolment.retry_refused, "1h", LENGTH, 1000, 365 * DAY_MS),
    ENTRY(beat, "10s", LENGTH, 1000, 300000),
    ENTRY(topics.renew, "ph/v1/{tenant}/{kind}/{device}/renew", ROUTE, 0, 0),
    ENTRY(topics.certificate, "ph/v1/{tenant}/{kind}/{device}/certificate", ROUTE, 0, 0),
    ENTRY(topics.enroll, "ph/v1/claim/{tenant}/{device}/enroll", CLAIM_ROUTE, 0, 0),
    ENTRY(topics.enrolled, "ph/v1/claim/{tenant}/{device}/certificate", CLAIM_ROUTE, 0, 0),
#undef ENTRY
};
enum { TEXTS = sizeof texts / sizeof texts[0] };

static char **text_in(struct ph_registrar_config *config, const struct text *text)
{
    return (char **)(void *)((char *)config + text->offset);
}

static enum ph_err check_length(const struct text *text, const char *value, struct ph_error *error)
{
    int64_t ms = 0;
    enum ph_err err = ph_duration_parse(value, &ms, error);
    return err != PH_OK || (ms >= text->min_ms && ms <= text->max_ms)
               ? err
               : ph_error_set(error, PH_ERR_CONFIG, "\"%s\": want %lld to %lld seconds", value,
                     (long long)(text->min_ms / 1000), (long long)(text->max_ms / 1000));
}

static enum ph_err check_text(const struct text *text, const char *value, struct ph_error *error)
{
    struct ph_error why = {0};
    enum ph_err err = PH_OK;
    switch (text->meaning) {
    case LENGTH:
        err = check_length(text, value, &why);
        break;
    case ROUTE:
        err = ph_route_check(value, &why);
        break;
    case CLAIM_ROUTE:
        err = ph_route_check_kindless(value, &why);
        break;
    }
    return err == PH_OK ? PH_OK
                        : ph_error_set(error, PH_ERR_CONFIG, "%s: %s", text->key, why.message);
}

static enum ph_err finish_texts(struct ph_registrar_config *config, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (const struct text *text = texts; err == PH_OK && text < texts + TEXTS; text++) {
        char **value = text_in(config, text);
        if (*value == NULL && (*value = strdup(text->fallback)) == NULL) {
            return ph_error_set(error, PH_ERR_MEMORY, "configuration: out of memory");
        }
        err = check_text(text, *value, error);
    }
    return err;
}

/* ---- numbers ---- */

static enum ph_err finish_share(
    const char *key, double *value, double fallback, double min, double max, struct ph_error *error)
{
    *value = *value == 0 ? fallback : *value;
    return *value >= min && *value <= max
               ? PH_OK
               : ph_error_set(
                     error, PH_ERR_CONFIG, "%s: want %g to %g, have %g", key, min, max, *value);
}

static enum ph_err finish_values(struct ph_registrar_config *config, struct ph_error *error)
{
    struct ph_registrar_devices_section *devices = &config->devices;
    enum ph_err err =
        finish_share("devices.renew_at", &devices->renew_at, 2.0 / 3, 0.1, 0.9, error);
    if (err == PH_OK) {
        err = finish_share("devices.renew_jitter", &devices->renew_jitter, 0.05, 0.001, 0.1, error);
    }
    if (err == PH_OK && devices->renew_at + devices->renew_jitter > 0.95) {
        err = ph_error_set(error, PH_ERR_CONFIG,
            "devices.renew_jitter: with renew_at beyond 0.95: too late for some devices");
    }
    return err == PH_OK ? finish_texts(config, error) : err;
}

static enum ph_err finish(
    struct ph_registrar_config *config, const char *path, struct ph_error *error)
{
    enum ph_err err = finish_values(config, error);
    if (err != PH_OK) {
        (void)ph_error_prefix(error, err, "%s", path);
        return err;
    }
    err = ph_broker_section_finish(&config->broker, path, error);
    if (err == PH_OK && config->metrics != NULL) {
        err = ph_yaml_resolve(&config->metrics, path, error);
    }
    return err == PH_OK ? ph_yaml_resolve(&config->ca, path, error) : err;
}

enum ph_err ph_registrar_config_load(
    const char *path, struct ph_registrar_config **out, struct ph_error *error)
{
    void *data = NULL;
    enum ph_err err = ph_yaml_load(path, &top, &data, error);
    if (err != PH_OK) {
        return err;
    }
    struct ph_registrar_config *config = data;
    err = finish(config, path, error);
    if (err != PH_OK) {
        ph_registrar_config_free(&config);
        return err;
    }
    *out = config;
    return PH_OK;
}

/* Texts that were checked. */
static int64_t length_of(const char *text)
{
    int64_t ms = 0;
    (void)!ph_duration_parse(text, &ms, NULL);
    return ms;
}

struct ph_registrar_rules ph_registrar_config_rules(const struct ph_registrar_config *config)
{
    const struct ph_registrar_devices_section *devices = &config->devices;
    return (struct ph_registrar_rules){
        .device_ms = length_of(devices->lifetime),
        .renew_at = devices->renew_at,
        .renew_jitter = devices->renew_jitter,
        .rollover_ms = length_of(devices->rollover),
        .renew_grace_ms = length_of(devices->renew_grace),
        .renew_reuse_key = devices->reuse_key,
        .auto_approve = config->enrolment.auto_approve,
        .retry_waiting_s = length_of(config->enrolment.retry_waiting) / 1000,
        .retry_refused_s = length_of(config->enrolment.retry_refused) / 1000,
    };
}

int64_t ph_registrar_config_beat_ms(const struct ph_registrar_config *config)
{
    return length_of(config->beat);
}

enum ph_err ph_registrar_config_print(
    FILE *out, const struct ph_registrar_config *config, struct ph_error *error)
{
    return ph_yaml_print(out, &top, config, error);
}

void ph_registrar_config_free(struct ph_registrar_config **config)
{
    void *data = *config;
    ph_yaml_free(&top, &data);
    *config = NULL;
}
