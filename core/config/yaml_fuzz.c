/* Policy files: hostile bytes are refused, and what loads prints as something that loads again. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/policy_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ph_policy *parse(const void *data, size_t size)
{
    struct ph_policy *policy = NULL;
    struct ph_error error = {0};
    if (ph_policy_parse("/p/policy.yaml", data, size, &policy, &error) != PH_OK &&
        (policy != NULL || error.message[0] == '\0' || strchr(error.message, '\n') != NULL)) {
        abort();
    }
    return policy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ph_policy *policy = parse(data, size);
    if (policy == NULL) {
        return 0;
    }
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL || ph_policy_print(out, policy, NULL) != PH_OK || fclose(out) != 0) {
        abort();
    }
    struct ph_policy *again = parse(text, len);
    if (again == NULL || again->role_count != policy->role_count) {
        abort();
    }
    free(text);
    ph_policy_free(&again);
    ph_policy_free(&policy);
    return 0;
}
