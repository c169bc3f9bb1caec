/* The parts of a certificate that its content decides, as DER. Internal to core/x509: issue.c puts
 * them together and signs. */
#ifndef PH_X509_CONTENT_H
#define PH_X509_CONTENT_H

#include <stddef.h>

#include "base/error.h"
#include "x509/der.h"
#include "x509/issue.h"

#define PH_KEY_ID_BYTES       20 /* SHA-1: RFC 5280, 4.2.1.2 */
#define PH_LIMIT_KEY_ID_BYTES 64 /* of a CA from elsewhere: SHA-512 at most */

/* PH_ERR_INPUT, as ph_issuer_issue() says it, before anything is written. */
enum ph_err ph_content_check(
    const struct ph_certificate_content *content, struct ph_error *error) PH_NODISCARD;

/* The subject: O, OU, CN, as far as they are there. */
void ph_content_put_subject(struct ph_der *der, const struct ph_certificate_content *content);

/* notBefore and notAfter, whole seconds. */
void ph_content_put_validity(struct ph_der *der, const struct ph_certificate_content *content);

/* All extensions, `[3]` included. */
void ph_content_put_extensions(struct ph_der *der, const struct ph_certificate_content *content,
    const unsigned char key_id[PH_KEY_ID_BYTES], const struct ph_der_text *issuer_key_id);

#endif
