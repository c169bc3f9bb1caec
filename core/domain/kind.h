/* Kinds of device: which fields a reading has. Declared in configuration; a new kind needs no code.
 */
#ifndef PH_DOMAIN_KIND_H
#define PH_DOMAIN_KIND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/limits.h"
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

/* What becomes of a reading's fields that its kind does not declare. */
enum ph_unknown_fields {
    PH_UNKNOWN_REFUSE, /* the reading is refused */
    PH_UNKNOWN_STORE,  /* kept as one JSON object beside the columns ("extra") */
    PH_UNKNOWN_DROP,   /* left out */
};

struct ph_kind {
    char *name; /* segment grammar, lower case, usable as an SQL identifier: [a-z][a-z0-9_]{0,62} */
    struct ph_field_rule *fields;
    size_t field_count; /* 1 to PH_LIMIT_READING_FIELDS */
    enum ph_unknown_fields unknown;
    bool plain; /* messages without stream and seq are welcome: stored at least once, not exactly
                   once */
};

/* The declaration itself: names, types, bounds that make sense. PH_ERR_CONFIG names kind and field.
 */
enum ph_err ph_kind_validate(const struct ph_kind *kind, struct ph_error *error) PH_NODISCARD;

/* One reading against its kind: required fields there, types and ranges kept, unknown fields only
 * where `unknown` lets them pass. PH_ERR_INPUT names the field and the rule. */
enum ph_err ph_kind_check_reading(const struct ph_kind *kind, const struct ph_reading *reading,
    struct ph_error *error) PH_NODISCARD;

/* Index of the declared field of that name, field_count when there is none. `hint` is looked at
 * first: readings mostly have their fields in the declared order. */
size_t ph_kind_find_field(const struct ph_kind *kind, const char *name, size_t hint);

/* Most bytes of the object below: 32 fields of a name and a text that needs an escape throughout.
 */
#define PH_KIND_UNKNOWN_BYTES (2 + PH_LIMIT_READING_FIELDS * (69 + 6 * PH_LIMIT_TEXT_VALUE_BYTES))

/* The fields of a reading that its kind does not declare, as one JSON object, in their order;
 * nothing is appended when there are none, or when the kind does not store them. After an error
 * `out` is as it was. */
enum ph_err ph_kind_encode_unknown(
    const struct ph_kind *kind, const struct ph_reading *reading, struct ph_buf *out) PH_NODISCARD;

/* The words for them in a kinds file, such as "refuse" and "number". Never NULL. */
const char *ph_unknown_fields_name(enum ph_unknown_fields unknown);
const char *ph_field_type_name(enum ph_field_type type);

#endif
