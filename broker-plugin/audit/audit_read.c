#include "broker-plugin/audit/audit_read.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/text.h"
#include "broker-plugin/audit/audit_chain.h"

#define CHUNK_BYTES 65536

/* Cuts a stream of bytes into lines. */
struct reader {
    struct ph_audit_chain chain;
    char line[PH_AUDIT_LINE_BYTES]; /* of a line that is longer, the beginning: enough to refuse it
                                     */
    size_t len;
    char chunk[CHUNK_BYTES];
};

static enum ph_err end_line(struct reader *reader, bool ended, struct ph_error *error)
{
    size_t len = reader->len;
    reader->len = 0;
    return ph_audit_chain_line(&reader->chain, reader->line, len, ended, error);
}

static enum ph_err feed(
    struct reader *reader, const char *bytes, size_t len, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    while (len > 0 && err == PH_OK) {
        const char *newline = memchr(bytes, '\n', len);
        size_t part = newline != NULL ? (size_t)(newline - bytes) : len;
        size_t room = sizeof reader->line - reader->len;
        size_t taken = part < room ? part : room;
        memcpy(reader->line + reader->len, bytes, taken);
        reader->len += taken;
        if (newline != NULL) {
            err = end_line(reader, true, error);
            part++;
        }
        bytes += part;
        len -= part;
    }
    return err;
}

static enum ph_err end_file(struct reader *reader, struct ph_error *error)
{
    enum ph_err err = reader->len > 0 ? end_line(reader, false, error) : PH_OK;
    ph_audit_chain_end(&reader->chain);
    return err;
}

static enum ph_err read_file(struct reader *reader, const char *path, struct ph_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum ph_err err = PH_OK;
    if (fd < 0) {
        return ph_error_set_errno(error, errno, "%s: open", path);
    }
    ph_audit_chain_begin(&reader->chain, path);
    while (err == PH_OK) {
        ssize_t got = read(fd, reader->chunk, sizeof reader->chunk);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            err = ph_error_set_errno(error, errno, "%s: read", path);
        }
        if (got <= 0) {
            break;
        }
        err = feed(reader, reader->chunk, (size_t)got, error);
    }
    if (err == PH_OK) {
        err = end_file(reader, error);
    }
    (void)close(fd);
    return err;
}

static enum ph_err reader_new(const struct ph_audit_head *head,
    const struct ph_audit_visitor *visitor, struct reader **out, struct ph_error *error)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "audit: out of memory");
    }
    (*out)->chain.visitor = visitor;
    (*out)->chain.want = head;
    return PH_OK;
}

static void finish(struct reader *reader, enum ph_err err, struct ph_audit_summary *out)
{
    if (err == PH_OK) {
        ph_audit_chain_finish(&reader->chain);
        *out = reader->chain.summary;
    }
    free(reader);
}

enum ph_err ph_audit_read(const char *const *files, size_t count, const struct ph_audit_head *head,
    const struct ph_audit_visitor *visitor, struct ph_audit_summary *out, struct ph_error *error)
{
    struct reader *reader = NULL;
    enum ph_err err = reader_new(head, visitor, &reader, error);
    if (err != PH_OK) {
        return err;
    }
    for (size_t i = 0; i < count && err == PH_OK; i++) {
        err = read_file(reader, files[i], error);
    }
    finish(reader, err, out);
    return err;
}

enum ph_err ph_audit_read_bytes(const char *name, const void *bytes, size_t len,
    const struct ph_audit_head *head, const struct ph_audit_visitor *visitor,
    struct ph_audit_summary *out, struct ph_error *error)
{
    struct reader *reader = NULL;
    enum ph_err err = reader_new(head, visitor, &reader, error);
    if (err != PH_OK) {
        return err;
    }
    ph_audit_chain_begin(&reader->chain, name);
    err = feed(reader, bytes, len, error);
    if (err == PH_OK) {
        err = end_file(reader, error);
    }
    finish(reader, err, out);
    return err;
}

enum ph_err ph_audit_head_parse(const char *text, struct ph_audit_head *out, struct ph_error *error)
{
    char seq[24];
    uint8_t digest[(PH_AUDIT_HASH_BYTES - 1) / 2];
    int64_t number = 0;
    size_t len = strcspn(text, ":");
    if (len < sizeof seq && text[len] == ':') {
        memcpy(seq, text, len);
        seq[len] = '\0';
        if (ph_text_to_int64(seq, 1, PH_LIMIT_SEQ, &number) &&
            ph_hex_decode(digest, sizeof digest, text + len + 1)) {
            out->seq = (uint64_t)number;
            ph_hex_encode(out->hash, digest, sizeof digest);
            return PH_OK;
        }
    }
    return ph_error_set(error, PH_ERR_USAGE,
        "head: want SEQ:HASH as the broker's log has it, have \"%.100s\"", text);
}
