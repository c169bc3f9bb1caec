#include "adapters/provenance.h"

#include <string.h>

#include "format/provenance.h"

struct claim {
    const char *identity;
    const char *fingerprint;
    bool repeated;
};

static void note(const char **value, bool *repeated, const char *text)
{
    *repeated = *repeated || *value != NULL;
    *value = text;
}

static struct claim find(const struct ph_mqtt_property *properties, size_t count)
{
    struct claim claim = {0};
    for (size_t i = 0; i < count; i++) {
        if (strcmp(properties[i].name, PH_PROPERTY_IDENTITY) == 0) {
            note(&claim.identity, &claim.repeated, properties[i].value);
        } else if (strcmp(properties[i].name, PH_PROPERTY_FINGERPRINT) == 0) {
            note(&claim.fingerprint, &claim.repeated, properties[i].value);
        }
    }
    return claim;
}

static bool fingerprint_valid(const char *text)
{
    size_t len = strspn(text, "0123456789abcdef");
    return len == PH_FINGERPRINT_BYTES - 1 && text[len] == '\0';
}

/* "anchor:tenant/kind/device" */
static bool identity_parse(const char *text, struct ph_identity *out)
{
    const char *colon = strchr(text, ':');
    struct ph_identity identity = {0};
    if (colon == NULL || ph_identity_parse(colon + 1, &identity, NULL) != PH_OK ||
        ph_segment_set(identity.anchor, "anchor", text, (size_t)(colon - text), NULL) != PH_OK) {
        return false;
    }
    *out = identity;
    return true;
}

static bool same_device(const struct ph_identity *a, const struct ph_identity *b)
{
    return strcmp(a->device, b->device) == 0 && strcmp(a->kind, b->kind) == 0 &&
           strcmp(a->tenant, b->tenant) == 0;
}

static enum ph_provenance_state judge(const struct claim *claim, bool incomplete,
    const struct ph_identity *topic, struct ph_identity *identity)
{
    if (claim->repeated) {
        return PH_PROVENANCE_REPEATED;
    }
    if (incomplete) {
        return PH_PROVENANCE_MALFORMED;
    }
    if (claim->identity == NULL || claim->fingerprint == NULL) {
        return PH_PROVENANCE_MISSING;
    }
    if (!fingerprint_valid(claim->fingerprint) || !identity_parse(claim->identity, identity)) {
        return PH_PROVENANCE_MALFORMED;
    }
    return topic != NULL && same_device(identity, topic) ? PH_PROVENANCE_VOUCHED
                                                         : PH_PROVENANCE_OTHER;
}

void ph_provenance_read(const struct ph_mqtt_property *properties, size_t count, bool incomplete,
    const struct ph_identity *topic, struct ph_provenance *out)
{
    struct ph_identity identity;
    struct claim claim = find(properties, count);
    *out = (struct ph_provenance){.state = judge(&claim, incomplete, topic, &identity)};
    if (out->state == PH_PROVENANCE_VOUCHED && claim.fingerprint != NULL) {
        memcpy(out->anchor, identity.anchor, sizeof out->anchor);
        memcpy(out->fingerprint, claim.fingerprint, sizeof out->fingerprint);
    }
}

const char *ph_provenance_reason(enum ph_provenance_state state)
{
    static const char *const reasons[PH_PROVENANCE_STATES] = {
        [PH_PROVENANCE_MISSING] = "missing",
        [PH_PROVENANCE_MALFORMED] = "malformed",
        [PH_PROVENANCE_REPEATED] = "repeated",
        [PH_PROVENANCE_OTHER] = "other-identity",
    };
    return reasons[state];
}
