#include "format/json_scan.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"

struct scan {
    const uint8_t *bytes;
    size_t len;
    size_t at;
    struct ph_error *error;
};

static enum ph_err refuse(struct scan *scan, enum ph_err code, const char *rule)
{
    return ph_error_set(scan->error, code, "json: byte %zu: %s", scan->at, rule);
}

/* The byte at the cursor; NUL at the end, which is a byte that no rule admits. */
static uint8_t peek(const struct scan *scan)
{
    return scan->at < scan->len ? scan->bytes[scan->at] : 0;
}

static bool take(struct scan *scan, char c)
{
    if (scan->at < scan->len && scan->bytes[scan->at] == (uint8_t)c) {
        scan->at++;
        return true;
    }
    return false;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void skip_space(struct scan *scan)
{
    while (is_space(peek(scan))) {
        scan->at++;
    }
}

static size_t skip_digits(struct scan *scan)
{
    size_t start = scan->at;
    while (peek(scan) >= '0' && peek(scan) <= '9') {
        scan->at++;
    }
    return scan->at - start;
}

/* Without an exponent, PH_LIMIT_JSON_NUMBER_BYTES digits are far below the largest double. */
static bool is_finite(const struct scan *scan, size_t start)
{
    char text[PH_LIMIT_JSON_NUMBER_BYTES + 1];
    memcpy(text, scan->bytes + start, scan->at - start);
    text[scan->at - start] = '\0';
    return isfinite(strtod(text, NULL));
}

static enum ph_err scan_number(struct scan *scan)
{
    size_t start = scan->at;
    bool exponent = false;
    (void)take(scan, '-');
    bool sound = take(scan, '0') || skip_digits(scan) > 0;
    if (sound && take(scan, '.')) {
        sound = skip_digits(scan) > 0;
    }
    if (sound && (take(scan, 'e') || take(scan, 'E'))) {
        exponent = true;
        (void)(take(scan, '+') || take(scan, '-'));
        sound = skip_digits(scan) > 0;
    }
    if (!sound || (peek(scan) >= '0' && peek(scan) <= '9')) {
        return refuse(scan, PH_ERR_INPUT, "not a number as RFC 8259 spells it");
    }
    if (scan->at - start > PH_LIMIT_JSON_NUMBER_BYTES) {
        scan->at = start;
        return refuse(scan, PH_ERR_LIMIT, "number has too many digits; want at most 63 characters");
    }
    if (exponent && !is_finite(scan, start)) {
        scan->at = start;
        return refuse(scan, PH_ERR_INPUT, "number is too large for a double");
    }
    return PH_OK;
}

/* Four hexadecimal digits at the cursor; -1 when they are not there. */
static long take_hex4(struct scan *scan)
{
    char text[5] = {0};
    uint8_t pair[2];
    if (scan->len - scan->at < 4) {
        return -1;
    }
    memcpy(text, scan->bytes + scan->at, 4);
    if (!ph_hex_decode(pair, 2, text)) {
        return -1;
    }
    scan->at += 4;
    return (long)pair[0] << 8 | pair[1];
}

static enum ph_err scan_unicode_escape(struct scan *scan)
{
    long unit = take_hex4(scan);
    if (unit < 0) {
        return refuse(scan, PH_ERR_INPUT, "\\u wants four hexadecimal digits");
    }
    if (unit == 0) {
        return refuse(scan, PH_ERR_INPUT, "\\u0000 in a string");
    }
    if (unit < 0xD800 || unit > 0xDFFF) {
        return PH_OK;
    }
    long low = unit < 0xDC00 && take(scan, '\\') && take(scan, 'u') ? take_hex4(scan) : -1;
    return low >= 0xDC00 && low <= 0xDFFF
               ? PH_OK
               : refuse(scan, PH_ERR_INPUT, "lone surrogate in a string");
}

static enum ph_err scan_escape(struct scan *scan)
{
    uint8_t c = peek(scan);
    if (c == 'u') {
        scan->at++;
        return scan_unicode_escape(scan);
    }
    if (c == 0 || strchr("\"\\/bfnrt", c) == NULL) {
        return refuse(scan, PH_ERR_INPUT, "unknown escape in a string");
    }
    scan->at++;
    return PH_OK;
}

static enum ph_err scan_multibyte(struct scan *scan)
{
    uint8_t lead = peek(scan);
    size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (scan->len - scan->at < want || !ph_text_utf8_valid(scan->bytes + scan->at, want)) {
        return refuse(scan, PH_ERR_INPUT, "invalid UTF-8 in a string");
    }
    scan->at += want;
    return PH_OK;
}

/* Past the bytes of a string that stand for themselves: most of them. */
static void skip_plain(struct scan *scan)
{
    size_t at = scan->at;
    while (at < scan->len && scan->bytes[at] >= 0x20 && scan->bytes[at] < 0x80 &&
           scan->bytes[at] != '"' && scan->bytes[at] != '\\') {
        at++;
    }
    scan->at = at;
}

/* What stands in a string besides plain bytes and its closing quote. */
static enum ph_err scan_special(struct scan *scan)
{
    if (scan->at == scan->len) {
        return refuse(scan, PH_ERR_INPUT, "string without its closing quote");
    }
    if (peek(scan) >= 0x80) {
        return scan_multibyte(scan);
    }
    return take(scan, '\\') ? scan_escape(scan)
                            : refuse(scan, PH_ERR_INPUT, "raw control character in a string");
}

static enum ph_err scan_string(struct scan *scan)
{
    if (!take(scan, '"')) {
        return refuse(scan, PH_ERR_INPUT, "want a string in double quotes");
    }
    enum ph_err err = PH_OK;
    for (skip_plain(scan); err == PH_OK && !take(scan, '"'); skip_plain(scan)) {
        err = scan_special(scan);
    }
    return err;
}

static enum ph_err scan_word(struct scan *scan, const char *word)
{
    size_t len = strlen(word);
    if (scan->len - scan->at < len || memcmp(scan->bytes + scan->at, word, len) != 0) {
        return refuse(scan, PH_ERR_INPUT, "not a JSON value");
    }
    scan->at += len;
    return PH_OK;
}

static enum ph_err scan_value(struct scan *scan, int depth);

static enum ph_err scan_member(struct scan *scan, int depth)
{
    skip_space(scan);
    enum ph_err err = scan_string(scan);
    if (err != PH_OK) {
        return err;
    }
    skip_space(scan);
    return take(scan, ':') ? scan_value(scan, depth)
                           : refuse(scan, PH_ERR_INPUT, "want ':' after a key");
}

/* The inside of an object or array, up to and with its closing bracket. */
static enum ph_err scan_container(struct scan *scan, bool object, int depth)
{
    char close = object ? '}' : ']';
    scan->at++;
    skip_space(scan);
    if (take(scan, close)) {
        return PH_OK;
    }
    for (int count = 1;; count++) {
        if (object && count > PH_LIMIT_JSON_MEMBERS) {
            return refuse(scan, PH_ERR_LIMIT, "object with too many members");
        }
        enum ph_err err = object ? scan_member(scan, depth) : scan_value(scan, depth);
        if (err != PH_OK) {
            return err;
        }
        skip_space(scan);
        if (take(scan, close)) {
            return PH_OK;
        }
        if (!take(scan, ',')) {
            return refuse(scan, PH_ERR_INPUT,
                object ? "want ',' or '}' after a member" : "want ',' or ']' after an element");
        }
    }
}

/* `depth` counts the containers around the value. */
static enum ph_err scan_value(struct scan *scan, int depth)
{
    skip_space(scan);
    if (scan->at == scan->len) {
        return refuse(scan, PH_ERR_INPUT, "want a value, have the end");
    }
    switch (peek(scan)) {
    case '{':
    case '[':
        return depth < PH_LIMIT_JSON_DEPTH ? scan_container(scan, peek(scan) == '{', depth + 1)
                                           : refuse(scan, PH_ERR_LIMIT, "nested too deep");
    case '"':
        return scan_string(scan);
    case 't':
        return scan_word(scan, "true");
    case 'f':
        return scan_word(scan, "false");
    case 'n':
        return scan_word(scan, "null");
    default:
        break;
    }
    bool number = peek(scan) == '-' || (peek(scan) >= '0' && peek(scan) <= '9');
    return number ? scan_number(scan) : refuse(scan, PH_ERR_INPUT, "not a JSON value");
}

enum ph_err ph_json_scan(const void *bytes, size_t len, struct ph_error *error)
{
    struct scan scan = {.bytes = bytes, .len = len, .error = error};
    if (len > PH_LIMIT_MESSAGE_BYTES) {
        return ph_error_set(error, PH_ERR_LIMIT, "json: want at most %d bytes, have %zu",
            PH_LIMIT_MESSAGE_BYTES, len);
    }
    enum ph_err err = scan_value(&scan, 0);
    if (err != PH_OK) {
        return err;
    }
    skip_space(&scan);
    return scan.at == scan.len ? PH_OK : refuse(&scan, PH_ERR_INPUT, "bytes after the document");
}
