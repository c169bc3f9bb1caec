/* A public key infrastructure for tests, made at run time: a root, the subordinate CAs `devices`,
 * `brokers` and `pulled` (revoked), an unknown root, a fake CA with the name of `devices` and
 * another key, and one leaf for each thing that can be wrong. Aborts on any failure. */
#ifndef PH_X509_TEST_PKI_H
#define PH_X509_TEST_PKI_H

#include <stdint.h>

#include "domain/policy.h"
#include "x509/certificate.h"

enum ph_test_leaf {
    PH_TEST_GOOD, /* O=acme, OU=thermostat, CN=t-0001, below devices, clientAuth, P-256 */
    PH_TEST_EXPIRED,
    PH_TEST_NOT_YET_VALID,
    PH_TEST_REVOKED,      /* on the CRL of devices, keyCompromise */
    PH_TEST_REVOKED_CA,   /* good, but below `pulled` */
    PH_TEST_WRONG_EKU,    /* serverAuth only, below devices */
    PH_TEST_NO_EKU,       /* no extendedKeyUsage, below devices */
    PH_TEST_WRONG_CA,     /* clientAuth, but below brokers, a CA for serverAuth only */
    PH_TEST_UNKNOWN_CA,   /* below the unknown root */
    PH_TEST_FAKE_CA,      /* below the fake CA, with an authority key identifier */
    PH_TEST_FAKE_CA_BARE, /* the same without one, so that only the signature tells */
    PH_TEST_SELF_SIGNED,
    PH_TEST_TWO_CN,
    PH_TEST_NO_CN,
    PH_TEST_BMP_CN,      /* CN as BMPString */
    PH_TEST_NUL_CN,      /* "t-0001\0.evil" */
    PH_TEST_WILDCARD_CN, /* "+" */
    PH_TEST_SLASH_CN,    /* "t-0001/x" */
    PH_TEST_EMPTY_CN,
    PH_TEST_LONG_CN,    /* 65 octets */
    PH_TEST_WEAK_KEY,   /* RSA of 1024 bits */
    PH_TEST_WEAK_CURVE, /* P-224 */
    PH_TEST_SHA1,
    PH_TEST_NO_SIGNING, /* keyUsage without digitalSignature */
    PH_TEST_LEAF_IS_CA,
    PH_TEST_VERSION_1,
    PH_TEST_LONG_SERIAL, /* 21 octets */
    PH_TEST_NEGATIVE_SERIAL,
    PH_TEST_BROKER, /* CN=localhost, DNS:localhost, IP:127.0.0.1, serverAuth, below brokers */
    PH_TEST_LEAF_COUNT,
};

struct ph_test_pki;

/* Makes everything in the existing folder `dir`, valid around `now_ms`:
 *   root.pem devices.pem brokers.pem pulled.pem unknown.pem fake.pem   CA certificates
 *   root.crl devices.crl brokers.crl pulled.crl    CRLs until a week after now_ms
 *   fake.crl unknown.crl                           CRLs by the other two
 *   devices-expired.crl devices-old.crl            until an hour before now_ms; a day older and
 *                                                  without entries
 *   devices-delta.crl                              a delta CRL
 *   devices-1000.crl devices-999.crl devices-1000-empty.crl   with that CRLNumber; the first alone
 *                                                  has an entry, the second is an hour younger
 *   devices-other-key.crl                          whose key identifier is another CA's
 *   <leaf>.pem <leaf>.key                          mode 0600; names as ph_test_leaf_name() */
struct ph_test_pki *ph_test_pki_new(const char *dir, int64_t now_ms);

/* Removes the files, not the folder. */
void ph_test_pki_free(struct ph_test_pki **pki);

/* Such as "good" or "revoked-ca". */
const char *ph_test_leaf_name(enum ph_test_leaf leaf);

const struct ph_certificate *ph_test_pki_leaf(
    const struct ph_test_pki *pki, enum ph_test_leaf leaf);

/* "<dir>/<file>", borrowed until the next call but seven. */
const char *ph_test_pki_path(struct ph_test_pki *pki, const char *file);

/* Anchor "devices": root, devices and pulled with their CRLs, all required. Anchor "brokers": root
 * and brokers. */
const struct ph_anchor *ph_test_pki_devices(const struct ph_test_pki *pki);
const struct ph_anchor *ph_test_pki_brokers(const struct ph_test_pki *pki);

#endif
