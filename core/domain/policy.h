/* The policy: which trust anchors there are, which roles their certificates can fill, and what a
 * role may do. Pure data and decisions; config/policy_file.h reads it from YAML. Immutable once
 * built, so it can be swapped whole. */
#ifndef PH_DOMAIN_POLICY_H
#define PH_DOMAIN_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "domain/identity.h"

/* Where an anchor's certificates carry the identity. One source per anchor, never a fall-through.
 * All but the first are read by a template (ph_template_parse). */
enum ph_identity_source {
    PH_IDENTITY_SUBJECT,       /* tenant, kind and device are the subject's O, OU and CN */
    PH_IDENTITY_COMMON_NAME,   /* the subject's CN */
    PH_IDENTITY_SERIAL_NUMBER, /* the subject's serialNumber (not the certificate's) */
    PH_IDENTITY_URI,           /* the one URI of subjectAltName */
    PH_IDENTITY_DNS,           /* the one DNS name of subjectAltName */
};

struct ph_anchor {
    char *name;      /* segment grammar */
    char **ca_files; /* PEM: the root, and the subordinate CAs whose leaves are accepted */
    size_t ca_file_count;
    char **crl_files; /* PEM: a CRL for every CA above */
    size_t crl_file_count;
    bool crl_required;    /* a CA without a current CRL closes the anchor */
    uint32_t crl_grace_s; /* how long after nextUpdate a CRL still admits, with an alarm */
    enum ph_identity_source identity;
    char *identity_template; /* NULL for PH_IDENTITY_SUBJECT; what it does not name, the anchor's
                                only tenant or only kind is */
    char **tenants;          /* the tenants this anchor may speak for; count 0: any */
    size_t tenant_count;
    char **kinds; /* the kinds it may speak for, closed to every anchor that does not list them;
                     count 0: any that no other anchor lists */
    size_t kind_count;
};

/* One attribute of the certificate's subject that a role asks for. */
struct ph_subject_rule {
    char *attribute; /* as ph_subject_attribute_known() */
    char *pattern;
};

/* A role is filled by the first entry whose match holds; patterns are exact text or end in one '*'.
 */
struct ph_role_match {
    char *anchor; /* required */
    char *tenant; /* pattern, NULL: any */
    char *kind;
    char *device;
    struct ph_subject_rule *subject; /* all must hold */
    size_t subject_count;
};

struct ph_filter_list {
    char **filters; /* templates of topic filters */
    size_t count;
};

/* What happens to a PUBLISH beyond a rate. A payload that is too large is always refused. */
enum ph_over_limit {
    PH_OVER_REFUSE,     /* it is not delivered; in MQTT 5 the sender is told (0x87) */
    PH_OVER_DISCONNECT, /* the same, and the connection ends at the next tick */
};

/* Of one identity, whatever its connections; 0: none. */
struct ph_role_limits {
    uint32_t payload_bytes; /* largest PUBLISH payload; 0: only the broker's max_packet_size */
    uint32_t messages_per_second; /* in the long run */
    uint32_t message_burst;       /* at once, after silence; 0: as many as messages_per_second */
    uint32_t bytes_per_second;    /* of payload, in the long run; at once: ten seconds' worth */
    enum ph_over_limit over;
};

struct ph_role {
    char *name; /* segment grammar */
    struct ph_role_match match;
    char *client_id;                 /* template (ph_template_check_client_id()) */
    struct ph_filter_list publish;   /* what PUBLISH may name, wills included */
    struct ph_filter_list will;      /* what a will may name; a subset of publish in effect */
    struct ph_filter_list subscribe; /* what SUBSCRIBE may ask for, by containment */
    struct ph_filter_list receive;   /* what may be delivered; empty: the same as subscribe */
    struct ph_role_limits limits;
    bool provenance; /* the plugin adds identity and fingerprint to what it publishes */
    char *status;    /* template of the topic whose retained message says that the device is there,
                        and after a cut-off, by the plugin, that it is not; NULL: none */
    char **accept;   /* lint findings (policy_lint.h) that are meant to be so */
    size_t accept_count;
};

struct ph_policy {
    struct ph_anchor *anchors;
    size_t anchor_count;
    struct ph_role *roles;
    size_t role_count;
    char **lists; /* files with denied and quarantined identities (deny.h) */
    size_t list_count;
    struct ph_role
        *quarantine; /* its lists and limits are what an identity in quarantine keeps of
                        its role's; match, client_id and status are unused. NULL: nothing */
};

/* All rules that need more than one field: names valid and unique, templates sound, every role's
 * anchor defined, every list within its limit, at least one anchor and one role. PH_ERR_CONFIG
 * names role or anchor and field. */
enum ph_err ph_policy_validate(const struct ph_policy *policy, struct ph_error *error) PH_NODISCARD;

/* Part of the above, for what has passed the rest of it: no two clients of two roles may answer to
 * one client id, because either could then take the other's session over; and no two anchors may
 * vouch for the same tenant, kind and device, because topics do not carry the anchor. Errs on the
 * side of refusing. PH_ERR_CONFIG names both roles. */
enum ph_err ph_policy_check_overlap(
    const struct ph_policy *policy, struct ph_error *error) PH_NODISCARD;

/* Whether `text` is what the pattern says: NULL holds for all, "t-*" for what begins with "t-",
 * anything else for itself. */
bool ph_pattern_holds(const char *pattern, const char *text);

/* The anchor or role of that name, or NULL. */
const struct ph_anchor *ph_policy_anchor(const struct ph_policy *policy, const char *name);
const struct ph_role *ph_policy_role(const struct ph_policy *policy, const char *name);

/* The first role that the identity (with its anchor) and its certificate's subject fill;
 * PH_ERR_DENIED when there is none or when the anchor may not speak for the identity's tenant or
 * kind. `subject` is text as ph_subject_get() reads it; NULL: one without attributes. */
enum ph_err ph_policy_role_find(const struct ph_policy *policy, const struct ph_identity *identity,
    const char *subject, const struct ph_role **role, struct ph_error *error) PH_NODISCARD;

/* The role named `name`, for an identity that was given it when it connected and whose subject is
 * not at hand: it must still match by anchor and names, and no role before it that asks nothing of
 * the subject may. PH_ERR_DENIED otherwise. On the path of topic checks: no allocation, nothing
 * formatted unless it fails. */
enum ph_err ph_policy_role_keep(const struct ph_policy *policy, const struct ph_identity *identity,
    const char *name, const struct ph_role **role, struct ph_error *error) PH_NODISCARD;

/* The first role that matches by anchor and names, for an identity whose subject is not at hand and
 * whose former role is no longer its own. PH_ERR_DENIED when there is none, and when a role that
 * asks something of the subject stands before it: that one may be meant to restrict. */
enum ph_err ph_policy_role_by_names(const struct ph_policy *policy,
    const struct ph_identity *identity, const struct ph_role **role,
    struct ph_error *error) PH_NODISCARD;

/* Whether many connections of one identity can stand at once, each with a client id of its own: the
 * role's template ends in '*'. */
bool ph_role_shared(const struct ph_role *role);

/* PH_ERR_DENIED unless `client_id` is the role's template filled in, with 1 to 64 of
 * A-Z a-z 0-9 . _ - in the place of a '*' at its end; the message says what was expected. */
enum ph_err ph_role_check_client_id(const struct ph_role *role, const struct ph_identity *identity,
    const char *client_id, struct ph_error *error) PH_NODISCARD;

enum ph_action { PH_ACTION_PUBLISH, PH_ACTION_WILL, PH_ACTION_SUBSCRIBE, PH_ACTION_RECEIVE };

/* The word for it in messages and logs, such as "publish". Never NULL. */
const char *ph_action_name(enum ph_action action);

/* Whether the role may do this. `topic` is untrusted: a name for PUBLISH, WILL and RECEIVE, a
 * filter for SUBSCRIBE (with or without "$share/group/"). Returns the template that allows it, NULL
 * when none does or the topic is invalid. Names that begin with '$' match only templates that spell
 * that first level out. O(topic), no allocation. */
const char *ph_role_allows(const struct ph_role *role, const struct ph_identity *identity,
    enum ph_action action, const char *topic);

/* The same for a client that may be in quarantine: then both its role and the policy's quarantine
 * must allow it. Returns the role's template. */
const char *ph_policy_allows(const struct ph_policy *policy, const struct ph_role *role,
    bool quarantined, const struct ph_identity *identity, enum ph_action action, const char *topic);

/* Releases everything, the structure itself included, and sets the pointer to NULL; accepts NULL.
 */
void ph_policy_free(struct ph_policy **policy);

#endif
