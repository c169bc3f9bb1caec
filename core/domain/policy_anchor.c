#include <string.h>

#include "base/limits.h"
#include "domain/policy.h"
#include "domain/policy_rules.h"
#include "domain/template.h"

static const char *shown(const char *text)
{
    return text != NULL ? text : "";
}

static enum ph_err check_files(
    const char *anchor, const char *field, char *const *files, size_t count, struct ph_error *error)
{
    for (size_t i = 0; i < count; i++) {
        if (files[i] == NULL || files[i][0] == '\0') {
            return ph_error_set(error, PH_ERR_CONFIG,
                "anchor \"%s\": %s: want file names, have an empty one", anchor, field);
        }
    }
    return PH_OK;
}

static enum ph_err check_anchor_files(const struct ph_anchor *anchor, struct ph_error *error)
{
    if (anchor->ca_file_count == 0) {
        return ph_error_set(
            error, PH_ERR_CONFIG, "anchor \"%s\": ca: want at least one file", anchor->name);
    }
    if (anchor->crl_required && anchor->crl_file_count == 0) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "anchor \"%s\": crl: want at least one file, or crl_required: false", anchor->name);
    }
    enum ph_err err =
        check_files(anchor->name, "ca", anchor->ca_files, anchor->ca_file_count, error);
    return err == PH_OK
               ? check_files(anchor->name, "crl", anchor->crl_files, anchor->crl_file_count, error)
               : err;
}

static enum ph_err check_anchor_counts(const struct ph_anchor *anchor, struct ph_error *error)
{
    const struct {
        const char *field;
        size_t count;
        size_t max;
    } lists[] = {{"ca", anchor->ca_file_count, PH_LIMIT_POLICY_FILES},
        {"crl", anchor->crl_file_count, PH_LIMIT_POLICY_FILES},
        {"tenants", anchor->tenant_count, PH_LIMIT_POLICY_TENANTS},
        {"kinds", anchor->kind_count, PH_LIMIT_POLICY_KINDS}};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        if (lists[i].count > lists[i].max) {
            return ph_error_set(error, PH_ERR_CONFIG,
                "anchor \"%s\": %s: want at most %zu, have %zu", anchor->name, lists[i].field,
                lists[i].max, lists[i].count);
        }
    }
    return PH_OK;
}

static enum ph_err check_names(
    const char *anchor, const char *field, char *const *names, size_t count, struct ph_error *error)
{
    for (size_t i = 0; i < count; i++) {
        if (names[i] == NULL || !ph_segment_valid(names[i], strlen(names[i]))) {
            return ph_error_set(error, PH_ERR_CONFIG,
                "anchor \"%s\": %ss: want %s names without patterns, have \"%.80s\"", anchor, field,
                field, shown(names[i]));
        }
    }
    return PH_OK;
}

/* What the template does not name must be the only one that the anchor speaks for. */
static enum ph_err check_unnamed(const struct ph_anchor *anchor, struct ph_error *error)
{
    const struct {
        const char *placeholder;
        const char *field;
        size_t count;
    } parts[] = {
        {"{tenant}", "tenants", anchor->tenant_count}, {"{kind}", "kinds", anchor->kind_count}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (strstr(anchor->identity_template, parts[i].placeholder) == NULL &&
            parts[i].count != 1) {
            return ph_error_set(error, PH_ERR_CONFIG,
                "anchor \"%s\": %s: want exactly one, because identity_template \"%.200s\" does "
                "not "
                "name %s; have %zu",
                anchor->name, parts[i].field, anchor->identity_template, parts[i].placeholder,
                parts[i].count);
        }
    }
    return PH_OK;
}

/* DNS names are compared in lower case. */
static bool has_capital(const char *text)
{
    return text[strcspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] != '\0';
}

static enum ph_err check_identity(const struct ph_anchor *anchor, struct ph_error *error)
{
    const char *template = anchor->identity_template;
    if (anchor->identity == PH_IDENTITY_SUBJECT) {
        return template == NULL ? PH_OK
                                : ph_error_set(error, PH_ERR_CONFIG,
                                      "anchor \"%s\": identity_template: not for identity subject, "
                                      "which is O, OU and CN; leave it out, or write identity: uri "
                                      "or another source",
                                      anchor->name);
    }
    if (template == NULL) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "anchor \"%s\": identity_template: missing; write one such as "
            "\"urn:acme:{tenant}:{kind}:{device}\"",
            anchor->name);
    }
    enum ph_err err = ph_template_check_identity(template, error);
    if (err == PH_OK) {
        err = ph_template_check_length(template, PH_LIMIT_TOPIC_BYTES, error);
    }
    if (err == PH_OK && anchor->identity == PH_IDENTITY_DNS && has_capital(template)) {
        err = ph_error_set(error, PH_ERR_CONFIG,
            "template \"%.200s\": want lower case, as DNS names are read", template);
    }
    return err == PH_OK
               ? check_unnamed(anchor, error)
               : ph_error_prefix(error, err, "anchor \"%s\": identity_template", anchor->name);
}

static enum ph_err check_grace(const struct ph_anchor *anchor, struct ph_error *error)
{
    return anchor->crl_grace_s <= PH_LIMIT_CRL_GRACE_S
               ? PH_OK
               : ph_error_set(error, PH_ERR_CONFIG,
                     "anchor \"%s\": crl_grace_s: want at most %d, have %u", anchor->name,
                     PH_LIMIT_CRL_GRACE_S, (unsigned)anchor->crl_grace_s);
}

enum ph_err ph_policy_check_anchor(
    const struct ph_policy *policy, size_t index, struct ph_error *error)
{
    const struct ph_anchor *anchor = &policy->anchors[index];
    if (anchor->name == NULL || !ph_segment_valid(anchor->name, strlen(anchor->name))) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "anchor %zu: name: want 1 to 64 of A-Z a-z 0-9 . _ -, have \"%.80s\"", index + 1,
            shown(anchor->name));
    }
    if (ph_policy_anchor(policy, anchor->name) != anchor) {
        return ph_error_set(
            error, PH_ERR_CONFIG, "anchor \"%s\": name: used by two anchors", anchor->name);
    }
    enum ph_err err = check_anchor_counts(anchor, error);
    if (err == PH_OK) {
        err = check_names(anchor->name, "tenant", anchor->tenants, anchor->tenant_count, error);
    }
    if (err == PH_OK) {
        err = check_names(anchor->name, "kind", anchor->kinds, anchor->kind_count, error);
    }
    if (err == PH_OK) {
        err = check_identity(anchor, error);
    }
    if (err == PH_OK) {
        err = check_grace(anchor, error);
    }
    return err == PH_OK ? check_anchor_files(anchor, error) : err;
}
