#include "broker-plugin/audit/audit_line.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "x509/digest.h"

#define TEXT_BYTES  1024 /* of one text */
#define TAIL_BYTES  150  /* "prev", "hash" and the line's end */
#define MARK_BYTES  24   /* ,"left_out":N */
#define VALUE_BYTES 32   /* a number, with what stands around it */

/* Appends; the caller has made sure of the room. */
static void put_bytes(struct ph_audit_line *line, const char *bytes, size_t len)
{
    memcpy(line->text + line->len, bytes, len);
    line->len += len;
}

static void put(struct ph_audit_line *line, const char *text)
{
    put_bytes(line, text, strlen(text));
}

static bool is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c >= 0x7F || c == '"' || c == '\\') {
            return false;
        }
    }
    return true;
}

/* Escapes for the inside of quotes what ph_text_escape() leaves. False when it had to be cut. */
static bool put_quoted(struct ph_audit_line *line, const char *text, size_t size)
{
    size_t used = 0;
    for (; *text != '\0'; text++) {
        bool escape = *text == '"' || *text == '\\';
        bool leads = (unsigned char)*text >= 0xC0; /* up to three bytes follow */
        if (used + (escape ? 2 : leads ? 4 : 1) > size) {
            return false;
        }
        if (escape) {
            put_bytes(line, "\\", 1);
        }
        put_bytes(line, text, 1);
        used += escape ? 2 : 1;
    }
    return true;
}

/* The same for text that may hold anything. */
static bool put_escaped(struct ph_audit_line *line, const char *text, size_t len, size_t size)
{
    char escaped[4 * TEXT_BYTES + 1];
    size_t whole = len > TEXT_BYTES ? TEXT_BYTES : len;
    while (whole < len && whole > TEXT_BYTES - 3 && ((unsigned char)text[whole] & 0xC0) == 0x80) {
        whole--;
    }
    ph_text_escape_bytes(escaped, sizeof escaped, text, whole);
    return put_quoted(line, escaped, size) && whole == len;
}

static void put_text(struct ph_audit_line *line, const char *key, const char *text, size_t room)
{
    size_t size = room < TEXT_BYTES ? room : TEXT_BYTES;
    size_t len = strlen(text);
    bool whole = true;
    put(line, "\"");
    if (len <= size && is_plain(text, len)) {
        put_bytes(line, text, len);
    } else {
        whole = put_escaped(line, text, len, size);
    }
    put(line, "\"");
    if (!whole) {
        put(line, ",\"");
        put(line, key);
        put(line, "_cut\":true");
    }
}

/* False when there is no room for it. */
static bool put_field(struct ph_audit_line *line, const struct ph_log_field *field)
{
    char number[VALUE_BYTES] = "null";
    size_t left = sizeof line->text - TAIL_BYTES - MARK_BYTES - line->len;
    size_t around = 2 * strlen(field->key) + VALUE_BYTES;
    if (left < around) {
        return false;
    }
    put(line, ",\"");
    put(line, field->key);
    put(line, "\":");
    if (field->type == PH_LOG_FIELD_TEXT) {
        put_text(line, field->key, field->value.text, left - around);
        return true;
    }
    if (field->type == PH_LOG_FIELD_INT) {
        (void)snprintf(number, sizeof number, "%" PRId64, field->value.integer);
    } else if (isfinite(field->value.real)) {
        (void)snprintf(number, sizeof number, "%.6g", field->value.real);
    }
    put(line, number);
    return true;
}

static void put_fields(struct ph_audit_line *line, const struct ph_log_field *fields)
{
    unsigned left_out = 0;
    for (; fields->type != PH_LOG_FIELD_END; fields++) {
        bool absent = fields->type == PH_LOG_FIELD_TEXT && fields->value.text == NULL;
        if (!absent && !put_field(line, fields)) {
            left_out++;
        }
    }
    if (left_out > 0) {
        char mark[MARK_BYTES];
        (void)snprintf(mark, sizeof mark, ",\"left_out\":%u", left_out);
        put(line, mark);
    }
}

bool ph_audit_line_make(struct ph_audit_line *line, struct ph_audit_head *head, int64_t now_ms,
    const char *event, const struct ph_log_field *fields)
{
    char time[PH_UTC_BYTES];
    char hash[PH_SHA256_HEX_BYTES];
    ph_utc_print(time, now_ms);
    int len = snprintf(line->text, sizeof line->text,
        "{\"seq\":%" PRIu64 ",\"time\":\"%s\",\"event\":\"%.32s\"", head->seq + 1, time, event);
    line->len = len > 0 ? (size_t)len : 0;
    put_fields(line, fields);
    put(line, ",\"prev\":\"");
    put(line, head->hash);
    put(line, "\"");
    if (!ph_sha256_hex(hash, line->text, line->len)) {
        return false;
    }
    put(line, ",\"hash\":\"");
    put(line, hash);
    put(line, "\"}\n");
    head->seq++;
    memcpy(head->hash, hash, sizeof hash);
    return true;
}
