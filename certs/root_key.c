#include "certs/root_key.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "certs/ca.h"
#include "x509/certificate.h"

enum { PASSPHRASE_FILE_BYTES = 4096 };

/* ---- passphrases ---- */

static enum ph_err take_passphrase(const char *what, const char *line, size_t len,
    char out[PH_PASSPHRASE_BYTES], struct ph_error *error)
{
    if (len > 0 && line[len - 1] == '\r') {
        len--;
    }
    if (len == 0 || len >= PH_PASSPHRASE_BYTES || memchr(line, '\0', len) != NULL) {
        return ph_error_set(error, PH_ERR_INPUT,
            "%s: want a passphrase of 1 to %d bytes as its first line", what,
            PH_PASSPHRASE_BYTES - 1);
    }
    memcpy(out, line, len);
    out[len] = '\0';
    return PH_OK;
}

static enum ph_err load_passphrase(
    const char *file, char out[PH_PASSPHRASE_BYTES], struct ph_error *error)
{
    struct ph_buf text;
    ph_buf_init(&text, PASSPHRASE_FILE_BYTES);
    enum ph_err err = ph_file_load_secret(file, &text, error);
    if (err == PH_OK) {
        const char *line = text.data != NULL ? text.data : "";
        const char *end = memchr(line, '\n', text.len);
        err =
            take_passphrase(file, line, end != NULL ? (size_t)(end - line) : text.len, out, error);
    }
    ph_buf_fini(&text);
    return err;
}

/* One line. The rest of one that is too long is read away, so that the shell does not get it. */
static enum ph_err read_line(int fd, char out[PH_PASSPHRASE_BYTES], struct ph_error *error)
{
    char line[PH_PASSPHRASE_BYTES];
    size_t len = 0;
    char byte = '\0';
    ssize_t got = 0;
    while ((got = read(fd, &byte, 1)) == 1 && byte != '\n') {
        if (len < sizeof line) {
            line[len++] = byte;
        }
    }
    enum ph_err err = got < 0 ? ph_error_set_errno(error, errno, "/dev/tty: read")
                              : take_passphrase("what was typed", line, len, out, error);
    explicit_bzero(line, sizeof line);
    return err;
}

/* Signals wait until the terminal echoes again. */
static enum ph_err ask_terminal(int fd, const char *question, const char *path,
    char out[PH_PASSPHRASE_BYTES], struct ph_error *error)
{
    struct termios before;
    sigset_t all;
    sigset_t mask;
    if (tcgetattr(fd, &before) != 0) {
        return ph_error_set_errno(error, errno, "/dev/tty: no terminal");
    }
    struct termios silent = before;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &mask);
    enum ph_err err = PH_OK;
    if (tcsetattr(fd, TCSAFLUSH, &silent) != 0 || dprintf(fd, "%s %s: ", question, path) < 0) {
        err = ph_error_set_errno(error, errno, "/dev/tty: ask for a passphrase");
    } else {
        err = read_line(fd, out, error);
    }
    (void)tcsetattr(fd, TCSAFLUSH, &before);
    (void)dprintf(fd, "\n");
    (void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
    return err;
}

static enum ph_err ask(
    const char *question, const char *path, char out[PH_PASSPHRASE_BYTES], struct ph_error *error)
{
    int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        return ph_error_set(error, PH_ERR_NOT_FOUND,
            "%s: a passphrase is needed, and there is no terminal to ask at: give "
            "--passphrase-file",
            path);
    }
    enum ph_err err = ask_terminal(fd, question, path, out, error);
    (void)close(fd);
    return err;
}

enum ph_err ph_root_key_passphrase(
    const struct ph_root_key *where, char out[PH_PASSPHRASE_BYTES], struct ph_error *error)
{
    char again[PH_PASSPHRASE_BYTES] = "";
    out[0] = '\0';
    if (where->passphrase_file != NULL) {
        return load_passphrase(where->passphrase_file, out, error);
    }
    if (!where->ask) {
        return PH_OK;
    }
    enum ph_err err = ask("new passphrase for", "the root's key", out, error);
    if (err == PH_OK) {
        err = ask("the same once more for", "the root's key", again, error);
    }
    if (err == PH_OK && strcmp(out, again) != 0) {
        err = ph_error_set(
            error, PH_ERR_INPUT, "the root's key: the two passphrases differ; nothing was made");
    }
    explicit_bzero(again, sizeof again);
    return err;
}

/* ---- keys ---- */

/* First without a passphrase: whether it wants one shows only then. */
static enum ph_err open_key(
    const char *path, const struct ph_root_key *where, struct ph_key **out, struct ph_error *error)
{
    char passphrase[PH_PASSPHRASE_BYTES] = "";
    enum ph_err err = ph_key_load_encrypted(path, NULL, out, error);
    if (err != PH_ERR_NOT_FOUND || where == NULL) {
        return err;
    }
    ph_error_clear(error);
    err = where->passphrase_file != NULL
              ? load_passphrase(where->passphrase_file, passphrase, error)
              : ask("passphrase of", path, passphrase, error);
    if (err == PH_OK) {
        err = ph_key_load_encrypted(path, passphrase, out, error);
    }
    explicit_bzero(passphrase, sizeof passphrase);
    return err;
}

/* Whether the certificate beside a key says that it is another CA's: nobody need be asked for its
 * passphrase then. */
static bool is_of_another(const char *folder, const char *key_hash)
{
    char path[PATH_MAX];
    struct ph_certificate *certificate = NULL;
    struct ph_certificate_facts facts;
    bool another = ph_path_join(path, sizeof path, folder, "ca.crt", NULL) == PH_OK &&
                   ph_certificate_load(path, &certificate, NULL) == PH_OK &&
                   ph_certificate_facts(certificate, &facts, NULL) == PH_OK &&
                   strcmp(facts.key_hash, key_hash) != 0;
    ph_certificate_free(&certificate);
    return another;
}

/* One place to look. *out stays NULL, without an error, when the key is not there. */
static enum ph_err try_folder(const char *folder, const char *key_hash,
    const struct ph_root_key *where, struct ph_key **out, struct ph_error *error)
{
    char path[PATH_MAX];
    char hash[PH_FINGERPRINT_BYTES];
    struct ph_key *key = NULL;
    enum ph_err err = ph_path_join(path, sizeof path, folder, "ca.key", error);
    if (err != PH_OK || !ph_path_exists(path) || is_of_another(folder, key_hash)) {
        return err;
    }
    err = open_key(path, where, &key, error);
    if (err == PH_OK) {
        err = ph_key_hash(key, hash, error);
    }
    if (err == PH_OK && strcmp(hash, key_hash) == 0) {
        *out = key;
        key = NULL;
    }
    ph_key_free(&key);
    return err;
}

static enum ph_err load_key_hash(
    const char *dir, const char *name, char out[PH_FINGERPRINT_BYTES], struct ph_error *error)
{
    char path[PATH_MAX];
    struct ph_certificate *certificate = NULL;
    struct ph_certificate_facts facts;
    enum ph_err err = ph_authority_path(path, dir, name, "ca.crt", error);
    if (err == PH_OK) {
        err = ph_certificate_load(path, &certificate, error);
    }
    if (err == PH_OK) {
        err = ph_certificate_facts(certificate, &facts, error);
    }
    if (err == PH_OK) {
        memcpy(out, facts.key_hash, PH_FINGERPRINT_BYTES);
    }
    ph_certificate_free(&certificate);
    return err;
}

enum ph_err ph_root_key_open(const char *dir, const char *name, const struct ph_root_key *where,
    struct ph_key **out, struct ph_error *error)
{
    char key_hash[PH_FINGERPRINT_BYTES];
    char below[PATH_MAX];
    char own[PATH_MAX];
    bool elsewhere = where != NULL && where->dir != NULL;
    const char *folders[3] = {elsewhere ? where->dir : NULL, elsewhere ? below : NULL, own};
    enum ph_err err = load_key_hash(dir, name, key_hash, error);
    if (err == PH_OK && elsewhere) {
        err = ph_path_join(below, sizeof below, where->dir, name, error);
    }
    if (err == PH_OK) {
        err = ph_path_join(own, sizeof own, dir, name, error);
    }
    for (size_t i = 0; err == PH_OK && i < 3; i++) {
        if (folders[i] != NULL) {
            err = try_folder(folders[i], key_hash, where, out, error);
        }
        if (err == PH_OK && *out != NULL) {
            return PH_OK;
        }
    }
    return err != PH_OK ? err
                        : ph_error_set(error, PH_ERR_NOT_FOUND,
                              "%s: the key of %s is not here%s%s: put its ca.key in place, or name "
                              "its folder with --root",
                              dir, name, elsewhere ? ", nor in " : "", elsewhere ? where->dir : "");
}

/* ---- all roots ---- */

enum ph_err ph_root_keys_open(struct ph_ca *ca, const struct ph_root_key *where,
    struct ph_root_keys *out, struct ph_error *error)
{
    struct ph_authority_list list = {0};
    struct ph_error first = {0};
    *out = (struct ph_root_keys){0};
    enum ph_err err = ph_authorities_list(ph_ca_inventory(ca), &list, error);
    for (size_t i = 0; err == PH_OK && i < list.count && out->count < PH_ROOT_KEYS_MAX; i++) {
        const struct ph_authority *root = &list.items[i];
        struct ph_key *key = NULL;
        if (root->role != PH_ROOT || root->state == PH_AUTHORITY_RETIRED) {
            continue;
        }
        enum ph_err one = ph_root_key_open(ph_ca_dir(ca), root->name, where, &key, &first);
        if (one == PH_OK) {
            memcpy(out->items[out->count].name, root->name, sizeof root->name);
            out->items[out->count++].key = key;
        } else if (where == NULL && one != PH_ERR_NOT_FOUND) {
            err = ph_error_set(error, one, "%s", first.message);
        }
    }
    if (err == PH_OK && where != NULL && out->count == 0) {
        err = ph_error_set(error, first.code, "%s", first.message);
    }
    if (err != PH_OK) {
        ph_root_keys_free(out);
    }
    ph_authority_list_free(&list);
    return err;
}

const struct ph_key *ph_root_keys_get(const struct ph_root_keys *keys, const char *name)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (strcmp(keys->items[i].name, name) == 0) {
            return keys->items[i].key;
        }
    }
    return NULL;
}

void ph_root_keys_free(struct ph_root_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        ph_key_free(&keys->items[i].key);
    }
    keys->count = 0;
}
