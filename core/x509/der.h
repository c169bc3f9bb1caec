/* A writer of DER (X.690) for what is made by the hundred thousand: OpenSSL takes ten times as long
 * to assemble a certificate as to sign it. Internal to core/x509. Forwards, into memory of the
 * caller; what does not fit makes the writer fail for good, so that one look at the end suffices.
 */
#ifndef PH_X509_DER_H
#define PH_X509_DER_H

#include <stdbool.h>
#include <stddef.h>

/* Tags of what is written here. */
enum {
    PH_DER_INTEGER = 0x02,
    PH_DER_BIT_STRING = 0x03,
    PH_DER_OCTET_STRING = 0x04,
    PH_DER_UTF8_STRING = 0x0C,
    PH_DER_UTC_TIME = 0x17,
    PH_DER_GENERALIZED_TIME = 0x18,
    PH_DER_SEQUENCE = 0x30,
    PH_DER_SET = 0x31,
    PH_DER_CONTEXT = 0x80,             /* [0], primitive */
    PH_DER_CONTEXT_CONSTRUCTED = 0xA0, /* [0], constructed */
};

/* Bytes that stand in the source as they are written. */
struct ph_der_text {
    const char *bytes;
    size_t len;
};
#define PH_DER_TEXT(literal)                                                                       \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

/* Start with {.bytes = array, .size = sizeof array}; read len and failed. */
struct ph_der {
    unsigned char *bytes;
    size_t size;
    size_t len;
    bool failed;
};

/* Elements that are whole already. */
void ph_der_put(struct ph_der *der, const void *bytes, size_t len);
void ph_der_put_text(struct ph_der *der, const struct ph_der_text *text);

/* One element around content that is there already. */
void ph_der_element(struct ph_der *der, int tag, const void *content, size_t len);

/* One element around what is written between the two calls: end() takes what begin() gave. */
size_t ph_der_begin(struct ph_der *der, int tag);
void ph_der_end(struct ph_der *der, size_t begun);

#endif
