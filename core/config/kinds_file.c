#include "config/kinds_file.h"

#include <stdlib.h>
#include <string.h>

#include <cyaml/cyaml.h>

#include "base/limits.h"
#include "config/yaml.h"

static const cyaml_strval_t type_words[] = {
    {"number", PH_FIELD_NUMBER},
    {"integer", PH_FIELD_INTEGER},
    {"boolean", PH_FIELD_BOOLEAN},
    {"text", PH_FIELD_TEXT},
    {"enum", PH_FIELD_ENUM},
};

static const cyaml_strval_t unknown_words[] = {
    {"refuse", PH_UNKNOWN_REFUSE},
    {"store", PH_UNKNOWN_STORE},
    {"drop", PH_UNKNOWN_DROP},
};

static const cyaml_schema_value_t enum_value = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, PH_LIMIT_TEXT_VALUE_BYTES)};

static const cyaml_schema_field_t field_fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct ph_field_rule, name, 1, 63),
    CYAML_FIELD_ENUM("type", CYAML_FLAG_STRICT, struct ph_field_rule, type, type_words,
        CYAML_ARRAY_LEN(type_words)),
    CYAML_FIELD_STRING_PTR(
        "unit", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct ph_field_rule, unit, 1, 32),
    CYAML_FIELD_STRING_PTR("description", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
        struct ph_field_rule, description, 1, 512),
    CYAML_FIELD_FLOAT_PTR(
        "min", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct ph_field_rule, min),
    CYAML_FIELD_FLOAT_PTR(
        "max", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct ph_field_rule, max),
    CYAML_FIELD_SEQUENCE_COUNT("values", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL | CYAML_FLAG_FLOW,
        struct ph_field_rule, values, value_count, &enum_value, 1, PH_LIMIT_ENUM_VALUES),
    CYAML_FIELD_BOOL("required", CYAML_FLAG_OPTIONAL, struct ph_field_rule, required),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t field_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct ph_field_rule, field_fields)};

static const cyaml_schema_field_t kind_fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct ph_kind, name, 1, 63),
    CYAML_FIELD_BOOL("plain", CYAML_FLAG_OPTIONAL, struct ph_kind, plain),
    CYAML_FIELD_ENUM("unknown_fields", CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL, struct ph_kind,
        unknown, unknown_words, CYAML_ARRAY_LEN(unknown_words)),
    CYAML_FIELD_SEQUENCE_COUNT("fields", CYAML_FLAG_POINTER, struct ph_kind, fields, field_count,
        &field_value, 1, PH_LIMIT_READING_FIELDS),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t kind_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct ph_kind, kind_fields)};

static const cyaml_schema_field_t top_fields[] = {
    CYAML_FIELD_SEQUENCE_COUNT(
        "kinds", CYAML_FLAG_POINTER, struct ph_kinds, kinds, kind_count, &kind_value, 1, 256),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t top = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct ph_kinds, top_fields)};

static enum ph_err validate(const char *path, const struct ph_kinds *kinds, struct ph_error *error)
{
    for (size_t i = 0; i < kinds->kind_count; i++) {
        const struct ph_kind *kind = &kinds->kinds[i];
        enum ph_err err = ph_kind_validate(kind, error);
        if (err != PH_OK) {
            return ph_error_prefix(error, err, "%s", path);
        }
        if (ph_kinds_find(kinds, kind->name) != kind) {
            return ph_error_set(error, PH_ERR_CONFIG, "%s: kind \"%s\" is declared twice; keep one",
                path, kind->name);
        }
    }
    return PH_OK;
}

enum ph_err ph_kinds_load(const char *path, struct ph_kinds **out, struct ph_error *error)
{
    void *loaded = NULL;
    enum ph_err err = ph_yaml_load(path, &top, &loaded, error);
    if (err == PH_OK) {
        err = validate(path, loaded, error);
    }
    if (err == PH_OK) {
        *out = loaded;
        loaded = NULL;
    }
    ph_yaml_free(&top, &loaded);
    return err;
}

enum ph_err ph_kinds_print(FILE *out, const struct ph_kinds *kinds, struct ph_error *error)
{
    return ph_yaml_print(out, &top, kinds, error);
}

void ph_kinds_free(struct ph_kinds **kinds)
{
    if (kinds != NULL && *kinds != NULL) {
        void *data = *kinds;
        ph_yaml_free(&top, &data);
        *kinds = NULL;
    }
}

const struct ph_kind *ph_kinds_find(const struct ph_kinds *kinds, const char *name)
{
    for (size_t i = 0; i < kinds->kind_count; i++) {
        if (strcmp(kinds->kinds[i].name, name) == 0) {
            return &kinds->kinds[i];
        }
    }
    return NULL;
}
