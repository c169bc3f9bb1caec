/* ph-bench-pki: certificates for the comparisons in this folder, a thousand in a few seconds, and
 * CRLs that revoke any number of them.
 *
 *   DIR/ca.pem             root and subordinate CA of the clients: the broker's cafile
 *   DIR/crl.pem            their CRLs
 *   DIR/devices.key        signs further CRLs
 *   DIR/broker/            cert.pem and key.pem for 127.0.0.1
 *   DIR/certs/d-N/         acme/thermostat/d-N; DIR/certs/ingest/: acme/service/ingest
 *   DIR/serials            of d-0, d-1, ..., one a line */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"
#include "base/text.h"
#include "x509/issue.h"

#define HOUR_MS INT64_C(3600000)
#define DAY_MS  (24 * HOUR_MS)

enum { FILE_BYTES_MAX = 1 << 26, SERIAL_BYTES = 16 };

struct authority {
    struct ph_key *key;
    struct ph_certificate *certificate;
};

struct pki {
    const char *dir;
    int64_t now_ms;
    struct authority root;
    struct authority devices;
    struct authority brokers;
    struct ph_buf serials;
};

static enum ph_err store(const struct pki *pki, const char *name, mode_t mode,
    const struct ph_buf *text, struct ph_error *error)
{
    char path[512];
    enum ph_err err = ph_path_join(path, sizeof path, pki->dir, name, error);
    /* no fsync: there are thousands */
    int fd = err == PH_OK ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode) : -1;
    if (err == PH_OK && (fd < 0 || write(fd, text->data, text->len) != (ssize_t)text->len)) {
        err = ph_error_set_errno(error, errno, "%s", path);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return err;
}

static enum ph_err issue(const struct pki *pki, struct ph_certificate_content *content,
    const struct authority *by, struct authority *out, struct ph_error *error)
{
    content->not_before_ms = pki->now_ms - HOUR_MS;
    content->not_after_ms = pki->now_ms + 30 * DAY_MS;
    enum ph_err err = ph_key_new(&out->key, error);
    return err == PH_OK
               ? ph_certificate_issue(content, out->key, by != NULL ? by->certificate : NULL,
                     by != NULL ? by->key : out->key, &out->certificate, error)
               : err;
}

static void release(struct authority *authority)
{
    ph_key_free(&authority->key);
    ph_certificate_free(&authority->certificate);
}

static enum ph_err print_certificates(const struct pki *pki, const char *name,
    const struct authority *first, const struct authority *second, struct ph_error *error)
{
    struct ph_buf text;
    ph_buf_init(&text, FILE_BYTES_MAX);
    enum ph_err err = ph_certificate_print(first->certificate, &text, error);
    if (err == PH_OK && second != NULL) {
        err = ph_certificate_print(second->certificate, &text, error);
    }
    if (err == PH_OK) {
        err = store(pki, name, 0644, &text, error);
    }
    ph_buf_fini(&text);
    return err;
}

static enum ph_err print_key(
    const struct pki *pki, const char *name, const struct ph_key *key, struct ph_error *error)
{
    char path[512];
    struct ph_buf text;
    ph_buf_init(&text, FILE_BYTES_MAX);
    enum ph_err err = ph_path_join(path, sizeof path, pki->dir, name, error);
    if (err == PH_OK) {
        err = ph_key_print(key, &text, error);
    }
    if (err == PH_OK) {
        err = store(pki, name, 0600, &text, error);
    }
    ph_buf_fini(&text);
    return err;
}

/* ---- CRLs ---- */

static enum ph_err add_serials(struct ph_crl *crl, const struct pki *pki, int64_t count,
    int64_t others, struct ph_error *error)
{
    char serial[2 * SERIAL_BYTES + 1];
    const char *at = pki->serials.data;
    enum ph_err err = PH_OK;
    for (int64_t i = 0; i < count && err == PH_OK; i++) {
        size_t len = at != NULL ? strcspn(at, "\n") : 0;
        if (len == 0 || len >= sizeof serial) {
            return ph_error_set(
                error, PH_ERR_LIMIT, "%s/serials: fewer than %" PRId64 " devices", pki->dir, count);
        }
        memcpy(serial, at, len);
        serial[len] = '\0';
        at += len + 1;
        err = ph_crl_add(crl, serial, pki->now_ms, 0, error);
    }
    for (int64_t i = 0; i < others && err == PH_OK; i++) {
        uint8_t bytes[SERIAL_BYTES];
        ph_random_bytes(bytes, sizeof bytes);
        bytes[0] = 0x7F;
        ph_hex_encode(serial, bytes, sizeof bytes);
        err = ph_crl_add(crl, serial, pki->now_ms, 0, error);
    }
    return err;
}

static enum ph_err sign_crl(const struct pki *pki, const struct authority *by, int64_t count,
    int64_t others, struct ph_buf *text, struct ph_error *error)
{
    struct ph_crl *crl = NULL;
    enum ph_err err = ph_crl_new(&crl, error);
    if (err == PH_OK) {
        err = add_serials(crl, pki, count, others, error);
    }
    if (err == PH_OK) { /* the number grows with the time */
        err = ph_crl_sign(crl, by->certificate, by->key, pki->now_ms, pki->now_ms - 1000,
            pki->now_ms + 7 * DAY_MS, text, error);
    }
    ph_crl_free(&crl);
    return err;
}

static enum ph_err print_crls(
    const struct pki *pki, const char *path, int64_t count, int64_t others, struct ph_error *error)
{
    struct ph_buf text;
    ph_buf_init(&text, FILE_BYTES_MAX);
    enum ph_err err = sign_crl(pki, &pki->devices, count, others, &text, error);
    if (err == PH_OK) {
        err = sign_crl(pki, &pki->root, 0, 0, &text, error);
    }
    if (err == PH_OK) {
        err = ph_file_store(path, 0644, text.data, text.len, error);
    }
    ph_buf_fini(&text);
    return err;
}

/* ---- make ---- */

static enum ph_err make_leaf(struct pki *pki, const char *folder,
    struct ph_certificate_content *content, const struct authority *by, struct ph_error *error)
{
    char path[512];
    char name[128];
    struct authority leaf = {0};
    struct ph_certificate_facts facts;
    enum ph_err err = ph_path_join(path, sizeof path, pki->dir, folder, error);
    if (err == PH_OK) {
        err = ph_dir_make(path, 0755, error);
    }
    if (err == PH_OK) {
        err = issue(pki, content, by, &leaf, error);
    }
    if (err == PH_OK) {
        (void)snprintf(name, sizeof name, "%s/cert.pem", folder);
        err = print_certificates(pki, name, &leaf, by, error);
    }
    if (err == PH_OK) {
        (void)snprintf(name, sizeof name, "%s/key.pem", folder);
        err = print_key(pki, name, leaf.key, error);
    }
    if (err == PH_OK) {
        err = ph_certificate_facts(leaf.certificate, &facts, error);
    }
    if (err == PH_OK) {
        err = ph_buf_printf(&pki->serials, "%s\n", facts.serial);
    }
    release(&leaf);
    return err;
}

static enum ph_err make_client(
    struct pki *pki, const char *kind, const char *device, struct ph_error *error)
{
    char folder[64];
    struct ph_certificate_content content = {
        .type = PH_CERTIFICATE_CLIENT, .organization = "acme", .unit = kind, .name = device};
    (void)snprintf(folder, sizeof folder, "certs/%s", device);
    return make_leaf(pki, folder, &content, &pki->devices, error);
}

static enum ph_err make_broker(struct pki *pki, struct ph_error *error)
{
    static const char *const address = "127.0.0.1";
    struct ph_certificate_content content = {
        .type = PH_CERTIFICATE_SERVER, .name = "broker", .ip = &address, .ip_count = 1};
    return make_leaf(pki, "broker", &content, &pki->brokers, error);
}

static enum ph_err make_authorities(struct pki *pki, struct ph_error *error)
{
    struct ph_certificate_content root = {.type = PH_CERTIFICATE_ROOT, .name = "Bench root"};
    struct ph_certificate_content devices = {
        .type = PH_CERTIFICATE_CLIENT_CA, .name = "Bench devices"};
    struct ph_certificate_content brokers = {
        .type = PH_CERTIFICATE_SERVER_CA, .name = "Bench brokers"};
    enum ph_err err = issue(pki, &root, NULL, &pki->root, error);
    if (err == PH_OK) {
        err = issue(pki, &devices, &pki->root, &pki->devices, error);
    }
    if (err == PH_OK) {
        err = issue(pki, &brokers, &pki->root, &pki->brokers, error);
    }
    if (err == PH_OK) {
        err = print_certificates(pki, "ca.pem", &pki->devices, &pki->root, error);
    }
    if (err == PH_OK) {
        err = print_certificates(pki, "root.pem", &pki->root, NULL, error);
    }
    if (err == PH_OK) {
        err = print_key(pki, "devices.key", pki->devices.key, error);
    }
    return err == PH_OK ? print_key(pki, "root.key", pki->root.key, error) : err;
}

static enum ph_err make_all(struct pki *pki, int64_t devices, struct ph_error *error)
{
    char path[512];
    enum ph_err err = ph_dir_make(pki->dir, 0755, error);
    if (err == PH_OK) {
        err = make_authorities(pki, error);
    }
    if (err == PH_OK) {
        err = make_broker(pki, error);
    }
    if (err == PH_OK) {
        err = make_client(pki, "service", "ingest", error);
    }
    ph_buf_reset(&pki->serials); /* devices only */
    for (int64_t i = 0; i < devices && err == PH_OK; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "d-%" PRId64, i);
        err = make_client(pki, "thermostat", name, error);
    }
    if (err == PH_OK) {
        err = store(pki, "serials", 0644, &pki->serials, error);
    }
    if (err == PH_OK) {
        err = ph_path_join(path, sizeof path, pki->dir, "crl.pem", error);
    }
    return err == PH_OK ? print_crls(pki, path, 0, 0, error) : err;
}

static void begin(struct pki *pki, const char *dir)
{
    *pki = (struct pki){.dir = dir, .now_ms = ph_clock_unix_ms()};
    ph_buf_init(&pki->serials, FILE_BYTES_MAX);
}

static void end(struct pki *pki)
{
    release(&pki->root);
    release(&pki->devices);
    release(&pki->brokers);
    ph_buf_fini(&pki->serials);
}

static enum ph_err cmd_make(const struct ph_cli *cli, struct ph_error *error)
{
    struct pki pki;
    int64_t devices = 0;
    enum ph_err err = ph_cli_int64(cli, "devices", 1, 100000, 50, &devices, error);
    begin(&pki, ph_cli_argument(cli, 0));
    if (err == PH_OK) {
        err = make_all(&pki, devices, error);
    }
    end(&pki);
    return err;
}

/* ---- revoke ---- */

static enum ph_err load_authority(const struct pki *pki, const char *key_name,
    const char *cert_name, struct authority *out, struct ph_error *error)
{
    char path[512];
    enum ph_err err = ph_path_join(path, sizeof path, pki->dir, key_name, error);
    if (err == PH_OK) {
        err = ph_key_load(path, &out->key, error);
    }
    if (err == PH_OK) {
        err = ph_path_join(path, sizeof path, pki->dir, cert_name, error);
    }
    return err == PH_OK ? ph_certificate_load(path, &out->certificate, error) : err;
}

static enum ph_err cmd_revoke(const struct ph_cli *cli, struct ph_error *error)
{
    struct pki pki;
    int64_t devices = 0;
    int64_t others = 0;
    char path[512];
    const char *out = ph_cli_argument(cli, 1);
    begin(&pki, ph_cli_argument(cli, 0));
    enum ph_err err = ph_cli_int64(cli, "devices", 0, 100000, 0, &devices, error);
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "others", 0, 1000000, 0, &others, error);
    }
    if (err == PH_OK) {
        err = load_authority(&pki, "devices.key", "ca.pem", &pki.devices, error);
    }
    if (err == PH_OK) {
        err = load_authority(&pki, "root.key", "root.pem", &pki.root, error);
    }
    if (err == PH_OK) {
        err = ph_path_join(path, sizeof path, pki.dir, "serials", error);
    }
    if (err == PH_OK) {
        err = ph_file_load(path, &pki.serials, error);
    }
    if (err == PH_OK) {
        err = print_crls(&pki, out, devices, others, error);
    }
    end(&pki);
    return err;
}

static const struct ph_cli_option make_options[] = {
    {"devices", "N", "how many (50)"},
    {0},
};

static const struct ph_cli_option revoke_options[] = {
    {"devices", "N", "revoke the first so many (0)"},
    {"others", "N", "and so many serial numbers that nobody has (0)"},
    {0},
};

static const struct ph_cli_command commands[] = {
    {"make", "DIR", 1, 1, "Make CAs, broker, subscriber and devices.", make_options, cmd_make},
    {"revoke", "DIR OUT", 2, 2, "Write newer CRLs.", revoke_options, cmd_revoke},
    {0},
};

int main(int argc, char **argv)
{
    static const struct ph_cli_program program = {
        "ph-bench-pki", "certificates for load", commands};
    return ph_cli_main(&program, argc, argv);
}
