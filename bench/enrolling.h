/* What a simulated device says to the registrar: keys and requests that are made beforehand, so
 * that they cost nothing while something is measured. */
#ifndef PH_BENCH_ENROLLING_H
#define PH_BENCH_ENROLLING_H

#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "client.h"
#include "domain/identity.h"
#include "format/enrolment.h"

/* A request, ready to be sent. */
struct ph_bench_ask {
    char id[PH_ASK_ID_BYTES];
    struct ph_buf json;
};

/* Makes a key and a request for it; the key is stored in `key_file` unless that is NULL. `identity`
 * is the request's subject where it renews, and what it asks for where it enrols. */
enum ph_err ph_bench_ask_make(struct ph_bench_ask *out, enum ph_ask_type type,
    const struct ph_identity *identity, const char *key_file, struct ph_error *error) PH_NODISCARD;

/* Says what the device has: the file of its certificate, and the SHA-256 of its file of trusted
 * CAs, in hexadecimal. */
enum ph_err ph_bench_ask_state(struct ph_bench_ask *out, const char *certificate,
    const char *trust_digest, struct ph_error *error) PH_NODISCARD;

void ph_bench_ask_free(struct ph_bench_ask *ask);

/* Stores without a sync of the disk: there are thousands. */
enum ph_err ph_bench_store(
    const char *path, const void *data, size_t len, struct ph_error *error) PH_NODISCARD;

/* Reads the answer to `ask`: `text` gets what it says, terminated: the certificate, or nothing for
 * the answer to a state. PH_ERR_NOT_FOUND when it answers something else; PH_ERR_DENIED with the
 * registrar's reason when it refuses or lets us wait. */
enum ph_err ph_bench_answer_read(const struct ph_bench_ask *ask,
    const struct ph_bench_client_message *message, struct ph_buf *text,
    struct ph_error *error) PH_NODISCARD;

#endif
