#include "device/fleet/load_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/random.h"
#include "base/text.h"
#include "format/topic.h"

enum { PASSWORD_BYTES = 65535, DEFAULT_DURATION_S = 10 };

static enum ph_err copy(char **out, const char *text, struct ph_error *error)
{
    *out = strdup(text);
    return *out != NULL ? PH_OK : ph_error_set(error, PH_ERR_MEMORY, "options: no memory");
}

static enum ph_err copy_option(const struct ph_cli *cli, const char *name, const char *fallback,
    char **out, struct ph_error *error)
{
    const char *value = ph_cli_value(cli, name);
    value = value != NULL ? value : fallback;
    return value != NULL ? copy(out, value, error) : PH_OK;
}

static bool split_port(char *host, char **port)
{
    char *end = host;
    if (host[0] == '[') {
        end = strchr(host, ']');
        if (end == NULL || (end[1] != ':' && end[1] != '\0')) {
            return false;
        }
        *port = end[1] == ':' ? end + 2 : NULL;
        *end = '\0';
        memmove(host, host + 1, strlen(host + 1) + 1);
        return true;
    }
    end = strchr(host, ':');
    *port = end != NULL ? end + 1 : NULL;
    if (end != NULL) {
        *end = '\0';
    }
    return end == NULL || strchr(end + 1, ':') == NULL;
}

enum ph_err ph_load_broker_parse(
    const char *text, struct ph_load_options *options, struct ph_error *error)
{
    char host[300];
    char *port_text = NULL;
    int64_t port = 0;
    options->tls = strncmp(text, "mqtts://", 8) == 0;
    if (!options->tls && strncmp(text, "mqtt://", 7) != 0) {
        return ph_error_set(error, PH_ERR_USAGE,
            "--broker: want mqtt://HOST[:PORT] or mqtts://HOST[:PORT], have \"%s\"", text);
    }
    if (!ph_text_copy(host, sizeof host - 1, text + (options->tls ? 8 : 7)) ||
        !split_port(host, &port_text) || host[0] == '\0' || strchr(host, '/') != NULL) {
        return ph_error_set(error, PH_ERR_USAGE, "--broker: \"%s\" names no host and port", text);
    }
    port = options->tls ? 8883 : 1883;
    if (port_text != NULL && !ph_text_to_int64(port_text, 1, 65535, &port)) {
        return ph_error_set(
            error, PH_ERR_USAGE, "--broker: want a port from 1 to 65535, have \"%s\"", port_text);
    }
    options->port = (uint16_t)port;
    return copy(&options->host, host, error);
}

enum ph_err ph_load_expand(char out[PH_LOAD_NAME_BYTES], const char *template, int64_t n,
    const char *name, struct ph_error *error)
{
    struct ph_buf text;
    enum ph_err err = PH_OK;
    ph_buf_init(&text, PH_LOAD_NAME_BYTES - 1);
    for (const char *c = template; *c != '\0' && err == PH_OK;) {
        if (strncmp(c, "{n}", 3) == 0) {
            err = ph_buf_printf(&text, "%lld", (long long)n);
            c += 3;
        } else if (strncmp(c, "{name}", 6) == 0) {
            err = ph_buf_append_text(&text, name);
            c += 6;
        } else {
            err = ph_buf_append(&text, c, 1);
            c++;
        }
    }
    (void)snprintf(out, PH_LOAD_NAME_BYTES, "%s", err == PH_OK && text.len > 0 ? text.data : "");
    ph_buf_fini(&text);
    return err == PH_OK ? PH_OK
                        : ph_error_set(error, err, "%.64s: becomes longer than %d bytes", template,
                              PH_LOAD_NAME_BYTES - 1);
}

void ph_load_filter_for(char out[PH_LOAD_NAME_BYTES], const char *topic)
{
    size_t len = 0;
    while (*topic != '\0' && len + 2 < PH_LOAD_NAME_BYTES) {
        const size_t level = strcspn(topic, "/");
        const bool varies =
            memmem(topic, level, "{n}", 3) != NULL || memmem(topic, level, "{name}", 6) != NULL;
        for (size_t i = 0; !varies && i < level && len + 2 < PH_LOAD_NAME_BYTES; i++) {
            out[len++] = topic[i];
        }
        if (varies) {
            out[len++] = '+';
        }
        topic += level;
        if (*topic == '/') {
            out[len++] = *topic++;
        }
    }
    out[len] = '\0';
}

static enum ph_err read_tls(
    const struct ph_cli *cli, struct ph_load_options *options, struct ph_error *error)
{
    const char *certs = ph_cli_value(cli, "certs");
    if (!options->tls && (certs != NULL || ph_cli_has(cli, "ca"))) {
        return ph_error_set(error, PH_ERR_USAGE,
            "--certs, --ca: are for TLS, and the broker is %s: want mqtts://", options->broker);
    }
    enum ph_err err = copy_option(cli, "ca", NULL, &options->ca_file, error);
    if (err == PH_OK && options->ca_file != NULL && access(options->ca_file, R_OK) != 0) {
        err = ph_error_set_errno(error, errno, "--ca: %s", options->ca_file);
    }
    return err == PH_OK && certs != NULL ? ph_load_certs_find(options, certs, error) : err;
}

static enum ph_err read_password(
    const struct ph_cli *cli, struct ph_load_options *options, struct ph_error *error)
{
    struct ph_buf text;
    const char *path = ph_cli_value(cli, "password-file");
    enum ph_err err = copy_option(cli, "user", NULL, &options->user, error);
    if (err != PH_OK || path == NULL) {
        return err;
    }
    if (options->user == NULL) {
        return ph_error_set(error, PH_ERR_USAGE, "--password-file: goes with --user only");
    }
    ph_buf_init(&text, PASSWORD_BYTES);
    err = ph_file_load_secret(path, &text, error);
    if (err == PH_OK) {
        err = copy(&options->password, text.data != NULL ? text.data : "", error);
    }
    ph_buf_fini(&text);
    if (err == PH_OK) {
        options->password[strcspn(options->password, "\r\n")] = '\0';
    }
    return err;
}

struct number {
    const char *name;
    int64_t min;
    int64_t max;
    int64_t fallback;
    size_t offset;
};

static enum ph_err read_numbers(
    const struct ph_cli *cli, struct ph_load_options *options, struct ph_error *error)
{
#define FIELD(field) offsetof(struct ph_load_options, field)
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const struct number numbers[] = {
        {"publishers", 1, PH_LOAD_CONNECTIONS_MAX, 1, FIELD(publishers)},
        {"subscribers", 0, PH_LOAD_CONNECTIONS_MAX, 0, FIELD(subscribers)},
        {"rate", 0, 10000000, 0, FIELD(rate)},
        {"window", 1, 65535, 100, FIELD(window)},
        {"size", 0, PH_LIMIT_MQTT_PAYLOAD_BYTES, 128, FIELD(size_bytes)},
        {"readings", 1, PH_LIMIT_MESSAGE_READINGS, 0, FIELD(readings)},
        {"qos", 0, 2, 1, FIELD(qos)},
        {"duration", 1, 31536000, 0, FIELD(duration_s)},
        {"warmup", 0, 86400, 0, FIELD(warmup_s)},
        {"drain", 1, 86400, 5, FIELD(drain_s)},
        {"messages", 1, INT64_C(1000000000000), 0, FIELD(messages)},
        {"ramp", 1, 1000000, 200, FIELD(ramp)},
        {"threads", 1, PH_LOAD_THREADS_MAX, cores < 1 ? 1 : cores, FIELD(threads)},
    };
#undef FIELD
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && err == PH_OK; i++) {
        int64_t value = 0;
        err = ph_cli_int64(cli, numbers[i].name, numbers[i].min, numbers[i].max,
            numbers[i].fallback, &value, error);
        memcpy((char *)options + numbers[i].offset, &value, sizeof value);
    }
    return err;
}

/* What is left out, and what does not go together. */
static enum ph_err settle_numbers(
    const struct ph_cli *cli, struct ph_load_options *options, struct ph_error *error)
{
    const int64_t connections = options->publishers + options->subscribers;
    if (options->duration_s == 0 && options->messages == 0) {
        options->duration_s = DEFAULT_DURATION_S;
    }
    if (options->threads > connections) {
        options->threads = connections;
    }
    if (options->readings > 0 && ph_cli_has(cli, "size")) {
        return ph_error_set(error, PH_ERR_USAGE, "--size, --readings: only one of them");
    }
    if (connections > PH_LOAD_CONNECTIONS_MAX) {
        return ph_error_set(error, PH_ERR_USAGE,
            "--publishers, --subscribers: more than %d connections", PH_LOAD_CONNECTIONS_MAX);
    }
    if (options->subscribers == 0 && ph_cli_has(cli, "filter")) {
        return ph_error_set(error, PH_ERR_USAGE, "--filter: goes with --subscribers only");
    }
    return PH_OK;
}

static enum ph_err read_version(
    const struct ph_cli *cli, struct ph_load_options *options, struct ph_error *error)
{
    const char *text = ph_cli_value(cli, "mqtt");
    options->version = text != NULL && strcmp(text, "3.1.1") == 0 ? 4 : 5;
    return text == NULL || options->version == 4 || strcmp(text, "5") == 0
               ? PH_OK
               : ph_error_set(error, PH_ERR_USAGE, "--mqtt: want 5 or 3.1.1, have \"%s\"", text);
}

static bool varies(const char *template)
{
    return strstr(template, "{n}") != NULL || strstr(template, "{name}") != NULL;
}

static enum ph_err check_templates(const struct ph_load_options *options, struct ph_error *error)
{
    char text[PH_LOAD_NAME_BYTES];
    const int64_t last = options->publishers + options->subscribers;
    enum ph_err err = ph_load_expand(text, options->topic, last, "name", error);
    if (err == PH_OK && ph_topic_name_check(text, error) != PH_OK) {
        return ph_error_prefix(error, PH_ERR_USAGE, "--topic");
    }
    err = err == PH_OK ? ph_load_expand(text, options->filter, last, "name", error) : err;
    const char *filter = err == PH_OK ? ph_topic_unshare(text) : NULL;
    if (err == PH_OK && (filter == NULL || ph_topic_filter_check(filter, error) != PH_OK)) {
        (void)ph_error_set(error, PH_ERR_USAGE, "%s: no group, or no filter behind it", text);
        return ph_error_prefix(error, PH_ERR_USAGE, "--filter");
    }
    err = err == PH_OK ? ph_load_expand(text, options->client_id, last, "name", error) : err;
    if (err == PH_OK && last > 1 && !varies(options->client_id)) {
        err = ph_error_set(error, PH_ERR_USAGE,
            "--client-id: %lld connections need {n} or {name} in it, have \"%s\"", (long long)last,
            options->client_id);
    }
    return err;
}

static enum ph_err read_templates(
    const struct ph_cli *cli, struct ph_load_options *options, struct ph_error *error)
{
    char client_id[64];
    char filter[PH_LOAD_NAME_BYTES];
    (void)snprintf(
        client_id, sizeof client_id, "ph-load-%08x-{n}", (unsigned)(ph_random_u64() & 0xffffffff));
    enum ph_err err = copy_option(cli, "topic", "ph-load/{n}", &options->topic, error);
    if (err == PH_OK) {
        ph_load_filter_for(filter, options->topic);
        err = copy_option(cli, "filter", filter, &options->filter, error);
    }
    if (err == PH_OK) {
        err = copy_option(cli, "client-id", client_id, &options->client_id, error);
    }
    return err == PH_OK ? check_templates(options, error) : err;
}

/* One certificate for all has no name. */
static enum ph_err check_names(const struct ph_load_options *options, struct ph_error *error)
{
    const char *const templates[] = {options->topic, options->filter, options->client_id};
    for (size_t i = 0; i < sizeof templates / sizeof templates[0]; i++) {
        if (options->cert_count < 2 && strstr(templates[i], "{name}") != NULL) {
            return ph_error_set(error, PH_ERR_USAGE,
                "%s: {name} is the folder of a certificate: want --certs with such folders",
                templates[i]);
        }
    }
    return PH_OK;
}

static enum ph_err read_all(
    const struct ph_cli *cli, struct ph_load_options *options, struct ph_error *error)
{
    enum ph_err err = copy_option(cli, "broker", "mqtt://localhost:1883", &options->broker, error);
    err = err == PH_OK ? ph_load_broker_parse(options->broker, options, error) : err;
    err = err == PH_OK ? read_numbers(cli, options, error) : err;
    err = err == PH_OK ? settle_numbers(cli, options, error) : err;
    err = err == PH_OK ? read_version(cli, options, error) : err;
    err = err == PH_OK ? read_templates(cli, options, error) : err;
    err = err == PH_OK ? read_tls(cli, options, error) : err;
    err = err == PH_OK ? check_names(options, error) : err;
    options->retain = ph_cli_has(cli, "retain");
    options->plain = ph_cli_has(cli, "plain");
    options->json = ph_cli_value(cli, "json");
    return err == PH_OK ? read_password(cli, options, error) : err;
}

enum ph_err ph_load_options_load(
    const struct ph_cli *cli, struct ph_load_options **out, struct ph_error *error)
{
    struct ph_load_options *options = calloc(1, sizeof *options);
    if (options == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "options: no memory");
    }
    enum ph_err err = read_all(cli, options, error);
    if (err != PH_OK) {
        ph_load_options_free(&options);
        return err;
    }
    *out = options;
    return PH_OK;
}

void ph_load_options_free(struct ph_load_options **options)
{
    if (options == NULL || *options == NULL) {
        return;
    }
    struct ph_load_options *o = *options;
    for (size_t i = 0; i < o->cert_count; i++) {
        free(o->certs[i]);
    }
    if (o->password != NULL) {
        explicit_bzero(o->password, strlen(o->password));
    }
    char *const texts[] = {
        o->broker, o->host, o->topic, o->filter, o->client_id, o->ca_file, o->user, o->password};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        free(texts[i]);
    }
    free(o->certs);
    free(o);
    *options = NULL;
}
