/* The telemetry message (docs/spec/message.md):
 *
 *   {"v":1,"stream":"9f2c1e4b7a3d5c60","seq":1042,
 *    "readings":[{"t":1790000000123,"temperature_c":21.53,...}]}
 *
 * Optional in the envelope of a numbered message:
 *   "oldest"  the smallest number that the device still has: smaller ones never come (any more)
 *   "now"     the device's clock when the message was sent, milliseconds since 1970 UTC
 *   "up"      milliseconds since the device booted, when the message was sent
 * A reading that was captured before the device knew the time has "up" (milliseconds since boot)
 * in the place of "t"; the envelope's "up" is there only when that was the same boot.
 *
 * A numbered message without readings is a question: what has been dealt with of this stream? "seq"
 * is then a number that the device picks, and that the answer repeats ("asked").
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

#define PH_TIME_MAX_MS INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

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
    bool has_time;   /* a numbered message's reading has this or has_up, never both */
    int64_t time_ms; /* "t": milliseconds since 1970 UTC, fixed at capture; 0 to PH_TIME_MAX_MS */
    bool has_up;
    int64_t up_ms; /* "up": milliseconds since boot, 0 to PH_LIMIT_SEQ */
    const struct ph_field *fields;
    size_t field_count;
};

struct ph_message {
    bool plain;      /* no stream and no sequence number */
    uint64_t stream; /* never 0 in a numbered message (format/stream.h); 0 when plain */
    int64_t
        seq; /* number of the first reading, 1 to PH_LIMIT_SEQ; the others count on; 0 when plain */
    int64_t oldest; /* 1 to seq; 0: not said */
    bool has_now;
    int64_t now_ms; /* 0 to PH_TIME_MAX_MS */
    bool has_up;
    int64_t up_ms; /* 0 to PH_LIMIT_SEQ */
    const struct ph_reading *readings;
    size_t reading_count; /* 0 (a question; never when plain) to PH_LIMIT_MESSAGE_READINGS;
                             seq + reading_count - 1 <= PH_LIMIT_SEQ */
    void *storage;        /* what the pointers above point into */
};

/* Parses and checks everything above; unknown members of the envelope are refused, unknown fields
 * of a reading are kept (the kind decides). On success the caller owns *out. null values of fields
 * are left out, as if absent. */
enum ph_err ph_message_parse(
    const void *bytes, size_t len, struct ph_message **out, struct ph_error *error) PH_NODISCARD;
void ph_message_free(struct ph_message **message);

/* Appends one reading as a JSON object: what a spool stores. */
enum ph_err ph_reading_encode(const struct ph_reading *reading, struct ph_buf *out) PH_NODISCARD;

/* Appends one member of such an object, as in "on":true. After an error `out` is as it was. */
enum ph_err ph_field_encode(const struct ph_field *field, struct ph_buf *out) PH_NODISCARD;

/* The envelope of a numbered message. */
struct ph_message_head {
    uint64_t stream;
    int64_t seq;
    int64_t oldest; /* 0: left out */
    int64_t now_ms; /* -1, or what a message cannot say (before 1970, after year 9999): left out */
    int64_t up_ms;  /* -1: left out */
};

/* Most bytes that ph_message_encode() adds to the readings and the commas between them. */
#define PH_MESSAGE_HEAD_BYTES 192

/* Appends a whole message around `count` readings already encoded, each a terminated JSON object;
 * with 0 a question. */
enum ph_err ph_message_encode(const struct ph_message_head *head, const char *const *readings,
    size_t count, struct ph_buf *out) PH_NODISCARD;

/* True when `name` is a legal field name. */
bool ph_field_name_valid(const char *name);

#endif
