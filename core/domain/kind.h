/* Kinds of device: which fields a reading has. Declared in configuration; a new kind needs no code.
 */
#ifndef PH_DOMAIN_KIND_H
#define PH_DOMAIN_KIND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "format/message.h"

enum ph_field_type {
    PH_FIELD_NUMBER,
    PH_FIELD_INTEGER,
    PH_FIELD_BOOLEAN,
    PH_FIELD_TEXT,
    PH_FIELD_ENUM,
};

struct ph_field_rule {
    char *name; /* ph_field_name_valid(), and not one of the reserved column names */
    enum ph_field_type type;
    bool required;
    char *unit;        /* UCUM code such as "Cel", or NULL */
    char *description; /* or NULL */
    double *min;       /* inclusive; NULL: no bound; numbers and integers only */
    double *max;
    char **values; /* PH_FIELD_ENUM: the allowed texts */
    size_t value_count;
};

struct ph_kind {
    char *name; /* segment grammar, lower case, usable as an SQL identifier: [a-z][a-z0-9_]{0,62} */
    struct ph_field_rule *fields;
    size_t field_count; /* 1 to PH_LIMIT_READING_FIELDS */
    bool plain; /* messages without stream and seq are welcome: stored at least once, not exactly
                   once */
};

/* The declaration itself: names, types, bounds that make sense. PH_ERR_CONFIG names kind and field.
 */
enum ph_err ph_kind_validate(const struct ph_kind *kind, struct ph_error *error) PH_NODISCARD;

/* One reading against its kind: required fields there, types and ranges kept, unknown fields
 * refused. PH_ERR_INPUT names the field and the rule. */
enum ph_err ph_kind_check_reading(const struct ph_kind *kind, const struct ph_reading *reading,
    struct ph_error *error) PH_NODISCARD;

/* The word for it in a kinds file, such as "number". Never NULL. */
const char *ph_field_type_name(enum ph_field_type type);

#endif
