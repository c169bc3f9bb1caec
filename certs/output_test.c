#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "certs/output.h"

static char dir[] = "/tmp/ph-output-test-XXXXXX";
static struct ph_buf text;
static const struct ph_output output = {.key = &text, .ca = &text, .certificate = &text};

static int set_up(void **state)
{
    (void)state;
    ph_buf_init(&text, 64);
    return mkdtemp(dir) != NULL && ph_buf_append_text(&text, "text") == PH_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    ph_buf_fini(&text);
    return rmdir(dir);
}

static const char *inside(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

/* CA-8: what is made, and that it is never overwritten. */
static void stored_once(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct stat st;
    bool made = false;
    assert_int_equal(ph_output_store(inside("new"), &output, &made, &error), PH_OK);
    assert_true(made);
    assert_int_equal(stat(inside("new"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(stat(inside("new/key.pem"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(ph_output_store(inside("new"), &output, &made, &error), PH_ERR_EXISTS);
    assert_non_null(strstr(error.message, "new/key.pem: exists: a key or certificate is never"));
    assert_non_null(strstr(error.message, "never overwritten; name another --out folder"));
    assert_true(ph_path_exists(inside("new/cert.pem")));
    /* CA-22 */
    ph_error_clear(&error);
    assert_int_equal(unlink(inside("new/cert.pem")), 0);
    assert_int_equal(ph_output_check(inside("new"), &error), PH_ERR_EXISTS);
    assert_non_null(
        strstr(error.message, "without cert.pem it is what an interrupted ph-ca issue"));
    ph_output_remove(inside("new"), true);
    assert_false(ph_path_exists(inside("new")));
}

/* CA-20: a failure in the middle leaves nothing of its own and nothing of others missing. */
static void failure_leaves_nothing(void **state)
{
    (void)state;
    struct ph_error error = {0};
    bool made = false;
    assert_int_equal(mkdir(inside("old"), 0755), 0);
    assert_int_equal(mkdir(inside("old/ca.pem"), 0755), 0);
    assert_int_equal(ph_output_store(inside("old"), &output, &made, &error), PH_ERR_EXISTS);
    assert_non_null(strstr(error.message, "old/ca.pem: exists"));
    assert_false(made);
    assert_false(ph_path_exists(inside("old/key.pem")));
    assert_int_equal(rmdir(inside("old/ca.pem")), 0);
    assert_int_equal(rmdir(inside("old")), 0);
}

/* [CA-85]: a certificate has its name only when all before it is on the disk. */
static void many_at_once(void **state)
{
    (void)state;
    struct ph_error error = {0};
    bool made = false;
    int fd = -1;
    assert_int_equal(ph_output_flush_open(dir, &fd, &error), PH_OK);
    assert_int_equal(ph_output_prepare(inside("two"), &output, &made, &error), PH_OK);
    assert_true(made);
    assert_true(ph_path_exists(inside("two/key.pem")));
    assert_true(ph_path_exists(inside("two/ca.pem")));
    assert_false(ph_path_exists(inside("two/cert.pem")));
    assert_int_equal(ph_output_prepare(inside("two"), &output, &made, &error), PH_ERR_EXISTS);
    assert_non_null(strstr(error.message, "what an interrupted ph-ca issue left: delete it"));
    ph_error_clear(&error);
    assert_int_equal(ph_output_flush(fd, dir, &error), PH_OK);
    assert_int_equal(ph_output_finish(inside("two"), &error), PH_OK);
    assert_true(ph_path_exists(inside("two/cert.pem")));
    assert_int_equal(ph_output_flush(fd, dir, &error), PH_OK);
    assert_int_equal(ph_output_finish(inside("two"), &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "two/cert.pem: rename"));
    assert_int_equal(close(fd), 0);
    ph_output_remove(inside("two"), true);
    assert_false(ph_path_exists(inside("two")));
}

/* [CA-84]: without a key there is no key.pem. */
static void key_elsewhere(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_buf none;
    bool made = false;
    ph_buf_init(&none, 64);
    const struct ph_output keyless = {.key = &none, .ca = &text, .certificate = &text};
    assert_int_equal(ph_output_store(inside("keyless"), &keyless, &made, &error), PH_OK);
    assert_false(ph_path_exists(inside("keyless/key.pem")));
    assert_true(ph_path_exists(inside("keyless/cert.pem")));
    assert_int_equal(ph_output_store(inside("keyless"), &output, &made, &error), PH_ERR_EXISTS);
    ph_output_remove(inside("keyless"), true);
}

static void busy(void **state)
{
    (void)state;
    struct ph_error error = {0};
    bool made = false;
    assert_int_equal(mkdir(inside("busy"), 0755), 0);
    int fd = open(inside("busy"), O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(ph_output_store(inside("busy"), &output, &made, &error), PH_ERR_BUSY);
    assert_non_null(strstr(error.message, "another process is writing here"));
    assert_int_equal(close(fd), 0);
    assert_int_equal(rmdir(inside("busy")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stored_once),
        cmocka_unit_test(failure_leaves_nothing),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(key_elsewhere),
        cmocka_unit_test(busy),
    };
    return cmocka_run_group_tests_name("output", tests, set_up, tear_down);
}
