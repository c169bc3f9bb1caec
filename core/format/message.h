/* The telemetry message (docs/spec/message.md):
 *
 *   {"v":1,"stream":"9f2c1e4b7a3d5c60","seq":1042,
 *    "readings":[{"t":1790000000123,"temperature_c":21.53,...}]}
 *
 * A plain publisher's message has no "stream" and "seq" and may be a bare reading:
 * {"t":...,"temperature_c":...}; without "t" the time of arrival is used. Whether plain messages
 * are welcome is the caller's decision. */
#ifndef PH_FORMAT_MESSAGE_H
#define PH_FORMAT_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

enum ph_value_type { PH_VALUE_NUMBER, PH_VALUE_BOOL, PH_VALUE_TEXT };

struct ph_value {
    enum ph_value_type type;
    double number;    /* PH_VALUE_NUMBER; finite */
    bool boolean;     /* PH_VALUE_BOOL */
    const char *text; /* PH_VALUE_TEXT: valid UTF-8, at most PH_LIMIT_TEXT_VALUE_BYTES; borrowed
                         from the message */
};

struct ph_field {
    const char
        *name; /* [a-z][a-z0-9_]{0,62}, unique within the reading; borrowed from the message */
    struct ph_value value;
};

struct ph_reading {
    bool has_time;   /* always, in a numbered message */
    int64_t time_ms; /* "t": milliseconds since 1970 UTC, fixed at capture; 0 to 253402300799999
                        (year 9999) */
    const struct ph_field *fields;
    size_t field_count;
};

struct ph_message {
    bool plain;      /* no stream and no sequence number */
    uint64_t stream; /* never 0 in a numbered message (format/stream.h); 0 when plain */
    int64_t
        seq; /* number of the first reading, 1 to PH_LIMIT_SEQ; the others count on; 0 when plain */
    const struct ph_reading *readings;
    size_t
        reading_count; /* 1 to PH_LIMIT_MESSAGE_READINGS; seq + reading_count - 1 <= PH_LIMIT_SEQ */
    void *storage;     /* what the pointers above point into */
};

/* Parses and checks everything above; unknown members of the envelope are refused, unknown fields
 * of a reading are kept (the kind decides). On success the caller owns *out. null values of fields
 * are left out, as if absent. */
enum ph_err ph_message_parse(
    const void *bytes, size_t len, struct ph_message **out, struct ph_error *error) PH_NODISCARD;
void ph_message_free(struct ph_message **message);

/* Appends one reading as a JSON object: what a spool stores. */
enum ph_err ph_reading_encode(const struct ph_reading *reading, struct ph_buf *out) PH_NODISCARD;

/* Appends a whole message around `count` readings already encoded, each a terminated JSON object.
 */
enum ph_err ph_message_encode(uint64_t stream, int64_t seq, const char *const *readings,
    size_t count, struct ph_buf *out) PH_NODISCARD;

/* True when `name` is a legal field name. */
bool ph_field_name_valid(const char *name);

#endif
