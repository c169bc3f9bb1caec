#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/text.h"

/* The analyzer's view of these three is for their callers. */
#undef ph_error_set
#undef ph_error_set_errno
#undef ph_error_prefix

static enum ph_err record(struct ph_error *error, enum ph_err code, const char *raw)
{
    error->code = code;
    ph_text_escape(error->message, sizeof error->message, raw);
    return code;
}

enum ph_err ph_error_set(struct ph_error *error, enum ph_err code, const char *format, ...)
{
    if (error == NULL || error->code != PH_OK) {
        return code;
    }
    char raw[PH_ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    return record(error, code, raw);
}

static enum ph_err code_of_errno(int errnum)
{
    switch (errnum) {
    case EACCES:
    case EPERM:
    case EROFS:
        return PH_ERR_PERMISSION;
    case ENOENT:
        return PH_ERR_NOT_FOUND;
    case EEXIST:
        return PH_ERR_EXISTS;
    case ENOMEM:
        return PH_ERR_MEMORY;
    default:
        return PH_ERR_IO;
    }
}

enum ph_err ph_error_set_errno(struct ph_error *error, int errnum, const char *format, ...)
{
    enum ph_err code = code_of_errno(errnum);
    if (error == NULL || error->code != PH_OK) {
        return code;
    }
    char what[PH_ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    char raw[PH_ERROR_MESSAGE_BYTES];
    char reason[128];
    int len =
        snprintf(raw, sizeof raw, "%.600s: %s", what, strerror_r(errnum, reason, sizeof reason));
    (void)len;
    return record(error, code, raw);
}

enum ph_err ph_error_prefix(struct ph_error *error, enum ph_err fallback, const char *format, ...)
{
    if (error == NULL) {
        return fallback;
    }
    char context[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(context, sizeof context, format, args);
    va_end(args);
    char raw[PH_ERROR_MESSAGE_BYTES + sizeof context + 2];
    (void)snprintf(raw, sizeof raw, "%s: %s", context, error->message);
    return record(error, error->code == PH_OK ? fallback : error->code, raw);
}

void ph_error_clear(struct ph_error *error)
{
    if (error != NULL) {
        *error = (struct ph_error){0};
    }
}

const char *ph_err_name(enum ph_err code)
{
    switch (code) {
    case PH_OK:
        return "ok";
    case PH_ERR_USAGE:
        return "usage";
    case PH_ERR_CONFIG:
        return "config";
    case PH_ERR_INPUT:
        return "input";
    case PH_ERR_LIMIT:
        return "limit";
    case PH_ERR_DENIED:
        return "denied";
    case PH_ERR_NOT_FOUND:
        return "not-found";
    case PH_ERR_EXISTS:
        return "exists";
    case PH_ERR_PERMISSION:
        return "permission";
    case PH_ERR_IO:
        return "io";
    case PH_ERR_BUSY:
        return "busy";
    case PH_ERR_UNAVAILABLE:
        return "unavailable";
    case PH_ERR_MEMORY:
        return "memory";
    case PH_ERR_FAULT:
        return "fault";
    case PH_ERR_INTERNAL:
        return "internal";
    }
    return "unknown";
}

int ph_err_exit_status(enum ph_err code)
{
    switch (code) {
    case PH_OK:
        return EX_OK;
    case PH_ERR_USAGE:
        return EX_USAGE;
    case PH_ERR_CONFIG:
        return EX_CONFIG;
    case PH_ERR_INPUT:
    case PH_ERR_LIMIT:
        return EX_DATAERR;
    case PH_ERR_FAULT:
        return EXIT_FAILURE;
    case PH_ERR_NOT_FOUND:
        return EX_NOINPUT;
    case PH_ERR_EXISTS:
        return EX_CANTCREAT;
    case PH_ERR_DENIED:
    case PH_ERR_PERMISSION:
        return EX_NOPERM;
    case PH_ERR_IO:
        return EX_IOERR;
    case PH_ERR_BUSY:
        return EX_TEMPFAIL;
    case PH_ERR_UNAVAILABLE:
        return EX_UNAVAILABLE;
    case PH_ERR_MEMORY:
        return EX_OSERR;
    case PH_ERR_INTERNAL:
        return EX_SOFTWARE;
    }
    return EX_SOFTWARE;
}
