/* Errors: a closed set of codes, and a caller-owned record that carries one sentence of context.
 *
 * The sentence is written once, where the error is found, in the form
 *     <file, topic or thing>: <rule>: <what is wrong, what to do>
 * Callers may put their own context in front of it; nobody replaces it. Libraries never print and
 * never exit. */
#ifndef PH_BASE_ERROR_H
#define PH_BASE_ERROR_H

#include "base/attr.h"

enum ph_err {
    PH_OK = 0,
    PH_ERR_USAGE,  /* the command line is wrong */
    PH_ERR_CONFIG, /* a configuration or policy file is wrong */
    PH_ERR_INPUT, /* bytes from outside break their format: certificate, message, topic, database */
    PH_ERR_LIMIT, /* well-formed, but beyond a ceiling of limits.h */
    PH_ERR_DENIED,      /* well-formed, but not permitted: policy, chain, validity, revocation */
    PH_ERR_NOT_FOUND,   /* the named thing does not exist */
    PH_ERR_EXISTS,      /* the named thing exists and is not overwritten */
    PH_ERR_PERMISSION,  /* file mode or ownership, or the system refused access */
    PH_ERR_IO,          /* reading or writing failed, disk full included */
    PH_ERR_BUSY,        /* locked, or in use by another process; trying again may help */
    PH_ERR_UNAVAILABLE, /* the network or a peer: trying again may help */
    PH_ERR_MEMORY,      /* allocation failed */
    PH_ERR_FAULT,       /* a check or a run was made, and found what should not be */
    PH_ERR_INTERNAL,    /* a broken invariant or a library that failed for no stated reason */
};

#define PH_ERROR_MESSAGE_BYTES 768

/* Zero-initialise before use ("struct ph_error error = {0}"); no release needed. */
struct ph_error {
    enum ph_err code;
    char message[PH_ERROR_MESSAGE_BYTES]; /* one line, printable UTF-8, "" when code is PH_OK */
};

/* Records the first error: when `error` already holds one it stays as it is. `error` may be NULL.
 * Control bytes and invalid UTF-8 in the formatted text become \xNN, so a hostile string cannot
 * forge a second line. Returns `code`, so that a function can end with "return ph_error_set(...)".
 */
enum ph_err ph_error_set(struct ph_error *error, enum ph_err code, const char *format, ...)
    PH_PRINTF(3, 4);

/* The same with ": <strerror(errnum)>" appended, and the code chosen from errnum: EACCES, EPERM and
 * EROFS are PH_ERR_PERMISSION, ENOENT PH_ERR_NOT_FOUND, EEXIST PH_ERR_EXISTS, ENOMEM PH_ERR_MEMORY,
 * anything else PH_ERR_IO. */
enum ph_err ph_error_set_errno(struct ph_error *error, int errnum, const char *format, ...)
    PH_PRINTF(3, 4);

/* Puts "<context>: " in front of the recorded message and returns its code. `error` may be NULL
 * (returns fallback). */
enum ph_err ph_error_prefix(struct ph_error *error, enum ph_err fallback, const char *format, ...)
    PH_PRINTF(3, 4);

/* Forgets the recorded error, so that the record can be used again. NULL is allowed. */
void ph_error_clear(struct ph_error *error);

/* The name of a code as it appears in logs, such as "denied". Never NULL. */
const char *ph_err_name(enum ph_err code);

/* The process exit status for a code, after sysexits(3); the table is in docs/spec/exit-codes.md.
 */
int ph_err_exit_status(enum ph_err code);

#ifdef __clang_analyzer__
/* What the analyzer cannot see from another file: none of the three returns PH_OK. */
static inline enum ph_err ph_err_assume_failed(enum ph_err err)
{
    if (err == PH_OK) {
        __builtin_unreachable();
    }
    return err;
}
#define ph_error_set(...)       ph_err_assume_failed(ph_error_set(__VA_ARGS__))
#define ph_error_set_errno(...) ph_err_assume_failed(ph_error_set_errno(__VA_ARGS__))
#define ph_error_prefix(...)    ph_err_assume_failed(ph_error_prefix(__VA_ARGS__))
#endif

#endif
