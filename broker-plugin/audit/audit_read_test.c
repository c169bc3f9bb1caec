/* [AUD-20] to [AUD-28] */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "broker-plugin/audit/audit.h"
#include "broker-plugin/audit/audit_read.h"
#include "x509/digest.h"

#define NOW   INT64_C(1795374136123)
#define LINES 12

/* A file as lines that a test rearranges. */
struct lines {
    char *line[2 * LINES]; /* without newline */
    size_t count;
};

struct fixture {
    struct ph_buf text;
    struct lines lines;
    struct ph_audit_head head;
};

static void make_file(char path[64], int count, struct ph_audit_head *head)
{
    struct ph_audit *audit = NULL;
    (void)snprintf(path, 64, "/tmp/ph-audit-read.XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(ph_audit_open(path, NOW, &audit, NULL), PH_OK);
    for (int i = 0; i < count; i++) {
        ph_audit(audit, NOW + i, "deny", PH_STR("topic", "a/b"), PH_INT("n", i));
    }
    *head = ph_audit_head(audit);
    ph_audit_close(&audit);
}

static void split(struct fixture *f)
{
    f->lines.count = 0;
    for (char *line = f->text.data; line != NULL && *line != '\0';) {
        char *end = strchr(line, '\n');
        assert_non_null(end);
        *end = '\0';
        f->lines.line[f->lines.count++] = line;
        line = end + 1;
    }
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char path[64];
    assert_non_null(f);
    make_file(path, LINES, &f->head);
    ph_buf_init(&f->text, 1 << 20);
    assert_int_equal(ph_file_load(path, &f->text, NULL), PH_OK);
    (void)unlink(path);
    split(f);
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

struct seen {
    struct ph_audit_summary summary;
    size_t given; /* records */
    char faults[4096];
};

static void see_record(
    void *context, const struct ph_audit_record *record, const char *file, size_t line)
{
    struct seen *seen = context;
    assert_true(record->intact && line > 0 && file != NULL);
    assert_string_equal(ph_audit_record_text(record, "topic"), "a/b");
    seen->given++;
}

static void see_fault(void *context, const struct ph_audit_fault *fault)
{
    struct seen *seen = context;
    size_t len = strlen(seen->faults);
    (void)snprintf(seen->faults + len, sizeof seen->faults - len,
        "%s:%zu: %s %" PRIu64 "-%" PRIu64 ": %s\n", fault->file, fault->line,
        ph_audit_fault_name(fault->kind), fault->first, fault->last, fault->text);
}

static void see_bytes(
    const char *bytes, size_t len, const struct ph_audit_head *head, struct seen *seen)
{
    const struct ph_audit_visitor visitor = {
        .record = see_record, .fault = see_fault, .context = seen};
    *seen = (struct seen){.given = 0};
    assert_int_equal(
        ph_audit_read_bytes("f", bytes, len, head, &visitor, &seen->summary, NULL), PH_OK);
    assert_int_equal(seen->summary.records, seen->given);
}

static void see_lines(
    const struct lines *lines, const struct ph_audit_head *head, struct seen *seen)
{
    struct ph_buf text;
    ph_buf_init(&text, 1 << 20);
    for (size_t i = 0; i < lines->count; i++) {
        assert_int_equal(ph_buf_printf(&text, "%s\n", lines->line[i]), PH_OK);
    }
    see_bytes(text.data != NULL ? text.data : "", text.len, head, seen);
    ph_buf_fini(&text);
}

static void sees(const struct lines *lines, const char *faults)
{
    struct seen seen;
    see_lines(lines, NULL, &seen);
    assert_string_equal(seen.faults, faults);
}

static void remove_lines(struct lines *lines, size_t from, size_t count)
{
    memmove(lines->line + from, lines->line + from + count,
        (lines->count - from - count) * sizeof lines->line[0]);
    lines->count -= count;
}

static void insert_line(struct lines *lines, size_t at, char *line)
{
    memmove(lines->line + at + 1, lines->line + at, (lines->count - at) * sizeof lines->line[0]);
    lines->line[at] = line;
    lines->count++;
}

/* [AUD-20] */
static void accepts_what_was_written(void **state)
{
    struct fixture *f = *state;
    struct seen seen;
    see_lines(&f->lines, &f->head, &seen);
    assert_string_equal(seen.faults, "");
    assert_int_equal(seen.given, LINES);
    assert_int_equal(seen.summary.first_seq, 1);
    assert_int_equal(seen.summary.first_ms, NOW);
    assert_int_equal(seen.summary.last_ms, NOW + LINES - 1);
    assert_int_equal(seen.summary.head.seq, LINES);
    assert_string_equal(seen.summary.head.hash, f->head.hash);
    assert_string_equal(seen.summary.continues, PH_AUDIT_NO_HASH);
    see_bytes("", 0, NULL, &seen);
    assert_string_equal(seen.faults, "");
    assert_int_equal(seen.summary.records, 0);
}

/* [AUD-21] every single byte of a line is covered */
static void finds_an_edited_byte(void **state)
{
    struct fixture *f = *state;
    char *line = f->lines.line[4];
    struct seen seen;
    for (size_t i = 0; line[i] != '\0'; i++) {
        char was = line[i];
        line[i] = was == '1' ? '2' : '1';
        see_lines(&f->lines, NULL, &seen);
        if (strstr(seen.faults, "f:5: ") == NULL) {
            fail_msg("byte %zu: have \"%s\"", i, seen.faults);
        }
        assert_int_equal(seen.summary.faults, 1); /* and no other line is blamed */
        line[i] = was;
    }
    strstr(line, "a/b")[0] = 'c';
    sees(&f->lines, "f:5: edited 5-5: record 5 was edited: the hash is not that of its text\n");
}

/* [AUD-21] an edited record with a hash of its own that fits */
static void finds_a_rewritten_record(void **state)
{
    struct fixture *f = *state;
    char *line = f->lines.line[4];
    char hash[PH_SHA256_HEX_BYTES];
    strstr(line, "a/b")[2] = 'c';
    char *tail = strstr(line, ",\"hash\":");
    assert_true(ph_sha256_hex(hash, line, (size_t)(tail - line)));
    for (size_t i = 0; hash[i] != '\0'; i++) {
        tail[strlen(",\"hash\":\"") + i] = hash[i];
    }
    struct seen seen;
    const struct ph_audit_visitor visitor = {.fault = see_fault, .context = &seen};
    struct ph_buf text;
    ph_buf_init(&text, 1 << 20);
    for (size_t i = 0; i < f->lines.count; i++) {
        assert_int_equal(ph_buf_printf(&text, "%s\n", f->lines.line[i]), PH_OK);
    }
    seen = (struct seen){.given = 0};
    assert_int_equal(
        ph_audit_read_bytes("f", text.data, text.len, NULL, &visitor, &seen.summary, NULL), PH_OK);
    assert_string_equal(seen.faults, "f:6: edited 5-6: record 6 does not follow record 5 at line "
                                     "5: one of them was written anew\n");
    ph_buf_fini(&text);
}

/* [AUD-22] */
static void finds_removed_lines(void **state)
{
    struct fixture *f = *state;
    char want[128];
    for (size_t i = 1; i + 1 < LINES; i++) {
        struct lines lines = f->lines;
        remove_lines(&lines, i, 1);
        (void)snprintf(want, sizeof want,
            "f:%zu: removed %zu-%zu: record %zu is missing before this line\n", i + 1, i + 1, i + 1,
            i + 1);
        sees(&lines, want);
    }
    struct lines lines = f->lines;
    remove_lines(&lines, 3, 4);
    remove_lines(&lines, 5, 1);
    sees(&lines, "f:4: removed 4-7: records 4 to 7 are missing before this line\n"
                 "f:6: removed 10-10: record 10 is missing before this line\n");
}

/* [AUD-23] */
static void finds_moved_lines(void **state)
{
    struct fixture *f = *state;
    struct lines lines = f->lines;
    lines.line[3] = f->lines.line[4];
    lines.line[4] = f->lines.line[3];
    sees(&lines, "f:5: reordered 4-4: record 4 stands behind record 5: was moved\n");

    /* a block of three goes to the end: one fault */
    lines = f->lines;
    remove_lines(&lines, 2, 3);
    for (size_t i = 0; i < 3; i++) {
        insert_line(&lines, lines.count, f->lines.line[2 + i]);
    }
    sees(&lines, "f:10: reordered 3-3: record 3 stands behind record 12: was moved\n");

    /* and only a part of one comes back */
    lines = f->lines;
    remove_lines(&lines, 2, 5);
    insert_line(&lines, 5, f->lines.line[4]);
    sees(&lines, "f:6: reordered 5-5: record 5 stands behind record 10: was moved\n"
                 "f:3: removed 3-4: records 3 to 4 are missing before this line\n"
                 "f:3: removed 6-7: records 6 to 7 are missing before this line\n");
}

/* [AUD-23] */
static void finds_copied_lines(void **state)
{
    struct fixture *f = *state;
    struct lines lines = f->lines;
    insert_line(&lines, 8, f->lines.line[2]);
    insert_line(&lines, 9, f->lines.line[3]);
    sees(&lines, "f:9: copied 3-3: record 3 stands behind record 8: copied, or of another chain\n");
}

/* [AUD-24] */
static void finds_lines_that_are_no_records(void **state)
{
    struct fixture *f = *state;
    static char longer[10000];
    static char ones[][80] = {"", "{}", "{\"seq\":1}", "[1,2]", "rubbish \x1b[2J"};
    struct lines lines = f->lines;
    insert_line(&lines, 2, ones[0]);
    sees(&lines,
        "f:3: unreadable 0-0: not a record: \"hash\": want 64 hexadecimal digits at the line's "
        "end\n");
    for (size_t i = 1; i < sizeof ones / sizeof ones[0]; i++) {
        struct seen seen;
        lines.line[2] = ones[i];
        see_lines(&lines, NULL, &seen);
        assert_non_null(strstr(seen.faults, "f:3: unreadable 0-0: not a record: "));
        assert_int_equal(seen.summary.faults, 1);
        assert_int_equal(seen.given, LINES);
    }
    memset(longer, 'x', sizeof longer - 1);
    lines.line[2] = longer;
    sees(&lines, "f:3: unreadable 0-0: not a record: longer than the 4096 bytes of a line\n");

    /* in the place of a record */
    lines = f->lines;
    lines.line[2] = ones[1];
    struct seen seen;
    see_lines(&lines, NULL, &seen);
    assert_int_equal(seen.summary.faults, 1);
}

/* [AUD-24] right hash, wrong members */
static void refuses_other_objects(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"{\"a\":1", "\"seq\": want a whole number from 1"},
        {"{\"seq\":0", "\"seq\": want a whole number from 1"},
        {"{\"seq\":1.5", "\"seq\": want a whole number from 1"},
        {"{\"seq\":1", "\"time\": want a time such as"},
        {"{\"seq\":1,\"time\":\"soon\"", "\"time\": want a time such as"},
        {"{\"seq\":1,\"time\":\"2026-11-22\",\"event\":\"\"", "\"event\": want a word"},
        {"{\"seq\":1,\"time\":\"2026-11-22\",\"event\":\"x\",\"prev\":\"00\"",
            "\"prev\": want 64 hexadecimal digits"},
        {"{\"seq\":1,\"seq\":2", "key \"seq\" is there twice"},
        {"{\"seq\":[[[[[[[[[1]]]]]]]]]", "json: "},
        {"{\"seq\":1,\"x\":{", "json: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char hash[PH_SHA256_HEX_BYTES];
        char line[512];
        struct seen seen;
        assert_true(ph_sha256_hex(hash, cases[i].text, strlen(cases[i].text)));
        (void)snprintf(line, sizeof line, "%s,\"hash\":\"%s\"}\n", cases[i].text, hash);
        see_bytes(line, strlen(line), NULL, &seen);
        if (strstr(seen.faults, cases[i].want) == NULL) {
            fail_msg("%s: want \"%s\", have \"%s\"", line, cases[i].want, seen.faults);
        }
    }
}

/* [AUD-25] */
static void finds_a_torn_end(void **state)
{
    struct fixture *f = *state;
    struct ph_buf text;
    struct seen seen;
    ph_buf_init(&text, 1 << 20);
    for (size_t i = 0; i < f->lines.count; i++) {
        assert_int_equal(ph_buf_printf(&text, "%s\n", f->lines.line[i]), PH_OK);
    }
    for (size_t cut = 1; cut < strlen(f->lines.line[LINES - 1]); cut++) {
        see_bytes(text.data, text.len - cut, NULL, &seen);
        assert_string_equal(seen.faults, "f:12: torn 0-0: the last line has no end: a crash, or "
                                         "the file was cut off\n");
        assert_int_equal(seen.given, LINES - 1);
    }
    ph_buf_fini(&text);
}

/* [AUD-26] what was cut off at the end is found by the head alone */
static void compares_with_a_head(void **state)
{
    struct fixture *f = *state;
    struct seen seen;
    struct lines lines = f->lines;
    lines.count -= 2;
    see_lines(&lines, NULL, &seen);
    assert_string_equal(seen.faults, "");
    see_lines(&lines, &f->head, &seen);
    assert_string_equal(seen.faults,
        "f:10: head 11-12: ends with record 10, the head is 12: cut off at its end, or a later "
        "file was not given\n");
    struct ph_audit_head other = f->head;
    other.hash[0] = other.hash[0] == 'a' ? 'b' : 'a';
    see_lines(&f->lines, &other, &seen);
    assert_string_equal(seen.faults, "f:12: head 12-12: record 12 is not the one of that head: "
                                     "the file was cut off and written anew\n");
    lines = f->lines;
    remove_lines(&lines, 0, 3);
    other.seq = 2;
    see_lines(&lines, &other, &seen);
    assert_string_equal(seen.faults, "f:9: head 2-2: record 2 of the head is not there: removed, "
                                     "or in a file that was not given\n");
    see_bytes("", 0, &other, &seen);
    assert_string_equal(seen.faults, "f:0: head 1-2: ends with record 0, the head is 2: cut off at "
                                     "its end, or a later file was not given\n");
}

/* [AUD-26] */
static void reads_a_head(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "7", "7:", ":", "0:", "x:00",
        "99999999999999999999999999:",
        "-1:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "0:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "1:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8555",
        "1:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85g"};
    struct ph_audit_head head;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ph_error error = {0};
        assert_int_equal(ph_audit_head_parse(bad[i], &head, &error), PH_ERR_USAGE);
        assert_non_null(strstr(error.message, "head: want SEQ:HASH as the broker's log has it"));
    }
    assert_int_equal(
        ph_audit_head_parse(
            "17:E3B0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", &head, NULL),
        PH_OK);
    assert_int_equal(head.seq, 17);
    assert_int_equal(head.hash[0], 'e');
}

/* [AUD-27] */
static void reads_several_files(void **state)
{
    (void)state;
    char paths[2][64];
    struct ph_audit_head heads[2];
    char want[512];
    struct ph_error error = {0};
    struct seen seen = {.given = 0};
    const struct ph_audit_visitor visitor = {.fault = see_fault, .context = &seen};
    make_file(paths[0], 3, &heads[0]);
    make_file(paths[1], 5, &heads[1]);
    const char *const files[] = {paths[0], paths[1], "/nonexistent/audit"};
    assert_int_equal(ph_audit_read(files, 2, NULL, &visitor, &seen.summary, NULL), PH_OK);
    (void)snprintf(want, sizeof want,
        "%s:1: other-chain 1-1: record 1 stands behind record 3: another chain, or files in the "
        "wrong order\n",
        paths[1]);
    assert_string_equal(seen.faults, want);
    assert_int_equal(seen.summary.head.seq, 5);
    assert_int_equal(
        ph_audit_read(files + 1, 2, NULL, &visitor, &seen.summary, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "/nonexistent/audit: open: "));
    (void)unlink(paths[0]);
    (void)unlink(paths[1]);
}

/* [AUD-28] more gaps than are remembered, and whatever else is done to the lines: each is told or
 * left alone, memory is bounded, nothing breaks */
static void survives_any_order(void **state)
{
    (void)state;
    enum { MANY = 400 };
    char path[64];
    struct ph_audit_head head;
    struct ph_buf text;
    static char *line[MANY];
    make_file(path, MANY, &head);
    ph_buf_init(&text, 1 << 20);
    assert_int_equal(ph_file_load(path, &text, NULL), PH_OK);
    (void)unlink(path);
    size_t count = 0;
    for (char *at = text.data; *at != '\0'; at = strchr(at, '\n') + 1) {
        line[count++] = at;
    }
    struct ph_buf every_other;
    struct ph_buf backwards;
    ph_buf_init(&every_other, 1 << 20);
    ph_buf_init(&backwards, 1 << 20);
    for (size_t i = 0; i < MANY; i++) {
        const char *end = strchr(line[i], '\n') + 1;
        if (i % 2 == 0) {
            assert_int_equal(ph_buf_append(&every_other, line[i], (size_t)(end - line[i])), PH_OK);
        }
        const char *last = line[MANY - 1 - i];
        end = strchr(last, '\n') + 1;
        assert_int_equal(ph_buf_append(&backwards, last, (size_t)(end - last)), PH_OK);
    }
    struct seen seen;
    see_bytes(every_other.data, every_other.len, NULL, &seen);
    assert_int_equal(seen.summary.faults, MANY / 2 - 1);
    see_bytes(backwards.data, backwards.len, NULL, &seen);
    assert_int_equal(seen.summary.faults, MANY - 1);
    assert_int_equal(seen.given, MANY);
    ph_buf_fini(&text);
    ph_buf_fini(&every_other);
    ph_buf_fini(&backwards);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(accepts_what_was_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(finds_an_edited_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(finds_a_rewritten_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(finds_removed_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(finds_moved_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(finds_copied_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(finds_lines_that_are_no_records, set_up, tear_down),
        cmocka_unit_test(refuses_other_objects),
        cmocka_unit_test_setup_teardown(finds_a_torn_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(compares_with_a_head, set_up, tear_down),
        cmocka_unit_test(reads_a_head),
        cmocka_unit_test(reads_several_files),
        cmocka_unit_test(survives_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
