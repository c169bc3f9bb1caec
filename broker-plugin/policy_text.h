/* A policy from its text, for tests. */
#ifndef PH_BROKER_PLUGIN_POLICY_TEXT_H
#define PH_BROKER_PLUGIN_POLICY_TEXT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "config/policy_file.h"
#include "domain/identity.h"

#define ANCHORS                                                                                    \
    "anchors:\n"                                                                                   \
    "  - {name: devices, ca: [d.pem], crl: [c.pem], tenants: [acme, globex]}\n"                    \
    "  - {name: services, ca: [s.pem], crl: [c.pem], kinds: [service]}\n"

/* The policy with these roles under the anchors above; the test fails when it is not valid. */
static inline struct ph_policy *policy_text(const char *roles)
{
    char text[8192];
    struct ph_policy *policy = NULL;
    struct ph_error error = {0};
    int len = snprintf(text, sizeof text, "%sroles:\n%s", ANCHORS, roles);
    if (ph_policy_parse("test.yaml", text, (size_t)len, &policy, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    return policy;
}

static inline struct ph_identity identity_text(const char *anchor, const char *name)
{
    struct ph_identity identity = {0};
    struct ph_error error = {0};
    if (ph_identity_parse(name, &identity, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    (void)snprintf(identity.anchor, sizeof identity.anchor, "%s", anchor);
    return identity;
}

#endif
