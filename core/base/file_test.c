/* ph.base.file: bounded reads, whole writes, closed secrets. */
#include "base/file.h"

#include <dirent.h>
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

static char folder[64];

static const char *in_folder(const char *name)
{
    static char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/ph-file-test-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command); /* NOLINT(cert-env33-c): the path is ours */
}

static int entries(void)
{
    int count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        count++;
    }
    (void)closedir(dir);
    return count - 2;
}

static unsigned mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777U;
}

static void stores_and_loads(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_buf buf;
    ph_buf_init(&buf, 100000);
    static char bytes[50000];
    memset(bytes, 'b', sizeof bytes);
    mode_t before = umask(077);
    assert_int_equal(ph_file_store(in_folder("f"), 0644, bytes, sizeof bytes, &error), PH_OK);
    (void)umask(before);
    assert_int_equal(mode_of(in_folder("f")), 0644);
    assert_int_equal(ph_file_load(in_folder("f"), &buf, &error), PH_OK);
    assert_int_equal(buf.len, sizeof bytes);
    assert_memory_equal(buf.data, bytes, sizeof bytes);
    assert_int_equal(ph_file_replace(in_folder("f"), 0600, "new", 3, &error), PH_OK);
    assert_int_equal(mode_of(in_folder("f")), 0600);
    ph_buf_reset(&buf);
    assert_int_equal(ph_file_load(in_folder("f"), &buf, &error), PH_OK);
    assert_string_equal(buf.data, "new");
    assert_int_equal(entries(), 1);
    ph_buf_fini(&buf);
}

static void failed_store_leaves_nothing(void **state)
{
    (void)state;
    struct ph_error error = {0};
    assert_int_equal(mkdir(in_folder("d"), 0755), 0);
    assert_int_equal(ph_file_store(in_folder("d"), 0600, "x", 1, &error), PH_ERR_IO);
    assert_non_null(strstr(error.message, "/d: rename: Is a directory"));
    assert_int_equal(entries(), 1);
    ph_error_clear(&error);
    assert_int_equal(ph_file_replace(in_folder("d"), 0600, "x", 1, &error), PH_ERR_IO);
    assert_int_equal(entries(), 1);
    ph_error_clear(&error);
    assert_int_equal(ph_file_store(in_folder("missing/f"), 0600, "x", 1, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "create: No such file"));
}

static void files_are_renamed_and_removed(void **state)
{
    (void)state;
    struct ph_error error = {0};
    char from[PATH_MAX];
    struct ph_buf buf;
    (void)snprintf(from, sizeof from, "%s/from", folder);
    assert_int_equal(ph_file_store(from, 0600, "new", 3, NULL), PH_OK);
    assert_int_equal(ph_file_store(in_folder("to"), 0644, "old", 3, NULL), PH_OK);
    assert_int_equal(ph_file_rename(from, in_folder("to"), NULL), PH_OK);
    ph_buf_init(&buf, 100);
    assert_int_equal(ph_file_load(in_folder("to"), &buf, NULL), PH_OK);
    assert_string_equal(buf.data, "new");
    ph_buf_fini(&buf);
    assert_int_equal(mode_of(in_folder("to")), 0600);
    assert_int_equal(ph_file_rename(from, in_folder("to"), &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "/from: rename to "));

    ph_error_clear(&error);
    assert_int_equal(ph_file_remove(in_folder("to"), NULL), PH_OK);
    assert_int_equal(entries(), 0);
    assert_int_equal(ph_file_remove(in_folder("to"), NULL), PH_OK);
    assert_int_not_equal(ph_file_remove(folder, &error), PH_OK);
    assert_non_null(strstr(error.message, ": remove: "));
}

static void load_is_bounded_and_only_for_files(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_buf buf;
    ph_buf_init(&buf, 10);
    assert_int_equal(ph_buf_append_text(&buf, "abc"), PH_OK);
    assert_int_equal(ph_file_store(in_folder("f"), 0600, "12345678", 8, &error), PH_OK);
    assert_int_equal(ph_file_load(in_folder("f"), &buf, &error), PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "/f: larger than the 10 bytes allowed"));
    assert_string_equal(buf.data, "abc");
    ph_error_clear(&error);
    assert_int_equal(ph_file_load(folder, &buf, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "not a regular file"));
    ph_error_clear(&error);
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    assert_int_equal(ph_file_load(in_folder("pipe"), &buf, &error), PH_ERR_INPUT);
    ph_error_clear(&error);
    assert_int_equal(ph_file_load(in_folder("none"), &buf, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "/none: open: No such file"));
    ph_buf_fini(&buf);
}

static void secrets_must_be_closed(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_buf buf;
    ph_buf_init(&buf, 10);
    assert_int_equal(ph_file_store(in_folder("key"), 0640, "k", 1, &error), PH_OK);
    assert_int_equal(ph_file_load_secret(in_folder("key"), &buf, &error), PH_ERR_PERMISSION);
    assert_non_null(strstr(error.message, "mode is 0640"));
    assert_non_null(strstr(error.message, "chmod 600"));
    assert_int_equal(buf.len, 0);
    assert_int_equal(chmod(in_folder("key"), 0400), 0);
    assert_int_equal(ph_file_load_secret(in_folder("key"), &buf, NULL), PH_OK);
    assert_string_equal(buf.data, "k");
    ph_buf_fini(&buf);
}

static void folders_have_their_mode(void **state)
{
    (void)state;
    struct ph_error error = {0};
    mode_t before = umask(077);
    assert_int_equal(ph_dir_make(in_folder("a//b/c"), 0700, &error), PH_OK);
    assert_int_equal(ph_dir_make(in_folder("secret/"), 0700, &error), PH_OK);
    (void)umask(before);
    assert_int_equal(mode_of(in_folder("a/b/c")), 0700);
    assert_int_equal(mode_of(in_folder("a/b")), 0755);
    assert_int_equal(mode_of(in_folder("secret")), 0700); /* the slash made it a parent once */
    assert_int_equal(ph_dir_make(in_folder("a/b"), 0700, &error), PH_OK);
    assert_int_equal(mode_of(in_folder("a/b")), 0755); /* an existing one stays as it is */
    assert_int_equal(ph_file_store(in_folder("f"), 0600, "", 0, &error), PH_OK);
    assert_int_equal(ph_dir_make(in_folder("f"), 0700, &error), PH_ERR_EXISTS);
    assert_non_null(strstr(error.message, "/f: make folder: File exists"));
    assert_int_equal(ph_dir_make("", 0700, NULL), PH_ERR_LIMIT);
    assert_true(ph_path_exists(in_folder("f")));
    assert_false(ph_path_exists(in_folder("g")));
    assert_int_equal(symlink("nowhere", in_folder("link")), 0);
    assert_true(ph_path_exists(in_folder("link")));
}

static void paths_are_relative_to_their_file(void **state)
{
    (void)state;
    static const struct {
        const char *base;
        const char *path;
        const char *want;
    } cases[] = {
        {"/etc/ph/policy.yaml", "ca.pem", "/etc/ph/ca.pem"},
        {"/etc/ph/policy.yaml", "/x/ca.pem", "/x/ca.pem"},
        {"/policy.yaml", "ca.pem", "/ca.pem"},
        {"policy.yaml", "ca.pem", "/usr/ca.pem"},
        {"conf/policy.yaml", "../ca.pem", "/usr/conf/../ca.pem"},
    };
    char out[64];
    assert_int_equal(chdir("/usr"), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(
            ph_path_resolve(out, sizeof out, cases[i].base, cases[i].path, NULL), PH_OK);
        assert_string_equal(out, cases[i].want);
    }
    struct ph_error error = {0};
    assert_int_equal(ph_path_resolve(out, 8, "/etc/x", "ca.pem", &error), PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "/etc/ca.pem: path too long"));
    assert_int_equal(ph_path_join(out, 4, "a", "b", NULL), PH_OK);
    assert_string_equal(out, "a/b");
    assert_int_equal(ph_path_join(out, 3, "a", "b", NULL), PH_ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(stores_and_loads, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(failed_store_leaves_nothing, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(files_are_renamed_and_removed, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(
            load_is_bounded_and_only_for_files, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(secrets_must_be_closed, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(folders_have_their_mode, make_folder, remove_folder),
        cmocka_unit_test(paths_are_relative_to_their_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
