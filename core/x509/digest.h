/* SHA-256, for what is not a certificate. */
#ifndef PH_X509_DIGEST_H
#define PH_X509_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

#define PH_SHA256_HEX_BYTES 65 /* 32 bytes in lower-case hexadecimal, terminated */

/* The SHA-256 of `len` bytes. False, and an empty text, when OpenSSL has no memory. */
bool ph_sha256_hex(char out[PH_SHA256_HEX_BYTES], const void *bytes, size_t len) PH_NODISCARD;

#endif
