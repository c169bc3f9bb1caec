#include "broker-plugin/tool/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/map.h"
#include "broker-plugin/reason.h"
#include "broker-plugin/tool/holder.h"
#include "broker-plugin/tool/identity_list.h"
#include "domain/template.h"
#include "format/topic.h"

enum { KEY_BYTES = 2048, SEEN_MAX = 2000000 };

struct ph_replay {
    const struct ph_policy *policy;
    struct ph_map *seen;  /* identities, and what each was counted for */
    struct ph_map *index; /* of items, by kind and what they have in common */
    struct ph_replay_item **items;
    size_t item_count;
    size_t item_room;
    struct ph_replay_counts counts;
};

enum ph_err ph_replay_new(
    const struct ph_policy *policy, struct ph_replay **out, struct ph_error *error)
{
    struct ph_replay *replay = calloc(1, sizeof *replay);
    if (replay != NULL) {
        replay->policy = policy;
        replay->seen = ph_map_new();
        replay->index = ph_map_new();
    }
    if (replay == NULL || replay->seen == NULL || replay->index == NULL) {
        ph_replay_free(&replay);
        return ph_error_set(error, PH_ERR_MEMORY, "replay: out of memory");
    }
    *out = replay;
    return PH_OK;
}

static void item_free(struct ph_replay_item *item)
{
    if (item != NULL) {
        free(item->identity);
        free(item->role);
        free(item->action);
        free(item->topic);
        free(item->why);
        free(item);
    }
}

void ph_replay_free(struct ph_replay **replay)
{
    if (*replay == NULL) {
        return;
    }
    for (size_t i = 0; i < (*replay)->item_count; i++) {
        item_free((*replay)->items[i]);
    }
    free((*replay)->items);
    ph_map_free(&(*replay)->seen);
    ph_map_free(&(*replay)->index);
    free(*replay);
    *replay = NULL;
}

/* True the first time; beyond SEEN_MAX always false, so that counts are too low, not memory gone.
 */
static enum ph_err first_time(
    struct ph_replay *replay, const char *key, bool *first, struct ph_error *error)
{
    *first =
        ph_map_get(replay->seen, key, strlen(key)) == NULL && ph_map_count(replay->seen) < SEEN_MAX;
    return !*first || ph_map_put(replay->seen, key, strlen(key), replay) == PH_OK
               ? PH_OK
               : ph_error_set(error, PH_ERR_MEMORY, "replay: out of memory");
}

/* What a record is found to be, before it is counted with others like it. */
struct finding {
    enum ph_replay_kind kind;
    bool by_identity; /* an item of its own for each identity */
    const char *identity;
    const char *role;
    const char *action;
    const char *topic;
    const char *why;
    uint64_t records;
};

static struct ph_replay_item *item_new(const struct finding *finding)
{
    struct ph_replay_item *item = calloc(1, sizeof *item);
    if (item == NULL) {
        return NULL;
    }
    item->kind = finding->kind;
    item->identity = strdup(finding->identity);
    item->role = strdup(finding->role);
    item->action = strdup(finding->action);
    item->topic = strdup(finding->topic);
    item->why = strdup(finding->why);
    if (item->identity == NULL || item->role == NULL || item->action == NULL ||
        item->topic == NULL || item->why == NULL) {
        item_free(item);
        return NULL;
    }
    return item;
}

static bool make_room(struct ph_replay *replay)
{
    if (replay->item_count < replay->item_room) {
        return true;
    }
    size_t room = replay->item_room == 0 ? 64 : replay->item_room * 2;
    struct ph_replay_item **items = realloc(replay->items, room * sizeof(struct ph_replay_item *));
    if (items == NULL) {
        return false;
    }
    replay->items = items;
    replay->item_room = room;
    return true;
}

static enum ph_err item_add(struct ph_replay *replay, const struct finding *finding,
    const char *key, struct ph_replay_item **out, struct ph_error *error)
{
    struct ph_replay_item *item = make_room(replay) ? item_new(finding) : NULL;
    if (item == NULL || ph_map_put(replay->index, key, strlen(key), item) != PH_OK) {
        item_free(item);
        return ph_error_set(error, PH_ERR_MEMORY, "replay: out of memory");
    }
    replay->items[replay->item_count++] = item;
    replay->counts.items[item->kind]++;
    *out = item;
    return PH_OK;
}

static enum ph_err count(
    struct ph_replay *replay, const struct finding *finding, struct ph_error *error)
{
    char key[KEY_BYTES];
    char once[KEY_BYTES + PH_SEGMENT_BYTES + PH_IDENTITY_BYTES];
    bool first = false;
    (void)snprintf(key, sizeof key, "%d\n%s\n%s\n%s\n%s\n%s", (int)finding->kind, finding->role,
        finding->action, finding->topic, finding->by_identity ? finding->identity : "",
        finding->kind == PH_REPLAY_MOVED ? finding->why : "");
    struct ph_replay_item *item = ph_map_get(replay->index, key, strlen(key));
    enum ph_err err = PH_OK;
    if (item == NULL && replay->item_count >= PH_REPLAY_ITEMS_MAX) {
        replay->counts.left_out++;
        return PH_OK;
    }
    if (item == NULL) {
        err = item_add(replay, finding, key, &item, error);
    }
    if (item == NULL) {
        return err;
    }
    if (err == PH_OK && !finding->by_identity) {
        (void)snprintf(once, sizeof once, "%s\n%s", finding->identity, key);
        err = first_time(replay, once, &first, error);
        item->identities += first;
    } else if (err == PH_OK) {
        item->identities = 1;
    }
    if (err == PH_OK) {
        item->records += finding->records;
    }
    return err;
}

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

/* The role under the new policy. The subject is not in the records: a role that asks for one is
 * kept by who had it. */
static const struct ph_role *role_of(const struct ph_replay *replay,
    const struct ph_identity *identity, const char *recorded, struct ph_error *why)
{
    const struct ph_role *role = NULL;
    if (recorded != NULL &&
        ph_policy_role_keep(replay->policy, identity, recorded, &role, NULL) == PH_OK) {
        return role;
    }
    return ph_policy_role_find(replay->policy, identity, NULL, &role, why) == PH_OK ? role : NULL;
}

/* Someone who was admitted; *role is NULL when it would not be. */
static enum ph_err take_admitted(struct ph_replay *replay, const struct ph_replay_record *record,
    const struct ph_identity *identity, const struct ph_role **role, struct ph_error *error)
{
    struct ph_error why = {0};
    bool first = false;
    struct finding finding = {.identity = record->identity,
        .role = or_empty(record->role),
        .action = "",
        .topic = "",
        .records = 1};
    *role = role_of(replay, identity, record->role, &why);
    enum ph_err err = first_time(replay, record->identity, &first, error);
    replay->counts.identities += first;
    if (err == PH_OK && *role != NULL && record->client_id != NULL &&
        ph_role_check_client_id(*role, identity, record->client_id, &why) != PH_OK) {
        *role = NULL;
    }
    if (err == PH_OK && *role == NULL) {
        finding.kind = PH_REPLAY_REFUSED;
        finding.by_identity = true;
        finding.why = why.message;
        err = count(replay, &finding, error);
    } else if (err == PH_OK && record->role != NULL && strcmp(record->role, (*role)->name) != 0) {
        finding.kind = PH_REPLAY_MOVED;
        finding.why = (*role)->name;
        err = count(replay, &finding, error);
    }
    return err;
}

static bool action_parse(const char *name, enum ph_action *out)
{
    for (int i = PH_ACTION_PUBLISH; name != NULL && i <= (int)PH_ACTION_RECEIVE; i++) {
        if (strcmp(name, ph_action_name((enum ph_action)i)) == 0) {
            *out = (enum ph_action)i;
            return true;
        }
    }
    return false;
}

static bool list_contains(
    const struct ph_filter_list *list, const struct ph_identity *identity, const char *filter)
{
    char outer[PH_LIMIT_TOPIC_BYTES + 1];
    for (size_t i = 0; i < list->count; i++) {
        if (ph_template_expand(outer, sizeof outer, list->filters[i], identity) &&
            ph_topic_filter_contains(outer, filter)) {
            return true;
        }
    }
    return false;
}

/* Whether the role still has all that the template gave. */
static bool template_kept(const struct ph_role *role, const struct ph_identity *identity,
    enum ph_action action, const char *template)
{
    char filter[PH_LIMIT_TOPIC_BYTES + 1];
    return ph_template_expand(filter, sizeof filter, template, identity) &&
           list_contains(ph_role_list(role, action), identity, filter) &&
           (action != PH_ACTION_WILL || list_contains(&role->publish, identity, filter));
}

static enum ph_err take_use(struct ph_replay *replay, const struct ph_replay_record *record,
    const struct ph_identity *identity, struct ph_error *error)
{
    enum ph_action action = PH_ACTION_PUBLISH;
    const struct ph_role *role = NULL;
    const char *what = record->template != NULL ? record->template : record->topic;
    enum ph_err err = take_admitted(replay, record, identity, &role, error);
    if (err != PH_OK || role == NULL) {
        return err;
    }
    if (!action_parse(record->action, &action) || what == NULL ||
        (record->template != NULL && ph_template_check_filter(what, NULL) != PH_OK)) {
        replay->counts.skipped++;
        return PH_OK;
    }
    bool kept = record->template != NULL ? template_kept(role, identity, action, what)
                                         : ph_role_allows(role, identity, action, what) != NULL;
    struct finding finding = {.kind = PH_REPLAY_GONE,
        .identity = record->identity,
        .role = or_empty(record->role),
        .action = record->action,
        .topic = what,
        .why = "",
        .records = 1};
    return kept ? PH_OK : count(replay, &finding, error);
}

static bool is_one_of(const char *text, const enum ph_reason *reasons, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, ph_reason_name(reasons[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* Of denials only those that a policy's templates decide, not those by limits or by properties. */
static bool is_by_policy(const struct ph_replay_record *record)
{
    static const enum ph_reason reasons[] = {
        PH_REASON_TOPIC, PH_REASON_QUARANTINE, PH_REASON_NO_ROLE, PH_REASON_ROLE_CHANGED};
    return record->reason == NULL ||
           is_one_of(record->reason, reasons, sizeof reasons / sizeof reasons[0]);
}

static enum ph_err take_denial(struct ph_replay *replay, const struct ph_replay_record *record,
    const struct ph_identity *identity, struct ph_error *error)
{
    enum ph_action action = PH_ACTION_PUBLISH;
    replay->counts.denials += 1 + record->suppressed;
    if (!is_by_policy(record)) {
        return PH_OK;
    }
    if (!action_parse(record->action, &action) || record->topic == NULL) {
        replay->counts.skipped++;
        return PH_OK;
    }
    const struct ph_role *role = role_of(replay, identity, record->role, NULL);
    bool quarantined =
        record->reason != NULL && strcmp(record->reason, ph_reason_name(PH_REASON_QUARANTINE)) == 0;
    const char *by = role != NULL ? ph_policy_allows(replay->policy, role, quarantined, identity,
                                        action, record->topic)
                                  : NULL;
    struct finding finding = {.kind = PH_REPLAY_ALLOWED,
        .by_identity = true,
        .identity = record->identity,
        .role = or_empty(record->role),
        .action = record->action,
        .topic = record->topic,
        .why = by,
        .records = 1 + record->suppressed};
    return by == NULL ? PH_OK : count(replay, &finding, error);
}

/* Of refusals only those that a policy decides. */
static enum ph_err take_refusal(struct ph_replay *replay, const struct ph_replay_record *record,
    const struct ph_identity *identity, struct ph_error *error)
{
    static const enum ph_reason reasons[] = {
        PH_REASON_NO_ROLE, PH_REASON_CLIENT_ID, PH_REASON_ROLE_CHANGED};
    replay->counts.refusals += 1 + record->suppressed;
    if (!is_one_of(or_empty(record->reason), reasons, sizeof reasons / sizeof reasons[0])) {
        return PH_OK;
    }
    const struct ph_role *role = role_of(replay, identity, record->role, NULL);
    if (role == NULL || (record->client_id != NULL && ph_role_check_client_id(role, identity,
                                                          record->client_id, NULL) != PH_OK)) {
        return PH_OK;
    }
    struct finding finding = {.kind = PH_REPLAY_ADMITTED,
        .by_identity = true,
        .identity = record->identity,
        .role = or_empty(record->role),
        .action = "",
        .topic = "",
        .why = role->name,
        .records = 1 + record->suppressed};
    return count(replay, &finding, error);
}

enum ph_err ph_replay_add(
    struct ph_replay *replay, const struct ph_replay_record *record, struct ph_error *error)
{
    const char *event = or_empty(record->event);
    struct ph_identity identity = {0};
    const struct ph_role *role = NULL;
    bool connect = strcmp(event, "connect") == 0;
    bool use = strcmp(event, "use") == 0;
    bool deny = strcmp(event, "deny") == 0;
    bool refuse = strcmp(event, "refuse") == 0;
    if (!connect && !use && !deny && !refuse) {
        return PH_OK;
    }
    replay->counts.records++;
    if (record->identity == NULL ||
        ph_identity_parse_anchored(record->identity, &identity, NULL) != PH_OK ||
        identity.anchor[0] == '\0') {
        bool stranger = refuse && (record->identity == NULL || strcmp(record->identity, "-") == 0);
        replay->counts.skipped += !stranger; /* strangers have none */
        replay->counts.denials += deny ? 1 + record->suppressed : 0;
        replay->counts.refusals += refuse ? 1 + record->suppressed : 0;
        return PH_OK;
    }
    if (connect) {
        return take_admitted(replay, record, &identity, &role, error);
    }
    if (use) {
        return take_use(replay, record, &identity, error);
    }
    return deny ? take_denial(replay, record, &identity, error)
                : take_refusal(replay, record, &identity, error);
}

struct ph_replay_counts ph_replay_counts(const struct ph_replay *replay)
{
    return replay->counts;
}

size_t ph_replay_item_count(const struct ph_replay *replay)
{
    return replay->item_count;
}

/* By kind; equal kinds keep the order of the records, which is that of the first array. */
const struct ph_replay_item *const *ph_replay_items(struct ph_replay *replay)
{
    struct ph_replay_item **sorted =
        calloc(replay->item_count + 1, sizeof(struct ph_replay_item *));
    size_t used = 0;
    if (sorted == NULL) {
        return (const struct ph_replay_item *const *)replay->items;
    }
    for (int kind = 0; kind < (int)PH_REPLAY_KINDS; kind++) {
        for (size_t i = 0; i < replay->item_count; i++) {
            if (replay->items[i]->kind == (enum ph_replay_kind)kind) {
                sorted[used++] = replay->items[i];
            }
        }
    }
    free(replay->items);
    replay->items = sorted;
    replay->item_room = replay->item_count + 1;
    return (const struct ph_replay_item *const *)replay->items;
}
