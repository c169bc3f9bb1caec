#include "broker-plugin/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "domain/subject.h"

struct ph_sessions {
    struct ph_map *by_client;
    struct ph_map *by_name;
    struct ph_map *issuers; /* their texts, each once */
    struct ph_session **order;
    size_t count;
    size_t size;
    struct ph_session *recent[2]; /* found last: a message asks for its sender and its receiver */
    size_t turn;
    struct ph_session *kicks; /* queue of those to be disconnected */
    struct ph_session **kicks_end;
};

struct ph_sessions *ph_sessions_new(void)
{
    struct ph_sessions *sessions = calloc(1, sizeof *sessions);
    if (sessions != NULL) {
        sessions->kicks_end = &sessions->kicks;
        sessions->by_client = ph_map_new();
        sessions->by_name = ph_map_new();
        sessions->issuers = ph_map_new();
        if (sessions->by_client == NULL || sessions->by_name == NULL || sessions->issuers == NULL) {
            ph_sessions_free(&sessions);
        }
    }
    return sessions;
}

void ph_sessions_free(struct ph_sessions **sessions)
{
    if (sessions == NULL || *sessions == NULL) {
        return;
    }
    struct ph_sessions *old = *sessions;
    for (size_t i = 0; i < old->count; i++) {
        free(old->order[i]->status);
        free(old->order[i]);
    }
    free(old->order);
    ph_map_free(&old->by_client);
    ph_map_free(&old->by_name);
    ph_map_free_values(&old->issuers, free);
    free(old);
    *sessions = NULL;
}

struct ph_session *ph_sessions_by_client(struct ph_sessions *sessions, const void *client)
{
    for (size_t i = 0; client != NULL && i < 2; i++) {
        if (sessions->recent[i] != NULL && sessions->recent[i]->client == client) {
            return sessions->recent[i];
        }
    }
    struct ph_session *session = ph_map_get(sessions->by_client, &client, sizeof client);
    if (session != NULL) {
        sessions->recent[sessions->turn] = session;
        sessions->turn ^= 1;
    }
    return session;
}

/* ---- the queue ---- */

void ph_sessions_queue(struct ph_sessions *sessions, struct ph_session *session)
{
    if (!session->kick_due) {
        session->kick_due = true;
        session->next_kick = NULL;
        *sessions->kicks_end = session;
        sessions->kicks_end = &session->next_kick;
    }
}

static void unqueue(struct ph_sessions *sessions, struct ph_session *session)
{
    struct ph_session **at = &sessions->kicks;
    while (*at != NULL && *at != session) {
        at = &(*at)->next_kick;
    }
    if (*at == session) {
        *at = session->next_kick;
        if (sessions->kicks_end == &session->next_kick) {
            sessions->kicks_end = at;
        }
        session->kick_due = false;
    }
}

struct ph_session *ph_sessions_dequeue(struct ph_sessions *sessions)
{
    struct ph_session *first = sessions->kicks;
    if (first != NULL) {
        unqueue(sessions, first);
    }
    return first;
}

bool ph_sessions_queued(const struct ph_sessions *sessions)
{
    return sessions->kicks != NULL;
}

/* ---- entries ---- */

static void session_free(struct ph_sessions *sessions, struct ph_session *session)
{
    for (size_t i = 0; i < 2; i++) {
        sessions->recent[i] = sessions->recent[i] == session ? NULL : sessions->recent[i];
    }
    if (session->kick_due) {
        unqueue(sessions, session);
    }
    free(session->status);
    free(session);
}

struct key {
    const char *bytes;
    size_t len;
};

/* What a user name says behind its role, which a new policy may change: anchor and identity. */
static struct key name_key(const char *user_name)
{
    const char *bytes = strchrnul(user_name, ':');
    return (struct key){bytes, strlen(bytes)};
}

/* The user name goes on with its terminator and the client id, which stands behind it. */
static struct key connection_key(const struct ph_session *session)
{
    struct key key = name_key(session->user_name);
    key.len += 1 + strlen(session->client_id);
    return key;
}

static struct key key_of(const struct ph_session *session)
{
    return session->shared ? connection_key(session) : name_key(session->user_name);
}

static struct ph_session *find(const struct ph_sessions *sessions, struct key key)
{
    return ph_map_get(sessions->by_name, key.bytes, key.len);
}

struct ph_session *ph_sessions_by_name(const struct ph_sessions *sessions, const char *user_name)
{
    return find(sessions, name_key(user_name));
}

struct ph_session *ph_sessions_of_identity(
    const struct ph_sessions *sessions, struct ph_session *session)
{
    return session->shared ? ph_sessions_by_name(sessions, session->user_name) : session;
}

size_t ph_sessions_count(const struct ph_sessions *sessions)
{
    return sessions->count;
}

struct ph_session *ph_sessions_at(const struct ph_sessions *sessions, size_t index)
{
    return sessions->order[index];
}

/* The text of a CA's name that all its certificates share; NULL when out of memory. */
static const char *intern(struct ph_map *issuers, const char *text)
{
    char *known = ph_map_get(issuers, text, strlen(text));
    if (known == NULL && (known = strdup(text)) != NULL &&
        ph_map_put(issuers, known, strlen(known), known) != PH_OK) {
        free(known);
        known = NULL;
    }
    return known;
}

static const char *place(char **at, const void *bytes, size_t size)
{
    char *here = *at;
    memcpy(here, bytes, size);
    *at += size;
    return here;
}

static struct ph_session *make(
    struct ph_sessions *sessions, const char *client_id, const struct ph_authn *authn, bool shared)
{
    size_t subject_size = authn->subject[0] != '\0' ? ph_subject_size(authn->subject) : 0;
    size_t name_size = strlen(authn->user_name) + 1;
    size_t id_size = strlen(client_id) + 1;
    const char *issuer = intern(sessions->issuers, authn->facts.issuer);
    struct ph_session *session =
        issuer != NULL ? calloc(1, sizeof *session + name_size + id_size + subject_size) : NULL;
    if (session == NULL) {
        return NULL;
    }
    char *at = session->texts;
    session->user_name = place(&at, authn->user_name, name_size);
    session->client_id = place(&at, client_id, id_size);
    session->subject = subject_size > 0 ? place(&at, authn->subject, subject_size) : NULL;
    session->issuer = issuer;
    session->identity = authn->identity;
    session->voucher = authn->voucher;
    session->trust_id = authn->trust_id;
    session->verified_ms = authn->verified_ms;
    memcpy(session->fingerprint, authn->facts.fingerprint, sizeof session->fingerprint);
    memcpy(session->key_hash, authn->facts.key_hash, sizeof session->key_hash);
    memcpy(session->serial, authn->facts.serial, sizeof session->serial);
    session->role = authn->role;
    session->quarantined = authn->quarantined;
    session->shared = shared;
    return session;
}

static bool make_room(struct ph_sessions *sessions)
{
    if (sessions->count < sessions->size) {
        return true;
    }
    size_t size = sessions->size > 0 ? 2 * sessions->size : 64;
    struct ph_session **order = realloc(sessions->order, size * sizeof(struct ph_session *));
    if (order != NULL) {
        sessions->order = order;
        sessions->size = size;
    }
    return order != NULL;
}

static void forget_client(struct ph_sessions *sessions, struct ph_session *session)
{
    if (session->client != NULL) {
        (void)ph_map_remove(sessions->by_client, &session->client, sizeof session->client);
        session->client = NULL;
    }
}

void ph_sessions_remove(struct ph_sessions *sessions, struct ph_session *session)
{
    struct ph_session *last = sessions->order[sessions->count - 1];
    struct ph_session *owner = ph_sessions_of_identity(sessions, session);
    if (session->shared && owner != NULL) {
        owner->connections--;
    }
    forget_client(sessions, session);
    struct key key = key_of(session);
    (void)ph_map_remove(sessions->by_name, key.bytes, key.len);
    sessions->order[session->index] = last;
    last->index = session->index;
    sessions->count--;
    session_free(sessions, session);
}

/* Limits go with the identity, and so does what the audit file has of it already. */
static void inherit(struct ph_session *session, const struct ph_session *old)
{
    session->messages = old->messages;
    session->bytes = old->bytes;
    session->records = old->records;
    session->connections = old->connections;
    if (session->role == old->role) {
        memcpy(session->used, old->used, sizeof session->used);
    }
}

/* An address that another connection had before is that connection's no longer. */
static void release_address(struct ph_sessions *sessions, const void *client)
{
    struct ph_session *stale = ph_sessions_by_client(sessions, client);
    if (stale != NULL && stale->shared) {
        ph_sessions_remove(sessions, stale);
    } else if (stale != NULL) {
        forget_client(sessions, stale);
    }
}

/* Puts the entry in the place of an older one with the same key, which is freed. */
static void take_place(
    struct ph_sessions *sessions, struct ph_session *session, struct ph_session *old)
{
    struct key key = key_of(old);
    inherit(session, old);
    forget_client(sessions, old);
    (void)ph_map_replace(sessions->by_name, key.bytes, key.len, session);
    session->index = old->index;
    sessions->order[session->index] = session;
    session_free(sessions, old);
}

/* False when out of memory. */
static bool append(struct ph_sessions *sessions, struct ph_session *session)
{
    struct key key = key_of(session);
    if (!make_room(sessions) ||
        ph_map_put(sessions->by_name, key.bytes, key.len, session) != PH_OK) {
        return false;
    }
    session->index = sessions->count;
    sessions->order[sessions->count++] = session;
    return true;
}

/* False when out of memory, with an older entry as it was. */
static bool settle(struct ph_sessions *sessions, struct ph_session *session)
{
    struct ph_session *old = find(sessions, key_of(session));
    if (old == NULL) {
        return append(sessions, session);
    }
    take_place(sessions, session, old);
    return true;
}

/* Settles both, or neither. */
static bool settle_shared(
    struct ph_sessions *sessions, struct ph_session *session, struct ph_session *owner)
{
    bool another = find(sessions, key_of(session)) == NULL;
    if (!settle(sessions, session)) {
        return false;
    }
    if (!settle(sessions, owner)) { /* then it was the identity's first connection */
        struct key key = key_of(session);
        (void)ph_map_remove(sessions->by_name, key.bytes, key.len);
        sessions->count--;
        return false;
    }
    owner->connections += another;
    return true;
}

/* Of a role that was shared: the broker ends a connection for the one with its client id. */
static void remove_namesake(struct ph_sessions *sessions, const struct ph_session *session)
{
    struct ph_session *old = find(sessions, connection_key(session));
    if (old != NULL) {
        ph_sessions_remove(sessions, old);
    }
}

/* Whatever fails, the entries that there were stay, with what they know of a cut-off. */
struct ph_session *ph_sessions_enter(struct ph_sessions *sessions, const void *client,
    const char *client_id, const struct ph_authn *authn)
{
    bool shared = ph_role_shared(authn->role);
    struct ph_session *owner = shared ? make(sessions, client_id, authn, false) : NULL;
    struct ph_session *session = make(sessions, client_id, authn, shared);
    release_address(sessions, client);
    if (session == NULL || (shared && owner == NULL) ||
        ph_map_put(sessions->by_client, &client, sizeof client, session) != PH_OK) {
        goto fail;
    }
    session->client = client;
    if (!(shared ? settle_shared(sessions, session, owner) : settle(sessions, session))) {
        forget_client(sessions, session);
        goto fail;
    }
    if (session->connections > 0) {
        remove_namesake(sessions, session);
    }
    return session;
fail:
    free(owner);
    free(session);
    return NULL;
}

struct ph_session *ph_sessions_leave(
    struct ph_sessions *sessions, const void *client, int64_t now_monotonic_ms)
{
    struct ph_session *session = ph_sessions_by_client(sessions, client);
    if (session == NULL) {
        return NULL;
    }
    ph_sessions_of_identity(sessions, session)->ended_ms = now_monotonic_ms;
    if (session->shared) {
        ph_sessions_remove(sessions, session);
        return NULL;
    }
    forget_client(sessions, session);
    return session;
}
