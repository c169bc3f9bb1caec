/* The policy as a YAML file (docs/spec/policy.md). */
#ifndef PH_CONFIG_POLICY_FILE_H
#define PH_CONFIG_POLICY_FILE_H

#include <stddef.h>
#include <stdio.h>

#include "base/error.h"
#include "domain/policy.h"

/* Loads, applies the defaults (crl_required true, crl_grace_s a day, identity_template "{device}",
 * client_id "{tenant}/{kind}/{device}", provenance true), makes every file path in it relative to
 * the policy file's folder, and validates (ph_policy_validate). The caller owns *out. */
enum ph_err ph_policy_load(
    const char *path, struct ph_policy **out, struct ph_error *error) PH_NODISCARD;

/* The same for bytes that were read already; `path` gives messages their file and paths their
 * folder. */
enum ph_err ph_policy_parse(const char *path, const void *bytes, size_t len, struct ph_policy **out,
    struct ph_error *error) PH_NODISCARD;

/* Prints it as YAML that loads to the same policy, defaults and full paths written out. */
enum ph_err ph_policy_print(
    FILE *out, const struct ph_policy *policy, struct ph_error *error) PH_NODISCARD;

#endif
