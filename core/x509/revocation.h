/* A CRL as this project keeps it: verified once, then only its serial numbers, sorted, with their
 * reasons: 22 bytes an entry. Internal to core/x509. Immutable, so threads may share one. */
#ifndef PH_X509_REVOCATION_H
#define PH_X509_REVOCATION_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define PH_SERIAL_OCTETS 20 /* RFC 5280, 4.1.2.2 and 5.2.3 */

/* A number that is not negative, big-endian without leading zeros; zero has no octets. */
struct ph_serial {
    uint8_t bytes[PH_SERIAL_OCTETS];
    uint8_t len;
};

/* False for a negative number and for one of more than 20 octets. */
bool ph_serial_get(struct ph_serial *out, const ASN1_INTEGER *number) PH_NODISCARD;

/* By value, as memcmp() says it. */
int ph_serial_compare(const struct ph_serial *a, const struct ph_serial *b);

struct ph_revoked {
    struct ph_serial serial;
    uint8_t reason; /* RFC 5280, 5.3.1 */
};

#define PH_CRL_NUMBER_BYTES 64 /* CRLNumber in decimal: 49 digits */

struct ph_revocations {
    char *issuer; /* RFC 4514, escaped */
    char number_text[PH_CRL_NUMBER_BYTES];
    bool numbered;
    struct ph_serial number;
    int64_t this_update_ms;
    int64_t next_update_ms;
    size_t count;
    struct ph_revoked *entries; /* by serial */
};

/* Takes over what `crl` says, without looking at its signature: it must be whole (neither delta nor
 * limited by issuingDistributionPoint nor of several CAs), have nextUpdate behind thisUpdate and no
 * critical extension that is unknown, and its own extensions must be readable. Entries whose number
 * no accepted certificate can have (negative, above 20 octets) are left out. PH_ERR_CONFIG begins
 * with `path`. */
enum ph_err ph_revocations_read(X509_CRL *crl, const char *path, struct ph_revocations **out,
    struct ph_error *error) PH_NODISCARD;
void ph_revocations_free(struct ph_revocations **list);

/* The entry of a serial number, or NULL. */
const struct ph_revoked *ph_revocations_find(
    const struct ph_revocations *list, const struct ph_serial *serial);

/* Which of two CRLs of one CA is the newer, as strcmp() says it: by CRLNumber, one without before
 * all that have one; then by thisUpdate; then, as a CA should never have made such two, by the
 * number of entries. */
int ph_revocations_compare(const struct ph_revocations *a, const struct ph_revocations *b);

#endif
