#include "x509/authority.h"

#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

static enum ph_err out_of_memory(struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_MEMORY, "trust anchor: out of memory");
}

/* ---- names and keys ---- */

/* Names that OpenSSL takes for equal (RFC 5280, 7.1: another string type, case, blanks) are one: a
 * certificate that names its issuer one way is signed by the CA that writes itself the other. That
 * the hash has 32 bits matters little, because it only tells CAs with the same key apart. */
static bool hash_name_and_key(const X509 *x509, uint8_t id[PH_AUTHORITY_ID_BYTES])
{
    unsigned char *key = NULL;
    int hashed = 0;
    unsigned long name = X509_NAME_hash_ex(X509_get_subject_name(x509), NULL, NULL, &hashed);
    int key_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &key);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = hashed == 1 && key_len > 0 && ctx != NULL &&
              EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(ctx, &name, sizeof name) == 1 &&
              EVP_DigestUpdate(ctx, key, (size_t)key_len) == 1 &&
              EVP_DigestFinal_ex(ctx, id, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    OPENSSL_free(key);
    return ok;
}

const struct ph_trust_authority *ph_trust_authority_find(
    const struct ph_trust *trust, const uint8_t *id)
{
    for (size_t i = 0; i < trust->authority_count; i++) {
        if (memcmp(trust->authorities[i].id, id, PH_AUTHORITY_ID_BYTES) == 0) {
            return &trust->authorities[i];
        }
    }
    return NULL;
}

const struct ph_trust_authority *ph_trust_authority_of(const struct ph_trust *trust, const X509 *ca)
{
    for (size_t i = 0; i < trust->certificate_count; i++) {
        if (trust->certificates[i].x509 == ca) {
            return &trust->authorities[trust->certificates[i].authority];
        }
    }
    return NULL;
}

/* ---- who signed whom ---- */

static bool signed_by(X509 *x509, X509 *ca)
{
    return X509_check_issued(ca, x509) == X509_V_OK && X509_verify(x509, X509_get0_pubkey(ca)) == 1;
}

static size_t find_issuer(const struct ph_trust *trust, X509 *x509)
{
    for (size_t i = 0; i < trust->certificate_count; i++) {
        if (signed_by(x509, trust->certificates[i].x509)) {
            return trust->certificates[i].authority;
        }
    }
    return PH_NO_AUTHORITY;
}

static enum ph_err read_times(struct ph_trust_certificate *certificate, struct ph_error *error)
{
    enum ph_err err = ph_x509_time_ms(X509_get0_notBefore(certificate->x509),
        "CA certificate notBefore", &certificate->not_before_ms, error);
    return err == PH_OK ? ph_x509_time_ms(X509_get0_notAfter(certificate->x509),
                              "CA certificate notAfter", &certificate->not_after_ms, error)
                        : err;
}

static enum ph_err name_authority(struct ph_trust *trust, size_t index, struct ph_error *error)
{
    struct ph_trust_certificate *certificate = &trust->certificates[index];
    certificate->x509 = sk_X509_value(trust->cas, (int)index);
    certificate->root = X509_self_signed(certificate->x509, 1) == 1;
    struct ph_trust_authority fresh = {.certificate = index, .until_ms = INT64_MIN};
    if (!hash_name_and_key(certificate->x509, fresh.id)) {
        return out_of_memory(error);
    }
    const struct ph_trust_authority *known = ph_trust_authority_find(trust, fresh.id);
    if (known == NULL) {
        known = &trust->authorities[trust->authority_count];
        trust->authorities[trust->authority_count++] = fresh;
    }
    certificate->authority = (size_t)(known - trust->authorities);
    return read_times(certificate, error);
}

enum ph_err ph_authorities_make(struct ph_trust *trust, struct ph_error *error)
{
    size_t count = (size_t)sk_X509_num(trust->cas);
    trust->certificates = calloc(count, sizeof *trust->certificates);
    trust->authorities = calloc(count, sizeof *trust->authorities);
    if (trust->certificates == NULL || trust->authorities == NULL) {
        return out_of_memory(error);
    }
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < count; i++) {
        err = name_authority(trust, i, error);
    }
    trust->certificate_count = count;
    for (size_t i = 0; err == PH_OK && i < count; i++) {
        struct ph_trust_certificate *certificate = &trust->certificates[i];
        certificate->issuer =
            certificate->root ? certificate->authority : find_issuer(trust, certificate->x509);
    }
    return err;
}

/* ---- with the CRLs ---- */

/* A number that no CRL can name counts as revoked, as in ph_trust_check(); but whoever made a root
 * need not revoke it. */
static const struct ph_revoked *revocation_of(
    const struct ph_trust *trust, const struct ph_trust_certificate *certificate)
{
    static const struct ph_revoked unnamed = {0};
    struct ph_serial serial;
    if (certificate->issuer == PH_NO_AUTHORITY) {
        return NULL;
    }
    const struct ph_revocations *crl = trust->authorities[certificate->issuer].crl;
    if (!ph_serial_get(&serial, X509_get0_serialNumber(certificate->x509))) {
        return certificate->root ? NULL : &unnamed;
    }
    return crl != NULL ? ph_revocations_find(crl, &serial) : NULL;
}

/* OpenSSL counts the CAs below the one that it looks at, and here the lowest is not yet there to be
 * counted. */
static bool lengths_hold(const struct ph_trust *trust, const struct ph_path *path)
{
    long below = 0;
    for (size_t i = 0; i < path->count; i++) {
        X509 *x509 = trust->certificates[path->certificates[i]].x509;
        long most = X509_get_pathlen(x509);
        if (most != -1 && below > most) {
            return false;
        }
        below += (X509_get_extension_flags(x509) & EXFLAG_SI) == 0;
    }
    return true;
}

struct judgement {
    struct ph_trust *trust;
    bool out_of_memory;
};

/* Names, strength of keys and signatures: everything but times, revocation, and what depends on a
 * leaf. */
static bool path_holds(struct judgement *judgement, const struct ph_path *path)
{
    const struct ph_trust *trust = judgement->trust;
    X509 *lowest = trust->certificates[path->certificates[0]].x509;
    struct ph_path_stacks stacks = {0};
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    bool holds = false;
    if (ctx == NULL || !ph_path_set(trust, path, path->count > 1 ? 1 : 0, ctx, lowest, &stacks)) {
        judgement->out_of_memory = true;
    } else {
        X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
        X509_VERIFY_PARAM_set_auth_level(param, 2);
        X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_NO_CHECK_TIME);
        holds = X509_verify_cert(ctx) == 1;
    }
    X509_STORE_CTX_free(ctx);
    ph_path_stacks_free(&stacks);
    return holds;
}

/* Takes the path for its authority when it is good for longer. */
static bool weigh(void *context, const struct ph_path *path)
{
    struct judgement *judgement = context;
    struct ph_trust *trust = judgement->trust;
    size_t index = trust->certificates[path->certificates[0]].authority;
    struct ph_trust_authority *authority = &trust->authorities[index];
    int64_t until_ms = INT64_MAX;
    for (size_t i = 0; i < path->count; i++) {
        int64_t end_ms = trust->certificates[path->certificates[i]].not_after_ms;
        until_ms = end_ms < until_ms ? end_ms : until_ms;
    }
    if (until_ms > authority->until_ms && lengths_hold(trust, path) &&
        path_holds(judgement, path)) {
        authority->until_ms = until_ms;
        authority->path = *path;
    }
    return judgement->out_of_memory;
}

enum ph_err ph_authorities_judge(struct ph_trust *trust, struct ph_error *error)
{
    struct judgement judgement = {.trust = trust};
    const struct ph_path_search search = {
        .trust = trust, .purpose = X509_PURPOSE_SSL_CLIENT, .found = weigh, .context = &judgement};
    for (size_t i = 0; i < trust->certificate_count; i++) {
        trust->certificates[i].revoked = revocation_of(trust, &trust->certificates[i]);
    }
    for (size_t i = 0; i < trust->certificate_count; i++) {
        (void)ph_paths_search(&search, i);
    }
    return judgement.out_of_memory ? out_of_memory(error) : PH_OK;
}
