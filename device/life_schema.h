/* The schema tables of the sections in life_section.h. Separate from it, so that libcyaml's types
 * stay out of every file but config.c. */
#ifndef PH_DEVICE_LIFE_SCHEMA_H
#define PH_DEVICE_LIFE_SCHEMA_H

#include <cyaml/cyaml.h>

extern const struct cyaml_schema_field ph_claim_section_fields[];
extern const struct cyaml_schema_field ph_renewal_section_fields[];

#endif
