/* Glue between Mosquitto's plugin interface (version 5) and broker.h. */
#include <stdlib.h>
#include <string.h>

#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>
#include <mqtt_protocol.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "broker-plugin/authz.h"
#include "broker-plugin/broker.h"
#include "broker-plugin/broker_conf.h"

#define PLUGIN_INTERFACE  5
#define COMMAND_LINE_FILE "/proc/self/cmdline"

#define EXPORTED __attribute__((visibility("default")))

struct plugin {
    mosquitto_plugin_id_t *identifier;
    struct ph_broker *broker;
    size_t registered; /* how many entries of the event table are */
};

static void log_to_broker(enum ph_log_level level, const char *line)
{
    static const int levels[] = {MOSQ_LOG_ERR, MOSQ_LOG_WARNING, MOSQ_LOG_INFO, MOSQ_LOG_DEBUG};
    mosquitto_log_printf(levels[level], "phonehome: %s", line);
}

/* ---- events ---- */

static int on_basic_auth(int event, void *data, void *user_data)
{
    (void)event;
    struct plugin *plugin = user_data;
    struct mosquitto_evt_basic_auth *auth = data;
    char user_name[PH_USER_NAME_BYTES];
    struct ph_certificate *certificate =
        ph_certificate_take(mosquitto_client_certificate(auth->client));
    struct ph_connect connect = {
        .client = auth->client,
        .certificate = certificate,
        .client_id = mosquitto_client_id(auth->client),
        .address = mosquitto_client_address(auth->client),
    };
    enum ph_verdict verdict = ph_broker_connect(
        plugin->broker, &connect, ph_clock_unix_ms(), ph_clock_monotonic_ms(), user_name);
    ph_certificate_free(&certificate);
    if (verdict == PH_ADMIT &&
        mosquitto_set_username(auth->client, user_name) != MOSQ_ERR_SUCCESS) {
        verdict = PH_REFUSE;
    }
    return verdict == PH_REFUSE ? MOSQ_ERR_AUTH : MOSQ_ERR_SUCCESS;
}

/* Whether the TLS connection is there. Costs a reference count, no allocation. */
static bool has_certificate(const struct mosquitto *client)
{
    void *x509 = mosquitto_client_certificate(client);
    ph_certificate_discard(x509);
    return x509 != NULL;
}

static int on_acl_check(int event, void *data, void *user_data)
{
    (void)event;
    struct plugin *plugin = user_data;
    const struct mosquitto_evt_acl_check *check = data;
    struct ph_access access = {
        .client = check->client,
        .client_id = mosquitto_client_id(check->client),
        .user_name = mosquitto_client_username(check->client),
        .topic = check->topic,
    };
    switch (check->access) {
    case MOSQ_ACL_READ:
        access.type = PH_ACCESS_READ;
        break;
    case MOSQ_ACL_WRITE:
        access.type = PH_ACCESS_WRITE;
        access.has_certificate = has_certificate(check->client);
        access.has_address = mosquitto_client_address(check->client) != NULL;
        break;
    case MOSQ_ACL_SUBSCRIBE:
        access.type = PH_ACCESS_SUBSCRIBE;
        break;
    case MOSQ_ACL_UNSUBSCRIBE:
        return MOSQ_ERR_SUCCESS;
    default:
        return MOSQ_ERR_ACL_DENIED;
    }
    return ph_broker_access(plugin->broker, &access, ph_clock_monotonic_ms()) ? MOSQ_ERR_SUCCESS
                                                                              : MOSQ_ERR_ACL_DENIED;
}

/* The first user property of the message that only the plugin may write, to be freed; or NULL. */
static char *find_reserved_property(const mosquitto_property *properties)
{
    const mosquitto_property *property = properties;
    bool skip_first = false;
    char *name = NULL;
    char *value = NULL;
    while ((property = mosquitto_property_read_string_pair(
                property, MQTT_PROP_USER_PROPERTY, &name, &value, skip_first)) != NULL) {
        free(value);
        value = NULL;
        if (name != NULL && ph_authz_property_reserved(name)) {
            return name;
        }
        free(name);
        name = NULL;
        skip_first = true;
    }
    return NULL;
}

static int on_message(int event, void *data, void *user_data)
{
    (void)event;
    struct plugin *plugin = user_data;
    const struct mosquitto_evt_message *message = data;
    const char *user_name = mosquitto_client_username(message->client);
    int64_t now_ms = ph_clock_monotonic_ms();
    char *reserved =
        message->properties != NULL ? find_reserved_property(message->properties) : NULL;
    bool allowed = reserved == NULL && ph_broker_message(plugin->broker, user_name, message->topic,
                                           message->payloadlen, now_ms);
    if (reserved != NULL) {
        ph_broker_reserved_property(plugin->broker, user_name, message->topic, reserved, now_ms);
        free(reserved);
    }
    return allowed ? MOSQ_ERR_SUCCESS : MOSQ_ERR_ACL_DENIED;
}

/* Any other answer makes 2.0.x drop its own callbacks and 2.1 stop the broker. */
static int on_reload(int event, void *data, void *user_data)
{
    (void)event;
    (void)data;
    struct plugin *plugin = user_data;
    ph_broker_reload(plugin->broker, ph_clock_unix_ms(), ph_clock_monotonic_ms());
    return MOSQ_ERR_SUCCESS;
}

static int on_tick(int event, void *data, void *user_data)
{
    (void)event;
    (void)data;
    struct plugin *plugin = user_data;
    ph_broker_tick(plugin->broker, ph_clock_unix_ms(), ph_clock_monotonic_ms());
    return MOSQ_ERR_SUCCESS;
}

static int on_disconnect(int event, void *data, void *user_data)
{
    (void)event;
    struct plugin *plugin = user_data;
    const struct mosquitto_evt_disconnect *disconnect = data;
    ph_broker_end(plugin->broker, disconnect->client);
    return MOSQ_ERR_SUCCESS;
}

static const struct {
    int event;
    MOSQ_FUNC_generic_callback callback;
} events[] = {
    {MOSQ_EVT_BASIC_AUTH, on_basic_auth},
    {MOSQ_EVT_ACL_CHECK, on_acl_check},
    {MOSQ_EVT_MESSAGE, on_message},
    {MOSQ_EVT_RELOAD, on_reload},
    {MOSQ_EVT_TICK, on_tick},
    {MOSQ_EVT_DISCONNECT, on_disconnect},
};

static void unregister_events(struct plugin *plugin)
{
    while (plugin->registered > 0) {
        plugin->registered--;
        (void)mosquitto_callback_unregister(plugin->identifier, events[plugin->registered].event,
            events[plugin->registered].callback, NULL);
    }
}

static enum ph_err register_events(struct plugin *plugin, struct ph_error *error)
{
    while (plugin->registered < sizeof events / sizeof events[0]) {
        int rc = mosquitto_callback_register(plugin->identifier, events[plugin->registered].event,
            events[plugin->registered].callback, NULL, plugin);
        if (rc != MOSQ_ERR_SUCCESS) {
            unregister_events(plugin);
            return ph_error_set(
                error, PH_ERR_INTERNAL, "plugin: the broker refused a callback (%d)", rc);
        }
        plugin->registered++;
    }
    return PH_OK;
}

/* ---- options and life ---- */

static enum ph_err read_options(const struct mosquitto_opt *options, int option_count,
    struct ph_broker_options *out, struct ph_error *error)
{
    for (int i = 0; i < option_count; i++) {
        if (strcmp(options[i].key, "policy") == 0) {
            out->policy_file = options[i].value;
        } else if (strcmp(options[i].key, "broker_config") == 0) {
            out->broker_config = options[i].value;
        } else {
            return ph_error_set(error, PH_ERR_CONFIG,
                "plugin_opt_%s: no such option; known are plugin_opt_policy and "
                "plugin_opt_broker_config",
                options[i].key);
        }
    }
    return out->policy_file != NULL
               ? PH_OK
               : ph_error_set(error, PH_ERR_CONFIG,
                     "plugin_opt_policy: missing; write \"plugin_opt_policy FILE\" below the "
                     "plugin line");
}

/* Checks the command line and takes the configuration file from it when no option names one. */
static enum ph_err check_command_line(
    struct ph_broker_options *options, struct ph_buf *words, struct ph_error *error)
{
    struct ph_findings findings = {.count = 0};
    const char *config_file = NULL;
    enum ph_err err = ph_file_load(COMMAND_LINE_FILE, words, error);
    if (err != PH_OK) {
        return err;
    }
    ph_broker_command_line_check(
        words->data != NULL ? words->data : "", words->len, &config_file, &findings);
    if (findings.count > 0) {
        return ph_error_set(error, PH_ERR_CONFIG, "%s", findings.text[0]);
    }
    if (options->broker_config == NULL) {
        options->broker_config = config_file;
    }
    return options->broker_config != NULL
               ? PH_OK
               : ph_error_set(error, PH_ERR_CONFIG,
                     "plugin_opt_broker_config: missing, and the command line has no -c; write "
                     "\"plugin_opt_broker_config FILE\" below the plugin line");
}

static enum ph_err start(struct plugin *plugin, const struct mosquitto_opt *options,
    int option_count, struct ph_error *error)
{
    struct ph_broker_options read = {.policy_file = NULL};
    struct ph_buf words;
    ph_buf_init(&words, PH_LIMIT_CONFIG_BYTES);
    enum ph_err err = read_options(options, option_count, &read, error);
    if (err == PH_OK) {
        err = check_command_line(&read, &words, error);
    }
    if (err == PH_OK) {
        err = ph_broker_open(&read, ph_clock_unix_ms(), &plugin->broker, error);
    }
    if (err == PH_OK) {
        ph_log(PH_LOG_INFO, "policy in force", PH_STR("policy", read.policy_file),
            PH_STR("broker_config", read.broker_config));
        err = register_events(plugin, error);
    }
    ph_buf_fini(&words);
    return err;
}

static void stop(struct plugin *plugin)
{
    unregister_events(plugin);
    ph_broker_close(&plugin->broker);
    free(plugin);
}

EXPORTED int mosquitto_plugin_version(int supported_version_count, const int *supported_versions)
{
    for (int i = 0; i < supported_version_count; i++) {
        if (supported_versions[i] == PLUGIN_INTERFACE) {
            return PLUGIN_INTERFACE;
        }
    }
    return -1;
}

EXPORTED int mosquitto_plugin_init(mosquitto_plugin_id_t *identifier, void **userdata,
    struct mosquitto_opt *options, int option_count)
{
    struct ph_error error = {0};
    ph_log_sink_set(log_to_broker);
    struct plugin *plugin = calloc(1, sizeof *plugin);
    if (plugin == NULL) {
        return MOSQ_ERR_NOMEM;
    }
    plugin->identifier = identifier;
    if (start(plugin, options, option_count, &error) != PH_OK) {
        ph_log_error(PH_LOG_ERROR, "the broker does not start", &error);
        stop(plugin);
        return MOSQ_ERR_INVAL;
    }
    *userdata = plugin;
    return MOSQ_ERR_SUCCESS;
}

EXPORTED int mosquitto_plugin_cleanup(
    void *userdata, struct mosquitto_opt *options, int option_count)
{
    (void)options;
    (void)option_count;
    if (userdata != NULL) {
        stop(userdata);
    }
    return MOSQ_ERR_SUCCESS;
}
