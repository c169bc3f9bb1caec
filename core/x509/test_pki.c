#include "x509/test_pki.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "x509/test_pki_parts.h"

const struct ca_spec ca_specs[CA_COUNT] = {
    [ROOT] = {.name = "root", .cn = "test root"},
    [DEVICES] = {.name = "devices", .cn = "test devices", .eku = "clientAuth"},
    [BROKERS] = {.name = "brokers", .cn = "test brokers", .eku = "serverAuth"},
    [PULLED] = {.name = "pulled", .cn = "test pulled", .eku = "clientAuth"},
    [UNKNOWN] = {.name = "unknown", .cn = "test unknown root", .issuer = UNKNOWN},
    [FAKE] = {.name = "fake", .cn = "test devices", .issuer = UNKNOWN, .eku = "clientAuth"},
    [DEVICES2] = {.name = "devices2", .cn = "test devices 2", .eku = "clientAuth"},
    [DEVICES_RENEWED] = {.name = "devices-renewed",
        .cn = "test devices",
        .eku = "clientAuth",
        .same_key = DEVICES,
        .to_s = 730 * DAY},
    [DEVICES_SHORT] = {.name = "devices-short",
        .cn = "test devices",
        .eku = "clientAuth",
        .same_key = DEVICES,
        .to_s = 2 * HOUR},
    [MUTE] = {.name = "mute", .cn = "test mute", .eku = "clientAuth", .ku = "keyCertSign"},
    [DEVICES_RESPELLED] = {.name = "devices-respelled",
        .cn = "Test  Devices",
        .eku = "clientAuth",
        .same_key = DEVICES,
        .respelled = true},
    [DEVICES_SERVERS] = {.name = "devices-servers",
        .cn = "test devices",
        .eku = "serverAuth",
        .same_key = DEVICES},
    [ROOT_SHORT] = {.name = "root-short",
        .cn = "test short root",
        .issuer = ROOT_SHORT,
        .to_s = 2 * HOUR},
    [DEVICES_CROSSED] = {.name = "devices-crossed",
        .cn = "test devices",
        .issuer = ROOT_SHORT,
        .same_key = DEVICES,
        .to_s = 730 * DAY},
    [BARE] = {.name = "bare", .cn = "test bare root", .issuer = BARE, .no_aki = true},
    [BARE2] = {.name = "bare2", .cn = "test bare root", .issuer = BARE2, .no_aki = true},
    [DEVICES_BARE] = {.name = "devices-bare",
        .cn = "test devices",
        .issuer = BARE,
        .same_key = DEVICES,
        .no_aki = true},
};

void test_pki_must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "test PKI: %s failed\n", what);
        abort();
    }
}

const char *ph_test_pki_path(struct ph_test_pki *pki, const char *file)
{
    char *path = pki->paths[pki->next_path++ % PATHS];
    test_pki_must(snprintf(path, PATH_BYTES, "%s/%s", pki->dir, file) < PATH_BYTES, "path");
    return path;
}

FILE *test_pki_file(struct ph_test_pki *pki, const char *name, const char *suffix)
{
    test_pki_must(pki->made_count < FILES, "number of files");
    char *path = pki->made[pki->made_count++];
    test_pki_must(
        snprintf(path, PATH_BYTES, "%s/%s%s", pki->dir, name, suffix) < PATH_BYTES, "path");
    FILE *file = fopen(path, "w");
    test_pki_must(file != NULL && fchmod(fileno(file), 0600) == 0, path);
    return file;
}

void test_pki_store(struct ph_test_pki *pki, const char *name, X509 *x509)
{
    FILE *file = test_pki_file(pki, name, ".pem");
    test_pki_must(PEM_write_X509(file, x509) == 1 && fclose(file) == 0, name);
}

/* ---- certificates ---- */

void test_pki_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, &ctx, nid, value);
    test_pki_must(extension != NULL && X509_add_ext(x509, extension, -1) == 1, value);
    X509_EXTENSION_free(extension);
}

X509_EXTENSION *test_pki_unknown_extension(bool critical, int len)
{
    unsigned char *octets = calloc(1, (size_t)len);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.4.1.99999.1", 1);
    test_pki_must(octets != NULL && value != NULL && oid != NULL &&
                      ASN1_OCTET_STRING_set(value, octets, len) == 1,
        "memory");
    X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, oid, critical ? 1 : 0, value);
    test_pki_must(extension != NULL, "extension");
    ASN1_OBJECT_free(oid);
    ASN1_OCTET_STRING_free(value);
    free(octets);
    return extension;
}

void test_pki_attribute(X509_NAME *name, int nid, int type, const char *bytes, int len)
{
    X509_NAME_ENTRY *entry = X509_NAME_ENTRY_new();
    ASN1_STRING *value = ASN1_STRING_type_new(type);
    test_pki_must(entry != NULL && value != NULL, "memory");
    test_pki_must(ASN1_STRING_set(value, bytes, len) == 1 &&
                      X509_NAME_ENTRY_set_object(entry, OBJ_nid2obj(nid)) == 1 &&
                      ASN1_STRING_copy(X509_NAME_ENTRY_get_data(entry), value) == 1 &&
                      X509_NAME_add_entry(name, entry, -1, 0) == 1,
        "attribute");
    ASN1_STRING_free(value);
    X509_NAME_ENTRY_free(entry);
}

X509 *test_pki_start(struct ph_test_pki *pki, int serial, EVP_PKEY *key, int from_s, int to_s)
{
    X509 *x509 = X509_new();
    test_pki_must(x509 != NULL && X509_set_version(x509, X509_VERSION_3) == 1 &&
                      X509_set_pubkey(x509, key) == 1,
        "certificate");
    test_pki_must(ASN1_INTEGER_set(X509_get_serialNumber(x509), serial) == 1, "serial number");
    ASN1_TIME *from = ph_x509_time_new((pki->now_s + from_s) * 1000);
    ASN1_TIME *to = ph_x509_time_new((pki->now_s + to_s) * 1000);
    test_pki_must(from != NULL && to != NULL && X509_set1_notBefore(x509, from) == 1 &&
                      X509_set1_notAfter(x509, to) == 1,
        "validity");
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    return x509;
}

static EVP_PKEY *make_ca_key(struct ph_test_pki *pki, enum ca ca)
{
    if (ca_specs[ca].same_key == ROOT) {
        return EVP_EC_gen("P-256");
    }
    EVP_PKEY *key = pki->ca_keys[ca_specs[ca].same_key];
    test_pki_must(EVP_PKEY_up_ref(key) == 1, "CA key");
    return key;
}

static void make_ca(struct ph_test_pki *pki, enum ca ca)
{
    const struct ca_spec *spec = &ca_specs[ca];
    EVP_PKEY *key = make_ca_key(pki, ca);
    test_pki_must(key != NULL, "CA key");
    X509 *x509 = test_pki_start(
        pki, CA_SERIAL + (int)ca, key, -30 * DAY, spec->to_s != 0 ? spec->to_s : 365 * DAY);
    X509 *issuer = spec->issuer == ca ? x509 : pki->ca_certificates[spec->issuer];
    test_pki_attribute(X509_get_subject_name(x509), NID_commonName,
        spec->respelled ? V_ASN1_PRINTABLESTRING : V_ASN1_UTF8STRING, spec->cn, -1);
    test_pki_must(X509_set_issuer_name(x509, X509_get_subject_name(issuer)) == 1, "issuer");
    test_pki_extension(x509, issuer, NID_basic_constraints, "critical,CA:TRUE");
    test_pki_extension(
        x509, issuer, NID_key_usage, spec->ku != NULL ? spec->ku : "critical,keyCertSign,cRLSign");
    if (spec->eku != NULL) {
        test_pki_extension(x509, issuer, NID_ext_key_usage, spec->eku);
    }
    test_pki_extension(x509, issuer, NID_subject_key_identifier, "hash");
    if (!spec->no_aki) {
        test_pki_extension(x509, issuer, NID_authority_key_identifier, "keyid:always");
    }
    pki->ca_certificates[ca] = x509;
    pki->ca_keys[ca] = key;
    test_pki_must(X509_sign(x509, pki->ca_keys[spec->issuer], EVP_sha256()) != 0, "CA signature");
    test_pki_store(pki, spec->name, x509);
}

void ph_test_pki_crowd(struct ph_test_pki *pki, const char *name, int count)
{
    FILE *file = test_pki_file(pki, name, ".pem");
    for (int i = 0; i < count; i++) {
        EVP_PKEY *key = pki->ca_keys[UNKNOWN];
        X509 *x509 = test_pki_start(pki, 1 + i, key, -DAY, DAY);
        X509_NAME *subject = X509_get_subject_name(x509);
        test_pki_attribute(subject, NID_commonName, V_ASN1_UTF8STRING, "test crowd", -1);
        test_pki_must(X509_set_issuer_name(x509, subject) == 1, "issuer");
        test_pki_extension(x509, x509, NID_basic_constraints, "critical,CA:TRUE");
        test_pki_extension(x509, x509, NID_key_usage, "critical,keyCertSign,cRLSign");
        test_pki_must(
            X509_sign(x509, key, EVP_sha256()) != 0 && PEM_write_X509(file, x509) == 1, name);
        X509_free(x509);
    }
    test_pki_must(fclose(file) == 0, name);
}

/* ---- anchors ---- */

static char *copy_path(struct ph_test_pki *pki, const char *file)
{
    char *path = strdup(ph_test_pki_path(pki, file));
    test_pki_must(path != NULL, "memory");
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
    test_pki_must(name != NULL, "memory");
    pki->anchors[index] = (struct ph_anchor){
        .name = name,
        .ca_files = pki->ca_files[index],
        .ca_file_count = count,
        .crl_files = pki->crl_files[index],
        .crl_file_count = count,
        .crl_required = true,
    };
}

static void free_anchor(struct ph_anchor *anchor)
{
    for (size_t i = 0; i < anchor->ca_file_count; i++) {
        free(anchor->ca_files[i]);
        free(anchor->crl_files[i]);
    }
    free(anchor->name);
}

/* ---- life ---- */

struct ph_test_pki *ph_test_pki_new(const char *dir, int64_t now_ms)
{
    struct ph_test_pki *pki = calloc(1, sizeof *pki);
    test_pki_must(pki != NULL, "memory");
    pki->now_s = now_ms / 1000;
    pki->dir = strdup(dir);
    test_pki_must(pki->dir != NULL, "memory");
    for (enum ca ca = ROOT; ca < CA_COUNT; ca++) {
        make_ca(pki, ca);
    }
    for (enum ph_test_leaf leaf = 0; leaf < PH_TEST_LEAF_COUNT; leaf++) {
        test_pki_make_leaf(pki, leaf);
    }
    test_pki_make_crls(pki);
    make_anchor(pki, 0, (const enum ca[]){ROOT, DEVICES, PULLED}, 3);
    make_anchor(pki, 1, (const enum ca[]){ROOT, BROKERS}, 2);
    make_anchor(pki, 2, (const enum ca[]){ROOT, DEVICES, DEVICES2}, 3);
    return pki;
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
    EVP_PKEY_free((*pki)->good_key);
    for (int i = 0; i < (*pki)->made_count; i++) {
        (void)unlink((*pki)->made[i]);
    }
    for (int i = 0; i < ANCHORS; i++) {
        free_anchor(&(*pki)->anchors[i]);
    }
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

const struct ph_anchor *ph_test_pki_rollover(const struct ph_test_pki *pki)
{
    return &pki->anchors[2];
}

static size_t copy_paths(struct ph_test_pki *pki, const char *const *files, char **out)
{
    size_t count = 0;
    for (; files[count] != NULL; count++) {
        test_pki_must(count < ANCHOR_FILES, "number of files of an anchor");
        out[count] = copy_path(pki, files[count]);
    }
    return count;
}

enum ph_err ph_test_pki_trust(struct ph_test_pki *pki, const char *const *cas,
    const char *const *crls, bool crl_required, uint32_t crl_grace_s, struct ph_trust **out,
    struct ph_error *error)
{
    char *ca_files[ANCHOR_FILES];
    char *crl_files[ANCHOR_FILES];
    char name[] = "testing";
    struct ph_anchor anchor = {.name = name,
        .ca_files = ca_files,
        .ca_file_count = copy_paths(pki, cas, ca_files),
        .crl_files = crl_files,
        .crl_file_count = copy_paths(pki, crls, crl_files),
        .crl_required = crl_required,
        .crl_grace_s = crl_grace_s};
    enum ph_err err = ph_trust_load(&anchor, out, error);
    for (size_t i = 0; i < anchor.ca_file_count; i++) {
        free(ca_files[i]);
    }
    for (size_t i = 0; i < anchor.crl_file_count; i++) {
        free(crl_files[i]);
    }
    return err;
}
