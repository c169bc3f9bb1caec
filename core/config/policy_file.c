#include "config/policy_file.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <cyaml/cyaml.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"
#include "config/yaml.h"

#define CLIENT_ID_DEFAULT         "{tenant}/{kind}/{device}"
#define IDENTITY_TEMPLATE_DEFAULT "{device}"
#define CRL_GRACE_S_DEFAULT       86400
#define ACCEPT_MAX                32 /* there are fewer findings */

#define OPTIONAL_POINTER (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

/* An anchor as the file has it: what has a default other than 0 is a pointer here. */
struct anchor_draft {
    char *name;
    char **ca_files;
    size_t ca_file_count;
    char **crl_files;
    size_t crl_file_count;
    bool *crl_required;
    uint32_t *crl_grace_s;
    enum ph_identity_source identity;
    char *identity_template;
    char **tenants;
    size_t tenant_count;
    char **kinds;
    size_t kind_count;
};

struct role_draft {
    struct ph_role role;
    bool *provenance;
};

struct draft {
    char **lists;
    size_t list_count;
    struct anchor_draft *anchors;
    size_t anchor_count;
    struct role_draft *roles;
    size_t role_count;
    struct ph_role *quarantine;
};

static const cyaml_schema_value_t path_value = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, PATH_MAX - 1)};
static const cyaml_schema_value_t segment_value = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, PH_LIMIT_SEGMENT_BYTES)};
static const cyaml_schema_value_t filter_value = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, PH_LIMIT_TOPIC_BYTES)};

static const cyaml_schema_value_t word_value = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, PH_LIMIT_SEGMENT_BYTES)};

static const cyaml_strval_t identity_words[] = {
    {"subject", PH_IDENTITY_SUBJECT},
    {"common_name", PH_IDENTITY_COMMON_NAME},
    {"serial_number", PH_IDENTITY_SERIAL_NUMBER},
    {"uri", PH_IDENTITY_URI},
    {"dns", PH_IDENTITY_DNS},
};
static const cyaml_strval_t over_words[] = {
    {"refuse", PH_OVER_REFUSE}, {"disconnect", PH_OVER_DISCONNECT}};

/* Lists whose absence means more than nothing ("any", "the same as") must not be empty. */
static const cyaml_schema_field_t anchor_fields[] = {
    CYAML_FIELD_STRING_PTR(
        "name", CYAML_FLAG_POINTER, struct anchor_draft, name, 1, PH_LIMIT_SEGMENT_BYTES),
    CYAML_FIELD_SEQUENCE_COUNT("ca", CYAML_FLAG_POINTER, struct anchor_draft, ca_files,
        ca_file_count, &path_value, 1, PH_LIMIT_POLICY_FILES),
    CYAML_FIELD_SEQUENCE_COUNT("crl", OPTIONAL_POINTER, struct anchor_draft, crl_files,
        crl_file_count, &path_value, 0, PH_LIMIT_POLICY_FILES),
    CYAML_FIELD_BOOL_PTR("crl_required", OPTIONAL_POINTER, struct anchor_draft, crl_required),
    CYAML_FIELD_UINT_PTR("crl_grace_s", OPTIONAL_POINTER, struct anchor_draft, crl_grace_s),
    CYAML_FIELD_ENUM("identity", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct anchor_draft,
        identity, identity_words, CYAML_ARRAY_LEN(identity_words)),
    CYAML_FIELD_STRING_PTR("identity_template", OPTIONAL_POINTER, struct anchor_draft,
        identity_template, 1, PH_LIMIT_TOPIC_BYTES),
    CYAML_FIELD_SEQUENCE_COUNT("tenants", OPTIONAL_POINTER, struct anchor_draft, tenants,
        tenant_count, &segment_value, 1, PH_LIMIT_POLICY_TENANTS),
    CYAML_FIELD_SEQUENCE_COUNT("kinds", OPTIONAL_POINTER, struct anchor_draft, kinds, kind_count,
        &segment_value, 1, PH_LIMIT_POLICY_KINDS),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t subject_fields[] = {
    CYAML_FIELD_STRING_PTR("attribute", CYAML_FLAG_POINTER, struct ph_subject_rule, attribute, 1,
        PH_LIMIT_SEGMENT_BYTES),
    CYAML_FIELD_STRING_PTR("pattern", CYAML_FLAG_POINTER, struct ph_subject_rule, pattern, 1,
        PH_LIMIT_TEXT_VALUE_BYTES),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t subject_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct ph_subject_rule, subject_fields)};

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
    CYAML_FIELD_SEQUENCE_COUNT("subject", OPTIONAL_POINTER, struct ph_role_match, subject,
        subject_count, &subject_value, 1, PH_LIMIT_SUBJECT_RULES),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t limit_fields[] = {
    CYAML_FIELD_UINT("payload_bytes", CYAML_FLAG_OPTIONAL, struct ph_role_limits, payload_bytes),
    CYAML_FIELD_UINT(
        "messages_per_second", CYAML_FLAG_OPTIONAL, struct ph_role_limits, messages_per_second),
    CYAML_FIELD_UINT("message_burst", CYAML_FLAG_OPTIONAL, struct ph_role_limits, message_burst),
    CYAML_FIELD_UINT(
        "bytes_per_second", CYAML_FLAG_OPTIONAL, struct ph_role_limits, bytes_per_second),
    CYAML_FIELD_ENUM("over", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct ph_role_limits, over,
        over_words, CYAML_ARRAY_LEN(over_words)),
    CYAML_FIELD_END,
};

/* What a role and the quarantine both have; `prefix` is the way to the struct ph_role. */
#define GRANT_FIELDS(structure, prefix)                                                            \
    CYAML_FIELD_SEQUENCE_COUNT("publish", OPTIONAL_POINTER, structure, prefix publish.filters,     \
        prefix publish.count, &filter_value, 0, PH_LIMIT_ROLE_FILTERS),                            \
        CYAML_FIELD_SEQUENCE_COUNT("will", OPTIONAL_POINTER, structure, prefix will.filters,       \
            prefix will.count, &filter_value, 0, PH_LIMIT_ROLE_FILTERS),                           \
        CYAML_FIELD_SEQUENCE_COUNT("subscribe", OPTIONAL_POINTER, structure,                       \
            prefix subscribe.filters, prefix subscribe.count, &filter_value, 0,                    \
            PH_LIMIT_ROLE_FILTERS),                                                                \
        CYAML_FIELD_SEQUENCE_COUNT("receive", OPTIONAL_POINTER, structure, prefix receive.filters, \
            prefix receive.count, &filter_value, 1, PH_LIMIT_ROLE_FILTERS),                        \
        CYAML_FIELD_MAPPING("limits", CYAML_FLAG_OPTIONAL, structure, prefix limits, limit_fields)

static const cyaml_schema_field_t role_fields[] = {
    CYAML_FIELD_STRING_PTR(
        "name", CYAML_FLAG_POINTER, struct role_draft, role.name, 1, PH_LIMIT_SEGMENT_BYTES),
    CYAML_FIELD_MAPPING("match", CYAML_FLAG_DEFAULT, struct role_draft, role.match, match_fields),
    CYAML_FIELD_STRING_PTR("client_id", OPTIONAL_POINTER, struct role_draft, role.client_id, 1,
        PH_LIMIT_CLIENT_ID_BYTES),
    GRANT_FIELDS(struct role_draft, role.),
    CYAML_FIELD_STRING_PTR(
        "status", OPTIONAL_POINTER, struct role_draft, role.status, 1, PH_LIMIT_TOPIC_BYTES),
    CYAML_FIELD_BOOL_PTR("provenance", OPTIONAL_POINTER, struct role_draft, provenance),
    CYAML_FIELD_SEQUENCE_COUNT("accept", OPTIONAL_POINTER, struct role_draft, role.accept,
        role.accept_count, &word_value, 0, ACCEPT_MAX),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t quarantine_fields[] = {
    GRANT_FIELDS(struct ph_role, ),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t anchor_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct anchor_draft, anchor_fields)};
static const cyaml_schema_value_t role_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct role_draft, role_fields)};

static const cyaml_schema_field_t top_fields[] = {
    CYAML_FIELD_SEQUENCE_COUNT("lists", OPTIONAL_POINTER, struct draft, lists, list_count,
        &path_value, 0, PH_LIMIT_POLICY_LISTS),
    CYAML_FIELD_SEQUENCE_COUNT("anchors", CYAML_FLAG_POINTER, struct draft, anchors, anchor_count,
        &anchor_value, 1, PH_LIMIT_POLICY_ANCHORS),
    CYAML_FIELD_SEQUENCE_COUNT("roles", CYAML_FLAG_POINTER, struct draft, roles, role_count,
        &role_value, 1, PH_LIMIT_POLICY_ROLES),
    CYAML_FIELD_MAPPING_PTR(
        "quarantine", OPTIONAL_POINTER, struct draft, quarantine, quarantine_fields),
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
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < count; i++) {
        err = ph_yaml_resolve(&files[i], path, error);
    }
    return err;
}

/* Puts a copy of `value` where nothing was given. */
static enum ph_err default_text(
    char **text, const char *value, const char *path, struct ph_error *error)
{
    if (*text == NULL) {
        *text = strdup(value);
    }
    return *text != NULL ? PH_OK : out_of_memory(path, error);
}

static enum ph_err finish_texts(
    struct anchor_draft *anchor, const char *path, struct ph_error *error)
{
    bool by_template = anchor->identity == PH_IDENTITY_COMMON_NAME ||
                       anchor->identity == PH_IDENTITY_SERIAL_NUMBER ||
                       anchor->identity == PH_IDENTITY_DNS;
    enum ph_err err = PH_OK;
    if (by_template) {
        err = default_text(&anchor->identity_template, IDENTITY_TEMPLATE_DEFAULT, path, error);
    }
    if (err == PH_OK) {
        err = resolve_all(anchor->ca_files, anchor->ca_file_count, path, error);
    }
    return err == PH_OK ? resolve_all(anchor->crl_files, anchor->crl_file_count, path, error) : err;
}

static enum ph_err apply_defaults(struct draft *draft, const char *path, struct ph_error *error)
{
    enum ph_err err = resolve_all(draft->lists, draft->list_count, path, error);
    for (size_t i = 0; err == PH_OK && i < draft->role_count; i++) {
        err = default_text(&draft->roles[i].role.client_id, CLIENT_ID_DEFAULT, path, error);
    }
    for (size_t i = 0; err == PH_OK && i < draft->anchor_count; i++) {
        err = finish_texts(&draft->anchors[i], path, error);
    }
    return err;
}

/* Moves an anchor out of its draft. */
static struct ph_anchor take_anchor(struct anchor_draft *draft)
{
    struct ph_anchor anchor = {
        .name = draft->name,
        .ca_files = draft->ca_files,
        .ca_file_count = draft->ca_file_count,
        .crl_files = draft->crl_files,
        .crl_file_count = draft->crl_file_count,
        .crl_required = draft->crl_required == NULL || *draft->crl_required,
        .crl_grace_s = draft->crl_grace_s != NULL ? *draft->crl_grace_s : CRL_GRACE_S_DEFAULT,
        .identity = draft->identity,
        .identity_template = draft->identity_template,
        .tenants = draft->tenants,
        .tenant_count = draft->tenant_count,
        .kinds = draft->kinds,
        .kind_count = draft->kind_count,
    };
    free(draft->crl_required);
    free(draft->crl_grace_s);
    *draft = (struct anchor_draft){0};
    return anchor;
}

static struct ph_role take_role(struct role_draft *draft)
{
    struct ph_role role = draft->role;
    role.provenance = draft->provenance == NULL || *draft->provenance;
    free(draft->provenance);
    *draft = (struct role_draft){0};
    return role;
}

/* Moves everything out of the draft, whose arrays are left with empty entries. */
static enum ph_err freeze(
    struct draft *draft, const char *path, struct ph_policy **out, struct ph_error *error)
{
    struct ph_policy *policy = calloc(1, sizeof *policy);
    struct ph_anchor *anchors = calloc(draft->anchor_count, sizeof *anchors);
    struct ph_role *roles = calloc(draft->role_count, sizeof *roles);
    if (policy == NULL || anchors == NULL || roles == NULL) {
        free(policy);
        free(anchors);
        free(roles);
        return out_of_memory(path, error);
    }
    for (size_t i = 0; i < draft->anchor_count; i++) {
        anchors[i] = take_anchor(&draft->anchors[i]);
    }
    for (size_t i = 0; i < draft->role_count; i++) {
        roles[i] = take_role(&draft->roles[i]);
    }
    *policy = (struct ph_policy){.anchors = anchors,
        .anchor_count = draft->anchor_count,
        .roles = roles,
        .role_count = draft->role_count,
        .lists = draft->lists,
        .list_count = draft->list_count,
        .quarantine = draft->quarantine};
    draft->anchor_count = 0;
    draft->role_count = 0;
    draft->lists = NULL;
    draft->list_count = 0;
    draft->quarantine = NULL;
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

static struct anchor_draft anchor_to_print(struct ph_anchor *anchor)
{
    return (struct anchor_draft){
        .name = anchor->name,
        .ca_files = anchor->ca_files,
        .ca_file_count = anchor->ca_file_count,
        .crl_files = anchor->crl_files,
        .crl_file_count = anchor->crl_file_count,
        .crl_required = &anchor->crl_required,
        .crl_grace_s = &anchor->crl_grace_s,
        .identity = anchor->identity,
        .identity_template = anchor->identity_template,
        .tenants = anchor->tenants,
        .tenant_count = anchor->tenant_count,
        .kinds = anchor->kinds,
        .kind_count = anchor->kind_count,
    };
}

enum ph_err ph_policy_print(FILE *out, const struct ph_policy *policy, struct ph_error *error)
{
    struct anchor_draft *anchors = calloc(policy->anchor_count + 1, sizeof *anchors);
    struct role_draft *roles = calloc(policy->role_count + 1, sizeof *roles);
    enum ph_err err = PH_OK;
    if (anchors == NULL || roles == NULL) {
        err = out_of_memory("policy", error);
        goto out;
    }
    for (size_t i = 0; i < policy->anchor_count; i++) {
        anchors[i] = anchor_to_print(&policy->anchors[i]);
    }
    for (size_t i = 0; i < policy->role_count; i++) {
        roles[i] = (struct role_draft){policy->roles[i], &policy->roles[i].provenance};
    }
    struct draft draft = {.lists = policy->lists,
        .list_count = policy->list_count,
        .anchors = anchors,
        .anchor_count = policy->anchor_count,
        .roles = roles,
        .role_count = policy->role_count,
        .quarantine = policy->quarantine};
    err = ph_yaml_print(out, &top, &draft, error);
out:
    free(anchors);
    free(roles);
    return err;
}
