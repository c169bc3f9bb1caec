#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "x509/test_pki_parts.h"

#define NO_EXTENSION "none"

struct attribute {
    int nid;
    const char *bytes;
    int len;  /* 0: up to the terminator */
    int type; /* 0: UTF8String */
};

#define HUNDRED                                                                                    \
    "a123456789a123456789a123456789a123456789a123456789a123456789a123456789a123456789a12345678"    \
    "9a123456789"
#define LONG_TEXT       HUNDRED HUNDRED HUNDRED HUNDRED
#define ATTRIBUTES(...) ((const struct attribute[]){__VA_ARGS__, {0}})

/* A leaf differs from the good one by what is set; NULL and 0 mean the good one's value. */
static const struct leaf_spec {
    const char *name;
    const char *cn;
    int cn_len; /* -1: no CN */
    int cn_type;
    const struct attribute *more; /* behind O, OU and CN */
    const char *eku;
    const char *ku;
    const char *san;
    const char *uri; /* the only alternative name, byte for byte */
    int uri_len;
    const char *key; /* curve name, or "RSA" */
    enum ca issuer;  /* ROOT: devices */
    int from_s;      /* relative to now */
    int to_s;
    enum ph_test_leaf serial_of; /* PH_TEST_GOOD: its own */
    int serial_bytes;
    int unknown_bytes; /* of an extension that nobody knows */
    bool sha1, version_1, is_ca, negative_serial, no_aki, critical;
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
    [PH_TEST_TWO_CN] = {.name = "two-cn", .more = ATTRIBUTES({NID_commonName, "t-0002", 0, 0})},
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
    [PH_TEST_GOOD2] = {.name = "good2", .issuer = DEVICES2},
    [PH_TEST_REVOKED2] = {.name = "revoked2", .issuer = DEVICES2},
    [PH_TEST_SAME_SERIAL] = {.name = "same-serial",
        .issuer = DEVICES2,
        .serial_of = PH_TEST_REVOKED},
    [PH_TEST_MUTE_CA] = {.name = "mute-ca", .issuer = MUTE},
    [PH_TEST_BY_DEVICE] = {.name = "by-device", .issuer = DEVICE},
    [PH_TEST_UNIVERSAL_CN] = {.name = "universal-cn",
        .cn = "\0\0\0t\0\0\0-\0\0\0"
              "1",
        .cn_len = 12,
        .cn_type = V_ASN1_UNIVERSALSTRING},
    [PH_TEST_HASH_CN] = {.name = "hash-cn", .cn = "#"},
    [PH_TEST_NEWLINE_CN] = {.name = "newline-cn", .cn = "t-0001\nforged line"},
    [PH_TEST_ESCAPE_CN] = {.name = "escape-cn", .cn = "t-0001\033[2J"},
    [PH_TEST_LOOKALIKE_CN] = {.name = "lookalike-cn", .cn = "\xD1\x82-0001"},
    [PH_TEST_HUGE] = {.name = "huge", .unknown_bytes = 60000},
    [PH_TEST_CRITICAL] = {.name = "critical", .unknown_bytes = 4, .critical = true},
    [PH_TEST_URI] = {.name = "uri",
        .cn = "x",
        .san = "URI:urn:acme:north:thermostat:t-0001,DNS:t-0001.thermostat.example,IP:127.0.0.1"},
    [PH_TEST_TWO_URIS] = {.name = "two-uris",
        .san = "URI:urn:acme:north:thermostat:t-0001,URI:urn:acme:north:thermostat:t-0002,"
               "DNS:t-0001.thermostat.example,DNS:t-0002.thermostat.example"},
    [PH_TEST_NUL_URI] = {.name = "nul-uri",
        .uri = "urn:acme:north:thermostat:t-0001\0.evil",
        .uri_len = 38},
    [PH_TEST_NEWLINE_URI] = {.name = "newline-uri",
        .uri = "urn:acme:north:thermostat:t-0001\nforged",
        .uri_len = 39},
    [PH_TEST_UPPER_DNS] = {.name = "upper-dns", .san = "DNS:T-0001.thermostat.example"},
    [PH_TEST_WILDCARD_DNS] = {.name = "wildcard-dns", .san = "DNS:*.thermostat.example"},
    [PH_TEST_SERIAL_NUMBER] = {.name = "serial-number",
        .cn = "x",
        .more = ATTRIBUTES({NID_serialNumber, "SN-0001", 0, V_ASN1_PRINTABLESTRING})},
    [PH_TEST_TWO_SERIAL_NUMBERS] = {.name = "two-serial-numbers",
        .more = ATTRIBUTES({NID_serialNumber, "SN-0001", 0, V_ASN1_PRINTABLESTRING},
            {NID_serialNumber, "SN-0002", 0, V_ASN1_PRINTABLESTRING})},
    [PH_TEST_SUBJECT] = {.name = "subject",
        .more = ATTRIBUTES({NID_localityName, "Berlin", 0, 0},
            {NID_countryName, "DE", 0, V_ASN1_PRINTABLESTRING},
            {NID_domainComponent, "acme", 0, V_ASN1_IA5STRING},
            {NID_domainComponent, "example", 0, V_ASN1_IA5STRING},
            {NID_title, "\0x", 2, V_ASN1_BMPSTRING}, {NID_streetAddress, "Hof\0\n5", 6, 0},
            {NID_givenName, "not asked for", 0, 0},
            {NID_pkcs9_emailAddress, "t@acme.example", 0, V_ASN1_IA5STRING})},
    [PH_TEST_LONG_SUBJECT] = {.name = "long-subject",
        .more = ATTRIBUTES({NID_localityName, LONG_TEXT, 0, 0},
            {NID_stateOrProvinceName, LONG_TEXT, 0, 0},
            {NID_countryName, "DE", 0, V_ASN1_PRINTABLESTRING})},
};

const char *ph_test_leaf_name(enum ph_test_leaf leaf)
{
    return specs[leaf].name;
}

long test_pki_serial(enum ph_test_leaf leaf)
{
    enum ph_test_leaf of = specs[leaf].serial_of;
    return LEAF_SERIAL + (long)(of != PH_TEST_GOOD ? of : leaf);
}

static EVP_PKEY *make_key(const char *type)
{
    if (type == NULL) {
        return EVP_EC_gen("P-256");
    }
    return strcmp(type, "RSA") == 0 ? EVP_RSA_gen(1024) : EVP_EC_gen(type);
}

static void set_odd_serial(X509 *x509, const struct leaf_spec *spec, long serial)
{
    ASN1_INTEGER *value = X509_get_serialNumber(x509);
    if (spec->negative_serial) {
        test_pki_must(ASN1_INTEGER_set(value, -serial) == 1, "serial number");
    }
    if (spec->serial_bytes > 0) {
        unsigned char octets[32];
        memset(octets, 0x11, sizeof octets);
        test_pki_must(ASN1_STRING_set(value, octets, spec->serial_bytes) == 1, "long serial");
    }
}

static void add_subject(X509_NAME *name, const struct leaf_spec *spec)
{
    int type = spec->cn_type != 0 ? spec->cn_type : V_ASN1_UTF8STRING;
    test_pki_attribute(name, NID_organizationName, V_ASN1_UTF8STRING, "acme", -1);
    test_pki_attribute(name, NID_organizationalUnitName, V_ASN1_PRINTABLESTRING, "thermostat", -1);
    if (spec->cn_len >= 0) {
        const char *cn = spec->cn != NULL ? spec->cn : "t-0001";
        test_pki_attribute(
            name, NID_commonName, type, cn, spec->cn_len > 0 ? spec->cn_len : (int)strlen(cn));
    }
    for (const struct attribute *at = spec->more; at != NULL && at->nid != 0; at++) {
        test_pki_attribute(name, at->nid, at->type != 0 ? at->type : V_ASN1_UTF8STRING, at->bytes,
            at->len != 0 ? at->len : -1);
    }
}

static void add_uri(X509 *x509, const char *bytes, int len)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *value = ASN1_IA5STRING_new();
    test_pki_must(names != NULL && name != NULL && value != NULL, "memory");
    test_pki_must(ASN1_STRING_set(value, bytes, len) == 1, "URI");
    GENERAL_NAME_set0_value(name, GEN_URI, value);
    test_pki_must(sk_GENERAL_NAME_push(names, name) == 1 &&
                      X509_add1_ext_i2d(x509, NID_subject_alt_name, names, 0, 0) == 1,
        "URI");
    GENERAL_NAMES_free(names);
}

static void add_extensions(X509 *x509, X509 *issuer, const struct leaf_spec *spec)
{
    const char *eku = spec->eku != NULL ? spec->eku : "clientAuth";
    test_pki_extension(x509, issuer, NID_basic_constraints,
        spec->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    test_pki_extension(
        x509, issuer, NID_key_usage, spec->ku != NULL ? spec->ku : "critical,digitalSignature");
    if (strcmp(eku, NO_EXTENSION) != 0) {
        test_pki_extension(x509, issuer, NID_ext_key_usage, eku);
    }
    if (spec->san != NULL) {
        test_pki_extension(x509, issuer, NID_subject_alt_name, spec->san);
    }
    if (spec->uri != NULL) {
        add_uri(x509, spec->uri, spec->uri_len);
    }
    if (spec->unknown_bytes != 0) {
        X509_EXTENSION *unknown = test_pki_unknown_extension(spec->critical, spec->unknown_bytes);
        test_pki_must(X509_add_ext(x509, unknown, -1) == 1, "unknown extension");
        X509_EXTENSION_free(unknown);
    }
    test_pki_extension(x509, issuer, NID_subject_key_identifier, "hash");
    if (!spec->no_aki) {
        test_pki_extension(x509, issuer, NID_authority_key_identifier, "keyid:always");
    }
}

static void sign(struct ph_test_pki *pki, X509 *x509, EVP_PKEY *key, const struct leaf_spec *spec)
{
    enum ca ca = spec->issuer == ROOT ? DEVICES : spec->issuer;
    X509 *issuer = x509;
    EVP_PKEY *issuer_key = key;
    if (ca == DEVICE) {
        issuer = pki->good;
        issuer_key = pki->good_key;
    } else if (ca != ITSELF) {
        issuer = pki->ca_certificates[ca];
        issuer_key = pki->ca_keys[ca];
    }
    test_pki_must(X509_set_issuer_name(x509, X509_get_subject_name(issuer)) == 1, "issuer");
    if (spec->version_1) {
        test_pki_must(X509_set_version(x509, X509_VERSION_1) == 1, "version");
    } else {
        add_extensions(x509, issuer, spec);
    }
    test_pki_must(
        X509_sign(x509, issuer_key, spec->sha1 ? EVP_sha1() : EVP_sha256()) != 0, "leaf signature");
}

void test_pki_make_leaf(struct ph_test_pki *pki, enum ph_test_leaf leaf)
{
    const struct leaf_spec *spec = &specs[leaf];
    EVP_PKEY *key = make_key(spec->key);
    test_pki_must(key != NULL, "leaf key");
    X509 *x509 = test_pki_start(pki, (int)test_pki_serial(leaf), key,
        spec->from_s != 0 ? spec->from_s : -HOUR, spec->to_s != 0 ? spec->to_s : DAY);
    set_odd_serial(x509, spec, test_pki_serial(leaf));
    add_subject(X509_get_subject_name(x509), spec);
    sign(pki, x509, key, spec);
    test_pki_store(pki, spec->name, x509);
    FILE *file = test_pki_file(pki, spec->name, ".key");
    test_pki_must(
        PEM_write_PKCS8PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1 && fclose(file) == 0,
        spec->name);
    if (leaf == PH_TEST_GOOD) {
        pki->good = x509;
        pki->good_key = key;
        key = NULL;
    }
    EVP_PKEY_free(key);
    pki->leaves[leaf] = ph_certificate_take(x509);
    test_pki_must(pki->leaves[leaf] != NULL, "memory");
}
