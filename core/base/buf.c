#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ph_buf_init(struct ph_buf *buf, size_t max)
{
    *buf = (struct ph_buf){.max = max};
}

void ph_buf_fini(struct ph_buf *buf)
{
    if (buf->data != NULL) {
        explicit_bzero(buf->data, buf->size);
        free(buf->data);
    }
    ph_buf_init(buf, buf->max);
}

void ph_buf_reset(struct ph_buf *buf)
{
    buf->len = 0;
    if (buf->data != NULL) {
        buf->data[0] = '\0';
    }
}

void ph_buf_truncate(struct ph_buf *buf, size_t len)
{
    if (len < buf->len) {
        explicit_bzero(buf->data + len, buf->len - len);
        buf->len = len;
    }
}

/* Not realloc: it may leave a copy of a secret behind. */
static enum ph_err reserve(struct ph_buf *buf, size_t extra)
{
    if (extra > buf->max - buf->len) {
        return PH_ERR_LIMIT;
    }
    if (extra > PTRDIFF_MAX - 1 - buf->len) {
        return PH_ERR_MEMORY;
    }
    size_t need = buf->len + extra + 1;
    if (need <= buf->size) {
        return PH_OK;
    }
    size_t size = buf->size < 64 ? 64 : buf->size;
    while (size < need) {
        size = size > SIZE_MAX / 2 ? need : size * 2;
    }
    char *grown = malloc(size);
    if (grown == NULL) {
        return PH_ERR_MEMORY;
    }
    if (buf->data != NULL) {
        memcpy(grown, buf->data, buf->len + 1);
        explicit_bzero(buf->data, buf->size);
        free(buf->data);
    }
    buf->data = grown;
    buf->size = size;
    return PH_OK;
}

enum ph_err ph_buf_append(struct ph_buf *buf, const void *bytes, size_t len)
{
    enum ph_err err = reserve(buf, len);
    if (err != PH_OK) {
        return err;
    }
    if (len > 0) {
        memcpy(buf->data + buf->len, bytes, len);
    }
    buf->len += len;
    buf->data[buf->len] = '\0';
    return PH_OK;
}

enum ph_err ph_buf_append_text(struct ph_buf *buf, const char *text)
{
    return ph_buf_append(buf, text, strlen(text));
}

enum ph_err ph_buf_printf(struct ph_buf *buf, const char *format, ...)
{
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    enum ph_err err = len < 0 ? PH_ERR_INTERNAL : reserve(buf, (size_t)len);
    if (err == PH_OK) {
        (void)vsnprintf(buf->data + buf->len, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
    return err;
}
