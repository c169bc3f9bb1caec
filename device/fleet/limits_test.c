/* ph.fleet.limits: how many workers, and whether they fit. */
#include "device/fleet/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "device/fleet/supervisor.h"

static char root[] = "/tmp/ph-fleet-limits-XXXXXX";
static const char *const folders[] = {"proc", "proc/self", "sys", "sys/fs", "sys/fs/cgroup",
    "sys/fs/cgroup/user", "sys/fs/cgroup/user/fleet"};
enum { FOLDERS = sizeof folders / sizeof folders[0] };
static const char *const files[] = {"proc/meminfo", "proc/self/cgroup",
    "sys/fs/cgroup/user/memory.max", "sys/fs/cgroup/user/memory.current",
    "sys/fs/cgroup/user/memory.stat", "sys/fs/cgroup/user/fleet/memory.max"};

static void path_of(char *out, size_t size, const char *name)
{
    (void)snprintf(out, size, "%s/%s", root, name);
}

static void put(const char *name, const char *text)
{
    char path[256];
    path_of(path, sizeof path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void drop(const char *name)
{
    char path[256];
    path_of(path, sizeof path, name);
    (void)unlink(path);
}

static int make_root(void **state)
{
    (void)state;
    char path[256];
    if (mkdtemp(root) == NULL) {
        return -1;
    }
    for (size_t i = 0; i < FOLDERS; i++) {
        path_of(path, sizeof path, folders[i]);
        if (mkdir(path, 0700) != 0) {
            return -1;
        }
    }
    return 0;
}

static int remove_root(void **state)
{
    (void)state;
    char path[256];
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        drop(files[i]);
    }
    for (size_t i = FOLDERS; i > 0; i--) {
        path_of(path, sizeof path, folders[i - 1]);
        (void)rmdir(path);
    }
    return rmdir(root);
}

/* [FLEET-8] */
static void workers_follow_devices_and_cores(void **state)
{
    (void)state;
    static const struct {
        size_t devices;
        long cores;
        size_t workers;
    } cases[] = {{1, 2, 1}, {49, 8, 1}, {100, 1, 1}, {100, 2, 2}, {100, 64, 2}, {200, 2, 2},
        {1000, 2, 2}, {2001, 2, 3}, {10000, 2, 10}, {10000, 16, 16}, {10000, -1, 10},
        {100000, 2, 100}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(ph_fleet_workers(cases[i].devices, cases[i].cores), cases[i].workers);
    }
}

static void expect(
    const struct ph_fleet_room *room, size_t devices, size_t workers, const char *message)
{
    struct ph_error error = {0};
    enum ph_err err = ph_fleet_room_check(room, devices, workers, &error);
    assert_int_equal(err, message != NULL ? PH_ERR_UNAVAILABLE : PH_OK);
    assert_string_equal(error.message, message != NULL ? message : "");
}

/* [FLEET-9] */
static void too_few_files_are_refused_with_what_to_do(void **state)
{
    (void)state;
    struct ph_fleet_room room = {.files = 1024, .memory_bytes = INT64_MAX};
    expect(&room, 640, 2, NULL);
    expect(&room, 641, 2,
        "open files: 641 devices need 1027 in each of 2 workers, which may have 1024, enough for "
        "640 devices; raise ulimit -n to 1027, or want --workers 3");
    expect(&room, 641, 3, NULL);
    room.files = 64;
    expect(&room, 1, 1, "open files: a worker needs 67 and may have 64; raise ulimit -n to 67");
    room.files = INT64_MAX;
    expect(&room, 100000, 1, NULL);
}

/* [FLEET-9] */
static void too_little_memory_is_refused_with_what_to_do(void **state)
{
    (void)state;
    struct ph_fleet_room room = {.files = INT64_MAX, .memory_bytes = 52000000};
    expect(&room, 200, 2, NULL);
    expect(&room, 201, 2,
        "memory: 201 devices in 2 workers need about 53 MB and 52 MB are free, enough for 200 "
        "devices; run fewer --devices, or free some");
    room.memory_bytes = 1;
    expect(&room, 10, 2,
        "memory: 10 devices in 2 workers need about 22 MB and 0 MB are free, enough for 0 devices; "
        "run fewer --devices, or free some");
}

static int64_t memory_read(void)
{
    struct ph_fleet_room room = {0};
    ph_fleet_room_read(root, &room);
    assert_true(room.files > 0);
    return room.memory_bytes;
}

/* [FLEET-9] */
static void the_memory_is_what_kernel_and_cgroups_leave(void **state)
{
    (void)state;
    assert_int_equal(memory_read(), INT64_MAX);
    put("proc/meminfo", "MemTotal:  9000 kB\nMemFree: 1 kB\nMemAvailable:     3000 kB\n");
    assert_int_equal(memory_read(), 3000 * 1024);
    put("proc/self/cgroup", "1:name=systemd:/x\n0::/user/fleet\n");
    assert_int_equal(memory_read(), 3000 * 1024);
    put("sys/fs/cgroup/user/fleet/memory.max", "max\n");
    put("sys/fs/cgroup/user/memory.max", "1000000\n");
    put("sys/fs/cgroup/user/memory.current", "900000\n");
    put("sys/fs/cgroup/user/memory.stat", "anon 5\nfile 300000\ninactive_file 200000\n");
    assert_int_equal(memory_read(), 300000);
    put("sys/fs/cgroup/user/fleet/memory.max", "70000\n");
    assert_int_equal(memory_read(), 70000);
    put("sys/fs/cgroup/user/memory.current", "1900000\n");
    assert_int_equal(memory_read(), 0);
    put("proc/self/cgroup", "0::/\n");
    assert_int_equal(memory_read(), 3000 * 1024);
}

/* [FLEET-9]: in a process of its own, whose limit may go. */
static void the_limit_of_open_files_is_raised(void **state)
{
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct rlimit limit = {.rlim_cur = 64, .rlim_max = 100};
        struct ph_fleet_room room = {0};
        bool ok = setrlimit(RLIMIT_NOFILE, &limit) == 0;
        ph_fleet_room_read("", &room);
        ok = ok && room.files == 100 && getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
             limit.rlim_cur == 100;
        struct ph_error error = {0};
        ok = ok && ph_fleet_limits_check(200, 2, &error) == PH_ERR_UNAVAILABLE &&
             strstr(error.message, "which may have 100, enough for 24 devices") != NULL;
        _exit(ok ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_follow_devices_and_cores),
        cmocka_unit_test(too_few_files_are_refused_with_what_to_do),
        cmocka_unit_test(too_little_memory_is_refused_with_what_to_do),
        cmocka_unit_test(the_memory_is_what_kernel_and_cgroups_leave),
        cmocka_unit_test(the_limit_of_open_files_is_raised),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
