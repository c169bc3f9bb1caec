/* A public key infrastructure for tests, made at run time: a root, the subordinate CAs `devices`,
 * `devices2`, `brokers`, `pulled` (revoked) and `mute` (may not sign CRLs), an unknown root, a fake
 * CA with the name of `devices` and another key, and one leaf for each thing that can be wrong.
 * Aborts on any failure. */
#ifndef PH_X509_TEST_PKI_H
#define PH_X509_TEST_PKI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domain/policy.h"
#include "x509/certificate.h"
#include "x509/trust.h"

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
    PH_TEST_BROKER,      /* CN=localhost, DNS:localhost, IP:127.0.0.1, serverAuth, below brokers */
    PH_TEST_GOOD2,       /* good, but below devices2 */
    PH_TEST_REVOKED2,    /* on the CRL of devices2 */
    PH_TEST_SAME_SERIAL, /* below devices2, good, with the serial number of PH_TEST_REVOKED */
    PH_TEST_MUTE_CA,     /* good, but below mute */
    PH_TEST_BY_DEVICE,   /* signed by the key of PH_TEST_GOOD, which it names as its issuer */
    PH_TEST_UNIVERSAL_CN,
    PH_TEST_HASH_CN,      /* "#" */
    PH_TEST_NEWLINE_CN,   /* "t-0001\nforged line" */
    PH_TEST_ESCAPE_CN,    /* a terminal's escape code */
    PH_TEST_LOOKALIKE_CN, /* a Cyrillic letter for the t */
    PH_TEST_HUGE,         /* an extension of 60,000 octets */
    PH_TEST_CRITICAL,     /* an unknown critical extension */
    PH_TEST_URI,      /* URI urn:acme:north:thermostat:t-0001, DNS name t-0001.thermostat.example */
    PH_TEST_TWO_URIS, /* two of each */
    PH_TEST_NUL_URI,  /* as PH_TEST_URI, and "\0.evil" */
    PH_TEST_NEWLINE_URI,
    PH_TEST_UPPER_DNS,     /* T-0001.thermostat.example */
    PH_TEST_WILDCARD_DNS,  /* *.thermostat.example */
    PH_TEST_SERIAL_NUMBER, /* the subject's serialNumber is SN-0001 */
    PH_TEST_TWO_SERIAL_NUMBERS,
    PH_TEST_SUBJECT, /* L=Berlin, C=DE, two DC, title as BMPString, street with a NUL, emailAddress
                      */
    PH_TEST_LONG_SUBJECT, /* L and ST of 400 octets, C=DE */
    PH_TEST_LEAF_COUNT,
};

struct ph_test_pki;

/* Makes everything in the existing folder `dir`, valid around `now_ms`:
 *   root.pem devices.pem devices2.pem brokers.pem pulled.pem mute.pem unknown.pem fake.pem
 *                                CA certificates, until a year after now_ms
 *   devices-renewed.pem devices-short.pem   name and key of devices again, until a year later, and
 *                                until two hours after now_ms
 *   devices-respelled.pem        name and key again, with capitals, blanks and another string type
 *   devices-servers.pem          the same for serverAuth only
 *   root-short.pem devices-crossed.pem      a root until two hours after now_ms, and name and key
 * of devices by it, until two years after bare.pem bare2.pem devices-bare.pem     two roots of one
 * name, and name and key of devices by the first, all without authority key identifiers root.crl
 * devices.crl ...     a CRL by each key, until a week after now_ms devices-expired.crl
 * devices-old.crl     until an hour before now_ms; a day older and empty devices-future.crl from an
 * hour after now_ms devices-1000.crl devices-999.crl devices-1000-empty.crl   with that CRLNumber;
 * the first alone has an entry, the second is an hour younger root-superseded.crl root-pulled.crl
 * which revoke devices; devices and devices-renewed root-itself.crl              which revokes the
 * root devices-other-key.crl        whose key identifier is another CA's devices-delta.crl
 * devices-partial.crl devices-indirect.crl devices-endless.crl devices-backwards.crl
 * devices-critical.crl devices-critical-entry.crl devices-negative.crl wrong in what the name says
 *   <leaf>.pem <leaf>.key        mode 0600; names as ph_test_leaf_name() */
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

/* The same with devices2 instead of pulled: two CAs that issue for one anchor. */
const struct ph_anchor *ph_test_pki_rollover(const struct ph_test_pki *pki);

/* Loads an anchor "testing" of files in the folder; both lists end with NULL. */
enum ph_err ph_test_pki_trust(struct ph_test_pki *pki, const char *const *cas,
    const char *const *crls, bool crl_required, uint32_t crl_grace_s, struct ph_trust **out,
    struct ph_error *error) PH_NODISCARD;

#define PH_TEST_FILES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define PH_TEST_NO_FILES   ((const char *const[]){NULL})

/* Writes "<name>.crl", by devices, until a week after now_ms, with this CRLNumber, `filler` entries
 * of nobody and one for each of `revoked` (keyCompromise). */
void ph_test_pki_crl(struct ph_test_pki *pki, const char *name, long number, size_t filler,
    const enum ph_test_leaf *revoked, size_t count);

/* Writes "<name>.pem" with `count` roots: one name and one key, different serial numbers. */
void ph_test_pki_crowd(struct ph_test_pki *pki, const char *name, int count);

#endif
