/* [CFG-9] */
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
#include "config/broker_schema.h"
#include "config/broker_section.h"
#include "config/yaml.h"

struct program {
    struct ph_broker_section broker;
};

static const cyaml_schema_field_t fields[] = {
    CYAML_FIELD_MAPPING(
        "broker", CYAML_FLAG_DEFAULT, struct program, broker, ph_broker_section_fields),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct program, fields)};

/* [CFG-9] the port defaults to 8883; relative paths follow the file, absolute ones stay */
static void finishes_port_and_paths(void **state)
{
    (void)state;
    static const char text[] = "broker:\n  host: b.example.org\n  ca: ../ca.pem\n"
                               "  certificate: cert.pem\n  key: /keys/key.pem\n";
    void *loaded = NULL;
    struct ph_error error = {0};
    assert_int_equal(ph_yaml_parse("f", text, strlen(text), &schema, &loaded, &error), PH_OK);
    struct ph_broker_section *broker = &((struct program *)loaded)->broker;
    assert_int_equal(ph_broker_section_finish(broker, "/etc/ph/x.yaml", &error), PH_OK);
    assert_int_equal(broker->port, 8883);
    assert_string_equal(broker->host, "b.example.org");
    assert_string_equal(broker->ca, "/etc/ph/../ca.pem");
    assert_string_equal(broker->certificate, "/etc/ph/cert.pem");
    assert_string_equal(broker->key, "/keys/key.pem");
    ph_yaml_free(&schema, &loaded);
}

/* [UNIT-8] a credential takes the place of the file that the configuration names */
static void credentials_come_first(void **state)
{
    (void)state;
    static const char text[] = "broker: {host: b, ca: a, certificate: c, key: k}\n";
    char folder[] = "/tmp/ph-broker-section-test-XXXXXX";
    char file[64];
    void *loaded = NULL;
    struct ph_error error = {0};
    assert_non_null(mkdtemp(folder));
    (void)snprintf(file, sizeof file, "%s/broker.key", folder);
    assert_int_equal(ph_file_store(file, 0400, "key", 3, &error), PH_OK);
    /* NOLINTBEGIN(concurrency-mt-unsafe): there is one thread */
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
    assert_int_equal(ph_yaml_parse("f", text, strlen(text), &schema, &loaded, &error), PH_OK);
    struct ph_broker_section *broker = &((struct program *)loaded)->broker;
    assert_int_equal(ph_broker_section_finish(broker, "/x.yaml", &error), PH_OK);
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    /* NOLINTEND(concurrency-mt-unsafe) */
    assert_string_equal(broker->key, file);
    assert_string_equal(broker->certificate, "/c");
    ph_yaml_free(&schema, &loaded);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void keeps_a_given_port(void **state)
{
    (void)state;
    static const char text[] = "broker: {host: b, port: 18883, ca: a, certificate: c, key: k}\n";
    void *loaded = NULL;
    struct ph_error error = {0};
    assert_int_equal(ph_yaml_parse("f", text, strlen(text), &schema, &loaded, &error), PH_OK);
    struct ph_broker_section *broker = &((struct program *)loaded)->broker;
    assert_int_equal(ph_broker_section_finish(broker, "/x.yaml", &error), PH_OK);
    assert_int_equal(broker->port, 18883);
    assert_string_equal(broker->key, "/k");
    ph_yaml_free(&schema, &loaded);
}

static void names_what_is_missing(void **state)
{
    (void)state;
    static const char text[] = "broker:\n  host: b\n  ca: a\n  certificate: c\n";
    void *loaded = NULL;
    struct ph_error error = {0};
    assert_int_equal(
        ph_yaml_parse("f", text, strlen(text), &schema, &loaded, &error), PH_ERR_CONFIG);
    assert_string_equal(error.message, "f:2: broker: missing key \"key\"");

    struct ph_broker_section empty = {0};
    ph_error_clear(&error);
    assert_int_equal(ph_broker_section_finish(&empty, "x.yaml", &error), PH_ERR_CONFIG);
    assert_string_equal(error.message, "x.yaml: broker.ca: want a file, have nothing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finishes_port_and_paths),
        cmocka_unit_test(credentials_come_first),
        cmocka_unit_test(keeps_a_given_port),
        cmocka_unit_test(names_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
