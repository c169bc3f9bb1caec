#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "certs/ca.h"
#include "certs/signers.h"
#include "x509/request.h"
#include "x509/trust.h"

static char dir[] = "/tmp/ph-signer-test-XXXXXX";
static char authority[64];
static int64_t now_ms;

static struct ph_error fatal; /* of what must succeed */

static void must(enum ph_err err)
{
    if (err != PH_OK) {
        fail_msg("%s", fatal.message);
    }
}

static int set_up(void **state)
{
    (void)state;
    struct ph_error error = {0};
    now_ms = ph_clock_unix_ms();
    const struct ph_ca_plan plan = {.name = "test",
        .now_ms = now_ms,
        .root_days = 100,
        .authority_days = 50,
        .root_crl_days = 20,
        .crl_days = 10};
    if (mkdtemp(dir) == NULL ||
        snprintf(authority, sizeof authority, "%s/pki", dir) >= (int)sizeof authority) {
        return -1;
    }
    if (ph_ca_create(authority, &plan, &error) != PH_OK) {
        (void)fprintf(stderr, "%s\n", error.message);
        return -1;
    }
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct ph_leaf_order order_of(const char *tenant, const char *kind, const char *name)
{
    return (struct ph_leaf_order){.tenant = tenant,
        .kind = kind,
        .name = name,
        .now_ms = now_ms,
        .not_before_ms = now_ms - PH_CA_BACKDATE_MS,
        .not_after_ms = now_ms + PH_DAY_MS};
}

static void leaf_init(struct ph_leaf *leaf)
{
    ph_buf_init(&leaf->key_pem, PH_LIMIT_CERTIFICATE_BYTES);
    ph_buf_init(&leaf->certificate_pem, PH_LIMIT_CERTIFICATE_BYTES);
    ph_buf_init(&leaf->der, PH_LIMIT_CERTIFICATE_BYTES);
}

static void leaf_reset(struct ph_leaf *leaf)
{
    ph_buf_reset(&leaf->key_pem);
    ph_buf_reset(&leaf->certificate_pem);
    ph_buf_reset(&leaf->der);
}

static void leaf_fini(struct ph_leaf *leaf)
{
    ph_buf_fini(&leaf->key_pem);
    ph_buf_fini(&leaf->certificate_pem);
    ph_buf_fini(&leaf->der);
}

static struct ph_ca *open_ca(void)
{
    struct ph_ca *ca = NULL;
    must(ph_ca_open(authority, &ca, &fatal));
    return ca;
}

/* The bundles of trust/ as a verifier has them. */
static struct ph_trust *load_trust(const char *bundle)
{
    char ca_path[128];
    char crl_path[128];
    struct ph_trust *trust = NULL;
    (void)snprintf(ca_path, sizeof ca_path, "%s/trust/%s", authority, bundle);
    (void)snprintf(crl_path, sizeof crl_path, "%s/trust/crl.pem", authority);
    char name[] = "test";
    char *ca_files[] = {ca_path};
    char *crl_files[] = {crl_path};
    const struct ph_anchor anchor = {.name = name,
        .ca_files = ca_files,
        .ca_file_count = 1,
        .crl_files = crl_files,
        .crl_file_count = 1,
        .crl_required = true};
    must(ph_trust_load(&anchor, &trust, &fatal));
    return trust;
}

static void assert_good(const struct ph_leaf *leaf, const struct ph_trust *trust,
    enum ph_usage usage, const char *identity)
{
    struct ph_certificate *certificate = NULL;
    struct ph_certificate_facts facts;
    struct ph_identity have = {0};
    char text[PH_IDENTITY_BYTES];
    must(ph_certificate_parse(leaf->der.data, leaf->der.len, &certificate, &fatal));
    must(ph_certificate_check_profile(certificate, usage, &fatal));
    must(ph_trust_check(trust, certificate, usage, now_ms, NULL, NULL, &fatal));
    must(ph_certificate_facts(certificate, &facts, &fatal));
    if (identity != NULL) {
        must(ph_certificate_identity(certificate, &have, &fatal));
        ph_identity_print(text, sizeof text, &have);
        assert_string_equal(text, identity);
    }
    assert_string_equal(facts.serial, leaf->entry.serial);
    assert_string_equal(facts.fingerprint, leaf->entry.fingerprint);
    assert_string_equal(facts.key_hash, leaf->entry.key_hash);
    assert_true(facts.not_before_ms == leaf->entry.not_before_ms);
    assert_true(facts.not_after_ms == leaf->entry.not_after_ms);
    ph_certificate_free(&certificate);
}

/* [CA-80], [CA-4]: whatever its names' lengths, each passes what its verifiers check, and the entry
 * says what the certificate says; also those between two whole checks. */
static void every_length(void **state)
{
    (void)state;
    struct ph_ca *ca = open_ca();
    struct ph_trust *trust = load_trust("devices.pem");
    struct ph_signer *signer = NULL;
    struct ph_leaf leaf;
    char names[3][PH_SEGMENT_BYTES];
    char identity[PH_IDENTITY_BYTES];
    leaf_init(&leaf);
    must(ph_signer_open(ca, PH_DEVICES, "acme", now_ms, &signer, &fatal));
    for (int i = 0; i < 200; i++) {
        for (int j = 0; j < 3; j++) {
            int len = 1 + (i * (2 * j + 1)) % PH_LIMIT_SEGMENT_BYTES;
            memset(names[j], 'a' + j, (size_t)len);
            names[j][len] = '\0';
        }
        const struct ph_leaf_order order = order_of(names[0], names[1], names[2]);
        (void)snprintf(identity, sizeof identity, "%s/%s/%s", names[0], names[1], names[2]);
        leaf_reset(&leaf);
        must(ph_signer_sign(signer, &order, NULL, &leaf, &fatal));
        assert_good(&leaf, trust, PH_USAGE_CLIENT, identity);
        assert_string_equal(leaf.entry.type, "device");
        assert_string_equal(leaf.entry.issuer, "devices");
    }
    ph_signer_close(&signer);
    ph_trust_free(&trust);
    leaf_fini(&leaf);
    ph_ca_close(&ca);
}

static void every_role(void **state) /* [CA-82] */
{
    (void)state;
    static const struct {
        enum ph_ca_role role;
        const char *bundle;
        const char *type;
        const char *identity;
    } cases[] = {
        {PH_SERVICES, "services.pem", "service", "acme/service/x"},
        {PH_CLAIMS, "claims.pem", "claim", "acme/claim/x"},
        {PH_BROKERS, "brokers.pem", "broker", NULL},
    };
    struct ph_ca *ca = open_ca();
    struct ph_leaf leaf;
    leaf_init(&leaf);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_signer *signer = NULL;
        struct ph_trust *trust = load_trust(cases[i].bundle);
        struct ph_leaf_order order = order_of("acme", NULL, "x");
        bool server = cases[i].role == PH_BROKERS;
        order.dns = (const char *const[]){"broker.example"};
        order.dns_count = server ? 1 : 0;
        leaf_reset(&leaf);
        must(ph_signer_open(ca, cases[i].role, "acme", now_ms, &signer, &fatal));
        must(ph_signer_sign(signer, &order, NULL, &leaf, &fatal));
        assert_good(&leaf, trust, server ? PH_USAGE_SERVER : PH_USAGE_CLIENT, cases[i].identity);
        assert_string_equal(leaf.entry.type, cases[i].type);
        ph_signer_close(&signer);
        ph_trust_free(&trust);
    }
    leaf_fini(&leaf);
    ph_ca_close(&ca);
}

static void lifetimes(void **state) /* [CA-11] */
{
    (void)state;
    struct ph_ca *ca = open_ca();
    struct ph_signer *signer = NULL;
    struct ph_error error = {0};
    struct ph_leaf leaf;
    leaf_init(&leaf);
    must(ph_signer_open(ca, PH_DEVICES, NULL, now_ms, &signer, &fatal));
    struct ph_leaf_order order = order_of("acme", "thermostat", "t-1");
    order.not_after_ms = now_ms + 51 * PH_DAY_MS;
    assert_int_equal(ph_signer_sign(signer, &order, NULL, &leaf, &error), PH_ERR_USAGE);
    assert_non_null(strstr(error.message, "beyond the CA \"CN=test devices\", which ends at"));
    assert_int_equal(leaf.der.len, 0);
    ph_error_clear(&error);
    order.cut_to_authority = true;
    must(ph_signer_sign(signer, &order, NULL, &leaf, &fatal));
    assert_true(leaf.entry.not_after_ms <= now_ms + 50 * PH_DAY_MS);
    assert_true(leaf.entry.not_after_ms > now_ms + 50 * PH_DAY_MS - 60000);
    order.not_after_ms = order.not_before_ms;
    assert_int_equal(ph_signer_sign(signer, &order, NULL, &leaf, &error), PH_ERR_USAGE);
    assert_non_null(strstr(error.message, "--not-after: want a time after --not-before"));
    ph_signer_close(&signer);
    leaf_fini(&leaf);
    ph_ca_close(&ca);
}

/* [CA-84]: a key from outside is certified, and no private key appears. */
static void outside_key(void **state)
{
    (void)state;
    struct ph_ca *ca = open_ca();
    struct ph_trust *trust = load_trust("devices.pem");
    struct ph_signer *signer = NULL;
    struct ph_key *key = NULL;
    struct ph_request *request = NULL;
    struct ph_buf pem;
    struct ph_leaf leaf;
    char hash[PH_FINGERPRINT_BYTES];
    leaf_init(&leaf);
    ph_buf_init(&pem, PH_LIMIT_CERTIFICATE_BYTES);
    must(ph_key_new(&key, &fatal));
    must(ph_key_hash(key, hash, &fatal));
    must(ph_request_make(key, NULL, &pem, &fatal));
    must(ph_request_parse(pem.data, pem.len, &request, &fatal));
    must(ph_signer_open(ca, PH_DEVICES, NULL, now_ms, &signer, &fatal));
    const struct ph_leaf_order order = order_of("acme", "thermostat", "t-1");
    must(ph_signer_sign(signer, &order, ph_request_key(request), &leaf, &fatal));
    assert_good(&leaf, trust, PH_USAGE_CLIENT, "acme/thermostat/t-1");
    assert_string_equal(leaf.entry.key_hash, hash);
    assert_int_equal(leaf.key_pem.len, 0);
    ph_signer_close(&signer);
    ph_request_free(&request);
    ph_key_free(&key);
    ph_trust_free(&trust);
    ph_buf_fini(&pem);
    leaf_fini(&leaf);
    ph_ca_close(&ca);
}

/* [CA-16], [CA-86]: a CA that only the inventory knows to be revoked; and what was opened before.
 */
static void revoked(void **state)
{
    (void)state;
    struct ph_ca *ca = open_ca();
    struct ph_inventory *inventory = ph_ca_inventory(ca);
    struct ph_error error = {0};
    struct ph_signer *signer = NULL;
    struct ph_signer *again = NULL;
    struct ph_signers *signers = NULL;
    struct ph_signer *borrowed = NULL;
    struct ph_authority services = {0};
    must(ph_signers_new(ca, PH_SERVICES, &signers, &fatal));
    must(ph_signers_get(signers, "acme", now_ms, &borrowed, &fatal));
    must(ph_signers_check(signers, now_ms, &fatal));
    must(ph_signer_open(ca, PH_SERVICES, NULL, now_ms, &signer, &fatal));
    assert_true(ph_signer_current(signer, now_ms));
    must(ph_authority_find(inventory, "services", &services, &fatal));
    struct ph_inventory_revocation revocation = {.now_ms = now_ms, .reason = 2};
    must(ph_inventory_begin(inventory, &fatal));
    must(ph_inventory_revoke_serial(inventory, services.serial, &revocation, &fatal));
    must(ph_inventory_commit(inventory, &fatal));
    assert_false(ph_signer_current(signer, now_ms));
    assert_int_equal(ph_signers_check(signers, now_ms, &error), PH_ERR_BUSY);
    assert_non_null(strstr(error.message, "/pki: services: the CAs were changed meanwhile: give"));
    ph_error_clear(&error);
    ph_signers_free(&signers);
    assert_int_equal(ph_signer_open(ca, PH_SERVICES, NULL, now_ms, &again, &error), PH_ERR_DENIED);
    assert_non_null(strstr(error.message, "/pki: services: revoked: it issues no more"));
    assert_null(again);
    ph_signer_close(&signer);
    ph_ca_close(&ca);
}

/* [CA-87]: by the tenant's own CA, which others do not get, each opened once. */
static void tenants_own(void **state)
{
    (void)state;
    struct ph_ca *ca = open_ca();
    const struct ph_authority_change change = {.role = PH_DEVICES,
        .tenant = "umbrella",
        .actor = {"tester", NULL},
        .now_ms = now_ms,
        .days = 40};
    struct ph_signers *signers = NULL;
    struct ph_signer *own = NULL;
    struct ph_signer *common = NULL;
    struct ph_signer *again = NULL;
    struct ph_leaf leaf;
    leaf_init(&leaf);
    must(ph_authority_add(ca, &change, &fatal));
    struct ph_trust *trust = load_trust("devices.pem");
    must(ph_signers_new(ca, PH_DEVICES, &signers, &fatal));
    must(ph_signers_get(signers, "umbrella", now_ms, &own, &fatal));
    must(ph_signers_get(signers, "acme", now_ms, &common, &fatal));
    must(ph_signers_get(signers, "umbrella", now_ms, &again, &fatal));
    assert_ptr_equal(own, again);
    assert_string_equal(ph_signer_authority(own)->name, "devices@umbrella");
    assert_string_equal(ph_signer_authority(common)->name, "devices");
    struct ph_leaf_order order = order_of("umbrella", "thermostat", "t-1");
    must(ph_signer_sign(own, &order, NULL, &leaf, &fatal));
    assert_good(&leaf, trust, PH_USAGE_CLIENT, "umbrella/thermostat/t-1");
    assert_string_equal(leaf.entry.issuer, "devices@umbrella");
    struct ph_error error = {0};
    leaf_reset(&leaf);
    order = order_of("acme", "thermostat", "t-1");
    assert_int_equal(ph_signer_sign(own, &order, NULL, &leaf, &error), PH_ERR_DENIED);
    assert_non_null(strstr(error.message, "devices@umbrella: signs for the tenant umbrella alone"));
    ph_signers_free(&signers);
    ph_trust_free(&trust);
    leaf_fini(&leaf);
    ph_ca_close(&ca);
}

/* [CA-23]: with the CRL out of date nothing is signed, also by a signer that is open. */
static void expired(void **state)
{
    (void)state;
    struct ph_ca *ca = open_ca();
    struct ph_error error = {0};
    struct ph_signer *signer = NULL;
    struct ph_signer *late = NULL;
    struct ph_leaf leaf;
    int64_t later_ms = now_ms + 11 * PH_DAY_MS;
    leaf_init(&leaf);
    must(ph_signer_open(ca, PH_DEVICES, NULL, now_ms, &signer, &fatal));
    assert_true(ph_signer_current(signer, now_ms));
    assert_false(ph_signer_current(signer, later_ms));
    struct ph_leaf_order order = order_of("acme", "thermostat", "t-1");
    order.now_ms = later_ms;
    order.not_after_ms = later_ms + PH_DAY_MS;
    assert_int_equal(ph_signer_sign(signer, &order, NULL, &leaf, &error), PH_ERR_DENIED);
    assert_non_null(strstr(error.message, "the CRL of devices or of the root has expired"));
    assert_int_equal(leaf.der.len, 0);
    ph_error_clear(&error);
    assert_int_equal(ph_signer_open(ca, PH_DEVICES, NULL, later_ms, &late, &error), PH_ERR_DENIED);
    ph_error_clear(&error);
    later_ms = now_ms + 51 * PH_DAY_MS;
    assert_int_equal(ph_signer_open(ca, PH_DEVICES, NULL, later_ms, &late, &error), PH_ERR_DENIED);
    assert_non_null(strstr(error.message, "/pki: devices: expired at "));
    ph_signer_close(&signer);
    leaf_fini(&leaf);
    ph_ca_close(&ca);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length),
        cmocka_unit_test(every_role),
        cmocka_unit_test(lifetimes),
        cmocka_unit_test(outside_key),
        cmocka_unit_test(tenants_own),
        cmocka_unit_test(expired),
        cmocka_unit_test(revoked),
    };
    return cmocka_run_group_tests_name("signer", tests, set_up, tear_down);
}
