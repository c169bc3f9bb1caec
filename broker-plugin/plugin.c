/* Glue between Mosquitto's plugin interface (version 5) and broker.h. */
#include <stddef.h>
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
#include "format/provenance.h"

#define PLUGIN_INTERFACE  5
#define COMMAND_LINE_FILE "/proc/self/cmdline"

#define EXPORTED __attribute__((visibility("default")))

/* Of the callbacks that come with every message one in so many is timed. */
#define SAMPLE 16

#define AUDIT_FILE_DEFAULT "/var/log/mosquitto/phonehome-audit.jsonl"

struct plugin {
    mosquitto_plugin_id_t *identifier;
    struct ph_broker *broker;
    struct ph_metrics *metrics;
    size_t registered; /* how many entries of the event table are */
};

static void log_to_broker(enum ph_log_level level, const char *line)
{
    static const int levels[] = {MOSQ_LOG_ERR, MOSQ_LOG_WARNING, MOSQ_LOG_INFO, MOSQ_LOG_DEBUG};
    mosquitto_log_printf(levels[level], "phonehome: %s", line);
}

/* ---- what the plugin asks of the broker, from the tick only ---- */

static void kick(void *context, const char *user_name)
{
    (void)context;
    (void)mosquitto_kick_client_by_username(user_name, false);
}

static void kick_client(void *context, const char *client_id)
{
    (void)context;
    (void)mosquitto_kick_client_by_clientid(client_id, false);
}

static void publish(void *context, const char *topic, const void *payload, size_t len)
{
    (void)context;
    (void)mosquitto_broker_publish_copy(NULL, topic, (int)len, payload, 1, true, NULL);
}

/* ---- time spent ---- */

/* When the callback began, or 0 when it is not timed. */
static int64_t begin(struct plugin *plugin, enum ph_callback callback, uint64_t sample)
{
    uint64_t calls = plugin->metrics->callbacks[callback].calls++;
    return calls % sample == 0 ? ph_clock_monotonic_ns() : 0;
}

static void end(struct plugin *plugin, enum ph_callback callback, int64_t begun_ns)
{
    if (begun_ns != 0) {
        uint64_t ns = (uint64_t)(ph_clock_monotonic_ns() - begun_ns);
        plugin->metrics->callbacks[callback].timed++;
        plugin->metrics->callbacks[callback].timed_ns += ns;
        if (ns > plugin->metrics->callbacks[callback].longest_ns) {
            plugin->metrics->callbacks[callback].longest_ns = ns;
        }
    }
}

/* ---- events ---- */

static int on_basic_auth(int event, void *data, void *user_data)
{
    (void)event;
    struct plugin *plugin = user_data;
    struct mosquitto_evt_basic_auth *auth = data;
    int64_t begun_ns = begin(plugin, PH_CALLBACK_CONNECT, 1);
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
        ph_broker_end(plugin->broker, auth->client);
        verdict = PH_REFUSE;
    }
    end(plugin, PH_CALLBACK_CONNECT, begun_ns);
    return verdict == PH_REFUSE ? MOSQ_ERR_AUTH : MOSQ_ERR_SUCCESS;
}

static bool check_access(struct plugin *plugin, const struct mosquitto_evt_acl_check *check)
{
    struct ph_access access = {
        .client = check->client,
        .user_name = mosquitto_client_username(check->client),
        .topic = check->topic,
    };
    switch (check->access) {
    case MOSQ_ACL_READ:
        access.type = PH_ACCESS_READ;
        break;
    case MOSQ_ACL_WRITE:
        access.type = PH_ACCESS_WRITE;
        access.has_address = mosquitto_client_address(check->client) != NULL;
        break;
    case MOSQ_ACL_SUBSCRIBE:
        access.type = PH_ACCESS_SUBSCRIBE;
        break;
    case MOSQ_ACL_UNSUBSCRIBE:
        return true;
    default:
        return false;
    }
    return ph_broker_access(plugin->broker, &access);
}

static int on_acl_check(int event, void *data, void *user_data)
{
    (void)event;
    struct plugin *plugin = user_data;
    int64_t begun_ns = begin(plugin, PH_CALLBACK_ACCESS, SAMPLE);
    bool allowed = check_access(plugin, data);
    end(plugin, PH_CALLBACK_ACCESS, begun_ns);
    return allowed ? MOSQ_ERR_SUCCESS : MOSQ_ERR_ACL_DENIED;
}

/* The first user property of the message that only the plugin may write, to be freed; or NULL.
 * False when one cannot be read, for want of memory. */
static bool find_reserved_property(const mosquitto_property *properties, char **out)
{
    const mosquitto_property *property = properties;
    bool skip_first = false;
    char *name = NULL;
    *out = NULL;
    /* First without its texts: where they are asked for, NULL may be the end or a lack of memory.
     */
    while ((property = mosquitto_property_read_string_pair(
                property, MQTT_PROP_USER_PROPERTY, NULL, NULL, skip_first)) != NULL) {
        if (mosquitto_property_read_string_pair(
                property, MQTT_PROP_USER_PROPERTY, &name, NULL, false) == NULL) {
            return false;
        }
        if (ph_authz_property_reserved(name)) {
            *out = name;
            return true;
        }
        free(name);
        name = NULL;
        skip_first = true;
    }
    return true;
}

/* Appended to the list, which no version of the broker mistakes for its own to free. A failure for
 * want of memory leaves the message without what would vouch for it. */
static void add_provenance(
    struct mosquitto_evt_message *message, const struct ph_provenance *provenance)
{
    if (provenance->identity != NULL) {
        (void)mosquitto_property_add_string_pair(&message->properties, MQTT_PROP_USER_PROPERTY,
            PH_PROPERTY_IDENTITY, provenance->identity);
        (void)mosquitto_property_add_string_pair(&message->properties, MQTT_PROP_USER_PROPERTY,
            PH_PROPERTY_FINGERPRINT, provenance->fingerprint);
    }
}

static int on_message(int event, void *data, void *user_data)
{
    (void)event;
    struct plugin *plugin = user_data;
    struct mosquitto_evt_message *message = data;
    int64_t begun_ns = begin(plugin, PH_CALLBACK_MESSAGE, SAMPLE);
    char *reserved = NULL;
    bool readable = find_reserved_property(message->properties, &reserved);
    const struct ph_publish incoming = {
        .client = message->client,
        .user_name = mosquitto_client_username(message->client),
        .topic = message->topic,
        .payload_bytes = message->payloadlen,
        .reserved_property = reserved,
    };
    struct ph_provenance provenance;
    bool allowed = readable && ph_broker_message(plugin->broker, &incoming, &provenance);
    if (allowed) {
        add_provenance(message, &provenance);
    }
    free(reserved);
    end(plugin, PH_CALLBACK_MESSAGE, begun_ns);
    return allowed ? MOSQ_ERR_SUCCESS : MOSQ_ERR_ACL_DENIED;
}

/* Any other answer makes 2.0.x drop its own callbacks and 2.1 stop the broker. */
static int on_reload(int event, void *data, void *user_data)
{
    (void)event;
    (void)data;
    struct plugin *plugin = user_data;
    int64_t begun_ns = begin(plugin, PH_CALLBACK_RELOAD, 1);
    ph_broker_reload(plugin->broker, ph_clock_unix_ms(), ph_clock_monotonic_ms());
    end(plugin, PH_CALLBACK_RELOAD, begun_ns);
    return MOSQ_ERR_SUCCESS;
}

static int on_tick(int event, void *data, void *user_data)
{
    (void)event;
    (void)data;
    struct plugin *plugin = user_data;
    int64_t begun_ns = begin(plugin, PH_CALLBACK_TICK, 1);
    ph_broker_tick(plugin->broker, ph_clock_unix_ms(), begun_ns / 1000000);
    end(plugin, PH_CALLBACK_TICK, begun_ns);
    return MOSQ_ERR_SUCCESS;
}

static int on_disconnect(int event, void *data, void *user_data)
{
    (void)event;
    struct plugin *plugin = user_data;
    const struct mosquitto_evt_disconnect *disconnect = data;
    int64_t begun_ns = begin(plugin, PH_CALLBACK_DISCONNECT, 1);
    ph_broker_end(plugin->broker, disconnect->client);
    end(plugin, PH_CALLBACK_DISCONNECT, begun_ns);
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

static const struct {
    const char *key;
    size_t offset; /* of a text in the options */
} known_options[] = {
    {"policy", offsetof(struct ph_broker_options, policy_file)},
    {"broker_config", offsetof(struct ph_broker_options, broker_config)},
    {"audit", offsetof(struct ph_broker_options, audit_file)},
    {"metrics", offsetof(struct ph_broker_options, metrics_file)},
};

static enum ph_err read_option(
    const struct mosquitto_opt *option, struct ph_broker_options *out, struct ph_error *error)
{
    for (size_t i = 0; i < sizeof known_options / sizeof known_options[0]; i++) {
        if (strcmp(option->key, known_options[i].key) == 0) {
            const char *value = option->value;
            memcpy((char *)out + known_options[i].offset, &value, sizeof value);
            return PH_OK;
        }
    }
    return ph_error_set(error, PH_ERR_CONFIG,
        "plugin_opt_%s: no such option; known are plugin_opt_policy, plugin_opt_broker_config, "
        "plugin_opt_audit and plugin_opt_metrics",
        option->key);
}

static enum ph_err read_options(const struct mosquitto_opt *options, int option_count,
    struct ph_broker_options *out, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    out->audit_file = AUDIT_FILE_DEFAULT;
    for (int i = 0; err == PH_OK && i < option_count; i++) {
        err = read_option(&options[i], out, error);
    }
    if (strcmp(out->audit_file, "off") == 0) {
        out->audit_file = NULL;
    }
    return err != PH_OK || out->policy_file != NULL
               ? err
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
    static const struct ph_broker_host host = {
        .kick = kick, .kick_client = kick_client, .publish = publish};
    struct ph_broker_options read = {.policy_file = NULL};
    struct ph_buf words;
    ph_buf_init(&words, PH_LIMIT_CONFIG_BYTES);
    enum ph_err err = read_options(options, option_count, &read, error);
    if (err == PH_OK) {
        err = check_command_line(&read, &words, error);
    }
    if (err == PH_OK) {
        err = ph_broker_open(&read, &host, ph_clock_unix_ms(), &plugin->broker, error);
    }
    if (err == PH_OK) {
        plugin->metrics = ph_broker_metrics(plugin->broker);
        ph_log(PH_LOG_INFO, "policy in force", PH_STR("policy", read.policy_file),
            PH_STR("broker_config", read.broker_config), PH_STR("audit", read.audit_file),
            PH_STR("metrics", read.metrics_file));
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
