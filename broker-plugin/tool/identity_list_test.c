#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker-plugin/tool/identity_list.h"

struct seen {
    char text[1024];
    size_t count;
};

static enum ph_err note(
    void *context, const struct ph_identity *identity, const char *subject, struct ph_error *error)
{
    struct seen *seen = context;
    size_t used = strlen(seen->text);
    const char *place = ph_subject_get(subject, "L");
    (void)error;
    (void)snprintf(seen->text + used, sizeof seen->text - used, "%s:%s/%s/%s%s%s ",
        identity->anchor, identity->tenant, identity->kind, identity->device,
        place != NULL ? "@" : "", place != NULL ? place : "");
    seen->count++;
    return PH_OK;
}

static enum ph_err parse(const void *bytes, size_t len, struct seen *seen, struct ph_error *error)
{
    char copy[8192];
    *seen = (struct seen){.count = 0};
    assert_true(len <= sizeof copy);
    memcpy(copy, bytes, len);
    FILE *file = fmemopen(copy, len, "r");
    assert_non_null(file);
    enum ph_err err = ph_identity_list_parse("list", file, note, seen, error);
    (void)fclose(file);
    return err;
}

#define CSV_HEAD                                                                                   \
    "serial,issuer,type,holder,status,not_before,not_after,revoked,reason,fingerprint\n"

/* [PPL-5] */
static void test_lists(void **state)
{
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"# nobody\n\n \t\n", ""},
        {"a:b/c/d\nb/c/d\na:b/c/d\n", "a:b/c/d :b/c/d "},
        {"b/c/d L=Berlin\\, Mitte,C=DE # here\n", ":b/c/d@Berlin, Mitte "},
        {"\tb/c/d\r\nb/c/e", ":b/c/d :b/c/e "},
        {CSV_HEAD "1,devices,device,b/c/d,valid,,,,,\n2,devices,device,b/c/e,revoked,,,,,\n"
                  "3,devices,device,b/c/f,expired,,,,,\n4,root,authority,devices,valid,,,,,\n"
                  "5,services,service,b/s/g,not-yet-valid,,,,,\n",
            "devices:b/c/d services:b/s/g "},
        {CSV_HEAD "1,devices-2,device,b/c/d,valid,,,,,\n2,devices@b,device,b/c/e,valid,,,,,\n"
                  "3,devices,device,b/c/f,superseded,,,,,\n4,devices,device,b/c/g,held,,,,,\n"
                  "5,foreign,device,b/c/h,valid,,,,,,imported,,me,\"a, b\"\n",
            "devices:b/c/d devices:b/c/e :b/c/h "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct seen seen;
        struct ph_error error = {0};
        assert_int_equal(parse(cases[i].text, strlen(cases[i].text), &seen, &error), PH_OK);
        assert_string_equal(seen.text, cases[i].want);
    }
}

static void test_refusals(void **state)
{
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"a:b/c/d\nb/c\n", "list:2: identity \"b/c\": want tenant/kind/device"},
        {"a b:b/c/d\n", "list:1: identity \"a\""},
        {":b/c/d\n", "list:1: anchor: want 1 to 64"},
        {"b/c/d nosuch=1\n", "list:1: subject: want ATTRIBUTE=VALUE"},
        {"b/c/d L\n", "have \"L\""},
        {CSV_HEAD "1,devices,device\n", "list:2: want 10 columns as ph-ca list prints, have 3"},
        {CSV_HEAD "1,devices,device,b/c,valid,,,,,\n", "list:2: identity \"b/c\""},
        {CSV_HEAD "1,../x,device,b/c/d,valid,,,,,\n", "list:2: issuer: want 1 to 64"},
    };
    struct seen seen;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_error error = {0};
        assert_int_not_equal(parse(cases[i].text, strlen(cases[i].text), &seen, &error), PH_OK);
        assert_non_null(strstr(error.message, cases[i].want));
    }
    struct ph_error error = {0};
    assert_int_equal(parse("b/c/d\0\nb/c/e\n", 13, &seen, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "list:1: want a line of text"));
    char line[4000];
    memset(line, 'x', sizeof line);
    error = (struct ph_error){0};
    assert_int_equal(parse(line, sizeof line, &seen, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "at most 2046 bytes"));
    error = (struct ph_error){0};
    assert_int_equal(
        ph_identity_list_read("/nonexistent/list", note, &seen, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "/nonexistent/list: open"));
}

static void test_subject(void **state)
{
    char subject[PH_SUBJECT_BYTES];
    char longest[2 * PH_SUBJECT_BYTES] = "L=";
    struct ph_error error = {0};
    (void)state;
    assert_int_equal(ph_subject_parse("L=a\\\\b,OU=x=y", subject, &error), PH_OK);
    assert_string_equal(ph_subject_get(subject, "L"), "a\\b");
    assert_string_equal(ph_subject_get(subject, "OU"), "x=y");
    assert_int_equal(ph_subject_size(subject), sizeof "L=a\\b" + sizeof "OU=x=y" + 1);
    assert_int_equal(ph_subject_parse("", subject, &error), PH_ERR_USAGE);
    memset(longest + 2, 'x', sizeof longest - 3);
    longest[sizeof longest - 1] = '\0';
    error = (struct ph_error){0};
    assert_int_equal(ph_subject_parse(longest, subject, &error), PH_ERR_USAGE);
    assert_non_null(strstr(error.message, "subject: want at most"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_subject),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
