/* What the files of the test PKI share. Internal to test_pki*.c. */
#ifndef PH_X509_TEST_PKI_PARTS_H
#define PH_X509_TEST_PKI_PARTS_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "x509/openssl.h"
#include "x509/test_pki.h"

enum {
    HOUR = 3600,
    DAY = 24 * HOUR,
    PATH_BYTES = 512,
    PATHS = 8,
    FILES = 256,
    ANCHORS = 3,
    ANCHOR_FILES = 5
};

enum ca {
    ROOT,
    DEVICES,
    BROKERS,
    PULLED,
    UNKNOWN,
    FAKE,
    DEVICES2,
    DEVICES_RENEWED,
    DEVICES_SHORT,
    MUTE,
    DEVICES_RESPELLED,
    DEVICES_SERVERS,
    ROOT_SHORT,
    DEVICES_CROSSED,
    BARE,
    BARE2,
    DEVICES_BARE,
    CA_COUNT,
    ITSELF = CA_COUNT,
    DEVICE
};

/* Serial numbers of CAs and leaves. */
enum { CA_SERIAL = 100, LEAF_SERIAL = 1000 };

struct ca_spec {
    const char *name;
    const char *cn;
    const char *eku;
    const char *ku;
    enum ca issuer;
    enum ca same_key; /* ROOT: its own */
    int to_s;         /* 0: a year */
    bool respelled;   /* the name as PrintableString */
    bool no_aki;
};
extern const struct ca_spec ca_specs[CA_COUNT];

struct ph_test_pki {
    char *dir;
    int64_t now_s;
    X509 *ca_certificates[CA_COUNT];
    EVP_PKEY *ca_keys[CA_COUNT];
    struct ph_certificate *leaves[PH_TEST_LEAF_COUNT];
    X509 *good; /* borrowed from leaves */
    EVP_PKEY *good_key;
    char paths[PATHS][PATH_BYTES];
    int next_path;
    char made[FILES][PATH_BYTES];
    int made_count;
    char *ca_files[ANCHORS][ANCHOR_FILES];
    char *crl_files[ANCHORS][ANCHOR_FILES];
    struct ph_anchor anchors[ANCHORS];
};

/* Aborts, naming `what`, unless `ok`. */
void test_pki_must(bool ok, const char *what);

/* Opens "<dir>/<name><suffix>" for writing, mode 0600. */
FILE *test_pki_file(struct ph_test_pki *pki, const char *name, const char *suffix);

/* The value goes in as it is, by passing OpenSSL's checks of size and type, so a name can be as
 * wrong as wanted. `len` -1: up to the terminator. */
void test_pki_attribute(X509_NAME *name, int nid, int type, const char *bytes, int len);

/* A certificate with serial number, key and validity, to be completed and signed. */
X509 *test_pki_start(struct ph_test_pki *pki, int serial, EVP_PKEY *key, int from_s, int to_s);
void test_pki_extension(X509 *x509, X509 *issuer, int nid, const char *value);

/* An extension of a kind that nobody knows, with `len` octets. */
X509_EXTENSION *test_pki_unknown_extension(bool critical, int len);
void test_pki_store(struct ph_test_pki *pki, const char *name, X509 *x509);

void test_pki_make_leaf(struct ph_test_pki *pki, enum ph_test_leaf leaf);
void test_pki_make_crls(struct ph_test_pki *pki);

/* The serial number that a leaf has. */
long test_pki_serial(enum ph_test_leaf leaf);

#endif
