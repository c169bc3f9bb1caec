#include "x509/der.h"

#include <string.h>

enum { LENGTH_BYTES = 1 + sizeof(size_t) };

/* Writes the length octets (X.690, 8.1.3), at most LENGTH_BYTES of them. */
static size_t encode_length(unsigned char *out, size_t len)
{
    if (len < 0x80) {
        out[0] = (unsigned char)len;
        return 1;
    }
    size_t count = 0;
    for (size_t rest = len; rest > 0; rest >>= 8) {
        count++;
    }
    out[0] = (unsigned char)(0x80 | count);
    for (size_t i = count; i > 0; i--) {
        out[i] = (unsigned char)len;
        len >>= 8;
    }
    return 1 + count;
}

void ph_der_put(struct ph_der *der, const void *bytes, size_t len)
{
    if (der->failed || len > der->size - der->len) {
        der->failed = true;
        return;
    }
    if (len > 0) {
        memcpy(der->bytes + der->len, bytes, len);
        der->len += len;
    }
}

void ph_der_put_text(struct ph_der *der, const struct ph_der_text *text)
{
    ph_der_put(der, text->bytes, text->len);
}

size_t ph_der_begin(struct ph_der *der, int tag)
{
    const unsigned char byte = (unsigned char)tag;
    ph_der_put(der, &byte, 1);
    return der->len;
}

void ph_der_end(struct ph_der *der, size_t begun)
{
    unsigned char length[LENGTH_BYTES];
    if (der->failed) {
        return;
    }
    size_t content = der->len - begun;
    size_t count = encode_length(length, content);
    ph_der_put(der, length, count);
    if (!der->failed) {
        memmove(der->bytes + begun + count, der->bytes + begun, content);
        memcpy(der->bytes + begun, length, count);
    }
}

void ph_der_element(struct ph_der *der, int tag, const void *content, size_t len)
{
    size_t begun = ph_der_begin(der, tag);
    ph_der_put(der, content, len);
    ph_der_end(der, begun);
}
