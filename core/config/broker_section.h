/* The "broker:" section that every program with an MQTT connection has in its configuration:
 *
 *   broker:
 *     host: broker.example.org
 *     port: 8883
 *     ca: ca.pem
 *     certificate: cert.pem
 *     key: key.pem
 *
 * Its schema table, ph_broker_section_fields, is in config/broker_schema.h. */
#ifndef PH_CONFIG_BROKER_SECTION_H
#define PH_CONFIG_BROKER_SECTION_H

#include <stdint.h>

#include "base/error.h"

struct ph_broker_section {
    char *host;
    uint16_t port; /* 0 in the file, or absent: 8883 */
    char *ca;
    char *certificate;
    char *key;
};

/* Applies the default port and makes the three paths relative to the folder of `config_path`
 * (absolute ones stay), or those of the credentials broker.ca, broker.certificate and broker.key
 * that a service manager has handed over. The strings are replaced by malloc'ed ones, as libcyaml's
 * default allocator expects. PH_ERR_LIMIT when a path becomes too long, PH_ERR_CONFIG names a key
 * that is empty. */
enum ph_err ph_broker_section_finish(struct ph_broker_section *section, const char *config_path,
    struct ph_error *error) PH_NODISCARD;

#endif
