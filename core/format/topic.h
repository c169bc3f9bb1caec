/* MQTT 5.0 section 4.7: topic names, topic filters, matching, and containment of one filter in
 * another. No allocation; time linear in the length of the arguments. */
#ifndef PH_FORMAT_TOPIC_H
#define PH_FORMAT_TOPIC_H

#include <stdbool.h>

#include "base/error.h"

/* One rule of a topic name: 1 to PH_LIMIT_TOPIC_BYTES of valid UTF-8 without control characters, at
 * most PH_LIMIT_TOPIC_LEVELS levels, no '+' or '#'. PH_ERR_INPUT or PH_ERR_LIMIT with the offending
 * rule. */
enum ph_err ph_topic_name_check(const char *name, struct ph_error *error) PH_NODISCARD;

/* The same for a filter: '+' fills a level alone, '#' fills the last level alone [MQTT-4.7.1-1 to
 * -2]. "$share/..." is not a filter: strip it first. */
enum ph_err ph_topic_filter_check(const char *filter, struct ph_error *error) PH_NODISCARD;

/* True when the valid filter matches the valid name. A leading wildcard does not match a name that
 * begins with '$' [MQTT-4.7.2-1]; "a/#" matches "a". */
bool ph_topic_match(const char *filter, const char *name);

/* True when every name that `inner` matches is matched by `outer` (both valid filters; a name is a
 * filter too). This is how a subscription is allowed: ph_topic_filter_contains(allowed, requested).
 */
bool ph_topic_filter_contains(const char *outer, const char *inner);

/* The filter inside "$share/{group}/{filter}" [MQTT-4.8.2], or `filter` itself when it is not
 * shared. NULL when the text begins with "$share/" and is malformed (group empty or with wildcard,
 * filter empty). */
const char *ph_topic_unshare(const char *filter);

/* True when some topic name, however long, matches both filters. Both must have been checked. */
bool ph_topic_filters_meet(const char *a, const char *b);

#endif
