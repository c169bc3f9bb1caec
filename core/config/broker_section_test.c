/* [CFG-9] */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

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
        cmocka_unit_test(keeps_a_given_port),
        cmocka_unit_test(names_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
