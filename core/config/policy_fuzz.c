/* Policy files: hostile bytes are refused; what loads prints as something that loads to the same
 * policy, lint can read it, and its decisions agree with each other. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/policy_file.h"
#include "domain/policy_lint.h"
#include "domain/subject.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static struct ph_policy *parse(const void *data, size_t size)
{
    struct ph_policy *policy = NULL;
    struct ph_error error = {0};
    enum ph_err err = ph_policy_parse("/p/policy.yaml", data, size, &policy, &error);
    require((err == PH_OK) == (policy != NULL));
    require(err == PH_OK || (error.message[0] != '\0' && strchr(error.message, '\n') == NULL));
    return policy;
}

static char *print(const struct ph_policy *policy, size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);
    require(out != NULL && ph_policy_print(out, policy, NULL) == PH_OK && fclose(out) == 0);
    return text;
}

static void check_print(const struct ph_policy *policy)
{
    size_t len = 0;
    size_t again_len = 0;
    char *text = print(policy, &len);
    struct ph_policy *again = parse(text, len);
    require(again != NULL);
    char *again_text = print(again, &again_len);
    require(len == again_len && memcmp(text, again_text, len) == 0);
    free(text);
    free(again_text);
    ph_policy_free(&again);
}

static void found(void *context, const struct ph_lint *finding)
{
    (void)context;
    require(ph_lint_known(finding->name) && finding->text[0] != '\0');
}

/* A name that the pattern holds for, or none. */
static void name_for(char out[PH_SEGMENT_BYTES], const char *pattern, char *const *list)
{
    const char *text = pattern != NULL ? pattern : list != NULL ? list[0] : "x";
    size_t len = strcspn(text, "*");
    (void)snprintf(out, PH_SEGMENT_BYTES, "%.*s%s", (int)len, text, len > 0 ? "" : "x");
}

/* What an identity made for the role may do, free and in quarantine. */
static void check_decisions(const struct ph_policy *policy, const struct ph_role *made_for)
{
    static const char *const topics[] = {
        "ph/v1/acme/thermostat/t-1/telemetry", "$SYS/x", "a/#", "x"};
    const struct ph_anchor *anchor = ph_policy_anchor(policy, made_for->match.anchor);
    struct ph_identity who = {0};
    const struct ph_role *role = NULL;
    const struct ph_role *kept = NULL;
    (void)snprintf(who.anchor, sizeof who.anchor, "%s", anchor->name);
    name_for(who.tenant, made_for->match.tenant, anchor->tenants);
    name_for(who.kind, made_for->match.kind, anchor->kinds);
    name_for(who.device, made_for->match.device, NULL);
    if (ph_policy_role_find(policy, &who, "L=x\0OU=y\0", &role, NULL) != PH_OK) {
        return;
    }
    require(ph_policy_role_keep(policy, &who, role->name, &kept, NULL) == PH_OK && kept == role);
    for (size_t i = 0; i < 4 * sizeof topics / sizeof topics[0]; i++) {
        enum ph_action action = (enum ph_action)(i % 4);
        const char *by = ph_policy_allows(policy, role, false, &who, action, topics[i / 4]);
        const char *still = ph_policy_allows(policy, role, true, &who, action, topics[i / 4]);
        require(by == ph_role_allows(role, &who, action, topics[i / 4]));
        require(still == NULL || (still == by && policy->quarantine != NULL));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ph_policy *policy = parse(data, size);
    if (policy == NULL) {
        return 0;
    }
    check_print(policy);
    ph_policy_lint(policy, found, NULL);
    for (size_t i = 0; i < policy->role_count; i++) {
        check_decisions(policy, &policy->roles[i]);
    }
    ph_policy_free(&policy);
    return 0;
}
