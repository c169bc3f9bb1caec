#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "certs/batch.h"

static char dir[] = "/tmp/ph-batch-test-XXXXXX";
static char path[64];

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(dir) != NULL && snprintf(path, sizeof path, "%s/list", dir) < (int)sizeof path
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(dir);
}

static void write_list(const char *text, size_t len)
{
    struct ph_error error = {0};
    assert_int_equal(ph_file_replace(path, 0600, text, len, &error), PH_OK);
}

static void assert_item(const struct ph_batch_item *item, const char *tenant, const char *kind,
    const char *name, const char *request, int levels)
{
    assert_string_equal(item->tenant, tenant);
    assert_string_equal(item->kind, kind);
    assert_string_equal(item->name, name);
    if (request == NULL) {
        assert_null(item->request);
    } else {
        assert_string_equal(item->request, request);
    }
    assert_int_equal(item->levels, levels);
}

static void every_form(void **state) /* [CA-83] */
{
    (void)state;
    static const char text[] = "# devices\n"
                               "t-1\r\n"
                               "\n"
                               "meter,m-1\n"
                               "initech,meter,m-1\n"
                               "acme,thermostat,t-2,csr/t-2,b.pem\n"
                               "t-3";
    struct ph_error error = {0};
    struct ph_batch batch;
    write_list(text, sizeof text - 1);
    if (ph_batch_load(path, "acme", "thermostat", &batch, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(batch.count, 5);
    assert_item(&batch.items[0], "acme", "thermostat", "t-1", NULL, 1);
    assert_item(&batch.items[1], "acme", "meter", "m-1", NULL, 2);
    assert_item(&batch.items[2], "initech", "meter", "m-1", NULL, 3);
    assert_item(&batch.items[3], "acme", "thermostat", "t-2", "csr/t-2,b.pem", 3);
    assert_item(&batch.items[4], "acme", "thermostat", "t-3", NULL, 1);
    ph_batch_fini(&batch);
}

static void refusals(void **state) /* [CA-83], [CA-12] */
{
    (void)state;
    static const struct {
        const char *text;
        size_t len; /* 0: up to the terminator */
        enum ph_err err;
        const char *message;
    } cases[] = {
        {"", 0, PH_ERR_INPUT, "/list: no device in it"},
        {"# only this\n", 0, PH_ERR_INPUT, "/list: no device in it"},
        {"a\0b\n", 4, PH_ERR_INPUT, "/list: a NUL byte: want one device a line"},
        {"acme,k,t-1\nt-2\n", 0, PH_ERR_INPUT, "/list: line 2: no kind: want TENANT,KIND,NAME, or"},
        {"k,t-2\n", 0, PH_ERR_INPUT,
            "/list: line 1: no tenant: want TENANT,KIND,NAME, or --tenant"},
        {"#\nacme,k,\n", 0, PH_ERR_INPUT, "/list: line 2: name"},
        {"acme,,t-1\n", 0, PH_ERR_INPUT, "/list: line 1: kind"},
        {"acme,k, t-1\n", 0, PH_ERR_INPUT, "/list: line 1: name"},
        {"acme,k,t-1\rx\n", 0, PH_ERR_INPUT, "/list: line 1: name"},
        {"acme,k,../t\n", 0, PH_ERR_INPUT, "/list: line 1: name"},
        {"a+b,k,t\n", 0, PH_ERR_INPUT, "/list: line 1: tenant"},
        {"acme,k,t-1,\n", 0, PH_ERR_INPUT, "line 1: want the path of a request after the last"},
        {"acme,service,t-1\n", 0, PH_ERR_USAGE, "\"service\" is the kind of services"},
        {"acme,claim,t-1\n", 0, PH_ERR_USAGE, "\"claim\" is the kind of claims"},
        {"acme,k,b\nacme,k,a\nacme,k,b\n", 0, PH_ERR_INPUT, "/list: acme/k/b is there twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ph_error error = {0};
        struct ph_batch batch;
        write_list(cases[i].text, cases[i].len != 0 ? cases[i].len : strlen(cases[i].text));
        assert_int_equal(ph_batch_load(path, NULL, NULL, &batch, &error), cases[i].err);
        if (strstr(error.message, cases[i].message) == NULL) {
            fail_msg("want \"%s\", have \"%s\"", cases[i].message, error.message);
        }
    }
}

static void missing_file(void **state)
{
    (void)state;
    struct ph_error error = {0};
    struct ph_batch batch;
    (void)unlink(path);
    assert_int_equal(ph_batch_load(path, "a", "k", &batch, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "/list: open"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form),
        cmocka_unit_test(refusals),
        cmocka_unit_test(missing_file),
    };
    return cmocka_run_group_tests_name("batch", tests, set_up, tear_down);
}
