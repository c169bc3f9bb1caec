/* Why a client was refused, denied or cut off: one word for counters, audit records and the status
 * that a cut-off device is given; the sentence for people is in struct ph_error. */
#ifndef PH_BROKER_PLUGIN_REASON_H
#define PH_BROKER_PLUGIN_REASON_H

#include "x509/trust.h"

enum ph_reason {
    PH_REASON_NONE,
    PH_REASON_NO_CERTIFICATE,
    PH_REASON_PROFILE, /* not a leaf that may be a client: usage, key, signature, form */
    PH_REASON_UNKNOWN_CA,
    PH_REASON_EXPIRED, /* the certificate or a CA above it */
    PH_REASON_NOT_YET_VALID,
    PH_REASON_REVOKED,
    PH_REASON_CA_REVOKED,
    PH_REASON_CRL,   /* no current CRL of a CA */
    PH_REASON_CHAIN, /* anything else with the chain */
    PH_REASON_IDENTITY,
    PH_REASON_DENIED_IDENTITY, /* on a deny-list */
    PH_REASON_DENIED_SERIAL,
    PH_REASON_DENIED_KEY,
    PH_REASON_NO_ROLE,      /* the policy has none for it, or bars its tenant or kind */
    PH_REASON_ROLE_CHANGED, /* the policy now gives it another role */
    PH_REASON_CLIENT_ID,
    PH_REASON_CONNECTIONS, /* as many of one identity as there may be */
    PH_REASON_USER_NAME,   /* not one that the plugin set */
    PH_REASON_CUT_OFF,     /* what an identity tries after it was cut off */
    PH_REASON_TOPIC,       /* no template of its role allows it */
    PH_REASON_QUARANTINE,  /* its role would allow it */
    PH_REASON_PAYLOAD,
    PH_REASON_MESSAGE_RATE,
    PH_REASON_BYTE_RATE,
    PH_REASON_RESERVED_PROPERTY,
    PH_REASON_INTERNAL, /* memory */
    PH_REASON_COUNT,
};

/* Lower case with hyphens, such as "denied-key"; "none" for PH_REASON_NONE. Never NULL. */
const char *ph_reason_name(enum ph_reason reason);

/* The reason for what a chain check found. */
enum ph_reason ph_reason_of_chain(enum ph_chain_fault fault);

#endif
