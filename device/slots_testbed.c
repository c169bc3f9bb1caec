#include "device/slots_testbed.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "x509/request.h"

static void require(bool condition, const char *what)
{
    if (!condition) {
        (void)fprintf(stderr, "slots_testbed: %s\n", what);
        abort();
    }
}

/* ---- files ---- */

const char *testbed_path(const struct testbed *bed, const char *name)
{
    static char paths[4][PATH_MAX];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    (void)snprintf(path, PATH_MAX, "%s/%s", bed->folder, name);
    return path;
}

bool testbed_has(const struct testbed *bed, const char *name)
{
    return ph_path_exists(testbed_path(bed, name));
}

unsigned testbed_mode(const struct testbed *bed, const char *name)
{
    struct stat st;
    require(lstat(testbed_path(bed, name), &st) == 0 && S_ISREG(st.st_mode), name);
    return st.st_mode & 07777U;
}

int testbed_entries(const struct testbed *bed)
{
    int count = 0;
    DIR *dir = opendir(bed->folder);
    require(dir != NULL, bed->folder);
    while (readdir(dir) != NULL) {
        count++;
    }
    (void)closedir(dir);
    return count - 2;
}

void testbed_write(const struct testbed *bed, const char *name, const char *text)
{
    require(
        ph_file_replace(testbed_path(bed, name), 0600, text, strlen(text), NULL) == PH_OK, name);
}

void testbed_read(const struct testbed *bed, const char *name, struct ph_buf *out)
{
    ph_buf_init(out, 1048576);
    require(ph_file_load(testbed_path(bed, name), out, NULL) == PH_OK, name);
}

int testbed_count(const char *text, const char *what)
{
    int count = 0;
    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what)) {
        count++;
    }
    return count;
}

/* ---- CAs ---- */

struct testbed_ca testbed_ca_new(const char *name, const struct testbed_ca *issuer)
{
    struct testbed_ca ca = {0};
    const struct ph_certificate_content content = {
        .type = issuer == NULL ? PH_CERTIFICATE_ROOT : PH_CERTIFICATE_CLIENT_CA,
        .name = name,
        .not_before_ms = TESTBED_NOW - TESTBED_LIFE,
        .not_after_ms = TESTBED_NOW + 20 * TESTBED_LIFE,
    };
    require(ph_key_new(&ca.key, NULL) == PH_OK, "key");
    require(ph_certificate_issue(&content, ca.key, issuer == NULL ? NULL : issuer->certificate,
                issuer == NULL ? ca.key : issuer->key, &ca.certificate, NULL) == PH_OK,
        "CA");
    return ca;
}

void testbed_ca_free(struct testbed_ca *ca)
{
    ph_certificate_free(&ca->certificate);
    ph_key_free(&ca->key);
}

void testbed_make(struct testbed *bed)
{
    struct ph_buf pem;
    *bed = (struct testbed){.folder = "/tmp/ph-slots-test-XXXXXX"};
    require(mkdtemp(bed->folder) != NULL, "folder");
    bed->root = testbed_ca_new("test root", NULL);
    bed->devices = testbed_ca_new("test devices", &bed->root);
    bed->stranger_root = testbed_ca_new("test root", NULL); /* the same name, another key */
    bed->stranger = testbed_ca_new("test devices", &bed->stranger_root);
    ph_buf_init(&pem, 16384);
    require(ph_certificate_print(bed->root.certificate, &pem, NULL) == PH_OK, "PEM");
    testbed_write(bed, "ca.pem", pem.data);
    ph_buf_fini(&pem);
}

void testbed_remove(struct testbed *bed)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", bed->folder);
    require(system(command) == 0, command); /* NOLINT(cert-env33-c): the path is ours */
    testbed_ca_free(&bed->root);
    testbed_ca_free(&bed->devices);
    testbed_ca_free(&bed->stranger_root);
    testbed_ca_free(&bed->stranger);
}

/* ---- leaves ---- */

static void issue(const struct testbed_ca *ca, const struct ph_key *key,
    const struct ph_identity *identity, struct ph_buf *pem)
{
    struct ph_certificate *leaf = NULL;
    const struct ph_certificate_content content = {
        .type = PH_CERTIFICATE_CLIENT,
        .organization = identity->tenant,
        .unit = identity->kind,
        .name = identity->device,
        .not_before_ms = TESTBED_NOW,
        .not_after_ms = TESTBED_NOW + TESTBED_LIFE,
    };
    require(ph_certificate_issue(&content, key, ca->certificate, ca->key, &leaf, NULL) == PH_OK,
        "leaf");
    require(ph_certificate_print(leaf, pem, NULL) == PH_OK, "PEM");
    require(ph_certificate_print(ca->certificate, pem, NULL) == PH_OK, "PEM");
    ph_certificate_free(&leaf);
}

static void issue_for(const struct testbed_ca *ca, const char *csr,
    const struct ph_identity *identity, struct ph_buf *pem)
{
    struct ph_request *request = NULL;
    require(ph_request_parse(csr, strlen(csr), &request, NULL) == PH_OK, "request");
    issue(ca, ph_request_key(request), identity, pem);
    ph_request_free(&request);
}

void testbed_issue(const struct testbed *bed, const char *csr, const struct ph_identity *identity,
    struct ph_buf *pem)
{
    issue_for(&bed->devices, csr, identity, pem);
}

void testbed_issue_by_stranger(const struct testbed *bed, const char *csr,
    const struct ph_identity *identity, struct ph_buf *pem)
{
    issue_for(&bed->stranger, csr, identity, pem);
}

void testbed_issue_for_new_key(
    const struct testbed *bed, const struct ph_identity *identity, struct ph_buf *pem)
{
    struct ph_key *key = NULL;
    require(ph_key_new(&key, NULL) == PH_OK, "key");
    issue(&bed->devices, key, identity, pem);
    ph_key_free(&key);
}

void testbed_request_key(const char *csr, char hash[PH_FINGERPRINT_BYTES])
{
    struct ph_request *request = NULL;
    require(ph_request_parse(csr, strlen(csr), &request, NULL) == PH_OK, "request");
    (void)snprintf(hash, PH_FINGERPRINT_BYTES, "%s", ph_request_key_hash(request));
    ph_request_free(&request);
}

void testbed_key_hash(const struct testbed *bed, const char *name, char hash[PH_FINGERPRINT_BYTES])
{
    struct ph_key *key = NULL;
    require(ph_key_load(testbed_path(bed, name), &key, NULL) == PH_OK, name);
    require(ph_key_hash(key, hash, NULL) == PH_OK, name);
    ph_key_free(&key);
}
