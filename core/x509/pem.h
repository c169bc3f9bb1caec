/* One PEM block (RFC 7468), read strictly and written fast. Internal to core/x509. */
#ifndef PH_X509_PEM_H
#define PH_X509_PEM_H

#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

/* Appends the bytes as a block with lines of 64 characters; `what` names it in an error. */
enum ph_err ph_pem_print(struct ph_buf *pem, const char *label, const void *bytes, size_t len,
    const char *what, struct ph_error *error) PH_NODISCARD;

/* Appends to `out` what the one block of exactly this label holds; white space alone may stand
 * before, behind and between its characters. No headers, so nothing encrypted. PH_ERR_INPUT begins
 * with `what`; PH_ERR_LIMIT when it does not fit. */
enum ph_err ph_pem_parse(const char *pem, size_t len, const char *label, const char *what,
    struct ph_buf *out, struct ph_error *error) PH_NODISCARD;

#endif
