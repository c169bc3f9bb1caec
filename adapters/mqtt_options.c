#include "adapters/mqtt_options.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "x509/certificate.h"

static enum ph_err check_values(const struct ph_mqtt_options *options, struct ph_error *error)
{
    if (options->host == NULL || options->host[0] == '\0' || strlen(options->host) > 255) {
        return ph_error_set(error, PH_ERR_CONFIG, "mqtt: host: want a name of 1 to 255 bytes");
    }
    if (strpbrk(options->host, "/[] \t\r\n") != NULL) {
        return ph_error_set(
            error, PH_ERR_CONFIG, "mqtt: host: want a name or address, have \"%s\"", options->host);
    }
    if (options->port == 0) {
        return ph_error_set(error, PH_ERR_CONFIG, "mqtt: port: want 1 to 65535, have 0");
    }
    if (options->client_id == NULL || options->client_id[0] == '\0' ||
        strlen(options->client_id) > PH_LIMIT_CLIENT_ID_BYTES) {
        return ph_error_set(
            error, PH_ERR_CONFIG, "mqtt: client id: want 1 to %d bytes", PH_LIMIT_CLIENT_ID_BYTES);
    }
    if (options->ca_file == NULL || options->cert_file == NULL || options->key_file == NULL) {
        return ph_error_set(
            error, PH_ERR_CONFIG, "mqtt: want a CA file, a certificate file and a key file");
    }
    if (options->session_expiry_s > INT32_MAX) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "mqtt: session expiry: want at most %" PRId32 " s, have %" PRIu32, INT32_MAX,
            options->session_expiry_s);
    }
    if (options->backoff_min_ms <= 0 || options->backoff_max_ms < options->backoff_min_ms ||
        options->backoff_refused_ms < 0) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "mqtt: back-off: want 0 < minimum <= maximum, and no negative time after a refusal");
    }
    return PH_OK;
}

static bool copy_text(const char **to, const char *from)
{
    *to = from != NULL ? strdup(from) : NULL;
    return from == NULL || *to != NULL;
}

enum ph_err ph_mqtt_options_check(const struct ph_mqtt_options *options, struct ph_error *error)
{
    enum ph_err err = check_values(options, error);
    return err == PH_OK ? ph_certificate_check_files(
                              options->ca_file, options->cert_file, options->key_file, error)
                        : err;
}

enum ph_err ph_mqtt_options_copy(
    struct ph_mqtt_options *to, const struct ph_mqtt_options *from, struct ph_error *error)
{
    *to = *from;
    bool ok = copy_text(&to->host, from->host);
    ok = copy_text(&to->client_id, from->client_id) && ok;
    ok = copy_text(&to->ca_file, from->ca_file) && ok;
    ok = copy_text(&to->cert_file, from->cert_file) && ok;
    ok = copy_text(&to->key_file, from->key_file) && ok;
    ok = copy_text(&to->will.topic, from->will.topic) && ok;
    ok = copy_text(&to->will.payload, from->will.payload) && ok;
    return ok ? PH_OK : ph_error_set(error, PH_ERR_MEMORY, "mqtt: out of memory");
}

void ph_mqtt_text_free(const char **text)
{
    union {
        const char *borrowed;
        char *owned;
    } u = {.borrowed = *text};
    free(u.owned);
    *text = NULL;
}

void ph_mqtt_options_fini(struct ph_mqtt_options *options)
{
    ph_mqtt_text_free(&options->host);
    ph_mqtt_text_free(&options->client_id);
    ph_mqtt_text_free(&options->ca_file);
    ph_mqtt_text_free(&options->cert_file);
    ph_mqtt_text_free(&options->key_file);
    ph_mqtt_text_free(&options->will.topic);
    ph_mqtt_text_free(&options->will.payload);
}
