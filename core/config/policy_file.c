#include "config/policy_file.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <cyaml/cyaml.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"
#include "config/yaml.h"

#define CLIENT_ID_DEFAULT "{tenant}/{kind}/{device}"

#define OPTIONAL_POINTER (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

/* An anchor as the file has it: what has a default other than 0 is a pointer here. */
struct anchor_draft {
    char *name;
    char **ca_files;
    size_t ca_file_count;
    char **crl_files;
    size_t crl_file_count;
    bool *crl_required;
    enum ph_identity_source identity;
    char **tenants;
    size_t tenant_count;
    char **kinds;
    size_t kind_count;
};

struct draft {
    struct anchor_draft *anchors;
    size_t anchor_count;
    struct ph_role *roles;
    size_t role_count;
};

static const cyaml_schema_value_t path_value = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, PATH_MAX - 1)};
static const cyaml_schema_value_t segment_value = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, PH_LIMIT_SEGMENT_BYTES)};
static const cyaml_schema_value_t filter_value = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, PH_LIMIT_TOPIC_BYTES)};

static const cyaml_strval_t identity_words[] = {{"subject", PH_IDENTITY_SUBJECT}};

/* Lists whose absence means more than nothing ("any", "the same as") must not be empty. */
static const cyaml_schema_field_t anchor_fields[] = {
    CYAML_FIELD_STRING_PTR(
        "name", CYAML_FLAG_POINTER, struct anchor_draft, name, 1, PH_LIMIT_SEGMENT_BYTES),
    CYAML_FIELD_SEQUENCE_COUNT("ca", CYAML_FLAG_POINTER, struct anchor_draft, ca_files,
        ca_file_count, &path_value, 1, PH_LIMIT_POLICY_FILES),
    CYAML_FIELD_SEQUENCE_COUNT("crl", OPTIONAL_POINTER, struct anchor_draft, crl_files,
        crl_file_count, &path_value, 0, PH_LIMIT_POLICY_FILES),
    CYAML_FIELD_BOOL_PTR("crl_required", OPTIONAL_POINTER, struct anchor_draft, crl_required),
    CYAML_FIELD_ENUM("identity", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct anchor_draft,
        identity, identity_words, CYAML_ARRAY_LEN(identity_words)),
    CYAML_FIELD_SEQUENCE_COUNT("tenants", OPTIONAL_POINTER, struct anchor_draft, tenants,
        tenant_count, &segment_value, 1, PH_LIMIT_POLICY_TENANTS),
    CYAML_FIELD_SEQUENCE_COUNT("kinds", OPTIONAL_POINTER, struct anchor_draft, kinds, kind_count,
        &segment_value, 1, PH_LIMIT_POLICY_KINDS),
    CYAML_FIELD_END,
};

/* A pattern may be one byte longer than a segment: its '*'. */
static const cyaml_schema_field_t match_fields[] = {
    CYAML_FIELD_STRING_PTR(
        "anchor", CYAML_FLAG_POINTER, struct ph_role_match, anchor, 1, PH_LIMIT_SEGMENT_BYTES),
    CYAML_FIELD_STRING_PTR(
        "tenant", OPTIONAL_POINTER, struct ph_role_match, tenant, 1, PH_LIMIT_SEGMENT_BYTES + 1),
    CYAML_FIELD_STRING_PTR(
        "kind", OPTIONAL_POINTER, struct ph_role_match, kind, 1, PH_LIMIT_SEGMENT_BYTES + 1),
    CYAML_FIELD_STRING_PTR(
        "device", OPTIONAL_POINTER, struct ph_role_match, device, 1, PH_LIMIT_SEGMENT_BYTES + 1),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t limit_fields[] = {
    CYAML_FIELD_UINT("payload_bytes", CYAML_FLAG_OPTIONAL, struct ph_role_limits, payload_bytes),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t role_fields[] = {
    CYAML_FIELD_STRING_PTR(
        "name", CYAML_FLAG_POINTER, struct ph_role, name, 1, PH_LIMIT_SEGMENT_BYTES),
    CYAML_FIELD_MAPPING("match", CYAML_FLAG_DEFAULT, struct ph_role, match, match_fields),
    CYAML_FIELD_STRING_PTR(
        "client_id", OPTIONAL_POINTER, struct ph_role, client_id, 1, PH_LIMIT_CLIENT_ID_BYTES),
    CYAML_FIELD_SEQUENCE_COUNT("publish", OPTIONAL_POINTER, struct ph_role, publish.filters,
        publish.count, &filter_value, 0, PH_LIMIT_ROLE_FILTERS),
    CYAML_FIELD_SEQUENCE_COUNT("will", OPTIONAL_POINTER, struct ph_role, will.filters, will.count,
        &filter_value, 0, PH_LIMIT_ROLE_FILTERS),
    CYAML_FIELD_SEQUENCE_COUNT("subscribe", OPTIONAL_POINTER, struct ph_role, subscribe.filters,
        subscribe.count, &filter_value, 0, PH_LIMIT_ROLE_FILTERS),
    CYAML_FIELD_SEQUENCE_COUNT("receive", OPTIONAL_POINTER, struct ph_role, receive.filters,
        receive.count, &filter_value, 1, PH_LIMIT_ROLE_FILTERS),
    CYAML_FIELD_MAPPING("limits", CYAML_FLAG_OPTIONAL, struct ph_role, limits, limit_fields),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t anchor_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct anchor_draft, anchor_fields)};
static const cyaml_schema_value_t role_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct ph_role, role_fields)};

static const cyaml_schema_field_t top_fields[] = {
    CYAML_FIELD_SEQUENCE_COUNT("anchors", CYAML_FLAG_POINTER, struct draft, anchors, anchor_count,
        &anchor_value, 1, PH_LIMIT_POLICY_ANCHORS),
    CYAML_FIELD_SEQUENCE_COUNT("roles", CYAML_FLAG_POINTER, struct draft, roles, role_count,
        &role_value, 1, PH_LIMIT_POLICY_ROLES),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t top = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct draft, top_fields)};

static enum ph_err out_of_memory(const char *path, struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", path);
}

static enum ph_err resolve_all(char **files, size_t count, const char *path, struct ph_error *error)
{
    for (size_t i = 0; i < count; i++) {
        char full[PATH_MAX];
        enum ph_err err = ph_path_resolve(full, sizeof full, path, files[i], error);
        if (err != PH_OK) {
            return err;
        }
        char *copy = strdup(full);
        if (copy == NULL) {
            return out_of_memory(path, error);
        }
        free(files[i]);
        files[i] = copy;
    }
    return PH_OK;
}

static enum ph_err apply_defaults(struct draft *draft, const char *path, struct ph_error *error)
{
    for (size_t i = 0; i < draft->role_count; i++) {
        struct ph_role *role = &draft->roles[i];
        if (role->client_id == NULL) {
            role->client_id = strdup(CLIENT_ID_DEFAULT);
        }
        if (role->client_id == NULL) {
            return out_of_memory(path, error);
        }
    }
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < draft->anchor_count; i++) {
        struct anchor_draft *anchor = &draft->anchors[i];
        err = resolve_all(anchor->ca_files, anchor->ca_file_count, path, error);
        if (err == PH_OK) {
            err = resolve_all(anchor->crl_files, anchor->crl_file_count, path, error);
        }
    }
    return err;
}

static struct ph_anchor finish_anchor(const struct anchor_draft *draft)
{
    return (struct ph_anchor){
        .name = draft->name,
        .ca_files = draft->ca_files,
        .ca_file_count = draft->ca_file_count,
        .crl_files = draft->crl_files,
        .crl_file_count = draft->crl_file_count,
        .crl_required = draft->crl_required == NULL || *draft->crl_required,
        .identity = draft->identity,
        .tenants = draft->tenants,
        .tenant_count = draft->tenant_count,
        .kinds = draft->kinds,
        .kind_count = draft->kind_count,
    };
}

/* Moves everything out of the draft, which is left empty. */
static enum ph_err freeze(
    struct draft *draft, const char *path, struct ph_policy **out, struct ph_error *error)
{
    struct ph_policy *policy = calloc(1, sizeof *policy);
    struct ph_anchor *anchors = calloc(draft->anchor_count, sizeof *anchors);
    if (policy == NULL || anchors == NULL) {
        free(policy);
        free(anchors);
        return out_of_memory(path, error);
    }
    for (size_t i = 0; i < draft->anchor_count; i++) {
        anchors[i] = finish_anchor(&draft->anchors[i]);
        free(draft->anchors[i].crl_required);
        draft->anchors[i] = (struct anchor_draft){0};
    }
    *policy = (struct ph_policy){.anchors = anchors,
        .anchor_count = draft->anchor_count,
        .roles = draft->roles,
        .role_count = draft->role_count};
    draft->anchor_count = 0;
    draft->roles = NULL;
    draft->role_count = 0;
    *out = policy;
    return PH_OK;
}

enum ph_err ph_policy_parse(
    const char *path, const void *bytes, size_t len, struct ph_policy **out, struct ph_error *error)
{
    void *draft = NULL;
    struct ph_policy *policy = NULL;
    enum ph_err err = ph_yaml_parse(path, bytes, len, &top, &draft, error);
    if (err == PH_OK) {
        err = apply_defaults(draft, path, error);
    }
    if (err == PH_OK) {
        err = freeze(draft, path, &policy, error);
    }
    if (err == PH_OK) {
        err = ph_policy_validate(policy, error);
        if (err != PH_OK) {
            ph_error_prefix(error, err, "%s", path);
        }
    }
    if (err == PH_OK) {
        *out = policy;
        policy = NULL;
    }
    ph_policy_free(&policy);
    ph_yaml_free(&top, &draft);
    return err;
}

enum ph_err ph_policy_load(const char *path, struct ph_policy **out, struct ph_error *error)
{
    struct ph_buf text;
    ph_buf_init(&text, PH_LIMIT_CONFIG_BYTES);
    enum ph_err err = ph_file_load(path, &text, error);
    if (err == PH_OK) {
        err = ph_policy_parse(path, text.data != NULL ? text.data : "", text.len, out, error);
    }
    ph_buf_fini(&text);
    return err;
}

enum ph_err ph_policy_print(FILE *out, const struct ph_policy *policy, struct ph_error *error)
{
    static bool values[2] = {false, true};
    struct anchor_draft *anchors = calloc(policy->anchor_count + 1, sizeof *anchors);
    if (anchors == NULL) {
        return out_of_memory("policy", error);
    }
    for (size_t i = 0; i < policy->anchor_count; i++) {
        const struct ph_anchor *anchor = &policy->anchors[i];
        anchors[i] = (struct anchor_draft){
            .name = anchor->name,
            .ca_files = anchor->ca_files,
            .ca_file_count = anchor->ca_file_count,
            .crl_files = anchor->crl_files,
            .crl_file_count = anchor->crl_file_count,
            .crl_required = &values[anchor->crl_required ? 1 : 0],
            .identity = anchor->identity,
            .tenants = anchor->tenants,
            .tenant_count = anchor->tenant_count,
            .kinds = anchor->kinds,
            .kind_count = anchor->kind_count,
        };
    }
    struct draft draft = {.anchors = anchors,
        .anchor_count = policy->anchor_count,
        .roles = policy->roles,
        .role_count = policy->role_count};
    enum ph_err err = ph_yaml_print(out, &top, &draft, error);
    free(anchors);
    return err;
}
