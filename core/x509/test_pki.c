#include "x509/test_pki.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HOUR = 3600, DAY = 24 * HOUR, PATH_BYTES = 512, PATHS = 8, FILES = 96 };

enum ca { ROOT, DEVICES, BROKERS, PULLED, UNKNOWN, FAKE, CA_COUNT, ITSELF = CA_COUNT };

static const struct ca_spec {
    const char *name;
    const char *cn;
    enum ca issuer;
    const char *eku;
} ca_specs[CA_COUNT] = {
    [ROOT] = {"root", "test root", ROOT, NULL},
    [DEVICES] = {"devices", "test devices", ROOT, "clientAuth"},
    [BROKERS] = {"brokers", "test brokers", ROOT, "serverAuth"},
    [PULLED] = {"pulled", "test pulled", ROOT, "clientAuth"},
    [UNKNOWN] = {"unknown", "test unknown root", UNKNOWN, NULL},
    [FAKE] = {"fake", "test devices", UNKNOWN, "clientAuth"},
};

#define NO_EXTENSION "none"

/* A leaf differs from the good one by what is set; NULL and 0 mean the good one's value. */
static const struct leaf_spec {
    const char *name;
    const char *cn;
    int cn_len; /* -1: no CN */
    int cn_type;
    const char *second_cn;
    const char *eku;
    const char *ku;
    const char *san;
    const char *key; /* curve name, or "RSA" */
    enum ca issuer;  /* ROOT: devices */
    int from_s;      /* relative to now */
    int to_s;
    int serial_bytes;
    bool sha1, version_1, is_ca, negative_serial, no_aki;
} specs[PH_TEST_LEAF_COUNT] = {
    [PH_TEST_GOOD] = {.name = "good"},
    [PH_TEST_EXPIRED] = {.name = "expired", .from_s = -10 * DAY, .to_s = -HOUR},
    [PH_TEST_NOT_YET_VALID] = {.name = "not-yet-valid", .from_s = HOUR, .to_s = DAY},
    [PH_TEST_REVOKED] = {.name = "revoked"},
    [PH_TEST_REVOKED_CA] = {.name = "revoked-ca", .issuer = PULLED},
    [PH_TEST_WRONG_EKU] = {.name = "wrong-eku", .eku = "serverAuth"},
    [PH_TEST_NO_EKU] = {.name = "no-eku", .eku = NO_EXTENSION},
    [PH_TEST_WRONG_CA] = {.name = "wrong-ca", .issuer = BROKERS},
    [PH_TEST_UNKNOWN_CA] = {.name = "unknown-ca", .issuer = UNKNOWN},
    [PH_TEST_FAKE_CA] = {.name = "fake-ca", .issuer = FAKE},
    [PH_TEST_FAKE_CA_BARE] = {.name = "fake-ca-bare", .issuer = FAKE, .no_aki = true},
    [PH_TEST_SELF_SIGNED] = {.name = "self-signed", .issuer = ITSELF},
    [PH_TEST_TWO_CN] = {.name = "two-cn", .second_cn = "t-0002"},
    [PH_TEST_NO_CN] = {.name = "no-cn", .cn_len = -1},
    [PH_TEST_BMP_CN] = {.name = "bmp-cn",
        .cn = "\0t\0-\0"
              "0\0"
              "0\0"
              "0\0"
              "1",
        .cn_len = 12,
        .cn_type = V_ASN1_BMPSTRING},
    [PH_TEST_NUL_CN] = {.name = "nul-cn", .cn = "t-0001\0.evil", .cn_len = 12},
    [PH_TEST_WILDCARD_CN] = {.name = "wildcard-cn", .cn = "+"},
    [PH_TEST_SLASH_CN] = {.name = "slash-cn", .cn = "t-0001/x"},
    [PH_TEST_EMPTY_CN] = {.name = "empty-cn", .cn = ""},
    [PH_TEST_LONG_CN] = {.name = "long-cn",
        .cn = "a123456789a123456789a123456789a123456789a123456789a123456789a1234"},
    [PH_TEST_WEAK_KEY] = {.name = "weak-key", .key = "RSA"},
    [PH_TEST_WEAK_CURVE] = {.name = "weak-curve", .key = "P-224"},
    [PH_TEST_SHA1] = {.name = "sha1", .sha1 = true},
    [PH_TEST_NO_SIGNING] = {.name = "no-signing", .ku = "critical,keyAgreement"},
    [PH_TEST_LEAF_IS_CA] = {.name = "leaf-is-ca", .is_ca = true},
    [PH_TEST_VERSION_1] = {.name = "version-1", .version_1 = true},
    [PH_TEST_LONG_SERIAL] = {.name = "long-serial", .serial_bytes = 21},
    [PH_TEST_NEGATIVE_SERIAL] = {.name = "negative-serial", .negative_serial = true},
    [PH_TEST_BROKER] = {.name = "broker",
        .cn = "localhost",
        .issuer = BROKERS,
        .eku = "serverAuth",
        .san = "DNS:localhost,IP:127.0.0.1"},
};

struct ph_test_pki {
    char *dir;
    int64_t now_s;
    X509 *ca_certificates[CA_COUNT];
    EVP_PKEY *ca_keys[CA_COUNT];
    struct ph_certificate *leaves[PH_TEST_LEAF_COUNT];
    char paths[PATHS][PATH_BYTES];
    int next_path;
    char made[FILES][PATH_BYTES];
    int made_count;
    char *ca_files[2][3];
    char *crl_files[2][3];
    struct ph_anchor anchors[2];
};

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "test PKI: %s failed\n", what);
        abort();
    }
}

const char *ph_test_leaf_name(enum ph_test_leaf leaf)
{
    return specs[leaf].name;
}

const char *ph_test_pki_path(struct ph_test_pki *pki, const char *file)
{
    char *path = pki->paths[pki->next_path++ % PATHS];
    must(snprintf(path, PATH_BYTES, "%s/%s", pki->dir, file) < PATH_BYTES, "path");
    return path;
}

static FILE *make_file(struct ph_test_pki *pki, const char *name, const char *suffix)
{
    must(pki->made_count < FILES, "number of files");
    char *path = pki->made[pki->made_count++];
    must(snprintf(path, PATH_BYTES, "%s/%s%s", pki->dir, name, suffix) < PATH_BYTES, "path");
    FILE *file = fopen(path, "w");
    must(file != NULL && fchmod(fileno(file), 0600) == 0, path);
    return file;
}

static void write_certificate(struct ph_test_pki *pki, const char *name, X509 *x509)
{
    FILE *file = make_file(pki, name, ".pem");
    must(PEM_write_X509(file, x509) == 1 && fclose(file) == 0, name);
}

static void set_serial(X509 *x509, int serial, int bytes, bool negative)
{
    ASN1_INTEGER *value = X509_get_serialNumber(x509);
    must(ASN1_INTEGER_set(value, negative ? -serial : serial) == 1, "serial number");
    if (bytes > 0) {
        unsigned char octets[32];
        memset(octets, 0x11, sizeof octets);
        must(ASN1_STRING_set(value, octets, bytes) == 1, "long serial number");
    }
}

static void add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, &ctx, nid, value);
    must(extension != NULL && X509_add_ext(x509, extension, -1) == 1, value);
    X509_EXTENSION_free(extension);
}

/* The value goes in as it is, by passing OpenSSL's checks of size and type, so a name can be as
 * wrong as wanted. */
static void add_attribute(X509_NAME *name, int nid, int type, const char *bytes, int len)
{
    X509_NAME_ENTRY *entry = X509_NAME_ENTRY_new();
    ASN1_STRING *value = ASN1_STRING_type_new(type);
    must(entry != NULL && value != NULL, "memory");
    must(ASN1_STRING_set(value, bytes, len) == 1 &&
             X509_NAME_ENTRY_set_object(entry, OBJ_nid2obj(nid)) == 1 &&
             ASN1_STRING_copy(X509_NAME_ENTRY_get_data(entry), value) == 1 &&
             X509_NAME_add_entry(name, entry, -1, 0) == 1,
        "attribute");
    ASN1_STRING_free(value);
    X509_NAME_ENTRY_free(entry);
}

static X509 *start(struct ph_test_pki *pki, int serial, EVP_PKEY *key, int from_s, int to_s)
{
    X509 *x509 = X509_new();
    must(x509 != NULL && X509_set_version(x509, X509_VERSION_3) == 1 &&
             X509_set_pubkey(x509, key) == 1,
        "certificate");
    set_serial(x509, serial, 0, false);
    must(ASN1_TIME_set(X509_getm_notBefore(x509), (time_t)(pki->now_s + from_s)) != NULL &&
             ASN1_TIME_set(X509_getm_notAfter(x509), (time_t)(pki->now_s + to_s)) != NULL,
        "validity");
    return x509;
}

static void make_ca(struct ph_test_pki *pki, enum ca ca)
{
    const struct ca_spec *spec = &ca_specs[ca];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    must(key != NULL, "CA key");
    X509 *x509 = start(pki, 100 + (int)ca, key, -30 * DAY, 365 * DAY);
    X509 *issuer = spec->issuer == ca ? x509 : pki->ca_certificates[spec->issuer];
    add_attribute(X509_get_subject_name(x509), NID_commonName, V_ASN1_UTF8STRING, spec->cn, -1);
    must(X509_set_issuer_name(x509, X509_get_subject_name(issuer)) == 1, "issuer");
    add_extension(x509, issuer, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(x509, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
    if (spec->eku != NULL) {
        add_extension(x509, issuer, NID_ext_key_usage, spec->eku);
    }
    add_extension(x509, issuer, NID_subject_key_identifier, "hash");
    add_extension(x509, issuer, NID_authority_key_identifier, "keyid:always");
    pki->ca_certificates[ca] = x509;
    pki->ca_keys[ca] = key;
    must(X509_sign(x509, pki->ca_keys[spec->issuer], EVP_sha256()) != 0, "CA signature");
    write_certificate(pki, spec->name, x509);
}

static EVP_PKEY *make_leaf_key(const char *type)
{
    if (type == NULL) {
        return EVP_EC_gen("P-256");
    }
    return strcmp(type, "RSA") == 0 ? EVP_RSA_gen(1024) : EVP_EC_gen(type);
}

static void add_subject(X509_NAME *name, const struct leaf_spec *spec)
{
    int type = spec->cn_type != 0 ? spec->cn_type : V_ASN1_UTF8STRING;
    add_attribute(name, NID_organizationName, V_ASN1_UTF8STRING, "acme", -1);
    add_attribute(name, NID_organizationalUnitName, V_ASN1_PRINTABLESTRING, "thermostat", -1);
    if (spec->cn_len >= 0) {
        const char *cn = spec->cn != NULL ? spec->cn : "t-0001";
        add_attribute(
            name, NID_commonName, type, cn, spec->cn_len > 0 ? spec->cn_len : (int)strlen(cn));
    }
    if (spec->second_cn != NULL) {
        add_attribute(name, NID_commonName, V_ASN1_UTF8STRING, spec->second_cn, -1);
    }
}

static void add_leaf_extensions(X509 *x509, X509 *issuer, const struct leaf_spec *spec)
{
    const char *eku = spec->eku != NULL ? spec->eku : "clientAuth";
    add_extension(x509, issuer, NID_basic_constraints,
        spec->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add_extension(
        x509, issuer, NID_key_usage, spec->ku != NULL ? spec->ku : "critical,digitalSignature");
    if (strcmp(eku, NO_EXTENSION) != 0) {
        add_extension(x509, issuer, NID_ext_key_usage, eku);
    }
    if (spec->san != NULL) {
        add_extension(x509, issuer, NID_subject_alt_name, spec->san);
    }
    add_extension(x509, issuer, NID_subject_key_identifier, "hash");
    if (!spec->no_aki) {
        add_extension(x509, issuer, NID_authority_key_identifier, "keyid:always");
    }
}

static void make_leaf(struct ph_test_pki *pki, enum ph_test_leaf leaf)
{
    const struct leaf_spec *spec = &specs[leaf];
    enum ca ca = spec->issuer == ROOT ? DEVICES : spec->issuer;
    EVP_PKEY *key = make_leaf_key(spec->key);
    must(key != NULL, "leaf key");
    X509 *x509 = start(pki, 1000 + (int)leaf, key, spec->from_s != 0 ? spec->from_s : -HOUR,
        spec->to_s != 0 ? spec->to_s : DAY);
    if (spec->serial_bytes != 0 || spec->negative_serial) {
        set_serial(x509, 1000 + (int)leaf, spec->serial_bytes, spec->negative_serial);
    }
    X509 *issuer = ca == ITSELF ? x509 : pki->ca_certificates[ca];
    add_subject(X509_get_subject_name(x509), spec);
    must(X509_set_issuer_name(x509, X509_get_subject_name(issuer)) == 1, "issuer");
    if (spec->version_1) {
        must(X509_set_version(x509, X509_VERSION_1) == 1, "version");
    } else {
        add_leaf_extensions(x509, issuer, spec);
    }
    must(X509_sign(x509, ca == ITSELF ? key : pki->ca_keys[ca],
             spec->sha1 ? EVP_sha1() : EVP_sha256()) != 0,
        "leaf signature");
    write_certificate(pki, spec->name, x509);
    FILE *file = make_file(pki, spec->name, ".key");
    must(PEM_write_PKCS8PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1 && fclose(file) == 0,
        spec->name);
    EVP_PKEY_free(key);
    pki->leaves[leaf] = ph_certificate_take(x509);
    must(pki->leaves[leaf] != NULL, "memory");
}

static void add_revoked(X509_CRL *crl, long serial, int reason, time_t when)
{
    X509_REVOKED *entry = X509_REVOKED_new();
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    ASN1_ENUMERATED *code = ASN1_ENUMERATED_new();
    ASN1_TIME *date = ASN1_TIME_set(NULL, when);
    must(entry != NULL && number != NULL && code != NULL && date != NULL, "memory");
    must(ASN1_INTEGER_set(number, serial) == 1 && ASN1_ENUMERATED_set(code, reason) == 1 &&
             X509_REVOKED_set_serialNumber(entry, number) == 1 &&
             X509_REVOKED_set_revocationDate(entry, date) == 1 &&
             X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, code, 0, 0) == 1 &&
             X509_CRL_add0_revoked(crl, entry) == 1,
        "CRL entry");
    ASN1_INTEGER_free(number);
    ASN1_ENUMERATED_free(code);
    ASN1_TIME_free(date);
}

static X509_CRL *start_crl(struct ph_test_pki *pki, enum ca ca, int from_s, int to_s)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *last = ASN1_TIME_set(NULL, (time_t)(pki->now_s + from_s));
    ASN1_TIME *next = ASN1_TIME_set(NULL, (time_t)(pki->now_s + to_s));
    must(crl != NULL && last != NULL && next != NULL, "memory");
    must(X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
             X509_CRL_set_issuer_name(crl, X509_get_subject_name(pki->ca_certificates[ca])) == 1 &&
             X509_CRL_set1_lastUpdate(crl, last) == 1 && X509_CRL_set1_nextUpdate(crl, next) == 1,
        "CRL");
    ASN1_TIME_free(last);
    ASN1_TIME_free(next);
    return crl;
}

static void finish_crl(struct ph_test_pki *pki, enum ca ca, X509_CRL *crl, const char *name)
{
    must(X509_CRL_sort(crl) == 1 && X509_CRL_sign(crl, pki->ca_keys[ca], EVP_sha256()) != 0,
        "CRL signature");
    FILE *file = make_file(pki, name, ".crl");
    must(PEM_write_X509_CRL(file, crl) == 1 && fclose(file) == 0, name);
    X509_CRL_free(crl);
}

static void add_number(X509_CRL *crl, long value)
{
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    must(number != NULL && ASN1_INTEGER_set(number, value) == 1 &&
             X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, 0) == 1,
        "CRL number");
    ASN1_INTEGER_free(number);
}

/* One that revokes `revoked` (0: nobody) and names the key of `key_of` as its own. */
static void make_devices_crl(struct ph_test_pki *pki, const char *name, long number, int from_s,
    long revoked, enum ca key_of)
{
    X509_CRL *crl = start_crl(pki, DEVICES, from_s, 7 * DAY);
    X509V3_CTX ctx;
    add_number(crl, number);
    if (revoked != 0) {
        add_revoked(crl, revoked, CRL_REASON_KEY_COMPROMISE, (time_t)(pki->now_s - HOUR));
    }
    X509V3_set_ctx(&ctx, pki->ca_certificates[key_of], NULL, NULL, crl, 0);
    X509_EXTENSION *key_id =
        X509V3_EXT_nconf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid:always");
    must(key_id != NULL && X509_CRL_add_ext(crl, key_id, -1) == 1, "CRL key identifier");
    X509_EXTENSION_free(key_id);
    finish_crl(pki, DEVICES, crl, name);
}

static void make_crls(struct ph_test_pki *pki)
{
    for (enum ca ca = ROOT; ca < CA_COUNT; ca++) {
        X509_CRL *crl = start_crl(pki, ca, -HOUR, 7 * DAY);
        if (ca == ROOT) {
            add_revoked(
                crl, 100 + (long)PULLED, CRL_REASON_CA_COMPROMISE, (time_t)(pki->now_s - HOUR));
        }
        if (ca == DEVICES) {
            add_revoked(crl, 1000 + (long)PH_TEST_REVOKED, CRL_REASON_KEY_COMPROMISE,
                (time_t)(pki->now_s - HOUR));
        }
        finish_crl(pki, ca, crl, ca_specs[ca].name);
    }
    finish_crl(pki, DEVICES, start_crl(pki, DEVICES, -DAY, -HOUR), "devices-expired");
    finish_crl(pki, DEVICES, start_crl(pki, DEVICES, -DAY, 7 * DAY), "devices-old");
    long revoked = 1000 + (long)PH_TEST_REVOKED;
    make_devices_crl(pki, "devices-1000", 1000, -2 * HOUR, revoked, DEVICES);
    make_devices_crl(pki, "devices-999", 999, -HOUR, 0, DEVICES);
    make_devices_crl(pki, "devices-1000-empty", 1000, -2 * HOUR, 0, DEVICES);
    make_devices_crl(pki, "devices-other-key", 1, -HOUR, revoked, BROKERS);
    X509_CRL *delta = start_crl(pki, DEVICES, -HOUR, 7 * DAY);
    ASN1_INTEGER *base = ASN1_INTEGER_new();
    must(base != NULL && ASN1_INTEGER_set(base, 1) == 1 &&
             X509_CRL_add1_ext_i2d(delta, NID_delta_crl, base, 1, 0) == 1,
        "delta CRL");
    ASN1_INTEGER_free(base);
    finish_crl(pki, DEVICES, delta, "devices-delta");
}

static char *copy_path(struct ph_test_pki *pki, const char *file)
{
    char *path = strdup(ph_test_pki_path(pki, file));
    must(path != NULL, "memory");
    return path;
}

static void make_anchor(struct ph_test_pki *pki, int index, const enum ca *cas, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char file[32];
        (void)snprintf(file, sizeof file, "%s.pem", ca_specs[cas[i]].name);
        pki->ca_files[index][i] = copy_path(pki, file);
        (void)snprintf(file, sizeof file, "%s.crl", ca_specs[cas[i]].name);
        pki->crl_files[index][i] = copy_path(pki, file);
    }
    char *name = strdup(ca_specs[cas[1]].name);
    must(name != NULL, "memory");
    pki->anchors[index] = (struct ph_anchor){
        .name = name,
        .ca_files = pki->ca_files[index],
        .ca_file_count = count,
        .crl_files = pki->crl_files[index],
        .crl_file_count = count,
        .crl_required = true,
    };
}

struct ph_test_pki *ph_test_pki_new(const char *dir, int64_t now_ms)
{
    struct ph_test_pki *pki = calloc(1, sizeof *pki);
    must(pki != NULL, "memory");
    pki->now_s = now_ms / 1000;
    pki->dir = strdup(dir);
    must(pki->dir != NULL, "memory");
    for (enum ca ca = ROOT; ca < CA_COUNT; ca++) {
        make_ca(pki, ca);
    }
    for (enum ph_test_leaf leaf = 0; leaf < PH_TEST_LEAF_COUNT; leaf++) {
        make_leaf(pki, leaf);
    }
    make_crls(pki);
    make_anchor(pki, 0, (const enum ca[]){ROOT, DEVICES, PULLED}, 3);
    make_anchor(pki, 1, (const enum ca[]){ROOT, BROKERS}, 2);
    return pki;
}

static void free_anchor(struct ph_anchor *anchor)
{
    for (size_t i = 0; i < anchor->ca_file_count; i++) {
        free(anchor->ca_files[i]);
        free(anchor->crl_files[i]);
    }
    free(anchor->name);
}

void ph_test_pki_free(struct ph_test_pki **pki)
{
    if (pki == NULL || *pki == NULL) {
        return;
    }
    for (int i = 0; i < CA_COUNT; i++) {
        X509_free((*pki)->ca_certificates[i]);
        EVP_PKEY_free((*pki)->ca_keys[i]);
    }
    for (int i = 0; i < PH_TEST_LEAF_COUNT; i++) {
        ph_certificate_free(&(*pki)->leaves[i]);
    }
    for (int i = 0; i < (*pki)->made_count; i++) {
        (void)unlink((*pki)->made[i]);
    }
    free_anchor(&(*pki)->anchors[0]);
    free_anchor(&(*pki)->anchors[1]);
    free((*pki)->dir);
    free(*pki);
    *pki = NULL;
}

const struct ph_certificate *ph_test_pki_leaf(const struct ph_test_pki *pki, enum ph_test_leaf leaf)
{
    return pki->leaves[leaf];
}

const struct ph_anchor *ph_test_pki_devices(const struct ph_test_pki *pki)
{
    return &pki->anchors[0];
}

const struct ph_anchor *ph_test_pki_brokers(const struct ph_test_pki *pki)
{
    return &pki->anchors[1];
}
