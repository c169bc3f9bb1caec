#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/file.h"
#include "base/limits.h"
#include "x509/issue_fixture.h"
#include "x509/openssl.h"
#include "x509/trust.h"

static void store(const char *path, const struct ph_certificate *a, const struct ph_certificate *b)
{
    struct ph_error error = {0};
    struct ph_buf pem;
    ph_buf_init(&pem, PH_LIMIT_CERTIFICATE_BYTES);
    assert_int_equal(ph_certificate_print(a, &pem, &error), PH_OK);
    assert_int_equal(ph_certificate_print(b, &pem, &error), PH_OK);
    assert_int_equal(ph_file_store(path, 0644, pem.data, pem.len, &error), PH_OK);
    ph_buf_fini(&pem);
}

/* A leaf below a CA that may issue for `tenant` alone (NULL: for all). */
static void check(
    const char *tenant, const struct ph_certificate_content *leaf_content, const char *message)
{
    struct ph_error error = {0};
    char path[] = "/tmp/ph-issuer-test-XXXXXX";
    char *files[] = {path};
    char name[] = "devices";
    const struct ph_anchor anchor = {.name = name, .ca_files = files, .ca_file_count = 1};
    struct ph_trust *trust = NULL;
    struct ph_key *ca_key = new_key();
    struct ph_key *key = new_key();
    struct ph_certificate_content ca_content = content(PH_CERTIFICATE_CLIENT_CA, "devices");
    ca_content.permitted_organization = tenant;
    struct ph_certificate *ca = issue(&ca_content, ca_key, root, root_key);
    struct ph_certificate *leaf = issue(leaf_content, key, ca, ca_key);
    assert_true(close(mkstemp(path)) == 0);
    store(path, root, ca);
    assert_int_equal(ph_trust_load(&anchor, &trust, &error), PH_OK);
    enum ph_err err = ph_trust_check(trust, leaf, PH_USAGE_CLIENT, now_ms, NULL, NULL, &error);
    assert_int_equal(err, message == NULL ? PH_OK : PH_ERR_DENIED);
    assert_non_null(strstr(error.message, message == NULL ? "" : message));
    ph_trust_free(&trust);
    (void)unlink(path);
    ph_certificate_free(&leaf);
    ph_certificate_free(&ca);
    ph_key_free(&key);
    ph_key_free(&ca_key);
}

/* [CERT-31]: a tenant's CA cannot make a certificate for another tenant. */
static void constraints(void **state)
{
    (void)state;
    static const char outside[] = "name outside its CA's name constraints";
    struct ph_certificate_content leaf = content(PH_CERTIFICATE_CLIENT, "t-0001");
    leaf.organization = "acme";
    leaf.unit = "thermostat";
    check("acme", &leaf, NULL);
    check(NULL, &leaf, NULL);
    leaf.organization = "rival";
    check("acme", &leaf, outside);
    check(NULL, &leaf, NULL); /* the control: the constraint refused it */
    leaf.organization = "acme2";
    check("acme", &leaf, outside);
    leaf.organization = "acm";
    check("acme", &leaf, outside);
    leaf.organization = NULL;
    check("acme", &leaf, outside);
    /* RFC 5280, 7.1 compares names without case, so two tenants must differ in more. */
    leaf.organization = "ACME";
    check("acme", &leaf, NULL);
}

static void constraint_extension(void **state)
{
    (void)state;
    struct ph_certificate_content what = content(PH_CERTIFICATE_CLIENT_CA, "devices acme");
    what.permitted_organization = "acme";
    struct ph_certificate *ca = issue(&what, root_key, root, root_key);
    int critical = 0;
    NAME_CONSTRAINTS *names = X509_get_ext_d2i(ca->x509, NID_name_constraints, &critical, NULL);
    assert_non_null(names);
    assert_int_equal(critical, 1);
    assert_null(names->excludedSubtrees);
    assert_int_equal(sk_GENERAL_SUBTREE_num(names->permittedSubtrees), 1);
    const GENERAL_SUBTREE *subtree = sk_GENERAL_SUBTREE_value(names->permittedSubtrees, 0);
    assert_int_equal(subtree->base->type, GEN_DIRNAME);
    char text[PH_X509_NAME_BYTES];
    ph_x509_name_print(text, sizeof text, subtree->base->d.directoryName);
    assert_string_equal(text, "O=acme");
    NAME_CONSTRAINTS_free(names);
    ph_certificate_free(&ca);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constraints),
        cmocka_unit_test(constraint_extension),
    };
    return cmocka_run_group_tests_name("name_constraint", tests, set_up, tear_down);
}
