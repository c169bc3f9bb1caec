/* What tls.c and tls_reason.c share. Internal: OpenSSL's types stay in these files. */
#ifndef PH_ADAPTERS_TLS_INTERNAL_H
#define PH_ADAPTERS_TLS_INTERNAL_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/clock.h"
#include "base/error.h"

/* What was found wrong with the broker's chain, first. */
struct ph_tls_verdict {
    int reason; /* X509_V_ERR_...; X509_V_OK: nothing */
    int depth;  /* of the certificate in question: 0 is the broker's own */
    char subject[256];
    char issuer[256];
    char names[256]; /* "DNS:localhost, IP Address:127.0.0.1"; "" for none */
    char not_before[PH_UTC_BYTES];
    char not_after[PH_UTC_BYTES];
};

struct ph_tls {
    SSL_CTX *context;
    SSL *ssl;
    BIO *arrived; /* owned by `ssl`, as is `leaving` */
    BIO *leaving;
    int fd; /* -1: none */
    bool up;
    bool deaf; /* the broker takes nothing more; what it has said is still to be read */
    size_t received_bytes;
    size_t received_max;
    char host[256];
    struct ph_tls_verdict verdict;
};

/* SSL_CTX_set_verify's callback; the SSL's app data is the struct ph_tls. */
int ph_tls_on_verify(int ok, X509_STORE_CTX *store);

/* Why the broker's certificate was refused; `verdict.reason` says that it was. */
enum ph_err ph_tls_explain_verdict(const struct ph_tls *tls, struct ph_error *error) PH_NODISCARD;

/* Why OpenSSL gave up (SSL_ERROR_SSL): the broker's alert, or bytes that are no TLS. Empties the
 * error queue. */
enum ph_err ph_tls_explain_failure(const struct ph_tls *tls, struct ph_error *error) PH_NODISCARD;

/* The connection ended: `errnum` is 0 for an end in good order. */
enum ph_err ph_tls_explain_end(
    const struct ph_tls *tls, int errnum, struct ph_error *error) PH_NODISCARD;

#endif
