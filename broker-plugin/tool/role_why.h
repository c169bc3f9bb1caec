/* Why a role is not somebody's, for people. */
#ifndef PH_BROKER_PLUGIN_ROLE_WHY_H
#define PH_BROKER_PLUGIN_ROLE_WHY_H

#include <stdbool.h>
#include <stddef.h>

#include "broker-plugin/tool/report.h"
#include "domain/policy.h"

/* False when the role's match holds. Otherwise `out` says the first part that does not, such as
 * "match.device: want \"operator*\", have \"ingest\"". `subject` as in ph_policy_role_find(). */
bool ph_role_mismatch(char *out, size_t size, const struct ph_role *role,
    const struct ph_identity *identity, const char *subject);

/* "65,536 bytes a payload, 10 messages a second, 20 at once; beyond: refuse", or "none". */
void ph_limits_print(char *out, size_t size, const struct ph_role_limits *limits);

/* The same as a row, or in JSON as an object of the policy file's keys. */
void ph_limits_report(
    struct ph_report *report, const char *key, const struct ph_role_limits *limits);

/* The JSON object alone. */
void ph_limits_json(struct ph_report *report, const char *key, const struct ph_role_limits *limits);

#endif
