#include <ftw.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "certs/ca.h"
#include "certs/root_key.h"

static char dir[] = "/tmp/ph-root-key-test-XXXXXX";
static char pki[64];
static char stick[64];
static char phrase[64]; /* a file */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void put(const char *path, mode_t mode, const char *text)
{
    struct ph_error error = {0};
    if (ph_file_store(path, mode, text, strlen(text), &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
}

static struct ph_ca_plan plan_of(void)
{
    return (struct ph_ca_plan){.name = "test",
        .now_ms = ph_clock_unix_ms(),
        .root_days = 100,
        .authority_days = 50,
        .root_crl_days = 30,
        .crl_days = 7,
        .root = {.dir = stick, .passphrase_file = phrase}};
}

static int set_up(void **state)
{
    (void)state;
    struct ph_error error = {0};
    (void)strcpy(dir, "/tmp/ph-root-key-test-XXXXXX");
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    (void)snprintf(pki, sizeof pki, "%s/pki", dir);
    (void)snprintf(stick, sizeof stick, "%s/stick", dir);
    (void)snprintf(phrase, sizeof phrase, "%s/phrase", dir);
    put(phrase, 0600, "open sesame\nsecond line\n");
    const struct ph_ca_plan plan = plan_of();
    if (ph_ca_create(pki, &plan, &error) != PH_OK) {
        fprintf(stderr, "%s\n", error.message);
        return -1;
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void opens(const struct ph_root_key *where)
{
    struct ph_error error = {0};
    struct ph_key *key = NULL;
    if (ph_root_key_open(pki, "root", where, &key, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    ph_key_free(&key);
}

static void refuses(const struct ph_root_key *where, enum ph_err want, const char *text)
{
    struct ph_error error = {0};
    struct ph_key *key = NULL;
    assert_int_equal(ph_root_key_open(pki, "root", where, &key, &error), want);
    assert_null(key);
    if (strstr(error.message, text) == NULL) {
        fail_msg("want \"%s\", have \"%s\"", text, error.message);
    }
}

/* [CA-61] [CA-62] */
static void from_file(void **state)
{
    (void)state;
    struct ph_root_key where = {.dir = stick, .passphrase_file = phrase};
    opens(&where);
    refuses(NULL, PH_ERR_NOT_FOUND, "pki: the key of root is not here: put its ca.key in place");
    where.dir = NULL;
    refuses(&where, PH_ERR_NOT_FOUND, "the key of root is not here");
    where.dir = dir; /* "<dir>/root/" */
    refuses(&where, PH_ERR_NOT_FOUND, "not here, nor in /tmp/ph-root-key-test-");
    char moved[80];
    (void)snprintf(moved, sizeof moved, "%s/root", dir);
    assert_int_equal(rename(stick, moved), 0);
    opens(&where);
    put(phrase, 0600, "open sesam\n");
    refuses(&where, PH_ERR_DENIED, "root/ca.key");
    put(phrase, 0600, "\nopen sesame\n");
    refuses(&where, PH_ERR_INPUT, "phrase: want a passphrase of 1 to 256 bytes");
    put(phrase, 0644, "open sesame\n");
    refuses(&where, PH_ERR_PERMISSION, "phrase");
    put(phrase, 0600, "open sesame\r\n");
    opens(&where);
}

/* [CA-62] A key that belongs to another root is not the root's, wherever it lies. */
static void key_of_another(void **state)
{
    (void)state;
    struct ph_error error = {0};
    char other[80];
    char from[96];
    char to[96];
    struct ph_ca_plan plan = plan_of();
    plan.root = (struct ph_root_key){0};
    (void)snprintf(other, sizeof other, "%s/other", dir);
    assert_int_equal(ph_ca_create(other, &plan, &error), PH_OK);
    (void)snprintf(from, sizeof from, "%s/other/root/ca.key", dir);
    (void)snprintf(to, sizeof to, "%s/pki/root/ca.key", dir);
    assert_int_equal(rename(from, to), 0);
    refuses(NULL, PH_ERR_NOT_FOUND, "the key of root is not here");
}

/* [CA-61] init takes no folder that has a key, and leaves it alone. */
static void folder_in_use(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_root_key where = {.dir = stick, .passphrase_file = phrase};
    char other[80];
    const struct ph_ca_plan plan = plan_of();
    (void)snprintf(other, sizeof other, "%s/other", dir);
    assert_int_equal(ph_ca_create(other, &plan, &error), PH_ERR_EXISTS);
    assert_non_null(strstr(error.message, "a root's key is never overwritten"));
    assert_false(ph_path_exists(other));
    opens(&where);
}

/* ---- the terminal ---- */

typedef enum ph_err question(struct ph_error *error);

static enum ph_err open_asking(struct ph_error *error)
{
    const struct ph_root_key where = {.dir = stick};
    struct ph_key *key = NULL;
    enum ph_err err = ph_root_key_open(pki, "root", &where, &key, error);
    ph_key_free(&key);
    return err;
}

static enum ph_err ask_new(struct ph_error *error)
{
    const struct ph_root_key where = {.ask = true};
    char passphrase[PH_PASSPHRASE_BYTES];
    enum ph_err err = ph_root_key_passphrase(&where, passphrase, error);
    return err == PH_OK && strcmp(passphrase, "new one") != 0 ? PH_ERR_INTERNAL : err;
}

/* Runs `ask` at a terminal of its own, types the answers, each after its question, and returns what
 * the terminal showed. */
static enum ph_err at_terminal(question *ask, const char *const *answers, char *shown, size_t size)
{
    int terminal = -1;
    pid_t child = forkpty(&terminal, NULL, NULL, NULL);
    assert_true(child >= 0);
    if (child == 0) {
        struct ph_error error = {0};
        enum ph_err err = ask(&error);
        (void)!write(STDOUT_FILENO, error.message, strlen(error.message));
        _exit((int)err);
    }
    size_t len = 0;
    ssize_t got = 0;
    while (len < size - 1 && (got = read(terminal, shown + len, size - 1 - len)) > 0) {
        len += (size_t)got;
        if (*answers != NULL && len > 2 && memcmp(shown + len - 2, ": ", 2) == 0) {
            assert_true(write(terminal, *answers, strlen(*answers)) > 0);
            answers++;
        }
    }
    shown[len] = '\0';
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    (void)close(terminal);
    assert_true(WIFEXITED(status));
    return (enum ph_err)WEXITSTATUS(status);
}

/* [CA-62] Asked for, and not shown. */
static void from_terminal(void **state)
{
    (void)state;
    char shown[1024];
    const char *const right[] = {"open sesame\n", NULL};
    const char *const wrong[] = {"close sesame\n", NULL};
    assert_int_equal(at_terminal(open_asking, right, shown, sizeof shown), PH_OK);
    assert_non_null(strstr(shown, "passphrase of "));
    assert_null(strstr(shown, "sesame"));
    assert_int_equal(at_terminal(open_asking, wrong, shown, sizeof shown), PH_ERR_DENIED);
    assert_null(strstr(shown, "close"));
}

/* [CA-62] */
static void new_one_twice(void **state)
{
    (void)state;
    char shown[1024];
    const char *const same[] = {"new one\n", "new one\n", NULL};
    const char *const differ[] = {"new one\n", "new two\n", NULL};
    const char *const empty[] = {"\n", NULL};
    assert_int_equal(at_terminal(ask_new, same, shown, sizeof shown), PH_OK);
    assert_null(strstr(shown, "new one"));
    assert_int_equal(at_terminal(ask_new, differ, shown, sizeof shown), PH_ERR_INPUT);
    assert_non_null(strstr(shown, "the two passphrases differ"));
    assert_int_equal(at_terminal(ask_new, empty, shown, sizeof shown), PH_ERR_INPUT);
}

/* [CA-62] No file and no terminal: an error that says what to give. */
static void from_nowhere(void **state)
{
    (void)state;
    pid_t child = fork();
    int status = 0;
    if (child == 0) {
        struct ph_error error = {0};
        (void)setsid();
        enum ph_err err = open_asking(&error);
        _exit(err == PH_ERR_NOT_FOUND && strstr(error.message, "give --passphrase-file") != NULL
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(from_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(key_of_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(folder_in_use, set_up, tear_down),
        cmocka_unit_test_setup_teardown(from_terminal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(new_one_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(from_nowhere, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("root_key", tests, NULL, NULL);
}
