#include "config/broker_section.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/broker_schema.h"
#include "config/yaml.h"

#define PORT_DEFAULT 8883

const struct cyaml_schema_field ph_broker_section_fields[] = {
    CYAML_FIELD_STRING_PTR("host", CYAML_FLAG_POINTER, struct ph_broker_section, host, 1, 253),
    CYAML_FIELD_UINT("port", CYAML_FLAG_OPTIONAL, struct ph_broker_section, port),
    CYAML_FIELD_STRING_PTR("ca", CYAML_FLAG_POINTER, struct ph_broker_section, ca, 1, PATH_MAX - 1),
    CYAML_FIELD_STRING_PTR(
        "certificate", CYAML_FLAG_POINTER, struct ph_broker_section, certificate, 1, PATH_MAX - 1),
    CYAML_FIELD_STRING_PTR(
        "key", CYAML_FLAG_POINTER, struct ph_broker_section, key, 1, PATH_MAX - 1),
    CYAML_FIELD_END,
};

static enum ph_err resolve(
    char **path, const char *key, const char *config_path, struct ph_error *error)
{
    char name[32];
    if (*path == NULL || **path == '\0') {
        return ph_error_set(
            error, PH_ERR_CONFIG, "%s: broker.%s: want a file, have nothing", config_path, key);
    }
    (void)snprintf(name, sizeof name, "broker.%s", key);
    return ph_yaml_resolve_credential(path, name, config_path, error);
}

enum ph_err ph_broker_section_finish(
    struct ph_broker_section *section, const char *config_path, struct ph_error *error)
{
    if (section->port == 0) {
        section->port = PORT_DEFAULT;
    }
    enum ph_err err = resolve(&section->ca, "ca", config_path, error);
    if (err == PH_OK) {
        err = resolve(&section->certificate, "certificate", config_path, error);
    }
    if (err == PH_OK) {
        err = resolve(&section->key, "key", config_path, error);
    }
    return err;
}
