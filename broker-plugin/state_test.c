/* ph.broker.state: parts that change are loaded, good ones shared, bad ones taken over. */
#include "broker-plugin/state_fixture.h"

#include <sys/stat.h>

static struct ph_state_report report;

/* A load after `previous`, which must give a state. */
static struct ph_state *next(const struct ph_state *previous)
{
    struct ph_state *state = NULL;
    struct ph_error error = {0};
    if (ph_state_load(fixture_policy_file, previous, &state, &report, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    return state;
}

/* The same, with one problem that says `part`. */
static struct ph_state *next_with_problem(const struct ph_state *previous, const char *part)
{
    struct ph_state *state = next(previous);
    if (report.problem_count != 1) {
        fail_msg("want one problem (%s), have %zu, the first: %s", part, report.problem_count,
            report.problems[0].message);
    }
    assert_message(&report.problems[0], part);
    return state;
}

static struct ph_state *next_without_problem(const struct ph_state *previous)
{
    struct ph_state *state = next(previous);
    if (report.problem_count != 0) {
        fail_msg("%s", report.problems[0].message);
    }
    return state;
}

/* ---- the race: a file that changes while it is read ---- */

static int changes_due;

enum ph_err real_deny_load(char *const *files, size_t count, struct ph_deny_list **out,
    struct ph_error *error) __asm__("__real_ph_deny_load");
enum ph_err wrap_deny_load(char *const *files, size_t count, struct ph_deny_list **out,
    struct ph_error *error) __asm__("__wrap_ph_deny_load");

enum ph_err wrap_deny_load(
    char *const *files, size_t count, struct ph_deny_list **out, struct ph_error *error)
{
    enum ph_err err = real_deny_load(files, count, out, error);
    if (changes_due > 0) {
        changes_due--;
        put_file("list", changes_due > 0 ? "deny identity acme/thermostat/half\n"
                                         : "deny identity acme/thermostat/whole\n");
    }
    return err;
}

/* ---- no memory ---- */

static long allocations_left = -1; /* before one fails; -1: none does */

void *real_malloc(size_t size) __asm__("__real_malloc");
void *real_calloc(size_t count, size_t size) __asm__("__real_calloc");
void *real_realloc(void *old, size_t size) __asm__("__real_realloc");
void *wrap_malloc(size_t size) __asm__("__wrap_malloc");
void *wrap_calloc(size_t count, size_t size) __asm__("__wrap_calloc");
void *wrap_realloc(void *old, size_t size) __asm__("__wrap_realloc");

static bool fails(void)
{
    return allocations_left >= 0 && allocations_left-- == 0;
}

void *wrap_malloc(size_t size)
{
    return fails() ? NULL : real_malloc(size);
}

void *wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : real_calloc(count, size);
}

void *wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : real_realloc(old, size);
}

/* Whichever allocation fails: an error that says so, or a state (with the failure reported, or
 * where it did not matter), and the state before is as it was. */
static void any_allocation_may_fail(void **unused)
{
    (void)unused;
    put_file("list", "deny identity acme/thermostat/t-1\ndeny serial 1 CN=a\n");
    struct ph_state *first = fixture_first();
    bool done = false;
    for (long i = 0; !done && i < 100000; i++) {
        struct ph_state *second = NULL;
        struct ph_error error = {0};
        ph_state_forget_stamps(first);
        allocations_left = i;
        enum ph_err err = ph_state_load(fixture_policy_file, first, &second, &report, &error);
        done = allocations_left >= 0;
        allocations_left = -1;
        if (err != PH_OK) {
            assert_int_equal(err, PH_ERR_MEMORY);
            assert_message(&error, "out of memory");
            assert_null(second);
        } else {
            assert_true(denied(second, "t-1"));
            assert_int_equal(ph_trust_crl_count(second->trusts[0]), 2);
        }
        ph_state_free(&second);
    }
    assert_true(done);
    assert_int_equal(report.problem_count, 0);
    assert_true(denied(first, "t-1"));
    ph_state_free(&first);
}

/* [DENY-13] */
static void read_again_when_it_changed_meanwhile(void **unused)
{
    (void)unused;
    changes_due = 2;
    struct ph_state *first = fixture_first();
    assert_true(denied(first, "whole"));
    assert_false(denied(first, "half"));
    assert_false(ph_state_changed(first));

    put_file("list", "deny identity acme/thermostat/later\n");
    changes_due = 3;
    struct ph_state *second = next_with_problem(
        first, "/list: changed while it was being read: replace it by renaming a whole file");
    assert_int_equal(report.problems[0].code, PH_ERR_BUSY);
    assert_ptr_equal(second->deny, first->deny);
    assert_true(ph_state_changed(second));
    struct ph_state *third = next_without_problem(second);
    assert_true(denied(third, "whole"));
    assert_false(ph_state_changed(third));
    ph_state_free(&first);
    ph_state_free(&second);
    ph_state_free(&third);

    struct ph_state *none = NULL;
    struct ph_error error = {0};
    changes_due = 3;
    assert_int_equal(ph_state_load(fixture_policy_file, NULL, &none, NULL, &error), PH_ERR_BUSY);
    assert_message(&error, "/list: changed while it was being read");
    assert_null(none);
}

/* ---- the first load ---- */

static void first_load(void **unused)
{
    (void)unused;
    put_file("list", "deny identity acme/thermostat/t-1\n");
    struct ph_state *state = fixture_first();
    assert_int_equal(state->policy->anchor_count, 1);
    assert_ptr_equal(ph_state_trust(state, "devices"), state->trusts[0]);
    assert_null(ph_state_trust(state, "others"));
    assert_int_equal(ph_trust_crl_count(state->trusts[0]), 2);
    assert_true(denied(state, "t-1"));
    assert_false(ph_state_changed(state));
    ph_state_free(&state);
    assert_null(state);
    ph_state_free(&state);
    ph_state_free(NULL);
}

/* [DENY-11] */
static void first_load_wants_everything(void **unused)
{
    (void)unused;
    static const struct {
        const char *file;
        const char *message;
    } cases[] = {
        {"policy.yaml", "policy.yaml: open: No such file"},
        {"devices.pem", "/devices.pem: open: No such file"},
        {"live.crl", "/live.crl: open: No such file"},
        {"list", "/list: open: No such file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_state *state = NULL;
        struct ph_error error = {0};
        assert_int_equal(rename(in_folder(cases[i].file), in_folder("aside")), 0);
        assert_int_equal(
            ph_state_load(fixture_policy_file, NULL, &state, &report, &error), PH_ERR_NOT_FOUND);
        assert_message(&error, cases[i].message);
        assert_null(state);
        assert_int_equal(rename(in_folder("aside"), in_folder(cases[i].file)), 0);
    }
}

/* ---- changes ---- */

static void sees_each_change_once(void **unused)
{
    (void)unused;
    static const char *const files[] = {"policy.yaml", "devices.pem", "live.crl", "list"};
    struct ph_state *state = fixture_first();
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        assert_false(ph_state_changed(state));
        copy_file(files[i], files[i]); /* the same bytes in a new file */
        assert_true(ph_state_changed(state));
        assert_false(ph_state_changed(state));
        assert_int_equal(rename(in_folder(files[i]), in_folder("aside")), 0);
        assert_true(ph_state_changed(state));
        assert_false(ph_state_changed(state));
        assert_int_equal(rename(in_folder("aside"), in_folder(files[i])), 0);
        assert_true(ph_state_changed(state));
    }
    ph_state_free(&state);
}

/* Size and inode the same, and written within one tick of the kernel's clock. */
static void sees_a_change_in_place(void **unused)
{
    (void)unused;
    static const char *const texts[] = {
        "deny identity acme/thermostat/t-1\n", "deny identity acme/thermostat/t-2\n"};
    for (size_t i = 0; i < 10; i++) {
        put_file("list", texts[0]);
        struct ph_state *state = fixture_first();
        FILE *file = fopen(in_folder("list"), "r+");
        assert_non_null(file);
        assert_true(fputs(texts[1], file) >= 0);
        assert_int_equal(fclose(file), 0);
        assert_true(ph_state_changed(state));
        ph_state_free(&state);
    }
}

static void shares_what_did_not_change(void **unused)
{
    (void)unused;
    struct ph_state *first = fixture_first();
    put_file("list", "deny identity acme/thermostat/t-1\n");
    struct ph_state *second = next_without_problem(first);
    assert_ptr_equal(second->policy, first->policy);
    assert_ptr_equal(second->trusts[0], first->trusts[0]);
    assert_ptr_not_equal(second->deny, first->deny);
    assert_true(denied(second, "t-1"));
    assert_false(denied(first, "t-1"));
    ph_state_free(&first); /* the parts that it shared stay */

    copy_file("devices-1000.crl", "live.crl");
    struct ph_state *third = next_without_problem(second);
    assert_ptr_equal(third->policy, second->policy);
    assert_ptr_equal(third->deny, second->deny);
    assert_ptr_not_equal(third->trusts[0], second->trusts[0]);

    put_file("policy.yaml", "# new\nanchors:\n" FIXTURE_ANCHOR FIXTURE_ROLE "lists: [list]\n");
    struct ph_state *fourth = next_without_problem(third);
    assert_ptr_not_equal(fourth->policy, third->policy);
    assert_ptr_equal(fourth->deny, third->deny);
    assert_ptr_equal(fourth->trusts[0], third->trusts[0]);
    ph_state_free(&second);
    ph_state_free(&third);

    ph_state_forget_stamps(fourth);
    assert_true(ph_state_changed(fourth));
    struct ph_state *fifth = next_without_problem(fourth);
    assert_ptr_not_equal(fifth->policy, fourth->policy);
    assert_ptr_not_equal(fifth->deny, fourth->deny);
    assert_ptr_not_equal(fifth->trusts[0], fourth->trusts[0]);
    ph_state_free(&fifth);
    ph_state_free(&fourth);
}

/* ---- bad files ---- */

/* [DENY-11] [DENY-12] */
static void bad_list_stays_out(void **unused)
{
    (void)unused;
    static const struct {
        const char *text; /* NULL: a folder in its place */
        const char *message;
    } cases[] = {
        {"", "/list:1: no bytes, as if the file were still being written"},
        {"deny identity acme/thermostat/t-2", "/list:1: the last line has no newline"},
        {"\x7f\x45\x4c\x46\n", "/list:1: a control character"},
        {"anchors: []\n", "/list:1: want \"deny\", \"quarantine\" or '#'"},
        {NULL, "/list: not a regular file"},
    };
    put_file("list", "deny identity acme/thermostat/t-1\n");
    struct ph_state *state = fixture_first();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (cases[i].text != NULL) {
            put_file("list", cases[i].text);
        } else {
            assert_int_equal(unlink(in_folder("list")), 0);
            assert_int_equal(mkdir(in_folder("list"), 0755), 0);
        }
        assert_true(ph_state_changed(state));
        struct ph_state *same = next_with_problem(state, cases[i].message);
        assert_ptr_equal(same->deny, state->deny);
        assert_true(denied(same, "t-1"));
        assert_false(ph_state_changed(same));
        ph_state_free(&state);
        state = same;
    }
    assert_int_equal(rmdir(in_folder("list")), 0);
    struct ph_state *without = next_with_problem(state, "/list: open: No such file");
    assert_true(denied(without, "t-1"));
    put_file("list", "deny identity acme/thermostat/t-3\n");
    assert_true(ph_state_changed(without));
    struct ph_state *good = next_without_problem(without);
    assert_true(denied(good, "t-3"));
    assert_false(denied(good, "t-1"));
    ph_state_free(&state);
    ph_state_free(&without);
    ph_state_free(&good);
}

/* As a user who may not read it, where the test runs as root. */
static void no_permission(void **unused)
{
    (void)unused;
    uid_t self = geteuid();
    struct ph_state *state = fixture_first();
    assert_int_equal(chmod(in_folder("list"), 0), 0);
    assert_int_equal(chmod(fixture_folder, 0755), 0);
    assert_true(ph_state_changed(state));
    if (self == 0 && seteuid(65534) != 0) {
        ph_state_free(&state);
        skip();
    }
    struct ph_state *same = next_with_problem(state, "/list: open: Permission denied");
    assert_int_equal(seteuid(self), 0);
    assert_ptr_equal(same->deny, state->deny);
    assert_int_equal(chmod(in_folder("list"), 0644), 0);
    assert_true(ph_state_changed(same));
    struct ph_state *good = next_without_problem(same);
    ph_state_free(&state);
    ph_state_free(&same);
    ph_state_free(&good);
}

/* [DENY-12] while a CRL is bad, a new entry of the deny-list counts */
static void bad_crl_holds_up_nothing_else(void **unused)
{
    (void)unused;
    static const struct {
        const char *crl;
        size_t max;
        const char *message;
    } cases[] = {
        {"devices-999.crl", SIZE_MAX, "older than the one in force: want number 1000 of 20"},
        {"devices.crl", SIZE_MAX, "older than the one in force"}, /* without a number */
        {"fake.crl", SIZE_MAX, "not signed by the CA of that name"},
        {"brokers.crl", SIZE_MAX, "/live.crl: no CRL of anchor devices: every one"},
        {"devices-1000.crl", 0, "/live.crl: no PEM CRL in it"},
        {"devices-1000.crl", 60, "/live.crl: CRL 1 is not readable"},
        {"devices-1000.crl", 300, "/live.crl: CRL 1 is not readable"},
        {"devices.pem", SIZE_MAX, "/live.crl: no PEM CRL in it"},
        {"good.key", SIZE_MAX, "/live.crl: no PEM CRL in it"},
        {"devices-delta.crl", SIZE_MAX, "delta"},
    };
    struct ph_state *state = fixture_first();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char entry[64];
        char device[16];
        (void)snprintf(device, sizeof device, "t-%zu", i);
        (void)snprintf(entry, sizeof entry, "deny identity acme/thermostat/%s\n", device);
        copy_part(cases[i].crl, "live.crl", cases[i].max);
        put_file("list", entry);
        assert_true(ph_state_changed(state));
        struct ph_state *after = next_with_problem(state, cases[i].message);
        assert_ptr_equal(after->trusts[0], state->trusts[0]);
        assert_true(denied(after, device));
        assert_false(ph_state_changed(after));
        ph_state_free(&state);
        state = after;
    }
    assert_int_equal(unlink(in_folder("live.crl")), 0);
    struct ph_state *missing = next_with_problem(state, "/live.crl: open: No such file");
    copy_file("devices-1000.crl", "live.crl");
    assert_true(ph_state_changed(missing));
    struct ph_state *good = next_without_problem(missing);
    assert_ptr_not_equal(good->trusts[0], missing->trusts[0]);
    ph_state_free(&state);
    ph_state_free(&missing);
    ph_state_free(&good);
}

/* [DENY-12] */
static void bad_policy_holds_up_nothing_else(void **unused)
{
    (void)unused;
    static const char *const texts[] = {"", "anchors: [", "nonsense: 1\n"};
    struct ph_state *state = fixture_first();
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        put_file("policy.yaml", texts[i]);
        copy_file("devices-1000.crl", "live.crl");
        put_file("list", "deny identity acme/thermostat/t-1\n");
        struct ph_state *after = next_with_problem(state, "policy.yaml:");
        assert_ptr_equal(after->policy, state->policy);
        assert_ptr_not_equal(after->trusts[0], state->trusts[0]);
        assert_true(denied(after, "t-1"));
        assert_false(ph_state_changed(after));
        ph_state_free(&state);
        state = after;
    }
    put_file("policy.yaml", fixture_policy);
    assert_true(ph_state_changed(state));
    struct ph_state *good = next_without_problem(state);
    assert_ptr_not_equal(good->policy, state->policy);
    ph_state_free(&state);
    ph_state_free(&good);
}

/* ---- policies that bring anchors ---- */

#define NEW_ANCHOR                                                                                 \
    "anchors:\n" FIXTURE_ANCHOR "  - name: brokers\n"                                              \
    "    ca: [root.pem, brokers.pem]\n"                                                            \
    "    crl: [root.crl, aside.crl]\n" FIXTURE_ROLE "lists: [list]\n"

static void new_anchor_with_bad_files(void **unused)
{
    (void)unused;
    struct ph_state *first = fixture_first();
    put_file("policy.yaml", NEW_ANCHOR);
    copy_file("devices-1000.crl", "live.crl");
    struct ph_state *second = next_with_problem(first, "policy.yaml: not taken: ");
    assert_message(&report.problems[0], "/aside.crl: open: No such file");
    assert_ptr_equal(second->policy, first->policy);
    assert_ptr_not_equal(second->trusts[0], first->trusts[0]);
    assert_null(ph_state_trust(second, "brokers"));
    assert_false(ph_state_changed(second));

    /* each of the two problems is told, once */
    put_file("live.crl", "nothing\n");
    struct ph_state *third = next(second);
    assert_int_equal(report.problem_count, 2);
    assert_message(&report.problems[0], "policy.yaml: not taken: ");
    assert_message(&report.problems[1], "/live.crl: no PEM CRL");
    assert_ptr_equal(third->trusts[0], second->trusts[0]);

    /* the file that it waited for is watched */
    copy_file("devices-1000.crl", "live.crl");
    struct ph_state *fourth = next_with_problem(third, "policy.yaml: not taken: ");
    copy_file("brokers.crl", "aside.crl");
    assert_true(ph_state_changed(fourth));
    struct ph_state *fifth = next_without_problem(fourth);
    assert_int_equal(fifth->policy->anchor_count, 2);
    assert_non_null(ph_state_trust(fifth, "brokers"));
    assert_ptr_equal(fifth->trusts[0], fourth->trusts[0]);

    assert_int_equal(unlink(in_folder("aside.crl")), 0);
    struct ph_state *sixth = next_with_problem(fifth, "/aside.crl: open: No such file");
    assert_ptr_equal(sixth->trusts[1], fifth->trusts[1]);
    ph_state_free(&third);
    ph_state_free(&first);
    ph_state_free(&fifth);
    ph_state_free(&second);
    ph_state_free(&fourth);
    ph_state_free(&sixth);
}

/* Its rules would else meet the CAs of before. */
static void anchor_defined_anew_with_bad_files(void **unused)
{
    (void)unused;
    static const struct {
        const char *anchor;
        const char *message;
    } cases[] = {
        {"    ca: [root.pem, other.pem]\n    crl: [root.crl, live.crl]\n", "/other.pem: open: No"},
        {"    ca: [root.pem, devices.pem]\n    crl: [root.crl, devices-999.crl]\n",
            "older than the one in force"},
        {"    ca: [root.pem, devices.pem]\n    crl: [live.crl]\n", "no CRL of CA"},
    };
    struct ph_state *first = fixture_first();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[512];
        (void)snprintf(
            text, sizeof text, "anchors:\n  - name: devices\n%s" FIXTURE_ROLE, cases[i].anchor);
        put_file("policy.yaml", text);
        struct ph_state *second = next_with_problem(first, cases[i].message);
        assert_message(&report.problems[0], "policy.yaml: not taken: ");
        assert_ptr_equal(second->policy, first->policy);
        assert_ptr_equal(second->trusts[0], first->trusts[0]);
        assert_ptr_equal(second->deny, first->deny);
        ph_state_free(&second);
    }
    ph_state_free(&first);
}

/* [DENY-12] a policy whose new list is bad is taken, with the entries of before */
static void new_list_that_is_bad(void **unused)
{
    (void)unused;
    put_file("list", "deny identity acme/thermostat/t-1\n");
    struct ph_state *first = fixture_first();
    put_file("policy.yaml", "anchors:\n" FIXTURE_ANCHOR FIXTURE_ROLE "lists: [list, aside]\n");
    struct ph_state *second = next_with_problem(first, "/aside: open: No such file");
    assert_int_equal(second->policy->list_count, 2);
    assert_true(denied(second, "t-1"));
    struct ph_state *still = next_with_problem(second, "/aside: open: No such file");
    put_file("aside", "deny identity acme/thermostat/t-2\n");
    assert_true(ph_state_changed(still));
    struct ph_state *third = next_without_problem(still);
    assert_true(denied(third, "t-1") && denied(third, "t-2"));
    assert_int_equal(unlink(in_folder("aside")), 0);
    ph_state_free(&first);
    ph_state_free(&second);
    ph_state_free(&still);
    ph_state_free(&third);
}

static void more_problems_than_fit(void **unused)
{
    (void)unused;
    char text[4096] = "anchors:\n" FIXTURE_ANCHOR;
    for (int i = 0; i < PH_STATE_PROBLEMS_MAX + 1; i++) {
        size_t len = strlen(text);
        (void)snprintf(text + len, sizeof text - len,
            "  - {name: x%d, ca: [root.pem, devices.pem], crl: [root.crl, live.crl]}\n", i);
    }
    size_t len = strlen(text);
    (void)snprintf(text + len, sizeof text - len, FIXTURE_ROLE);
    put_file("policy.yaml", text);
    struct ph_state *first = fixture_first();
    put_file("live.crl", "nothing\n");
    struct ph_state *second = next(first);
    assert_int_equal(report.problem_count, PH_STATE_PROBLEMS_MAX + 2);
    assert_message(&report.problems[PH_STATE_PROBLEMS_MAX - 1], "/live.crl: no PEM CRL");
    assert_false(ph_state_changed(second));
    ph_state_free(&first);
    ph_state_free(&second);
}

static void large_files(void **unused)
{
    (void)unused;
    enum { COUNT = 100000 };
    FILE *file = fopen(in_folder("list"), "w");
    assert_non_null(file);
    for (int i = 0; i < COUNT; i++) {
        fprintf(file, "deny identity acme/thermostat/t-%d\n", i);
    }
    assert_int_equal(fclose(file), 0);
    ph_test_pki_crl(fixture_pki, "large", 2000, COUNT, NULL, 0);
    copy_file("large.crl", "live.crl");
    struct ph_state *first = fixture_first();
    assert_int_equal(ph_deny_count(first->deny), COUNT);
    assert_true(denied(first, "t-99999"));
    put_file("list", "# nobody\n");
    struct ph_state *second = next_without_problem(first);
    assert_ptr_equal(second->trusts[0], first->trusts[0]);
    assert_int_equal(ph_deny_count(second->deny), 0);
    ph_state_free(&first);
    ph_state_free(&second);
    (void)unlink(in_folder("large.crl"));
}

#define TEST(name) cmocka_unit_test_setup(name, fixture_reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_load),
        TEST(first_load_wants_everything),
        TEST(sees_each_change_once),
        TEST(sees_a_change_in_place),
        TEST(shares_what_did_not_change),
        TEST(bad_list_stays_out),
        TEST(no_permission),
        TEST(bad_crl_holds_up_nothing_else),
        TEST(bad_policy_holds_up_nothing_else),
        TEST(new_anchor_with_bad_files),
        TEST(anchor_defined_anew_with_bad_files),
        TEST(new_list_that_is_bad),
        TEST(more_problems_than_fit),
        TEST(read_again_when_it_changed_meanwhile),
        TEST(any_allocation_may_fail),
        TEST(large_files),
    };
    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
