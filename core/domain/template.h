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

/* A client id: no expansion longer than PH_LIMIT_CLIENT_ID_BYTES, and '*' only as the last
 * character, behind a '/'. There it stands for what each connection chooses itself
 * (ph_template_open_ended()): 1 to 64 of A-Z a-z 0-9 . _ -. PH_ERR_CONFIG. */
enum ph_err ph_template_check_client_id(const char *text, struct ph_error *error) PH_NODISCARD;

/* Whether a checked client id's template ends in such a '*'. */
bool ph_template_open_ended(const char *text);

/* Fills a checked template in; false when it does not fit in `size` bytes. */
bool ph_template_expand(
    char *out, size_t size, const char *text, const struct ph_identity *identity) PH_NODISCARD;

/* Whether the filter template, filled in, matches the topic name; the same as ph_template_expand()
 * and ph_topic_match(), in linear time and without a copy. Both must have been checked. */
bool ph_template_match(const char *text, const struct ph_identity *identity, const char *topic);

/* A template that certificates' names are read by: placeholders as above, each at most once,
 * {device} among them, and behind each the end or a character that ends it. PH_ERR_CONFIG. */
enum ph_err ph_template_check_identity(const char *text, struct ph_error *error) PH_NODISCARD;

/* Reads `len` bytes by such a template into the members that it names; the others and the anchor
 * stay as they are. A placeholder takes what stands before the next occurrence of the character
 * behind it, which must be a segment (ID-1). PH_ERR_DENIED says what was wanted; `what` names the
 * source, such as "subjectAltName URI". */
enum ph_err ph_template_parse(const char *text, const char *what, const char *bytes, size_t len,
    struct ph_identity *out, struct ph_error *error) PH_NODISCARD;

#endif
