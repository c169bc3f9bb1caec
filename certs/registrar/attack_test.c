/* What a holder of a claim, or somebody who waits, tries to get past the registrar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "certs/registrar/rig.h"
#include "x509/request.h"
#include "x509/signed.h"

/* A certificate that anybody can make, with its key: a serial number of 21 octets. */
static const char odd_key[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg0401Bp1xt95zz3eB\n"
                              "UzSuu0L3VQF3EftEkaVbIjh2mMOhRANCAASpmCwTHlNLMxEVLUrtPOEIzRvbZAYG\n"
                              "UW6/9pgXEPuH8qTfYbUS5nVPHjxhHzNiofayfShAqYfPsFr6Y8NfSuhC\n"
                              "-----END PRIVATE KEY-----\n";
static const char odd_certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBwTCCAWagAwIBAgIVfwAAAAAAAAAAAAAAAAAAAAAAAAD/MAoGCCqGSM49BAMC\n"
    "MDUxDTALBgNVBAoMBGFjbWUxEzARBgNVBAsMCnRoZXJtb3N0YXQxDzANBgNVBAMM\n"
    "BnQtMDAwMTAeFw0yNjExMjMwNzA0NDVaFw0zNjExMjAwNzA0NDVaMDUxDTALBgNV\n"
    "BAoMBGFjbWUxEzARBgNVBAsMCnRoZXJtb3N0YXQxDzANBgNVBAMMBnQtMDAwMTBZ\n"
    "MBMGByqGSM49AgEGCCqGSM49AwEHA0IABKmYLBMeU0szERUtSu084QjNG9tkBgZR\n"
    "br/2mBcQ+4fypN9htRLmdU8ePGEfM2Kh9rJ9KECph8+wWvpjw19K6EKjUzBRMB0G\n"
    "A1UdDgQWBBQTDo0f5tXhwYVw0m7mRmWbusVRaTAfBgNVHSMEGDAWgBQTDo0f5tXh\n"
    "wYVw0m7mRmWbusVRaTAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYC\n"
    "IQDrBrXp/XhES6xv6tIAxBWmGZgnPFg1HFEqYruioWSnIQIhANTHmJyk3RHMDuOO\n"
    "QsA3JJeXOa+4oAdE3vYKc4Dr7yGk\n"
    "-----END CERTIFICATE-----\n";

static struct ph_rig rig;
static char csr[4096];

static int set_up(void **state)
{
    (void)state;
    ph_rig_open(&rig);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ph_rig_close(&rig);
    return 0;
}

static void require(enum ph_err err, const struct ph_error *error)
{
    if (err != PH_OK) {
        fail_msg("%s", error->message);
    }
}

static void answers(
    const struct ph_asker *asker, struct ph_ask *ask, enum ph_answer_type type, const char *reason)
{
    struct ph_rig_answer answer;
    ph_rig_ask(&rig, asker, ask, &answer);
    const char *have = answer.answer.reason != NULL ? answer.answer.reason : "";
    if (answer.answer.type != type || strstr(have, reason) == NULL) {
        fail_msg(
            "want type %d with \"%s\", have type %d: %s", type, reason, answer.answer.type, have);
    }
    ph_rig_answer_free(&answer);
}

static void issued(
    const struct ph_asker *asker, struct ph_ask *ask, const struct ph_key *key, const char *name)
{
    struct ph_rig_answer answer;
    struct ph_rig_peer device = {0};
    ph_rig_ask(&rig, asker, ask, &answer);
    if (answer.answer.type != PH_ANSWER_CERTIFICATE) {
        fail_msg("not issued: %s", answer.answer.reason != NULL ? answer.answer.reason : "");
    }
    ph_rig_take(&answer, key, &device);
    assert_string_equal(device.asker.identity.device, name);
    ph_rig_peer_free(&device);
    ph_rig_answer_free(&answer);
}

/* As ph-ca approve and ph-ca refuse do. */
static void decide(int64_t id, enum ph_enrolment_state verdict, const char *name)
{
    struct ph_error error = {0};
    struct ph_enrolment enrolment = {0};
    require(ph_inventory_begin(rig.inventory, &error), &error);
    require(ph_enrolment_get(rig.inventory, id, &enrolment, &error), &error);
    enrolment.state = verdict;
    enrolment.decided_ms = rig.now_ms;
    (void)snprintf(enrolment.kind, sizeof enrolment.kind, "thermostat");
    (void)snprintf(enrolment.name, sizeof enrolment.name, "%s", name);
    (void)snprintf(enrolment.who, sizeof enrolment.who, "joe");
    (void)snprintf(enrolment.why, sizeof enrolment.why, "looked at it");
    require(ph_enrolment_put(rig.inventory, &enrolment, &error), &error);
    require(ph_inventory_commit(rig.inventory, &error), &error);
}

static void hash_of(const struct ph_key *key, char out[PH_FINGERPRINT_BYTES])
{
    struct ph_error error = {0};
    require(ph_key_hash(key, out, &error), &error);
}

/* ---- names ---- */

/* [REG-14] [REG-17]: auto_approve does not hand out what is expected with another mark. */
static void nobody_takes_a_name_that_is_expected_by_its_marks(void **state)
{
    char hash[PH_FINGERPRINT_BYTES];
    struct ph_rig_peer claim;
    struct ph_key *good = NULL;
    struct ph_key *evil = NULL;
    struct ph_ask ask = {.type = PH_ASK_ENROLL, .csr = csr, .kind = "thermostat", .name = "t-0001"};
    (void)state;
    rig.rules.auto_approve = true;
    ph_rig_claim(&rig, "batch", NULL, 5, &claim);
    ph_rig_request(NULL, &good, csr, sizeof csr);
    hash_of(good, hash);
    ph_rig_expect(&rig, "t-0001", "", hash);
    ph_rig_expect(&rig, "t-0002", "SN 2", "");
    ph_rig_request(NULL, &evil, csr, sizeof csr);
    answers(&claim.asker, &ask, PH_ANSWER_REFUSED,
        "t-0001 is expected with another key or serial number");
    ask.name = "t-0002";
    ask.serial = "SN 1";
    answers(&claim.asker, &ask, PH_ANSWER_REFUSED,
        "t-0002 is expected with another key or serial number");
    ask.name = "t-0001";
    ask.serial = NULL;
    ph_rig_request(NULL, &good, csr, sizeof csr);
    issued(&claim.asker, &ask, good, "t-0001");
    ph_rig_peer_free(&claim);
    ph_key_free(&good);
    ph_key_free(&evil);
}

/* [REG-17]: nor what was revoked. */
static void a_revoked_name_is_not_free(void **state)
{
    struct ph_rig_peer claim;
    struct ph_rig_peer device;
    struct ph_key *key = NULL;
    struct ph_error error = {0};
    struct ph_inventory_revocation revocation = {.now_ms = rig.now_ms, .reason = 1};
    struct ph_ask ask = {.type = PH_ASK_ENROLL, .csr = csr, .kind = "thermostat", .name = "t-0001"};
    (void)state;
    rig.rules.auto_approve = true;
    ph_rig_claim(&rig, "batch", NULL, 5, &claim);
    ph_rig_device(&rig, "t-0001", 90, &device);
    require(ph_inventory_begin(rig.inventory, &error), &error);
    require(
        ph_inventory_revoke_identity(rig.inventory, &device.asker.identity, &revocation, &error),
        &error);
    require(ph_inventory_commit(rig.inventory, &error), &error);
    ph_rig_request(NULL, &key, csr, sizeof csr);
    answers(&claim.asker, &ask, PH_ANSWER_REFUSED, "t-0001 had a certificate already");
    ph_rig_peer_free(&claim);
    ph_rig_peer_free(&device);
    ph_key_free(&key);
}

/* ---- approved, and then ---- */

/* [REG-13]: one key, through two claims. */
static void an_approved_key_may_have_been_used_meanwhile(void **state)
{
    struct ph_rig_peer first;
    struct ph_rig_peer second;
    struct ph_key *key = NULL;
    struct ph_ask ask = {.type = PH_ASK_ENROLL, .csr = csr, .kind = "thermostat", .name = "t-0001"};
    (void)state;
    ph_rig_claim(&rig, "first", NULL, 5, &first);
    ph_rig_claim(&rig, "second", NULL, 5, &second);
    ph_rig_request(NULL, &key, csr, sizeof csr);
    answers(&first.asker, &ask, PH_ANSWER_WAIT, "waits for approval");
    decide(1, PH_ENROLMENT_APPROVED, "t-0001");
    ph_rig_expect(&rig, "t-0002", "", "");
    ask.name = "t-0002";
    issued(&second.asker, &ask, key, "t-0002");
    ask.name = "t-0001";
    answers(&first.asker, &ask, PH_ANSWER_REFUSED, "this key has had a certificate before");
    ph_rig_peer_free(&first);
    ph_rig_peer_free(&second);
    ph_key_free(&key);
}

/* [REG-15]: one name, approved for one and expected of another; then forbidden to both. */
static void an_approved_name_may_have_gone_to_another(void **state)
{
    char hash[PH_FINGERPRINT_BYTES];
    struct ph_rig_peer claim;
    struct ph_key *slow = NULL;
    struct ph_key *fast = NULL;
    struct ph_error error = {0};
    struct ph_ask ask = {.type = PH_ASK_ENROLL, .csr = csr, .kind = "thermostat", .name = "t-0001"};
    struct ph_identity identity = {.tenant = "acme", .kind = "thermostat", .device = "t-0001"};
    (void)state;
    ph_rig_claim(&rig, "batch", NULL, 5, &claim);
    ph_rig_request(NULL, &slow, csr, sizeof csr);
    answers(&claim.asker, &ask, PH_ANSWER_WAIT, "waits for approval");
    decide(1, PH_ENROLMENT_APPROVED, "t-0001");
    rig.now_ms += 1000;
    ph_rig_request(NULL, &fast, csr, sizeof csr);
    hash_of(fast, hash);
    ph_rig_expect(&rig, "t-0001", "", hash);
    ph_rig_request(NULL, &slow, csr, sizeof csr);
    answers(&claim.asker, &ask, PH_ANSWER_REFUSED, "t-0001 is expected with another key");
    ph_rig_request(NULL, &fast, csr, sizeof csr);
    issued(&claim.asker, &ask, fast, "t-0001");
    ph_rig_request(NULL, &slow, csr, sizeof csr);
    answers(&claim.asker, &ask, PH_ANSWER_REFUSED, "another device has enrolled as t-0001 since");
    require(ph_inventory_begin(rig.inventory, &error), &error);
    require(ph_expected_set(rig.inventory, &identity, PH_EXPECTED_FORBIDDEN, "jane", "scrapped",
                rig.now_ms, &error),
        &error);
    require(ph_inventory_commit(rig.inventory, &error), &error);
    answers(&claim.asker, &ask, PH_ANSWER_REFUSED, "t-0001 was decommissioned");
    ph_rig_peer_free(&claim);
    ph_key_free(&slow);
    ph_key_free(&fast);
}

/* [REG-14]: who waits, or was refused, and is expected after that is not forgotten. */
static void an_expectation_counts_for_who_has_asked_before(void **state)
{
    char hash[PH_FINGERPRINT_BYTES];
    struct ph_rig_peer claim;
    struct ph_key *first = NULL;
    struct ph_key *second = NULL;
    struct ph_ask ask = {.type = PH_ASK_ENROLL, .csr = csr, .kind = "thermostat", .name = "t-0001"};
    (void)state;
    ph_rig_claim(&rig, "batch", NULL, 5, &claim);
    ph_rig_request(NULL, &first, csr, sizeof csr);
    answers(&claim.asker, &ask, PH_ANSWER_WAIT, "waits for approval");
    ph_rig_expect(&rig, "t-0001", "", "");
    issued(&claim.asker, &ask, first, "t-0001");
    ask.name = "t-0002";
    ph_rig_request(NULL, &second, csr, sizeof csr);
    hash_of(second, hash);
    answers(&claim.asker, &ask, PH_ANSWER_WAIT, "waits for approval");
    decide(2, PH_ENROLMENT_REFUSED, "t-0002");
    answers(&claim.asker, &ask, PH_ANSWER_REFUSED, "refused by an operator: looked at it");
    rig.now_ms += 1000;
    ph_rig_expect(&rig, "t-0002", "", hash);
    issued(&claim.asker, &ask, second, "t-0002");
    ph_rig_peer_free(&claim);
    ph_key_free(&first);
    ph_key_free(&second);
}

/* ---- proofs ---- */

static void prove(
    const struct ph_certificate *certificate, const struct ph_key *key, char *pem, size_t size)
{
    struct ph_buf buf;
    struct ph_error error = {0};
    ph_buf_init(&buf, PH_LIMIT_SIGNED_BYTES);
    require(ph_signed_make(csr, strlen(csr), certificate, key, NULL, &buf, &error), &error);
    assert_true(buf.len < size);
    memcpy(pem, buf.data, buf.len + 1);
    ph_buf_fini(&buf);
}

/* [REG-25]: it is the sender's fault, and no trouble of the registrar's, which would be
 * everybody's. */
static void an_odd_certificate_proves_nothing(void **state)
{
    static char proof[8192];
    char path[96];
    struct ph_rig_peer claim;
    struct ph_certificate *certificate = NULL;
    struct ph_key *odd = NULL;
    struct ph_key *key = NULL;
    struct ph_error error = {0};
    struct ph_ask ask = {.type = PH_ASK_ENROLL, .csr = csr, .proof = proof};
    (void)state;
    ph_rig_claim(&rig, "batch", NULL, 5, &claim);
    (void)snprintf(path, sizeof path, "%s/odd.pem", rig.dir);
    require(ph_file_store(path, 0600, odd_certificate, sizeof odd_certificate - 1, &error), &error);
    require(ph_certificate_load(path, &certificate, &error), &error);
    require(ph_file_store(path, 0600, odd_key, sizeof odd_key - 1, &error), &error);
    require(ph_key_load(path, &odd, &error), &error);
    ph_rig_request(NULL, &key, csr, sizeof csr);
    prove(certificate, odd, proof, sizeof proof);
    answers(&claim.asker, &ask, PH_ANSWER_REFUSED, "proof: certificate serial number");
    ph_certificate_free(&certificate);
    ph_key_free(&odd);
    ph_key_free(&key);
    ph_rig_peer_free(&claim);
}

static void revoke_authority(const char *name)
{
    struct ph_error error = {0};
    struct ph_authority authority = {0};
    struct ph_inventory_revocation revocation = {.now_ms = rig.now_ms, .reason = 2};
    require(ph_authority_find(rig.inventory, name, &authority, &error), &error);
    require(ph_inventory_begin(rig.inventory, &error), &error);
    require(
        ph_inventory_revoke_serial(rig.inventory, authority.serial, &revocation, &error), &error);
    require(ph_inventory_commit(rig.inventory, &error), &error);
}

/* [REG-25]: everything but notAfter is checked as ever. */
static void a_proof_is_not_for_a_ca_that_was_revoked(void **state)
{
    static char proof[8192];
    struct ph_rig_peer claim;
    struct ph_rig_peer device;
    struct ph_key *key = NULL;
    struct ph_ask ask = {.type = PH_ASK_ENROLL, .csr = csr, .proof = proof};
    (void)state;
    ph_rig_claim(&rig, "batch", NULL, 5, &claim);
    ph_rig_device(&rig, "t-0001", 20, &device);
    rig.now_ms += 21 * PH_DAY_MS;
    ph_rig_request(NULL, &key, csr, sizeof csr);
    prove(device.certificate, device.key, proof, sizeof proof);
    revoke_authority("devices");
    answers(&claim.asker, &ask, PH_ANSWER_REFUSED, "is by devices, which was revoked");
    ph_rig_peer_free(&claim);
    ph_rig_peer_free(&device);
    ph_key_free(&key);
}

/* ---- CRLs ---- */

/* [REG-32]: a root's CRL that only its passphrase can sign does not keep the others busy. */
static void a_root_with_a_passphrase_is_not_waited_for(void **state)
{
    char path[128];
    bool any = false;
    struct ph_key *key = NULL;
    struct ph_buf pem;
    struct ph_error error = {0};
    (void)state;
    (void)snprintf(path, sizeof path, "%s/pki/root/ca.key", rig.dir);
    ph_buf_init(&pem, PH_LIMIT_CERTIFICATE_BYTES);
    require(ph_key_load(path, &key, &error), &error);
    require(ph_key_print_encrypted(key, "secret", &pem, &error), &error);
    require(ph_file_store(path, 0600, pem.data, pem.len, &error), &error);
    revoke_authority("claims");
    for (int i = 0; i < 3; i++) {
        require(
            ph_registrar_crls(rig.registrar, rig.now_ms + INT64_C(1000) * i, &any, &error), &error);
    }
    assert_false(any);
    ph_buf_fini(&pem);
    ph_key_free(&key);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nobody_takes_a_name_that_is_expected_by_its_marks),
        TEST(a_revoked_name_is_not_free),
        TEST(an_approved_key_may_have_been_used_meanwhile),
        TEST(an_approved_name_may_have_gone_to_another),
        TEST(an_expectation_counts_for_who_has_asked_before),
        TEST(an_odd_certificate_proves_nothing),
        TEST(a_proof_is_not_for_a_ca_that_was_revoked),
        TEST(a_root_with_a_passphrase_is_not_waited_for),
    };
    return cmocka_run_group_tests_name("ph.certs.registrar.attack", tests, NULL, NULL);
}
