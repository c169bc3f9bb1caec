#include "x509/request.h"

#include <openssl/bio.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "x509/openssl.h"
#include "x509/pem.h"

static const char label[] = "CERTIFICATE REQUEST";
static const char what[] = "certificate request";

struct ph_request {
    X509_REQ *req;
    struct ph_key *key;
    char key_hash[PH_FINGERPRINT_BYTES];
};

/* ---- making one ---- */

static bool add_attribute(X509_NAME *name, const char *attribute, const char *value)
{
    return X509_NAME_add_entry_by_txt(
               name, attribute, MBSTRING_UTF8, (const unsigned char *)value, -1, -1, 0) == 1;
}

static bool add_identity(X509_NAME *name, const struct ph_identity *identity)
{
    return identity == NULL || (add_attribute(name, "O", identity->tenant) &&
                                   add_attribute(name, "OU", identity->kind) &&
                                   add_attribute(name, "CN", identity->device));
}

enum ph_err ph_request_make(const struct ph_key *key, const struct ph_identity *identity,
    struct ph_buf *pem, struct ph_error *error)
{
    ph_x509_errors_begin();
    enum ph_err err = PH_OK;
    unsigned char *der = NULL;
    EVP_PKEY *pkey = ph_key_open(key);
    X509_REQ *req = X509_REQ_new();
    int len = -1;
    if (pkey != NULL && req != NULL && X509_REQ_set_version(req, X509_REQ_VERSION_1) == 1 &&
        add_identity(X509_REQ_get_subject_name(req), identity) &&
        X509_REQ_set_pubkey(req, pkey) == 1 && X509_REQ_sign(req, pkey, EVP_sha256()) != 0) {
        len = i2d_X509_REQ(req, &der);
    }
    err = len > 0 ? ph_pem_print(pem, label, der, (size_t)len, what, error)
                  : ph_error_set(
                        error, PH_ERR_INTERNAL, "%s: cannot be made (%s)", what, ph_x509_reason());
    OPENSSL_free(der);
    X509_REQ_free(req);
    EVP_PKEY_free(pkey);
    ph_x509_errors_end();
    return err;
}

/* ---- reading one ---- */

static enum ph_err denied(const char *rule, struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_DENIED, "%s: %s", what, rule);
}

static enum ph_err decode(const struct ph_buf *der, X509_REQ **out, struct ph_error *error)
{
    const unsigned char *end = (const unsigned char *)(der->len > 0 ? der->data : "");
    const unsigned char *begin = end;
    *out = d2i_X509_REQ(NULL, &end, (long)der->len);
    if (*out == NULL) {
        return ph_error_set(
            error, PH_ERR_INPUT, "%s: not DER of a PKCS #10 request (%s)", what, ph_x509_reason());
    }
    size_t used = (size_t)(end - begin);
    return used == der->len ? PH_OK
                            : ph_error_set(error, PH_ERR_INPUT, "%s: %zu bytes after its end", what,
                                  der->len - used);
}

/* The digest is named by the signature's algorithm; less than 112 bits are MD5 and SHA-1. */
static enum ph_err check_digest(const X509_REQ *req, struct ph_error *error)
{
    int digest = NID_undef;
    if (OBJ_find_sigid_algs(X509_REQ_get_signature_nid(req), &digest, NULL) != 1) {
        return denied("signature: unknown algorithm", error);
    }
    return digest == NID_sha256 || digest == NID_sha384 || digest == NID_sha512
               ? PH_OK
               : ph_error_set(error, PH_ERR_DENIED,
                     "%s: signature: want SHA-256, SHA-384 or SHA-512, have %s", what,
                     digest == NID_undef ? "none of them" : OBJ_nid2sn(digest));
}

static enum ph_err check(X509_REQ *req, struct ph_error *error)
{
    if (X509_REQ_get_version(req) != X509_REQ_VERSION_1) {
        return ph_error_set(error, PH_ERR_DENIED, "%s: version: want 1, have %ld", what,
            X509_REQ_get_version(req) + 1);
    }
    enum ph_err err = ph_x509_public_key_check(X509_REQ_get_X509_PUBKEY(req), what, error);
    if (err == PH_OK) {
        err = check_digest(req, error);
    }
    if (err == PH_OK && X509_REQ_verify(req, X509_REQ_get0_pubkey(req)) != 1) {
        err = denied("signature: not made with its key, or altered: no proof of possession", error);
    }
    return err;
}

/* Takes over `req`, on failure too. */
static enum ph_err take(X509_REQ *req, struct ph_request **out, struct ph_error *error)
{
    struct ph_request *request = calloc(1, sizeof *request);
    EVP_PKEY *pkey = X509_REQ_get_pubkey(req);
    if (request == NULL || pkey == NULL) {
        free(request);
        EVP_PKEY_free(pkey);
        X509_REQ_free(req);
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", what);
    }
    request->req = req;
    enum ph_err err = ph_key_take(pkey, X509_REQ_get_X509_PUBKEY(req), &request->key, error);
    if (err == PH_OK) {
        err = ph_key_hash(request->key, request->key_hash, error);
    }
    if (err == PH_OK) {
        *out = request;
        request = NULL;
    }
    ph_request_free(&request);
    return err;
}

enum ph_err ph_request_parse(
    const char *pem, size_t len, struct ph_request **out, struct ph_error *error)
{
    if (len > PH_LIMIT_CERTIFICATE_BYTES) {
        return ph_error_set(error, PH_ERR_INPUT, "%s: want at most %d bytes, have %zu", what,
            PH_LIMIT_CERTIFICATE_BYTES, len);
    }
    struct ph_buf der;
    ph_buf_init(&der, PH_LIMIT_CERTIFICATE_BYTES);
    X509_REQ *req = NULL;
    ph_x509_errors_begin();
    enum ph_err err = ph_pem_parse(pem, len, label, what, &der, error);
    if (err == PH_OK) {
        err = decode(&der, &req, error);
    }
    if (err == PH_OK) {
        err = check(req, error);
    }
    if (err == PH_OK) {
        err = take(req, out, error);
        req = NULL;
    }
    X509_REQ_free(req);
    ph_buf_fini(&der);
    ph_x509_errors_end();
    return err;
}

void ph_request_free(struct ph_request **request)
{
    if (request != NULL && *request != NULL) {
        ph_key_free(&(*request)->key);
        X509_REQ_free((*request)->req);
        free(*request);
        *request = NULL;
    }
}

const struct ph_key *ph_request_key(const struct ph_request *request)
{
    return request->key;
}

const char *ph_request_key_hash(const struct ph_request *request)
{
    return request->key_hash;
}

/* ---- what it asks for ---- */

/* A list in the making, in a memory BIO: escaped and cut at the end. */
static void list(BIO *out, const char *text)
{
    (void)BIO_printf(out, "%s%s", BIO_pending(out) > 0 ? ", " : "", text);
}

static void list_object(BIO *out, const char *prefix, const ASN1_OBJECT *object)
{
    char name[80] = "?";
    (void)OBJ_obj2txt(name, sizeof name, object, 0);
    (void)BIO_printf(out, "%s%s%s", BIO_pending(out) > 0 ? ", " : "", prefix, name);
}

static void list_subject(BIO *out, const X509_REQ *req, const struct ph_identity *wanted)
{
    char have[PH_X509_NAME_BYTES];
    char want[PH_X509_NAME_BYTES] = "";
    const X509_NAME *subject = X509_REQ_get_subject_name(req);
    ph_x509_name_print(have, sizeof have, subject);
    if (wanted != NULL) {
        X509_NAME *name = X509_NAME_new();
        if (name != NULL && add_identity(name, wanted)) {
            ph_x509_name_print(want, sizeof want, name);
        }
        X509_NAME_free(name);
    }
    if (X509_NAME_entry_count(subject) > 0 && strcmp(have, want) != 0) {
        (void)BIO_printf(out, "subject \"%s\"", have);
    }
}

static void list_extension(BIO *out, X509_EXTENSION *extension)
{
    const ASN1_OBJECT *object = X509_EXTENSION_get_object(extension);
    int nid = OBJ_obj2nid(object);
    list_object(out, "", object);
    if (nid == NID_basic_constraints || nid == NID_subject_alt_name || nid == NID_ext_key_usage) {
        (void)BIO_puts(out, " (");
        if (X509V3_EXT_print(out, extension, X509V3_EXT_ERROR_UNKNOWN, 0) != 1) {
            (void)BIO_puts(out, "unreadable");
        }
        (void)BIO_puts(out, ")");
    }
}

static void list_extensions(BIO *out, X509_ATTRIBUTE *attribute)
{
    const ASN1_TYPE *value = X509_ATTRIBUTE_get0_type(attribute, 0);
    X509_EXTENSIONS *extensions = NULL;
    if (value != NULL && value->type == V_ASN1_SEQUENCE) {
        const unsigned char *der = value->value.sequence->data;
        extensions = (X509_EXTENSIONS *)ASN1_item_d2i(
            NULL, &der, value->value.sequence->length, ASN1_ITEM_rptr(X509_EXTENSIONS));
    }
    if (extensions == NULL) {
        list(out, "unreadable extensions");
    }
    for (int i = 0; i < sk_X509_EXTENSION_num(extensions); i++) {
        list_extension(out, sk_X509_EXTENSION_value(extensions, i));
    }
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}

static void list_attribute(BIO *out, X509_ATTRIBUTE *attribute)
{
    const ASN1_OBJECT *object = X509_ATTRIBUTE_get0_object(attribute);
    switch (OBJ_obj2nid(object)) {
    case NID_ext_req:
    case NID_ms_ext_req:
        list_extensions(out, attribute);
        break;
    case NID_pkcs9_challengePassword:
        list(out, "a challenge password");
        break;
    default:
        list_object(out, "attribute ", object);
    }
}

void ph_request_extras(const struct ph_request *request, const struct ph_identity *wanted,
    char out[PH_REQUEST_EXTRAS_BYTES])
{
    ph_x509_errors_begin();
    char *text = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    out[0] = '\0';
    if (bio != NULL) {
        list_subject(bio, request->req, wanted);
        for (int i = 0; i < X509_REQ_get_attr_count(request->req); i++) {
            list_attribute(bio, X509_REQ_get_attr(request->req, i));
        }
        long len = BIO_get_mem_data(bio, &text);
        ph_text_escape_bytes(out, PH_REQUEST_EXTRAS_BYTES, len > 0 ? text : "", (size_t)len);
    }
    BIO_free(bio);
    ph_x509_errors_end();
}
