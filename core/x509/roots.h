/* Chains to the self-signed roots of a PEM file, without CRLs: how a device judges what it is sent.
 * Internal to core/x509. */
#ifndef PH_X509_ROOTS_H
#define PH_X509_ROOTS_H

#include <openssl/x509_vfy.h>
#include <stdint.h>

#include "base/error.h"
#include "x509/openssl.h"

/* What a file trusts, and what may help to get there. All zero before it is loaded. */
struct ph_roots {
    STACK_OF(X509) * file;
    STACK_OF(X509) * helpers; /* borrowed: enclosed ones, and those of the file that are no roots */
    X509_STORE *store;
};

/* `enclosed` (may be NULL) are certificates that came with what is to be judged; borrowed. `what`
 * is in front of every message, here and below. Free also after an error. */
enum ph_err ph_roots_load(struct ph_roots *roots, const char *path, STACK_OF(X509) * enclosed,
    const char *what, struct ph_error *error) PH_NODISCARD;
void ph_roots_free(struct ph_roots *roots);

/* From a client's leaf to a root, all of it valid at `*now_ms` (NULL: at any time). `chain` (may be
 * NULL) receives it, root included, for the caller to free. PH_ERR_DENIED with certificate and
 * rule. */
enum ph_err ph_roots_check(const struct ph_roots *roots, X509 *leaf, const int64_t *now_ms,
    STACK_OF(X509) * *chain, const char *what, struct ph_error *error) PH_NODISCARD;

#endif
