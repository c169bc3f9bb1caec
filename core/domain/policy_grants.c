#include <string.h>

#include "base/limits.h"
#include "domain/policy_rules.h"
#include "domain/template.h"
#include "format/topic.h"

static enum ph_err check_list(
    const char *field, const struct ph_filter_list *list, struct ph_error *error)
{
    if (list->count > PH_LIMIT_ROLE_FILTERS) {
        return ph_error_set(error, PH_ERR_CONFIG, "%s: want at most %d, have %zu", field,
            PH_LIMIT_ROLE_FILTERS, list->count);
    }
    for (size_t i = 0; i < list->count; i++) {
        const char *text = list->filters[i] != NULL ? list->filters[i] : "";
        enum ph_err err = ph_template_check_filter(text, error);
        if (err != PH_OK) {
            return ph_error_prefix(error, err, "%s", field);
        }
    }
    return PH_OK;
}

/* Whether everything that the checked template can name is what a publish template matches, for
 * whatever identity. */
static bool is_published(const struct ph_role *role, const char *text)
{
    static const struct ph_identity sample = {
        .tenant = "sample-tenant", .kind = "sample-kind", .device = "sample-device"};
    char inner[PH_LIMIT_TOPIC_BYTES + 1];
    bool covered = false;
    if (!ph_template_expand(inner, sizeof inner, text, &sample)) {
        return false;
    }
    for (size_t i = 0; i < role->publish.count && !covered; i++) {
        char outer[PH_LIMIT_TOPIC_BYTES + 1];
        covered = ph_template_expand(outer, sizeof outer, role->publish.filters[i], &sample) &&
                  ph_topic_filter_contains(outer, inner);
    }
    return covered;
}

static enum ph_err check_published(
    const struct ph_role *role, const char *field, const char *text, struct ph_error *error)
{
    return is_published(role, text)
               ? PH_OK
               : ph_error_set(error, PH_ERR_CONFIG,
                     "%s: \"%.200s\" is not covered by publish; add it there", field, text);
}

static enum ph_err check_status(const struct ph_role *role, struct ph_error *error)
{
    if (role->status == NULL) {
        return PH_OK;
    }
    enum ph_err err = ph_template_check_name(role->status, error);
    return err == PH_OK ? check_published(role, "status", role->status, error)
                        : ph_error_prefix(error, err, "status");
}

/* A bucket of bytes holds ten seconds' worth; a payload beyond that would never pass. */
static enum ph_err check_limits(const struct ph_role_limits *limits, struct ph_error *error)
{
    if (limits->payload_bytes > PH_LIMIT_MQTT_PAYLOAD_BYTES) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "limits: payload_bytes: want at most %d, the most that MQTT can carry, have %u",
            PH_LIMIT_MQTT_PAYLOAD_BYTES, (unsigned)limits->payload_bytes);
    }
    if (limits->message_burst > 0 && limits->messages_per_second == 0) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "limits: message_burst: want messages_per_second beside it, have none");
    }
    if (limits->over == PH_OVER_DISCONNECT && limits->messages_per_second == 0 &&
        limits->bytes_per_second == 0) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "limits: over: want messages_per_second or bytes_per_second beside disconnect, have "
            "neither");
    }
    uint64_t most = UINT64_C(10) * limits->bytes_per_second;
    if (most > 0 && limits->payload_bytes > most) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "limits: payload_bytes: want at most ten times bytes_per_second (%llu), have %u; a "
            "larger payload would never pass",
            (unsigned long long)most, (unsigned)limits->payload_bytes);
    }
    return PH_OK;
}

enum ph_err ph_policy_check_grants(const struct ph_role *role, struct ph_error *error)
{
    const struct {
        const char *field;
        const struct ph_filter_list *list;
    } lists[] = {{"publish", &role->publish}, {"will", &role->will},
        {"subscribe", &role->subscribe}, {"receive", &role->receive}};
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < sizeof lists / sizeof lists[0]; i++) {
        err = check_list(lists[i].field, lists[i].list, error);
    }
    /* A will is sent as a publication, so one that "publish" does not cover would never be sent. */
    for (size_t i = 0; err == PH_OK && i < role->will.count; i++) {
        err = check_published(role, "will", role->will.filters[i], error);
    }
    if (err == PH_OK) {
        err = check_status(role, error);
    }
    return err == PH_OK ? check_limits(&role->limits, error) : err;
}
