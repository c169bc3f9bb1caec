#include "x509/digest.h"

#include <openssl/evp.h>

#include "base/text.h"
#include "x509/openssl.h"

bool ph_sha256_hex(char out[PH_SHA256_HEX_BYTES], const void *bytes, size_t len)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    ph_x509_errors_begin();
    bool ok = EVP_Digest(bytes, len, digest, &digest_len, EVP_sha256(), NULL) == 1;
    ph_x509_errors_end();
    out[0] = '\0';
    if (ok) {
        ph_hex_encode(out, digest, digest_len);
    }
    return ok;
}
