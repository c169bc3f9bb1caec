/* Who a connecting client is, from its certificate alone. */
#ifndef PH_BROKER_PLUGIN_AUTHN_H
#define PH_BROKER_PLUGIN_AUTHN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/limits.h"
#include "broker-plugin/reason.h"
#include "broker-plugin/state.h"
#include "domain/identity.h"
#include "domain/policy.h"
#include "domain/subject.h"
#include "x509/certificate.h"

#define PH_USER_NAME_BYTES (PH_LIMIT_USER_NAME_BYTES + 1)

/* Filled as far as the checks came, so that a refusal can be logged with what is known. */
struct ph_authn {
    struct ph_certificate_facts facts;
    struct ph_identity identity; /* what the certificate says; proven when `verified` */
    bool verified;               /* an anchor's chain holds */
    char subject[PH_SUBJECT_BYTES];
    struct ph_voucher voucher;
    uint64_t trust_id;   /* the load of the anchor by which the chain was verified in full, */
    int64_t verified_ms; /* and when: now, or earlier when it was remembered */
    const struct ph_role *role; /* borrowed from the state; NULL when refused before */
    bool quarantined;
    enum ph_reason reason;              /* of a refusal */
    char user_name[PH_USER_NAME_BYTES]; /* "" when refused */
};

/* A certificate whose chain was verified in full before. */
struct ph_known {
    const char *fingerprint;
    const struct ph_voucher *voucher;
    uint64_t trust_id;
    int64_t verified_ms;
};

/* Where the certificate that an identity came with last may be remembered. */
struct ph_memory {
    bool (*find)(void *context, const struct ph_identity *identity, struct ph_known *out);
    void *context;
};

/* Every check of a full handshake, so that a resumed TLS session passes them too: profile, chain of
 * an anchor that knows the issuer (validity and revocation of every certificate at `now_ms`),
 * identity, deny-lists, role. A certificate that `memory` (may be NULL) remembers, verified by the
 * same load of the anchor, is not verified again, which is most of the work: only what time and
 * lists may have changed is asked. PH_ERR_DENIED with the rule; any other error refuses as well. */
enum ph_err ph_authn_certificate(const struct ph_state *state,
    const struct ph_certificate *certificate, int64_t now_ms, const struct ph_memory *memory,
    struct ph_authn *out, struct ph_error *error) PH_NODISCARD;

/* The role for an identity whose anchor is known (`subject` as ph_policy_role_find() takes it), and
 * the user name. */
enum ph_err ph_authn_identity(const struct ph_policy *policy, const struct ph_identity *identity,
    const char *subject, struct ph_authn *out, struct ph_error *error) PH_NODISCARD;

/* Certificate and client id: what BASIC_AUTH decides. `certificate` may be NULL (refused). */
enum ph_err ph_authn_connect(const struct ph_state *state, const struct ph_certificate *certificate,
    const char *client_id, int64_t now_ms, const struct ph_memory *memory, struct ph_authn *out,
    struct ph_error *error) PH_NODISCARD;

/* What a deny-list may name of a client; texts as in the certificate's facts. */
struct ph_denial_query {
    const struct ph_identity *identity;
    const char *serial;
    const char *issuer;
    const char *key_hash;
};

/* PH_REASON_NONE unless a list denies it; then the error says which entry. */
enum ph_reason ph_authn_denied(
    const struct ph_deny_list *deny, const struct ph_denial_query *query, struct ph_error *error);

#endif
