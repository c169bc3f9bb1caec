/* The pattern of a topic that says who its sender is, such as
 * "ph/v1/{tenant}/{kind}/{device}/telemetry": the identity comes from the topic (which the broker's
 * plugin enforced), never from the payload. */
#ifndef PH_DOMAIN_ROUTE_H
#define PH_DOMAIN_ROUTE_H

#include <stddef.h>

#include "base/error.h"
#include "base/limits.h"
#include "domain/identity.h"

#define PH_FILTER_BYTES (PH_LIMIT_TOPIC_BYTES + 1)

/* {tenant}, {kind} and {device} each once, each a whole level; no wildcards; a topic within
 * PH_LIMIT_TOPIC_BYTES whatever the names. PH_ERR_CONFIG. */
enum ph_err ph_route_check(const char *pattern, struct ph_error *error) PH_NODISCARD;

/* The same with {tenant} and {device} alone: all that it speaks of are of one kind. */
enum ph_err ph_route_check_kindless(const char *pattern, struct ph_error *error) PH_NODISCARD;

/* The filter to subscribe to: every placeholder becomes '+'. The pattern has been checked. */
void ph_route_filter(char out[PH_FILTER_BYTES], const char *pattern);

/* The identity in a topic; PH_ERR_INPUT when the topic does not have the pattern's levels or a
 * segment breaks the identity grammar. */
enum ph_err ph_route_parse(const char *pattern, const char *topic, struct ph_identity *out,
    struct ph_error *error) PH_NODISCARD;

#endif
