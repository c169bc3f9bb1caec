/* The policy as a YAML file (docs/spec/policy.md). */
#ifndef PH_CONFIG_POLICY_FILE_H
#define PH_CONFIG_POLICY_FILE_H

#include <stdio.h>

#include "base/error.h"
#include "domain/policy.h"

/* Loads, validates (ph_policy_validate) and makes every file path in it relative to the policy file's folder. The caller
 * owns *out. */
enum ph_err ph_policy_load(const char *path, struct ph_policy **out, struct ph_error *error) PH_NODISCARD;

/* Prints it as YAML that loads to the same policy. */
enum ph_err ph_policy_print(FILE *out, const struct ph_policy *policy, struct ph_error *error) PH_NODISCARD;

#endif
