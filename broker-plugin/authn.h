/* Who a connecting client is, from its certificate alone. */
#ifndef PH_BROKER_PLUGIN_AUTHN_H
#define PH_BROKER_PLUGIN_AUTHN_H

#include <stdint.h>

#include "base/error.h"
#include "base/limits.h"
#include "broker-plugin/state.h"
#include "domain/identity.h"
#include "domain/policy.h"
#include "x509/certificate.h"

#define PH_USER_NAME_BYTES (PH_LIMIT_USER_NAME_BYTES + 1)

/* Filled as far as the checks came, so that a refusal can be logged with what is known. */
struct ph_authn {
    struct ph_certificate_facts facts;
    struct ph_identity identity;        /* the anchor only after the chain was verified */
    const struct ph_role *role;         /* borrowed from the state; NULL when refused before */
    char user_name[PH_USER_NAME_BYTES]; /* "" when refused */
};

/* Every check of a full handshake, so that a resumed TLS session passes them too: identity,
 * profile, chain of an anchor that knows the issuer (validity and revocation of every certificate
 * at `now_ms`), role. PH_ERR_DENIED with the rule; any other error refuses as well. */
enum ph_err ph_authn_certificate(const struct ph_state *state,
    const struct ph_certificate *certificate, int64_t now_ms, struct ph_authn *out,
    struct ph_error *error) PH_NODISCARD;

/* The role for an identity whose anchor is known, and the user name. */
enum ph_err ph_authn_identity(const struct ph_policy *policy, const struct ph_identity *identity,
    struct ph_authn *out, struct ph_error *error) PH_NODISCARD;

/* Certificate and client id: what BASIC_AUTH decides. `certificate` may be NULL (refused). */
enum ph_err ph_authn_connect(const struct ph_state *state, const struct ph_certificate *certificate,
    const char *client_id, int64_t now_ms, struct ph_authn *out,
    struct ph_error *error) PH_NODISCARD;

#endif
