/* ph.device.slots: docs/spec/enrolment.md, the pairs of a device on its disk. */
#include "device/slots.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "device/slots_testbed.h"

static struct testbed bed;
static struct ph_slots slots;

static const struct ph_identity self = {.tenant = "acme", .kind = "thermostat", .device = "t-0001"};
static const struct ph_identity other = {
    .tenant = "acme", .kind = "thermostat", .device = "t-0002"};

static int set_up(void **state)
{
    (void)state;
    testbed_make(&bed);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    testbed_remove(&bed);
    return 0;
}

static void reopen(void)
{
    struct ph_error error = {0};
    if (ph_slots_open(&slots, testbed_path(&bed, "cert.pem"), testbed_path(&bed, "key.pem"),
            testbed_path(&bed, "ca.pem"), &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
}

/* Whether there is a next key, and no certificate for it. */
static bool waits_for_a_certificate(void)
{
    struct ph_key *key = NULL;
    bool good = ph_key_load(testbed_path(&bed, "key.pem.next"), &key, NULL) == PH_OK;
    ph_key_free(&key);
    return good && !ph_slots_have(&slots, PH_SLOT_NEXT);
}

/* Asks for a certificate and gets one, as far as it is stored. */
static void renew(bool reuse)
{
    struct ph_buf csr;
    struct ph_buf pem;
    struct ph_error error = {0};
    ph_buf_init(&csr, 16384);
    ph_buf_init(&pem, 16384);
    assert_int_equal(ph_slots_request(&slots, &self, reuse, &csr, &error), PH_OK);
    testbed_issue(&bed, csr.data, &self, &pem);
    if (ph_slots_store(&slots, pem.data, &self, TESTBED_NOW, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    ph_buf_fini(&csr);
    ph_buf_fini(&pem);
}

/* A device that has lived on one pair. */
static void enrol(void)
{
    struct ph_error error = {0};
    reopen();
    renew(false);
    if (ph_slots_promote(&slots, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    assert_true(ph_slots_have(&slots, PH_SLOT_CURRENT));
    assert_false(ph_slots_have(&slots, PH_SLOT_NEXT));
}

/* ---- requests ---- */

/* [RENEW-20] [RENEW-21] */
static void a_key_is_on_disk_before_its_request(void **state)
{
    (void)state;
    struct ph_buf csr;
    char first[PH_FINGERPRINT_BYTES];
    char again[PH_FINGERPRINT_BYTES];
    ph_buf_init(&csr, 16384);
    reopen();
    assert_false(ph_slots_have(&slots, PH_SLOT_CURRENT));
    assert_false(ph_slots_have(&slots, PH_SLOT_NEXT));
    assert_false(waits_for_a_certificate());
    assert_int_equal(ph_slots_request(&slots, NULL, false, &csr, NULL), PH_OK);
    testbed_request_key(csr.data, first);
    assert_true(waits_for_a_certificate());
    assert_int_equal(testbed_mode(&bed, "key.pem.next"), 0600);
    assert_false(testbed_has(&bed, "key.pem"));

    reopen(); /* killed before it was sent, or before the answer came: the same request again */
    assert_true(waits_for_a_certificate());
    ph_buf_reset(&csr);
    assert_int_equal(ph_slots_request(&slots, &self, false, &csr, NULL), PH_OK);
    testbed_request_key(csr.data, again);
    assert_string_equal(first, again);
    ph_buf_fini(&csr);
}

static void request_key(bool reuse, char hash[PH_FINGERPRINT_BYTES])
{
    struct ph_buf csr;
    struct ph_error error = {0};
    ph_buf_init(&csr, 16384);
    if (ph_slots_request(&slots, &self, reuse, &csr, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    testbed_request_key(csr.data, hash);
    ph_buf_fini(&csr);
}

/* [RENEW-22] */
static void a_key_is_new_unless_it_shall_be_kept(void **state)
{
    (void)state;
    char current[PH_FINGERPRINT_BYTES];
    char next[PH_FINGERPRINT_BYTES];
    enrol();
    testbed_key_hash(&bed, "key.pem", current);
    request_key(true, next);
    assert_string_equal(next, current);
    assert_int_equal(testbed_mode(&bed, "key.pem.next"), 0600);
    request_key(false, next); /* not the copy that waits from before */
    assert_string_not_equal(next, current);
    testbed_key_hash(&bed, "key.pem", next);
    assert_string_equal(next, current);
}

/* [RENEW-21] */
static void a_next_key_that_cannot_be_used_is_replaced(void **state)
{
    (void)state;
    char before[PH_FINGERPRINT_BYTES];
    char after[PH_FINGERPRINT_BYTES];
    enrol();
    testbed_write(&bed, "key.pem.next", "-----BEGIN PRIVATE KEY-----\ngarbage\n");
    reopen();
    assert_false(waits_for_a_certificate());
    request_key(false, before);
    assert_int_equal(chmod(testbed_path(&bed, "key.pem.next"), 0644), 0); /* others may know it */
    assert_false(waits_for_a_certificate());
    request_key(false, after);
    assert_string_not_equal(before, after);
    assert_int_equal(testbed_mode(&bed, "key.pem.next"), 0600);
    assert_true(ph_slots_have(&slots, PH_SLOT_CURRENT));
}

static void nothing_to_keep_is_said(void **state)
{
    (void)state;
    struct ph_buf csr;
    struct ph_error error = {0};
    ph_buf_init(&csr, 16384);
    reopen();
    assert_int_equal(ph_slots_request(&slots, &self, true, &csr, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "key.pem: open: No such file"));
    assert_int_equal(csr.len, 0);
    ph_buf_fini(&csr);
}

/* ---- certificates ---- */

/* [RENEW-23] */
static void a_certificate_is_stored_and_promoted(void **state)
{
    (void)state;
    struct ph_buf before;
    struct ph_buf after;
    enrol();
    assert_int_equal(testbed_mode(&bed, "cert.pem"), 0644);
    assert_int_equal(testbed_mode(&bed, "key.pem"), 0600);
    testbed_read(&bed, "cert.pem", &before);
    assert_int_equal(testbed_count(before.data, "BEGIN CERTIFICATE"), 2); /* leaf and its CA */
    renew(false);
    assert_true(ph_slots_have(&slots, PH_SLOT_NEXT));
    assert_false(waits_for_a_certificate());
    testbed_read(&bed, "cert.pem", &after);
    assert_string_equal(before.data, after.data); /* until it is promoted */
    ph_buf_fini(&after);
    reopen(); /* a restart changes nothing */
    assert_true(ph_slots_have(&slots, PH_SLOT_NEXT));
    assert_true(ph_slots_have(&slots, PH_SLOT_CURRENT));
    assert_int_equal(ph_slots_promote(&slots, NULL), PH_OK);
    testbed_read(&bed, "cert.pem", &after);
    assert_string_not_equal(before.data, after.data);
    assert_true(ph_slots_have(&slots, PH_SLOT_CURRENT));
    assert_false(testbed_has(&bed, "key.pem.next"));
    assert_false(testbed_has(&bed, "cert.pem.next"));
    ph_buf_fini(&before);
    ph_buf_fini(&after);
}

static void expect_refused(const char *pem, int64_t now_ms, enum ph_err code, const char *message)
{
    struct ph_error error = {0};
    assert_int_equal(ph_slots_store(&slots, pem, &self, now_ms, &error), code);
    if (strstr(error.message, message) == NULL) {
        fail_msg("%s, not %s", error.message, message);
    }
    assert_false(testbed_has(&bed, "cert.pem.next"));
    assert_true(waits_for_a_certificate());
    assert_true(ph_slots_have(&slots, PH_SLOT_CURRENT));
}

/* [RENEW-23] */
static void other_certificates_are_refused(void **state)
{
    (void)state;
    struct ph_buf csr;
    struct ph_buf pem;
    ph_buf_init(&csr, 16384);
    ph_buf_init(&pem, 16384);
    enrol();
    assert_int_equal(ph_slots_request(&slots, &self, false, &csr, NULL), PH_OK);

    testbed_issue(&bed, csr.data, &other, &pem);
    expect_refused(pem.data, TESTBED_NOW, PH_ERR_DENIED,
        "want one of acme/thermostat/t-0001, have one of acme/thermostat/t-0002");

    ph_buf_reset(&pem);
    testbed_issue_for_new_key(&bed, &self, &pem);
    expect_refused(pem.data, TESTBED_NOW, PH_ERR_DENIED, "key.pem.next");

    ph_buf_reset(&pem);
    testbed_issue(&bed, csr.data, &self, &pem);
    expect_refused(pem.data, TESTBED_NOW + TESTBED_LIFE + 1, PH_ERR_DENIED, "expired");
    pem.data[pem.len / 4] = '!';
    expect_refused(pem.data, TESTBED_NOW, PH_ERR_INPUT, "certificate: PEM");
    expect_refused("", TESTBED_NOW, PH_ERR_INPUT, "certificate: PEM");

    ph_buf_reset(&pem);
    testbed_issue_by_stranger(&bed, csr.data, &self, &pem);
    expect_refused(pem.data, TESTBED_NOW, PH_ERR_DENIED, "unknown CA");
    ph_buf_fini(&csr);
    ph_buf_fini(&pem);
}

/* [RENEW-23] Without the time, or with a clock that is behind, dates do not keep it away. */
static void a_clock_that_is_wrong_is_no_fault_of_the_certificate(void **state)
{
    (void)state;
    static const int64_t clocks[] = {0, 1, TESTBED_NOW - 3600000};
    struct ph_buf csr;
    struct ph_buf pem;
    ph_buf_init(&csr, 16384);
    ph_buf_init(&pem, 16384);
    reopen();
    assert_int_equal(ph_slots_request(&slots, NULL, false, &csr, NULL), PH_OK);
    testbed_issue(&bed, csr.data, &self, &pem);
    for (size_t i = 0; i < 3; i++) {
        struct ph_error error = {0};
        if (ph_slots_store(&slots, pem.data, NULL, clocks[i], &error) != PH_OK) {
            fail_msg("%s", error.message);
        }
    }
    ph_buf_fini(&csr);
    ph_buf_fini(&pem);
}

static void without_its_key_no_certificate_is_taken(void **state)
{
    (void)state;
    struct ph_buf pem;
    struct ph_error error = {0};
    ph_buf_init(&pem, 16384);
    enrol();
    testbed_issue_for_new_key(&bed, &self, &pem);
    assert_int_equal(
        ph_slots_store(&slots, pem.data, &self, TESTBED_NOW, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "key.pem.next"));
    assert_false(testbed_has(&bed, "cert.pem.next"));
    ph_buf_fini(&pem);
}

static void nothing_is_promoted_that_is_not_there(void **state)
{
    (void)state;
    char next[PH_FINGERPRINT_BYTES];
    struct ph_error error = {0};
    enrol();
    assert_int_equal(ph_slots_promote(&slots, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "cert.pem.next: no certificate with its key"));
    request_key(false, next);
    assert_int_equal(ph_slots_promote(&slots, NULL), PH_ERR_NOT_FOUND);
    assert_true(ph_slots_have(&slots, PH_SLOT_CURRENT));
    assert_true(waits_for_a_certificate());
}

/* [RENEW-25] */
static void a_dropped_pair_is_gone(void **state)
{
    (void)state;
    char dropped[PH_FINGERPRINT_BYTES];
    char next[PH_FINGERPRINT_BYTES];
    enrol();
    renew(false);
    testbed_key_hash(&bed, "key.pem.next", dropped);
    assert_int_equal(ph_slots_drop(&slots, NULL), PH_OK);
    assert_int_equal(ph_slots_drop(&slots, NULL), PH_OK); /* nothing there */
    assert_false(waits_for_a_certificate());
    assert_true(ph_slots_have(&slots, PH_SLOT_CURRENT));
    request_key(false, next);
    assert_string_not_equal(next, dropped);
}

/* ---- killed at any point ---- */

/* What a file of the pair holds: nothing, its own of the old or the new pair, or something else. */
enum content { NONE, OLD, NEW, BAD };

struct layout {
    enum content key;
    enum content certificate;
    enum content next_key;
    enum content next_certificate;
};

struct expectation {
    enum content current; /* the pair that is then in use; NONE: there is none */
    bool next;            /* the new pair is complete in its slot */
    bool wait;
};

static const char *const bad_contents[] = {"", "\n", "garbage\n",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"};

static void put(const char *name, enum content content, const char *const texts[4])
{
    (void)unlink(testbed_path(&bed, name));
    if (content != NONE) {
        testbed_write(&bed, name, texts[content]);
    }
}

static void expect_layout(const struct layout *layout, const struct expectation *want,
    const char *const keys[4], const char *const certificates[4])
{
    put("key.pem", layout->key, keys);
    put("cert.pem", layout->certificate, certificates);
    put("key.pem.next", layout->next_key, keys);
    put("cert.pem.next", layout->next_certificate, certificates);
    for (int times = 0; times < 2; times++) { /* opening again changes nothing more */
        struct ph_buf certificate;
        reopen();
        assert_int_equal(ph_slots_have(&slots, PH_SLOT_CURRENT), want->current != NONE);
        assert_int_equal(ph_slots_have(&slots, PH_SLOT_NEXT), want->next);
        assert_int_equal(waits_for_a_certificate(), want->wait);
        if (want->current != NONE) {
            testbed_read(&bed, "cert.pem", &certificate);
            assert_string_equal(certificate.data, certificates[want->current]);
            ph_buf_fini(&certificate);
        }
        assert_int_equal(testbed_has(&bed, "cert.pem.next"), want->next);
    }
}

/* [RENEW-24] Every state that a kill can leave behind, and some that a broken disk can. */
static void whatever_is_killed_there_is_a_pair(void **state)
{
    (void)state;
    static const struct {
        struct layout layout;
        struct expectation want;
    } cases[] = {
        /* a first enrolment */
        {{NONE, NONE, NONE, NONE}, {NONE, false, false}},
        {{NONE, NONE, NEW, NONE}, {NONE, false, true}},
        {{NONE, NONE, NEW, NEW}, {NONE, true, false}},
        {{NEW, NONE, NONE, NEW}, {NEW, false, false}}, /* killed between the renames */
        {{NONE, NEW, NEW, NONE}, {NEW, false, false}}, /* the first one lost by the disk */
        {{NEW, NEW, NONE, NONE}, {NEW, false, false}},
        /* a renewal */
        {{OLD, OLD, NEW, NONE}, {OLD, false, true}},
        {{OLD, OLD, NEW, NEW}, {OLD, true, false}},
        {{NEW, OLD, NONE, NEW}, {NEW, false, false}},
        {{OLD, NEW, NEW, NONE}, {NEW, false, false}},
        /* a pair that is dropped */
        {{OLD, OLD, NEW, NONE}, {OLD, false, true}},
        /* halves, and files that something else wrote */
        {{OLD, OLD, NONE, NEW}, {OLD, false, false}},
        {{OLD, OLD, OLD, NEW}, {OLD, false, true}},
        {{OLD, OLD, BAD, NONE}, {OLD, false, false}},
        {{OLD, OLD, BAD, NEW}, {OLD, false, false}},
        {{OLD, OLD, NEW, BAD}, {OLD, false, true}},
        {{OLD, OLD, NONE, BAD}, {OLD, false, false}},
        {{OLD, OLD, BAD, BAD}, {OLD, false, false}},
        {{OLD, BAD, NEW, NEW}, {NONE, true, false}},
        {{BAD, OLD, NEW, NEW}, {NONE, true, false}},
        {{NONE, OLD, NEW, NEW}, {NONE, true, false}},
        {{OLD, NONE, NEW, NEW}, {NONE, true, false}},
        {{NEW, BAD, NONE, NEW}, {NEW, false, false}},
        {{BAD, NEW, NEW, NONE}, {NEW, false, false}},
        {{OLD, NEW, NEW, NEW}, {NEW, false, false}},
        {{OLD, NEW, NEW, BAD}, {NEW, false, false}},
        {{BAD, BAD, NONE, NONE}, {NONE, false, false}},
        {{OLD, NEW, NONE, NONE}, {NONE, false, false}},
    };
    struct ph_buf old_key;
    struct ph_buf old_certificate;
    struct ph_buf new_key;
    struct ph_buf new_certificate;
    enrol();
    renew(false);
    testbed_read(&bed, "key.pem", &old_key);
    testbed_read(&bed, "cert.pem", &old_certificate);
    testbed_read(&bed, "key.pem.next", &new_key);
    testbed_read(&bed, "cert.pem.next", &new_certificate);
    for (size_t b = 0; b < sizeof bad_contents / sizeof bad_contents[0]; b++) {
        const char *const keys[4] = {NULL, old_key.data, new_key.data, bad_contents[b]};
        const char *const certificates[4] = {
            NULL, old_certificate.data, new_certificate.data, bad_contents[b]};
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            expect_layout(&cases[i].layout, &cases[i].want, keys, certificates);
        }
    }
    ph_buf_fini(&old_key);
    ph_buf_fini(&old_certificate);
    ph_buf_fini(&new_key);
    ph_buf_fini(&new_certificate);
}

/* [RENEW-24] [RENEW-25] With a key that is kept both pairs have it; half a drop must not pass for
 * half a promotion. */
static void half_a_drop_is_no_promotion(void **state)
{
    (void)state;
    struct ph_buf before;
    struct ph_buf after;
    enrol();
    renew(true);
    testbed_read(&bed, "cert.pem", &before);
    assert_int_equal(mkdir(testbed_path(&bed, "hold"), 0700), 0);
    assert_int_equal(rename(testbed_path(&bed, "key.pem.next"), testbed_path(&bed, "hold/key")), 0);
    assert_int_equal(mkdir(testbed_path(&bed, "key.pem.next"), 0700), 0); /* cannot be unlinked */
    struct ph_error error = {0};
    assert_int_not_equal(ph_slots_drop(&slots, &error), PH_OK);
    assert_non_null(strstr(error.message, "key.pem.next: remove"));
    assert_int_equal(rmdir(testbed_path(&bed, "key.pem.next")), 0);
    assert_int_equal(rename(testbed_path(&bed, "hold/key"), testbed_path(&bed, "key.pem.next")), 0);
    reopen();
    testbed_read(&bed, "cert.pem", &after);
    assert_string_equal(before.data, after.data);
    assert_true(ph_slots_have(&slots, PH_SLOT_CURRENT));
    assert_false(ph_slots_have(&slots, PH_SLOT_NEXT));
    ph_buf_fini(&before);
    ph_buf_fini(&after);
}

/* [RENEW-11] [RENEW-24] Nor does a complete pair, before it was tried. */
static void a_pair_with_the_same_key_waits_for_its_trial(void **state)
{
    (void)state;
    struct ph_buf before;
    struct ph_buf after;
    enrol();
    renew(true);
    testbed_read(&bed, "cert.pem", &before);
    reopen();
    testbed_read(&bed, "cert.pem", &after);
    assert_string_equal(before.data, after.data);
    assert_true(ph_slots_have(&slots, PH_SLOT_NEXT));
    assert_int_equal(unlink(testbed_path(&bed, "key.pem.next")), 0); /* half promoted */
    reopen();
    ph_buf_fini(&after);
    testbed_read(&bed, "cert.pem", &after);
    assert_string_not_equal(before.data, after.data);
    assert_true(ph_slots_have(&slots, PH_SLOT_CURRENT));
    ph_buf_fini(&before);
    ph_buf_fini(&after);
}

/* [RENEW-24] */
static void a_promotion_that_fails_can_be_repeated(void **state)
{
    (void)state;
    struct ph_error error = {0};
    enrol();
    renew(false);
    assert_int_equal(unlink(testbed_path(&bed, "cert.pem")), 0);
    assert_int_equal(mkdir(testbed_path(&bed, "cert.pem"), 0700), 0);
    assert_int_not_equal(ph_slots_promote(&slots, &error), PH_OK); /* half done */
    assert_non_null(strstr(error.message, "cert.pem.next: rename to"));
    assert_int_equal(rmdir(testbed_path(&bed, "cert.pem")), 0);
    assert_int_equal(ph_slots_promote(&slots, NULL), PH_OK);
    assert_true(ph_slots_have(&slots, PH_SLOT_CURRENT));
    assert_false(testbed_has(&bed, "cert.pem.next"));
}

/* Leaves a promotion half done: the new key is in use, its certificate is not. */
static void promote_by_half(void)
{
    struct ph_error error = {0};
    enrol();
    renew(false);
    assert_int_equal(rename(testbed_path(&bed, "cert.pem"), testbed_path(&bed, "old.pem")), 0);
    assert_int_equal(mkdir(testbed_path(&bed, "cert.pem"), 0700), 0);
    assert_int_not_equal(ph_slots_promote(&slots, &error), PH_OK);
    assert_non_null(strstr(error.message, "cert.pem.next: rename to"));
}

static void mend_disk(void)
{
    assert_int_equal(rmdir(testbed_path(&bed, "cert.pem")), 0);
    assert_int_equal(rename(testbed_path(&bed, "old.pem"), testbed_path(&bed, "cert.pem")), 0);
}

/* [RENEW-24]: what comes after half a promotion does not take the other half away. */
static void half_a_promotion_is_finished_before_anything_else(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_buf csr;
    ph_buf_init(&csr, PH_LIMIT_CERTIFICATE_BYTES);
    promote_by_half();
    assert_int_not_equal(ph_slots_request(&slots, NULL, false, &csr, &error), PH_OK);
    assert_int_not_equal(ph_slots_drop(&slots, &error), PH_OK);
    mend_disk();
    assert_int_equal(ph_slots_request(&slots, NULL, false, &csr, &error), PH_OK);
    reopen();
    assert_true(ph_slots_have(&slots, PH_SLOT_CURRENT));

    assert_int_equal(ph_slots_drop(&slots, &error), PH_OK);
    promote_by_half();
    mend_disk();
    assert_int_equal(ph_slots_drop(&slots, &error), PH_OK);
    assert_true(ph_slots_have(&slots, PH_SLOT_CURRENT));
    assert_false(ph_slots_have(&slots, PH_SLOT_NEXT));
    ph_buf_fini(&csr);
}

/* ---- hostile or broken disks ---- */

/* [RENEW-26] */
static void symbolic_links_are_not_followed(void **state)
{
    (void)state;
    static const char *const names[] = {"key.pem.next", "cert.pem.next"};
    struct ph_buf content;
    enrol();
    testbed_write(&bed, "precious", "precious\n");
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(symlink(testbed_path(&bed, "precious"), testbed_path(&bed, names[i])), 0);
    }
    renew(false);
    assert_int_equal(ph_slots_promote(&slots, NULL), PH_OK);
    testbed_read(&bed, "precious", &content);
    assert_string_equal(content.data, "precious\n");
    ph_buf_fini(&content);

    /* the files in use may be links; what they name is left alone */
    assert_int_equal(rename(testbed_path(&bed, "cert.pem"), testbed_path(&bed, "first.pem")), 0);
    assert_int_equal(symlink(testbed_path(&bed, "first.pem"), testbed_path(&bed, "cert.pem")), 0);
    struct ph_buf first;
    testbed_read(&bed, "first.pem", &first);
    renew(false);
    assert_int_equal(ph_slots_promote(&slots, NULL), PH_OK);
    testbed_read(&bed, "first.pem", &content);
    assert_string_equal(content.data, first.data);
    assert_true(ph_slots_have(&slots, PH_SLOT_CURRENT));
    ph_buf_fini(&first);
    ph_buf_fini(&content);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* [RENEW-26] */
static void a_full_disk_leaves_the_old_pair(void **state)
{
    (void)state;
    struct ph_buf csr;
    struct ph_buf pem;
    struct ph_error error = {0};
    ph_buf_init(&csr, 16384);
    ph_buf_init(&pem, 16384);
    enrol();
    (void)signal(SIGXFSZ, SIG_IGN);
    limit_files(0);
    assert_int_equal(ph_slots_request(&slots, &self, false, &csr, &error), PH_ERR_IO);
    limit_files(RLIM_INFINITY);
    assert_non_null(strstr(error.message, "key.pem.next: write"));
    assert_int_equal(csr.len, 0); /* no request for a key that is lost with the power */
    assert_false(testbed_has(&bed, "key.pem.next"));

    ph_error_clear(&error);
    assert_int_equal(ph_slots_request(&slots, &self, false, &csr, NULL), PH_OK);
    testbed_issue(&bed, csr.data, &self, &pem);
    limit_files(10);
    assert_int_equal(ph_slots_store(&slots, pem.data, &self, TESTBED_NOW, &error), PH_ERR_IO);
    limit_files(RLIM_INFINITY);
    assert_non_null(strstr(error.message, "cert.pem.next: write"));
    assert_true(waits_for_a_certificate());
    assert_true(ph_slots_have(&slots, PH_SLOT_CURRENT));
    assert_int_equal(ph_slots_store(&slots, pem.data, &self, TESTBED_NOW, NULL), PH_OK);
    assert_int_equal(testbed_entries(&bed), 5); /* two pairs and the CAs, no scraps */
    ph_buf_fini(&csr);
    ph_buf_fini(&pem);
}

static void long_paths_are_refused(void **state)
{
    (void)state;
    static char path[PATH_MAX + 8];
    struct ph_error error = {0};
    memset(path, 'a', sizeof path - 1);
    assert_int_equal(ph_slots_open(&slots, path, "key.pem", "ca.pem", &error), PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "path of the certificate too long"));
    ph_error_clear(&error);
    path[PATH_MAX - 10] = '\0';
    assert_int_equal(ph_slots_open(&slots, "cert.pem", path, "ca.pem", &error), PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "path of the key too long"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_is_on_disk_before_its_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_is_new_unless_it_shall_be_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_next_key_that_cannot_be_used_is_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_to_keep_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_certificate_is_stored_and_promoted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_certificates_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_clock_that_is_wrong_is_no_fault_of_the_certificate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_its_key_no_certificate_is_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_promoted_that_is_not_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dropped_pair_is_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(whatever_is_killed_there_is_a_pair, set_up, tear_down),
        cmocka_unit_test_setup_teardown(half_a_drop_is_no_promotion, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_pair_with_the_same_key_waits_for_its_trial, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_promotion_that_fails_can_be_repeated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            half_a_promotion_is_finished_before_anything_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(symbolic_links_are_not_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_leaves_the_old_pair, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_paths_are_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
