#include "x509/tls_time.h"

#include <openssl/x509v3.h>
#include <time.h>

#include "x509/openssl.h"

/* Each handshake of a client begins with OpenSSL's parameters of this name, those of its context on
 * top (X509_STORE_CTX_set_default), and a table of the process is searched before the one built in.
 */
static const char client_judges_server[] = "ssl_server";

/* Ours, in OpenSSL's table, which owns it. One and the same, since OpenSSL does not free the name
 * of one that is replaced. */
static X509_VERIFY_PARAM *entry;

/* Purpose and trust are what the entry has that is built in. */
static X509_VERIFY_PARAM *add_entry(void)
{
    X509_VERIFY_PARAM *param = X509_VERIFY_PARAM_new();
    if (param == NULL || X509_VERIFY_PARAM_set1_name(param, client_judges_server) != 1 ||
        X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER) != 1 ||
        X509_VERIFY_PARAM_set_trust(param, X509_TRUST_SSL_SERVER) != 1 ||
        X509_VERIFY_PARAM_add0_table(param) != 1) {
        X509_VERIFY_PARAM_free(param);
        return NULL;
    }
    return param;
}

enum ph_err ph_tls_time_set(enum ph_tls_time mode, int64_t unix_ms, struct ph_error *error)
{
    if (mode == PH_TLS_TIME_GIVEN && !ph_x509_time_fits(unix_ms)) {
        return ph_error_set(error, PH_ERR_LIMIT, "TLS time: a certificate %s", PH_X509_TIME_BEYOND);
    }
    ph_x509_errors_begin();
    enum ph_err err = PH_OK;
    if (X509_VERIFY_PARAM_lookup(client_judges_server) != entry || entry == NULL) {
        entry = add_entry();
    }
    if (entry == NULL) {
        err = ph_error_set(error, PH_ERR_MEMORY, "TLS time: out of memory");
        goto out;
    }
    (void)X509_VERIFY_PARAM_clear_flags(
        entry, X509_V_FLAG_USE_CHECK_TIME | X509_V_FLAG_NO_CHECK_TIME);
    if (mode == PH_TLS_TIME_GIVEN) {
        ph_x509_time_set(entry, unix_ms);
    } else if (mode == PH_TLS_TIME_NONE) {
        (void)X509_VERIFY_PARAM_set_flags(entry, X509_V_FLAG_NO_CHECK_TIME);
    }
out:
    ph_x509_errors_end();
    return err;
}
