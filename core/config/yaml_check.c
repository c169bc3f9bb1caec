#include "config/yaml_check.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cyaml/cyaml.h>
#include <yaml.h>

#include "base/text.h"

#define KEYS_MAX 64 /* keys of one mapping: one bit each */

struct walk {
    const char *name;
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    char path[256];     /* key of the value being checked, "" at the top */
    size_t path_len;
    struct ph_error *error;
};

static size_t line_of(const struct walk *walk)
{
    return walk->event.start_mark.line + 1;
}

/* "<file>:<line>: <key>: <sentence>" */
static enum ph_err fail(const struct walk *walk, size_t line, const char *format, ...)
    PH_PRINTF(3, 4);

static enum ph_err fail(const struct walk *walk, size_t line, const char *format, ...)
{
    char sentence[400];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    return ph_error_set(walk->error, PH_ERR_CONFIG, "%s:%zu: %s%s%s", walk->name, line, walk->path,
        walk->path_len > 0 ? ": " : "", sentence);
}

/* Extends the key; returns the length to go back to. */
static size_t path_enter(struct walk *walk, const char *format, ...) PH_PRINTF(2, 3);

static size_t path_enter(struct walk *walk, const char *format, ...)
{
    size_t before = walk->path_len;
    size_t room = sizeof walk->path - before;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(walk->path + before, room, format, args);
    va_end(args);
    walk->path_len = len < 0              ? before
                     : (size_t)len < room ? before + (size_t)len
                                          : sizeof walk->path - 1;
    return before;
}

static void path_leave(struct walk *walk, size_t before)
{
    walk->path_len = before;
    walk->path[before] = '\0';
}

static enum ph_err check_plain(const struct walk *walk)
{
    const yaml_event_t *event = &walk->event;
    const void *anchor = NULL;
    const void *tag = NULL;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return fail(walk, line_of(walk), "aliases (*name) are not allowed; write the value out");
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
        break;
    default:
        break;
    }
    if (anchor != NULL) {
        return fail(walk, line_of(walk), "anchors (&name) are not allowed; write the value out");
    }
    return tag == NULL ? PH_OK
                       : fail(walk, line_of(walk), "tags (!name) are not allowed; delete it");
}

/* Goes on to the next event. */
static enum ph_err next(struct walk *walk)
{
    yaml_event_delete(&walk->event);
    if (yaml_parser_parse(&walk->parser, &walk->event) == 0) {
        const yaml_parser_t *parser = &walk->parser;
        size_t line = parser->problem_mark.line + 1;
        memset(&walk->event, 0, sizeof walk->event);
        if (parser->error == YAML_MEMORY_ERROR) {
            return ph_error_set(walk->error, PH_ERR_MEMORY, "%s: out of memory", walk->name);
        }
        return fail(walk, line, "not YAML: %s",
            parser->problem != NULL ? parser->problem : "cannot be parsed");
    }
    return check_plain(walk);
}

static const char *event_word(yaml_event_type_t type)
{
    switch (type) {
    case YAML_SCALAR_EVENT:
        return "a single value";
    case YAML_SEQUENCE_START_EVENT:
        return "a list";
    case YAML_MAPPING_START_EVENT:
        return "a mapping (key: value)";
    default:
        return "nothing";
    }
}

static enum ph_err want(const struct walk *walk, const char *what)
{
    const yaml_event_t *event = &walk->event;
    if (event->type != YAML_SCALAR_EVENT) {
        return fail(walk, line_of(walk), "want %s, have %s", what, event_word(event->type));
    }
    if (event->data.scalar.length == 0) {
        return fail(walk, line_of(walk), "want %s, have nothing", what);
    }
    return fail(walk, line_of(walk), "want %s, have \"%.60s\"", what,
        (const char *)event->data.scalar.value);
}

static enum ph_err check_integer(const struct walk *walk, int64_t min, int64_t max)
{
    const char *text = (const char *)walk->event.data.scalar.value;
    const char *digits = text[0] == '-' ? text + 1 : text;
    bool leading_zero = digits[0] == '0' && digits[1] != '\0';
    int64_t ignored = 0;
    char what[100];
    if (!leading_zero && ph_text_to_int64(text, min, max, &ignored)) {
        return PH_OK;
    }
    (void)snprintf(what, sizeof what, "a whole number from %" PRId64 " to %" PRId64, min, max);
    return want(walk, what);
}

static enum ph_err check_int(const struct walk *walk, uint32_t bytes)
{
    int64_t max = bytes >= 8 ? INT64_MAX : (INT64_C(1) << (8 * bytes - 1)) - 1;
    return check_integer(walk, -max - 1, max);
}

static enum ph_err check_uint(const struct walk *walk, uint32_t bytes)
{
    return check_integer(walk, 0, bytes >= 8 ? INT64_MAX : (INT64_C(1) << (8 * bytes)) - 1);
}

static enum ph_err check_float(const struct walk *walk)
{
    const char *text = (const char *)walk->event.data.scalar.value;
    char *end = NULL;
    bool spelled = text[0] != '\0' && text[strspn(text, "+-.0123456789eE")] == '\0';
    double value = spelled ? strtod(text, &end) : NAN;
    return spelled && *end == '\0' && isfinite(value) ? PH_OK : want(walk, "a finite number");
}

static enum ph_err check_bool(const struct walk *walk)
{
    const char *text = (const char *)walk->event.data.scalar.value;
    return strcmp(text, "true") == 0 || strcmp(text, "false") == 0 ? PH_OK
                                                                   : want(walk, "true or false");
}

static enum ph_err check_enum(const struct walk *walk, const struct cyaml_schema_value *schema)
{
    const char *text = (const char *)walk->event.data.scalar.value;
    char list[200] = "one of";
    size_t len = strlen(list);
    for (uint32_t i = 0; i < schema->enumeration.count; i++) {
        const char *candidate = schema->enumeration.strings[i].str;
        if (strcmp(candidate, text) == 0) {
            return PH_OK;
        }
        int put = snprintf(list + len, sizeof list - len, "%s %s", i > 0 ? "," : "", candidate);
        len = put < 0 || len + (size_t)put >= sizeof list ? sizeof list - 1 : len + (size_t)put;
    }
    return want(walk, list);
}

static enum ph_err check_string(const struct walk *walk, const struct cyaml_schema_value *schema)
{
    const yaml_event_t *event = &walk->event;
    size_t len = event->data.scalar.length;
    if (len < schema->string.min) {
        return fail(walk, line_of(walk), "want text of at least %" PRIu32 " bytes, have %zu",
            schema->string.min, len);
    }
    if (len > schema->string.max) {
        return fail(walk, line_of(walk), "want text of at most %" PRIu32 " bytes, have %zu",
            schema->string.max, len);
    }
    return PH_OK;
}

static bool null_allowed(const struct walk *walk, const struct cyaml_schema_value *schema)
{
    static const char *const words[] = {"", "null", "Null", "NULL", "~"};
    unsigned flags = (unsigned)schema->flags;
    const char *text = (const char *)walk->event.data.scalar.value;
    if ((flags & CYAML_FLAG_POINTER_NULL) != CYAML_FLAG_POINTER_NULL) {
        return false;
    }
    bool by_word = (flags & CYAML_FLAG_POINTER_NULL_STR) == CYAML_FLAG_POINTER_NULL_STR;
    for (size_t i = 0; i < (by_word ? sizeof words / sizeof words[0] : 1); i++) {
        if (strcmp(text, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

static enum ph_err check_scalar(const struct walk *walk, const struct cyaml_schema_value *schema)
{
    static const char *const words[CYAML__TYPE_COUNT] = {
        [CYAML_INT] = "a whole number",
        [CYAML_UINT] = "a whole number",
        [CYAML_BOOL] = "true or false",
        [CYAML_ENUM] = "a word",
        [CYAML_FLOAT] = "a finite number",
        [CYAML_STRING] = "text",
    };
    const yaml_event_t *event = &walk->event;
    if (event->type != YAML_SCALAR_EVENT) {
        return want(walk, words[schema->type]);
    }
    if (memchr(event->data.scalar.value, '\0', event->data.scalar.length) != NULL) {
        return fail(walk, line_of(walk), "want text without NUL bytes");
    }
    if (null_allowed(walk, schema)) {
        return PH_OK;
    }
    switch (schema->type) {
    case CYAML_INT:
        return check_int(walk, schema->data_size);
    case CYAML_UINT:
        return check_uint(walk, schema->data_size);
    case CYAML_BOOL:
        return check_bool(walk);
    case CYAML_ENUM:
        return check_enum(walk, schema);
    case CYAML_FLOAT:
        return check_float(walk);
    default:
        return check_string(walk, schema);
    }
}

static enum ph_err check_value(struct walk *walk, const struct cyaml_schema_value *schema);

static enum ph_err check_sequence(struct walk *walk, const struct cyaml_schema_value *schema)
{
    if (walk->event.type != YAML_SEQUENCE_START_EVENT) {
        return want(walk, "a list");
    }
    size_t line = line_of(walk);
    uint32_t count = 0;
    enum ph_err err = next(walk);
    while (err == PH_OK && walk->event.type != YAML_SEQUENCE_END_EVENT) {
        if (count == schema->sequence.max) {
            return fail(
                walk, line_of(walk), "want at most %" PRIu32 " entries", schema->sequence.max);
        }
        size_t before = path_enter(walk, "[%" PRIu32 "]", count);
        err = check_value(walk, schema->sequence.entry);
        path_leave(walk, before);
        count++;
        if (err == PH_OK) {
            err = next(walk);
        }
    }
    if (err == PH_OK && count < schema->sequence.min) {
        err = fail(walk, line, "want at least %" PRIu32 " entries, have %" PRIu32,
            schema->sequence.min, count);
    }
    return err;
}

static enum ph_err unknown_key(const struct walk *walk, const struct cyaml_schema_field *fields)
{
    char list[220] = "";
    size_t len = 0;
    for (const struct cyaml_schema_field *field = fields; field->key != NULL; field++) {
        int put = snprintf(
            list + len, sizeof list - len, "%s%s", field == fields ? "" : ", ", field->key);
        len = put < 0 || len + (size_t)put >= sizeof list ? sizeof list - 1 : len + (size_t)put;
    }
    return fail(walk, line_of(walk), "unknown key \"%.60s\"; known here: %s",
        (const char *)walk->event.data.scalar.value, list);
}

/* The field that the current event names, checked off in *seen. */
static enum ph_err find_field(const struct walk *walk, const struct cyaml_schema_field *fields,
    uint64_t *seen, const struct cyaml_schema_field **out)
{
    const yaml_event_t *event = &walk->event;
    if (event->type != YAML_SCALAR_EVENT) {
        return fail(walk, line_of(walk), "want a key, have %s", event_word(event->type));
    }
    const char *key = (const char *)event->data.scalar.value;
    const struct cyaml_schema_field *field = fields;
    while (field->key != NULL && strcmp(field->key, key) != 0) {
        field++;
    }
    if (field->key == NULL || strlen(key) != event->data.scalar.length) {
        return unknown_key(walk, fields);
    }
    uint64_t bit = UINT64_C(1) << (field - fields);
    if ((*seen & bit) != 0) {
        return fail(walk, line_of(walk), "key \"%s\" appears twice; keep one", key);
    }
    *seen |= bit;
    *out = field;
    return PH_OK;
}

static enum ph_err check_missing(
    const struct walk *walk, size_t line, const struct cyaml_schema_field *fields, uint64_t seen)
{
    for (const struct cyaml_schema_field *field = fields; field->key != NULL; field++) {
        bool optional = ((unsigned)field->value.flags & CYAML_FLAG_OPTIONAL) != 0;
        if (!optional && (seen & UINT64_C(1) << (field - fields)) == 0) {
            return fail(walk, line, "missing key \"%s\"", field->key);
        }
    }
    return PH_OK;
}

static enum ph_err check_member(
    struct walk *walk, const struct cyaml_schema_field *fields, uint64_t *seen)
{
    const struct cyaml_schema_field *field = NULL;
    enum ph_err err = find_field(walk, fields, seen, &field);
    if (err != PH_OK) {
        return err;
    }
    size_t before = path_enter(walk, "%s%s", walk->path_len > 0 ? "." : "", field->key);
    err = next(walk);
    if (err == PH_OK) {
        err = check_value(walk, &field->value);
    }
    path_leave(walk, before);
    return err == PH_OK ? next(walk) : err;
}

static enum ph_err check_mapping(struct walk *walk, const struct cyaml_schema_value *schema)
{
    const struct cyaml_schema_field *fields = schema->mapping.fields;
    size_t count = 0;
    while (fields[count].key != NULL) {
        count++;
    }
    if (count > KEYS_MAX) {
        return ph_error_set(walk->error, PH_ERR_INTERNAL, "%s: schema with more than %d keys",
            walk->name, KEYS_MAX);
    }
    if (walk->event.type != YAML_MAPPING_START_EVENT) {
        return want(walk, "a mapping (key: value)");
    }
    size_t line = line_of(walk);
    uint64_t seen = 0;
    enum ph_err err = next(walk);
    while (err == PH_OK && walk->event.type != YAML_MAPPING_END_EVENT) {
        err = check_member(walk, fields, &seen);
    }
    return err == PH_OK ? check_missing(walk, line, fields, seen) : err;
}

/* The current event begins the value; afterwards it is the value's last event. */
static enum ph_err check_value(struct walk *walk, const struct cyaml_schema_value *schema)
{
    switch (schema->type) {
    case CYAML_MAPPING:
        return check_mapping(walk, schema);
    case CYAML_SEQUENCE:
    case CYAML_SEQUENCE_FIXED:
        return check_sequence(walk, schema);
    case CYAML_INT:
    case CYAML_UINT:
    case CYAML_BOOL:
    case CYAML_ENUM:
    case CYAML_FLOAT:
    case CYAML_STRING:
        return check_scalar(walk, schema);
    default:
        return ph_error_set(walk->error, PH_ERR_INTERNAL, "%s: %s: schema type %d is not supported",
            walk->name, walk->path, (int)schema->type);
    }
}

static enum ph_err check_document(struct walk *walk, const struct cyaml_schema_value *schema)
{
    enum ph_err err = next(walk); /* stream start */
    if (err == PH_OK) {
        err = next(walk);
    }
    if (err == PH_OK && walk->event.type == YAML_STREAM_END_EVENT) {
        return ph_error_set(
            walk->error, PH_ERR_CONFIG, "%s: empty: want keys and values", walk->name);
    }
    if (err == PH_OK) {
        err = next(walk); /* the document's value */
    }
    if (err == PH_OK) {
        err = check_value(walk, schema);
    }
    for (int i = 0; err == PH_OK && i < 2; i++) { /* document end, stream end */
        err = next(walk);
    }
    if (err == PH_OK && walk->event.type != YAML_STREAM_END_EVENT) {
        err = fail(walk, line_of(walk), "a second document; keep one per file");
    }
    return err;
}

enum ph_err ph_yaml_check(const char *name, const void *bytes, size_t len,
    const struct cyaml_schema_value *schema, struct ph_error *error)
{
    struct walk walk = {.name = name, .error = error};
    if (yaml_parser_initialize(&walk.parser) == 0) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", name);
    }
    yaml_parser_set_encoding(&walk.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&walk.parser, bytes, len);
    enum ph_err err = check_document(&walk, schema);
    yaml_event_delete(&walk.event);
    yaml_parser_delete(&walk.parser);
    return err;
}
