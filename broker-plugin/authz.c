#include "broker-plugin/authz.h"

#include <string.h>

#define RESERVED "ph-"

static enum ph_err find_role(const struct ph_policy *policy, const char *user_name,
    struct ph_identity *identity, const struct ph_role **role, struct ph_error *error)
{
    char name[PH_SEGMENT_BYTES];
    if (user_name == NULL) {
        return ph_error_set(
            error, PH_ERR_DENIED, "user name: want one set by the plugin, have none");
    }
    if (ph_user_name_parse(user_name, name, identity, error) != PH_OK) {
        return PH_ERR_DENIED;
    }
    enum ph_err err = ph_policy_role_find(policy, identity, role, error);
    if (err != PH_OK) {
        return err;
    }
    if (strcmp((*role)->name, name) != 0) {
        return ph_error_set(error, PH_ERR_DENIED,
            "role \"%s\": the policy now gives this identity the role \"%s\"; connect again", name,
            (*role)->name);
    }
    return PH_OK;
}

enum ph_err ph_authz_check(const struct ph_policy *policy, const char *user_name,
    enum ph_action action, const char *topic, struct ph_error *error)
{
    struct ph_identity identity;
    const struct ph_role *role = NULL;
    enum ph_err err = find_role(policy, user_name, &identity, &role, error);
    if (err != PH_OK) {
        return err;
    }
    if (topic != NULL && ph_role_allows(role, &identity, action, topic) != NULL) {
        return PH_OK;
    }
    return ph_error_set(error, PH_ERR_DENIED, "role \"%s\": no \"%s\" template allows \"%.512s\"",
        role->name, ph_action_name(action), topic != NULL ? topic : "");
}

enum ph_err ph_authz_check_payload(const struct ph_policy *policy, const char *user_name,
    size_t payload_bytes, struct ph_error *error)
{
    struct ph_identity identity;
    const struct ph_role *role = NULL;
    enum ph_err err = find_role(policy, user_name, &identity, &role, error);
    if (err != PH_OK) {
        return err;
    }
    size_t limit = role->limits.payload_bytes;
    if (limit == 0 || payload_bytes <= limit) {
        return PH_OK;
    }
    return ph_error_set(error, PH_ERR_LIMIT,
        "role \"%s\": payload_bytes: want at most %zu, have %zu", role->name, limit, payload_bytes);
}

bool ph_authz_property_reserved(const char *name)
{
    return strncmp(name, RESERVED, strlen(RESERVED)) == 0;
}
