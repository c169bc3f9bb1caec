/* Requirements: [LOAD-2] of docs/spec/fleet.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "device/fleet/command.h"
#include "device/fleet/load_options.h"

static struct ph_load_options *loaded;
static struct ph_error failure;

static enum ph_err load_only(const struct ph_cli *cli, struct ph_error *error)
{
    failure = (struct ph_error){0};
    enum ph_err err = ph_load_options_load(cli, &loaded, &failure);
    *error = failure;
    return err;
}

/* The options as the command line gives them; NULL when they are refused, with `failure`. */
static struct ph_load_options *parse(int count, const char *const *words)
{
    static const struct ph_cli_command commands[] = {
        {NULL, NULL, 0, 0, "test", ph_fleet_load_options, load_only}, {0}};
    static const struct ph_cli_program program = {"load", "test", commands};
    char *argv[32] = {0};
    loaded = NULL;
    argv[0] = strdup("load");
    for (int i = 0; i < count; i++) {
        argv[i + 1] = strdup(words[i]);
    }
    (void)ph_cli_main(&program, count + 1, argv);
    for (int i = 0; i <= count; i++) {
        free(argv[i]); /* options copy what they keep, but for --json, which is not tested here */
    }
    return loaded;
}

#define PARSE(...)                                                                                 \
    parse((int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)),                      \
        (const char *const[]){__VA_ARGS__})

static void expect_refused(const char *reason, struct ph_load_options *options)
{
    assert_null(options);
    if (strstr(failure.message, reason) == NULL) {
        fail_msg("want \"%s\", have \"%s\"", reason, failure.message);
    }
}

/* [LOAD-2] */
static void test_defaults(void **state)
{
    (void)state;
    struct ph_load_options *o = PARSE("--subscribers=2");
    assert_non_null(o);
    assert_string_equal(o->host, "localhost");
    assert_int_equal(o->port, 1883);
    assert_false(o->tls);
    assert_int_equal(o->version, 5);
    assert_int_equal(o->publishers, 1);
    assert_int_equal(o->rate, 0);
    assert_int_equal(o->qos, 1);
    assert_int_equal(o->duration_s, 10);
    assert_string_equal(o->topic, "ph-load/{n}");
    assert_string_equal(o->filter, "ph-load/+");
    ph_load_options_free(&o);
    assert_null(o);
}

/* [LOAD-2] */
static void test_broker(void **state)
{
    (void)state;
    struct ph_load_options *o = PARSE("--broker=mqtts://[::1]:1234", "--mqtt=3.1.1");
    assert_non_null(o);
    assert_string_equal(o->host, "::1");
    assert_int_equal(o->port, 1234);
    assert_true(o->tls);
    assert_int_equal(o->version, 4);
    ph_load_options_free(&o);
    o = PARSE("--broker=mqtts://broker.example");
    assert_non_null(o);
    assert_int_equal(o->port, 8883);
    ph_load_options_free(&o);
    expect_refused("--broker: want mqtt://", PARSE("--broker=localhost:1883"));
    expect_refused("names no host", PARSE("--broker=mqtt://"));
    expect_refused("names no host", PARSE("--broker=mqtt://[::1"));
    expect_refused("names no host", PARSE("--broker=mqtt://::1"));
    expect_refused("want a port from 1 to 65535, have \"0\"", PARSE("--broker=mqtt://a:0"));
}

/* [LOAD-2] */
static void test_refused(void **state)
{
    (void)state;
    expect_refused("--qos: want a whole number from 0 to 2", PARSE("--qos=3"));
    expect_refused("--mqtt: want 5 or 3.1.1", PARSE("--mqtt=4"));
    expect_refused("--size, --readings: only one", PARSE("--size=9", "--readings=1"));
    expect_refused("--client-id: 2 connections need {n}", PARSE("--client-id=a", "--publishers=2"));
    expect_refused("--topic: ", PARSE("--topic=a/#"));
    expect_refused("--filter: ", PARSE("--filter=$share/g", "--subscribers=1"));
    expect_refused("--filter: ", PARSE("--filter=a/#/b", "--subscribers=1"));
    expect_refused("--filter: goes with --subscribers", PARSE("--filter=a"));
    expect_refused("--certs, --ca: are for TLS", PARSE("--ca=/dev/null"));
    expect_refused("--ca: /nowhere: ", PARSE("--ca=/nowhere", "--broker=mqtts://a"));
    expect_refused("0 folders with a cert.pem", PARSE("--certs=/proc/self", "--broker=mqtts://a"));
    expect_refused("{name} is the folder of a certificate", PARSE("--topic=a/{name}"));
    expect_refused("--password-file: goes with --user", PARSE("--password-file=/dev/null"));
    expect_refused("more than 100000 connections", PARSE("--publishers=100000", "--subscribers=1"));
}

/* [LOAD-2] */
static void test_templates(void **state)
{
    (void)state;
    char text[PH_LOAD_NAME_BYTES];
    char longest[PH_LOAD_NAME_BYTES + 8];
    struct ph_error error = {0};
    assert_int_equal(ph_load_expand(text, "a/{n}/{name}/{x}/{n}", 42, "bob", NULL), PH_OK);
    assert_string_equal(text, "a/42/bob/{x}/42");
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(ph_load_expand(text, longest, 1, "", &error), PH_ERR_LIMIT);
    assert_non_null(strstr(error.message, "becomes longer than 1023 bytes"));
    ph_load_filter_for(text, "a/dev-{n}/x/{name}");
    assert_string_equal(text, "a/+/x/+");
    ph_load_filter_for(text, "a/b");
    assert_string_equal(text, "a/b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_broker),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_templates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
