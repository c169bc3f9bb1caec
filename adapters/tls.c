#include "adapters/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "adapters/tcp.h"
#include "adapters/tls_internal.h"
#include "base/calendar.h"
#include "base/text.h"
#include "x509/certificate.h"

enum { PIECE_BYTES = 4096 };

static enum ph_err openssl_failed(struct ph_error *error, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    (void)ph_error_set(error, PH_ERR_INTERNAL, "%s: refused by OpenSSL: %s", what,
        reason != NULL ? reason : "no reason given");
    ERR_clear_error();
    return PH_ERR_INTERNAL;
}

/* ---- the files ---- */

/* No passphrase, and the terminal is not asked: ph_certificate_check_files() has refused such a
 * key. */
static int refuse_password(char *out, int size, int writing, void *context)
{
    (void)writing;
    (void)context;
    if (size > 0) {
        out[0] = '\0';
    }
    return -1;
}

static enum ph_err load_files(
    SSL_CTX *context, const struct ph_tls_options *options, struct ph_error *error)
{
    SSL_CTX_set_default_passwd_cb(context, refuse_password);
    if (SSL_CTX_load_verify_locations(context, options->ca_file, NULL) != 1) {
        return openssl_failed(error, options->ca_file);
    }
    if (SSL_CTX_use_certificate_chain_file(context, options->cert_file) != 1) {
        return openssl_failed(error, options->cert_file);
    }
    if (SSL_CTX_use_PrivateKey_file(context, options->key_file, SSL_FILETYPE_PEM) != 1) {
        return openssl_failed(error, options->key_file);
    }
    return PH_OK;
}

static enum ph_err set_up(
    struct ph_tls *tls, const struct ph_tls_options *options, struct ph_error *error)
{
    tls->context = SSL_CTX_new(TLS_client_method());
    if (tls->context == NULL || SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) != 1) {
        return openssl_failed(error, "TLS");
    }
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, ph_tls_on_verify);
    enum ph_err err = load_files(tls->context, options, error);
    if (err != PH_OK) {
        return err;
    }
    tls->ssl = SSL_new(tls->context);
    tls->arrived = BIO_new(BIO_s_mem());
    tls->leaving = BIO_new(BIO_s_mem());
    if (tls->ssl == NULL || tls->arrived == NULL || tls->leaving == NULL) {
        BIO_free(tls->arrived);
        BIO_free(tls->leaving);
        return ph_error_set(error, PH_ERR_MEMORY, "TLS: out of memory");
    }
    SSL_set_bio(tls->ssl, tls->arrived, tls->leaving);
    SSL_set_app_data(tls->ssl, tls);
    return PH_OK;
}

enum ph_err ph_tls_new(
    const struct ph_tls_options *options, struct ph_tls **out, struct ph_error *error)
{
    enum ph_err err =
        ph_certificate_check_files(options->ca_file, options->cert_file, options->key_file, error);
    if (err != PH_OK) {
        return err;
    }
    struct ph_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "TLS: out of memory");
    }
    tls->fd = -1;
    tls->received_max = options->received_max;
    err = set_up(tls, options, error);
    if (err != PH_OK) {
        ph_tls_free(&tls);
    }
    *out = tls;
    return err;
}

/* ---- bytes in and out ---- */

/* What has been read from `leaving` and the broker does not take is lost with the connection. */
static enum ph_err send_all(
    struct ph_tls *tls, const char *bytes, size_t len, int64_t deadline_ms, struct ph_error *error)
{
    size_t at = 0;
    while (at < len && !tls->deaf) {
        const ssize_t sent = send(tls->fd, bytes + at, len - at, MSG_NOSIGNAL);
        if (sent >= 0) {
            at += (size_t)sent;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            enum ph_err err = ph_tcp_wait(tls->fd, POLLOUT, deadline_ms, error);
            if (err != PH_OK) {
                return ph_error_prefix(error, err, "TLS");
            }
        } else if (errno != EINTR) {
            tls->deaf = true;
        }
    }
    return PH_OK;
}

static enum ph_err flush(struct ph_tls *tls, int64_t deadline_ms, struct ph_error *error)
{
    char piece[PIECE_BYTES];
    enum ph_err err = PH_OK;
    for (int len = BIO_read(tls->leaving, piece, sizeof piece); len > 0 && err == PH_OK;
         len = BIO_read(tls->leaving, piece, sizeof piece)) {
        err = send_all(tls, piece, (size_t)len, deadline_ms, error);
    }
    return err;
}

static enum ph_err feed(struct ph_tls *tls, const char *piece, ssize_t len, struct ph_error *error)
{
    tls->received_bytes += (size_t)len;
    if (tls->received_bytes > tls->received_max) {
        return ph_error_set(error, PH_ERR_LIMIT,
            "TLS: more than %zu bytes without an answer among them: this is no broker",
            tls->received_max);
    }
    return BIO_write(tls->arrived, piece, (int)len) == (int)len
               ? PH_OK
               : ph_error_set(error, PH_ERR_MEMORY, "TLS: out of memory");
}

static enum ph_err receive(struct ph_tls *tls, int64_t deadline_ms, struct ph_error *error)
{
    char piece[PIECE_BYTES];
    enum ph_err err = ph_tcp_wait(tls->fd, POLLIN, deadline_ms, error);
    if (err != PH_OK) {
        return tls->up ? ph_error_prefix(error, err, "TLS, behind the handshake")
                       : ph_error_prefix(error, err, "TLS, in the handshake");
    }
    const ssize_t len = recv(tls->fd, piece, sizeof piece, 0);
    if (len > 0) {
        return feed(tls, piece, len, error);
    }
    if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        return PH_OK;
    }
    return ph_tls_explain_end(tls, len == 0 ? 0 : errno, error);
}

/* After a call of OpenSSL that returned `result`, 0 or less: makes it possible to call again. */
static enum ph_err go_on(
    struct ph_tls *tls, int result, int64_t deadline_ms, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        err = flush(tls, deadline_ms, error);
        return err == PH_OK ? receive(tls, deadline_ms, error) : err;
    case SSL_ERROR_ZERO_RETURN:
        return ph_tls_explain_end(tls, 0, error);
    default:
        err = ph_tls_explain_failure(tls, error);
        (void)!flush(tls, deadline_ms, NULL); /* our alert, so that the broker's log has it */
        return err;
    }
}

/* ---- the connection ---- */

static bool is_address(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* An address is no name to be asked for (RFC 6066, section 3). */
static bool expect_host(struct ph_tls *tls, const char *host)
{
    if (!ph_text_copy(tls->host, sizeof tls->host, host)) {
        return false;
    }
    if (is_address(host)) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), host) == 1;
    }
    return SSL_set1_host(tls->ssl, host) == 1 && SSL_set_tlsext_host_name(tls->ssl, tls->host) == 1;
}

enum ph_err ph_tls_connect(
    struct ph_tls *tls, int fd, const char *host, int64_t deadline_ms, struct ph_error *error)
{
    tls->fd = fd;
    if (!expect_host(tls, host)) {
        return openssl_failed(error, host);
    }
    enum ph_err err = PH_OK;
    while (err == PH_OK && !tls->up) {
        ERR_clear_error();
        const int result = SSL_connect(tls->ssl);
        tls->up = result == 1;
        if (!tls->up) {
            err = go_on(tls, result, deadline_ms, error);
        }
    }
    return err == PH_OK ? flush(tls, deadline_ms, error) : err;
}

enum ph_err ph_tls_write(
    struct ph_tls *tls, const void *bytes, size_t len, int64_t deadline_ms, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    while (err == PH_OK) {
        ERR_clear_error();
        const int result = SSL_write(tls->ssl, bytes, (int)len);
        if (result > 0) {
            return flush(tls, deadline_ms, error);
        }
        err = go_on(tls, result, deadline_ms, error);
    }
    return err;
}

enum ph_err ph_tls_read(struct ph_tls *tls, void *bytes, size_t size, size_t *len,
    int64_t deadline_ms, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    while (err == PH_OK) {
        ERR_clear_error();
        const int result = SSL_read(tls->ssl, bytes, (int)size);
        if (result > 0) {
            *len = (size_t)result;
            return PH_OK;
        }
        err = go_on(tls, result, deadline_ms, error);
    }
    return err;
}

const char *ph_tls_version(const struct ph_tls *tls)
{
    return SSL_get_version(tls->ssl);
}

enum ph_err ph_tls_peer_expiry(
    const struct ph_tls *tls, int64_t *not_after_ms, struct ph_error *error)
{
    const X509 *x509 = SSL_get0_peer_certificate(tls->ssl);
    struct tm tm = {0};
    if (x509 == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(x509), &tm) != 1) {
        return ph_error_set(
            error, PH_ERR_INPUT, "TLS: the broker's certificate: notAfter: no time");
    }
    *not_after_ms = ph_calendar_join(&tm) * 1000;
    return PH_OK;
}

void ph_tls_free(struct ph_tls **tls)
{
    if (tls == NULL || *tls == NULL) {
        return;
    }
    if ((*tls)->up && !(*tls)->deaf) {
        ERR_clear_error();
        (void)SSL_shutdown((*tls)->ssl);
        (void)!flush(*tls, 0, NULL);
    }
    SSL_free((*tls)->ssl);
    SSL_CTX_free((*tls)->context);
    if ((*tls)->fd >= 0) {
        (void)close((*tls)->fd);
    }
    ERR_clear_error();
    free(*tls);
    *tls = NULL;
}
