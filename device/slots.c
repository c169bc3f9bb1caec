#include "device/slots.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include "format/enrolment.h"
#include "x509/certificate.h"
#include "x509/digest.h"
#include "x509/issue.h"
#include "x509/renewed.h"
#include "x509/request.h"
#include "x509/signed.h"

enum { KEY_MODE = 0600, PUBLIC_MODE = 0644 };

/* ---- which pair fits ---- */

static bool fits(const char *certificate_file, const char *key_file)
{
    struct ph_certificate *certificate = NULL;
    bool good = ph_certificate_load(certificate_file, &certificate, NULL) == PH_OK &&
                ph_certificate_check_key(certificate, key_file, NULL) == PH_OK;
    ph_certificate_free(&certificate);
    return good;
}

bool ph_slots_have(const struct ph_slots *slots, enum ph_slot slot)
{
    return fits(slots->certificate[slot], slots->key[slot]);
}

/* ---- opening ---- */

static enum ph_err set_path(
    char paths[2][PATH_MAX], const char *path, const char *what, struct ph_error *error)
{
    int len = snprintf(paths[PH_SLOT_NEXT], PATH_MAX, "%s.next", path);
    /* Writing a file needs a few bytes more for its temporary name. */
    if (len < 0 || len + 8 > PATH_MAX || !ph_text_copy(paths[PH_SLOT_CURRENT], PATH_MAX, path)) {
        return ph_error_set(error, PH_ERR_LIMIT, "%.80s...: path of the %s too long", path, what);
    }
    return PH_OK;
}

/* A promotion renames the key first, so one that stopped in the middle has left the certificate;
 * a disk that keeps the second rename and loses the first, the key. */
static enum ph_err finish_promotion(struct ph_slots *slots, struct ph_error *error)
{
    const char *key = slots->key[PH_SLOT_CURRENT];
    const char *certificate = slots->certificate[PH_SLOT_CURRENT];
    const char *next_key = slots->key[PH_SLOT_NEXT];
    const char *next_certificate = slots->certificate[PH_SLOT_NEXT];
    if (!ph_path_exists(next_key) && fits(next_certificate, key)) {
        return ph_file_rename(next_certificate, certificate, error);
    }
    if (!fits(certificate, key) && fits(certificate, next_key)) {
        return ph_file_rename(next_key, key, error);
    }
    return PH_OK;
}

enum ph_err ph_slots_open(struct ph_slots *slots, const char *certificate, const char *key,
    const char *trust, struct ph_error *error)
{
    *slots = (struct ph_slots){0};
    enum ph_err err = set_path(slots->certificate, certificate, "certificate", error);
    if (err == PH_OK) {
        err = set_path(slots->key, key, "key", error);
    }
    if (err == PH_OK && !ph_text_copy(slots->trust, sizeof slots->trust, trust)) {
        err = ph_error_set(error, PH_ERR_LIMIT, "%.80s...: path of the CAs too long", trust);
    }
    if (err == PH_OK) {
        err = finish_promotion(slots, error);
    }
    if (err == PH_OK && !ph_slots_have(slots, PH_SLOT_NEXT)) {
        err = ph_file_remove(slots->certificate[PH_SLOT_NEXT], error);
    }
    return err;
}

/* ---- a request ---- */

static bool same_key(const struct ph_key *key, const char *path)
{
    struct ph_key *other = NULL;
    char ours[PH_FINGERPRINT_BYTES];
    char theirs[PH_FINGERPRINT_BYTES];
    bool same = ph_key_load(path, &other, NULL) == PH_OK && ph_key_hash(key, ours, NULL) == PH_OK &&
                ph_key_hash(other, theirs, NULL) == PH_OK && strcmp(ours, theirs) == 0;
    ph_key_free(&other);
    return same;
}

static enum ph_err store_key(const struct ph_key *key, const char *path, struct ph_error *error)
{
    struct ph_buf pem;
    ph_buf_init(&pem, PH_LIMIT_CERTIFICATE_BYTES);
    enum ph_err err = ph_key_print(key, &pem, error);
    if (err == PH_OK) {
        err = ph_file_store(path, KEY_MODE, pem.data, pem.len, error);
    }
    ph_buf_fini(&pem); /* clears it */
    return err;
}

static enum ph_err next_key(
    struct ph_slots *slots, bool reuse, struct ph_key **out, struct ph_error *error)
{
    const char *path = slots->key[PH_SLOT_NEXT];
    struct ph_key *key = NULL;
    if (ph_key_load(path, &key, NULL) == PH_OK &&
        (reuse || !same_key(key, slots->key[PH_SLOT_CURRENT]))) {
        *out = key;
        return PH_OK;
    }
    ph_key_free(&key);
    enum ph_err err =
        reuse ? ph_key_load(slots->key[PH_SLOT_CURRENT], &key, error) : ph_key_new(&key, error);
    if (err == PH_OK) {
        err = store_key(key, path, error);
    }
    if (err == PH_OK) {
        *out = key;
        key = NULL;
    }
    ph_key_free(&key);
    return err;
}

enum ph_err ph_slots_request(struct ph_slots *slots, const struct ph_identity *identity, bool reuse,
    struct ph_buf *csr, struct ph_error *error)
{
    struct ph_key *key = NULL;
    enum ph_err err = finish_promotion(slots, error);
    if (err == PH_OK) {
        err = next_key(slots, reuse, &key, error);
    }
    if (err == PH_OK) {
        err = ph_request_make(key, identity, csr, error);
    }
    ph_key_free(&key);
    return err;
}

/* ---- a certificate ---- */

static enum ph_err check_identity(const struct ph_certificate *certificate,
    const struct ph_identity *wanted, struct ph_error *error)
{
    struct ph_identity identity = {0};
    char has[PH_IDENTITY_BYTES];
    char want[PH_IDENTITY_BYTES];
    enum ph_err err = ph_certificate_identity(certificate, &identity, error);
    if (err != PH_OK || wanted == NULL) {
        return err;
    }
    ph_identity_print(has, sizeof has, &identity);
    ph_identity_print(want, sizeof want, wanted);
    return strcmp(has, want) == 0 ? PH_OK
                                  : ph_error_set(error, PH_ERR_DENIED,
                                        "certificate: want one of %s, have one of %s", want, has);
}

enum ph_err ph_slots_store(struct ph_slots *slots, const char *pem,
    const struct ph_identity *identity, int64_t now_ms, struct ph_error *error)
{
    struct ph_buf chain;
    struct ph_certificate *leaf = NULL;
    ph_buf_init(&chain, PH_LIMIT_CERTIFICATE_BYTES);
    enum ph_err err =
        ph_renewed_check(pem, strlen(pem), slots->trust, now_ms, &leaf, &chain, error);
    if (err == PH_OK) {
        err = check_identity(leaf, identity, error);
    }
    if (err == PH_OK) {
        err = ph_certificate_check_key(leaf, slots->key[PH_SLOT_NEXT], error);
    }
    if (err == PH_OK) {
        err = ph_file_store(
            slots->certificate[PH_SLOT_NEXT], PUBLIC_MODE, chain.data, chain.len, error);
    }
    ph_certificate_free(&leaf);
    ph_buf_fini(&chain);
    return err;
}

/* ---- promoted, or dropped ---- */

enum ph_err ph_slots_promote(struct ph_slots *slots, struct ph_error *error)
{
    const char *next_certificate = slots->certificate[PH_SLOT_NEXT];
    if (ph_slots_have(slots, PH_SLOT_NEXT)) {
        enum ph_err err =
            ph_file_rename(slots->key[PH_SLOT_NEXT], slots->key[PH_SLOT_CURRENT], error);
        if (err != PH_OK) {
            return err;
        }
    }
    if (!fits(next_certificate, slots->key[PH_SLOT_CURRENT])) {
        return ph_error_set(error, PH_ERR_NOT_FOUND,
            "%s: no certificate with its key: want one to be stored first", next_certificate);
    }
    return ph_file_rename(next_certificate, slots->certificate[PH_SLOT_CURRENT], error);
}

/* The certificate first: without its key it would pass for a promotion that was interrupted, where
 * the current key is the same. */
enum ph_err ph_slots_drop(struct ph_slots *slots, struct ph_error *error)
{
    enum ph_err err = finish_promotion(slots, error);
    if (err == PH_OK) {
        err = ph_file_remove(slots->certificate[PH_SLOT_NEXT], error);
    }
    return err == PH_OK ? ph_file_remove(slots->key[PH_SLOT_NEXT], error) : err;
}

/* ---- trusted CAs ---- */

static enum ph_err load_trust(
    const struct ph_slots *slots, struct ph_buf *out, struct ph_error *error)
{
    ph_buf_init(out, PH_LIMIT_BUNDLE_BYTES);
    return ph_file_load(slots->trust, out, error);
}

static enum ph_err present_number(
    const struct ph_slots *slots, int64_t *number, struct ph_error *error)
{
    struct ph_buf present;
    enum ph_err err = load_trust(slots, &present, error);
    *number = err == PH_OK && present.len > 0 ? ph_trust_bundle_number(present.data) : 0;
    ph_buf_fini(&present);
    return err;
}

static enum ph_err check_bundle(const struct ph_slots *slots,
    const struct ph_trust_statement *statement, struct ph_error *error)
{
    int64_t present = 0;
    enum ph_err err = present_number(slots, &present, error);
    if (err != PH_OK) {
        return err;
    }
    if (statement->number <= present) {
        return ph_error_set(error, PH_ERR_DENIED,
            "trust statement: number: want one above %" PRId64 ", have %" PRId64, present,
            statement->number);
    }
    if (ph_trust_bundle_number(statement->bundle) != statement->number) {
        return ph_error_set(error, PH_ERR_DENIED,
            "trust statement: bundle: want number %" PRId64 " in its first line",
            statement->number);
    }
    return ph_renewed_check_roots(statement->bundle, strlen(statement->bundle), error);
}

static enum ph_err take_bundle(struct ph_slots *slots, const struct ph_signed *signed_text,
    int64_t *number, struct ph_error *error)
{
    size_t len = 0;
    struct ph_trust_statement statement = {0};
    struct ph_trust_message *message = NULL;
    const char *text = ph_signed_text(signed_text, &len);
    enum ph_err err = ph_trust_statement_parse(text, len, &message, &statement, error);
    if (err == PH_OK) {
        err = check_bundle(slots, &statement, error);
    }
    if (err == PH_OK) {
        err = ph_file_store(
            slots->trust, PUBLIC_MODE, statement.bundle, strlen(statement.bundle), error);
    }
    if (err == PH_OK) {
        *number = statement.number;
    }
    ph_trust_message_free(&message);
    return err;
}

enum ph_err ph_slots_trust(
    struct ph_slots *slots, const char *statement, int64_t *number, struct ph_error *error)
{
    struct ph_signed *parsed = NULL;
    enum ph_err err = ph_signed_parse(statement, strlen(statement), &parsed, error);
    if (err == PH_OK) {
        err = ph_signed_check_root(parsed, slots->trust, error);
    }
    if (err == PH_OK) {
        err = take_bundle(slots, parsed, number, error);
    }
    ph_signed_free(&parsed);
    return err;
}

enum ph_err ph_slots_trust_digest(
    const struct ph_slots *slots, char out[65], struct ph_error *error)
{
    struct ph_buf present;
    enum ph_err err = load_trust(slots, &present, error);
    if (err == PH_OK && !ph_sha256_hex(out, present.len > 0 ? present.data : "", present.len)) {
        err = ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", slots->trust);
    }
    ph_buf_fini(&present);
    return err;
}
