#include "device/config.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include "config/broker_schema.h"
#include "config/yaml.h"
#include "device/config_internal.h"
#include "device/life_schema.h"
#include "device/thermostat.h"

#define CONFIG         struct ph_device_config
#define BROKER_DEFAULT "localhost:8883"

static const cyaml_strval_t sync_values[] = {
    {"full", PH_SPOOL_SYNC_FULL},
    {"os", PH_SPOOL_SYNC_OS},
};

static const cyaml_schema_field_t spool_fields[] = {
    CYAML_FIELD_STRING_PTR("file", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
        __typeof__(((CONFIG *)NULL)->spool), file, 1, PATH_MAX - 1),
    CYAML_FIELD_INT(
        "max_bytes", CYAML_FLAG_OPTIONAL, __typeof__(((CONFIG *)NULL)->spool), max_bytes),
    CYAML_FIELD_ENUM("sync", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT,
        __typeof__(((CONFIG *)NULL)->spool), sync, sync_values, CYAML_ARRAY_LEN(sync_values)),
    CYAML_FIELD_END,
};

#define PUBLISH_INT(name)                                                                          \
    CYAML_FIELD_INT(#name, CYAML_FLAG_OPTIONAL, __typeof__(((CONFIG *)NULL)->publish), name)
static const cyaml_schema_field_t publish_fields[] = {
    PUBLISH_INT(interval_ms),
    PUBLISH_INT(readings_per_message),
    PUBLISH_INT(message_bytes),
    PUBLISH_INT(window),
    PUBLISH_INT(ack_timeout_ms),
    PUBLISH_INT(drain_ms),
    CYAML_FIELD_END,
};

#define RECONNECT_INT(name)                                                                        \
    CYAML_FIELD_INT(#name, CYAML_FLAG_OPTIONAL, __typeof__(((CONFIG *)NULL)->reconnect), name)
static const cyaml_schema_field_t reconnect_fields[] = {
    RECONNECT_INT(min_ms),
    RECONNECT_INT(max_ms),
    RECONNECT_INT(refused_ms),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t room_fields[] = {
    CYAML_FIELD_INT("seed", CYAML_FLAG_OPTIONAL, __typeof__(((CONFIG *)NULL)->room), seed),
    CYAML_FIELD_FLOAT(
        "setpoint_c", CYAML_FLAG_OPTIONAL, __typeof__(((CONFIG *)NULL)->room), setpoint_c),
    CYAML_FIELD_FLOAT("speed", CYAML_FLAG_OPTIONAL, __typeof__(((CONFIG *)NULL)->room), speed),
    CYAML_FIELD_END,
};

#define TOPIC(name, which)                                                                         \
    CYAML_FIELD_STRING_PTR(name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,                         \
        struct ph_topic_templates, text[which], 1, PH_LIMIT_TOPIC_BYTES)
static const cyaml_schema_field_t topics_fields[] = {
    TOPIC("telemetry", PH_TOPIC_TELEMETRY),
    TOPIC("status", PH_TOPIC_STATUS),
    TOPIC("ack", PH_TOPIC_ACK),
    TOPIC("command", PH_TOPIC_COMMAND),
    TOPIC("reply", PH_TOPIC_REPLY),
    TOPIC("ingest_status", PH_TOPIC_INGEST_STATUS),
    TOPIC("renew", PH_TOPIC_RENEW),
    TOPIC("certificate", PH_TOPIC_CERTIFICATE),
    TOPIC("enroll", PH_TOPIC_ENROLL),
    TOPIC("enrolled", PH_TOPIC_ENROLLED),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t fields[] = {
    CYAML_FIELD_MAPPING("broker", CYAML_FLAG_DEFAULT, CONFIG, broker, ph_broker_section_fields),
    CYAML_FIELD_MAPPING("spool", CYAML_FLAG_OPTIONAL, CONFIG, spool, spool_fields),
    CYAML_FIELD_MAPPING("publish", CYAML_FLAG_OPTIONAL, CONFIG, publish, publish_fields),
    CYAML_FIELD_MAPPING("reconnect", CYAML_FLAG_OPTIONAL, CONFIG, reconnect, reconnect_fields),
    CYAML_FIELD_MAPPING("room", CYAML_FLAG_OPTIONAL, CONFIG, room, room_fields),
    CYAML_FIELD_MAPPING("topics", CYAML_FLAG_OPTIONAL, CONFIG, topics, topics_fields),
    CYAML_FIELD_MAPPING_PTR(
        "claim", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, CONFIG, claim, ph_claim_section_fields),
    CYAML_FIELD_MAPPING("renewal", CYAML_FLAG_OPTIONAL, CONFIG, renewal, ph_renewal_section_fields),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, CONFIG, fields)};

/* The defaults; 0 and NULL mean that the file said nothing. */
static void default_int(int64_t *value, int64_t fallback)
{
    if (*value == 0) {
        *value = fallback;
    }
}

static enum ph_err apply_defaults(struct ph_device_config *config, struct ph_error *error)
{
    default_int(&config->spool.max_bytes, INT64_C(64) << 20);
    default_int(&config->publish.interval_ms, 10000);
    default_int(&config->publish.readings_per_message, 100);
    default_int(&config->publish.message_bytes, 16384);
    default_int(&config->publish.window, 16);
    default_int(&config->publish.ack_timeout_ms, 30000);
    default_int(&config->publish.drain_ms, 5000);
    default_int(&config->reconnect.min_ms, 500);
    default_int(&config->reconnect.max_ms, 60000);
    default_int(&config->reconnect.refused_ms, 3600000);
    if (config->room.setpoint_c == 0.0) {
        config->room.setpoint_c = 21.0;
    }
    if (config->room.speed == 0.0) {
        config->room.speed = 1.0;
    }
    enum ph_err err = ph_renewal_section_default(&config->renewal, error);
    return err == PH_OK ? ph_topic_templates_default(&config->topics, error) : err;
}

static enum ph_err apply_broker(
    struct ph_device_config *config, const char *value, struct ph_error *error)
{
    const char *colon = strrchr(value, ':');
    int64_t port = 0;
    if (colon == NULL || colon == value || !ph_text_to_int64(colon + 1, 1, UINT16_MAX, &port)) {
        return ph_error_set(error, PH_ERR_USAGE, "--broker: want HOST:PORT, have \"%s\"", value);
    }
    bool v6 = value[0] == '[' && colon[-1] == ']'; /* [ADDRESS]:PORT */
    const char *first = v6 ? value + 1 : value;
    size_t len = (size_t)(colon - first) - (v6 ? 1 : 0);
    char host[256];
    if (len == 0 || len >= sizeof host) {
        return ph_error_set(error, PH_ERR_USAGE,
            "--broker: want HOST:PORT with a host of 1 to 255 bytes, have \"%s\"", value);
    }
    (void)snprintf(host, sizeof host, "%.*s", (int)len, first);
    config->broker.port = (uint16_t)port;
    return ph_yaml_put(&config->broker.host, host, error);
}

static enum ph_err apply_certs(
    struct ph_device_config *config, const char *dir, struct ph_error *error)
{
    enum ph_err err = ph_yaml_put_path(&config->broker.certificate, dir, "cert.pem", error);
    if (err == PH_OK) {
        err = ph_yaml_put_path(&config->broker.key, dir, "key.pem", error);
    }
    if (err == PH_OK) {
        err = ph_yaml_put_path(&config->broker.ca, dir, "ca.pem", error);
    }
    return err;
}

static enum ph_err apply_setpoint(
    struct ph_device_config *config, const char *value, struct ph_error *error)
{
    char *end = NULL;
    errno = 0;
    double number = strtod(value, &end);
    if (end == value || *end != '\0' || errno != 0 ||
        !(number >= PH_SETPOINT_MIN_C && number <= PH_SETPOINT_MAX_C) ||
        strspn(value, "-+.0123456789") != strlen(value)) {
        return ph_error_set(error, PH_ERR_USAGE,
            "--setpoint: want a number from %g to %g, have \"%s\"", PH_SETPOINT_MIN_C,
            PH_SETPOINT_MAX_C, value);
    }
    config->room.setpoint_c = number;
    return PH_OK;
}

static enum ph_err apply_texts(
    const struct ph_cli *cli, struct ph_device_config *config, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    if (ph_cli_has(cli, "certs")) {
        err = apply_certs(config, ph_cli_value(cli, "certs"), error);
    }
    if (err == PH_OK && ph_cli_has(cli, "claim")) {
        err = ph_claim_section_take(&config->claim, ph_cli_value(cli, "claim"), error);
    }
    if (err == PH_OK && ph_cli_has(cli, "broker")) {
        err = apply_broker(config, ph_cli_value(cli, "broker"), error);
    }
    if (err == PH_OK && ph_cli_has(cli, "spool")) {
        err = ph_yaml_put_path(&config->spool.file, ph_cli_value(cli, "spool"), NULL, error);
    }
    if (err == PH_OK && ph_cli_has(cli, "setpoint")) {
        err = apply_setpoint(config, ph_cli_value(cli, "setpoint"), error);
    }
    return err;
}

static enum ph_err apply_numbers(
    const struct ph_cli *cli, struct ph_device_config *config, struct ph_error *error)
{
    enum ph_err err = ph_cli_int64(cli, "interval-ms", 1, 86400000, config->publish.interval_ms,
        &config->publish.interval_ms, error);
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "seed", 0, INT64_MAX, config->room.seed, &config->room.seed, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "drain-ms", 1, 3600000, config->publish.drain_ms,
            &config->publish.drain_ms, error);
    }
    return err;
}

/* The spool stands beside the certificate unless a place is named. */
static enum ph_err default_spool(struct ph_device_config *config, struct ph_error *error)
{
    char path[PATH_MAX];
    if (config->spool.file != NULL || config->broker.certificate == NULL) {
        return PH_OK;
    }
    enum ph_err err =
        ph_path_resolve(path, sizeof path, config->broker.certificate, "spool.db", error);
    return err == PH_OK ? ph_yaml_put(&config->spool.file, path, error) : err;
}

static enum ph_err finish_file(
    const char *path, struct ph_device_config *config, struct ph_error *error)
{
    enum ph_err err = ph_broker_section_finish(&config->broker, path, error);
    if (err == PH_OK && config->spool.file != NULL) {
        err = ph_yaml_resolve(&config->spool.file, path, error);
    }
    if (err == PH_OK && config->claim != NULL) {
        err = ph_claim_section_finish(config->claim, path, error);
    }
    return err;
}

static enum ph_err check_complete(const struct ph_device_config *config, struct ph_error *error)
{
    if (config->broker.host == NULL) {
        return ph_error_set(error, PH_ERR_USAGE,
            "no broker: want --config FILE, or --certs DIR and --broker HOST:PORT");
    }
    if (config->broker.certificate == NULL) {
        return ph_error_set(error, PH_ERR_USAGE,
            "no certificate: want --config FILE, or --certs DIR and --broker HOST:PORT");
    }
    return PH_OK;
}

/* What the file says, or nothing, and the defaults. */
static enum ph_err make_draft(
    const char *path, struct ph_device_config **out, struct ph_error *error)
{
    void *draft = NULL;
    enum ph_err err = PH_OK;
    if (path != NULL) {
        err = ph_yaml_load(path, &schema, &draft, error);
    } else if ((draft = calloc(1, sizeof(struct ph_device_config))) == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "configuration: out of memory");
    }
    if (err != PH_OK) {
        return err;
    }
    *out = draft;
    if (path != NULL) {
        err = finish_file(path, *out, error);
    }
    return err == PH_OK ? apply_defaults(*out, error) : err;
}

static enum ph_err complete(
    const struct ph_cli *cli, struct ph_device_config *config, struct ph_error *error)
{
    enum ph_err err = apply_texts(cli, config, error);
    if (err == PH_OK) {
        err = apply_numbers(cli, config, error);
    }
    if (err == PH_OK) {
        err = check_complete(config, error);
    }
    return err == PH_OK ? default_spool(config, error) : err;
}

static enum ph_err complete_shared(
    const struct ph_cli *cli, struct ph_device_config *config, struct ph_error *error)
{
    const char *broker = ph_cli_value(cli, "broker");
    free(config->spool.file);
    config->spool.file = NULL;
    if (!ph_cli_has(cli, "config")) {
        config->spool.sync = PH_SPOOL_SYNC_OS;
    }
    if (broker == NULL && config->broker.host == NULL) {
        broker = BROKER_DEFAULT;
    }
    return broker != NULL ? apply_broker(config, broker, error) : PH_OK;
}

static enum ph_err load(const struct ph_cli *cli,
    enum ph_err (*rest)(
        const struct ph_cli *cli, struct ph_device_config *config, struct ph_error *error),
    struct ph_device_config **out, struct ph_error *error)
{
    const char *path = ph_cli_value(cli, "config");
    struct ph_device_config *config = NULL;
    enum ph_err err = make_draft(path, &config, error);
    if (err == PH_OK) {
        err = rest(cli, config, error);
    }
    if (err == PH_OK) {
        err = ph_device_config_check(config, path != NULL ? path : "command line", error);
    }
    if (err != PH_OK) {
        ph_device_config_free(&config);
        return err;
    }
    *out = config;
    return PH_OK;
}

enum ph_err ph_device_config_load(
    const struct ph_cli *cli, struct ph_device_config **out, struct ph_error *error)
{
    return load(cli, complete, out, error);
}

enum ph_err ph_device_config_load_shared(
    const struct ph_cli *cli, struct ph_device_config **out, struct ph_error *error)
{
    return load(cli, complete_shared, out, error);
}

enum ph_err ph_device_config_print(
    FILE *out, const struct ph_device_config *config, struct ph_error *error)
{
    return ph_yaml_print(out, &schema, config, error);
}

void ph_device_config_free(struct ph_device_config **config)
{
    void *draft = *config;
    ph_yaml_free(&schema, &draft);
    *config = NULL;
}
