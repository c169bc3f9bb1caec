#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "x509/test_pki_parts.h"

static X509_CRL *start(struct ph_test_pki *pki, enum ca ca, int from_s, int to_s)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *last = ph_x509_time_new((pki->now_s + from_s) * 1000);
    ASN1_TIME *next = ph_x509_time_new((pki->now_s + to_s) * 1000);
    test_pki_must(crl != NULL && last != NULL && next != NULL, "memory");
    test_pki_must(
        X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
            X509_CRL_set_issuer_name(crl, X509_get_subject_name(pki->ca_certificates[ca])) == 1 &&
            X509_CRL_set1_lastUpdate(crl, last) == 1 &&
            (to_s == 0 || X509_CRL_set1_nextUpdate(crl, next) == 1),
        "CRL");
    ASN1_TIME_free(last);
    ASN1_TIME_free(next);
    return crl;
}

static void finish(struct ph_test_pki *pki, enum ca ca, X509_CRL *crl, const char *name)
{
    test_pki_must(
        X509_CRL_sort(crl) == 1 && X509_CRL_sign(crl, pki->ca_keys[ca], EVP_sha256()) != 0,
        "CRL signature");
    FILE *file = test_pki_file(pki, name, ".crl");
    test_pki_must(PEM_write_X509_CRL(file, crl) == 1 && fclose(file) == 0, name);
    X509_CRL_free(crl);
}

/* ---- entries ---- */

static X509_REVOKED *start_entry(const ASN1_INTEGER *number, int64_t when_s)
{
    X509_REVOKED *entry = X509_REVOKED_new();
    ASN1_TIME *date = ph_x509_time_new(when_s * 1000);
    ASN1_INTEGER *copy = ASN1_INTEGER_dup(number);
    test_pki_must(entry != NULL && date != NULL && copy != NULL, "memory");
    test_pki_must(X509_REVOKED_set_serialNumber(entry, copy) == 1 &&
                      X509_REVOKED_set_revocationDate(entry, date) == 1,
        "CRL entry");
    ASN1_INTEGER_free(copy);
    ASN1_TIME_free(date);
    return entry;
}

static X509_REVOKED *add_entry(struct ph_test_pki *pki, X509_CRL *crl, long serial, int reason)
{
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    ASN1_ENUMERATED *code = ASN1_ENUMERATED_new();
    test_pki_must(number != NULL && code != NULL, "memory");
    test_pki_must(ASN1_INTEGER_set(number, serial) == 1 && ASN1_ENUMERATED_set(code, reason) == 1,
        "CRL entry");
    X509_REVOKED *entry = start_entry(number, pki->now_s - HOUR);
    test_pki_must(X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, code, 0, 0) == 1 &&
                      X509_CRL_add0_revoked(crl, entry) == 1,
        "CRL entry");
    ASN1_INTEGER_free(number);
    ASN1_ENUMERATED_free(code);
    return entry;
}

static void add_leaf(struct ph_test_pki *pki, X509_CRL *crl, enum ph_test_leaf leaf)
{
    (void)add_entry(pki, crl, test_pki_serial(leaf), CRL_REASON_KEY_COMPROMISE);
}

/* Numbers of 16 octets, as CAs give out. */
static void add_filler(struct ph_test_pki *pki, X509_CRL *crl, size_t count)
{
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    unsigned char octets[16];
    test_pki_must(number != NULL, "memory");
    for (size_t i = 0; i < count; i++) {
        test_pki_must(RAND_bytes(octets, sizeof octets) == 1, "random number");
        octets[0] = 0x5A;
        test_pki_must(ASN1_STRING_set(number, octets, sizeof octets) == 1, "serial number");
        X509_REVOKED *entry = start_entry(number, pki->now_s - HOUR);
        test_pki_must(X509_CRL_add0_revoked(crl, entry) == 1, "CRL entry");
    }
    ASN1_INTEGER_free(number);
}

/* ---- extensions ---- */

static void add_number(X509_CRL *crl, int nid, long value, bool critical)
{
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    test_pki_must(number != NULL && ASN1_INTEGER_set(number, value) == 1 &&
                      X509_CRL_add1_ext_i2d(crl, nid, number, critical ? 1 : 0, 0) == 1,
        "CRL number");
    ASN1_INTEGER_free(number);
}

static void add_key_identifier(struct ph_test_pki *pki, X509_CRL *crl, enum ca ca)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, pki->ca_certificates[ca], NULL, NULL, crl, 0);
    X509_EXTENSION *key_id =
        X509V3_EXT_nconf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid:always");
    test_pki_must(key_id != NULL && X509_CRL_add_ext(crl, key_id, -1) == 1, "CRL key identifier");
    X509_EXTENSION_free(key_id);
}

void ph_test_pki_crl(struct ph_test_pki *pki, const char *name, long number, size_t filler,
    const enum ph_test_leaf *revoked, size_t count)
{
    X509_CRL *crl = start(pki, DEVICES, -HOUR, 7 * DAY);
    add_number(crl, NID_crl_number, number, false);
    add_key_identifier(pki, crl, DEVICES);
    for (size_t i = 0; i < count; i++) {
        add_leaf(pki, crl, revoked[i]);
    }
    add_filler(pki, crl, filler);
    finish(pki, DEVICES, crl, name);
}

/* ---- what stands ready ---- */

static void make_of_each_ca(struct ph_test_pki *pki)
{
    for (enum ca ca = ROOT; ca < CA_COUNT; ca++) {
        if (ca_specs[ca].same_key != ROOT) {
            continue;
        }
        X509_CRL *crl = start(pki, ca, -HOUR, 7 * DAY);
        if (ca == ROOT) {
            (void)add_entry(pki, crl, CA_SERIAL + (long)PULLED, CRL_REASON_CA_COMPROMISE);
        }
        if (ca == DEVICES) {
            add_leaf(pki, crl, PH_TEST_REVOKED);
        }
        if (ca == DEVICES2) {
            add_leaf(pki, crl, PH_TEST_REVOKED2);
        }
        finish(pki, ca, crl, ca_specs[ca].name);
    }
}

static void make_numbered(struct ph_test_pki *pki, const char *name, long number, int from_s,
    bool revokes, enum ca key_of)
{
    X509_CRL *crl = start(pki, DEVICES, from_s, 7 * DAY);
    add_number(crl, NID_crl_number, number, false);
    if (revokes) {
        add_leaf(pki, crl, PH_TEST_REVOKED);
    }
    add_key_identifier(pki, crl, key_of);
    finish(pki, DEVICES, crl, name);
}

/* The root's, with CA certificates on it. */
static void make_root_crl(
    struct ph_test_pki *pki, const char *name, const enum ca *revoked, size_t count)
{
    X509_CRL *crl = start(pki, ROOT, -HOUR, 7 * DAY);
    for (size_t i = 0; i < count; i++) {
        (void)add_entry(pki, crl, CA_SERIAL + (long)revoked[i],
            i == 0 ? CRL_REASON_SUPERSEDED : CRL_REASON_CA_COMPROMISE);
    }
    finish(pki, ROOT, crl, name);
}

static void make_limited(struct ph_test_pki *pki)
{
    X509_CRL *delta = start(pki, DEVICES, -HOUR, 7 * DAY);
    add_number(delta, NID_delta_crl, 1, true);
    finish(pki, DEVICES, delta, "devices-delta");
    X509_CRL *partial = start(pki, DEVICES, -HOUR, 7 * DAY);
    ISSUING_DIST_POINT *point = ISSUING_DIST_POINT_new();
    if (point == NULL) {
        abort();
    }
    point->onlyuser = 0xFF;
    test_pki_must(X509_CRL_add1_ext_i2d(partial, NID_issuing_distribution_point, point, 1, 0) == 1,
        "issuingDistributionPoint");
    ISSUING_DIST_POINT_free(point);
    finish(pki, DEVICES, partial, "devices-partial");
}

static void add_other_issuer(struct ph_test_pki *pki, X509_REVOKED *entry)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    X509_NAME *issuer = X509_NAME_dup(X509_get_subject_name(pki->ca_certificates[DEVICES2]));
    test_pki_must(names != NULL && name != NULL && issuer != NULL, "memory");
    GENERAL_NAME_set0_value(name, GEN_DIRNAME, issuer);
    test_pki_must(sk_GENERAL_NAME_push(names, name) == 1 &&
                      X509_REVOKED_add1_ext_i2d(entry, NID_certificate_issuer, names, 1, 0) == 1,
        "certificateIssuer");
    GENERAL_NAMES_free(names);
}

static void make_malformed(struct ph_test_pki *pki)
{
    X509_EXTENSION *unknown = test_pki_unknown_extension(true, 4);
    X509_CRL *crl = start(pki, DEVICES, -HOUR, 7 * DAY);
    test_pki_must(X509_CRL_add_ext(crl, unknown, -1) == 1, "extension");
    finish(pki, DEVICES, crl, "devices-critical");
    crl = start(pki, DEVICES, -HOUR, 7 * DAY);
    X509_REVOKED *entry = add_entry(pki, crl, 1, CRL_REASON_SUPERSEDED);
    test_pki_must(X509_REVOKED_add_ext(entry, unknown, -1) == 1, "extension");
    finish(pki, DEVICES, crl, "devices-critical-entry");
    X509_EXTENSION_free(unknown);
    crl = start(pki, DEVICES, -HOUR, 7 * DAY);
    add_other_issuer(pki, add_entry(pki, crl, 1, CRL_REASON_SUPERSEDED));
    finish(pki, DEVICES, crl, "devices-indirect");
    finish(pki, DEVICES, start(pki, DEVICES, -HOUR, 0), "devices-endless");
    finish(pki, DEVICES, start(pki, DEVICES, -HOUR, -DAY), "devices-backwards");
    crl = start(pki, DEVICES, -HOUR, 7 * DAY);
    add_number(crl, NID_crl_number, -1, false);
    finish(pki, DEVICES, crl, "devices-negative");
}

void test_pki_make_crls(struct ph_test_pki *pki)
{
    make_of_each_ca(pki);
    finish(pki, DEVICES, start(pki, DEVICES, -DAY, -HOUR), "devices-expired");
    finish(pki, DEVICES, start(pki, DEVICES, -DAY, 7 * DAY), "devices-old");
    finish(pki, DEVICES, start(pki, DEVICES, HOUR, 7 * DAY), "devices-future");
    make_numbered(pki, "devices-1000", 1000, -2 * HOUR, true, DEVICES);
    make_numbered(pki, "devices-999", 999, -HOUR, false, DEVICES);
    make_numbered(pki, "devices-1000-empty", 1000, -2 * HOUR, false, DEVICES);
    make_numbered(pki, "devices-other-key", 1, -HOUR, true, BROKERS);
    make_root_crl(pki, "root-superseded", (const enum ca[]){DEVICES}, 1);
    make_root_crl(pki, "root-pulled", (const enum ca[]){DEVICES, DEVICES_RENEWED}, 2);
    make_root_crl(pki, "root-itself", (const enum ca[]){ROOT}, 1);
    make_limited(pki);
    make_malformed(pki);
}
