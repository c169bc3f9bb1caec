/* ph.fleet.state: one fleet in a folder, as many workers as at first, and nothing left behind. */
#include "device/fleet/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

static char base[] = "/tmp/ph-fleet-state-XXXXXX";
static char folder[64];

static int make_base(void **state)
{
    (void)state;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread */
    if (mkdtemp(base) == NULL || setenv("TMPDIR", base, 1) != 0) {
        return -1;
    }
    (void)snprintf(folder, sizeof folder, "%s/some/fleet", base);
    return 0;
}

static void drop(const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    (void)unlink(path);
}

static int remove_base(void **state)
{
    (void)state;
    char some[64];
    drop("lock");
    drop("workers");
    (void)rmdir(folder);
    (void)snprintf(some, sizeof some, "%s/some", base);
    (void)rmdir(some);
    return rmdir(base);
}

/* [FLEET-5] */
static void two_fleets_do_not_share_a_folder(void **state)
{
    (void)state;
    char want[256];
    struct ph_state first;
    struct ph_state second;
    struct ph_error error = {0};
    assert_int_equal(ph_state_open(&first, folder, &error), PH_OK);
    assert_false(first.temporary);
    assert_int_equal(ph_state_open(&second, folder, &error), PH_ERR_BUSY);
    (void)snprintf(want, sizeof want,
        "%s: another ph-fleet works in this folder; wait for it, or want another --state", folder);
    assert_string_equal(error.message, want);
    ph_state_close(&first, true);
    assert_true(ph_path_exists(folder));
    assert_int_equal(ph_state_open(&second, folder, NULL), PH_OK);
    ph_state_close(&second, true);
}

/* [FLEET-4] */
static void a_temporary_folder_goes_with_all_that_is_in_it(void **state)
{
    (void)state;
    char path[PATH_MAX + 32];
    struct ph_state fleet;
    struct ph_state kept = {.lock_fd = -1};
    for (int keep = 0; keep < 2; keep++) {
        assert_int_equal(ph_state_open(&fleet, NULL, NULL), PH_OK);
        assert_true(fleet.temporary);
        assert_memory_equal(fleet.folder, base, strlen(base));
        (void)snprintf(path, sizeof path, "%s/devices/acme/t-0001", fleet.folder);
        assert_int_equal(ph_dir_make(path, 0700, NULL), PH_OK);
        (void)snprintf(path, sizeof path, "%s/devices/acme/t-0001/cert.pem", fleet.folder);
        assert_int_equal(ph_file_replace(path, 0600, "x", 1, NULL), PH_OK);
        (void)snprintf(path, sizeof path, "%s", fleet.folder);
        memcpy(kept.folder, fleet.folder, sizeof kept.folder);
        ph_state_close(&fleet, keep == 0);
        assert_int_equal(ph_path_exists(path), keep == 1);
    }
    kept.temporary = true;
    ph_state_close(&kept, true);
    assert_false(ph_path_exists(path));
}

/* [FLEET-6] */
static void the_number_of_workers_stays(void **state)
{
    (void)state;
    char want[256];
    char path[128];
    struct ph_state fleet;
    struct ph_error error = {0};
    size_t workers = 3;
    assert_int_equal(ph_state_open(&fleet, folder, NULL), PH_OK);
    assert_int_equal(ph_state_workers(&fleet, false, &workers, NULL), PH_OK);
    assert_int_equal(workers, 3);
    workers = 10;
    assert_int_equal(ph_state_workers(&fleet, false, &workers, NULL), PH_OK);
    assert_int_equal(workers, 3);
    assert_int_equal(ph_state_workers(&fleet, true, &workers, NULL), PH_OK);
    workers = 10;
    assert_int_equal(ph_state_workers(&fleet, true, &workers, &error), PH_ERR_EXISTS);
    (void)snprintf(want, sizeof want,
        "%s: was begun with --workers 3; want the same, or another --state", folder);
    assert_string_equal(error.message, want);
    (void)snprintf(path, sizeof path, "%s/workers", folder);
    assert_int_equal(ph_file_replace(path, 0600, "many", 4, NULL), PH_OK);
    ph_error_clear(&error);
    assert_int_equal(ph_state_workers(&fleet, false, &workers, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "want the number of workers"));
    ph_state_close(&fleet, true);
}

/* [FLEET-7] */
static void a_folder_that_cannot_be_made_is_named(void **state)
{
    (void)state;
    struct ph_state fleet;
    struct ph_error error = {0};
    assert_int_not_equal(ph_state_open(&fleet, "/proc/nothing/here", &error), PH_OK);
    assert_non_null(strstr(error.message, "/proc/nothing"));
    ph_error_clear(&error);
    /* NOLINTBEGIN(concurrency-mt-unsafe): there is one thread */
    assert_int_equal(setenv("TMPDIR", "/proc/nothing", 1), 0);
    assert_int_not_equal(ph_state_open(&fleet, NULL, &error), PH_OK);
    assert_non_null(strstr(error.message, "/proc/nothing: no folder can be made in it"));
    assert_int_equal(setenv("TMPDIR", base, 1), 0);
    /* NOLINTEND(concurrency-mt-unsafe) */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_fleets_do_not_share_a_folder),
        cmocka_unit_test(a_temporary_folder_goes_with_all_that_is_in_it),
        cmocka_unit_test(the_number_of_workers_stays),
        cmocka_unit_test(a_folder_that_cannot_be_made_is_named),
    };
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
