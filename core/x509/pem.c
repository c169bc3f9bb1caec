#include "x509/pem.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
    LINE_BYTES = 48, /* of content: 64 characters */
    LINE_CHARACTERS = 64,
    MARK_BYTES = 64 /* "-----BEGIN CERTIFICATE REQUEST-----" needs 36 */
};

/* ---- writing ---- */

static enum ph_err print_lines(struct ph_buf *pem, const unsigned char *bytes, size_t len)
{
    enum ph_err err = PH_OK;
    unsigned char line[LINE_CHARACTERS + 2]; /* EVP_EncodeBlock() ends with a NUL */
    for (size_t at = 0; err == PH_OK && at < len; at += LINE_BYTES) {
        size_t part = len - at < LINE_BYTES ? len - at : LINE_BYTES;
        int characters = EVP_EncodeBlock(line, bytes + at, (int)part);
        line[characters] = '\n';
        err = ph_buf_append(pem, line, (size_t)characters + 1);
    }
    explicit_bzero(line, sizeof line);
    return err;
}

enum ph_err ph_pem_print(struct ph_buf *pem, const char *label, const void *bytes, size_t len,
    const char *what, struct ph_error *error)
{
    size_t before = pem->len;
    enum ph_err err = ph_buf_printf(pem, "-----BEGIN %s-----\n", label);
    if (err == PH_OK) {
        err = print_lines(pem, bytes, len);
    }
    if (err == PH_OK) {
        err = ph_buf_printf(pem, "-----END %s-----\n", label);
    }
    if (err != PH_OK) {
        ph_buf_truncate(pem, before);
        return ph_error_set(error, err, "%s: does not fit its buffer", what);
    }
    return PH_OK;
}

/* ---- reading ---- */

struct text {
    const char *at;
    const char *end;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_blanks(struct text *text)
{
    while (text->at < text->end && is_blank(*text->at)) {
        text->at++;
    }
}

static bool skip_mark(struct text *text, const char *verb, const char *label)
{
    char mark[MARK_BYTES];
    int len = snprintf(mark, sizeof mark, "-----%s %s-----", verb, label);
    if (len < 0 || (size_t)len >= sizeof mark || text->end - text->at < len ||
        memcmp(text->at, mark, (size_t)len) != 0) {
        return false;
    }
    text->at += len;
    return true;
}

static bool is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

/* The next four characters, without the white space between them; false at anything else. */
static bool take_quad(struct text *text, unsigned char quad[4], int *padding)
{
    *padding = 0;
    for (int i = 0; i < 4; i++) {
        skip_blanks(text);
        if (text->at == text->end) {
            return false;
        }
        char c = *text->at;
        bool pads = c == '=' && i >= 2;
        if (!pads && (*padding > 0 || !is_base64(c))) {
            return false;
        }
        *padding += pads;
        quad[i] = (unsigned char)c;
        text->at++;
    }
    return true;
}

/* PH_ERR_INPUT without a message. */
static enum ph_err parse_base64(struct text *text, struct ph_buf *out)
{
    enum ph_err err = PH_OK;
    int padding = 0;
    skip_blanks(text);
    while (err == PH_OK && padding == 0 && text->at < text->end && *text->at != '-') {
        unsigned char quad[4];
        unsigned char bytes[3];
        if (!take_quad(text, quad, &padding) || EVP_DecodeBlock(bytes, quad, 4) != 3) {
            return PH_ERR_INPUT;
        }
        err = ph_buf_append(out, bytes, 3 - (size_t)padding);
        skip_blanks(text);
    }
    return err;
}

static enum ph_err bad(
    const char *what, const char *rule, const char *label, struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_INPUT, "%s: PEM: %s %s", what, rule, label);
}

enum ph_err ph_pem_parse(const char *pem, size_t len, const char *label, const char *what,
    struct ph_buf *out, struct ph_error *error)
{
    struct text text = {.at = pem, .end = pem + len};
    skip_blanks(&text);
    if (!skip_mark(&text, "BEGIN", label)) {
        return bad(what, "want nothing but one block BEGIN", label, error);
    }
    enum ph_err err = parse_base64(&text, out);
    if (err == PH_ERR_INPUT) {
        return bad(what, "not base64 in block", label, error);
    }
    if (err != PH_OK) {
        return ph_error_set(error, err, "%s: does not fit its buffer", what);
    }
    if (!skip_mark(&text, "END", label)) {
        return bad(what, "no line END", label, error);
    }
    skip_blanks(&text);
    return text.at == text.end ? PH_OK : bad(what, "bytes behind the block", label, error);
}
