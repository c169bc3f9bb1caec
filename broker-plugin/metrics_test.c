/* [MET-1] to [MET-9]. What trusts and deny-lists would say comes from here (--wrap). */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "broker-plugin/metrics.h"
#include "domain/policy_fixture.h"

#define NOW INT64_C(1795374136123)

size_t wrap_crl_count(const struct ph_trust *trust) __asm__("__wrap_ph_trust_crl_count");
struct ph_crl_life wrap_crl_life(const struct ph_trust *trust, size_t index) __asm__(
    "__wrap_ph_trust_crl_life");
enum ph_crl_stage wrap_crl_stage(const struct ph_crl_life *life, int64_t now_ms) __asm__(
    "__wrap_ph_crl_stage");
size_t wrap_deny_count(const struct ph_deny_list *list) __asm__("__wrap_ph_deny_count");

static size_t crl_count;
static struct ph_crl_life crls[8];

/* The second anchor has none. */
size_t wrap_crl_count(const struct ph_trust *trust)
{
    return trust != NULL ? crl_count : 0;
}

struct ph_crl_life wrap_crl_life(const struct ph_trust *trust, size_t index)
{
    assert_non_null(trust);
    assert_true(index < crl_count);
    return crls[index];
}

enum ph_crl_stage wrap_crl_stage(const struct ph_crl_life *life, int64_t now_ms)
{
    return now_ms > life->next_update_ms ? PH_CRL_GRACE : PH_CRL_FRESH;
}

size_t wrap_deny_count(const struct ph_deny_list *list)
{
    (void)list;
    return 1234567;
}

struct fixture {
    struct policy_fixture policy;
    const struct ph_trust *trusts[2];
    struct ph_state state;
    size_t connected[3];
    struct ph_metrics metrics;
    struct ph_metrics_view view;
    struct ph_buf text;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return -1;
    }
    policy_fixture_init(&f->policy);
    f->trusts[0] = (const struct ph_trust *)(const void *)f; /* compared with NULL only */
    f->state.policy = &f->policy.policy;
    f->state.trusts = f->trusts;
    f->view = (struct ph_metrics_view){
        .state = &f->state, .connected_by_role = f->connected, .now_ms = NOW};
    ph_buf_init(&f->text, 1 << 20);
    crl_count = 0;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ph_buf_fini(&f->text);
    free(f);
    return 0;
}

static void print(struct fixture *f)
{
    ph_buf_reset(&f->text);
    assert_int_equal(ph_metrics_print(&f->metrics, &f->view, &f->text), PH_OK);
}

/* The text has this line. */
static void has(const struct fixture *f, const char *line)
{
    size_t len = strlen(line);
    for (const char *at = strstr(f->text.data, line); at != NULL; at = strstr(at + 1, line)) {
        if ((at == f->text.data || at[-1] == '\n') && at[len] == '\n') {
            return;
        }
    }
    fail_msg("no line \"%s\" in:\n%s", line, f->text.data);
}

/* ---- the grammar of the exposition format 0.0.4 ---- */

static size_t name_len(const char *text)
{
    return text[0] >= '0' && text[0] <= '9'
               ? 0
               : strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:");
}

/* Behind a label's closing quote, or NULL. */
static const char *skip_label(const char *at)
{
    size_t len = name_len(at);
    if (len == 0 || strncmp(at + len, "=\"", 2) != 0) {
        return NULL;
    }
    for (at += len + 2; *at != '"'; at++) {
        if (*at == '\0' || *at == '\n') {
            return NULL;
        }
        if (*at == '\\') {
            at++;
            if (*at != '\\' && *at != '"' && *at != 'n') {
                return NULL;
            }
        }
    }
    return at + 1;
}

/* Behind name and labels of a sample, or NULL. */
static const char *skip_series(const char *at)
{
    size_t len = name_len(at);
    at += len;
    if (len == 0 || *at != '{') {
        return len > 0 ? at : NULL;
    }
    do {
        at = skip_label(at + 1);
    } while (at != NULL && *at == ',');
    return at != NULL && *at == '}' ? at + 1 : NULL;
}

static void check_sample(const char *line, const char *end, const char *family, const char *type)
{
    const char *value = skip_series(line);
    char *behind = NULL;
    if (value == NULL || *value != ' ') {
        fail_msg("not a series: %.*s", (int)(end - line), line);
        return;
    }
    double number = strtod(value + 1, &behind);
    if (behind != end || behind == value + 1) {
        fail_msg("not a value: %.*s", (int)(end - line), line);
    }
    if (strncmp(line, family, strlen(family)) != 0 || name_len(line) != strlen(family)) {
        fail_msg("not below its TYPE line: %.*s", (int)(end - line), line);
    }
    bool total = strlen(family) > 6 && strcmp(family + strlen(family) - 6, "_total") == 0;
    assert_int_equal(total, strcmp(type, "counter") == 0);
    assert_true(!total || number >= 0);
}

/* A series, up to its value, stands nowhere below its own line. */
static void check_single(const char *line)
{
    const char *value = skip_series(line);
    assert_non_null(value);
    size_t len = (size_t)(value - line);
    for (const char *at = strchr(line, '\n'); at != NULL; at = strchr(at + 1, '\n')) {
        if (strncmp(line, at + 1, len) == 0 && at[1 + len] == ' ') {
            fail_msg("there twice: %.*s", (int)len, line);
        }
    }
}

static void check_grammar(const struct fixture *f)
{
    char family[128] = "";
    char helped[128] = "";
    char type[16] = "";
    const char *end = NULL;
    for (const char *line = f->text.data; *line != '\0'; line = end + 1) {
        end = strchr(line, '\n');
        assert_non_null(end); /* the last line has one too */
        if (sscanf(line, "# HELP %127[a-zA-Z0-9_:] %*[^\n]", helped) == 1) {
            assert_null(memmem(f->text.data, (size_t)(line - f->text.data), line,
                strlen("# HELP ") + strlen(helped) + 1));
        } else if (sscanf(line, "# TYPE %127[a-zA-Z0-9_:] %15[a-z]", family, type) == 2) {
            assert_string_equal(family, helped);
            assert_true(strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0);
        } else {
            check_sample(line, end, family, type);
            check_single(line);
        }
    }
}

/* ---- tests ---- */

/* [MET-1] [MET-2] [MET-3] every series is there from the start, with zero */
static void prints_everything_from_the_start(void **state)
{
    struct fixture *f = *state;
    char line[128];
    print(f);
    check_grammar(f);
    for (int reason = PH_REASON_NONE + 1; reason < PH_REASON_COUNT; reason++) {
        static const char *const names[] = {"phonehome_connects_refused_total",
            "phonehome_denials_total", "phonehome_cut_offs_total"};
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            (void)snprintf(line, sizeof line, "%s{reason=\"%s\"} 0", names[i],
                ph_reason_name((enum ph_reason)reason));
            has(f, line);
        }
    }
    assert_null(strstr(f->text.data, "\"none\""));
    has(f, "phonehome_connections{role=\"lab\"} 0");
    has(f, "phonehome_callback_calls_total{callback=\"reload\"} 0");
    has(f, "phonehome_policy_last_reload_timestamp_seconds 0.000");
}

/* [MET-2] [MET-3] [MET-4] [MET-6] [MET-7] [MET-8] */
static void prints_what_was_counted(void **state)
{
    struct fixture *f = *state;
    f->connected[1] = 42;
    f->view.quarantined = 2;
    f->view.expiring_1d = 1;
    f->view.expiring_7d = 5;
    f->view.expiring_30d = 9;
    f->view.audit_lost = 7;
    f->metrics.admitted = UINT64_MAX;
    f->metrics.refused[PH_REASON_REVOKED] = 3;
    f->metrics.denied[PH_REASON_TOPIC] = 4;
    f->metrics.cut_off[PH_REASON_DENIED_KEY] = 5;
    f->metrics.generation = 6;
    f->metrics.reloads = 5;
    f->metrics.reload_faults = 2;
    f->metrics.reload_good = true;
    f->metrics.reloaded_ms = NOW;
    f->metrics.callbacks[PH_CALLBACK_ACCESS].calls = 6400;
    f->metrics.callbacks[PH_CALLBACK_ACCESS].timed = 100;
    f->metrics.callbacks[PH_CALLBACK_ACCESS].timed_ns = 15000;
    f->metrics.callbacks[PH_CALLBACK_ACCESS].longest_ns = 1000000001;
    print(f);
    check_grammar(f);
    has(f, "phonehome_connections{role=\"device\"} 42");
    has(f, "phonehome_connections_quarantined 2");
    has(f, "phonehome_connects_admitted_total 18446744073709551615");
    has(f, "phonehome_connects_refused_total{reason=\"revoked\"} 3");
    has(f, "phonehome_denials_total{reason=\"topic\"} 4");
    has(f, "phonehome_cut_offs_total{reason=\"denied-key\"} 5");
    has(f, "phonehome_certificates_expiring{within_days=\"1\"} 1");
    has(f, "phonehome_certificates_expiring{within_days=\"7\"} 5");
    has(f, "phonehome_certificates_expiring{within_days=\"30\"} 9");
    has(f, "phonehome_policy_generation 6");
    has(f, "phonehome_policy_reloads_total 5");
    has(f, "phonehome_policy_reload_faults_total 2");
    has(f, "phonehome_policy_last_reload_successful 1");
    has(f, "phonehome_policy_last_reload_timestamp_seconds 1795374136.123");
    has(f, "phonehome_deny_list_entries 1234567");
    has(f, "phonehome_audit_records_lost_total 7");
    has(f, "phonehome_callback_calls_total{callback=\"access\"} 6400");
    has(f, "phonehome_callback_timed_calls_total{callback=\"access\"} 100");
    has(f, "phonehome_callback_timed_seconds_total{callback=\"access\"} 0.000015000");
    has(f, "phonehome_callback_longest_seconds{callback=\"access\"} 1.000000001");
}

/* [MET-5] */
static void prints_crls(void **state)
{
    struct fixture *f = *state;
    crl_count = 2;
    crls[0] = (struct ph_crl_life){.issuer = "CN=devices",
        .this_update_ms = NOW - 86400000,
        .next_update_ms = NOW + 1500,
        .entries = 100000};
    crls[1] = (struct ph_crl_life){.issuer = "CN=root",
        .this_update_ms = NOW - 5,
        .next_update_ms = NOW - 90061001,
        .entries = 0};
    print(f);
    check_grammar(f);
    has(f, "phonehome_crl_age_seconds{anchor=\"devices\",issuer=\"CN=devices\"} 86400.000");
    has(f, "phonehome_crl_age_seconds{anchor=\"devices\",issuer=\"CN=root\"} 0.005");
    has(f, "phonehome_crl_left_seconds{anchor=\"devices\",issuer=\"CN=devices\"} 1.500");
    has(f, "phonehome_crl_left_seconds{anchor=\"devices\",issuer=\"CN=root\"} -90061.001");
    has(f, "phonehome_crl_entries{anchor=\"devices\",issuer=\"CN=devices\"} 100000");
    has(f, "phonehome_crl_stage{anchor=\"devices\",issuer=\"CN=devices\",stage=\"fresh\"} 1");
    has(f, "phonehome_crl_stage{anchor=\"devices\",issuer=\"CN=devices\",stage=\"grace\"} 0");
    has(f, "phonehome_crl_stage{anchor=\"devices\",issuer=\"CN=root\",stage=\"grace\"} 1");
    assert_null(strstr(f->text.data, "anchor=\"services\""));
}

/* [MET-9] an issuer's name is what a CA's owner chose, and two CAs may bear the same */
static void escapes_labels(void **state)
{
    struct fixture *f = *state;
    crl_count = 4;
    crls[0] = (struct ph_crl_life){.issuer = "CN=a\\,b\"} 7\nx 1"};
    crls[1] = (struct ph_crl_life){.issuer = "CN=twin"};
    crls[2] = (struct ph_crl_life){.issuer = "CN=twin"};
    crls[3] = (struct ph_crl_life){.issuer = "CN=\xFF\xC3\xA9"};
    print(f);
    check_grammar(f);
    has(f, "phonehome_crl_entries{anchor=\"devices\",issuer=\"CN=a\\\\,b\\\"} 7\\\\x0ax 1\"} 0");
    has(f, "phonehome_crl_entries{anchor=\"devices\",issuer=\"CN=twin\"} 0");
    has(f, "phonehome_crl_entries{anchor=\"devices\",issuer=\"CN=twin\",key=\"2\"} 0");
    has(f, "phonehome_crl_entries{anchor=\"devices\",issuer=\"CN=\\\\xff\xC3\xA9\"} 0");
}

/* The whole, as one reads it. */
static void begins_as_expected(void **state)
{
    struct fixture *f = *state;
    static const char want[] =
        "# HELP phonehome_connections Clients that are connected, by role.\n"
        "# TYPE phonehome_connections gauge\n"
        "phonehome_connections{role=\"lab\"} 0\n"
        "phonehome_connections{role=\"device\"} 0\n"
        "phonehome_connections{role=\"ingest\"} 0\n"
        "# HELP phonehome_connections_quarantined Clients that are connected and in quarantine.\n"
        "# TYPE phonehome_connections_quarantined gauge\n"
        "phonehome_connections_quarantined 0\n"
        "# HELP phonehome_connects_admitted_total CONNECTs that were admitted.\n"
        "# TYPE phonehome_connects_admitted_total counter\n"
        "phonehome_connects_admitted_total 0\n"
        "# HELP phonehome_connects_refused_total CONNECTs that were refused, by reason.\n"
        "# TYPE phonehome_connects_refused_total counter\n"
        "phonehome_connects_refused_total{reason=\"no-certificate\"} 0\n";
    print(f);
    ph_buf_truncate(&f->text, strlen(want));
    assert_int_equal(strncmp(f->text.data, want, strlen(want)), 0);
}

/* [MET-1] */
static void says_when_there_is_no_room(void **state)
{
    struct fixture *f = *state;
    struct ph_buf small;
    ph_buf_init(&small, 1000);
    assert_int_equal(ph_metrics_print(&f->metrics, &f->view, &small), PH_ERR_LIMIT);
    ph_buf_fini(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(prints_everything_from_the_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(prints_what_was_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(prints_crls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(escapes_labels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(begins_as_expected, set_up, tear_down),
        cmocka_unit_test_setup_teardown(says_when_there_is_no_room, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
