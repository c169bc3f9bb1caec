/* The text of a deny-list, entry by entry. Internal to this folder: deny.h is what others use. */
#ifndef PH_DOMAIN_DENY_PARSE_H
#define PH_DOMAIN_DENY_PARSE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "domain/identity.h"

enum ph_deny_kind {
    PH_DENY_IDENTITY = 'i',
    PH_DENY_SERIAL = 's',
    PH_DENY_KEY = 'k',
    PH_DENY_QUARANTINE = 'q',
};

#define PH_DENY_ISSUER_BYTES 256                    /* as ph_certificate_facts.issuer, terminated */
#define PH_DENY_SERIAL_BYTES 41                     /* 20 octets in hexadecimal, terminated */
#define PH_DENY_NAME_BYTES   (4 * PH_SEGMENT_BYTES) /* "anchor:tenant/kind/device", terminated */

/* One line in the form that is compared; what its kind does not use is empty. */
struct ph_deny_line {
    enum ph_deny_kind kind;
    char name[PH_DENY_NAME_BYTES]; /* "tenant/kind/device", with "anchor:" in front or not */
    char serial[PH_DENY_SERIAL_BYTES];
    char issuer[PH_DENY_ISSUER_BYTES];
    uint8_t key[32];
};

/* Reads a line that holds an entry: `len` bytes of clean text (ph_text_clean()) without blanks
 * around it. PH_ERR_CONFIG says what to write, without file and line. */
enum ph_err ph_deny_line_parse(
    const char *text, size_t len, struct ph_deny_line *out, struct ph_error *error) PH_NODISCARD;

#endif
