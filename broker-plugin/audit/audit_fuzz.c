#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "broker-plugin/audit/audit_read.h"
#include "x509/digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    uint64_t records;
    uint64_t faults;
};

static void see_record(
    void *context, const struct ph_audit_record *record, const char *file, size_t line)
{
    struct seen *seen = context;
    seen->records++;
    if (!record->intact || record->seq == 0 || record->event[0] == '\0' || file == NULL ||
        line == 0 || strlen(record->prev) + 1 != PH_AUDIT_HASH_BYTES) {
        abort();
    }
    (void)ph_audit_record_text(record, "topic");
    (void)ph_audit_record_integer(record, "suppressed", 0);
}

static void see_fault(void *context, const struct ph_audit_fault *fault)
{
    struct seen *seen = context;
    seen->faults++;
    if (fault->text[0] == '\0' || strchr(fault->text, '\n') != NULL || fault->first > fault->last) {
        abort();
    }
}

static void read_bytes(const char *bytes, size_t len)
{
    struct seen seen = {.records = 0};
    struct ph_audit_summary summary = {.records = 0};
    const struct ph_audit_head head = {.seq = 3, .hash = PH_AUDIT_NO_HASH};
    const struct ph_audit_visitor visitor = {
        .record = see_record, .fault = see_fault, .context = &seen};
    if (ph_audit_read_bytes("f", bytes, len, &head, &visitor, &summary, NULL) != PH_OK ||
        summary.records != seen.records || summary.faults != seen.faults ||
        seen.faults == 0) { /* no record has that head */
        abort();
    }
}

/* Gives each line the hash of what stands before its own, or of all: a fuzzer cannot. */
static void seal_lines(const char *bytes, size_t len, struct ph_buf *out)
{
    while (len > 0) {
        const char *newline = memchr(bytes, '\n', len);
        size_t part = newline != NULL ? (size_t)(newline - bytes) : len;
        const char *old = memmem(bytes, part, ",\"hash\":\"", 9);
        size_t text = old != NULL ? (size_t)(old - bytes) : part;
        char hash[PH_SHA256_HEX_BYTES];
        if (!ph_sha256_hex(hash, bytes, text) || ph_buf_append(out, bytes, text) != PH_OK ||
            ph_buf_printf(out, ",\"hash\":\"%s\"}\n", hash) != PH_OK) {
            return;
        }
        part += newline != NULL ? 1 : 0;
        bytes += part;
        len -= part;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ph_buf sealed;
    ph_buf_init(&sealed, 1 << 20);
    read_bytes((const char *)data, size);
    seal_lines((const char *)data, size, &sealed);
    read_bytes(sealed.data != NULL ? sealed.data : "", sealed.len);
    ph_buf_fini(&sealed);
    return 0;
}
