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
        cmocka_unit_test(busy),
    };
    return cmocka_run_group_tests_name("output", tests, set_up, tear_down);
}
