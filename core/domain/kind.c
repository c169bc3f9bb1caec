#include "domain/kind.h"

#include <math.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"

const char *ph_field_type_name(enum ph_field_type type)
{
    switch (type) {
    case PH_FIELD_NUMBER:
        return "number";
    case PH_FIELD_INTEGER:
        return "integer";
    case PH_FIELD_BOOLEAN:
        return "boolean";
    case PH_FIELD_TEXT:
        return "text";
    case PH_FIELD_ENUM:
        return "enum";
    }
    return "unknown";
}

const char *ph_unknown_fields_name(enum ph_unknown_fields unknown)
{
    switch (unknown) {
    case PH_UNKNOWN_REFUSE:
        return "refuse";
    case PH_UNKNOWN_STORE:
        return "store";
    case PH_UNKNOWN_DROP:
        return "drop";
    }
    return "unknown";
}

size_t ph_kind_find_field(const struct ph_kind *kind, const char *name, size_t hint)
{
    size_t at = hint < kind->field_count ? hint : 0;
    for (size_t i = 0; i < kind->field_count; i++) {
        if (strcmp(kind->fields[at].name, name) == 0) {
            return at;
        }
        at = at + 1 < kind->field_count ? at + 1 : 0;
    }
    return kind->field_count;
}

/* Names that mean something else in a message, in the views and tables of the stores, or in what
 * `ph-ingest latest` prints. */
static bool is_reserved(const char *name)
{
    static const char *const reserved[] = {"t", "v", "readings", "up", "now", "oldest", "tenant",
        "kind", "device", "stream", "seq", "time", "time_ms", "received", "received_ms", "timing",
        "extra", "rowid", "oid", "id", "stored", "age", "fingerprint", "unvouched"};
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        if (strcmp(reserved[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static enum ph_err refuse(const struct ph_kind *kind, const struct ph_field_rule *rule,
    const char *what, struct ph_error *error)
{
    return ph_error_set(
        error, PH_ERR_CONFIG, "kind \"%s\": field \"%s\": %s", kind->name, rule->name, what);
}

static enum ph_err check_name(const struct ph_kind *kind, size_t index, struct ph_error *error)
{
    const struct ph_field_rule *rule = &kind->fields[index];
    if (rule->name == NULL || !ph_field_name_valid(rule->name)) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "kind \"%s\": field %zu: name: want [a-z][a-z0-9_]{0,62}, have \"%.80s\"", kind->name,
            index + 1, rule->name != NULL ? rule->name : "");
    }
    if (is_reserved(rule->name)) {
        return refuse(kind, rule, "name: reserved; choose another", error);
    }
    for (size_t i = 0; i < index; i++) {
        if (strcmp(kind->fields[i].name, rule->name) == 0) {
            return refuse(kind, rule, "name: used by two fields", error);
        }
    }
    return PH_OK;
}

static enum ph_err check_bounds(
    const struct ph_kind *kind, const struct ph_field_rule *rule, struct ph_error *error)
{
    bool numeric = rule->type == PH_FIELD_NUMBER || rule->type == PH_FIELD_INTEGER;
    if (!numeric && (rule->min != NULL || rule->max != NULL)) {
        return refuse(kind, rule, "min and max: only for number and integer", error);
    }
    if ((rule->min != NULL && !isfinite(*rule->min)) ||
        (rule->max != NULL && !isfinite(*rule->max))) {
        return refuse(kind, rule, "min and max: want finite numbers", error);
    }
    if (rule->min != NULL && rule->max != NULL && *rule->min > *rule->max) {
        return refuse(kind, rule, "min is greater than max", error);
    }
    return PH_OK;
}

static bool is_text_value(const char *text)
{
    return text != NULL && text[0] != '\0' && strlen(text) <= PH_LIMIT_TEXT_VALUE_BYTES &&
           ph_text_utf8_valid(text, strlen(text));
}

static enum ph_err check_values(
    const struct ph_kind *kind, const struct ph_field_rule *rule, struct ph_error *error)
{
    if (rule->type != PH_FIELD_ENUM) {
        return rule->value_count == 0 ? PH_OK : refuse(kind, rule, "values: only for enum", error);
    }
    if (rule->value_count == 0 || rule->value_count > PH_LIMIT_ENUM_VALUES) {
        return refuse(kind, rule, "values: want 1 to 64 texts", error);
    }
    for (size_t i = 0; i < rule->value_count; i++) {
        if (!is_text_value(rule->values[i])) {
            return refuse(kind, rule, "values: want texts of 1 to 256 bytes, valid UTF-8", error);
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(rule->values[i], rule->values[k]) == 0) {
                return refuse(kind, rule, "values: one text is there twice", error);
            }
        }
    }
    return PH_OK;
}

static enum ph_err check_field(const struct ph_kind *kind, size_t index, struct ph_error *error)
{
    const struct ph_field_rule *rule = &kind->fields[index];
    enum ph_err err = check_name(kind, index, error);
    if (err == PH_OK && rule->unit != NULL && !is_text_value(rule->unit)) {
        err = refuse(kind, rule, "unit: want a text of 1 to 256 bytes, or none", error);
    }
    if (err == PH_OK && rule->description != NULL && !is_text_value(rule->description)) {
        err = refuse(kind, rule, "description: want a text of 1 to 256 bytes, or none", error);
    }
    if (err == PH_OK) {
        err = check_bounds(kind, rule, error);
    }
    return err == PH_OK ? check_values(kind, rule, error) : err;
}

enum ph_err ph_kind_validate(const struct ph_kind *kind, struct ph_error *error)
{
    if (kind->name == NULL || !ph_field_name_valid(kind->name)) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "kind: name: want [a-z][a-z0-9_]{0,62}, have \"%.80s\"",
            kind->name != NULL ? kind->name : "");
    }
    if (kind->field_count < 1 || kind->field_count > PH_LIMIT_READING_FIELDS) {
        return ph_error_set(error, PH_ERR_CONFIG, "kind \"%s\": fields: want 1 to %d, have %zu",
            kind->name, PH_LIMIT_READING_FIELDS, kind->field_count);
    }
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < kind->field_count && err == PH_OK; i++) {
        err = check_field(kind, i, error);
    }
    return err;
}
