/* ph.broker.loader: the thread beside the broker's own. Runs under the thread sanitizer too. */
#include "broker-plugin/state_fixture.h"

#include <dirent.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>

#include "broker-plugin/loader.h"

static struct ph_loader *loader;
static struct ph_state *in_force;
static struct ph_load load;

/* ---- a load without memory ---- */

static atomic_int loads_that_fail;

enum ph_err real_state_load(const char *policy_file, const struct ph_state *previous,
    struct ph_state **out, struct ph_state_report *report,
    struct ph_error *error) __asm__("__real_ph_state_load");
enum ph_err wrap_state_load(const char *policy_file, const struct ph_state *previous,
    struct ph_state **out, struct ph_state_report *report,
    struct ph_error *error) __asm__("__wrap_ph_state_load");

enum ph_err wrap_state_load(const char *policy_file, const struct ph_state *previous,
    struct ph_state **out, struct ph_state_report *report, struct ph_error *error)
{
    if (atomic_load(&loads_that_fail) > 0) {
        atomic_fetch_sub(&loads_that_fail, 1);
        return ph_error_set(error, PH_ERR_MEMORY, "test: out of memory");
    }
    return real_state_load(policy_file, previous, out, report, error);
}

static int start(void **state)
{
    struct ph_error error = {0};
    if (fixture_reset(state) != 0) {
        return -1;
    }
    in_force = fixture_first();
    if (ph_loader_start(fixture_policy_file, in_force, &loader, &error) != PH_OK) {
        fprintf(stderr, "%s\n", error.message);
        return -1;
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    ph_loader_stop(&loader);
    ph_state_free(&in_force);
    return 0;
}

static void pause_ms(long ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&time, NULL);
}

/* True with `load` filled; gives up after ten seconds. */
static bool wait_for_load(void)
{
    for (int i = 0; i < 2000; i++) {
        if (ph_loader_take(loader, &load)) {
            return true;
        }
        pause_ms(5);
    }
    return false;
}

/* Puts what was loaded in force, as the broker does. */
static void adopt(void)
{
    if (load.state == NULL && load.report.problem_count > 0) {
        return; /* nothing of it was both good and new */
    }
    if (load.state == NULL) {
        fail_msg("%s", load.error.message);
    }
    ph_loader_release(loader, &in_force);
    in_force = load.state;
}

static void assert_nothing(void)
{
    pause_ms(100);
    assert_false(ph_loader_take(loader, &load));
}

static void no_change_no_result(void **unused)
{
    (void)unused;
    assert_false(ph_loader_take(loader, &load));
    for (int i = 0; i < 10; i++) {
        ph_loader_look(loader, false, INT64_C(1000) * i);
    }
    assert_nothing();
}

static void change_is_loaded(void **unused)
{
    (void)unused;
    put_file("list", "deny identity acme/thermostat/t-1\n");
    assert_nothing(); /* nobody asked for a look */
    ph_loader_look(loader, false, 1000);
    assert_true(wait_for_load());
    assert_int_equal(load.report.problem_count, 0);
    assert_int_equal(load.error.code, PH_OK);
    assert_in_range(load.duration_ms, 0, 10000);
    assert_ptr_equal(load.state->trusts[0], in_force->trusts[0]);
    adopt();
    assert_true(denied(in_force, "t-1"));
    ph_loader_look(loader, false, 2000);
    assert_nothing();
}

static void force_loads_everything(void **unused)
{
    (void)unused;
    const struct ph_policy *policy = in_force->policy;
    const struct ph_trust *trust = in_force->trusts[0];
    ph_loader_look(loader, true, 1000);
    ph_loader_look(loader, false, 1001); /* takes nothing of it away */
    assert_true(wait_for_load());
    assert_ptr_not_equal(load.state->policy, policy);
    assert_ptr_not_equal(load.state->trusts[0], trust);
    assert_int_equal(load.report.problem_count, 0);
    adopt();
    assert_nothing();
}

/* [DENY-14] */
static void bad_file_is_tried_again(void **unused)
{
    (void)unused;
    put_file("list", "deny identity acme/thermostat/t-1");
    ph_loader_look(loader, false, 1000);
    assert_true(wait_for_load());
    assert_int_equal(load.report.problem_count, 1);
    assert_message(&load.report.problems[0], "/list:1: the last line has no newline");
    assert_null(load.state);
    int64_t now_ms = 1000;
    for (int64_t wait_ms = 1000; wait_ms <= 128000; wait_ms *= 2) {
        now_ms += wait_ms < 60000 ? wait_ms : 60000; /* unchanged: after 1 s, 2 s, ... a minute */
        ph_loader_look(loader, false, now_ms - 1);
        assert_nothing();
        ph_loader_look(loader, false, now_ms);
        assert_true(wait_for_load());
        assert_int_equal(load.report.problem_count, 1);
        adopt();
    }
    put_file("list", "deny identity acme/thermostat/t-1\n");
    ph_loader_look(loader, false, now_ms + 1); /* changed: at once */
    assert_true(wait_for_load());
    assert_int_equal(load.report.problem_count, 0);
    adopt();
    assert_true(denied(in_force, "t-1"));
    ph_loader_look(loader, false, 999999);
    assert_nothing();
}

static void failed_load_is_tried_again(void **unused)
{
    (void)unused;
    put_file("list", "deny identity acme/thermostat/t-1\n");
    atomic_store(&loads_that_fail, 1);
    ph_loader_look(loader, false, 1000);
    assert_true(wait_for_load());
    assert_null(load.state);
    assert_int_equal(load.error.code, PH_ERR_MEMORY);
    assert_message(&load.error, "test: out of memory");
    ph_loader_look(loader, false, 1999);
    assert_nothing();
    ph_loader_look(loader, false, 2000);
    assert_true(wait_for_load());
    assert_int_equal(load.error.code, PH_OK);
    adopt();
    assert_true(denied(in_force, "t-1"));
}

static void look_waits_for_the_result_before(void **unused)
{
    (void)unused;
    put_file("list", "deny identity acme/thermostat/t-1\n");
    ph_loader_look(loader, false, 1000);
    pause_ms(300);
    put_file("list", "deny identity acme/thermostat/t-2\n");
    ph_loader_look(loader, false, 2000);
    pause_ms(100);
    assert_true(ph_loader_take(loader, &load));
    adopt();
    assert_true(denied(in_force, "t-1"));
    assert_true(wait_for_load());
    adopt();
    assert_true(denied(in_force, "t-2"));
}

/* ---- files that are written ---- */

static bool file_is(const char *name, const char *text)
{
    struct ph_buf bytes;
    struct ph_error error = {0};
    ph_buf_init(&bytes, 1000);
    bool same = ph_file_load(in_folder(name), &bytes, &error) == PH_OK &&
                strcmp(bytes.data != NULL ? bytes.data : "", text) == 0;
    ph_buf_fini(&bytes);
    return same;
}

static bool wait_for_file(const char *name, const char *text)
{
    for (int i = 0; i < 2000 && !file_is(name, text); i++) {
        pause_ms(5);
    }
    return file_is(name, text);
}

static void stores_texts(void **unused)
{
    (void)unused;
    struct stat st;
    struct ph_buf text;
    ph_buf_init(&text, 100);
    mode_t before = umask(077);
    assert_int_equal(ph_buf_append_text(&text, "first\n"), PH_OK);
    ph_loader_store(loader, in_folder("aside"), &text);
    assert_int_equal(text.len, 0);
    assert_int_equal(text.max, 100);
    assert_true(wait_for_file("aside", "first\n"));
    (void)umask(before);
    assert_int_equal(stat(in_folder("aside"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(ph_buf_printf(&text, "text %d\n", i), PH_OK);
        ph_loader_store(loader, in_folder("aside"), &text);
        assert_int_equal(text.len, 0);
    }
    assert_true(wait_for_file("aside", "text 49\n"));
    ph_loader_store(loader, in_folder("aside"), &text);
    assert_true(wait_for_file("aside", ""));
    ph_buf_fini(&text);
    struct ph_error error = {0};
    assert_false(ph_loader_store_error(loader, &error));
    assert_int_equal(unlink(in_folder("aside")), 0);
}

static void tells_what_was_not_stored(void **unused)
{
    (void)unused;
    char path[PATH_MAX + 1];
    struct ph_buf text;
    struct ph_error error = {0};
    ph_buf_init(&text, 100);
    assert_int_equal(ph_buf_append_text(&text, "text\n"), PH_OK);
    ph_loader_store(loader, in_folder("missing/file"), &text);
    for (int i = 0; i < 2000 && !ph_loader_store_error(loader, &error); i++) {
        pause_ms(5);
    }
    assert_message(&error, "/missing/file: create: No such file");
    assert_false(ph_loader_store_error(loader, &error));

    memset(path, 'x', PATH_MAX);
    path[PATH_MAX] = '\0';
    assert_int_equal(ph_buf_append_text(&text, "text\n"), PH_OK);
    ph_loader_store(loader, path, &text);
    assert_int_equal(text.len, 0);
    assert_true(ph_loader_store_error(loader, &error));
    assert_message(&error, "xxx: path too long");
    ph_buf_fini(&text);
}

/* ---- the end ---- */

static void stop_finishes_what_was_asked(void **unused)
{
    (void)unused;
    struct ph_buf text;
    ph_buf_init(&text, 100);
    put_file("list", "deny identity acme/thermostat/t-1\n");
    ph_loader_look(loader, true, 1000); /* loaded or not: nobody takes it */
    assert_int_equal(ph_buf_append_text(&text, "last\n"), PH_OK);
    ph_loader_store(loader, in_folder("aside"), &text);
    ph_loader_stop(&loader);
    assert_null(loader);
    assert_true(file_is("aside", "last\n"));
    assert_int_equal(unlink(in_folder("aside")), 0);
    ph_buf_fini(&text);
    ph_loader_stop(&loader);
    ph_loader_stop(NULL);
    assert_false(denied(in_force, "t-1"));
}

static void stop_frees_a_result_and_what_was_released(void **unused)
{
    (void)unused;
    ph_loader_look(loader, true, 1000);
    assert_true(wait_for_load());
    adopt();
    ph_loader_look(loader, true, 2000);
    pause_ms(200);
    struct ph_state *none = NULL;
    ph_loader_release(loader, &none);
    ph_loader_stop(&loader);
}

/* What the kernel says of the thread's blocked signals; 0 when it is not found. */
static unsigned long long blocked_signals(const char *thread)
{
    char path[300];
    char line[256];
    unsigned long long mask = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *task = NULL; tasks != NULL && (task = readdir(tasks)) != NULL;) {
        (void)snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        FILE *file = task->d_name[0] != '.' ? fopen(path, "r") : NULL;
        bool found = false;
        while (file != NULL && fgets(line, sizeof line, file) != NULL) {
            found = found || (strncmp(line, "Name:", 5) == 0 && strstr(line, thread) != NULL);
            if (found && strncmp(line, "SigBlk:", 7) == 0) {
                mask = strtoull(line + 7, NULL, 16);
            }
        }
        if (file != NULL) {
            (void)fclose(file);
        }
    }
    if (tasks != NULL) {
        (void)closedir(tasks);
    }
    return mask;
}

static void signals_are_the_brokers(void **unused)
{
    (void)unused;
    static const int signals[] = {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGCHLD, SIGPIPE};
    unsigned long long mask = blocked_signals("ph-loader");
    if (mask == 0) {
        skip(); /* no /proc */
    }
    sigset_t own;
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &own), 0);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        assert_true((mask >> (signals[i] - 1) & 1) != 0);
        assert_false(sigismember(&own, signals[i]));
    }
}

/* ---- replaced while being read ---- */

static atomic_bool writing;

/* Rewrites the list in place and in two pieces, the second of which holds "always", and the CRL by
 * renaming. */
static void *write_all_the_time(void *unused)
{
    const struct timespec brief = {.tv_nsec = 200000};
    for (unsigned i = 0; atomic_load(&writing); i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/list", fixture_folder);
        FILE *file = fopen(path, "w");
        if (file == NULL) {
            continue;
        }
        fprintf(file, "deny identity acme/thermostat/t-%u\ndeny iden", i);
        (void)fflush(file);
        (void)nanosleep(&brief, NULL);
        fprintf(file, "tity acme/thermostat/always\n");
        (void)fclose(file);
        if (i % 20 == 0) {
            pause_ms(60);
        }
        if (i % 8 == 0) {
            struct ph_error error = {0};
            char *bytes = unused;
            (void)snprintf(path, sizeof path, "%s/live.crl", fixture_folder);
            (void)!ph_file_replace(path, 0644, bytes, strlen(bytes), &error);
        }
    }
    return NULL;
}

static void look_and_check(int64_t now_ms, size_t *taken, size_t *problems)
{
    ph_loader_look(loader, false, now_ms);
    pause_ms(10);
    if (!ph_loader_take(loader, &load)) {
        return;
    }
    adopt();
    ++*taken;
    *problems += load.report.problem_count;
    assert_true(denied(in_force, "always"));
    assert_int_equal(ph_trust_crl_count(in_force->trusts[0]), 2);
}

/* [DENY-13] whatever a writer does, a state is whole, and the last one is that of the last files */
static void replaced_while_being_read(void **unused)
{
    (void)unused;
    put_file("list", "deny identity acme/thermostat/always\n");
    ph_loader_look(loader, false, 0);
    assert_true(wait_for_load());
    adopt();
    struct ph_buf crl;
    struct ph_error error = {0};
    ph_buf_init(&crl, 100000);
    assert_int_equal(ph_file_load(in_folder("live.crl"), &crl, &error), PH_OK);
    pthread_t writer;
    atomic_store(&writing, true);
    assert_int_equal(pthread_create(&writer, NULL, write_all_the_time, crl.data), 0);
    size_t taken = 0;
    size_t problems = 0;
    for (int i = 0; i < 150; i++) {
        look_and_check(i, &taken, &problems);
    }
    atomic_store(&writing, false);
    assert_int_equal(pthread_join(writer, NULL), 0);
    put_file("list", "deny identity acme/thermostat/always\ndeny identity acme/thermostat/final\n");
    for (int i = 0; i < 1000 && !denied(in_force, "final"); i++) {
        look_and_check(1000 + i, &taken, &problems);
    }
    print_message("%zu states taken, %zu problems\n", taken, problems);
    assert_true(denied(in_force, "final"));
    assert_in_range(taken, 1, 2000);
    ph_buf_fini(&crl);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_change_no_result),
        TEST(change_is_loaded),
        TEST(force_loads_everything),
        TEST(bad_file_is_tried_again),
        TEST(failed_load_is_tried_again),
        TEST(look_waits_for_the_result_before),
        TEST(stores_texts),
        TEST(tells_what_was_not_stored),
        TEST(stop_finishes_what_was_asked),
        TEST(stop_frees_a_result_and_what_was_released),
        TEST(signals_are_the_brokers),
        TEST(replaced_while_being_read),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
