#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "certs/acts.h"
#include "certs/inventory_fixture.h"

/* Five records. */
static int set_up_records(void **state)
{
    static const char *const whats[] = {
        "acme/thermostat/t-0001", "a1", "devices", "acme/batch-1", "b2"};
    (void)set_up(state);
    for (int i = 0; i < 5; i++) {
        struct ph_error error = {0};
        const struct ph_act act = {.time_ms = 1790000000000 + i,
            .who = "anna",
            .act = "issue",
            .what = whats[i],
            .why = i == 2 ? "spare, as \"agreed\" für Köln" : NULL,
            .detail = i == 3 ? "{\"claim\":\"batch-1\"}" : NULL};
        ph_test_must(ph_act_add(inventory, &act, &error), &error);
    }
    return 0;
}

static void expect_whole(int64_t records)
{
    struct ph_error error = {0};
    char head[65] = "";
    int64_t count = 0;
    if (ph_act_verify(inventory, head, &count, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(count, records);
    assert_int_equal(strlen(head), 64);
}

static void expect_broken(const char *sql, const char *message)
{
    struct ph_error error = {0};
    char head[65] = "";
    int64_t count = 0;
    expect_whole(5);
    ph_test_exec(inventory, sql);
    assert_int_equal(ph_act_verify(inventory, head, &count, &error), PH_ERR_DENIED);
    assert_non_null(strstr(error.message, "ca.db: log of acts: "));
    if (strstr(error.message, message) == NULL) {
        fail_msg("want %s, have %s", message, error.message);
    }
}

/* ---- what is recorded ---- */

struct seen {
    int count;
    struct ph_act last;
    char texts[5][8192];
};

static enum ph_err note(const struct ph_act *act, void *context, struct ph_error *error)
{
    (void)error;
    struct seen *seen = context;
    seen->count++;
    seen->last = *act;
    (void)snprintf(seen->texts[0], sizeof seen->texts[0], "%s", act->who);
    (void)snprintf(seen->texts[1], sizeof seen->texts[1], "%s", act->what);
    (void)snprintf(seen->texts[2], sizeof seen->texts[2], "%s", act->why);
    (void)snprintf(seen->texts[3], sizeof seen->texts[3], "%s", act->detail);
    (void)snprintf(seen->texts[4], sizeof seen->texts[4], "%s", act->act);
    return PH_OK;
}

static void records(void **state)
{
    (void)state;
    static struct seen seen;
    struct ph_error error = {0};
    seen.count = 0;
    assert_int_equal(ph_act_each(inventory, 3, note, &seen, &error), PH_OK);
    assert_int_equal(seen.count, 3);
    assert_int_equal(seen.last.id, 5);
    assert_int_equal(seen.last.time_ms, 1790000000004);
    assert_string_equal(seen.texts[0], "anna");
    assert_string_equal(seen.texts[1], "b2");
    assert_string_equal(seen.texts[2], "");
    assert_string_equal(seen.texts[3], "{}");
    assert_string_equal(seen.texts[4], "issue");
}

/* [CA-51] */
static void hostile_texts(void **state)
{
    (void)state;
    static struct seen seen;
    static char detail[4096 + 1];
    struct ph_error error = {0};
    struct ph_act act = {.time_ms = 1,
        .who = "a\nb",
        .act = "refuse",
        .what = "\x1b[2J\xff",
        .why = "two\nlines",
        /* NOLINTNEXTLINE(misc-misleading-bidirectional): what is escaped here */
        .detail = "{\"hardware\":\"x\n\\n\xe2\x80\xaey\"}"};
    assert_int_equal(ph_act_add(inventory, &act, &error), PH_OK);
    assert_int_equal(ph_act_each(inventory, 6, note, &seen, &error), PH_OK);
    assert_string_equal(seen.texts[0], "a\\x0ab");
    assert_string_equal(seen.texts[1], "\\x1b[2J\\xff");
    assert_string_equal(seen.texts[2], "two\\x0alines");
    assert_string_equal(seen.texts[3], "{\"hardware\":\"x\\\\x0a\\n\\\\xe2\\\\x80\\\\xaey\"}");
    memset(detail, '\x01', sizeof detail - 2); /* the longest there is, and longer when escaped */
    act.detail = detail;
    assert_int_equal(ph_act_add(inventory, &act, &error), PH_OK);
    expect_whole(7);
    detail[sizeof detail - 2] = 'x';
    assert_int_equal(ph_act_add(inventory, &act, &error), PH_ERR_LIMIT);
    assert_string_equal(error.message, "log of acts: detail: want at most 4095 bytes, have 4096");
    expect_whole(7);
}

/* [CA-50] */
static void rolled_back_with_its_act(void **state)
{
    (void)state;
    struct ph_error error = {0};
    const struct ph_act act = {.time_ms = 1, .who = "anna", .act = "revoke", .what = "a1"};
    assert_int_equal(ph_inventory_begin(inventory, &error), PH_OK);
    assert_int_equal(ph_act_add(inventory, &act, &error), PH_OK);
    expect_whole(6);
    ph_inventory_rollback(inventory);
    expect_whole(5);
    assert_int_equal(ph_act_add(inventory, &act, &error), PH_OK);
    expect_whole(6);
}

static void empty_log(void **state)
{
    (void)state;
    ph_test_exec(inventory, "DELETE FROM act");
    expect_whole(0);
}

/* ---- what was done to it ---- */

/* [CA-53] */
static void changed(void **state)
{
    (void)state;
    expect_broken("UPDATE act SET why = 'nothing' WHERE id = 3",
        "record 3: it was changed after it was written");
}

static void changed_members(void **state)
{
    (void)state;
    static const char *const changes[] = {"time_ms = time_ms + 1", "who = 'otto'", "act = 'revoke'",
        "what = what || ' '", "detail = ''", "hash = lower(hex(zeroblob(32)))"};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct ph_error error = {0};
        char head[65];
        int64_t count = 0;
        char sql[160];
        (void)snprintf(sql, sizeof sql, "BEGIN; UPDATE act SET %s WHERE id = 2", changes[i]);
        ph_test_exec(inventory, sql);
        assert_int_equal(ph_act_verify(inventory, head, &count, &error), PH_ERR_DENIED);
        assert_non_null(strstr(error.message, "record 2: it "));
        ph_test_exec(inventory, "ROLLBACK");
        expect_whole(5);
    }
}

/* A text that is moved over the border of two members leaves what is hashed the same. */
static void moved_border(void **state)
{
    (void)state;
    expect_broken("UPDATE act SET who = who || char(10) || act, act = what, what = '' WHERE id = 2",
        "record 2: it was changed: it is not text of one line each");
}

static void changed_last(void **state)
{
    (void)state;
    expect_broken("UPDATE act SET who = 'otto' WHERE id = 5",
        "record 5: the last one: it was changed or put in");
}

static void removed(void **state)
{
    (void)state;
    expect_broken("DELETE FROM act WHERE id = 3", "record 3: it is missing");
}

static void removed_first(void **state)
{
    (void)state;
    expect_broken("DELETE FROM act WHERE id = 1", "record 1: it is missing");
}

static void removed_and_closed_up(void **state)
{
    (void)state;
    expect_broken("DELETE FROM act WHERE id = 2; UPDATE act SET id = id - 1 WHERE id > 2",
        "record 2: it does not follow the one before: records were removed, put in or moved here");
}

static void put_in(void **state)
{
    (void)state;
    expect_broken("UPDATE act SET id = -id WHERE id >= 3; UPDATE act SET id = 1 - id WHERE id < 0;"
                  " INSERT INTO act SELECT 3, time_ms, who, act, what, why, detail, hash FROM act"
                  " WHERE id = 2",
        "record 3: it does not follow the one before: records were removed, put in or moved here");
}

static void put_before_the_first(void **state)
{
    (void)state;
    expect_broken("INSERT INTO act SELECT 0, time_ms, who, act, what, why, detail, hash FROM act "
                  "WHERE id = 1",
        "record 1: records stand before the first");
}

static void reordered(void **state)
{
    (void)state;
    expect_broken("UPDATE act SET id = 99 WHERE id = 3; UPDATE act SET id = 3 WHERE id = 4;"
                  " UPDATE act SET id = 4 WHERE id = 99",
        "record 3: it does not follow the one before: records were removed, put in or moved here");
}

/* What nobody can see in the file itself: whoever keeps the head elsewhere can. */
static void cut_at_its_end(void **state)
{
    (void)state;
    struct ph_error error = {0};
    char before[65] = "";
    char behind[65] = "";
    int64_t count = 0;
    assert_int_equal(ph_act_verify(inventory, before, &count, &error), PH_OK);
    ph_test_exec(inventory, "DELETE FROM act WHERE id = 5");
    assert_int_equal(ph_act_verify(inventory, behind, &count, &error), PH_OK);
    assert_int_equal(count, 4);
    assert_string_not_equal(before, behind);
}

/* Rows that no column's type would let in, as a damaged file may have them. */
static void damaged(void **state)
{
    (void)state;
    static struct seen seen;
    struct ph_error error = {0};
    char head[65];
    int64_t count = 0;
    ph_test_exec(inventory,
        "DROP TABLE act;"
        "CREATE TABLE act (id, time_ms, who, act, what, why, detail, hash);"
        "INSERT INTO act VALUES (1, 'soon', NULL, x'00ff', 3.5, '', '', zeroblob(70000))");
    assert_int_equal(ph_act_verify(inventory, head, &count, &error), PH_ERR_DENIED);
    assert_non_null(strstr(error.message, "record 1: it was changed"));
    ph_error_clear(&error);
    assert_int_equal(ph_act_each(inventory, 1, note, &seen, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "ca.db: a row of table act breaks"));
    ph_error_clear(&error);
    const struct ph_act act = {.time_ms = 1, .who = "anna", .act = "revoke", .what = "a1"};
    assert_int_equal(ph_act_add(inventory, &act, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "ca.db: a row of table act breaks"));
    ph_error_clear(&error);
    ph_test_exec(inventory, "UPDATE act SET hash = 'ab', id = 9223372036854775807");
    assert_int_equal(ph_act_add(inventory, &act, &error), PH_ERR_INPUT);
}

/* ---- what anyone can compute ---- */

/* [CA-52] The recipe of docs/spec/authority.md, with sqlite3 and sha256sum alone. */
static void recomputed_elsewhere(void **state)
{
    (void)state;
    static const char script[] =
        "hash=$(printf '%%064d' 0)\n"
        "for id in $(sqlite3 '%s' 'SELECT id FROM act ORDER BY id'); do\n"
        "  hash=$( { echo \"$hash\"; sqlite3 -list -separator '\n' '%s' \"SELECT id, time_ms, who, "
        "act,"
        " what, why, detail FROM act WHERE id = $id\"; } | sha256sum | cut -c 1-64)\n"
        "  test \"$hash\" = \"$(sqlite3 '%s' \"SELECT hash FROM act WHERE id = $id\")\" || exit 1\n"
        "done\n"
        "echo \"$hash\"\n";
    struct ph_error error = {0};
    char command[1024];
    char theirs[66] = "";
    char ours[65] = "";
    int64_t count = 0;
    if (system("sqlite3 --version >/dev/null 2>&1") != 0) {
        skip();
    }
    (void)snprintf(command, sizeof command, script, test.path, test.path, test.path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_non_null(fgets(theirs, sizeof theirs, pipe));
    assert_int_equal(pclose(pipe), 0);
    theirs[64] = '\0';
    assert_int_equal(ph_act_verify(inventory, ours, &count, &error), PH_OK);
    assert_string_equal(theirs, ours);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records, set_up_records, tear_down),
        cmocka_unit_test_setup_teardown(hostile_texts, set_up_records, tear_down),
        cmocka_unit_test_setup_teardown(rolled_back_with_its_act, set_up_records, tear_down),
        cmocka_unit_test_setup_teardown(empty_log, set_up_records, tear_down),
        cmocka_unit_test_setup_teardown(changed, set_up_records, tear_down),
        cmocka_unit_test_setup_teardown(changed_members, set_up_records, tear_down),
        cmocka_unit_test_setup_teardown(moved_border, set_up_records, tear_down),
        cmocka_unit_test_setup_teardown(changed_last, set_up_records, tear_down),
        cmocka_unit_test_setup_teardown(removed, set_up_records, tear_down),
        cmocka_unit_test_setup_teardown(removed_first, set_up_records, tear_down),
        cmocka_unit_test_setup_teardown(removed_and_closed_up, set_up_records, tear_down),
        cmocka_unit_test_setup_teardown(put_in, set_up_records, tear_down),
        cmocka_unit_test_setup_teardown(put_before_the_first, set_up_records, tear_down),
        cmocka_unit_test_setup_teardown(reordered, set_up_records, tear_down),
        cmocka_unit_test_setup_teardown(cut_at_its_end, set_up_records, tear_down),
        cmocka_unit_test_setup_teardown(damaged, set_up_records, tear_down),
        cmocka_unit_test_setup_teardown(recomputed_elsewhere, set_up_records, tear_down),
    };
    return cmocka_run_group_tests_name("acts", tests, NULL, NULL);
}
