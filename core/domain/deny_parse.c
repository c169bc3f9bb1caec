#include "domain/deny_parse.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

#define SHOWN 80 /* bytes of a wrong word that a message shows */

struct piece {
    const char *at;
    size_t len;
};

static int shown(struct piece piece)
{
    return piece.len < SHOWN ? (int)piece.len : SHOWN;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Takes the first word, and the blanks behind it, off `rest`; empty at the end. */
static struct piece take_word(struct piece *rest)
{
    struct piece word = {.at = rest->at};
    while (word.len < rest->len && !is_blank(rest->at[word.len])) {
        word.len++;
    }
    size_t used = word.len;
    while (used < rest->len && is_blank(rest->at[used])) {
        used++;
    }
    rest->at += used;
    rest->len -= used;
    return word;
}

static bool is_word(struct piece piece, const char *word)
{
    return piece.len == strlen(word) && memcmp(piece.at, word, piece.len) == 0;
}

/* ---- identities ---- */

/* Takes what stands before `end` off `rest`; false when there is no `end`. */
static bool take_segment(struct piece *rest, char end, struct piece *out)
{
    const char *at = memchr(rest->at, end, rest->len);
    if (at == NULL) {
        return false;
    }
    *out = (struct piece){.at = rest->at, .len = (size_t)(at - rest->at)};
    rest->at += out->len + 1;
    rest->len -= out->len + 1;
    return true;
}

static bool is_segment(struct piece piece)
{
    return ph_segment_valid(piece.at, piece.len);
}

static bool is_name(struct piece rest)
{
    struct piece segment = {0};
    if (take_segment(&rest, ':', &segment) && !is_segment(segment)) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        if (!take_segment(&rest, '/', &segment) || !is_segment(segment)) {
            return false;
        }
    }
    return is_segment(rest);
}

static enum ph_err parse_name(struct piece rest, struct ph_deny_line *out, struct ph_error *error)
{
    struct piece name = take_word(&rest);
    if (!is_name(name)) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "identity: want [ANCHOR:]TENANT/KIND/DEVICE, each of letters, digits, '.', '_' and "
            "'-', have \"%.*s\"",
            shown(name), name.at);
    }
    if (rest.len > 0) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "identity: want nothing behind it, have \"%.*s\"; a comment needs a line of its own",
            shown(rest), rest.at);
    }
    memcpy(out->name, name.at, name.len);
    out->name[name.len] = '\0';
    return PH_OK;
}

/* ---- serial numbers and key hashes ---- */

static char lower(char c)
{
    if (c >= 'A' && c <= 'F') {
        c = (char)(c + ('a' - 'A'));
    }
    return c;
}

/* Colons stand between octets of two digits, of which the first may lack its zero; "1:2" could be
 * meant as 12 or as 102. */
static bool colons_hold(struct piece piece)
{
    size_t digits = 0;
    bool first = true;
    for (size_t i = 0; i < piece.len; i++) {
        if (piece.at[i] != ':') {
            digits++;
        } else if (digits != 2 && !(first && digits == 1)) {
            return false;
        } else {
            first = false;
            digits = 0;
        }
    }
    return first || digits == 2;
}

/* Hexadecimal digits in lower case without the colons between them; false on anything else, and
 * when they do not fit. Leading zeros are left out when `number`. */
static bool hex_copy(char *out, size_t size, struct piece piece, bool number)
{
    size_t len = 0;
    if (!colons_hold(piece)) {
        return false;
    }
    for (size_t i = 0; i < piece.len; i++) {
        char c = lower(piece.at[i]);
        if (c == ':' || (c == '0' && len == 0 && number)) {
            continue;
        }
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) || len + 1 >= size) {
            return false;
        }
        out[len++] = c;
    }
    out[len] = '\0';
    return len > 0;
}

/* The length of the attribute's name at the beginning, 0 when there is none before '='. */
static size_t type_len(struct piece issuer)
{
    size_t len = 0;
    while (len < issuer.len && issuer.at[len] != '=' && !is_blank(issuer.at[len])) {
        len++;
    }
    return len < issuer.len && issuer.at[len] == '=' ? len : 0;
}

/* What other programs write for names that OpenSSL writes otherwise: in another case, or "E". */
static bool is_misspelled(struct piece type)
{
    static const char *const names[] = {"C", "ST", "L", "O", "OU", "CN", "DC", "UID", "SN", "GN",
        "serialNumber", "title", "street", "postalCode", "emailAddress", "organizationIdentifier"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (type.len == strlen(names[i]) && strncasecmp(type.at, names[i], type.len) == 0) {
            return !is_word(type, names[i]);
        }
    }
    return is_word(type, "E") || is_word(type, "S") || is_word(type, "issuer");
}

/* One attribute, as OpenSSL prints RFC 4514: no blanks but in values, and behind '\\' a sign or a
 * hexadecimal number in capitals. */
static const char *attribute_fault(struct piece text)
{
    size_t len = type_len(text);
    if (len == 0) {
        return "not ATTRIBUTE=VALUE";
    }
    if (is_misspelled((struct piece){text.at, len})) {
        return "an attribute's name as OpenSSL does not write it: want CN, O, emailAddress";
    }
    return len + 1 < text.len && is_blank(text.at[len + 1]) ? "a blank behind ',' or '='" : NULL;
}

static const char *escape_fault(struct piece behind)
{
    bool small = false;
    for (size_t i = 0; i < 2 && i < behind.len; i++) {
        small = small || (behind.at[i] >= 'a' && behind.at[i] <= 'f');
    }
    bool sign = behind.len > 0 && strchr(",+\"\\<>;# =", behind.at[0]) != NULL;
    return small && !sign ? "an escape in small letters: want \\C3\\A4" : NULL;
}

/* Why the text can be the issuer of no certificate, or NULL: an entry that never meets its
 * certificate would let it in without a word. */
static const char *issuer_fault(struct piece issuer)
{
    if (issuer.len == 0) {
        return "missing";
    }
    const char *fault = attribute_fault(issuer);
    for (size_t i = 0; fault == NULL && i < issuer.len; i++) {
        struct piece behind = {issuer.at + i + 1, issuer.len - i - 1};
        if ((unsigned char)issuer.at[i] >= 0x80) {
            fault = "not ASCII: other letters are printed as \\C3\\A4";
        } else if (issuer.at[i] == '\\') {
            fault = escape_fault(behind);
            i++;
        } else if (issuer.at[i] == ',' || issuer.at[i] == '+') {
            fault = behind.len > 0 && is_blank(behind.at[0]) ? "a blank behind ',' or '='"
                                                             : attribute_fault(behind);
        }
    }
    if (fault == NULL && issuer.len >= PH_DENY_ISSUER_BYTES) {
        fault = "longer than 255 bytes, where it is cut";
    }
    return fault;
}

static enum ph_err parse_serial(struct piece rest, struct ph_deny_line *out, struct ph_error *error)
{
    struct piece serial = take_word(&rest);
    struct piece digits = serial;
    if (digits.len > 2 && digits.at[0] == '0' && (digits.at[1] == 'x' || digits.at[1] == 'X')) {
        digits.at += 2;
        digits.len -= 2;
    }
    if (!hex_copy(out->serial, sizeof out->serial, digits, true)) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "serial: want a number of 1 to 40 hexadecimal digits and not 0, have \"%.*s\"",
            shown(serial), serial.at);
    }
    const char *fault = issuer_fault(rest);
    if (fault != NULL) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "serial: issuer: want it behind the number as ph-policy explain prints it, such as "
            "CN=devices,O=acme, have \"%.*s\" (%s)",
            shown(rest), rest.at, fault);
    }
    memcpy(out->issuer, rest.at, rest.len);
    out->issuer[rest.len] = '\0';
    return PH_OK;
}

static enum ph_err parse_key(struct piece rest, struct ph_deny_line *out, struct ph_error *error)
{
    char hex[2 * sizeof out->key + 1];
    struct piece word = take_word(&rest);
    if (!hex_copy(hex, sizeof hex, word, false) || !ph_hex_decode(out->key, sizeof out->key, hex)) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "key: want the SHA-256 of its SubjectPublicKeyInfo, 64 hexadecimal digits, have "
            "\"%.*s\"",
            shown(word), word.at);
    }
    if (rest.len > 0) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "key: want nothing behind it, have \"%.*s\"; a comment needs a line of its own",
            shown(rest), rest.at);
    }
    return PH_OK;
}

enum ph_err ph_deny_line_parse(
    const char *text, size_t len, struct ph_deny_line *out, struct ph_error *error)
{
    struct piece rest = {.at = text, .len = len};
    struct piece what = take_word(&rest);
    out->name[0] = '\0';
    out->serial[0] = '\0';
    out->issuer[0] = '\0';
    if (is_word(what, "quarantine")) {
        out->kind = PH_DENY_QUARANTINE;
        return parse_name(rest, out, error);
    }
    if (!is_word(what, "deny")) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "want \"deny\", \"quarantine\" or '#' at the start of a line, have \"%.*s\"",
            shown(what), what.at);
    }
    what = take_word(&rest);
    if (is_word(what, "identity")) {
        out->kind = PH_DENY_IDENTITY;
        return parse_name(rest, out, error);
    }
    if (is_word(what, "serial")) {
        out->kind = PH_DENY_SERIAL;
        return parse_serial(rest, out, error);
    }
    if (is_word(what, "key")) {
        out->kind = PH_DENY_KEY;
        return parse_key(rest, out, error);
    }
    return ph_error_set(error, PH_ERR_CONFIG,
        "deny: want \"identity\", \"serial\" or \"key\" behind it, have \"%.*s\"", shown(what),
        what.at);
}
