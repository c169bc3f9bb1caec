#include "device/topics.h"

#include <stdio.h>
#include <string.h>

#include "domain/template.h"
#include "format/topic.h"

static const struct {
    const char *key;
    const char *fallback;
} known[PH_TOPIC_COUNT] = {
    [PH_TOPIC_TELEMETRY] = {"telemetry", "ph/v1/{tenant}/{kind}/{device}/telemetry"},
    [PH_TOPIC_STATUS] = {"status", "ph/v1/{tenant}/{kind}/{device}/status"},
    [PH_TOPIC_ACK] = {"ack", "ph/v1/{tenant}/{kind}/{device}/ack"},
    [PH_TOPIC_COMMAND] = {"command", "ph/v1/{tenant}/{kind}/{device}/command"},
    [PH_TOPIC_REPLY] = {"reply", "ph/v1/{tenant}/{kind}/{device}/reply"},
    [PH_TOPIC_INGEST_STATUS] = {"ingest_status", "ph/v1/ingest/status"},
    [PH_TOPIC_RENEW] = {"renew", "ph/v1/{tenant}/{kind}/{device}/renew"},
    [PH_TOPIC_CERTIFICATE] = {"certificate", "ph/v1/{tenant}/{kind}/{device}/certificate"},
    [PH_TOPIC_ENROLL] = {"enroll", "ph/v1/claim/{tenant}/{device}/enroll"},
    [PH_TOPIC_ENROLLED] = {"enrolled", "ph/v1/claim/{tenant}/{device}/certificate"},
};

enum ph_err ph_topic_templates_default(struct ph_topic_templates *templates, struct ph_error *error)
{
    for (size_t i = 0; i < PH_TOPIC_COUNT; i++) {
        char **text = &templates->text[i];
        if (*text == NULL && (*text = strdup(known[i].fallback)) == NULL) {
            return ph_error_set(error, PH_ERR_MEMORY, "configuration: out of memory");
        }
    }
    return PH_OK;
}

static enum ph_err check_different(
    const char *const names[PH_TOPIC_COUNT], size_t from, size_t end, struct ph_error *error)
{
    for (size_t i = from; i < end; i++) {
        for (size_t j = from; j < i; j++) {
            if (strcmp(names[i], names[j]) == 0) {
                return ph_error_set(error, PH_ERR_CONFIG,
                    "topics.%s: the same as topics.%s, \"%.200s\"; choose another", known[i].key,
                    known[j].key, names[i]);
            }
        }
    }
    return PH_OK;
}

static enum ph_err check_one(enum ph_device_topic which, const char *text, struct ph_error *error)
{
    if (which == PH_TOPIC_INGEST_STATUS && strpbrk(text, "{}") != NULL) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "\"%.200s\": want one topic for all devices, without '{' and '}'", text);
    }
    if (which != PH_TOPIC_ENROLLED) {
        return ph_template_check_name(text, error);
    }
    char longest[PH_LIMIT_TOPIC_BYTES + 1 + PH_TOPIC_ID_BYTES];
    (void)snprintf(longest, sizeof longest, "%s/%032d", text, 0);
    return ph_template_check_name(longest, error);
}

enum ph_err ph_topic_templates_check(
    const struct ph_topic_templates *templates, struct ph_error *error)
{
    const char *names[PH_TOPIC_COUNT];
    for (size_t i = 0; i < PH_TOPIC_COUNT; i++) {
        struct ph_error why = {0};
        names[i] = templates->text[i];
        if (check_one((enum ph_device_topic)i, names[i], &why) != PH_OK) {
            return ph_error_set(error, PH_ERR_CONFIG, "topics.%s: %s", known[i].key, why.message);
        }
    }
    return check_different(names, 0, PH_TOPIC_COUNT, error);
}

static enum ph_err make(const struct ph_topic_templates *templates,
    const struct ph_identity *identity, size_t from, size_t end, struct ph_device_topics *out,
    struct ph_error *error)
{
    const char *names[PH_TOPIC_COUNT] = {0};
    *out = (struct ph_device_topics){0};
    for (size_t i = from; i < end; i++) {
        names[i] = out->name[i];
        if (!ph_template_expand(out->name[i], sizeof out->name[i], templates->text[i], identity)) {
            return ph_error_set(error, PH_ERR_INTERNAL, "topics.%s: not checked", known[i].key);
        }
    }
    return check_different(names, from, end, error);
}

enum ph_err ph_device_topics_make(const struct ph_topic_templates *templates,
    const struct ph_identity *identity, struct ph_device_topics *out, struct ph_error *error)
{
    return make(templates, identity, 0, PH_TOPIC_ENROLL, out, error);
}

enum ph_err ph_claim_topics_make(const struct ph_topic_templates *templates,
    const struct ph_identity *claim, struct ph_device_topics *out, struct ph_error *error)
{
    return make(templates, claim, PH_TOPIC_ENROLL, PH_TOPIC_COUNT, out, error);
}
