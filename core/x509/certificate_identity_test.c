#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "x509/certificate.h"
#include "x509/test_pki.h"

static struct ph_test_pki *pki;
static char dir[] = "/tmp/ph-identity-test-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    pki = ph_test_pki_new(dir, ph_clock_unix_ms());
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ph_test_pki_free(&pki);
    return rmdir(dir);
}

static void assert_message(const struct ph_error *error, const char *part)
{
    if (strstr(error->message, part) == NULL) {
        fail_msg("want \"%s\" in \"%s\"", part, error->message);
    }
}

/* CERT-1: tenant, kind and device are O, OU and CN. */
static void subject_names(void **state)
{
    (void)state;
    struct ph_identity identity;
    struct ph_error error = {0};
    assert_int_equal(
        ph_certificate_identity(ph_test_pki_leaf(pki, PH_TEST_GOOD), &identity, &error), PH_OK);
    assert_string_equal(identity.tenant, "acme");
    assert_string_equal(identity.kind, "thermostat");
    assert_string_equal(identity.device, "t-0001");
    assert_string_equal(identity.anchor, "");
}

/* CERT-1, CERT-2, CERT-3. */
static void subject_names_refused(void **state)
{
    (void)state;
    static const struct {
        enum ph_test_leaf leaf;
        const char *message;
    } cases[] = {
        {PH_TEST_TWO_CN, "subject CN: want it exactly once, have it more than once"},
        {PH_TEST_NO_CN, "subject CN: want it exactly once, have none"},
        {PH_TEST_BMP_CN, "subject CN: want UTF8String or PrintableString, have BMPSTRING"},
        {PH_TEST_UNIVERSAL_CN,
            "subject CN: want UTF8String or PrintableString, have UNIVERSALSTRING"},
        {PH_TEST_NUL_CN, "have \"t-0001\\x00.evil\" (12 bytes)"},
        {PH_TEST_NEWLINE_CN, "have \"t-0001\\x0aforged line\""},
        {PH_TEST_ESCAPE_CN, "have \"t-0001\\x1b[2J\""},
        {PH_TEST_LOOKALIKE_CN, "subject CN: want [A-Za-z0-9]"},
        {PH_TEST_WILDCARD_CN, "subject CN: want [A-Za-z0-9]"},
        {PH_TEST_HASH_CN, "have \"#\""},
        {PH_TEST_SLASH_CN, "have \"t-0001/x\""},
        {PH_TEST_EMPTY_CN, "have \"\" (0 bytes)"},
        {PH_TEST_LONG_CN, "(65 bytes)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_identity identity = {.tenant = "untouched"};
        struct ph_error error = {0};
        assert_int_equal(
            ph_certificate_identity(ph_test_pki_leaf(pki, cases[i].leaf), &identity, &error),
            PH_ERR_DENIED);
        assert_message(&error, cases[i].message);
        assert_string_equal(identity.tenant, "untouched");
    }
}

/* An anchor "fleet" of one tenant "solo" and one kind "sensor". */
static enum ph_err identify(enum ph_test_leaf leaf, enum ph_identity_source source,
    const char *template, struct ph_identity *out, struct ph_error *error)
{
    char name[] = "fleet";
    char tenant[] = "solo";
    char kind[] = "sensor";
    char text[128] = "";
    char *tenants[] = {tenant};
    char *kinds[] = {kind};
    (void)snprintf(text, sizeof text, "%s", template != NULL ? template : "");
    struct ph_anchor anchor = {.name = name,
        .identity = source,
        .identity_template = template != NULL ? text : NULL,
        .tenants = tenants,
        .tenant_count = 1,
        .kinds = kinds,
        .kind_count = 1};
    return ph_certificate_identity_by(ph_test_pki_leaf(pki, leaf), &anchor, out, error);
}

#define URN      "urn:acme:{tenant}:{kind}:{device}"
#define DNS_NAME "{device}.{kind}.example"

/* CERT-16, CERT-17, CERT-18: each source, others in the same certificate notwithstanding. */
static void sources(void **state)
{
    (void)state;
    static const struct {
        enum ph_test_leaf leaf;
        enum ph_identity_source source;
        const char *template;
        const char *want;
    } cases[] = {
        {PH_TEST_GOOD, PH_IDENTITY_SUBJECT, NULL, "acme/thermostat/t-0001"},
        {PH_TEST_GOOD, PH_IDENTITY_COMMON_NAME, "{device}", "solo/sensor/t-0001"},
        {PH_TEST_GOOD, PH_IDENTITY_COMMON_NAME, "{kind}-{device}", "solo/t/0001"},
        {PH_TEST_TWO_URIS, PH_IDENTITY_COMMON_NAME, "t-{device}", "solo/sensor/0001"},
        {PH_TEST_URI, PH_IDENTITY_URI, URN, "north/thermostat/t-0001"},
        {PH_TEST_URI, PH_IDENTITY_URI, "urn:acme:north:thermostat:{device}", "solo/sensor/t-0001"},
        {PH_TEST_URI, PH_IDENTITY_DNS, DNS_NAME, "solo/thermostat/t-0001"},
        {PH_TEST_SERIAL_NUMBER, PH_IDENTITY_SERIAL_NUMBER, "SN-{device}", "solo/sensor/0001"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_identity identity;
        struct ph_error error = {0};
        char text[256];
        if (identify(cases[i].leaf, cases[i].source, cases[i].template, &identity, &error) !=
            PH_OK) {
            fail_msg("case %zu: %s", i, error.message);
        }
        ph_identity_print(text, sizeof text, &identity);
        assert_string_equal(text, cases[i].want);
        assert_string_equal(identity.anchor, "fleet");
    }
}

/* CERT-16, CERT-17: no source falls through to another. */
static void sources_refused(void **state)
{
    (void)state;
    static const struct {
        enum ph_test_leaf leaf;
        enum ph_identity_source source;
        const char *template;
        const char *message;
    } cases[] = {
        {PH_TEST_TWO_CN, PH_IDENTITY_COMMON_NAME, "{device}", "subject CN: want it exactly once"},
        {PH_TEST_NO_CN, PH_IDENTITY_COMMON_NAME, "{device}", "subject CN: want it exactly once"},
        {PH_TEST_BMP_CN, PH_IDENTITY_COMMON_NAME, "{device}",
            "subject CN: want UTF8String, PrintableString or IA5String, have BMPSTRING"},
        {PH_TEST_NUL_CN, PH_IDENTITY_COMMON_NAME, "{device}", "have \"t-0001\\x00.evil\""},
        {PH_TEST_NEWLINE_CN, PH_IDENTITY_COMMON_NAME, "{device}", "t-0001\\x0aforged line"},
        {PH_TEST_LONG_CN, PH_IDENTITY_COMMON_NAME, "{device}", "subject CN: want \"{device}\""},
        {PH_TEST_EMPTY_CN, PH_IDENTITY_COMMON_NAME, "{device}", "have \"\""},
        {PH_TEST_SLASH_CN, PH_IDENTITY_COMMON_NAME, "{device}", "have \"t-0001/x\""},
        {PH_TEST_GOOD, PH_IDENTITY_COMMON_NAME, NULL, "anchor fleet: identity_template: want one"},
        {PH_TEST_GOOD, PH_IDENTITY_SERIAL_NUMBER, "{device}",
            "subject serialNumber: want it exactly once, have none"},
        {PH_TEST_TWO_SERIAL_NUMBERS, PH_IDENTITY_SERIAL_NUMBER, "{device}",
            "subject serialNumber: want it exactly once, have it more than once"},
        {PH_TEST_GOOD, PH_IDENTITY_URI, URN, "subjectAltName URI: want it exactly once, have none"},
        {PH_TEST_TWO_URIS, PH_IDENTITY_URI, URN,
            "subjectAltName URI: want it exactly once, have it more than once"},
        {PH_TEST_NUL_URI, PH_IDENTITY_URI, URN, "t-0001\\x00.evil"},
        {PH_TEST_NEWLINE_URI, PH_IDENTITY_URI, URN, "t-0001\\x0aforged"},
        {PH_TEST_URI, PH_IDENTITY_URI, "urn:other:{tenant}:{kind}:{device}",
            "subjectAltName URI: want \"urn:other:{tenant}:{kind}:{device}\", have \"urn:acme:"},
        {PH_TEST_GOOD, PH_IDENTITY_DNS, DNS_NAME,
            "subjectAltName DNS name: want it exactly once, have none"},
        {PH_TEST_TWO_URIS, PH_IDENTITY_DNS, DNS_NAME,
            "subjectAltName DNS name: want it exactly once, have it more than once"},
        {PH_TEST_UPPER_DNS, PH_IDENTITY_DNS, DNS_NAME,
            "subjectAltName DNS name: want it in lower case"},
        {PH_TEST_WILDCARD_DNS, PH_IDENTITY_DNS, DNS_NAME, "have \"*.thermostat.example\""},
        {PH_TEST_TWO_CN, PH_IDENTITY_SUBJECT, NULL, "subject CN: want it exactly once"},
        {PH_TEST_GOOD, (enum ph_identity_source)99, "{device}", "identity: not a known source"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_identity identity = {.tenant = "untouched"};
        struct ph_error error = {0};
        enum ph_err err =
            identify(cases[i].leaf, cases[i].source, cases[i].template, &identity, &error);
        assert_message(&error, cases[i].message);
        assert_int_equal(err, PH_ERR_DENIED);
        assert_string_equal(identity.tenant, "untouched");
    }
}

/* CERT-18: what the template does not name must be the anchor's only one. */
static void nothing_to_complete(void **state)
{
    (void)state;
    char name[] = "fleet";
    char template[] = "{tenant}-{device}";
    char kind[] = "sensor";
    char *kinds[] = {kind, kind};
    struct ph_anchor anchor = {.name = name,
        .identity = PH_IDENTITY_COMMON_NAME,
        .identity_template = template,
        .kinds = kinds};
    for (anchor.kind_count = 0; anchor.kind_count <= 2; anchor.kind_count += 2) {
        struct ph_identity identity = {.tenant = "untouched"};
        struct ph_error error = {0};
        assert_int_equal(ph_certificate_identity_by(
                             ph_test_pki_leaf(pki, PH_TEST_GOOD), &anchor, &identity, &error),
            PH_ERR_DENIED);
        assert_message(&error, "kind: not in the anchor's identity_template, and the anchor lists");
        assert_string_equal(identity.tenant, "untouched");
    }
}

/* CERT-26: what is repeated, in another encoding or not known is left out; a NUL is escaped. */
static void subject_attributes(void **state)
{
    (void)state;
    char subject[PH_SUBJECT_BYTES];
    memset(subject, 'x', sizeof subject);
    ph_certificate_subject(ph_test_pki_leaf(pki, PH_TEST_SUBJECT), subject);
    assert_string_equal(ph_subject_get(subject, "O"), "acme");
    assert_string_equal(ph_subject_get(subject, "OU"), "thermostat");
    assert_string_equal(ph_subject_get(subject, "CN"), "t-0001");
    assert_string_equal(ph_subject_get(subject, "L"), "Berlin");
    assert_string_equal(ph_subject_get(subject, "C"), "DE");
    assert_string_equal(ph_subject_get(subject, "street"), "Hof\\x00\\x0a5");
    assert_string_equal(ph_subject_get(subject, "emailAddress"), "t@acme.example");
    assert_null(ph_subject_get(subject, "DC"));
    assert_null(ph_subject_get(subject, "title"));
    assert_null(ph_subject_get(subject, "givenName"));
    ph_certificate_subject(ph_test_pki_leaf(pki, PH_TEST_TWO_CN), subject);
    assert_null(ph_subject_get(subject, "CN"));
    ph_certificate_subject(ph_test_pki_leaf(pki, PH_TEST_SERIAL_NUMBER), subject);
    assert_string_equal(ph_subject_get(subject, "serialNumber"), "SN-0001");
}

/* CERT-26: an attribute that does not fit is left out, not cut. */
static void long_attribute(void **state)
{
    (void)state;
    char subject[PH_SUBJECT_BYTES];
    ph_certificate_subject(ph_test_pki_leaf(pki, PH_TEST_LONG_SUBJECT), subject);
    assert_string_equal(ph_subject_get(subject, "CN"), "t-0001");
    assert_int_equal(strlen(ph_subject_get(subject, "L")), 400);
    assert_null(ph_subject_get(subject, "ST"));
    assert_string_equal(ph_subject_get(subject, "C"), "DE");
    assert_true(ph_subject_size(subject) <= sizeof subject);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subject_names),
        cmocka_unit_test(subject_names_refused),
        cmocka_unit_test(sources),
        cmocka_unit_test(sources_refused),
        cmocka_unit_test(nothing_to_complete),
        cmocka_unit_test(subject_attributes),
        cmocka_unit_test(long_attribute),
    };
    return cmocka_run_group_tests_name("certificate_identity", tests, set_up, tear_down);
}
