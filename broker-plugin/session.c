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
};

struct ph_sessions *ph_sessions_new(void)
{
    struct ph_sessions *sessions = calloc(1, sizeof *sessions);
    if (sessions != NULL) {
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

static void session_free(struct ph_sessions *sessions, struct ph_session *session)
{
    for (size_t i = 0; i < 2; i++) {
        sessions->recent[i] = sessions->recent[i] == session ? NULL : sessions->recent[i];
    }
    free(session->status);
    free(session);
}

/* What a user name says behind its role, which a new policy may change: anchor and identity. */
static const char *key_of(const char *user_name)
{
    return strchrnul(user_name, ':');
}

struct ph_session *ph_sessions_by_name(const struct ph_sessions *sessions, const char *user_name)
{
    const char *key = key_of(user_name);
    return ph_map_get(sessions->by_name, key, strlen(key));
}

size_t ph_sessions_count(const struct ph_sessions *sessions)
{
    return sessions->count;
}

struct ph_session *ph_sessions_at(const struct ph_sessions *sessions, size_t index)
{
    return sessions->order[index];
}

/* ---- entries ---- */

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
    struct ph_sessions *sessions, const char *client_id, const struct ph_authn *authn)
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
    forget_client(sessions, session);
    const char *key = key_of(session->user_name);
    (void)ph_map_remove(sessions->by_name, key, strlen(key));
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
    if (session->role == old->role) {
        memcpy(session->used, old->used, sizeof session->used);
    }
}

/* An address that another connection had before is that connection's no longer. */
static void release_address(struct ph_sessions *sessions, const void *client)
{
    struct ph_session *stale = ph_sessions_by_client(sessions, client);
    if (stale != NULL) {
        forget_client(sessions, stale);
    }
}

/* Puts the entry in the place of an older one of the same identity, which is freed. */
static void take_place(
    struct ph_sessions *sessions, struct ph_session *session, struct ph_session *old)
{
    const char *key = key_of(old->user_name);
    inherit(session, old);
    forget_client(sessions, old);
    (void)ph_map_replace(sessions->by_name, key, strlen(key), session);
    session->index = old->index;
    sessions->order[session->index] = session;
    session_free(sessions, old);
}

/* False when out of memory. */
static bool append(struct ph_sessions *sessions, struct ph_session *session)
{
    const char *key = key_of(session->user_name);
    if (!make_room(sessions) || ph_map_put(sessions->by_name, key, strlen(key), session) != PH_OK) {
        return false;
    }
    session->index = sessions->count;
    sessions->order[sessions->count++] = session;
    return true;
}

/* Whatever fails, the entry that there was stays, with what it knows of a cut-off. */
struct ph_session *ph_sessions_enter(struct ph_sessions *sessions, const void *client,
    const char *client_id, const struct ph_authn *authn)
{
    struct ph_session *old = ph_sessions_by_name(sessions, authn->user_name);
    struct ph_session *session = make(sessions, client_id, authn);
    release_address(sessions, client);
    if (session == NULL ||
        ph_map_put(sessions->by_client, &client, sizeof client, session) != PH_OK) {
        free(session);
        return NULL;
    }
    session->client = client;
    if (old != NULL) {
        take_place(sessions, session, old);
    } else if (!append(sessions, session)) {
        forget_client(sessions, session);
        free(session);
        session = NULL;
    }
    return session;
}

struct ph_session *ph_sessions_leave(
    struct ph_sessions *sessions, const void *client, int64_t now_monotonic_ms)
{
    struct ph_session *session = ph_sessions_by_client(sessions, client);
    if (session != NULL) {
        forget_client(sessions, session);
        session->ended_ms = now_monotonic_ms;
    }
    return session;
}
