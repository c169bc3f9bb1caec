/* Messages that are one JSON object with known members: read into a struct, and written from one,
 * by the same table, so that both keep to the same rules. Internal to this folder. */
#ifndef PH_FORMAT_RECORD_H
#define PH_FORMAT_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "format/json.h"

/* What a member must be, and as what the struct holds it. */
enum ph_record_rule {
    PH_RECORD_ID,      /* char[33]: 32 lower-case hexadecimal digits */
    PH_RECORD_DEVICE,  /* char[PH_RECORD_DEVICE_BYTES]: tenant/kind/device */
    PH_RECORD_HASH,    /* const char *: 64 lower-case hexadecimal digits */
    PH_RECORD_SEGMENT, /* const char *: an identity's segment */
    PH_RECORD_LINE,    /* const char *: one line of 1 to `max` bytes that looks like what it is */
    PH_RECORD_PEM,     /* const char *: PEM of at most `max` bytes */
    PH_RECORD_BUNDLE,  /* const char *: the same; lines of comment may stand before it */
    PH_RECORD_NUMBER,  /* int64_t: 1 to `max`; 0 in the struct: not there */
};

#define PH_RECORD_ID_BYTES     33
#define PH_RECORD_DEVICE_BYTES 200

struct ph_record_member {
    const char *name;
    enum ph_record_rule rule;
    int64_t max;
    size_t offset;    /* in the struct */
    unsigned allowed; /* bit n: in a message of type n */
    unsigned needed;  /* the same: must be there */
};

struct ph_record_format {
    const char *name;         /* of the message, in errors; and the key that says its type */
    const char *const *types; /* the values of that key, by type */
    size_t type_count;
    const struct ph_record_member *members;
    size_t member_count;
    size_t bytes_max; /* of one message */
};

/* Reads a message; texts in `record`, which must be all zero, are borrowed from *json, which is the
 * caller's on success. PH_ERR_INPUT and PH_ERR_LIMIT name the member and its rule. */
enum ph_err ph_record_parse(const struct ph_record_format *format, const void *bytes, size_t len,
    void *record, size_t *type, struct ph_json **json, struct ph_error *error) PH_NODISCARD;

/* Appends a message. PH_ERR_INTERNAL when the record breaks a rule, PH_ERR_LIMIT when it is too
 * long; `out` is then as it was. */
enum ph_err ph_record_encode(const struct ph_record_format *format, size_t type, const void *record,
    struct ph_buf *out, struct ph_error *error) PH_NODISCARD;

#endif
