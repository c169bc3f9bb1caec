#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Length of the well-formed UTF-8 sequence at `p` (RFC 3629, section 4), 0 when there is none. */
static size_t sequence_len(const uint8_t *p, size_t left)
{
    if (p[0] < 0x80) {
        return 1;
    }
    size_t len = p[0] >= 0xC2 && p[0] <= 0xDF   ? 2
                 : (p[0] & 0xF0) == 0xE0        ? 3
                 : p[0] >= 0xF0 && p[0] <= 0xF4 ? 4
                                                : 0;
    if (len == 0 || left < len) {
        return 0;
    }
    uint8_t low = 0x80;
    uint8_t high = 0xBF;
    switch (p[0]) {
    case 0xE0:
        low = 0xA0;
        break;
    case 0xED:
        high = 0x9F;
        break;
    case 0xF0:
        low = 0x90;
        break;
    case 0xF4:
        high = 0x8F;
        break;
    default:
        break;
    }
    if (p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return len;
}

bool ph_text_utf8_valid(const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < len;) {
        size_t step = sequence_len(p + i, len - i);
        if (step == 0) {
            return false;
        }
        i += step;
    }
    return true;
}

/* U+2028 and U+2029 end a line for some readers, U+202A to U+202E and U+2066 to U+2069 reorder it.
 */
static bool is_line_or_direction(const uint8_t *p)
{
    return p[0] == 0xE2 && ((p[1] == 0x80 && p[2] >= 0xA8 && p[2] <= 0xAE) ||
                               (p[1] == 0x81 && p[2] >= 0xA6 && p[2] <= 0xA9));
}

static bool is_control(const uint8_t *p, size_t len)
{
    return (len == 1 && (p[0] < 0x20 || p[0] == 0x7F)) ||
           (len == 2 && p[0] == 0xC2 && p[1] < 0xA0) || (len == 3 && is_line_or_direction(p));
}

bool ph_text_clean(const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < len;) {
        size_t step = sequence_len(p + i, len - i);
        if (step == 0 || (is_control(p + i, step) && p[i] != '\t')) {
            return false;
        }
        i += step;
    }
    return true;
}

static size_t escape_byte(char *out, uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";
    out[0] = '\\';
    out[1] = 'x';
    out[2] = digits[byte >> 4];
    out[3] = digits[byte & 15];
    return 4;
}

void ph_text_escape_bytes(char *out, size_t size, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    size_t used = 0;
    for (size_t i = 0; i < len;) {
        size_t step = sequence_len(p + i, len - i);
        bool escape = step == 0 || is_control(p + i, step);
        if (step == 0) {
            step = 1;
        }
        if (used + (escape ? 4 * step : step) + 1 > size) {
            break;
        }
        for (size_t end = i + step; i < end; i++) {
            if (escape) {
                used += escape_byte(out + used, p[i]);
            } else {
                out[used++] = (char)p[i];
            }
        }
    }
    if (size > 0) {
        out[used] = '\0';
    }
}

void ph_text_escape(char *out, size_t size, const char *text)
{
    ph_text_escape_bytes(out, size, text, strlen(text));
}

bool ph_text_copy(char *out, size_t size, const char *text)
{
    size_t len = strlen(text);
    if (len >= size) {
        if (size > 0) {
            out[0] = '\0';
        }
        return false;
    }
    memcpy(out, text, len + 1);
    return true;
}

void ph_hex_encode(char *out, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * len] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

bool ph_hex_decode(uint8_t *out, size_t len, const char *text)
{
    if (strlen(text) != 2 * len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        int high = hex_digit(text[2 * i]);
        int low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool ph_text_to_int64(const char *text, int64_t min, int64_t max, int64_t *out)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    if (digits[0] == '\0' || strspn(digits, "0123456789") != strlen(digits)) {
        return false;
    }
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno != 0 || value < min || value > max) {
        return false;
    }
    *out = value;
    return true;
}
