/* A growing byte buffer that is created with its maximum and never exceeds it. */
#ifndef PH_BASE_BUF_H
#define PH_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Read data and len freely; change them only through the functions below. data[len] is always a NUL
 * that does not count, so the buffer can be read as text; data is NULL until the first append. */
struct ph_buf {
    char *data;
    size_t len;
    size_t size; /* bytes allocated */
    size_t max;  /* most that len may become */
};

/* Makes an empty buffer that can hold up to `max` bytes; allocates nothing. */
void ph_buf_init(struct ph_buf *buf, size_t max);

/* Clears the content (it may be a secret) and releases it; the buffer is then empty with the same
 * maximum. */
void ph_buf_fini(struct ph_buf *buf);

/* Empties the buffer and keeps its memory. */
void ph_buf_reset(struct ph_buf *buf);

/* Cuts the buffer back to its first `len` bytes (a length it had before); clears what was cut. */
void ph_buf_truncate(struct ph_buf *buf, size_t len);

/* Appends; on PH_ERR_LIMIT or PH_ERR_MEMORY the buffer is as it was. */
enum ph_err ph_buf_append(struct ph_buf *buf, const void *bytes, size_t len) PH_NODISCARD;
enum ph_err ph_buf_append_text(struct ph_buf *buf, const char *text) PH_NODISCARD;
enum ph_err ph_buf_printf(struct ph_buf *buf, const char *format, ...) PH_PRINTF(2, 3) PH_NODISCARD;

#endif
