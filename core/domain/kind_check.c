#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "domain/kind.h"

/* What a refusal needs to name. */
struct check {
    const struct ph_kind *kind;
    struct ph_error *error;
};

static enum ph_err refuse(const struct check *check, const char *field, const char *what)
{
    return ph_error_set(check->error, PH_ERR_INPUT, "kind \"%s\": field \"%.64s\": %s",
        check->kind->name, field, what);
}

static enum ph_err refuse_type(const struct check *check, const struct ph_field_rule *rule)
{
    char what[40];
    (void)snprintf(what, sizeof what, "want %s%s",
        rule->type == PH_FIELD_INTEGER || rule->type == PH_FIELD_ENUM ? "an " : "a ",
        ph_field_type_name(rule->type));
    return refuse(check, rule->name, what);
}

static enum ph_err check_number(
    const struct check *check, const struct ph_field_rule *rule, const struct ph_value *value)
{
    char what[96];
    double number = value->number;
    if (value->type != PH_VALUE_NUMBER || !isfinite(number)) {
        return refuse_type(check, rule);
    }
    bool whole = trunc(number) == number && fabs(number) <= (double)PH_LIMIT_SEQ;
    if (rule->type == PH_FIELD_INTEGER && !whole) {
        return refuse(check, rule->name, "want a whole number within 2^53");
    }
    if (rule->min != NULL && number < *rule->min) {
        (void)snprintf(what, sizeof what, "want at least %.15g, have %.15g", *rule->min, number);
        return refuse(check, rule->name, what);
    }
    if (rule->max != NULL && number > *rule->max) {
        (void)snprintf(what, sizeof what, "want at most %.15g, have %.15g", *rule->max, number);
        return refuse(check, rule->name, what);
    }
    return PH_OK;
}

static enum ph_err check_enum(
    const struct check *check, const struct ph_field_rule *rule, const struct ph_value *value)
{
    if (value->type != PH_VALUE_TEXT) {
        return refuse_type(check, rule);
    }
    for (size_t i = 0; i < rule->value_count; i++) {
        if (strcmp(rule->values[i], value->text) == 0) {
            return PH_OK;
        }
    }
    char what[128];
    (void)snprintf(what, sizeof what, "\"%.64s\" is not one of its values", value->text);
    return refuse(check, rule->name, what);
}

static enum ph_err check_value(
    const struct check *check, const struct ph_field_rule *rule, const struct ph_value *value)
{
    switch (rule->type) {
    case PH_FIELD_NUMBER:
    case PH_FIELD_INTEGER:
        return check_number(check, rule, value);
    case PH_FIELD_BOOLEAN:
        return value->type == PH_VALUE_BOOL ? PH_OK : refuse_type(check, rule);
    case PH_FIELD_TEXT:
        return value->type == PH_VALUE_TEXT ? PH_OK : refuse_type(check, rule);
    case PH_FIELD_ENUM:
        return check_enum(check, rule, value);
    }
    return refuse(check, rule->name, "is declared with an unknown type");
}

enum ph_err ph_kind_check_reading(
    const struct ph_kind *kind, const struct ph_reading *reading, struct ph_error *error)
{
    struct check check = {kind, error};
    uint64_t seen = 0; /* one bit per rule; there are at most PH_LIMIT_READING_FIELDS */
    size_t next = 0;
    for (size_t i = 0; i < reading->field_count; i++) {
        const struct ph_field *field = &reading->fields[i];
        size_t at = ph_kind_find_field(kind, field->name, next);
        if (at == kind->field_count && kind->unknown == PH_UNKNOWN_REFUSE) {
            return refuse(&check, field->name, "is not declared");
        }
        if (at == kind->field_count) {
            continue;
        }
        enum ph_err err = check_value(&check, &kind->fields[at], &field->value);
        if (err != PH_OK) {
            return err;
        }
        seen |= UINT64_C(1) << at;
        next = at + 1;
    }
    for (size_t i = 0; i < kind->field_count; i++) {
        if (kind->fields[i].required && (seen >> i & 1) == 0) {
            return refuse(&check, kind->fields[i].name, "required, but missing");
        }
    }
    return PH_OK;
}

static enum ph_err append_unknown(
    const struct ph_kind *kind, const struct ph_reading *reading, struct ph_buf *out)
{
    size_t start = out->len;
    size_t next = 0;
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < reading->field_count && err == PH_OK; i++) {
        const struct ph_field *field = &reading->fields[i];
        size_t at = ph_kind_find_field(kind, field->name, next);
        if (at < kind->field_count) {
            next = at + 1;
            continue;
        }
        err = ph_buf_append_text(out, out->len == start ? "{" : ",");
        if (err == PH_OK) {
            err = ph_field_encode(field, out);
        }
    }
    return err == PH_OK && out->len > start ? ph_buf_append_text(out, "}") : err;
}

enum ph_err ph_kind_encode_unknown(
    const struct ph_kind *kind, const struct ph_reading *reading, struct ph_buf *out)
{
    size_t start = out->len;
    if (kind->unknown != PH_UNKNOWN_STORE) {
        return PH_OK;
    }
    enum ph_err err = append_unknown(kind, reading, out);
    if (err != PH_OK) {
        ph_buf_truncate(out, start);
    }
    return err;
}
