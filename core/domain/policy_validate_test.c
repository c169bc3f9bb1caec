/* ph.domain.policy_validate: every rule refuses with the name of what broke it. */
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

static int set_up(void **state)
{
    (void)state;
    policy_fixture_init(&f);
    return 0;
}

static void assert_refused(const char *message)
{
    struct ph_error error = {0};
    assert_int_equal(ph_policy_validate(&f.policy, &error), PH_ERR_CONFIG);
    if (strstr(error.message, message) == NULL) {
        fail_msg("want \"%s\", have \"%s\"", message, error.message);
    }
    policy_fixture_init(&f);
}

static void the_fixture_is_valid(void **state)
{
    (void)state;
    struct ph_error error = {0};
    if (ph_policy_validate(&f.policy, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
}

static void counts(void **state)
{
    (void)state;
    f.policy.anchor_count = 0;
    assert_refused("anchors: want 1 to 64, have 0");
    f.policy.role_count = 0;
    assert_refused("roles: want 1 to 256, have 0");
    f.policy.role_count = PH_LIMIT_POLICY_ROLES + 1;
    assert_refused("roles: want 1 to 256, have 257");
    f.policy.anchor_count = PH_LIMIT_POLICY_ANCHORS + 1;
    assert_refused("anchors: want 1 to 64, have 65");
    f.roles[1].publish.count = PH_LIMIT_ROLE_FILTERS + 1;
    assert_refused("role \"device\": publish: want at most 64, have 65");
}

/* [ID-8] */
static void anchors(void **state)
{
    (void)state;
    f.anchors[0].name = text("a b");
    assert_refused("anchor 1: name: want 1 to 64 of A-Z a-z 0-9 . _ -, have \"a b\"");
    f.anchors[1].name = NULL;
    assert_refused("anchor 2: name:");
    f.anchors[1].name = text("devices");
    assert_refused("anchor \"devices\": name: used by two anchors");
    f.anchors[0].ca_file_count = 0;
    assert_refused("anchor \"devices\": ca: want at least one file");
    f.anchors[0].crl_file_count = 0;
    assert_refused("anchor \"devices\": crl: want at least one file, or crl_required: false");
    f.files[0] = text("");
    assert_refused("anchor \"devices\": ca: want file names, have an empty one");
    f.files[0] = NULL;
    assert_refused("anchor \"devices\": ca: want file names");
    f.tenants[1] = text("ac*");
    assert_refused("anchor \"devices\": tenants: want tenant names without patterns, have \"ac*\"");
    f.anchors[0].tenant_count = PH_LIMIT_POLICY_TENANTS + 1;
    assert_refused("anchor \"devices\": tenants: want at most 1024, have 1025");
    f.anchors[1].crl_file_count = PH_LIMIT_POLICY_FILES + 1;
    assert_refused("anchor \"services\": crl: want at most 64, have 65");
    f.anchors[0].kinds = f.files;
    f.anchors[0].kind_count = 1;
    f.files[0] = text("a/b");
    assert_refused("anchor \"devices\": kinds: want kind names without patterns, have \"a/b\"");
}

/* [ID-12] two anchors, one client id */
static void anchors_do_not_share_client_ids(void **state)
{
    (void)state;
    static char *service[1];
    static char *globex[1];
    service[0] = text("service");
    globex[0] = text("globex");
    const char *message =
        "roles \"device\" and \"ingest\": client_id: clients of anchors \"devices\" and "
        "\"services\" could share \"{tenant}/{kind}/{device}\"";
    struct ph_role *device = &f.roles[1];
    struct ph_role *ingest = &f.roles[2];
    for (int i = 0; i < 8; i++) {
        policy_fixture_init(&f);
        device->match.kind = NULL;
        ingest->client_id = device->client_id;
        switch (i) {
        case 0:
            assert_refused(message);
            continue;
        case 1: /* the same, seen through patterns that meet */
            device->match.kind = text("serv*");
            ingest->match.device = text("ing*");
            assert_refused(message);
            continue;
        case 2:
            device->match.kind = text("thermostat");
            break;
        case 3:
            device->match.device = text("t-*");
            break;
        case 4:
            f.anchors[1].kinds = service;
            f.anchors[1].kind_count = 1;
            break;
        case 5: /* both list it */
            f.anchors[0].kinds = f.anchors[1].kinds = service;
            f.anchors[0].kind_count = f.anchors[1].kind_count = 1;
            assert_refused(message);
            continue;
        case 6:
            f.anchors[0].tenants = globex;
            f.anchors[0].tenant_count = 1;
            break;
        default:
            device->match.tenant = text("globex");
            break;
        }
        struct ph_error error = {0};
        if (ph_policy_validate(&f.policy, &error) != PH_OK) {
            fail_msg("case %d: %s", i, error.message);
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
    {{"devices", "services"}, {NULL, "service"}, {NULL, "ingest"},
        {"{tenant}/{kind}/{device}", "{tenant}/service/{device}"}, true},
    {{"devices", "services"}, {NULL, "service"}, {NULL, "ingest"},
        {"{tenant}/{kind}/{device}", "acme/t/x"}, true},
    {{"devices", "services"}, {"thermostat", "service"}, {NULL, "ingest"},
        {"{tenant}/{kind}/{device}", "{tenant}/service/{device}"}, false},
    {{"devices", "services"}, {NULL, "service"}, {NULL, "ingest"},
        {"{tenant}/{kind}/{device}", "service:{tenant}/{kind}/{device}"}, false},
    {{"devices", "services"}, {NULL, "service"}, {NULL, "ingest"},
        {"{tenant}/{kind}/t-{device}", "{tenant}/{kind}/s-{device}"}, false},
    {{"devices", "services"}, {NULL, "service"}, {"t*", "ingest"},
        {"{tenant}/{kind}/a{device}", "{tenant}/{kind}/at{device}"}, true},
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
            role->match = (struct ph_role_match){text(pairs[i].anchors[k]), NULL,
                text(pairs[i].kinds[k]), text(pairs[i].devices[k])};
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

/* [ID-7] */
static void role_names_and_matches(void **state)
{
    (void)state;
    f.roles[2].name = text("a:b");
    assert_refused("role 3: name: want 1 to 64");
    f.roles[2].name = text("device");
    assert_refused("role \"device\": name: used by two roles");
    f.roles[1].match.anchor = NULL;
    assert_refused("role \"device\": match: anchor: want one of the policy's anchors, have \"\"");
    f.roles[1].match.anchor = text("device");
    assert_refused("match: anchor: want one of the policy's anchors, have \"device\"");
    static const char *const bad[] = {"", "a*b", "**", "*a", "-*", "a/b", "+", "{tenant}", "a b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        f.roles[1].match.kind = text(bad[i]);
        assert_refused("role \"device\": match: kind: want a name or the beginning of one and '*'");
    }
    f.roles[1].match.tenant = text("a b");
    assert_refused("match: tenant:");
    f.roles[1].match.device = text("a b");
    assert_refused("match: device:");
    f.roles[1].match.device = text("*");
    assert_int_equal(ph_policy_validate(&f.policy, NULL), PH_OK);
}

/* [ID-9] [ID-10] */
static void client_ids_are_unlike(void **state)
{
    (void)state;
    f.roles[1].client_id = NULL;
    assert_refused("role \"device\": client_id: missing");
    f.roles[1].client_id = text("{tenant");
    assert_refused("role \"device\": client_id: template \"{tenant\": want only");
    f.roles[1].client_id = text("{tenant}/{device}/{tenant}/{device}");
    assert_refused("longer than 255 bytes");
    f.roles[1].client_id = text("{device}");
    assert_refused("client_id: two devices could share \"{device}\"; put {tenant} into it");
    f.roles[1].client_id = text("fixed");
    assert_refused("put {tenant} into it");
    f.roles[1].match.tenant = text("ac*");
    f.roles[1].client_id = text("{device}");
    assert_refused("put {tenant} into it");
    f.roles[1].client_id = text("{tenant}{device}");
    assert_refused("want a separator such as '/' after each name");
    f.roles[1].client_id = text("{tenant}-{device}");
    assert_refused("want a separator such as '/' after each name");
    static const char *const good[] = {"{tenant}/{device}", "{tenant}-x:{device}-y",
        "dev {device}/{tenant}", "{tenant}/{kind}/{device}"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        f.roles[1].client_id = text(good[i]); /* its kind is exact */
        assert_int_equal(ph_policy_validate(&f.policy, NULL), PH_OK);
    }
}

/* [TOP-22] [TOP-37] */
static void lists(void **state)
{
    (void)state;
    f.device_publish[1] = text("a/{what}");
    assert_refused("role \"device\": publish: template \"a/{what}\": want only");
    f.device_subscribe[0] = text("{tenant}#");
    assert_refused("role \"device\": subscribe: template \"{tenant}#\": filter");
    f.device_subscribe[0] = NULL;
    assert_refused("role \"device\": subscribe: template \"\": want at least one character");
    f.ingest_receive[0] = text("a/#/b");
    assert_refused("role \"ingest\": receive: ");
    f.device_will[0] = text("$share/g/x");
    assert_refused("role \"device\": will: ");
    f.device_will[0] = text("ph/v1/{tenant}/{kind}/+/status");
    assert_refused("will: \"ph/v1/{tenant}/{kind}/+/status\" is not covered by publish");
    f.device_will[0] = text("ph/v1/{tenant}/{kind}/{kind}/status");
    assert_refused("is not covered by publish; add it there");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_fixture_is_valid, set_up),
        cmocka_unit_test_setup(counts, set_up),
        cmocka_unit_test_setup(anchors, set_up),
        cmocka_unit_test_setup(anchors_do_not_share_client_ids, set_up),
        cmocka_unit_test_setup(roles_do_not_share_client_ids, set_up),
        cmocka_unit_test_setup(role_names_and_matches, set_up),
        cmocka_unit_test_setup(client_ids_are_unlike, set_up),
        cmocka_unit_test_setup(lists, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
