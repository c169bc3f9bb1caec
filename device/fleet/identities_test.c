/* ph.fleet.identities: certificates that are found, and those that ph-ca is asked for; argument 1
 * is ph-ca. */
#include "device/fleet/identities.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "x509/certificate.h"

static char base[] = "/tmp/ph-fleet-identities-XXXXXX";
static char ca[64];
static char issued[64]; /* 12 devices, t-0001 and so on */
static const char *ph_ca;
static struct ph_identities *found;
static struct ph_error result;

static struct ph_scenario scenario = {
    .devices = 12, .tenant = NULL, .kind = NULL, .prefix = NULL, .certificates = {.days = 5}};
static char tenant[] = "acme";
static char kind[] = "thermostat";
static char prefix[] = "t-";

/* ---- files ---- */

static int run_ca(const char *const *arguments)
{
    union {
        const char *const *texts;
        char *const *arguments; /* which execv() does not change */
    } argv = {.texts = arguments};
    pid_t pid = fork();
    if (pid == 0) {
        if (freopen("/dev/null", "w", stdout) == NULL ||
            freopen("/dev/null", "w", stderr) == NULL) {
            _exit(126);
        }
        (void)execv(ph_ca, argv.arguments);
        _exit(127);
    }
    int status = -1;
    return waitpid(pid, &status, 0) == pid ? status : -1;
}

static const char *path_of(const char *name)
{
    static char paths[4][PATH_MAX];
    static size_t next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, PATH_MAX, "%s/%s", base, name);
    return path;
}

static void put(const char *name, const char *text, mode_t mode)
{
    assert_int_equal(ph_file_replace(path_of(name), mode, text, strlen(text), NULL), PH_OK);
}

static void copy(const char *from, const char *to)
{
    struct ph_buf text;
    ph_buf_init(&text, 65536);
    assert_int_equal(ph_file_load(from, &text, NULL), PH_OK);
    assert_int_equal(ph_file_replace(to, 0600, text.data, text.len, NULL), PH_OK);
    ph_buf_fini(&text);
}

/* A folder `name` with the files of the issued device `device`. */
static void put_device(const char *name, const char *device)
{
    static const char *const files[] = {"cert.pem", "key.pem", "ca.pem"};
    assert_int_equal(ph_dir_make(path_of(name), 0700, NULL), PH_OK);
    for (size_t i = 0; i < 3; i++) {
        char from[PATH_MAX];
        char to[PATH_MAX];
        (void)snprintf(from, sizeof from, "%s/acme/thermostat/%s/%s", issued, device, files[i]);
        (void)snprintf(to, sizeof to, "%s/%s/%s", base, name, files[i]);
        copy(from, to);
    }
}

static int make_base(void **state)
{
    (void)state;
    if (mkdtemp(base) == NULL) {
        return -1;
    }
    (void)snprintf(ca, sizeof ca, "%s/ca", base);
    (void)snprintf(issued, sizeof issued, "%s/issued", base);
    scenario.tenant = tenant;
    scenario.kind = kind;
    scenario.prefix = prefix;
    return run_ca((const char *const[]){ph_ca, "init", ca, NULL});
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info;
    (void)type;
    (void)place;
    return remove(path);
}

static int remove_base(void **state)
{
    (void)state;
    return nftw(base, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static int tear_down(void **state)
{
    (void)state;
    ph_identities_free(&found);
    ph_error_clear(&result);
    return 0;
}

static void expect_failure(enum ph_err err, enum ph_err want, const char *message)
{
    if (strstr(result.message, message) == NULL) {
        fail_msg("want \"%s\", have \"%s\"", message, result.message);
    }
    assert_int_equal(err, want);
    assert_null(found);
}

/* ---- issuing; the first test makes what the others find ---- */

/* [FLEET-3] */
static void ph_ca_is_asked_for_those_that_are_missing(void **state)
{
    (void)state;
    char path[PATH_MAX];
    struct stat before;
    struct stat after;
    scenario.devices = 10;
    assert_int_equal(ph_identities_missing(&scenario, issued), 10);
    if (ph_identities_issue(&scenario, ca, ph_ca, issued, &found, &result) != PH_OK) {
        fail_msg("%s", result.message);
    }
    assert_int_equal(found->count, 10);
    ph_identities_free(&found);
    (void)snprintf(path, sizeof path, "%s/acme/thermostat/t-0010/cert.pem", issued);
    assert_int_equal(stat(path, &before), 0);
    scenario.devices = 12;
    assert_int_equal(ph_identities_missing(&scenario, issued), 2);
    if (ph_identities_issue(&scenario, ca, ph_ca, issued, &found, &result) != PH_OK) {
        fail_msg("%s", result.message);
    }
    assert_int_equal(found->count, 12);
    assert_string_equal(found->names[0], "acme/thermostat/t-0001");
    assert_string_equal(found->names[11], "acme/thermostat/t-0012");
    (void)snprintf(path, sizeof path, "%s/acme/thermostat/t-0012", issued);
    assert_string_equal(found->folders[11], path);
    (void)snprintf(path, sizeof path, "%s/acme/thermostat/t-0010/cert.pem", issued);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(ph_identities_missing(&scenario, issued), 0);
    (void)snprintf(path, sizeof path, "%s/order.csv", issued);
    assert_false(ph_path_exists(path));
}

static int64_t lifetime_ms(const char *folder)
{
    char path[PATH_MAX];
    struct ph_certificate *certificate = NULL;
    struct ph_certificate_facts facts = {0};
    (void)snprintf(path, sizeof path, "%s/cert.pem", folder);
    assert_int_equal(ph_certificate_load(path, &certificate, NULL), PH_OK);
    assert_int_equal(ph_certificate_facts(certificate, &facts, NULL), PH_OK);
    ph_certificate_free(&certificate);
    return facts.not_after_ms - facts.not_before_ms;
}

/* [FLEET-3]: ph-ca sets notBefore five minutes back; a minute for the test to take. */
static void the_scenario_says_how_long_they_hold(void **state)
{
    (void)state;
    static const struct {
        int64_t days;
        int64_t minutes;
        int64_t want_s;
    } cases[] = {{5, 0, 432000}, {0, 20, 1200}, {0, 0, 31536000}};
    struct ph_scenario one = scenario;
    one.devices = 1;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char folder[32];
        (void)snprintf(folder, sizeof folder, "lifetime-%zu", i);
        one.certificates.days = cases[i].days;
        one.certificates.minutes = cases[i].minutes;
        if (ph_identities_issue(&one, ca, ph_ca, path_of(folder), &found, &result) != PH_OK) {
            fail_msg("%s", result.message);
        }
        int64_t more_s = lifetime_ms(found->folders[0]) / 1000 - cases[i].want_s;
        assert_in_range(more_s + 60, 0, 60 + 300 + 60);
        ph_identities_free(&found);
    }
}

/* [FLEET-3] */
static void what_ph_ca_says_is_the_error(void **state)
{
    (void)state;
    char beside[PATH_MAX];
    enum ph_err err =
        ph_identities_issue(&scenario, path_of("nowhere"), ph_ca, path_of("new"), &found, &result);
    expect_failure(err, PH_ERR_NOT_FOUND, "ph-ca: ");
    expect_failure(err, PH_ERR_NOT_FOUND, "nowhere");
    ph_error_clear(&result);
    err = ph_identities_issue(&scenario, ca, "/nonexistent/ph-ca", path_of("new"), &found, &result);
    expect_failure(err, PH_ERR_NOT_FOUND, "/nonexistent/ph-ca");
    ph_error_clear(&result);
    (void)snprintf(beside, sizeof beside, "%s", path_of("talker"));
    put("talker", "#!/bin/sh\nyes line | head -5000 >&2\necho 'ph-ca: no luck' >&2\nexit 77\n",
        0700);
    err = ph_identities_issue(&scenario, ca, beside, path_of("new"), &found, &result);
    expect_failure(err, PH_ERR_DENIED, "ph-ca: no luck");
    assert_string_equal(result.message, "ph-ca: no luck");
    ph_error_clear(&result);
    /* Status 1 is that of a run which was made. */
    put("talker", "#!/bin/sh\necho 'not ph-ca' >&2\nexit 1\n", 0700);
    err = ph_identities_issue(&scenario, ca, beside, path_of("new"), &found, &result);
    expect_failure(err, PH_ERR_INTERNAL, "not ph-ca");
    ph_error_clear(&result);
    put("talker", "#!/bin/sh\nkill -9 $$\n", 0700);
    err = ph_identities_issue(&scenario, ca, beside, path_of("new"), &found, &result);
    expect_failure(err, PH_ERR_INTERNAL, "/talker: ended by signal 9");
    ph_error_clear(&result);
    put("talker", "#!/bin/sh\nexit 0\n", 0700);
    err = ph_identities_issue(&scenario, ca, beside, path_of("new"), &found, &result);
    expect_failure(err, PH_ERR_NOT_FOUND, "new/acme/thermostat/t-0001/cert.pem");
}

/* ---- finding ---- */

/* [FLEET-2] */
static void they_are_found_in_order_of_name(void **state)
{
    (void)state;
    put_device("some/b/t-0009", "t-0009");
    put_device("some/t-9999", "t-0001");
    put_device("some/t-10000", "t-0002");
    put_device("some/a", "t-0003");
    put_device("some/.hidden", "t-0004");
    put("some/README", "no certificate", 0644);
    assert_int_equal(symlink(issued, path_of("some/link")), 0);
    if (ph_identities_find(path_of("some"), 4, &found, &result) != PH_OK) {
        fail_msg("%s", result.message);
    }
    assert_int_equal(found->count, 4);
    assert_string_equal(found->names[0], "acme/thermostat/t-0003");
    assert_string_equal(found->names[1], "acme/thermostat/t-0009");
    assert_string_equal(found->names[2], "acme/thermostat/t-0001");
    assert_string_equal(found->names[3], "acme/thermostat/t-0002");
    assert_string_equal(found->folders[3], path_of("some/t-10000"));
    ph_identities_free(&found);
    assert_int_equal(ph_identities_find(path_of("some/a"), 1, &found, &result), PH_OK);
    assert_string_equal(found->folders[0], path_of("some/a"));
}

/* [FLEET-2] */
static void too_few_are_an_error(void **state)
{
    (void)state;
    enum ph_err err = ph_identities_find(path_of("some"), 5, &found, &result);
    expect_failure(err, PH_ERR_NOT_FOUND,
        "/some: want certificates of 5 devices, have 4; have more issued, or run fewer --devices");
    ph_error_clear(&result);
    err = ph_identities_find(path_of("nowhere"), 1, &found, &result);
    expect_failure(err, PH_ERR_NOT_FOUND, "/nowhere: cannot be listed");
}

/* [FLEET-2] */
static void what_cannot_be_used_is_named(void **state)
{
    (void)state;
    put_device("bad/t-1", "t-0001");
    put_device("bad/t-2", "t-0002");
    put("bad/t-2/cert.pem", "nonsense", 0600);
    expect_failure(
        ph_identities_find(path_of("bad"), 2, &found, &result), PH_ERR_INPUT, "/bad/t-2/cert.pem");
    ph_error_clear(&result);
    put_device("bad/t-2", "t-0002");
    copy(path_of("bad/t-1/key.pem"), path_of("bad/t-2/key.pem"));
    expect_failure(
        ph_identities_find(path_of("bad"), 2, &found, &result), PH_ERR_DENIED, "/bad/t-2/key.pem");
    ph_error_clear(&result);
    assert_int_equal(unlink(path_of("bad/t-2/key.pem")), 0);
    expect_failure(ph_identities_find(path_of("bad"), 2, &found, &result), PH_ERR_NOT_FOUND,
        "/bad/t-2/key.pem");
    ph_error_clear(&result);
    put_device("bad/t-2", "t-0002");
    assert_int_equal(unlink(path_of("bad/t-2/ca.pem")), 0);
    expect_failure(ph_identities_find(path_of("bad"), 2, &found, &result), PH_ERR_NOT_FOUND,
        "/bad/t-2/ca.pem");
    assert_int_equal(ph_identities_find(path_of("bad"), 1, &found, NULL), PH_OK);
}

/* [FLEET-2] */
static void a_device_is_there_once(void **state)
{
    (void)state;
    put_device("twice/a", "t-0001");
    put_device("twice/b", "t-0002");
    put_device("twice/c", "t-0001");
    enum ph_err err = ph_identities_find(path_of("twice"), 3, &found, &result);
    expect_failure(err, PH_ERR_INPUT, "/twice/c: both are acme/thermostat/t-0001; want each");
}

/* [FLEET-2] */
static void a_service_is_no_device(void **state)
{
    (void)state;
    assert_int_equal(run_ca((const char *const[]){ph_ca, "issue", "service", "--ca", ca, "--tenant",
                         "acme", "--out", path_of("services/ingest"), "ingest", NULL}),
        0);
    expect_failure(ph_identities_find(path_of("services"), 1, &found, &result), PH_ERR_DENIED,
        "/services/ingest/cert.pem: is the service acme/service/ingest; want a folder with nothing "
        "but devices' certificates");
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_teardown(name, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(ph_ca_is_asked_for_those_that_are_missing),
        TEST(the_scenario_says_how_long_they_hold),
        TEST(what_ph_ca_says_is_the_error),
        TEST(they_are_found_in_order_of_name),
        TEST(too_few_are_an_error),
        TEST(what_cannot_be_used_is_named),
        TEST(a_device_is_there_once),
        TEST(a_service_is_no_device),
    };
    if (argc != 2) {
        return EXIT_FAILURE;
    }
    ph_ca = argv[1];
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
