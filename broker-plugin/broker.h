/* Everything that the plugin decides and remembers, without a Mosquitto header: plugin.c turns the
 * broker's events into these calls and the answers into the broker's codes. One thread, that of the
 * broker; files are read by another (loader.h).
 *
 * Time: where a call takes none, it is that of the last tick or connect. */
#ifndef PH_BROKER_PLUGIN_BROKER_H
#define PH_BROKER_PLUGIN_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "broker-plugin/authn.h"
#include "broker-plugin/metrics.h"
#include "domain/policy.h"

struct ph_broker;

/* What the plugin asks of the broker, only from ph_broker_tick(). */
struct ph_broker_host {
    /* Ends the connections of a user name, without their wills (MQTT 5: reason 0x98). */
    void (*kick)(void *context, const char *user_name);
    /* The same for the one connection of a client id, where a user name has many. The text lasts
     * until ph_broker_end() is called for it. */
    void (*kick_client)(void *context, const char *client_id);
    /* Publishes a retained message at QoS 1. */
    void (*publish)(void *context, const char *topic, const void *payload, size_t len);
    void *context;
};

struct ph_broker_options {
    const char *policy_file;
    const char *broker_config; /* the broker's configuration, checked here; NULL: not checked */
    const char *audit_file;    /* NULL: none */
    const char *metrics_file;  /* NULL: none */
};

/* Checks the broker's configuration, loads the policy, opens the audit file. PH_ERR_CONFIG when the
 * configuration cannot keep the promises: every finding is logged, the error says the first and how
 * many. */
enum ph_err ph_broker_open(const struct ph_broker_options *options,
    const struct ph_broker_host *host, int64_t now_ms, struct ph_broker **out,
    struct ph_error *error) PH_NODISCARD;
void ph_broker_close(struct ph_broker **broker);

struct ph_connect {
    const void *client;                       /* the connection; compared, never read */
    const struct ph_certificate *certificate; /* NULL: none */
    const char *client_id;
    const char *address; /* for the log, or NULL */
};

enum ph_verdict {
    PH_REFUSE,
    PH_ADMIT, /* the user name is to be set */
    PH_KEEP,  /* the re-check of a session: nothing is to be changed */
};

/* A CONNECT, or the re-check of a session during a reload, which changes nothing: whoever no longer
 * passes is found by the sweep that follows. A refusal is logged. */
enum ph_verdict ph_broker_connect(struct ph_broker *broker, const struct ph_connect *connect,
    int64_t now_ms, int64_t now_monotonic_ms, char user_name[PH_USER_NAME_BYTES]);

enum ph_access_type { PH_ACCESS_READ, PH_ACCESS_WRITE, PH_ACCESS_SUBSCRIBE };

struct ph_access {
    const void *client;
    const char *user_name;
    const char *topic;
    enum ph_access_type type;
    bool has_address; /* the client has or had a network connection */
};

/* What the broker asks a WRITE for: a PUBLISH, a will, or the source of a retained message. A will
 * is asked for when its client's connection has ended, or was taken over by the one admitted last.
 */
enum ph_action ph_broker_action(const struct ph_broker *broker, const struct ph_access *access);

/* True when it may happen. A refusal is logged. No allocation when it is not. */
bool ph_broker_access(struct ph_broker *broker, const struct ph_access *access);

/* A PUBLISH on its way in. */
struct ph_publish {
    const void *client;
    const char *user_name;
    const char *topic;
    size_t payload_bytes;
    const char
        *reserved_property; /* a user property of it that only the plugin may write, or NULL */
};

/* What the plugin adds to it as user properties "ph-identity" and "ph-fingerprint". */
struct ph_provenance {
    const char *identity; /* "anchor:tenant/kind/device", borrowed; NULL: nothing is to be added */
    const char *fingerprint;
};

/* True when the PUBLISH may pass. A refusal is logged. */
bool ph_broker_message(
    struct ph_broker *broker, const struct ph_publish *publish, struct ph_provenance *provenance);

/* The connection has ended: what it still asks for is its will. Its address may be another client's
 * next, which then connects first. */
void ph_broker_end(struct ph_broker *broker, const void *client);

/* The broker reloads its configuration: all files are read again, and the audit file is opened
 * again. Until the next tick, checks of known connections and those without a certificate are
 * re-checks of sessions. */
void ph_broker_reload(struct ph_broker *broker, int64_t now_ms, int64_t now_monotonic_ms);

/* Once per turn of the broker's loop. Takes up what was loaded, finds whoever must go, and ends
 * their connections, each in bounded portions; once a second asks for a look at the files. */
void ph_broker_tick(struct ph_broker *broker, int64_t now_ms, int64_t now_monotonic_ms);

/* The plugin's counters; the callbacks' are for the caller to add to. */
struct ph_metrics *ph_broker_metrics(struct ph_broker *broker);

#endif
