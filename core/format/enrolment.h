/* What a device and the registrar say to each other (docs/spec/enrolment.md): JSON, strict, one
 * object a message, unknown members refused. */
#ifndef PH_FORMAT_ENROLMENT_H
#define PH_FORMAT_ENROLMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define PH_LIMIT_ASK_BYTES       49152 /* a request with a proof, with the escapes of JSON */
#define PH_LIMIT_ANSWER_BYTES    65536 /* an answer with a set of trusted CAs, the same */
#define PH_LIMIT_PROOF_BYTES     24576 /* a request and a chain, signed: 4 kB as a rule */
#define PH_LIMIT_STATEMENT_BYTES 49152 /* a signed statement, and the text in it */
#define PH_LIMIT_TRUST_BYTES     24576 /* the CAs of a trust statement: 30 of 800 bytes */
#define PH_LIMIT_HARDWARE_BYTES  128   /* a hardware's serial number */
#define PH_LIMIT_REASON_BYTES    256   /* why a request is refused */

#define PH_ASK_ID_BYTES 33 /* 16 random bytes in lower-case hexadecimal, terminated */

enum ph_ask_type {
    PH_ASK_ENROLL, /* a claim asks for a device's first certificate */
    PH_ASK_RENEW,  /* a device asks for its next one */
    PH_ASK_STATE,  /* a device says what it has; sent after each connect */
    PH_ASK_TIME,   /* a device asks what time it is */
};

/* A request; texts are borrowed from the parsed message, or from the caller. `id` is the device's
 * choice and comes back in the answer; to PH_ASK_TIME it is the nonce. */
struct ph_ask {
    enum ph_ask_type type;
    char id[PH_ASK_ID_BYTES];
    const char *csr;    /* ENROLL, RENEW: PEM */
    const char *kind;   /* ENROLL: what it says that it is; NULL: nothing */
    const char *name;   /* ENROLL: the same */
    const char *serial; /* ENROLL: its hardware's serial number, at most 128 bytes; may be NULL */
    const char *proof;  /* ENROLL: signed.h over the CSR's text, by the device's certificate that
                           has expired; NULL: none */
    const char
        *certificate;  /* STATE: fingerprint of its certificate in use, 64 hexadecimal digits */
    const char *trust; /* STATE: SHA-256 of its file of trusted CAs, the same */
};

/* Appends JSON: {"v":1,"ask":"renew","id":"...","csr":"-----BEGIN..."} and so on. A
 * member that the type does not have must be NULL or 0. PH_ERR_INTERNAL when a rule is broken;
 * `out` is then as it was. */
enum ph_err ph_ask_encode(
    const struct ph_ask *ask, struct ph_buf *out, struct ph_error *error) PH_NODISCARD;

/* Reads untrusted bytes: each member only where its type has it, within its bound and its grammar.
 * PH_ERR_INPUT or PH_ERR_LIMIT names the member. The message owns what the ask borrows; NULL after
 * an error. The functions for answers and statements below keep to the same. */
struct ph_ask_message;
enum ph_err ph_ask_parse(const void *bytes, size_t len, struct ph_ask_message **message,
    struct ph_ask *out, struct ph_error *error) PH_NODISCARD;
void ph_ask_message_free(struct ph_ask_message **message);

enum ph_answer_type {
    PH_ANSWER_CERTIFICATE, /* ENROLL, RENEW */
    PH_ANSWER_WAIT,        /* the same request again after retry_s */
    PH_ANSWER_REFUSED,     /* by a decision; asking the same again after retry_s at the earliest */
    PH_ANSWER_STATE,
    PH_ANSWER_TIME,
};

struct ph_answer {
    enum ph_answer_type type;
    char id[PH_ASK_ID_BYTES];
    const char *certificate; /* CERTIFICATE: PEM, leaf first, then the CAs below the root */
    const char *reason;      /* WAIT, REFUSED: one line of at most 256 bytes */
    int64_t retry_s;         /* WAIT, REFUSED: 1 to 2^31-1 */
    int64_t renew_ms;  /* CERTIFICATE, STATE: when to ask for the next one, unix ms; 0: not said */
    const char *trust; /* STATE: signed.h of a trust statement, when the device's is not current */
    const char *token; /* TIME: signed.h of a time statement */
};

/* Answers, to the same rules. */
enum ph_err ph_answer_encode(
    const struct ph_answer *answer, struct ph_buf *out, struct ph_error *error) PH_NODISCARD;

struct ph_answer_message;
/* Like ph_ask_parse(). */
enum ph_err ph_answer_parse(const void *bytes, size_t len, struct ph_answer_message **message,
    struct ph_answer *out, struct ph_error *error) PH_NODISCARD;
void ph_answer_message_free(struct ph_answer_message **message);

/* The text inside a signed time statement:
 *     {"v":1,"statement":"time","device":"acme/thermostat/t-0001",
 *      "nonce":"<id>","time":1790000000123}
 * It is for one device and one question, so that nobody can play it again. */
struct ph_time_statement {
    char device[200]; /* tenant/kind/device; PH_IDENTITY_BYTES fit */
    char nonce[PH_ASK_ID_BYTES];
    int64_t time_ms;
};
enum ph_err ph_time_statement_encode(const struct ph_time_statement *statement, struct ph_buf *out,
    struct ph_error *error) PH_NODISCARD;
enum ph_err ph_time_statement_parse(const void *bytes, size_t len, struct ph_time_statement *out,
    struct ph_error *error) PH_NODISCARD;

/* The text inside a signed trust statement, signed by a root that the device trusts already:
 *     {"v":1,"statement":"trust","number":3,"bundle":"# phonehome trusted CAs, number 3\n..."}
 * The bundle replaces the device's file of trusted CAs; numbers only grow, so that an old statement
 * changes nothing. */
struct ph_trust_statement {
    int64_t number;     /* from 1 */
    const char *bundle; /* PEM; on parsing borrowed from *message */
};
enum ph_err ph_trust_statement_encode(const struct ph_trust_statement *statement,
    struct ph_buf *out, struct ph_error *error) PH_NODISCARD;
struct ph_trust_message;
enum ph_err ph_trust_statement_parse(const void *bytes, size_t len,
    struct ph_trust_message **message, struct ph_trust_statement *out,
    struct ph_error *error) PH_NODISCARD;
void ph_trust_message_free(struct ph_trust_message **message);

/* The number in a bundle's first line, "# phonehome trusted CAs, number 3"; 0 when it has none: a
 * file of trusted CAs that no statement has replaced. `text` is terminated. */
int64_t ph_trust_bundle_number(const char *text);

#endif
