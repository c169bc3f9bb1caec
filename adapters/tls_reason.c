#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "adapters/tls_internal.h"
#include "base/calendar.h"
#include "base/text.h"

/* ---- the broker's certificate ---- */

static void print_bio(char *out, size_t size, BIO *bio)
{
    char *text = NULL;
    const long len = BIO_get_mem_data(bio, &text);
    ph_text_escape_bytes(out, size, len > 0 ? text : "", len > 0 ? (size_t)len : 0);
}

static void print_name(char *out, size_t size, const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    out[0] = '\0';
    if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0) {
        print_bio(out, size, bio);
    }
    BIO_free(bio);
}

static void print_hosts(char *out, size_t size, const X509 *x509)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const int at = X509_get_ext_by_NID(x509, NID_subject_alt_name, -1);
    out[0] = '\0';
    if (bio != NULL && at >= 0 && X509V3_EXT_print(bio, X509_get_ext(x509, at), 0, 0) == 1) {
        print_bio(out, size, bio);
    }
    BIO_free(bio);
}

static void print_time(char out[PH_UTC_BYTES], const ASN1_TIME *time)
{
    struct tm tm = {0};
    if (ASN1_TIME_to_tm(time, &tm) == 1) {
        ph_utc_print(out, ph_calendar_join(&tm) * 1000);
    } else {
        ph_text_escape(out, PH_UTC_BYTES, "a time that cannot be read");
    }
}

static void note_verdict(struct ph_tls_verdict *verdict, X509_STORE_CTX *store)
{
    const X509 *x509 = X509_STORE_CTX_get_current_cert(store);
    verdict->reason = X509_STORE_CTX_get_error(store);
    verdict->depth = X509_STORE_CTX_get_error_depth(store);
    if (x509 != NULL) {
        print_name(verdict->subject, sizeof verdict->subject, X509_get_subject_name(x509));
        print_name(verdict->issuer, sizeof verdict->issuer, X509_get_issuer_name(x509));
        print_hosts(verdict->names, sizeof verdict->names, x509);
        print_time(verdict->not_before, X509_get0_notBefore(x509));
        print_time(verdict->not_after, X509_get0_notAfter(x509));
    }
}

int ph_tls_on_verify(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct ph_tls *tls = ssl != NULL ? SSL_get_app_data(ssl) : NULL;
    if (ok != 1 && tls != NULL && tls->verdict.reason == X509_V_OK) {
        note_verdict(&tls->verdict, store);
    }
    return ok;
}

/* What OpenSSL's reason leaves open, and what to do. */
static void advise(const struct ph_tls *tls, char *out, size_t size)
{
    const struct ph_tls_verdict *v = &tls->verdict;
    switch (v->reason) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        (void)snprintf(out, size, " at %s: issue a new one, and have the broker load it (SIGHUP)",
            v->not_after);
        return;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        (void)snprintf(out, size, ", only from %s: is this machine's clock right, is the issuer's?",
            v->not_before);
        return;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        (void)snprintf(out, size,
            ": it is for %s and not for \"%s\": connect by one of its names, or issue it for this "
            "one",
            v->names[0] != '\0' ? v->names : "no host (subjectAltName)", tls->host);
        return;
    case X509_V_ERR_INVALID_PURPOSE:
        (void)snprintf(out, size,
            ": it is no server's (extendedKeyUsage): whoever answers there may pose as the broker");
        return;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        (void)snprintf(out, size,
            ": issued by \"%s\", for which no CA of the CA file vouches: another CA's broker, or "
            "another CA file, or a chain that is not whole",
            v->issuer);
        return;
    default:
        (void)snprintf(out, size, ": issue another");
    }
}

enum ph_err ph_tls_explain_verdict(const struct ph_tls *tls, struct ph_error *error)
{
    const struct ph_tls_verdict *verdict = &tls->verdict;
    char what[600];
    advise(tls, what, sizeof what);
    return ph_error_set(error, PH_ERR_DENIED, "TLS: %s \"%s\": %s%s",
        verdict->depth == 0 ? "the broker's certificate" : "CA of the broker's certificate",
        verdict->subject, X509_verify_cert_error_string(verdict->reason), what);
}

/* ---- what the broker says ---- */

/* RFC 8446, section 6.2: the alerts by which a server refuses a client's certificate. */
static const char *certificate_advice(int alert)
{
    switch (alert) {
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_ACCESS_DENIED:
        return "is it a client's (clientAuth)? The broker's log says more";
    case SSL_AD_CERTIFICATE_REVOKED:
        return "issue a new one";
    case SSL_AD_CERTIFICATE_EXPIRED:
        return "it has expired, or the CRL of its CA has: issue a new one";
    case SSL_AD_UNKNOWN_CA:
        return "its CA is not in the broker's cafile, or it comes without the CAs between";
    case SSL_AD_DECRYPT_ERROR:
        return "the broker cannot verify its signature";
    case TLS13_AD_CERTIFICATE_REQUIRED:
        return "none was sent";
    default:
        return NULL;
    }
}

static enum ph_err explain_alert(int alert, struct ph_error *error)
{
    const char *name = SSL_alert_desc_string_long(alert);
    const char *advice = certificate_advice(alert);
    if (advice != NULL) {
        return ph_error_set(error, PH_ERR_DENIED,
            "TLS: the broker refuses our certificate: alert %d (%s): %s", alert, name, advice);
    }
    return ph_error_set(error, PH_ERR_UNAVAILABLE,
        "TLS: the broker breaks off: alert %d (%s): its log says why", alert, name);
}

enum ph_err ph_tls_explain_failure(const struct ph_tls *tls, struct ph_error *error)
{
    const unsigned long code = ERR_peek_error();
    const char *text = ERR_reason_error_string(code);
    const int reason = ERR_GET_REASON(code);
    ERR_clear_error();
    if (tls->verdict.reason != X509_V_OK) {
        return ph_tls_explain_verdict(tls, error);
    }
    if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET) {
        return explain_alert(reason - SSL_AD_REASON_OFFSET, error);
    }
    if (tls->up) {
        return ph_error_set(error, PH_ERR_UNAVAILABLE, "TLS: broken after the handshake (%s)",
            text != NULL ? text : "no reason given");
    }
    return ph_error_set(error, PH_ERR_INPUT,
        "TLS: what answers there is no TLS 1.2 or 1.3 (%s): is it the listener with certificates?",
        text != NULL ? text : "no reason given");
}

enum ph_err ph_tls_explain_end(const struct ph_tls *tls, int errnum, struct ph_error *error)
{
    char text[128];
    const char *how = errnum == 0 ? "closed by the broker" : strerror_r(errnum, text, sizeof text);
    if (!tls->up) {
        return ph_error_set(error, PH_ERR_UNAVAILABLE,
            "TLS: %s in the handshake, without a word: is it the listener with certificates? The "
            "broker's log says why",
            how);
    }
    return ph_error_set(error, PH_ERR_UNAVAILABLE,
        "TLS: %s behind the handshake, without a word: so a refused certificate can look in %s, "
        "and a broker that is stopping or full; its log says why",
        how, SSL_get_version(tls->ssl));
}
