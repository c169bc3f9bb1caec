/* Text that may come from anywhere: UTF-8 validity, escaping, bounded copies, hexadecimal. */
#ifndef PH_BASE_TEXT_H
#define PH_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

/* True when the bytes are well-formed UTF-8 (RFC 3629): no overlong form, no surrogate, nothing
 * above U+10FFFF. */
bool ph_text_utf8_valid(const void *bytes, size_t len);

/* Copies `text` to `out` (size bytes, always terminated) with every control byte, DEL, C1 control,
 * line or paragraph separator, bidirectional control and byte that is not part of valid UTF-8
 * written as \xNN; stops at the last whole character that fits. */
void ph_text_escape(char *out, size_t size, const char *text);

/* The same for `len` bytes that need not be terminated; a NUL among them becomes \x00. */
void ph_text_escape_bytes(char *out, size_t size, const void *bytes, size_t len);

/* True when ph_text_escape_bytes() would copy the bytes as they are, tabs excepted: one line of
 * text that looks like what it is. */
bool ph_text_clean(const void *bytes, size_t len);

/* Copies `text` with its terminator; false, and an empty `out`, when it does not fit in `size`
 * bytes. */
bool ph_text_copy(char *out, size_t size, const char *text) PH_NODISCARD;

/* Writes 2*len lower-case hexadecimal digits and a terminator; `out` must hold 2*len+1 bytes. */
void ph_hex_encode(char *out, const uint8_t *bytes, size_t len);

/* Reads exactly 2*len hexadecimal digits (either case) followed by the terminator; false on
 * anything else. */
bool ph_hex_decode(uint8_t *out, size_t len, const char *text) PH_NODISCARD;

/* Reads a decimal integer: optional '-', digits, nothing else, within [min, max]. False leaves
 * `out` alone. */
bool ph_text_to_int64(const char *text, int64_t min, int64_t max, int64_t *out) PH_NODISCARD;

#endif
