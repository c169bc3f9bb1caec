/* The schema table of the "broker:" section, for the .c files that hold a program's own table:
 *   CYAML_FIELD_MAPPING("broker", CYAML_FLAG_DEFAULT, struct x, broker, ph_broker_section_fields)
 * Separate from broker_section.h, so that libcyaml's types stay out of every other file. */
#ifndef PH_CONFIG_BROKER_SCHEMA_H
#define PH_CONFIG_BROKER_SCHEMA_H

#include <cyaml/cyaml.h>

extern const struct cyaml_schema_field ph_broker_section_fields[];

#endif
