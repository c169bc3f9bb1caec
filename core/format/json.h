/* RFC 8259 as we accept it from the network: cJSON behind a strict gate.
 *
 * Refused with position and reason: more than PH_LIMIT_JSON_DEPTH levels, bytes after the document,
 * invalid UTF-8, a raw control character or \u0000 or lone surrogate in a string, a number that RFC
 * 8259 does not spell or that is not finite in a double, a key twice in one object, a NUL byte; as
 * beyond a limit, more than PH_LIMIT_MESSAGE_BYTES in all, PH_LIMIT_JSON_MEMBERS in one object, or
 * PH_LIMIT_JSON_NUMBER_BYTES in one number. The cJSON type appears nowhere outside json.c. */
#ifndef PH_FORMAT_JSON_H
#define PH_FORMAT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct ph_json;       /* a parsed document, owned by whoever parsed it */
struct ph_json_value; /* a value inside one, borrowed: valid while the document lives */

enum ph_json_type {
    PH_JSON_NULL,
    PH_JSON_BOOL,
    PH_JSON_NUMBER,
    PH_JSON_TEXT,
    PH_JSON_ARRAY,
    PH_JSON_OBJECT
};

/* Parses `len` bytes (need not be terminated). On success *out is owned by the caller. */
enum ph_err ph_json_parse(
    const void *bytes, size_t len, struct ph_json **out, struct ph_error *error) PH_NODISCARD;
void ph_json_free(struct ph_json **json);

/* The outermost value, borrowed until the document is freed, and what a value is. */
const struct ph_json_value *ph_json_root(const struct ph_json *json);
enum ph_json_type ph_json_type(const struct ph_json_value *value);

/* Members of an object or elements of an array, in order: first, then next until NULL. The key is
 * NULL in an array. */
const struct ph_json_value *ph_json_first(const struct ph_json_value *value);
const struct ph_json_value *ph_json_next(const struct ph_json_value *value);
const char *ph_json_key(const struct ph_json_value *value);
size_t ph_json_count(const struct ph_json_value *value);

/* The member of that name (exact case), NULL when the object has none. */
const struct ph_json_value *ph_json_member(const struct ph_json_value *object, const char *name);

/* Values; the type must have been checked. */
double ph_json_number(const struct ph_json_value *value);
bool ph_json_bool(const struct ph_json_value *value);
const char *ph_json_text(const struct ph_json_value *value);

/* A number that is a whole number within [min, max] (which lie within +-2^53); false otherwise. */
bool ph_json_integer(
    const struct ph_json_value *value, int64_t min, int64_t max, int64_t *out) PH_NODISCARD;

/* Appends `text` (valid UTF-8; PH_ERR_INPUT otherwise) as a JSON string with its quotes. After an
 * error the buffer is as it was. */
enum ph_err ph_json_append_text(struct ph_buf *buf, const char *text) PH_NODISCARD;

/* Appends a decimal that reads back as the same double, the shortest one unless the number is
 * subnormal; whole numbers below 2^53 have no point. PH_ERR_INTERNAL unless `value` is finite. */
enum ph_err ph_json_append_number(struct ph_buf *buf, double value) PH_NODISCARD;

#endif
