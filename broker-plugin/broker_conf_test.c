/* [PLG-14], [PLG-15], [PLG-16] */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker-plugin/broker_conf.h"

#define PLUGIN   "plugin /usr/lib/mosquitto_phonehome.so\n"
#define LISTENER "listener 8883\ncertfile c\nkeyfile k\ncafile a\nrequire_certificate true\n"

static struct ph_findings findings;

static void check(const char *text)
{
    struct ph_error error = {0};
    findings = (struct ph_findings){.count = 0};
    if (ph_broker_conf_check_text("m.conf", text, strlen(text), &findings, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
}

static const char *const good[] = {
    PLUGIN LISTENER,
    LISTENER PLUGIN "allow_anonymous false\nmax_queued_messages 1000\ntls_version tlsv1.3\n",
    "# a comment\r\n\r\n" PLUGIN LISTENER "protocol mqtt\nuse_identity_as_username false\n",
    PLUGIN LISTENER "#crlfile x\nmemory_limit 0\n",
    PLUGIN "listener 8883 127.0.0.1\ncapath a\ncertfile c\nkeyfile k\nrequire_certificate 1\n",
    /* the default listener, made real by its settings */
    PLUGIN "port 8883\ncertfile c\nkeyfile k\ncafile a\nrequire_certificate true\n",
    PLUGIN "plugin /usr/lib/another.so\n" LISTENER,
    PLUGIN "listener 8883\nrequire_certificate false\n"
           "certfile c\nkeyfile k\ncafile a\nrequire_certificate true\n",
};

/* [PLG-14] */
static void accepts_what_is_safe(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        check(good[i]);
        if (findings.count != 0) {
            fail_msg("%s\n%s", good[i], findings.text[0]);
        }
    }
}

static const struct {
    const char *text;
    const char *finding;
} bad[] = {
    {PLUGIN LISTENER "use_identity_as_username true\n",
        "m.conf:7: use_identity_as_username true: with it the broker never asks the plugin who may "
        "connect; delete the line"},
    {PLUGIN LISTENER "use_subject_as_username 1\n", "m.conf:7: use_subject_as_username 1: "},
    {PLUGIN LISTENER "use_username_as_clientid true\n", "m.conf:7: use_username_as_clientid true"},
    {"per_listener_settings true\n" PLUGIN LISTENER, "m.conf:1: per_listener_settings true: "},
    {PLUGIN LISTENER "allow_anonymous true\n", "write \"allow_anonymous false\""},
    {PLUGIN LISTENER "crlfile /x/crl.pem\n",
        "m.conf:7: crlfile /x/crl.pem: the broker checks nothing"},
    {PLUGIN LISTENER "acl_file x\n",
        "m.conf:7: acl_file x: has no effect, the plugin answers first"},
    {PLUGIN LISTENER "password_file x\n", "m.conf:7: password_file x: has no effect"},
    {PLUGIN LISTENER "psk_file x\n", "m.conf:7: psk_file x: a pre-shared key is no certificate"},
    {PLUGIN LISTENER "psk_hint x\n", "m.conf:7: psk_hint x: a pre-shared key is no certificate"},
    {PLUGIN LISTENER "connection other\n", "m.conf:7: connection other: what a bridge sends"},
    {PLUGIN LISTENER "memory_limit 1000000\n", "m.conf:7: memory_limit 1000000: its counter"},
    {PLUGIN LISTENER "max_queued_messages 0\n", "m.conf:7: max_queued_messages 0: with 0"},
    {PLUGIN LISTENER "protocol websockets\n", "m.conf:7: protocol websockets: "},
    {PLUGIN LISTENER "tls_version tlsv1.1\n", "m.conf:7: tls_version tlsv1.1: write \"tls_version"},
    {"plugin /usr/lib/mosquitto_dynamic_security.so\n" PLUGIN LISTENER,
        "m.conf:1: plugin /usr/lib/mosquitto_dynamic_security.so: it would be asked first"},
    {"auth_plugin /usr/lib/go-auth.so\n" PLUGIN LISTENER,
        "m.conf:1: auth_plugin /usr/lib/go-auth.so"},
    {LISTENER, "m.conf: plugin: no line loads it"},
    {PLUGIN, "m.conf: listener: without one the broker opens port 1883"},
    /* [PLG-15] */
    {PLUGIN "listener 1883\n",
        "m.conf:2: listener 1883: clients could connect without a certificate; add below it: "
        "\"certfile FILE\" \"keyfile FILE\" \"cafile FILE\" \"require_certificate true\""},
    {PLUGIN LISTENER "listener 1884 127.0.0.1\n",
        "m.conf:7: listener 1884 127.0.0.1: clients could"},
    {PLUGIN "listener 8883\ncertfile c\nkeyfile k\ncafile a\n",
        "add below it: \"require_certificate true\""},
    {PLUGIN "listener 8883\ncertfile c\nkeyfile k\ncafile a\nrequire_certificate false\n",
        "add below it: \"require_certificate true\""},
    {PLUGIN LISTENER "require_certificate false\n",
        "m.conf:2: listener 8883: clients could connect without a certificate; add below it: "
        "\"require_certificate true\""},
    {PLUGIN "require_certificate true\nlistener 8883\ncertfile c\nkeyfile k\ncafile a\n",
        "m.conf:2: default listener: clients could connect without a certificate"},
    {PLUGIN "port 1883\n" LISTENER, "m.conf:2: default listener: clients could connect without"},
    {PLUGIN LISTENER "listener 0 /run/mosquitto.sock\n",
        "m.conf:7: listener 0 /run/mosquitto.sock: a Unix socket has no certificates"},
    {PLUGIN "  listener 1883   \r\n", "m.conf:2: listener 1883: clients could"},
};

/* [PLG-14] */
static void names_line_and_remedy(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        check(bad[i].text);
        bool found = false;
        for (size_t k = 0; k < findings.count; k++) {
            found = found || strstr(findings.text[k], bad[i].finding) != NULL;
        }
        if (!found) {
            fail_msg("case %zu: want \"%s\", have \"%s\"", i, bad[i].finding,
                findings.count > 0 ? findings.text[0] : "nothing");
        }
    }
}

static void counts_what_it_leaves_out(void **state)
{
    (void)state;
    char text[2000] = PLUGIN LISTENER;
    size_t len = strlen(text);
    for (int i = 0; i < PH_FINDINGS_MAX + 3; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "crlfile \x1b[2J\n");
    }
    check(text);
    assert_int_equal(findings.count, PH_FINDINGS_MAX);
    assert_int_equal(findings.left_out, 3);
    assert_non_null(strstr(findings.text[0], "crlfile \\x1b[2J"));
}

static void refuses_what_it_cannot_read(void **state)
{
    (void)state;
    struct ph_error error = {0};
    findings = (struct ph_findings){.count = 0};
    assert_int_equal(
        ph_broker_conf_check_text("m.conf", "a\0b", 3, &findings, &error), PH_ERR_CONFIG);
    assert_string_equal(error.message, "m.conf: holds NUL bytes; write plain text");
    ph_error_clear(&error);
    assert_int_equal(
        ph_broker_conf_check("/nonexistent/m.conf", &findings, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "/nonexistent/m.conf"));
}

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[300];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fputs(text, file) < 0, 0);
    assert_int_equal(fclose(file), 0);
}

static void remove_file(const char *dir, const char *name)
{
    char path[300];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(remove(path), 0);
}

/* [PLG-15] included files are read in the broker's order, and only those that end in .conf */
static void follows_include_dir(void **state)
{
    (void)state;
    char dir[] = "/tmp/ph-conf-XXXXXX";
    char sub[64];
    char conf[64];
    char text[200];
    struct ph_error error = {0};
    assert_non_null(mkdtemp(dir));
    (void)snprintf(sub, sizeof sub, "%s/conf.d", dir);
    (void)snprintf(conf, sizeof conf, "%s/m.conf", dir);
    assert_int_equal(mkdir(sub, 0700), 0);
    (void)snprintf(text, sizeof text, LISTENER "include_dir %s\nmax_qos 1\n", sub);
    write_file(dir, "m.conf", text);
    write_file(sub, "B.conf", "plugin /usr/lib/other.so\ncrlfile x\n");
    write_file(sub, "a.conf", PLUGIN);
    write_file(sub, "ignored.txt", "listener 1883\n");
    findings = (struct ph_findings){.count = 0};
    assert_int_equal(ph_broker_conf_check(conf, &findings, &error), PH_OK);
    assert_int_equal(findings.count, 1);
    assert_non_null(strstr(findings.text[0], "conf.d/B.conf:2: crlfile x"));

    write_file(sub, "B.conf", "cafile x\n");
    findings = (struct ph_findings){.count = 0};
    assert_int_equal(ph_broker_conf_check(conf, &findings, &error), PH_OK);
    assert_int_equal(findings.count, 1);
    assert_non_null(strstr(findings.text[0], "conf.d/B.conf:1: default listener: clients could"));
    remove_file(sub, "a.conf");
    remove_file(sub, "B.conf");
    remove_file(sub, "ignored.txt");
    assert_int_equal(rmdir(sub), 0);

    assert_int_equal(ph_broker_conf_check(conf, &findings, &error), PH_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "conf.d: include_dir"));
    remove_file(dir, "m.conf");
    assert_int_equal(rmdir(dir), 0);
}

#define WORDS(text) text, sizeof(text)

/* [PLG-16] */
static void reads_the_command_line(void **state)
{
    (void)state;
    const char *file = NULL;
    findings = (struct ph_findings){.count = 0};
    ph_broker_command_line_check(WORDS("mosquitto\0-v\0-c\0/etc/m.conf"), &file, &findings);
    assert_string_equal(file, "/etc/m.conf");
    ph_broker_command_line_check(WORDS("mosquitto\0--config-file\0x"), &file, &findings);
    assert_string_equal(file, "x");
    ph_broker_command_line_check(WORDS("mosquitto\0-c"), &file, &findings);
    assert_null(file);
    ph_broker_command_line_check("", 0, &file, &findings);
    ph_broker_command_line_check("abc", 3, &file, &findings);
    assert_null(file);
    assert_int_equal(findings.count, 0);
    ph_broker_command_line_check(WORDS("mosquitto\0-c\0x\0-p\0001883"), &file, &findings);
    assert_int_equal(findings.count, 1);
    assert_non_null(
        strstr(findings.text[0], "command line: -p: opens a listener without certificates"));
    findings = (struct ph_findings){.count = 0};
    ph_broker_command_line_check(WORDS("mosquitto\0-c\0x\0-c\0y"), &file, &findings);
    assert_int_equal(findings.count, 1);
    assert_non_null(strstr(findings.text[0], "command line: -c: given twice"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_is_safe),
        cmocka_unit_test(names_line_and_remedy),
        cmocka_unit_test(counts_what_it_leaves_out),
        cmocka_unit_test(refuses_what_it_cannot_read),
        cmocka_unit_test(follows_include_dir),
        cmocka_unit_test(reads_the_command_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
