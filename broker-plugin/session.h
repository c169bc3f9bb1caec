/* Who is connected, and with which certificate: one entry per identity, found by connection or by
 * user name. An entry stays for a while after its connection ended, so that limits and a cut-off
 * are not forgotten by reconnecting. A connection may be missing here (its events are the
 * broker's), so nothing is allowed because of an entry that the user name alone would not allow.
 *
 * Where the role lets many connections of one identity stand at once (ph_role_shared()), each has
 * an entry of its own besides, found by connection only, which is gone when the connection ends.
 * The identity's entry, without a connection, keeps what is the identity's: limits, what is
 * remembered of it, and the rights of its offline sessions. One thread. */
#ifndef PH_BROKER_PLUGIN_SESSION_H
#define PH_BROKER_PLUGIN_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "broker-plugin/authn.h"
#include "broker-plugin/limits.h"
#include "broker-plugin/reason.h"
#include "domain/identity.h"
#include "domain/policy.h"
#include "x509/certificate.h"
#include "x509/trust.h"

/* Most devices publish to one topic, again and again; a longer one is checked each time. */
#define PH_LAST_TOPIC_BYTES 128

struct ph_session {
    const void *client;    /* its connection, compared, never read; NULL: offline */
    const char *user_name; /* behind the structure, as are the client id and the subject */
    bool shared;           /* of one connection among others of its identity */
    size_t connections;    /* of an identity's entry: how many shared ones there are */

    uint64_t generation;        /* of the state that the next ones are from */
    const struct ph_role *role; /* NULL when cut off */
    bool quarantined;
    enum ph_reason cut;     /* PH_REASON_NONE while it may be connected */
    bool last_topic_stands; /* it may still publish to: */
    char last_topic[PH_LAST_TOPIC_BYTES];

    struct ph_identity identity;
    const char *client_id;
    const char *subject; /* domain/subject.h; NULL: without attributes */
    const char *issuer;  /* as in the certificate's facts; shared by all of one CA */
    char fingerprint[PH_FINGERPRINT_BYTES];
    char key_hash[PH_FINGERPRINT_BYTES];
    char serial[PH_SERIAL_BYTES];
    struct ph_voucher voucher;
    uint64_t trust_id; /* as in struct ph_authn */
    int64_t verified_ms;

    bool kick_due; /* in the queue of those to be disconnected by the next tick */
    enum ph_reason kick_reason;
    struct ph_session *next_kick;
    char *status;     /* the topic on which that is to be said, or NULL; owned */
    int64_t ended_ms; /* monotonic: when its connection ended */
    size_t index;     /* in the table's order */
    struct ph_bucket messages;
    struct ph_bucket bytes;
    struct ph_log_limit records; /* of its connections */
    bool recorded;               /* this connection has one */
    uint64_t used[4];            /* by enum ph_action: which templates of the role were used */
    char texts[];
};

struct ph_sessions;

/* NULL when out of memory. */
struct ph_sessions *ph_sessions_new(void) PH_NODISCARD;
void ph_sessions_free(struct ph_sessions **sessions);

/* Makes or renews the entry of the identity that `authn` admitted, for this connection; what it had
 * before is forgotten, but for its limits and what it used of the same role. In a shared role makes
 * the connection's own entry too, in the place of one with the same client id, and returns that.
 * NULL when out of memory, with the entries that there were as they were. */
struct ph_session *ph_sessions_enter(struct ph_sessions *sessions, const void *client,
    const char *client_id, const struct ph_authn *authn) PH_NODISCARD;

/* The entry of a connection, or of an identity, or NULL. A user name's role does not count: a new
 * policy may change it. */
struct ph_session *ph_sessions_by_client(struct ph_sessions *sessions, const void *client);
struct ph_session *ph_sessions_by_name(const struct ph_sessions *sessions, const char *user_name);

/* The entry that counts for the identity: itself, unless it is a shared one. */
struct ph_session *ph_sessions_of_identity(
    const struct ph_sessions *sessions, struct ph_session *session);

/* The connection has ended. Returns its entry, which stays; NULL when there is none, or none any
 * more, as it was a shared one. */
struct ph_session *ph_sessions_leave(
    struct ph_sessions *sessions, const void *client, int64_t now_monotonic_ms);

/* The queue of entries to be disconnected: at its end, if it is not in it; the first one, taken
 * out, or NULL. An entry that is removed or renewed leaves it. */
void ph_sessions_queue(struct ph_sessions *sessions, struct ph_session *session);
struct ph_session *ph_sessions_dequeue(struct ph_sessions *sessions);
bool ph_sessions_queued(const struct ph_sessions *sessions); /* whether there are any */

/* Entries can be walked by index, from the last to the first; one that is met may be removed. An
 * identity that enters anew keeps its index, another goes to the end. */
size_t ph_sessions_count(const struct ph_sessions *sessions);
struct ph_session *ph_sessions_at(const struct ph_sessions *sessions, size_t index);
void ph_sessions_remove(struct ph_sessions *sessions, struct ph_session *session);

#endif
