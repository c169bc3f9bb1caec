#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "certs/acts.h"
#include "certs/registrar/rig.h"
#include "x509/request.h"
#include "x509/signed.h"

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

/* ---- helpers ---- */

static void refused(const struct ph_asker *asker, struct ph_ask *ask, const char *reason)
{
    struct ph_rig_answer answer;
    ph_rig_ask(&rig, asker, ask, &answer);
    if (answer.answer.type != PH_ANSWER_REFUSED || strstr(answer.answer.reason, reason) == NULL) {
        fail_msg("want a refusal with \"%s\", have type %d: %s", reason, answer.answer.type,
            answer.answer.reason != NULL ? answer.answer.reason : "");
    }
    assert_int_equal(answer.answer.retry_s, 3600);
    ph_rig_answer_free(&answer);
}

static void waits(const struct ph_asker *asker, struct ph_ask *ask, const char *reason)
{
    struct ph_rig_answer answer;
    ph_rig_ask(&rig, asker, ask, &answer);
    assert_int_equal(answer.answer.type, PH_ANSWER_WAIT);
    assert_non_null(strstr(answer.answer.reason, reason));
    ph_rig_answer_free(&answer);
}

static void issued(const struct ph_asker *asker, struct ph_ask *ask, const struct ph_key *key,
    const char *name, struct ph_rig_peer *out)
{
    struct ph_rig_answer answer;
    ph_rig_ask(&rig, asker, ask, &answer);
    if (answer.answer.type != PH_ANSWER_CERTIFICATE) {
        fail_msg("not issued: %s", answer.answer.reason != NULL ? answer.answer.reason : "");
    }
    ph_rig_take(&answer, key, out);
    assert_string_equal(out->asker.identity.tenant, "acme");
    assert_string_equal(out->asker.identity.kind, "thermostat");
    assert_string_equal(out->asker.identity.device, name);
    ph_rig_answer_free(&answer);
}

/* The inventory's word on a certificate. */
static struct ph_inventory_entry entry_of(const struct ph_rig_peer *peer)
{
    struct ph_inventory_entry entry = {0};
    assert_int_equal(
        ph_inventory_find_fingerprint(rig.inventory, peer->fingerprint, &entry, NULL), PH_OK);
    return entry;
}

static void says_state(const struct ph_rig_peer *peer)
{
    struct ph_rig_answer answer;
    struct ph_ask ask = {.type = PH_ASK_STATE,
        .certificate = peer->fingerprint,
        .trust = "0000000000000000000000000000000000000000000000000000000000000000"};
    ph_rig_ask(&rig, &peer->asker, &ask, &answer);
    assert_int_equal(answer.answer.type, PH_ANSWER_STATE);
    ph_rig_answer_free(&answer);
}

/* ---- enrolment ---- */

/* [REG-12] [REG-14] [REG-15] [REG-18] */
static void enrolls_who_is_expected_by_name(void **state)
{
    struct ph_rig_peer claim;
    struct ph_rig_peer first = {0};
    struct ph_rig_peer again = {0};
    struct ph_key *key = NULL;
    struct ph_key *other = NULL;
    const struct ph_identity wish = {.tenant = "evil", .kind = "service", .device = "ingest"};
    struct ph_ask ask = {.type = PH_ASK_ENROLL, .csr = csr, .kind = "thermostat", .name = "t-0001"};
    (void)state;
    ph_rig_claim(&rig, "batch", "thermostat", 5, &claim);
    ph_rig_expect(&rig, "t-0001", "", "");
    ph_rig_request(&wish, &key, csr, sizeof csr);
    issued(&claim.asker, &ask, key, "t-0001", &first);
    struct ph_inventory_entry entry = entry_of(&first);
    assert_string_equal(entry.origin, "enrolled");
    assert_string_equal(entry.claim, "batch");
    assert_string_equal(entry.approved_by, "jane");
    assert_string_equal(entry.why, "expected by its name");
    assert_string_equal(entry.lineage, entry.serial);
    issued(&claim.asker, &ask, key, "t-0001", &again);
    assert_string_equal(again.fingerprint, first.fingerprint);
    ph_rig_peer_free(&again);
    ph_rig_restart(&rig);
    issued(&claim.asker, &ask, key, "t-0001", &again);
    assert_string_equal(again.fingerprint, first.fingerprint);
    ph_rig_request(NULL, &other, csr, sizeof csr);
    refused(&claim.asker, &ask, "t-0001 has enrolled already: if its key is lost");
    struct ph_claim row = {0};
    assert_int_equal(ph_claim_find(rig.inventory, "acme", "batch", &row, NULL), PH_OK);
    assert_int_equal(row.used, 1);
    ph_rig_peer_free(&again);
    ph_rig_peer_free(&first);
    ph_rig_peer_free(&claim);
    ph_key_free(&key);
    ph_key_free(&other);
}

/* [REG-14] */
static void enrolls_who_is_expected_by_serial_number_or_key(void **state)
{
    char hash[PH_FINGERPRINT_BYTES];
    struct ph_rig_peer claim;
    struct ph_rig_peer device = {0};
    struct ph_key *key = NULL;
    struct ph_ask ask = {.type = PH_ASK_ENROLL, .csr = csr, .serial = "SN 4711"};
    (void)state;
    ph_rig_claim(&rig, "batch", NULL, 5, &claim);
    ph_rig_expect(&rig, "t-0002", "SN 4711", "");
    ph_rig_request(NULL, &key, csr, sizeof csr);
    issued(&claim.asker, &ask, key, "t-0002", &device);
    assert_string_equal(entry_of(&device).why, "expected by its serial number");
    ph_rig_peer_free(&device);
    ph_key_free(&key);

    ph_rig_request(NULL, &key, csr, sizeof csr);
    assert_int_equal(ph_key_hash(key, hash, NULL), PH_OK);
    ph_rig_expect(&rig, "t-0003", "", hash);
    ask = (struct ph_ask){.type = PH_ASK_ENROLL, .csr = csr};
    issued(&claim.asker, &ask, key, "t-0003", &device);
    assert_string_equal(entry_of(&device).why, "expected by its key");
    ph_rig_peer_free(&device);
    ph_rig_peer_free(&claim);
    ph_key_free(&key);
}

static void decide(int64_t id, enum ph_enrolment_state verdict, const char *name)
{
    struct ph_enrolment enrolment = {0};
    assert_int_equal(ph_inventory_begin(rig.inventory, NULL), PH_OK);
    assert_int_equal(ph_enrolment_get(rig.inventory, id, &enrolment, NULL), PH_OK);
    assert_int_equal(enrolment.state, PH_ENROLMENT_WAITING);
    enrolment.state = verdict;
    (void)snprintf(enrolment.kind, sizeof enrolment.kind, "thermostat");
    (void)snprintf(enrolment.name, sizeof enrolment.name, "%s", name);
    (void)snprintf(enrolment.who, sizeof enrolment.who, "joe");
    (void)snprintf(enrolment.why, sizeof enrolment.why, "looked at it");
    assert_int_equal(ph_enrolment_put(rig.inventory, &enrolment, NULL), PH_OK);
    assert_int_equal(ph_inventory_commit(rig.inventory, NULL), PH_OK);
}

/* [REG-17] */
static void others_wait_for_an_operator(void **state)
{
    struct ph_rig_peer claim;
    struct ph_rig_peer device = {0};
    struct ph_key *good = NULL;
    struct ph_key *bad = NULL;
    struct ph_ask ask = {.type = PH_ASK_ENROLL, .csr = csr, .kind = "thermostat", .name = "t-0009"};
    (void)state;
    ph_rig_claim(&rig, "batch", NULL, 5, &claim);
    ph_rig_request(NULL, &good, csr, sizeof csr);
    waits(&claim.asker, &ask, "waits for approval");
    waits(&claim.asker, &ask, "waits for approval");
    decide(1, PH_ENROLMENT_APPROVED, "t-0042");
    issued(&claim.asker, &ask, good, "t-0042", &device);
    assert_string_equal(entry_of(&device).approved_by, "joe");
    assert_string_equal(entry_of(&device).why, "looked at it");
    ph_rig_request(NULL, &bad, csr, sizeof csr);
    waits(&claim.asker, &ask, "waits for approval");
    decide(2, PH_ENROLMENT_REFUSED, "t-0009");
    refused(&claim.asker, &ask, "refused by an operator: looked at it");
    ph_rig_peer_free(&device);
    ph_rig_peer_free(&claim);
    ph_key_free(&good);
    ph_key_free(&bad);
}

/* [REG-16] [REG-17] */
static void approves_by_itself_only_what_is_free(void **state)
{
    struct ph_rig_peer claim;
    struct ph_rig_peer device = {0};
    struct ph_rig_peer taken;
    struct ph_key *key = NULL;
    struct ph_key *other = NULL;
    struct ph_ask ask = {.type = PH_ASK_ENROLL, .csr = csr, .kind = "thermostat", .name = "t-0001"};
    (void)state;
    rig.rules.auto_approve = true;
    ph_rig_claim(&rig, "batch", NULL, 5, &claim);
    ph_rig_device(&rig, "taken", 90, &taken);
    ph_rig_request(NULL, &key, csr, sizeof csr);
    issued(&claim.asker, &ask, key, "t-0001", &device);
    assert_string_equal(entry_of(&device).why, "approved automatically");
    ph_rig_request(NULL, &other, csr, sizeof csr);
    refused(&claim.asker, &ask, "t-0001 has enrolled already");
    ask.name = "taken";
    refused(&claim.asker, &ask, "taken had a certificate already");
    ask.kind = "service";
    ask.name = "ingest";
    refused(&claim.asker, &ask, "kind service is not a device's");
    ask.kind = "claim";
    refused(&claim.asker, &ask, "kind claim is not a device's");
    ask.name = NULL;
    ask.kind = "thermostat";
    waits(&claim.asker, &ask, "waits for approval");
    ph_rig_peer_free(&device);
    ph_rig_peer_free(&taken);
    ph_rig_peer_free(&claim);
    ph_key_free(&key);
    ph_key_free(&other);
}

/* [REG-10] [REG-16] */
static void claims_end(void **state)
{
    struct ph_rig_peer one;
    struct ph_rig_peer wrong;
    struct ph_rig_peer gone;
    struct ph_rig_peer late;
    struct ph_rig_peer device = {0};
    struct ph_key *key = NULL;
    struct ph_key *other = NULL;
    struct ph_ask ask = {.type = PH_ASK_ENROLL, .csr = csr, .kind = "thermostat", .name = "t-0001"};
    struct ph_inventory_revocation revocation = {.now_ms = rig.now_ms, .reason = 1};
    (void)state;
    ph_rig_claim(&rig, "one", NULL, 1, &one);
    ph_rig_claim(&rig, "wrong", "meter", 1, &wrong);
    ph_rig_claim(&rig, "gone", NULL, 1, &gone);
    ph_rig_claim(&rig, "late", NULL, 1, &late);
    ph_rig_expect(&rig, "t-0001", "", "");
    ph_rig_expect(&rig, "t-0002", "", "");
    ph_rig_request(NULL, &key, csr, sizeof csr);
    refused(&wrong.asker, &ask, "the claim is for devices of kind meter, not thermostat");
    assert_int_equal(ph_inventory_begin(rig.inventory, NULL), PH_OK);
    assert_int_equal(
        ph_inventory_revoke_claim(rig.inventory, "acme", "gone", false, &revocation, NULL), PH_OK);
    assert_int_equal(ph_inventory_commit(rig.inventory, NULL), PH_OK);
    refused(&gone.asker, &ask, "the claim was revoked");
    issued(&one.asker, &ask, key, "t-0001", &device);
    ask.name = "t-0002";
    ph_rig_request(NULL, &other, csr, sizeof csr);
    refused(&one.asker, &ask, "the claim is used up: it was good for 1 device");
    rig.now_ms += 501 * PH_DAY_MS;
    refused(&late.asker, &ask, "the claim has expired");
    memcpy(late.asker.identity.device, "none", 5);
    refused(&late.asker, &ask, "there is no such claim");
    ph_rig_peer_free(&device);
    ph_rig_peer_free(&one);
    ph_rig_peer_free(&wrong);
    ph_rig_peer_free(&gone);
    ph_rig_peer_free(&late);
    ph_key_free(&key);
    ph_key_free(&other);
}

/* [REG-11] [REG-13] */
static void keys_are_looked_at(void **state)
{
    struct ph_rig_peer claim;
    struct ph_rig_peer device;
    struct ph_ask ask = {.type = PH_ASK_ENROLL, .csr = csr, .kind = "thermostat", .name = "t-0001"};
    (void)state;
    ph_rig_claim(&rig, "batch", NULL, 5, &claim);
    ph_rig_device(&rig, "t-0007", 90, &device);
    ph_rig_expect(&rig, "t-0001", "", "");
    ph_rig_request(NULL, &device.key, csr, sizeof csr);
    refused(&claim.asker, &ask, "this key has had a certificate before: make a new one");
    char *last = strstr(csr, "-----END");
    last[-5] = last[-5] == 'A' ? 'B' : 'A';
    struct ph_rig_answer answer;
    ph_rig_ask(&rig, &claim.asker, &ask, &answer);
    assert_int_equal(answer.answer.type, PH_ANSWER_REFUSED);
    ph_rig_answer_free(&answer);
    ph_rig_peer_free(&device);
    ph_rig_peer_free(&claim);
}

/* ---- renewal ---- */

/* [REG-20] [REG-22] [REG-24] */
static void renews_and_supersedes(void **state)
{
    struct ph_rig_peer first;
    struct ph_rig_peer second = {0};
    struct ph_rig_peer again = {0};
    struct ph_rig_peer third = {0};
    struct ph_key *key = NULL;
    struct ph_key *next = NULL;
    struct ph_ask ask = {.type = PH_ASK_RENEW, .csr = csr};
    const struct ph_identity wish = {.tenant = "acme", .kind = "thermostat", .device = "t-9999"};
    bool due = false;
    (void)state;
    ph_rig_device(&rig, "t-0001", 90, &first);
    ph_rig_request(&wish, &key, csr, sizeof csr);
    issued(&first.asker, &ask, key, "t-0001", &second);
    assert_string_equal(entry_of(&second).predecessor, entry_of(&first).serial);
    assert_string_equal(entry_of(&second).lineage, entry_of(&first).serial);
    assert_string_equal(entry_of(&second).origin, "renewed");
    issued(&first.asker, &ask, key, "t-0001", &again);
    assert_string_equal(again.fingerprint, second.fingerprint);
    assert_true(entry_of(&first).revoked_ms == 0);
    says_state(&second);
    assert_true(entry_of(&first).revoked_ms != 0);
    assert_int_equal(entry_of(&first).reason, 4);
    assert_true(entry_of(&second).revoked_ms == 0);
    assert_true(entry_of(&second).confirmed_ms == rig.now_ms);
    assert_int_equal(ph_registrar_crls(rig.registrar, rig.now_ms + 1, &due, NULL), PH_OK);
    assert_true(due);
    ph_rig_request(NULL, &next, csr, sizeof csr);
    refused(&first.asker, &ask, "was revoked: superseded");
    issued(&second.asker, &ask, next, "t-0001", &third);
    assert_string_equal(entry_of(&third).lineage, entry_of(&first).serial);
    ph_rig_peer_free(&first);
    ph_rig_peer_free(&second);
    ph_rig_peer_free(&again);
    ph_rig_peer_free(&third);
    ph_key_free(&key);
    ph_key_free(&next);
}

/* [REG-26] a certificate that came back by import, after a restored inventory, is of its own CA */
static void renews_what_was_given_back(void **state)
{
    struct ph_rig_peer device = {0};
    struct ph_rig_peer next = {0};
    struct ph_key *key = NULL;
    struct ph_buf der;
    struct ph_ask ask = {.type = PH_ASK_RENEW, .csr = csr};
    (void)state;
    ph_rig_device(&rig, "t-0001", 90, &device);
    struct ph_inventory_entry entry = entry_of(&device);
    ph_buf_init(&der, PH_LIMIT_CERTIFICATE_BYTES);
    assert_int_equal(ph_inventory_der(rig.inventory, entry.serial, &der, NULL), PH_OK);
    (void)snprintf(entry.origin, sizeof entry.origin, "imported");
    assert_int_equal(ph_inventory_begin(rig.inventory, NULL), PH_OK);
    assert_int_equal(ph_inventory_remove(rig.inventory, entry.serial, NULL), PH_OK);
    assert_int_equal(ph_inventory_add(rig.inventory, &entry, der.data, der.len, NULL), PH_OK);
    assert_int_equal(ph_inventory_commit(rig.inventory, NULL), PH_OK);
    ph_rig_request(NULL, &key, csr, sizeof csr);
    issued(&device.asker, &ask, key, "t-0001", &next);
    ph_buf_fini(&der);
    ph_rig_peer_free(&device);
    ph_rig_peer_free(&next);
    ph_key_free(&key);
}

/* [REG-21] [REG-13] */
static void renews_for_a_new_key(void **state)
{
    struct ph_rig_peer device;
    struct ph_rig_peer other;
    struct ph_rig_peer again = {0};
    struct ph_ask ask = {.type = PH_ASK_RENEW, .csr = csr};
    (void)state;
    ph_rig_device(&rig, "t-0001", 90, &device);
    ph_rig_device(&rig, "t-0002", 90, &other);
    ph_rig_request(NULL, &other.key, csr, sizeof csr);
    refused(&device.asker, &ask, "this key has had a certificate before");
    ph_rig_request(NULL, &device.key, csr, sizeof csr);
    refused(&device.asker, &ask, "this key is in use already: make a new one");
    rig.rules.renew_reuse_key = true;
    issued(&device.asker, &ask, device.key, "t-0001", &again);
    assert_string_not_equal(again.fingerprint, device.fingerprint);
    ph_rig_peer_free(&device);
    ph_rig_peer_free(&other);
    ph_rig_peer_free(&again);
}

/* [REG-23] */
static void makes_room_for_a_lost_key_now_and_then(void **state)
{
    struct ph_rig_peer device;
    struct ph_rig_peer lost = {0};
    struct ph_rig_peer next = {0};
    struct ph_key *keys[2] = {NULL};
    struct ph_ask ask = {.type = PH_ASK_RENEW, .csr = csr};
    (void)state;
    ph_rig_device(&rig, "t-0001", 90, &device);
    ph_rig_request(NULL, &keys[0], csr, sizeof csr);
    issued(&device.asker, &ask, keys[0], "t-0001", &lost);
    ph_rig_request(NULL, &keys[1], csr, sizeof csr);
    waits(&device.asker, &ask, "was made for another key just now");
    rig.now_ms += 3600 * 1000 + 1;
    issued(&device.asker, &ask, keys[1], "t-0001", &next);
    assert_int_equal(entry_of(&lost).reason, 4);
    assert_true(entry_of(&lost).revoked_ms != 0);
    assert_true(entry_of(&device).revoked_ms == 0);
    ph_rig_request(NULL, &keys[0], csr, sizeof csr);
    refused(&device.asker, &ask, "was revoked: superseded");
    ph_rig_peer_free(&device);
    ph_rig_peer_free(&lost);
    ph_rig_peer_free(&next);
    ph_key_free(&keys[0]);
    ph_key_free(&keys[1]);
}

/* [REG-1] [REG-3] [REG-4] [REG-26] */
static void each_may_ask_what_is_its_own(void **state)
{
    struct ph_rig_peer claim;
    struct ph_rig_peer device;
    struct ph_rig_peer other;
    struct ph_key *key = NULL;
    struct ph_ask renew = {.type = PH_ASK_RENEW, .csr = csr};
    struct ph_ask enroll = {.type = PH_ASK_ENROLL, .csr = csr};
    struct ph_ask said = {.type = PH_ASK_STATE};
    (void)state;
    ph_rig_claim(&rig, "batch", NULL, 5, &claim);
    ph_rig_device(&rig, "t-0001", 90, &device);
    ph_rig_device(&rig, "t-0002", 90, &other);
    ph_rig_request(NULL, &key, csr, sizeof csr);
    said.certificate = claim.fingerprint;
    said.trust = claim.fingerprint;
    refused(&claim.asker, &renew, "a claim may enroll and nothing else");
    refused(&claim.asker, &said, "a claim may enroll and nothing else");
    refused(&device.asker, &enroll, "only a claim may enroll: a device renews");
    refused(&device.asker, &said, "not with the one you name");
    device.asker.fingerprint = other.fingerprint;
    refused(&device.asker, &renew, "is not that of acme/thermostat/t-0001");
    device.asker.fingerprint = NULL;
    refused(&device.asker, &renew, "the broker does not say with which certificate");
    device.asker.fingerprint = device.asker.identity.tenant; /* no fingerprint of anything */
    refused(&device.asker, &renew, "your certificate is not in the inventory");
    claim.asker.claim = false;
    refused(&claim.asker, &renew, "is not a device's: an operator renews it");
    rig.now_ms += 91 * PH_DAY_MS;
    refused(&other.asker, &renew, "has expired: renew it by a claim");
    ph_rig_peer_free(&claim);
    ph_rig_peer_free(&device);
    ph_rig_peer_free(&other);
    ph_key_free(&key);
}

/* ---- after expiry ---- */

static void prove(const struct ph_rig_peer *peer, const char *text, char *pem, size_t size)
{
    struct ph_buf buf;
    struct ph_error error = {0};
    ph_buf_init(&buf, PH_LIMIT_SIGNED_BYTES);
    if (ph_signed_make(text, strlen(text), peer->certificate, peer->key, NULL, &buf, &error) !=
        PH_OK) {
        fail_msg("%s", error.message);
    }
    assert_true(buf.len < size);
    memcpy(pem, buf.data, buf.len + 1);
    ph_buf_fini(&buf);
}

/* [REG-25] */
static void renews_by_proof_within_the_grace(void **state)
{
    static char proof[8192];
    struct ph_rig_peer claim;
    struct ph_rig_peer device;
    struct ph_rig_peer next = {0};
    struct ph_key *key = NULL;
    struct ph_ask ask = {.type = PH_ASK_ENROLL, .csr = csr, .proof = proof};
    (void)state;
    ph_rig_claim(&rig, "batch", "thermostat", 1, &claim);
    ph_rig_device(&rig, "t-0001", 20, &device);
    ph_rig_request(NULL, &key, csr, sizeof csr);
    prove(&device, csr, proof, sizeof proof);
    waits(&claim.asker, &ask, "is still good: renew with it");
    rig.now_ms += 24 * PH_DAY_MS;
    prove(&device, "something else", proof, sizeof proof);
    refused(&claim.asker, &ask, "proof: is not about this request");
    prove(&claim, csr, proof, sizeof proof);
    refused(&claim.asker, &ask, "is not that of a device of this tenant");
    prove(&device, csr, proof, sizeof proof);
    issued(&claim.asker, &ask, key, "t-0001", &next);
    assert_string_equal(entry_of(&next).predecessor, entry_of(&device).serial);
    assert_string_equal(entry_of(&next).why, "renewal after expiry, by proof of its key");
    struct ph_claim row = {0};
    assert_int_equal(ph_claim_find(rig.inventory, "acme", "batch", &row, NULL), PH_OK);
    assert_int_equal(row.used, 0);
    rig.now_ms += 2 * PH_DAY_MS;
    refused(&claim.asker, &ask, "expired too long ago");
    ph_rig_peer_free(&next);
    ph_rig_peer_free(&claim);
    ph_rig_peer_free(&device);
    ph_key_free(&key);
}

/* [REG-25]: the grace relaxes notAfter alone. */
static void the_grace_is_not_for_the_revoked(void **state)
{
    static char proof[8192];
    struct ph_rig_peer claim;
    struct ph_rig_peer device;
    struct ph_key *key = NULL;
    struct ph_ask ask = {.type = PH_ASK_ENROLL, .csr = csr, .proof = proof};
    struct ph_inventory_revocation revocation = {.now_ms = rig.now_ms, .reason = 1};
    (void)state;
    ph_rig_claim(&rig, "batch", NULL, 1, &claim);
    ph_rig_device(&rig, "t-0001", 20, &device);
    ph_rig_request(NULL, &key, csr, sizeof csr);
    prove(&device, csr, proof, sizeof proof);
    int64_t now_ms = rig.now_ms;
    rig.now_ms = now_ms - PH_DAY_MS;
    refused(&claim.asker, &ask, "is not valid yet");
    rig.now_ms = now_ms + 21 * PH_DAY_MS;
    assert_int_equal(ph_inventory_begin(rig.inventory, NULL), PH_OK);
    assert_int_equal(ph_expected_set(rig.inventory, &device.asker.identity, PH_EXPECTED_FORBIDDEN,
                         "jane", "scrapped", rig.now_ms, NULL),
        PH_OK);
    assert_int_equal(ph_inventory_commit(rig.inventory, NULL), PH_OK);
    refused(&claim.asker, &ask, "t-0001 was decommissioned");
    assert_int_equal(ph_inventory_begin(rig.inventory, NULL), PH_OK);
    assert_int_equal(
        ph_inventory_revoke_identity(rig.inventory, &device.asker.identity, &revocation, NULL),
        PH_OK);
    assert_int_equal(ph_inventory_commit(rig.inventory, NULL), PH_OK);
    refused(&claim.asker, &ask, "was revoked: keyCompromise");
    ph_rig_peer_free(&claim);
    ph_rig_peer_free(&device);
    ph_key_free(&key);
}

/* [REG-28] */
static void expected_again_it_enrols_however_late(void **state)
{
    static char proof[8192];
    struct ph_rig_peer claim;
    struct ph_rig_peer device;
    struct ph_rig_peer next = {0};
    struct ph_key *key = NULL;
    struct ph_ask ask = {
        .type = PH_ASK_ENROLL, .csr = csr, .proof = proof, .kind = "thermostat", .name = "t-0001"};
    struct ph_claim row = {0};
    (void)state;
    ph_rig_claim(&rig, "batch", "thermostat", 1, &claim);
    ph_rig_device(&rig, "t-0001", 20, &device);
    rig.now_ms += 400 * PH_DAY_MS;
    ph_rig_request(NULL, &key, csr, sizeof csr);
    prove(&device, csr, proof, sizeof proof);
    ph_rig_expect(&rig, "t-0002", "", "");
    refused(&claim.asker, &ask, "an operator must expect the device again");
    ph_rig_expect(&rig, "t-0001", "", "");
    issued(&claim.asker, &ask, key, "t-0001", &next);
    assert_string_equal(entry_of(&next).origin, "enrolled");
    assert_string_equal(entry_of(&next).predecessor, "");
    assert_int_equal(ph_claim_find(rig.inventory, "acme", "batch", &row, NULL), PH_OK);
    assert_int_equal(row.used, 1);
    ph_rig_peer_free(&next);
    ph_rig_peer_free(&claim);
    ph_rig_peer_free(&device);
    ph_key_free(&key);
}

/* ---- state, time, trouble ---- */

/* [REG-27] */
static void tells_when_to_renew(void **state)
{
    int64_t first_ms = 0;
    int64_t earliest_ms = INT64_MAX;
    int64_t latest_ms = 0;
    (void)state;
    for (int i = 0; i < 8; i++) {
        char name[16];
        struct ph_rig_peer device;
        struct ph_rig_answer answer;
        (void)snprintf(name, sizeof name, "t-%d", i);
        ph_rig_device(&rig, name, 100, &device);
        struct ph_ask ask = {
            .type = PH_ASK_STATE, .certificate = device.fingerprint, .trust = device.fingerprint};
        for (int k = 0; k < 2; k++) {
            ph_rig_ask(&rig, &device.asker, &ask, &answer);
            assert_int_equal(answer.answer.type, PH_ANSWER_STATE);
            assert_null(answer.answer.trust);
            assert_true(k == 0 || answer.answer.renew_ms == first_ms);
            first_ms = answer.answer.renew_ms;
            ph_rig_answer_free(&answer);
        }
        assert_true(first_ms >= rig.now_ms + 49 * PH_DAY_MS);
        assert_true(first_ms <= rig.now_ms + 71 * PH_DAY_MS);
        earliest_ms = first_ms < earliest_ms ? first_ms : earliest_ms;
        latest_ms = first_ms > latest_ms ? first_ms : latest_ms;
        ph_rig_peer_free(&device);
    }
    assert_true(latest_ms - earliest_ms > PH_DAY_MS); /* of 20 that they are spread over */
}

/* [REG-33] */
static void signs_the_time_for_one_question(void **state)
{
    char roots[128];
    struct ph_rig_peer device;
    struct ph_rig_answer answer;
    struct ph_signed *token = NULL;
    struct ph_time_statement statement = {0};
    struct ph_error error = {0};
    struct ph_ask ask = {.type = PH_ASK_TIME};
    size_t len = 0;
    (void)state;
    ph_rig_device(&rig, "t-0001", 90, &device);
    ph_rig_ask(&rig, &device.asker, &ask, &answer);
    assert_int_equal(answer.answer.type, PH_ANSWER_TIME);
    if (ph_signed_parse(answer.answer.token, strlen(answer.answer.token), &token, &error) !=
        PH_OK) {
        fail_msg("%s", error.message);
    }
    (void)snprintf(roots, sizeof roots, "%s/pki/trust/brokers.pem", rig.dir);
    assert_int_equal(ph_signed_check_chain(token, roots, rig.now_ms, &error), PH_OK);
    const char *text = ph_signed_text(token, &len);
    assert_int_equal(ph_time_statement_parse(text, len, &statement, &error), PH_OK);
    assert_string_equal(statement.device, "acme/thermostat/t-0001");
    assert_string_equal(statement.nonce, ask.id);
    assert_true(statement.time_ms == rig.now_ms);
    ph_signed_free(&token);
    ph_rig_answer_free(&answer);
    ph_rig_peer_free(&device);
}

/* [REG-30]: nothing of a transaction that was rolled back has happened. */
static void what_is_rolled_back_did_not_happen(void **state)
{
    struct ph_rig_peer claim;
    struct ph_rig_peer device = {0};
    struct ph_key *key = NULL;
    struct ph_buf request;
    struct ph_buf answer;
    char id[PH_ASK_ID_BYTES];
    char hash[PH_FINGERPRINT_BYTES];
    struct ph_inventory_entry entry;
    struct ph_error error = {0};
    struct ph_ask ask = {.type = PH_ASK_ENROLL,
        .id = "00112233445566778899aabbccddeeff",
        .csr = csr,
        .kind = "thermostat",
        .name = "t-0001"};
    (void)state;
    ph_rig_claim(&rig, "batch", NULL, 1, &claim);
    ph_rig_expect(&rig, "t-0001", "", "");
    ph_rig_request(NULL, &key, csr, sizeof csr);
    ph_buf_init(&request, PH_LIMIT_ASK_BYTES);
    ph_buf_init(&answer, PH_LIMIT_ANSWER_BYTES);
    assert_int_equal(ph_ask_encode(&ask, &request, &error), PH_OK);
    assert_int_equal(ph_registrar_begin(rig.registrar, &error), PH_OK);
    assert_int_equal(ph_registrar_answer(rig.registrar, &claim.asker, request.data, request.len,
                         rig.now_ms, &answer, id, &error),
        PH_OK);
    assert_int_equal(ph_registrar_counts(rig.registrar).enrolled, 1);
    ph_registrar_rollback(rig.registrar);
    assert_int_equal(ph_registrar_counts(rig.registrar).enrolled, 0);
    assert_int_equal(ph_key_hash(key, hash, &error), PH_OK);
    assert_int_equal(ph_inventory_find_key(rig.inventory, hash, &entry, NULL), PH_ERR_NOT_FOUND);
    issued(&claim.asker, &ask, key, "t-0001", &device);
    ph_buf_reset(&answer);
    assert_int_equal(
        ph_registrar_apologize(rig.registrar, request.data, request.len, &answer, id, &error),
        PH_OK);
    assert_non_null(strstr(answer.data, "cannot answer at present"));
    ph_buf_fini(&request);
    ph_buf_fini(&answer);
    ph_rig_peer_free(&device);
    ph_rig_peer_free(&claim);
    ph_key_free(&key);
}

/* [REG-31]: with a CRL that has expired nothing is signed; it is nobody's fault who asks. */
static void trouble_of_its_own_is_answered_with_later(void **state)
{
    struct ph_rig_peer device;
    struct ph_rig_peer next = {0};
    struct ph_rig_answer later = {0};
    struct ph_key *key = NULL;
    struct ph_buf request;
    struct ph_buf answer;
    char id[PH_ASK_ID_BYTES];
    struct ph_error error = {0};
    struct ph_ask ask = {
        .type = PH_ASK_RENEW, .id = "00112233445566778899aabbccddeeff", .csr = csr};
    (void)state;
    ph_rig_device(&rig, "t-0001", 2000, &device);
    ph_rig_request(NULL, &key, csr, sizeof csr);
    ph_buf_init(&request, PH_LIMIT_ASK_BYTES);
    ph_buf_init(&answer, PH_LIMIT_ANSWER_BYTES);
    assert_int_equal(ph_ask_encode(&ask, &request, &error), PH_OK);
    assert_int_equal(ph_registrar_begin(rig.registrar, &error), PH_OK);
    assert_int_equal(ph_registrar_answer(rig.registrar, &device.asker, request.data, request.len,
                         rig.now_ms + 1001 * PH_DAY_MS, &answer, id, &error),
        PH_ERR_DENIED);
    ph_registrar_rollback(rig.registrar);
    assert_non_null(strstr(error.message, "the CRL of devices or of the root has expired"));
    assert_string_equal(id, ask.id);
    assert_int_equal(answer.len, 0);
    ph_error_clear(&error);
    assert_int_equal(
        ph_registrar_apologize(rig.registrar, request.data, request.len, &answer, id, &error),
        PH_OK);
    assert_int_equal(
        ph_answer_parse(answer.data, answer.len, &later.message, &later.answer, &error), PH_OK);
    assert_int_equal(later.answer.type, PH_ANSWER_WAIT);
    assert_string_equal(later.answer.id, ask.id);
    assert_int_equal(later.answer.retry_s, 60);
    assert_int_equal(ph_registrar_counts(rig.registrar).refused, 0);
    issued(&device.asker, &ask, key, "t-0001", &next);
    ph_rig_answer_free(&later);
    ph_buf_fini(&request);
    ph_buf_fini(&answer);
    ph_rig_peer_free(&next);
    ph_rig_peer_free(&device);
    ph_key_free(&key);
}

/* [REG-2] */
static void bytes_that_are_no_request_get_no_answer(void **state)
{
    static const char *const bad[] = {"", "{", "[]", "{\"v\":2}", "{\"v\":1,\"ask\":\"time\"}",
        "{\"v\":1,\"id\":\"00112233445566778899aabbccddeeff\",\"ask\":\"revoke\"}"};
    struct ph_rig_peer device;
    (void)state;
    ph_rig_device(&rig, "t-0001", 90, &device);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ph_buf answer;
        char id[PH_ASK_ID_BYTES] = "";
        struct ph_error error = {0};
        ph_buf_init(&answer, PH_LIMIT_ANSWER_BYTES);
        assert_int_equal(ph_registrar_answer(rig.registrar, &device.asker, bad[i], strlen(bad[i]),
                             rig.now_ms, &answer, id, &error),
            PH_ERR_INPUT);
        assert_int_equal(answer.len, 0);
        assert_string_equal(id, "");
        ph_buf_fini(&answer);
    }
    ph_rig_peer_free(&device);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(enrolls_who_is_expected_by_name),
        TEST(enrolls_who_is_expected_by_serial_number_or_key),
        TEST(others_wait_for_an_operator),
        TEST(approves_by_itself_only_what_is_free),
        TEST(claims_end),
        TEST(keys_are_looked_at),
        TEST(renews_and_supersedes),
        TEST(renews_what_was_given_back),
        TEST(renews_for_a_new_key),
        TEST(makes_room_for_a_lost_key_now_and_then),
        TEST(each_may_ask_what_is_its_own),
        TEST(renews_by_proof_within_the_grace),
        TEST(the_grace_is_not_for_the_revoked),
        TEST(expected_again_it_enrols_however_late),
        TEST(tells_when_to_renew),
        TEST(signs_the_time_for_one_question),
        TEST(what_is_rolled_back_did_not_happen),
        TEST(trouble_of_its_own_is_answered_with_later),
        TEST(bytes_that_are_no_request_get_no_answer),
    };
    return cmocka_run_group_tests_name("ph.certs.registrar", tests, NULL, NULL);
}
