#include "x509/signed.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "x509/openssl.h"
#include "x509/pem.h"
#include "x509/roots.h"

static const char label[] = "CMS";
static const char what[] = "signed statement";

struct ph_signed {
    struct ph_certificate *signer;
    STACK_OF(X509) * enclosed; /* all of them */
    struct ph_buf text;
};

static enum ph_err out_of_memory(struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", what);
}

static enum ph_err denied(const char *rule, struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_DENIED, "%s: %s", what, rule);
}

/* ---- making one ---- */

/* With signed attributes, which bind the signature to the type of the content. The signing time is
 * among them and means nothing: whose clock said so? */
static CMS_ContentInfo *seal(BIO *text, X509 *signer, EVP_PKEY *key, STACK_OF(X509) * chain)
{
    const unsigned flags = CMS_BINARY | CMS_NOSMIMECAP | CMS_PARTIAL;
    CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
    bool ok = cms != NULL && CMS_add1_signer(cms, signer, key, EVP_sha256(), flags) != NULL;
    for (int i = 0; ok && i < sk_X509_num(chain); i++) {
        X509 *ca = sk_X509_value(chain, i);
        ok = X509_cmp(ca, signer) == 0 || CMS_add1_cert(cms, ca) == 1;
    }
    if (!ok || CMS_final(cms, text, NULL, flags) != 1) {
        CMS_ContentInfo_free(cms);
        cms = NULL;
    }
    return cms;
}

static enum ph_err make(BIO *text, const struct ph_certificate *signer, const struct ph_key *key,
    STACK_OF(X509) * chain, struct ph_buf *pem, struct ph_error *error)
{
    unsigned char *der = NULL;
    EVP_PKEY *pkey = ph_key_open(key);
    CMS_ContentInfo *cms = pkey != NULL ? seal(text, signer->x509, pkey, chain) : NULL;
    int len = cms != NULL ? i2d_CMS_ContentInfo(cms, &der) : -1;
    enum ph_err err = len > 0 ? ph_pem_print(pem, label, der, (size_t)len, what, error)
                              : ph_error_set(error, PH_ERR_INTERNAL, "%s: cannot be made (%s)",
                                    what, ph_x509_reason());
    OPENSSL_free(der);
    CMS_ContentInfo_free(cms);
    EVP_PKEY_free(pkey);
    return err;
}

enum ph_err ph_signed_make(const void *text, size_t len, const struct ph_certificate *signer,
    const struct ph_key *key, const char *chain_pem, struct ph_buf *pem, struct ph_error *error)
{
    if (len > PH_LIMIT_SIGNED_BYTES) {
        return ph_error_set(error, PH_ERR_LIMIT, "%s: want at most %d bytes of text, have %zu",
            what, PH_LIMIT_SIGNED_BYTES, len);
    }
    ph_x509_errors_begin();
    enum ph_err err = PH_OK;
    BIO *content = BIO_new_mem_buf(len > 0 ? text : "", (int)len);
    STACK_OF(X509) *chain = sk_X509_new_null();
    if (content == NULL || chain == NULL) {
        err = out_of_memory(error);
    } else if (chain_pem != NULL) {
        err = ph_x509_certificates_parse(chain_pem, "signer's chain", chain, error);
    }
    if (err == PH_OK) {
        err = make(content, signer, key, chain, pem, error);
    }
    BIO_free(content);
    sk_X509_pop_free(chain, X509_free);
    ph_x509_errors_end();
    return err;
}

/* ---- reading one ---- */

static enum ph_err decode(const struct ph_buf *der, CMS_ContentInfo **out, struct ph_error *error)
{
    const unsigned char *begin = (const unsigned char *)(der->len > 0 ? der->data : "");
    const unsigned char *end = begin;
    *out = d2i_CMS_ContentInfo(NULL, &end, (long)der->len);
    if (*out == NULL) {
        return ph_error_set(
            error, PH_ERR_INPUT, "%s: not DER of a CMS message (%s)", what, ph_x509_reason());
    }
    size_t used = (size_t)(end - begin);
    if (used != der->len) {
        return ph_error_set(
            error, PH_ERR_INPUT, "%s: %zu bytes after its end", what, der->len - used);
    }
    return OBJ_obj2nid(CMS_get0_type(*out)) == NID_pkcs7_signed
               ? PH_OK
               : ph_error_set(error, PH_ERR_INPUT, "%s: want CMS of the type SignedData", what);
}

static enum ph_err check_form(CMS_ContentInfo *cms, struct ph_error *error)
{
    int signers = sk_CMS_SignerInfo_num(CMS_get0_SignerInfos(cms));
    if (signers != 1) {
        return ph_error_set(
            error, PH_ERR_DENIED, "%s: want one signer, have %d", what, signers < 0 ? 0 : signers);
    }
    if (OBJ_obj2nid(CMS_get0_eContentType(cms)) != NID_pkcs7_data) {
        return denied("content: want data, have another type", error);
    }
    ASN1_OCTET_STRING **content = CMS_get0_content(cms);
    return content != NULL && *content != NULL ? PH_OK : denied("content: want it enclosed", error);
}

/* For RSA the signature's algorithm may name no digest of its own. */
static enum ph_err check_algorithms(CMS_SignerInfo *info, struct ph_error *error)
{
    X509_ALGOR *digest = NULL;
    X509_ALGOR *signature = NULL;
    int named = NID_undef;
    CMS_SignerInfo_get0_algs(info, NULL, NULL, &digest, &signature);
    int nid = OBJ_obj2nid(digest->algorithm);
    int signature_nid = OBJ_obj2nid(signature->algorithm);
    if (nid != NID_sha256 && nid != NID_sha384 && nid != NID_sha512) {
        return ph_error_set(error, PH_ERR_DENIED,
            "%s: signature: want SHA-256, SHA-384 or SHA-512, have %s", what,
            nid != NID_undef ? OBJ_nid2sn(nid) : "another digest");
    }
    bool fits = signature_nid == NID_rsaEncryption ||
                (OBJ_find_sigid_algs(signature_nid, &named, NULL) == 1 && named == nid);
    if (!fits) {
        return denied("signature: unknown algorithm, or one with another digest", error);
    }
    return CMS_signed_get_attr_count(info) > 0 ? PH_OK : denied("want signed attributes", error);
}

static X509 *find_signer(CMS_SignerInfo *info, STACK_OF(X509) * enclosed)
{
    for (int i = 0; i < sk_X509_num(enclosed); i++) {
        if (CMS_SignerInfo_cert_cmp(info, sk_X509_value(enclosed, i)) == 0) {
            return sk_X509_value(enclosed, i);
        }
    }
    return NULL;
}

/* The signer's certificate is judged by the caller; here it gives the key alone. */
static enum ph_err verify(
    CMS_ContentInfo *cms, STACK_OF(X509) * enclosed, X509 **signer, struct ph_error *error)
{
    CMS_SignerInfo *info = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);
    enum ph_err err = check_algorithms(info, error);
    if (err != PH_OK) {
        return err;
    }
    *signer = find_signer(info, enclosed);
    if (*signer == NULL) {
        return denied("the signer's certificate is not enclosed", error);
    }
    err =
        ph_x509_public_key_check(X509_get_X509_PUBKEY(*signer), "signed statement: signer", error);
    if (err != PH_OK) {
        return err;
    }
    CMS_SignerInfo_set1_signer_cert(info, *signer);
    return CMS_verify(cms, NULL, NULL, NULL, NULL, CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY) == 1
               ? PH_OK
               : denied("signature: not made with the signer's key, or the content was altered",
                     error);
}

static enum ph_err keep(
    struct ph_signed *statement, CMS_ContentInfo *cms, X509 *signer, struct ph_error *error)
{
    const ASN1_OCTET_STRING *content = *CMS_get0_content(cms);
    int len = ASN1_STRING_length(content);
    if (X509_up_ref(signer) != 1) {
        return out_of_memory(error);
    }
    statement->signer = ph_certificate_take(signer);
    return statement->signer != NULL && ph_buf_append(&statement->text,
                                            ASN1_STRING_get0_data(content), (size_t)len) == PH_OK
               ? PH_OK
               : out_of_memory(error);
}

static enum ph_err read_cms(CMS_ContentInfo *cms, struct ph_signed **out, struct ph_error *error)
{
    X509 *signer = NULL;
    struct ph_signed *statement = calloc(1, sizeof *statement);
    if (statement == NULL) {
        return out_of_memory(error);
    }
    ph_buf_init(&statement->text, PH_LIMIT_SIGNED_BYTES);
    enum ph_err err = check_form(cms, error);
    if (err == PH_OK) {
        statement->enclosed = CMS_get1_certs(cms);
        err = verify(cms, statement->enclosed, &signer, error);
    }
    if (err == PH_OK) {
        err = keep(statement, cms, signer, error);
    }
    if (err == PH_OK) {
        *out = statement;
        statement = NULL;
    }
    ph_signed_free(&statement);
    return err;
}

enum ph_err ph_signed_parse(
    const char *pem, size_t len, struct ph_signed **out, struct ph_error *error)
{
    if (len > PH_LIMIT_SIGNED_BYTES) {
        return ph_error_set(error, PH_ERR_INPUT, "%s: want at most %d bytes, have %zu", what,
            PH_LIMIT_SIGNED_BYTES, len);
    }
    struct ph_buf der;
    ph_buf_init(&der, PH_LIMIT_SIGNED_BYTES);
    CMS_ContentInfo *cms = NULL;
    ph_x509_errors_begin();
    enum ph_err err = ph_pem_parse(pem, len, label, what, &der, error);
    if (err == PH_OK) {
        err = decode(&der, &cms, error);
    }
    if (err == PH_OK) {
        err = read_cms(cms, out, error);
    }
    CMS_ContentInfo_free(cms);
    ph_buf_fini(&der);
    ph_x509_errors_end();
    return err;
}

void ph_signed_free(struct ph_signed **statement)
{
    if (statement != NULL && *statement != NULL) {
        ph_certificate_free(&(*statement)->signer);
        sk_X509_pop_free((*statement)->enclosed, X509_free);
        ph_buf_fini(&(*statement)->text);
        free(*statement);
        *statement = NULL;
    }
}

const char *ph_signed_text(const struct ph_signed *statement, size_t *len)
{
    *len = statement->text.len;
    return statement->text.data;
}

const struct ph_certificate *ph_signed_signer(const struct ph_signed *statement)
{
    return statement->signer;
}

/* ---- who signed it ---- */

enum ph_err ph_signed_check_chain(const struct ph_signed *statement, const char *roots_file,
    int64_t now_ms, struct ph_error *error)
{
    struct ph_roots roots = {0};
    if (ph_certificate_check_profile(statement->signer, PH_USAGE_CLIENT, error) != PH_OK) {
        return ph_error_prefix(error, PH_ERR_DENIED, "%s: signer", what);
    }
    ph_x509_errors_begin();
    enum ph_err err = ph_roots_load(&roots, roots_file, statement->enclosed, what, error);
    if (err == PH_OK) {
        err = ph_roots_check(&roots, statement->signer->x509, &now_ms, NULL, what, error);
    }
    ph_roots_free(&roots);
    ph_x509_errors_end();
    return err;
}

enum ph_err ph_signed_check_root(
    const struct ph_signed *statement, const char *roots_file, struct ph_error *error)
{
    struct ph_roots roots = {0};
    bool found = false;
    ph_x509_errors_begin();
    enum ph_err err = ph_roots_load(&roots, roots_file, NULL, what, error);
    for (int i = 0; err == PH_OK && !found && i < sk_X509_num(roots.file); i++) {
        X509 *x509 = sk_X509_value(roots.file, i);
        found = X509_self_signed(x509, 1) == 1 && X509_cmp(x509, statement->signer->x509) == 0;
    }
    if (err == PH_OK && !found) {
        char subject[PH_X509_NAME_BYTES];
        ph_x509_name_print(subject, sizeof subject, X509_get_subject_name(statement->signer->x509));
        err = ph_error_set(error, PH_ERR_DENIED, "%s: signer \"%s\": not one of the roots in %s",
            what, subject, roots_file);
    }
    ph_roots_free(&roots);
    ph_x509_errors_end();
    return err;
}
