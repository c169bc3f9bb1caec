/* The topics of a device: templates in its configuration, and what they are for one identity
 * (docs/spec/device.md, topics). */
#ifndef PH_DEVICE_TOPICS_H
#define PH_DEVICE_TOPICS_H

#include "base/error.h"
#include "base/limits.h"
#include "domain/identity.h"

enum ph_device_topic {
    PH_TOPIC_TELEMETRY,
    PH_TOPIC_STATUS,
    PH_TOPIC_ACK,
    PH_TOPIC_COMMAND,
    PH_TOPIC_REPLY,
    PH_TOPIC_INGEST_STATUS, /* no template, but one topic for all devices */
    PH_TOPIC_RENEW,         /* to the registrar, and from it */
    PH_TOPIC_CERTIFICATE,
    PH_TOPIC_ENROLL, /* the same for a claim: {device} is its name */
    PH_TOPIC_ENROLLED,
    PH_TOPIC_COUNT
};

/* What a claim listens to is PH_TOPIC_ENROLLED, '/' and the id of its question: many devices may
 * hold one claim. */
#define PH_TOPIC_ID_BYTES 33 /* with the terminator */

struct ph_topic_templates {
    char *text[PH_TOPIC_COUNT]; /* owned; NULL: not configured */
};

struct ph_device_topics {
    /* a device's: all but those of a claim, which are ""; a claim's: those two and no others */
    char name[PH_TOPIC_COUNT][PH_LIMIT_TOPIC_BYTES + 1];
};

/* Puts the shipped policy's topics where nothing is configured; PH_ERR_MEMORY. */
enum ph_err ph_topic_templates_default(
    struct ph_topic_templates *templates, struct ph_error *error) PH_NODISCARD;

/* Each must make a valid topic of every identity, and no two may be the same. PH_ERR_CONFIG names
 * the key. */
enum ph_err ph_topic_templates_check(
    const struct ph_topic_templates *templates, struct ph_error *error) PH_NODISCARD;

/* Fills checked templates in. PH_ERR_CONFIG when that makes the same topic of two of them, as of
 * "acme/{device}" and "{tenant}/{device}" for a device of acme. */
enum ph_err ph_device_topics_make(const struct ph_topic_templates *templates,
    const struct ph_identity *identity, struct ph_device_topics *out,
    struct ph_error *error) PH_NODISCARD;

/* The same for a claim. */
enum ph_err ph_claim_topics_make(const struct ph_topic_templates *templates,
    const struct ph_identity *claim, struct ph_device_topics *out,
    struct ph_error *error) PH_NODISCARD;

#endif
