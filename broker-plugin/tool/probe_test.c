/* ph.policy.probe: what --url may be. What a probe says of a broker: tests/probe/probe_test.sh. */
#include "broker-plugin/tool/probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct ph_probe_target target;

static void assert_target(const char *url, const char *host, int port, const char *name)
{
    struct ph_error error = {0};
    assert_int_equal(ph_probe_target_parse(url, &target, &error), PH_OK);
    assert_string_equal(target.host, host);
    assert_int_equal(target.port, port);
    assert_string_equal(target.name, name);
}

static void reads_names_and_addresses(void **state)
{
    (void)state;
    assert_target("mqtts://broker:1", "broker", 1, "broker:1");
    assert_target("mqtts://a_b.example-1.org", "a_b.example-1.org", 8883, "a_b.example-1.org:8883");
    assert_target("mqtts://127.0.0.1:65535", "127.0.0.1", 65535, "127.0.0.1:65535");
    assert_target("mqtts://[::1]:8884", "::1", 8884, "[::1]:8884");
    assert_target("mqtts://[fe80::1]", "fe80::1", 8883, "[fe80::1]:8883");
}

static void refuses_the_rest(void **state)
{
    (void)state;
    static const char *const urls[] = {"", "mqtts", "mqtts:/a", "mqtt://a:8883", "MQTTS://a",
        "https://a", "a:8883", "mqtts://", "mqtts://:8883", "mqtts://a:", "mqtts://a:0",
        "mqtts://a:65536", "mqtts://a:-1", "mqtts://a:1x", "mqtts://a:1/", "mqtts://a/",
        "mqtts://a?b", "mqtts://u@a", "mqtts://u:p@a", "mqtts://::1", "mqtts://[::1", "mqtts://[]",
        "mqtts://[::1]x", "mqtts://[a]b:1", "mqtts://[g]", "mqtts://a b", "mqtts://a\n",
        "mqtts://\xC3\xA4", "mqtts:// a"};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct ph_error error = {0};
        assert_int_equal(ph_probe_target_parse(urls[i], &target, &error), PH_ERR_USAGE);
        assert_non_null(strstr(error.message, "--url: want mqtts://HOST:PORT, have \""));
    }
}

static void bounds_the_name(void **state)
{
    (void)state;
    char url[400];
    struct ph_error error = {0};
    (void)snprintf(url, sizeof url, "mqtts://%0*d:1", PH_TCP_HOST_BYTES - 1, 0);
    assert_int_equal(ph_probe_target_parse(url, &target, &error), PH_OK);
    assert_int_equal(strlen(target.name), PH_TCP_HOST_BYTES + 1);
    (void)snprintf(url, sizeof url, "mqtts://%0*d:1", PH_TCP_HOST_BYTES, 0);
    assert_int_equal(ph_probe_target_parse(url, &target, &error), PH_ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_names_and_addresses),
        cmocka_unit_test(refuses_the_rest),
        cmocka_unit_test(bounds_the_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
