/* A folder for a device's certificates, and a CA that answers its requests. Aborts on any failure.
 */
#ifndef PH_DEVICE_SLOTS_TESTBED_H
#define PH_DEVICE_SLOTS_TESTBED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "domain/identity.h"
#include "x509/certificate.h"
#include "x509/issue.h"

#define TESTBED_NOW  INT64_C(1790000000000)
#define TESTBED_LIFE (INT64_C(90) * 86400 * 1000) /* of a leaf, from now on */

struct testbed_ca {
    struct ph_key *key;
    struct ph_certificate *certificate;
};

struct testbed {
    char folder[64];
    struct testbed_ca root;    /* in ca.pem */
    struct testbed_ca devices; /* below it; not in ca.pem */
    struct testbed_ca stranger_root;
    struct testbed_ca stranger;
};

void testbed_make(struct testbed *bed);
void testbed_remove(struct testbed *bed);

/* ---- files: "<folder>/<name>"; a path is valid until the next call but three ---- */
const char *testbed_path(const struct testbed *bed, const char *name);
bool testbed_has(const struct testbed *bed, const char *name);
unsigned testbed_mode(const struct testbed *bed, const char *name);
int testbed_entries(const struct testbed *bed);
void testbed_write(const struct testbed *bed, const char *name, const char *text); /* 0600 */
void testbed_read(const struct testbed *bed, const char *name, struct ph_buf *out);
int testbed_count(const char *text, const char *what);

/* ---- certificates ---- */
struct testbed_ca testbed_ca_new(const char *name, const struct testbed_ca *issuer);
void testbed_ca_free(struct testbed_ca *ca);

/* Appends leaf and subordinate CA for the key of a request. */
void testbed_issue(const struct testbed *bed, const char *csr, const struct ph_identity *identity,
    struct ph_buf *pem);
void testbed_issue_for_new_key(
    const struct testbed *bed, const struct ph_identity *identity, struct ph_buf *pem);
void testbed_issue_by_stranger(const struct testbed *bed, const char *csr,
    const struct ph_identity *identity, struct ph_buf *pem);

void testbed_request_key(const char *csr, char hash[PH_FINGERPRINT_BYTES]);
void testbed_key_hash(const struct testbed *bed, const char *name, char hash[PH_FINGERPRINT_BYTES]);

#endif
