#include "device/life_section.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/yaml.h"
#include "device/life_schema.h"
#include "domain/identity.h"
#include "format/enrolment.h"

#define CLAIM   struct ph_claim_section
#define RENEWAL struct ph_renewal_section

#define CLAIM_TEXT(name, flags, max)                                                               \
    CYAML_FIELD_STRING_PTR(#name, CYAML_FLAG_POINTER | (flags), CLAIM, name, 1, max)
const struct cyaml_schema_field ph_claim_section_fields[] = {
    CLAIM_TEXT(certificate, CYAML_FLAG_DEFAULT, PATH_MAX - 1),
    CLAIM_TEXT(key, CYAML_FLAG_DEFAULT, PATH_MAX - 1),
    CLAIM_TEXT(kind, CYAML_FLAG_OPTIONAL, PH_LIMIT_SEGMENT_BYTES),
    CLAIM_TEXT(name, CYAML_FLAG_OPTIONAL, PH_LIMIT_SEGMENT_BYTES),
    CLAIM_TEXT(serial, CYAML_FLAG_OPTIONAL, PH_LIMIT_HARDWARE_BYTES),
    CYAML_FIELD_END,
};

#define RENEWAL_INT(name) CYAML_FIELD_INT(#name, CYAML_FLAG_OPTIONAL, RENEWAL, name)
const struct cyaml_schema_field ph_renewal_section_fields[] = {
    CYAML_FIELD_BOOL_PTR("enabled", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, RENEWAL, enabled),
    CYAML_FIELD_FLOAT("at", CYAML_FLAG_OPTIONAL, RENEWAL, at),
    CYAML_FIELD_FLOAT("jitter", CYAML_FLAG_OPTIONAL, RENEWAL, jitter),
    RENEWAL_INT(retry_min_ms),
    RENEWAL_INT(retry_max_ms),
    RENEWAL_INT(answer_ms),
    RENEWAL_INT(state_interval_ms),
    RENEWAL_INT(trials),
    CYAML_FIELD_BOOL("reuse_key", CYAML_FLAG_OPTIONAL, RENEWAL, reuse_key),
    CYAML_FIELD_END,
};

enum ph_err ph_claim_section_finish(
    struct ph_claim_section *section, const char *config_path, struct ph_error *error)
{
    enum ph_err err =
        ph_yaml_resolve_credential(&section->certificate, "claim.certificate", config_path, error);
    return err == PH_OK ? ph_yaml_resolve_credential(&section->key, "claim.key", config_path, error)
                        : err;
}

enum ph_err ph_claim_section_take(
    struct ph_claim_section **section, const char *dir, struct ph_error *error)
{
    if (*section == NULL && (*section = calloc(1, sizeof **section)) == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "configuration: out of memory");
    }
    enum ph_err err = ph_yaml_put_path(&(*section)->certificate, dir, "cert.pem", error);
    return err == PH_OK ? ph_yaml_put_path(&(*section)->key, dir, "key.pem", error) : err;
}

static enum ph_err check_segment(
    const char *source, const char *key, const char *text, struct ph_error *error)
{
    if (text == NULL || ph_segment_valid(text, strlen(text))) {
        return PH_OK;
    }
    return ph_error_set(error, PH_ERR_CONFIG,
        "%s: claim.%s: want letters, digits, '.', '_' and '-' behind a letter or digit, have "
        "\"%s\"",
        source, key, text);
}

enum ph_err ph_claim_section_check(
    const struct ph_claim_section *section, const char *source, struct ph_error *error)
{
    if (section->certificate[0] == '\0' || section->key[0] == '\0') {
        return ph_error_set(
            error, PH_ERR_CONFIG, "%s: claim: want a certificate file and a key file", source);
    }
    enum ph_err err = check_segment(source, "kind", section->kind, error);
    if (err == PH_OK) {
        err = check_segment(source, "name", section->name, error);
    }
    if (err == PH_OK && section->serial != NULL &&
        !ph_text_clean(section->serial, strlen(section->serial))) {
        err = ph_error_set(error, PH_ERR_CONFIG,
            "%s: claim.serial: want one line of printable text, have \"%s\"", source,
            section->serial);
    }
    return err;
}

static void default_int(int64_t *value, int64_t fallback)
{
    *value = *value == 0 ? fallback : *value;
}

enum ph_err ph_renewal_section_default(struct ph_renewal_section *section, struct ph_error *error)
{
    if (section->enabled == NULL) {
        section->enabled = malloc(sizeof *section->enabled);
        if (section->enabled == NULL) {
            return ph_error_set(error, PH_ERR_MEMORY, "configuration: out of memory");
        }
        *section->enabled = true;
    }
    section->at = section->at == 0.0 ? 0.667 : section->at;
    section->jitter = section->jitter == 0.0 ? 0.05 : section->jitter;
    default_int(&section->retry_min_ms, 10000);
    default_int(&section->retry_max_ms, 3600000);
    default_int(&section->answer_ms, 30000);
    default_int(&section->state_interval_ms, 21600000);
    default_int(&section->trials, 5);
    return PH_OK;
}

enum ph_err ph_renewal_section_check(
    const struct ph_renewal_section *section, const char *source, struct ph_error *error)
{
    if (!(section->at >= 0.1 && section->at <= 0.95)) {
        return ph_error_set(
            error, PH_ERR_CONFIG, "%s: renewal.at: want 0.1 to 0.95, have %g", source, section->at);
    }
    if (!(section->jitter > 0.0 && section->jitter <= 0.2)) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "%s: renewal.jitter: want above 0 and at most 0.2, have %g", source, section->jitter);
    }
    return PH_OK;
}
