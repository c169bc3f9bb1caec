/* One CRL; all of them are ph_ca_publish() (certs/ca.h). */
#ifndef PH_CERTS_PUBLISH_H
#define PH_CERTS_PUBLISH_H

#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "certs/inventory.h"
#include "certs/root_key.h"
#include "x509/issue.h"

/* Signs the CRL of the CA `name` anew with its key, writes it to "<dir>/<name>/crl.pem" and appends
 * it to `pem`. In the caller's transaction. */
enum ph_err ph_ca_crl_sign(const char *dir, struct ph_inventory *inventory, const char *name,
    const struct ph_key *key, int64_t now_ms, struct ph_buf *pem,
    struct ph_error *error) PH_NODISCARD;

/* ph_ca_publish() with keys of roots that are open already. */
enum ph_err ph_ca_publish_with(struct ph_ca *ca, const struct ph_root_keys *roots, int64_t now_ms,
    struct ph_error *error) PH_NODISCARD;

#endif
