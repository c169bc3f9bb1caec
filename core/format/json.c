#include "format/json.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "format/json_scan.h"

/* A document is its root: one allocation less for each message. */
static cJSON *tree(struct ph_json *json)
{
    return (cJSON *)json;
}

static const cJSON *node(const struct ph_json_value *value)
{
    return (const cJSON *)value;
}

static const struct ph_json_value *value_of(const cJSON *item)
{
    return (const struct ph_json_value *)item;
}

static bool is_type(const cJSON *item, int type)
{
    return (item->type & 0xFF) == type;
}

/* Pairs: an object has at most PH_LIMIT_JSON_MEMBERS, so the work is linear in the document. */
static const char *repeated_key(const cJSON *object)
{
    for (const cJSON *a = object->child; a != NULL; a = a->next) {
        for (const cJSON *b = a->next; b != NULL; b = b->next) {
            if (a->string[0] == b->string[0] && strcmp(a->string, b->string) == 0) {
                return a->string;
            }
        }
    }
    return NULL;
}

/* Keys are compared after their escapes are read, so "a" and "\u0061" are the same key. Recursion
 * is bounded: the scan has refused what is deeper than PH_LIMIT_JSON_DEPTH. */
static enum ph_err check_keys(const cJSON *item, struct ph_error *error)
{
    const char *repeated = is_type(item, cJSON_Object) ? repeated_key(item) : NULL;
    if (repeated != NULL) {
        return ph_error_set(
            error, PH_ERR_INPUT, "json: key \"%.64s\" is there twice in one object", repeated);
    }
    enum ph_err err = PH_OK;
    for (const cJSON *child = item->child; child != NULL && err == PH_OK; child = child->next) {
        err = child->child != NULL ? check_keys(child, error) : PH_OK;
    }
    return err;
}

enum ph_err ph_json_parse(
    const void *bytes, size_t len, struct ph_json **out, struct ph_error *error)
{
    enum ph_err err = ph_json_scan(bytes, len, error);
    if (err != PH_OK) {
        return err;
    }
    struct ph_json *json = (struct ph_json *)cJSON_ParseWithLength(bytes, len);
    if (json == NULL) {
        /* The scan admits nothing that cJSON refuses. */
        return ph_error_set(error, PH_ERR_MEMORY, "json: out of memory");
    }
    err = check_keys(tree(json), error);
    if (err == PH_OK) {
        *out = json;
        json = NULL;
    }
    ph_json_free(&json);
    return err;
}

void ph_json_free(struct ph_json **json)
{
    cJSON_Delete(tree(*json));
    *json = NULL;
}

const struct ph_json_value *ph_json_root(const struct ph_json *json)
{
    return (const struct ph_json_value *)json;
}

enum ph_json_type ph_json_type(const struct ph_json_value *value)
{
    switch (node(value)->type & 0xFF) {
    case cJSON_False:
    case cJSON_True:
        return PH_JSON_BOOL;
    case cJSON_Number:
        return PH_JSON_NUMBER;
    case cJSON_String:
        return PH_JSON_TEXT;
    case cJSON_Array:
        return PH_JSON_ARRAY;
    case cJSON_Object:
        return PH_JSON_OBJECT;
    default:
        return PH_JSON_NULL;
    }
}

const struct ph_json_value *ph_json_first(const struct ph_json_value *value)
{
    return value_of(node(value)->child);
}

const struct ph_json_value *ph_json_next(const struct ph_json_value *value)
{
    return value_of(node(value)->next);
}

const char *ph_json_key(const struct ph_json_value *value)
{
    return node(value)->string;
}

size_t ph_json_count(const struct ph_json_value *value)
{
    size_t count = 0;
    for (const cJSON *child = node(value)->child; child != NULL; child = child->next) {
        count++;
    }
    return count;
}

const struct ph_json_value *ph_json_member(const struct ph_json_value *object, const char *name)
{
    if (!is_type(node(object), cJSON_Object)) {
        return NULL;
    }
    for (const cJSON *child = node(object)->child; child != NULL; child = child->next) {
        if (strcmp(child->string, name) == 0) {
            return value_of(child);
        }
    }
    return NULL;
}

double ph_json_number(const struct ph_json_value *value)
{
    return node(value)->valuedouble;
}

bool ph_json_bool(const struct ph_json_value *value)
{
    return is_type(node(value), cJSON_True);
}

const char *ph_json_text(const struct ph_json_value *value)
{
    return node(value)->valuestring;
}

bool ph_json_integer(const struct ph_json_value *value, int64_t min, int64_t max, int64_t *out)
{
    if (ph_json_type(value) != PH_JSON_NUMBER) {
        return false;
    }
    double number = ph_json_number(value);
    if (!(number >= (double)min && number <= (double)max) || trunc(number) != number) {
        return false;
    }
    *out = (int64_t)number;
    return true;
}

/* The escape of one byte inside a string; NULL when it stands for itself. */
static const char *short_escape(unsigned char c)
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        return NULL;
    }
}

static enum ph_err append_escaped(struct ph_buf *buf, const char *text)
{
    enum ph_err err = PH_OK;
    while (*text != '\0' && err == PH_OK) {
        size_t plain = 0;
        while ((unsigned char)text[plain] >= 0x20 && text[plain] != '"' && text[plain] != '\\') {
            plain++;
        }
        err = plain > 0 ? ph_buf_append(buf, text, plain) : PH_OK;
        text += plain;
        if (*text != '\0' && err == PH_OK) {
            unsigned char c = (unsigned char)*text++;
            const char *escape = short_escape(c);
            err = escape != NULL ? ph_buf_append_text(buf, escape)
                                 : ph_buf_printf(buf, "\\u%04x", (unsigned)c);
        }
    }
    return err;
}

enum ph_err ph_json_append_text(struct ph_buf *buf, const char *text)
{
    if (!ph_text_utf8_valid(text, strlen(text))) {
        return PH_ERR_INPUT;
    }
    size_t start = buf->len;
    enum ph_err err = ph_buf_append(buf, "\"", 1);
    if (err == PH_OK) {
        err = append_escaped(buf, text);
    }
    if (err == PH_OK) {
        err = ph_buf_append(buf, "\"", 1);
    }
    if (err != PH_OK) {
        ph_buf_truncate(buf, start);
    }
    return err;
}

enum ph_err ph_json_append_number(struct ph_buf *buf, double value)
{
    char text[32];
    if (!isfinite(value)) {
        return PH_ERR_INTERNAL;
    }
    if (fabs(value) <= (double)PH_LIMIT_SEQ && trunc(value) == value && value != 0) {
        return ph_buf_printf(buf, "%" PRId64, (int64_t)value);
    }
    /* A decimal of up to 15 digits survives the way through a double, so the first precision that
     * reads back is the shortest. */
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    return ph_buf_append_text(buf, text);
}
