/* [CMD-1] to [CMD-3] */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "device/command.h"

/* [CMD-1] */
static void test_accepts(void **state)
{
    (void)state;
    static const char text[] = "{\"v\":1,\"id\":\"a b\",\"set\":{\"setpoint_c\":22.5}}";
    struct ph_command command;
    struct ph_error error = {0};
    assert_int_equal(ph_command_parse(text, strlen(text), &command, &error), PH_OK);
    assert_string_equal(command.id, "a b");
    assert_true(command.setpoint_c == 22.5);
}

/* [CMD-2] each refused with its reason; the id is there where it could be read */
static void test_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *id;
        const char *message;
    } cases[] = {
        {"", "", ""},
        {"[]", "", "want a JSON object"},
        {"{}", "", "v: want 1"},
        {"{\"v\":2,\"id\":\"x\",\"set\":{\"setpoint_c\":20}}", "", "v: want 1"},
        {"{\"v\":1,\"set\":{\"setpoint_c\":20}}", "", "id: want a text of 1 to 64 bytes"},
        {"{\"v\":1,\"id\":\"\",\"set\":{\"setpoint_c\":20}}", "", "id: want a text"},
        {"{\"v\":1,\"id\":7,\"set\":{\"setpoint_c\":20}}", "", "id: want a text"},
        {"{\"v\":1,\"id\":\"x\"}", "x", "want v, id and set"},
        {"{\"v\":1,\"id\":\"x\",\"set\":{\"setpoint_c\":20},\"more\":1}", "x", "nothing else"},
        {"{\"v\":1,\"id\":\"x\",\"set\":[]}", "x", "set: want an object"},
        {"{\"v\":1,\"id\":\"x\",\"set\":{}}", "x", "set: want setpoint_c"},
        {"{\"v\":1,\"id\":\"x\",\"set\":{\"setpoint_c\":20,\"mode\":\"x\"}}", "x", "nothing else"},
        {"{\"v\":1,\"id\":\"x\",\"set\":{\"setpoint_c\":\"20\"}}", "x",
            "want a number from 5 to 35"},
        {"{\"v\":1,\"id\":\"x\",\"set\":{\"setpoint_c\":4.9}}", "x", "want a number from 5 to 35"},
        {"{\"v\":1,\"id\":\"x\",\"set\":{\"setpoint_c\":35.1}}", "x", "want a number from 5 to 35"},
        {"{\"v\":1,\"id\":\"x\",\"set\":{\"setpoint_c\":1e400}}", "", ""},
        {"{\"v\":1,\"v\":1,\"id\":\"x\",\"set\":{\"setpoint_c\":20}}", "", ""},
        {"{\"v\":1,\"id\":\"x\",\"set\":{\"setpoint_c\":20}} x", "", ""},
        {"{\"v\":1,\"id\":\"\\u0000\",\"set\":{\"setpoint_c\":20}}", "", ""},
        {"{\"v\":1,\"id\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\","
         "\"set\":{\"setpoint_c\":20}}",
            "", "id: want a text of 1 to 64 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_command command;
        struct ph_error error = {0};
        enum ph_err err = ph_command_parse(cases[i].text, strlen(cases[i].text), &command, &error);
        if (err == PH_OK || strstr(error.message, cases[i].message) == NULL ||
            strcmp(command.id, cases[i].id) != 0) {
            fail_msg("%s: \"%s\" \"%s\"", cases[i].text, command.id, error.message);
        }
    }
}

static void test_refuses_long(void **state)
{
    (void)state;
    struct ph_command command;
    struct ph_error error = {0};
    char *text = calloc(1, PH_COMMAND_BYTES + 1);
    assert_non_null(text);
    memset(text, ' ', PH_COMMAND_BYTES + 1);
    assert_int_equal(ph_command_parse(text, PH_COMMAND_BYTES + 1, &command, &error), PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "want at most 1024 bytes, have 1025"));
    free(text);
}

/* [CMD-3] the answer repeats the id and says why not */
static void test_reply(void **state)
{
    (void)state;
    struct ph_buf out;
    ph_buf_init(&out, 1024);
    assert_int_equal(ph_reply_encode("a\"b", NULL, &out), PH_OK);
    assert_string_equal(out.data, "{\"v\":1,\"id\":\"a\\\"b\",\"ok\":true}");
    ph_buf_reset(&out);
    assert_int_equal(ph_reply_encode("", "v: want 1", &out), PH_OK);
    assert_string_equal(out.data, "{\"v\":1,\"id\":\"\",\"ok\":false,\"reason\":\"v: want 1\"}");
    ph_buf_fini(&out);
}

static void test_ingest_status(void **state)
{
    (void)state;
    bool online = false;
    struct ph_error error = {0};
    static const char good[] = "{\"v\":1,\"online\":true,\"since\":1}";
    static const char bad[] = "{\"v\":1,\"online\":1}";
    assert_int_equal(ph_ingest_status_parse(good, strlen(good), &online, &error), PH_OK);
    assert_true(online);
    assert_int_equal(ph_ingest_status_parse(bad, strlen(bad), &online, &error), PH_ERR_INPUT);
    assert_non_null(strstr(error.message, "online: want true or false"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_refuses_long),
        cmocka_unit_test(test_reply),
        cmocka_unit_test(test_ingest_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
