/* ph.base.credential: what a service manager hands over is found by its name, and its mode is no
 * fault. */
#include "base/credential.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"

/* NOLINTBEGIN(concurrency-mt-unsafe): there is one thread */

static char folder[64];
static char path[PATH_MAX];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/ph-credential-test-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/broker.key", folder);
    return setenv("CREDENTIALS_DIRECTORY", folder, 1);
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    (void)unsetenv("CREDENTIALS_DIRECTORY");
    return rmdir(folder);
}

static void put(mode_t mode, const char *text)
{
    assert_int_equal(ph_file_store(path, mode, text, strlen(text), NULL), PH_OK);
}

/* [UNIT-8] absent and empty ones are none */
static void credentials_are_found_by_name(void **state)
{
    (void)state;
    char found[PATH_MAX];
    char small[8];
    assert_false(ph_credential_find(found, sizeof found, "broker.key"));
    put(0400, "");
    assert_false(ph_credential_find(found, sizeof found, "broker.key"));
    put(0400, "secret");
    assert_true(ph_credential_find(found, sizeof found, "broker.key"));
    assert_string_equal(found, path);
    assert_false(ph_credential_find(small, sizeof small, "broker.key"));
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "run/credentials", 1), 0);
    assert_false(ph_credential_find(found, sizeof found, "broker.key"));
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    assert_false(ph_credential_find(found, sizeof found, "broker.key"));
}

static enum ph_err load(struct ph_error *error)
{
    struct ph_buf buf;
    ph_buf_init(&buf, 100);
    ph_error_clear(error);
    enum ph_err err = ph_file_load_secret(path, &buf, error);
    ph_buf_fini(&buf);
    return err;
}

/* [UNIT-9] the group's bits of a credential may be a mask; of any other file they are rights */
static void the_mode_of_a_credential_is_taken(void **state)
{
    (void)state;
    struct ph_error error = {0};
    put(0440, "secret");
    assert_int_equal(load(&error), PH_OK);
    static const mode_t open_modes[] = {0460, 0444, 0404, 0450, 0402};
    for (size_t i = 0; i < sizeof open_modes / sizeof open_modes[0]; i++) {
        put(open_modes[i], "secret");
        assert_int_equal(load(&error), PH_ERR_PERMISSION);
        assert_non_null(strstr(error.message, "a secret must be closed to group and others"));
    }
    put(0440, "secret");
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    assert_int_equal(load(&error), PH_ERR_PERMISSION);
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "/tmp", 1), 0); /* not in it, but below */
    assert_int_equal(load(&error), PH_ERR_PERMISSION);
    folder[strlen(folder) - 1] ^= 1; /* a folder whose name begins alike is another */
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
    assert_int_equal(load(&error), PH_ERR_PERMISSION);
    folder[strlen(folder) - 1] ^= 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(credentials_are_found_by_name, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(
            the_mode_of_a_credential_is_taken, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* NOLINTEND(concurrency-mt-unsafe) */
