/* ph.domain.policy_overlap: no two roles whose clients could take each other's session or topics.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "domain/policy.h"
#include "domain/policy_fixture.h"

static struct policy_fixture f;

static void assert_refused(const char *message)
{
    struct ph_error error = {0};
    assert_int_equal(ph_policy_validate(&f.policy, &error), PH_ERR_CONFIG);
    if (strstr(error.message, message) == NULL) {
        fail_msg("want \"%s\", have \"%s\"", message, error.message);
    }
}

static void assert_good(int i)
{
    struct ph_error error = {0};
    if (ph_policy_validate(&f.policy, &error) != PH_OK) {
        fail_msg("case %d: %s", i, error.message);
    }
}

/* [ID-15] whatever their client ids */
static void anchors_do_not_share_identities(void **state)
{
    (void)state;
    static char *service[1];
    static char *tenants[3];
    service[0] = text("service");
    tenants[0] = text("globex");
    tenants[1] = text("initech");
    tenants[2] = text("acme");
    struct ph_role *device = &f.roles[1];
    struct ph_role *ingest = &f.roles[2];
    for (int i = 0; i < 12; i++) {
        policy_fixture_init(&f);
        device->match.kind = NULL;
        bool refused = false;
        switch (i) {
        case 0:
            refused = true; /* "ingest" beside "{tenant}/{kind}/{device}" */
            break;
        case 1:
            ingest->client_id = device->client_id;
            refused = true;
            break;
        case 2: /* patterns that meet */
            device->match.kind = text("serv*");
            ingest->match.device = text("ing*");
            ingest->client_id = text("ingest:{device}");
            refused = true;
            break;
        case 3:
            device->match.kind = text("thermostat");
            break;
        case 4:
            device->match.device = text("t-*");
            break;
        case 5:
            f.anchors[1].kinds = service;
            f.anchors[1].kind_count = 1;
            break;
        case 6: /* both list it */
            f.anchors[0].kinds = f.anchors[1].kinds = service;
            f.anchors[0].kind_count = f.anchors[1].kind_count = 1;
            refused = true;
            break;
        case 7:
            f.anchors[0].tenants = tenants;
            f.anchors[0].tenant_count = 2;
            break;
        case 8:
            device->match.tenant = text("globex");
            break;
        case 9: /* both list tenants, one in common, which the ingest role matches */
            f.anchors[1].tenants = tenants;
            f.anchors[1].tenant_count = 3;
            refused = true;
            break;
        case 10: /* the same, but the roles are for other tenants */
            f.anchors[1].tenants = tenants;
            f.anchors[1].tenant_count = 3;
            device->match.tenant = text("glo*");
            break;
        default: /* lists without a common tenant */
            f.anchors[1].tenants = &tenants[1];
            f.anchors[1].tenant_count = 1;
            ingest->match.tenant = text("initech");
            break;
        }
        if (refused) {
            assert_refused("roles \"device\" and \"ingest\": match: anchors \"devices\" and "
                           "\"services\" could both vouch for the same tenant, kind and device");
        } else {
            assert_good(i);
        }
    }
}

static const struct {
    const char *anchors[2]; /* of the roles "device" and "ingest" */
    const char *kinds[2];
    const char *devices[2];
    const char *client_ids[2];
    bool refused;
} pairs[] = {
    /* a name that one template spells out and the other leaves open */
    {{"devices", "services"}, {"thermo*", "service"}, {NULL, "ingest"},
        {"{tenant}/{kind}/{device}", "{tenant}/thermostat/{device}"}, true},
    {{"devices", "services"}, {"t", "service"}, {NULL, "ingest"},
        {"{tenant}/{kind}/{device}", "acme/t/x"}, true},
    {{"devices", "services"}, {"thermostat", "service"}, {NULL, "ingest"},
        {"{tenant}/{kind}/{device}", "{tenant}/service/{device}"}, false},
    {{"devices", "services"}, {"thermostat", "service"}, {NULL, "ingest"},
        {"{tenant}/{kind}/{device}", "service:{tenant}/{kind}/{device}"}, false},
    {{"devices", "services"}, {"thermostat", "service"}, {NULL, "ingest"},
        {"{tenant}/t-{device}", "{tenant}/s-{device}"}, false},
    {{"devices", "services"}, {"thermostat", "service"}, {"t*", "ingest"},
        {"{tenant}/a{device}", "{tenant}/at{device}"}, true},
    {{"devices", "services"}, {"thermostat", "service"}, {"t*", "ingest"},
        {"{tenant}/a{device}-z", "{tenant}/at{device}-y"}, false},
    {{"devices", "services"}, {"thermostat", "service"}, {"tinges*", "ingest"},
        {"{tenant}/{device}est", "{tenant}/t{device}"}, false}, /* too long to be "tingest" */
    /* what a connection chooses itself could be another's name */
    {{"devices", "services"}, {"thermostat", "service"}, {NULL, "ingest"},
        {"{tenant}/{device}/*", "{tenant}/{kind}/{device}"}, true},
    {{"devices", "services"}, {"thermostat", "service"}, {NULL, "ingest"},
        {"{tenant}/{kind}/{device}", "{tenant}/thermostat/*"}, true},
    {{"devices", "services"}, {"thermostat", "service"}, {NULL, "ingest"},
        {"{tenant}/{kind}/{device}", "{tenant}/service/*"}, false},
    {{"devices", "services"}, {"thermostat", "service"}, {NULL, "ingest"},
        {"claim:{tenant}/{device}/*", "claim:{tenant}/{device}/main"}, true},
    {{"devices", "services"}, {"thermostat", "service"}, {NULL, "ingest"},
        {"claim:{tenant}/{device}/*", "claim:{tenant}/{device}"}, false},
    {{"devices", "services"}, {"thermostat", "service"}, {"t-*", "ingest"},
        {"claim:{tenant}/{device}/*", "claim:{tenant}/{device}/main"}, false},
    {{"devices", "devices"}, {"thermostat", "meter"}, {NULL, NULL},
        {"{tenant}/{device}/*", "{tenant}/{device}/*"}, true},
    {{"devices", "devices"}, {"thermostat", "meter"}, {NULL, NULL},
        {"c:{tenant}/{kind}/{device}/*", "c:{tenant}/{kind}/{device}/*"}, false},
    /* one anchor: roles that leave out what tells their clients apart */
    {{"devices", "devices"}, {"thermostat", "meter"}, {NULL, NULL},
        {"{tenant}/{device}", "{tenant}/{device}"}, true},
    {{"devices", "devices"}, {"thermostat", "meter"}, {"t-*", "m-*"},
        {"{tenant}/{device}", "{tenant}/{device}"}, false},
    {{"devices", "devices"}, {"thermostat", "meter"}, {NULL, NULL},
        {"{tenant}/{kind}/{device}", "{tenant}/thermostat/{device}"}, true},
    {{"devices", "devices"}, {"thermostat", NULL}, {NULL, NULL},
        {"{tenant}/{kind}/{device}", "{tenant}/{kind}/{device}"}, false},
};

/* [ID-12] whatever the templates */
static void roles_do_not_share_client_ids(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        policy_fixture_init(&f);
        for (size_t k = 0; k < 2; k++) {
            struct ph_role *role = &f.roles[k + 1];
            role->match = (struct ph_role_match){.anchor = text(pairs[i].anchors[k]),
                .kind = text(pairs[i].kinds[k]),
                .device = text(pairs[i].devices[k])};
            role->client_id = text(pairs[i].client_ids[k]);
        }
        f.roles[2].match.tenant = f.roles[2].match.device != NULL ? text("acme") : NULL;
        struct ph_error error = {0};
        enum ph_err err = ph_policy_check_overlap(&f.policy, &error);
        bool as_wanted = pairs[i].refused
                             ? err == PH_ERR_CONFIG &&
                                   strstr(error.message,
                                       "roles \"device\" and \"ingest\": client_id: two clients "
                                       "could share one, filled into \"") != NULL
                             : err == PH_OK;
        if (!as_wanted) {
            fail_msg("pair %zu: have %s \"%s\"", i, ph_err_name(err), error.message);
        }
    }
}

/* [POL-28]: half a million pairs; the test's time limit is what holds it to seconds. */
static void a_thousand_roles_are_compared(void **state)
{
    (void)state;
    static struct ph_role roles[PH_LIMIT_POLICY_ROLES];
    static char texts[PH_LIMIT_POLICY_ROLES][3][40];
    policy_fixture_init(&f);
    for (size_t i = 0; i < PH_LIMIT_POLICY_ROLES; i++) {
        roles[i] = f.roles[1];
        (void)snprintf(texts[i][0], sizeof texts[i][0], "r%zu", i);
        (void)snprintf(texts[i][1], sizeof texts[i][1], "d%zu-*", i);
        (void)snprintf(texts[i][2], sizeof texts[i][2], "%zu:{tenant}/{kind}/{device}", i);
        roles[i].name = texts[i][0];
        roles[i].match.device = texts[i][1];
        roles[i].client_id = texts[i][2];
        roles[i].match.anchor = f.anchors[i % 2].name;
    }
    f.policy.roles = roles;
    f.policy.role_count = PH_LIMIT_POLICY_ROLES;
    assert_good(0);
    roles[PH_LIMIT_POLICY_ROLES - 1].match.device = text("d1022-*");
    assert_refused("roles \"r1022\" and \"r1023\": match: anchors");
}

/* [POL-28]: nor are lists of a thousand tenants gone through for each pair. */
static void long_lists_are_compared(void **state)
{
    (void)state;
    static struct ph_anchor anchors[PH_LIMIT_POLICY_ANCHORS];
    static struct ph_role roles[PH_LIMIT_POLICY_ROLES];
    static char tenants[PH_LIMIT_POLICY_ANCHORS][PH_LIMIT_POLICY_TENANTS][16];
    static char *lists[PH_LIMIT_POLICY_ANCHORS][PH_LIMIT_POLICY_TENANTS];
    static char names[PH_LIMIT_POLICY_ROLES][2][16];
    policy_fixture_init(&f);
    for (size_t i = 0; i < PH_LIMIT_POLICY_ANCHORS; i++) {
        anchors[i] = f.anchors[1];
        anchors[i].name = names[i][0];
        anchors[i].tenants = lists[i];
        anchors[i].tenant_count = PH_LIMIT_POLICY_TENANTS;
        for (size_t k = 0; k < PH_LIMIT_POLICY_TENANTS; k++) {
            (void)snprintf(tenants[i][k], sizeof tenants[i][k], "%zu-%zu", i, k);
            lists[i][k] = tenants[i][k];
        }
    }
    for (size_t i = 0; i < PH_LIMIT_POLICY_ROLES; i++) {
        size_t anchor = i % PH_LIMIT_POLICY_ANCHORS;
        (void)snprintf(names[i][0], sizeof names[i][0], "n%zu", i);
        (void)snprintf(names[i][1], sizeof names[i][1], "d%zu-*", i);
        roles[i] = f.roles[1];
        roles[i].name = names[i][0];
        roles[i].match = (struct ph_role_match){.anchor = anchors[anchor].name,
            .kind = text(anchor % 2 == 0 ? "even" : "odd"),
            .device = names[i][1]};
        roles[i].client_id = text("{tenant}/{device}");
    }
    f.policy = (struct ph_policy){.anchors = anchors,
        .anchor_count = PH_LIMIT_POLICY_ANCHORS,
        .roles = roles,
        .role_count = PH_LIMIT_POLICY_ROLES};
    assert_good(0);
    roles[PH_LIMIT_POLICY_ROLES - 1].match.device = text("*");
    assert_good(1);
    lists[2][PH_LIMIT_POLICY_TENANTS - 1] = tenants[PH_LIMIT_POLICY_ANCHORS - 1][0];
    assert_refused("roles \"n2\" and \"n1023\": client_id: two clients could share one");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anchors_do_not_share_identities),
        cmocka_unit_test(roles_do_not_share_client_ids),
        cmocka_unit_test(a_thousand_roles_are_compared),
        cmocka_unit_test(long_lists_are_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
