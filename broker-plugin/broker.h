/* Everything that the plugin decides and remembers, without a Mosquitto header: plugin.c turns the
 * broker's events into these calls and the answers into the broker's codes. One thread. */
#ifndef PH_BROKER_PLUGIN_BROKER_H
#define PH_BROKER_PLUGIN_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "broker-plugin/authn.h"
#include "domain/policy.h"

struct ph_broker;

struct ph_broker_options {
    const char *policy_file;
    const char *broker_config; /* the broker's configuration, checked here; NULL: not checked */
};

/* Checks the broker's configuration and loads the policy. PH_ERR_CONFIG when the configuration
 * cannot keep the promises: every finding is logged, the error says the first and how many. */
enum ph_err ph_broker_open(const struct ph_broker_options *options, int64_t now_ms,
    struct ph_broker **out, struct ph_error *error) PH_NODISCARD;
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
    PH_KEEP,  /* the re-check of an offline session: nothing is to be changed */
};

/* A CONNECT, or the re-check of a session during a reload. A refusal is logged. */
enum ph_verdict ph_broker_connect(struct ph_broker *broker, const struct ph_connect *connect,
    int64_t now_ms, int64_t now_monotonic_ms, char user_name[PH_USER_NAME_BYTES]);

enum ph_access_type { PH_ACCESS_READ, PH_ACCESS_WRITE, PH_ACCESS_SUBSCRIBE };

struct ph_access {
    const void *client;
    const char *client_id;
    const char *user_name;
    const char *topic;
    enum ph_access_type type;
    bool has_certificate; /* the TLS connection is there */
    bool has_address;     /* the client has or had a network connection */
};

/* What the broker asks a WRITE for: a PUBLISH, a will, or the source of a retained message. A will
 * is asked for when its client's connection is gone or was the last to end, or, on a takeover,
 * right after another connection with the same client id was admitted. */
enum ph_action ph_broker_action(const struct ph_broker *broker, const struct ph_access *access);

/* True when it may happen. A refusal is logged. No allocation when it is not. */
bool ph_broker_access(
    struct ph_broker *broker, const struct ph_access *access, int64_t now_monotonic_ms);

/* True when a PUBLISH with this payload may pass. A refusal is logged. */
bool ph_broker_message(struct ph_broker *broker, const char *user_name, const char *topic,
    size_t payload_bytes, int64_t now_monotonic_ms);

/* Logs that a PUBLISH bears a user property that only the plugin may write. */
void ph_broker_reserved_property(struct ph_broker *broker, const char *user_name, const char *topic,
    const char *property, int64_t now_monotonic_ms);

/* The connection has ended: what it still asks for is its will. Its address may be another client's
 * next, which then connects first. */
void ph_broker_end(struct ph_broker *broker, const void *client);

/* The broker reloads its configuration: all files are read again at once (as by a tick), so that
 * the checks of sessions which follow are made with what is on disk. Until the next tick, checks
 * without a certificate are re-checks of offline sessions. */
void ph_broker_reload(struct ph_broker *broker, int64_t now_ms, int64_t now_monotonic_ms);

/* Once per turn of the broker's loop; acts once a second: files that changed are loaded aside and
 * swapped whole. A bad file leaves the last good state in force and is logged, again every minute.
 */
void ph_broker_tick(struct ph_broker *broker, int64_t now_ms, int64_t now_monotonic_ms);

#endif
