/* The attributes of a certificate's subject that roles may ask for, as text without OpenSSL:
 * "attribute=value" pieces one behind the other, each terminated, an empty piece at the end. Values
 * are escaped (ph_text_escape), so that none holds a NUL. */
#ifndef PH_DOMAIN_SUBJECT_H
#define PH_DOMAIN_SUBJECT_H

#include <stdbool.h>
#include <stddef.h>

/* Room for one subject; what does not fit is left out, and then not found. */
#define PH_SUBJECT_BYTES 512

/* True for C, ST, L, O, OU, CN, DC, UID, serialNumber, title, street, postalCode and
 * emailAddress: the short names of RFC 4519 and RFC 2985. */
bool ph_subject_attribute_known(const char *attribute);

/* The value of an attribute that is there exactly once; NULL when it is not there or repeated. */
const char *ph_subject_get(const char *subject, const char *attribute);

/* The bytes of a subject, its last terminator included; 0 for NULL. */
size_t ph_subject_size(const char *subject);

#endif
