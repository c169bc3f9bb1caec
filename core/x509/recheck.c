#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "x509/authority.h"

_Static_assert(sizeof(struct ph_voucher) == 64, "kept once per connection");

static void read_serial(struct ph_serial *out, const struct ph_voucher *voucher)
{
    uint8_t len = voucher->serial_len <= PH_SERIAL_OCTETS ? voucher->serial_len : PH_SERIAL_OCTETS;
    *out = (struct ph_serial){.len = len};
    memcpy(out->bytes, voucher->serial, len);
}

/* ---- refusals: the leaf is not at hand, so its number stands for it ---- */

static enum ph_err refuse_leaf(const struct ph_trust *trust, const struct ph_voucher *voucher,
    const struct ph_trust_authority *issuer, const char *what, struct ph_error *error)
{
    char hex[2 * PH_SERIAL_OCTETS + 1];
    char name[PH_X509_NAME_BYTES] = "?";
    struct ph_serial serial;
    read_serial(&serial, voucher);
    ph_hex_encode(hex, serial.bytes, serial.len);
    const char *digits = hex[0] == '0' ? hex + 1 : hex; /* as ph_certificate_facts() has it */
    if (issuer != NULL) {
        const X509 *ca = trust->certificates[issuer->certificate].x509;
        ph_x509_errors_begin();
        ph_x509_name_print(name, sizeof name, X509_get_subject_name(ca));
        ph_x509_errors_end();
    }
    return ph_error_set(error, PH_ERR_DENIED,
        "anchor %s: certificate with serial number %s (depth 0, issuer \"%s\"): %s", trust->name,
        serial.len > 0 ? digits : "0", name, what);
}

static enum ph_err refuse_ca(const struct ph_trust *trust,
    const struct ph_trust_certificate *certificate, int depth, const char *what,
    struct ph_error *error)
{
    char subject[PH_X509_NAME_BYTES];
    char issuer[PH_X509_NAME_BYTES];
    ph_x509_errors_begin();
    ph_x509_name_print(subject, sizeof subject, X509_get_subject_name(certificate->x509));
    ph_x509_name_print(issuer, sizeof issuer, X509_get_issuer_name(certificate->x509));
    ph_x509_errors_end();
    return ph_error_set(error, PH_ERR_DENIED,
        "anchor %s: CA certificate \"%s\" (depth %d, issuer \"%s\"): %s", trust->name, subject,
        depth, issuer, what);
}

/* The certificate to blame for an authority that is not good: the first revoked one on the way up,
 * else its own. */
static const struct ph_trust_certificate *find_culprit(
    const struct ph_trust *trust, const struct ph_trust_authority *authority, int *depth)
{
    const struct ph_trust_certificate *own = &trust->certificates[authority->certificate];
    const struct ph_trust_certificate *certificate = own;
    *depth = 1;
    while (certificate->revoked == NULL && !certificate->root &&
           certificate->issuer != PH_NO_AUTHORITY && *depth < PH_LIMIT_CHAIN_DEPTH) {
        authority = &trust->authorities[certificate->issuer];
        certificate = &trust->certificates[authority->certificate];
        ++*depth;
    }
    if (certificate->revoked == NULL) {
        *depth = 1;
        certificate = own;
    }
    return certificate;
}

static enum ph_err refuse_bad_ca(const struct ph_trust *trust,
    const struct ph_trust_authority *authority, enum ph_chain_fault *fault, struct ph_error *error)
{
    int depth = 1;
    const struct ph_trust_certificate *culprit = find_culprit(trust, authority, &depth);
    char what[64] = "its chain to a root of the anchor does not hold";
    if (culprit->revoked != NULL) {
        ph_trust_describe_revoked(what, culprit->revoked);
    }
    *fault = culprit->revoked != NULL ? PH_CHAIN_CA_REVOKED : PH_CHAIN_UNKNOWN_CA;
    return refuse_ca(trust, culprit, depth, what, error);
}

static enum ph_err refuse_expired_ca(const struct ph_trust *trust,
    const struct ph_trust_authority *authority, struct ph_error *error)
{
    const struct ph_path *path = &authority->path;
    const struct ph_trust_certificate *certificate = NULL;
    char what[64];
    char when[PH_UTC_BYTES];
    int depth = 0;
    do {
        certificate = &trust->certificates[path->certificates[depth++]];
    } while (certificate->not_after_ms != authority->until_ms);
    ph_utc_print(when, certificate->not_after_ms);
    (void)snprintf(what, sizeof what, "expired at %s", when);
    return refuse_ca(trust, certificate, depth, what, error);
}

static enum ph_err refuse_expired(const struct ph_trust *trust, const struct ph_voucher *voucher,
    const struct ph_trust_authority *issuer, struct ph_error *error)
{
    char what[64];
    char when[PH_UTC_BYTES];
    ph_utc_print(when, voucher->not_after_ms);
    (void)snprintf(what, sizeof what, "expired at %s", when);
    return refuse_leaf(trust, voucher, issuer, what, error);
}

/* ---- the lookups ---- */

static enum ph_err recheck(const struct ph_trust *trust, const struct ph_voucher *voucher,
    int64_t now_ms, enum ph_chain_fault *fault, struct ph_error *error)
{
    const struct ph_trust_authority *issuer = ph_trust_authority_find(trust, voucher->issuer);
    if (issuer == NULL) {
        *fault = PH_CHAIN_UNKNOWN_CA;
        return refuse_leaf(
            trust, voucher, NULL, "issued by an unknown CA: it is no longer in the anchor", error);
    }
    if (issuer->crl != NULL) {
        struct ph_serial serial;
        read_serial(&serial, voucher);
        const struct ph_revoked *entry = ph_revocations_find(issuer->crl, &serial);
        if (entry != NULL) {
            char what[64];
            ph_trust_describe_revoked(what, entry);
            *fault = PH_CHAIN_REVOKED;
            return refuse_leaf(trust, voucher, issuer, what, error);
        }
    }
    if (issuer->until_ms == INT64_MIN) {
        return refuse_bad_ca(trust, issuer, fault, error);
    }
    *fault = PH_CHAIN_EXPIRED;
    if (now_ms >= voucher->not_after_ms) {
        return refuse_expired(trust, voucher, issuer, error);
    }
    if (now_ms >= issuer->until_ms) {
        return refuse_expired_ca(trust, issuer, error);
    }
    *fault = PH_CHAIN_GOOD;
    return PH_OK;
}

enum ph_err ph_trust_recheck(const struct ph_trust *trust, const struct ph_voucher *voucher,
    int64_t now_ms, enum ph_chain_fault *fault, struct ph_error *error)
{
    enum ph_chain_fault found = PH_CHAIN_GOOD;
    enum ph_err err = recheck(trust, voucher, now_ms, &found, error);
    if (fault != NULL) {
        *fault = found;
    }
    return err;
}

int64_t ph_trust_deadline_ms(const struct ph_trust *trust, const struct ph_voucher *voucher)
{
    const struct ph_trust_authority *issuer = ph_trust_authority_find(trust, voucher->issuer);
    if (issuer == NULL) {
        return INT64_MIN;
    }
    return issuer->until_ms < voucher->not_after_ms ? issuer->until_ms : voucher->not_after_ms;
}
