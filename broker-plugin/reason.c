#include "broker-plugin/reason.h"

const char *ph_reason_name(enum ph_reason reason)
{
    static const char *const names[PH_REASON_COUNT] = {
        [PH_REASON_NONE] = "none",
        [PH_REASON_NO_CERTIFICATE] = "no-certificate",
        [PH_REASON_PROFILE] = "profile",
        [PH_REASON_UNKNOWN_CA] = "unknown-ca",
        [PH_REASON_EXPIRED] = "expired",
        [PH_REASON_NOT_YET_VALID] = "not-yet-valid",
        [PH_REASON_REVOKED] = "revoked",
        [PH_REASON_CA_REVOKED] = "ca-revoked",
        [PH_REASON_CRL] = "crl",
        [PH_REASON_CHAIN] = "chain",
        [PH_REASON_IDENTITY] = "identity",
        [PH_REASON_DENIED_IDENTITY] = "denied-identity",
        [PH_REASON_DENIED_SERIAL] = "denied-serial",
        [PH_REASON_DENIED_KEY] = "denied-key",
        [PH_REASON_NO_ROLE] = "no-role",
        [PH_REASON_ROLE_CHANGED] = "role-changed",
        [PH_REASON_CLIENT_ID] = "client-id",
        [PH_REASON_CONNECTIONS] = "connections",
        [PH_REASON_USER_NAME] = "user-name",
        [PH_REASON_CUT_OFF] = "cut-off",
        [PH_REASON_TOPIC] = "topic",
        [PH_REASON_QUARANTINE] = "quarantine",
        [PH_REASON_PAYLOAD] = "payload",
        [PH_REASON_MESSAGE_RATE] = "message-rate",
        [PH_REASON_BYTE_RATE] = "byte-rate",
        [PH_REASON_RESERVED_PROPERTY] = "reserved-property",
        [PH_REASON_INTERNAL] = "internal",
    };
    return (unsigned)reason < PH_REASON_COUNT ? names[reason] : "unknown";
}

enum ph_reason ph_reason_of_chain(enum ph_chain_fault fault)
{
    switch (fault) {
    case PH_CHAIN_GOOD:
        return PH_REASON_NONE;
    case PH_CHAIN_UNKNOWN_CA:
        return PH_REASON_UNKNOWN_CA;
    case PH_CHAIN_EXPIRED:
        return PH_REASON_EXPIRED;
    case PH_CHAIN_NOT_YET_VALID:
        return PH_REASON_NOT_YET_VALID;
    case PH_CHAIN_REVOKED:
        return PH_REASON_REVOKED;
    case PH_CHAIN_CA_REVOKED:
        return PH_REASON_CA_REVOKED;
    case PH_CHAIN_CRL:
        return PH_REASON_CRL;
    case PH_CHAIN_OTHER:
        break;
    }
    return PH_REASON_CHAIN;
}
