/* What traffic that was audited would have met under another policy. Records are taken one by one;
 * what is kept of them is bounded. Limits, deny-lists and certificates are not replayed: records do
 * not say enough of them. */
#ifndef PH_BROKER_PLUGIN_REPLAY_H
#define PH_BROKER_PLUGIN_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "domain/policy.h"

/* An audit record's fields as far as they matter; any may be NULL. Texts are borrowed. */
struct ph_replay_record {
    const char *event;    /* connect, refuse, deny and use count; others are skipped */
    const char *identity; /* "anchor:tenant/kind/device" */
    const char *role;
    const char *client_id;
    const char *action;
    const char *topic;
    const char *template;
    const char *reason;
    uint64_t suppressed; /* records like it that were held back */
};

enum ph_replay_kind {
    PH_REPLAY_REFUSED,  /* was admitted and would be refused */
    PH_REPLAY_GONE,     /* a grant that was used and would be gone */
    PH_REPLAY_MOVED,    /* another role, with which the session's user name changes */
    PH_REPLAY_ADMITTED, /* was refused and would be admitted */
    PH_REPLAY_ALLOWED,  /* a denial that would be allowed */
    PH_REPLAY_KINDS,
};

/* What several records have in common. */
struct ph_replay_item {
    enum ph_replay_kind kind;
    char *identity; /* the first, or the only one */
    char *role;     /* as recorded; "" when it is not known */
    char *action;   /* GONE and ALLOWED, else "" */
    char *topic;    /* the template that was used, the topic that was denied; else "" */
    char *why; /* REFUSED: the sentence; MOVED and ADMITTED: the new role; ALLOWED: its template
                */
    size_t identities; /* that it is about */
    uint64_t records;  /* suppressed ones included */
};

struct ph_replay;

/* The policy is borrowed. */
enum ph_err ph_replay_new(
    const struct ph_policy *policy, struct ph_replay **out, struct ph_error *error) PH_NODISCARD;
void ph_replay_free(struct ph_replay **replay);

#define PH_REPLAY_ITEMS_MAX 100000 /* about 300 bytes each; beyond, only counted */

/* Takes a record. Fails only for want of memory. */
enum ph_err ph_replay_add(struct ph_replay *replay, const struct ph_replay_record *record,
    struct ph_error *error) PH_NODISCARD;

struct ph_replay_counts {
    uint64_t records;  /* of those that count */
    uint64_t skipped;  /* without an identity that can be read, or without a topic */
    uint64_t left_out; /* findings beyond PH_REPLAY_ITEMS_MAX */
    size_t identities; /* that were admitted */
    uint64_t denials;  /* suppressed ones included */
    uint64_t refusals;
    size_t items[PH_REPLAY_KINDS];
};

/* What was counted so far. */
struct ph_replay_counts ph_replay_counts(const struct ph_replay *replay);

/* All items, by kind, in each in the order of the records. Borrowed until the next record. */
size_t ph_replay_item_count(const struct ph_replay *replay);
const struct ph_replay_item *const *ph_replay_items(struct ph_replay *replay);

#endif
