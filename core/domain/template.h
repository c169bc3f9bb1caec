/* Templates in policies: text with {tenant}, {kind} and {device}. "{" and "}" appear in no other
 * role. */
#ifndef PH_DOMAIN_TEMPLATE_H
#define PH_DOMAIN_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "domain/identity.h"

/* Only known placeholders, braces balanced; PH_ERR_CONFIG otherwise. */
enum ph_err ph_template_check(const char *text, struct ph_error *error) PH_NODISCARD;

/* The same, and every expansion must be a valid topic filter; `+` and `#` may stand in the template
 * itself. */
enum ph_err ph_template_check_filter(const char *text, struct ph_error *error) PH_NODISCARD;

/* The same without wildcards: every expansion is a valid topic name, and a filter that matches only
 * itself. */
enum ph_err ph_template_check_name(const char *text, struct ph_error *error) PH_NODISCARD;

/* No expansion of a checked template may be longer than `max` bytes (below 1024), however long the
 * names are. */
enum ph_err ph_template_check_length(
    const char *text, size_t max, struct ph_error *error) PH_NODISCARD;

/* Fills a checked template in; false when it does not fit in `size` bytes. */
bool ph_template_expand(
    char *out, size_t size, const char *text, const struct ph_identity *identity) PH_NODISCARD;

#endif
