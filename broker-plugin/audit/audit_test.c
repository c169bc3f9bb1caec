/* [AUD-1] to [AUD-18]. With arguments "make FILE COUNT" it appends sample records for audit_test.sh
 * and prints the head; with "time FILE COUNT" it prints what one record costs. */
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "broker-plugin/audit/audit.h"
#include "broker-plugin/audit/audit_read.h"
#include "x509/digest.h"

#define NOW INT64_C(1795374136123) /* 2026-11-22T19:02:16.123Z */

struct fixture {
    char dir[64];
    char path[96];
    char rotated[96];
    struct ph_audit *audit;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return -1;
    }
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/ph-audit.XXXXXX");
    if (mkdtemp(f->dir) == NULL) {
        free(f);
        return -1;
    }
    (void)snprintf(f->path, sizeof f->path, "%s/audit.jsonl", f->dir);
    (void)snprintf(f->rotated, sizeof f->rotated, "%s/audit.jsonl.1", f->dir);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ph_audit_close(&f->audit);
    (void)unlink(f->path);
    (void)unlink(f->rotated);
    (void)rmdir(f->path);
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

static void open_audit(struct fixture *f)
{
    struct ph_error error = {0};
    if (ph_audit_open(f->path, NOW, &f->audit, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
}

/* Opening must fail with that code and message. */
static void refuses(struct fixture *f, enum ph_err code, const char *message)
{
    struct ph_error error = {0};
    assert_int_equal(ph_audit_open(f->path, NOW, &f->audit, &error), code);
    assert_null(f->audit);
    if (strstr(error.message, message) == NULL) {
        fail_msg("want \"%s\", have \"%s\"", message, error.message);
    }
}

static void write_file(const char *path, const char *text, size_t len)
{
    assert_int_equal(ph_file_store(path, 0600, text, len, NULL), PH_OK);
}

static void load(const char *path, struct ph_buf *out)
{
    ph_buf_init(out, 1 << 20);
    assert_int_equal(ph_file_load(path, out, NULL), PH_OK);
}

static void write_some(struct ph_audit *audit, int count)
{
    for (int i = 0; i < count; i++) {
        ph_audit(audit, NOW + i, "connect", PH_STR("identity", "devices:acme/thermostat/t-1"),
            PH_INT("n", i));
    }
}

/* ---- what was written ---- */

struct seen {
    struct ph_audit_summary summary;
    size_t count;
    char events[64][16];
    char faults[1024];
};

static void see_record(
    void *context, const struct ph_audit_record *record, const char *file, size_t line)
{
    struct seen *seen = context;
    (void)file;
    (void)line;
    if (seen->count < 64) {
        (void)snprintf(seen->events[seen->count++], 16, "%s", record->event);
    }
}

static void see_fault(void *context, const struct ph_audit_fault *fault)
{
    struct seen *seen = context;
    size_t len = strlen(seen->faults);
    (void)snprintf(seen->faults + len, sizeof seen->faults - len, "%zu: %s: %s\n", fault->line,
        ph_audit_fault_name(fault->kind), fault->text);
}

static void see(struct fixture *f, bool rotated, struct seen *seen)
{
    const char *const files[] = {f->rotated, f->path};
    const struct ph_audit_visitor visitor = {
        .record = see_record, .fault = see_fault, .context = seen};
    *seen = (struct seen){.count = 0};
    assert_int_equal(ph_audit_read(files + (rotated ? 0 : 1), rotated ? 2 : 1, NULL, &visitor,
                         &seen->summary, NULL),
        PH_OK);
}

/* The files hold this many records and no fault. */
static void is_sound(struct fixture *f, bool rotated, uint64_t records)
{
    struct seen seen;
    see(f, rotated, &seen);
    assert_string_equal(seen.faults, "");
    assert_int_equal(seen.summary.records, records);
    assert_int_equal(seen.summary.head.seq, records);
    assert_string_equal(seen.summary.head.hash, ph_audit_head(f->audit).hash);
}

/* [AUD-1] [AUD-2] [AUD-3] */
static void writes_a_line(void **state)
{
    struct fixture *f = *state;
    static const char start[] =
        "{\"seq\":1,\"time\":\"2026-11-22T19:02:16.123Z\",\"event\":\"deny\","
        "\"topic\":\"a/b\",\"suppressed\":3,\"rate\":0.5,\"prev\":\"00000000"
        "00000000000000000000000000000000000000000000000000000000\"";
    char want[512];
    char hash[PH_SHA256_HEX_BYTES];
    struct ph_buf have;
    struct stat st;
    mode_t mask = umask(022);
    open_audit(f);
    (void)umask(mask);
    ph_audit(f->audit, NOW, "deny", PH_STR("topic", "a/b"), PH_STR("serial", NULL),
        PH_INT("suppressed", 3), PH_REAL("rate", 0.5));
    assert_true(ph_sha256_hex(hash, start, strlen(start)));
    (void)snprintf(want, sizeof want, "%s,\"hash\":\"%s\"}\n", start, hash);
    load(f->path, &have);
    assert_string_equal(have.data, want);
    ph_buf_fini(&have);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(ph_audit_head(f->audit).seq, 1);
    assert_string_equal(ph_audit_head(f->audit).hash, hash);
}

static void read_record(
    void *context, const struct ph_audit_record *record, const char *file, size_t line)
{
    struct ph_buf *out = context;
    const char *topic = ph_audit_record_text(record, "topic");
    const char *client_id = ph_audit_record_text(record, "client_id");
    (void)file;
    (void)line;
    assert_int_equal(
        ph_buf_printf(out, "[%s|%s|%" PRId64 "|%" PRId64 "]", topic != NULL ? topic : "-",
            client_id != NULL ? client_id : "-", ph_audit_record_integer(record, "topic_cut", -1),
            ph_audit_record_integer(record, "n", -1)),
        PH_OK);
}

/* [AUD-4] */
static void escapes_texts(void **state)
{
    struct fixture *f = *state;
    const char *const file = f->path;
    struct ph_audit_summary summary;
    struct ph_buf text;
    const struct ph_audit_visitor visitor = {
        .record = read_record, .fault = see_fault, .context = &text};
    ph_buf_init(&text, 4096);
    open_audit(f);
    ph_audit(f->audit, NOW, "deny", PH_STR("topic", "a\n{\"seq\":2}\\"),
        PH_STR("client_id", "\xC3\xA9\xFF\xED\xA0\x80 \xE2\x80\xA8\x7F"), PH_INT("n", INT64_MIN));
    ph_audit(f->audit, NOW, "deny", PH_STR("topic", ""), PH_REAL("n", INFINITY));
    assert_int_equal(ph_audit_read(&file, 1, NULL, &visitor, &summary, NULL), PH_OK);
    assert_int_equal(summary.faults, 0);
    assert_string_equal(text.data, "[a\\x0a{\"seq\":2}\\|"
                                   "\xC3\xA9\\xff\\xed\\xa0\\x80 \\xe2\\x80\\xa8\\x7f|-1|-1]"
                                   "[|-|-1|-1]");
    ph_buf_fini(&text);
}

/* [AUD-5] whatever the fields, a line fits and is a record */
static void cuts_what_is_too_long(void **state)
{
    struct fixture *f = *state;
    static const char *const fills[] = {"a", "\"", "\xFF", "\xC3\xA9", "\xF0\x9F\x98\x80", "\n\\"};
    static char longs[sizeof fills / sizeof fills[0]][70000];
    struct ph_buf have;
    open_audit(f);
    for (size_t i = 0; i < sizeof fills / sizeof fills[0]; i++) {
        for (size_t at = 0; at + strlen(fills[i]) < sizeof longs[i]; at += strlen(fills[i])) {
            memcpy(longs[i] + at, fills[i], strlen(fills[i]) + 1);
        }
        for (size_t len = 1000; len < 1045; len++) { /* around the ceiling of one text */
            ph_audit(f->audit, NOW, "deny", PH_STR("topic", longs[i] + sizeof longs[i] - 1 - len));
        }
        ph_audit(f->audit, NOW, "deny", PH_STR("a", longs[i]), PH_STR("b", longs[i]),
            PH_STR("c", longs[i]), PH_STR("d", longs[i]), PH_STR("e", longs[i]), PH_INT("f", 1),
            PH_STR("g", "short"));
    }
    is_sound(f, false, 46 * sizeof fills / sizeof fills[0]);
    load(f->path, &have);
    assert_non_null(strstr(have.data, "\"a_cut\":true"));
    assert_non_null(strstr(have.data, ",\"left_out\":"));
    for (char *line = have.data, *end = NULL; *line != '\0'; line = end + 1) {
        end = strchr(line, '\n');
        assert_true(end - line + 1 <= PH_AUDIT_LINE_BYTES);
    }
    ph_buf_fini(&have);
}

/* [AUD-3] [AUD-10] */
static void continues_the_chain(void **state)
{
    struct fixture *f = *state;
    open_audit(f);
    assert_int_equal(ph_audit_head(f->audit).seq, 0);
    for (int i = 0; i < 3; i++) {
        write_some(f->audit, 100);
        ph_audit_close(&f->audit);
        open_audit(f);
    }
    assert_null(strchr(ph_audit_head(f->audit).hash, '-'));
    is_sound(f, false, 300);
}

/* [AUD-11] */
static void closes_a_torn_line(void **state)
{
    struct fixture *f = *state;
    struct seen seen;
    struct stat st;
    open_audit(f);
    write_some(f->audit, 3);
    ph_audit_close(&f->audit);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(truncate(f->path, st.st_size - 10), 0);
    open_audit(f);
    write_some(f->audit, 1);
    see(f, false, &seen);
    assert_string_equal(seen.faults, "");
    assert_int_equal(seen.summary.torn, 1);
    assert_int_equal(seen.summary.records, 4);
    assert_string_equal(seen.events[2], "torn");

    /* in the very first line */
    ph_audit_close(&f->audit);
    assert_int_equal(truncate(f->path, 30), 0);
    open_audit(f);
    write_some(f->audit, 1);
    see(f, false, &seen);
    assert_string_equal(seen.faults, "");
    assert_int_equal(seen.summary.torn, 1);
    assert_int_equal(seen.summary.records, 2);
}

/* [AUD-12] */
static void refuses_other_files(void **state)
{
    struct fixture *f = *state;
    static char big[200000];
    struct ph_buf text;
    write_file(f->path, "hello\n", 6);
    refuses(f, PH_ERR_CONFIG, "its last line is not an audit record; move the file away");
    write_file(f->path, "hello", 5);
    refuses(f, PH_ERR_CONFIG, "audit: not an audit file; move it away, or name another");
    memset(big, '{', sizeof big);
    write_file(f->path, big, sizeof big);
    refuses(f, PH_ERR_CONFIG, "not an audit file");
    memset(big, '\n', sizeof big);
    write_file(f->path, big, sizeof big);
    refuses(f, PH_ERR_CONFIG, "its last line is not an audit record");
    assert_int_equal(unlink(f->path), 0);

    open_audit(f);
    write_some(f->audit, 2);
    ph_audit_close(&f->audit);
    load(f->path, &text);
    char *last = strstr(text.data, "\"n\":1");
    assert_non_null(last);
    last[4] = '2';
    write_file(f->path, text.data, text.len);
    refuses(f, PH_ERR_CONFIG, "its last record was edited: the hash does not fit; move the file");
    ph_buf_fini(&text);

    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(mkdir(f->path, 0700), 0);
    refuses(f, PH_ERR_IO, "audit.jsonl: open: ");
    assert_int_equal(rmdir(f->path), 0);
    assert_int_equal(mkfifo(f->path, 0600), 0);
    refuses(f, PH_ERR_CONFIG, "want a regular file");
}

/* [AUD-13] */
static void refuses_a_second_writer(void **state)
{
    struct fixture *f = *state;
    struct ph_error error = {0};
    struct ph_audit *second = NULL;
    open_audit(f);
    assert_int_equal(ph_audit_open(f->path, NOW, &second, &error), PH_ERR_BUSY);
    assert_non_null(
        strstr(error.message, "another process writes to it; give each broker its own"));
}

/* [AUD-14] */
static void follows_a_rotation(void **state)
{
    struct fixture *f = *state;
    struct ph_error error = {0};
    open_audit(f);
    write_some(f->audit, 10);
    ph_audit_reopen(f->audit);
    assert_int_equal(rename(f->path, f->rotated), 0);
    write_some(f->audit, 5); /* before it is noticed */
    ph_audit_reopen(f->audit);
    write_some(f->audit, 10);
    is_sound(f, true, 25);
    assert_false(ph_audit_problem(f->audit, 1, &error));

    /* while it does not run */
    ph_audit_close(&f->audit);
    assert_int_equal(rename(f->path, f->rotated), 0);
    open_audit(f);
    assert_int_equal(ph_audit_head(f->audit).seq, 25);
    write_some(f->audit, 1);
    struct seen seen;
    see(f, true, &seen);
    assert_string_equal(seen.faults, "");
    assert_int_equal(seen.summary.first_seq, 16);
    assert_int_equal(seen.summary.head.seq, 26);
}

/* [AUD-14] with nothing of the chain left a new one begins */
static void begins_anew(void **state)
{
    struct fixture *f = *state;
    open_audit(f);
    write_some(f->audit, 3);
    ph_audit_close(&f->audit);
    assert_int_equal(unlink(f->path), 0);
    write_file(f->rotated, "garbage\n", 8);
    open_audit(f);
    write_some(f->audit, 1);
    is_sound(f, false, 1);
}

/* [AUD-14] removed, or replaced by what is no audit file */
static void survives_a_removal(void **state)
{
    struct fixture *f = *state;
    struct ph_error error = {0};
    open_audit(f);
    write_some(f->audit, 2);
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(mkdir(f->path, 0700), 0);
    ph_audit_reopen(f->audit);
    assert_true(ph_audit_problem(f->audit, 1000, &error));
    assert_non_null(strstr(error.message, "audit.jsonl: open: "));
    write_some(f->audit, 2);
    ph_audit_reopen(f->audit);
    assert_false(ph_audit_problem(f->audit, 1001, &error)); /* not again within a minute */
    assert_true(ph_audit_problem(f->audit, 61000, &error));
    assert_int_equal(rmdir(f->path), 0);
    ph_audit_reopen(f->audit);
    write_some(f->audit, 2);
    assert_int_equal(ph_audit_head(f->audit).seq, 6);
    assert_int_equal(ph_audit_lost(f->audit), 0);

    assert_int_equal(unlink(f->path), 0);
    write_file(f->path, "something else\n", 15);
    ph_audit_reopen(f->audit);
    error = (struct ph_error){0};
    assert_true(ph_audit_problem(f->audit, 200000, &error));
    assert_non_null(strstr(error.message, "its last line is not an audit record"));
}

/* [AUD-15] */
static void tells_of_a_cut(void **state)
{
    struct fixture *f = *state;
    struct ph_error error = {0};
    struct seen seen;
    open_audit(f);
    write_some(f->audit, 4);
    assert_int_equal(truncate(f->path, 0), 0);
    ph_audit_reopen(f->audit);
    assert_true(ph_audit_problem(f->audit, 1, &error));
    assert_non_null(strstr(error.message, "to 0 bytes; rotate it by renaming"));
    write_some(f->audit, 2);
    see(f, false, &seen);
    assert_string_equal(seen.faults, "");
    assert_int_equal(seen.summary.first_seq, 5);

    /* in the middle of a line */
    assert_int_equal(truncate(f->path, 300), 0);
    ph_audit_reopen(f->audit);
    write_some(f->audit, 1);
    see(f, false, &seen);
    assert_string_equal(seen.faults, "2: unreadable: not a record: \"hash\": want 64 hexadecimal "
                                     "digits at the line's end\n");
    assert_int_equal(seen.summary.head.seq, 8);
}

static void set_file_limit(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* [AUD-16] [AUD-17] a limit on the file's size stands for a full disk: the kernel writes a part
 * first */
static void survives_a_full_disk(void **state)
{
    struct fixture *f = *state;
    struct ph_error error = {0};
    struct seen seen;
    struct ph_buf text;
    struct stat st;
    open_audit(f);
    write_some(f->audit, 3);
    assert_int_equal(stat(f->path, &st), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    set_file_limit((rlim_t)st.st_size + 100);
    write_some(f->audit, 5);
    assert_int_equal(ph_audit_lost(f->audit), 5);
    assert_true(ph_audit_problem(f->audit, 1000, &error));
    assert_non_null(strstr(error.message, "audit.jsonl: audit: write: "));
    load(f->path, &text);
    assert_int_equal(text.len, st.st_size);
    ph_buf_fini(&text);
    assert_int_equal(ph_audit_head(f->audit).seq, 3);
    set_file_limit(RLIM_INFINITY);
    write_some(f->audit, 1);
    (void)signal(SIGXFSZ, SIG_DFL);
    see(f, false, &seen);
    assert_string_equal(seen.faults, "");
    assert_int_equal(seen.summary.records, 5);
    assert_int_equal(seen.summary.lost, 5);
    assert_string_equal(seen.events[3], "lost");
    assert_int_equal(ph_audit_lost(f->audit), 5);
}

/* [AUD-18] */
static void may_be_off(void **state)
{
    struct fixture *f = *state;
    struct ph_error error = {0};
    assert_int_equal(ph_audit_open(NULL, NOW, &f->audit, &error), PH_OK);
    write_some(f->audit, 3);
    ph_audit_reopen(f->audit);
    assert_int_equal(ph_audit_head(f->audit).seq, 0);
    assert_int_equal(ph_audit_lost(f->audit), 0);
    assert_false(ph_audit_problem(f->audit, 1, &error));
}

/* ---- for the script ---- */

static void write_sample(struct ph_audit *audit, int64_t seq)
{
    int64_t now_ms = NOW + seq * 1000;
    char device[64];
    (void)snprintf(device, sizeof device, "devices:acme/thermostat/t-%04" PRId64, seq % 7);
    if (seq % 3 == 0) {
        ph_audit(audit, now_ms, "deny", PH_STR("identity", device), PH_STR("role", "device"),
            PH_STR("action", "publish"), PH_STR("topic", "ph/v1/acme/thermostat/t-9/telemetry"),
            PH_STR("reason", "topic"), PH_INT("suppressed", seq));
    } else {
        ph_audit(audit, now_ms, "connect", PH_STR("identity", device), PH_STR("role", "device"),
            PH_STR("serial", "5f3a"), PH_STR("address", "192.0.2.7"));
    }
}

static int append_samples(const char *path, int count, bool timed)
{
    struct ph_audit *audit = NULL;
    struct ph_error error = {0};
    struct timespec from;
    struct timespec until;
    if (ph_audit_open(path, NOW, &audit, &error) != PH_OK) {
        (void)fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < count; i++) {
        write_sample(audit, (int64_t)ph_audit_head(audit).seq + 1);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    struct ph_audit_head head = ph_audit_head(audit);
    if (timed) {
        double ns =
            (double)(until.tv_sec - from.tv_sec) * 1e9 + (double)(until.tv_nsec - from.tv_nsec);
        printf("%.0f ns a record\n", ns / count);
    } else {
        printf("%" PRIu64 ":%s\n", head.seq, head.hash);
    }
    ph_audit_close(&audit);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4) {
        return append_samples(
            argv[2], (int)strtol(argv[3], NULL, 10), strcmp(argv[1], "time") == 0);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_a_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(escapes_texts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cuts_what_is_too_long, set_up, tear_down),
        cmocka_unit_test_setup_teardown(continues_the_chain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(closes_a_torn_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_other_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_a_second_writer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(follows_a_rotation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(begins_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(survives_a_removal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_of_a_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(survives_a_full_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(may_be_off, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
