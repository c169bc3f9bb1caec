#include "enrolling.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/random.h"
#include "base/text.h"
#include "x509/certificate.h"
#include "x509/issue.h"
#include "x509/request.h"

enum ph_err ph_bench_store(const char *path, const void *data, size_t len, struct ph_error *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    enum ph_err err = PH_OK;
    if (fd < 0 || write(fd, data, len) != (ssize_t)len) {
        err = ph_error_set_errno(error, errno, "%s", path);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return err;
}

static void begin(struct ph_bench_ask *ask, enum ph_ask_type type, struct ph_ask *out)
{
    uint8_t bytes[(PH_ASK_ID_BYTES - 1) / 2];
    ph_random_bytes(bytes, sizeof bytes);
    ph_hex_encode(ask->id, bytes, sizeof bytes);
    ph_buf_init(&ask->json, PH_LIMIT_ASK_BYTES);
    *out = (struct ph_ask){.type = type};
    memcpy(out->id, ask->id, sizeof out->id);
}

static enum ph_err make_key(const char *file, struct ph_key **key, struct ph_error *error)
{
    struct ph_buf text;
    ph_buf_init(&text, PH_LIMIT_CERTIFICATE_BYTES);
    enum ph_err err = ph_key_new(key, error);
    if (err == PH_OK && file != NULL) {
        err = ph_key_print(*key, &text, error);
    }
    if (err == PH_OK && file != NULL) {
        err = ph_bench_store(file, text.data, text.len, error);
    }
    ph_buf_fini(&text);
    return err;
}

enum ph_err ph_bench_ask_make(struct ph_bench_ask *out, enum ph_ask_type type,
    const struct ph_identity *identity, const char *key_file, struct ph_error *error)
{
    struct ph_ask ask;
    struct ph_key *key = NULL;
    struct ph_buf csr;
    bool enrolls = type == PH_ASK_ENROLL;
    begin(out, type, &ask);
    ph_buf_init(&csr, PH_LIMIT_CERTIFICATE_BYTES);
    enum ph_err err = make_key(key_file, &key, error);
    if (err == PH_OK) {
        err = ph_request_make(key, enrolls ? NULL : identity, &csr, error);
    }
    if (err == PH_OK) {
        ask.csr = csr.data;
        ask.kind = enrolls ? identity->kind : NULL;
        ask.name = enrolls ? identity->device : NULL;
        err = ph_ask_encode(&ask, &out->json, error);
    }
    ph_buf_fini(&csr);
    ph_key_free(&key);
    return err;
}

enum ph_err ph_bench_ask_state(struct ph_bench_ask *out, const char *certificate,
    const char *trust_digest, struct ph_error *error)
{
    struct ph_ask ask;
    struct ph_certificate *parsed = NULL;
    struct ph_certificate_facts facts;
    begin(out, PH_ASK_STATE, &ask);
    enum ph_err err = ph_certificate_load(certificate, &parsed, error);
    if (err == PH_OK) {
        err = ph_certificate_facts(parsed, &facts, error);
    }
    if (err == PH_OK) {
        ask.certificate = facts.fingerprint;
        ask.trust = trust_digest;
        err = ph_ask_encode(&ask, &out->json, error);
    }
    ph_certificate_free(&parsed);
    return err;
}

void ph_bench_ask_free(struct ph_bench_ask *ask)
{
    ph_buf_fini(&ask->json);
}

static enum ph_err take(const struct ph_answer *answer, struct ph_buf *text, struct ph_error *error)
{
    switch (answer->type) {
    case PH_ANSWER_CERTIFICATE:
        return ph_buf_append(text, answer->certificate, strlen(answer->certificate));
    case PH_ANSWER_WAIT:
    case PH_ANSWER_REFUSED:
        return ph_error_set(error, PH_ERR_DENIED, "the registrar: %s", answer->reason);
    default:
        return PH_OK;
    }
}

enum ph_err ph_bench_answer_read(const struct ph_bench_ask *ask,
    const struct ph_bench_client_message *message, struct ph_buf *text, struct ph_error *error)
{
    struct ph_answer answer = {0};
    struct ph_answer_message *parsed = NULL;
    enum ph_err err =
        ph_answer_parse(message->payload, message->payload_len, &parsed, &answer, error);
    if (err == PH_OK && strcmp(answer.id, ask->id) != 0) {
        err = ph_error_set(error, PH_ERR_NOT_FOUND, "an answer to another request");
    }
    if (err == PH_OK) {
        err = take(&answer, text, error);
    }
    ph_answer_message_free(&parsed);
    return err;
}
