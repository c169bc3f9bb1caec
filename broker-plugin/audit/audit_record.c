#include "broker-plugin/audit/audit_record.h"

#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "x509/digest.h"

#define HASH_DIGITS (PH_AUDIT_HASH_BYTES - 1)
#define HASH_START  ",\"hash\":\""
#define HASH_END    "\"}"
#define TAIL_BYTES  (sizeof HASH_START - 1 + HASH_DIGITS + sizeof HASH_END - 1)

static bool is_hash(const char *text, size_t len)
{
    return len == HASH_DIGITS && strspn(text, "0123456789abcdef") >= HASH_DIGITS;
}

/* Nothing but the member of the outermost object can spell this: inside a text the quotes would
 * have backslashes. */
static bool take_hash(const char *bytes, size_t len, char out[PH_AUDIT_HASH_BYTES])
{
    if (len <= TAIL_BYTES) {
        return false;
    }
    const char *tail = bytes + len - TAIL_BYTES;
    const char *digits = tail + sizeof HASH_START - 1;
    if (memcmp(tail, HASH_START, sizeof HASH_START - 1) != 0 ||
        memcmp(digits + HASH_DIGITS, HASH_END, sizeof HASH_END - 1) != 0) {
        return false;
    }
    memcpy(out, digits, HASH_DIGITS);
    out[HASH_DIGITS] = '\0';
    return is_hash(out, HASH_DIGITS);
}

static enum ph_err missing(const char *key, const char *want, struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_INPUT, "\"%s\": want %s", key, want);
}

static enum ph_err read_members(struct ph_audit_record *record, struct ph_error *error)
{
    const struct ph_json_value *seq = ph_json_member(ph_json_root(record->json), "seq");
    const char *time = ph_audit_record_text(record, "time");
    int64_t number = 0;
    record->event = ph_audit_record_text(record, "event");
    record->prev = ph_audit_record_text(record, "prev");
    if (seq == NULL || !ph_json_integer(seq, 1, PH_LIMIT_SEQ, &number)) {
        return missing("seq", "a whole number from 1", error);
    }
    if (time == NULL || ph_utc_parse(time, &record->time_ms, NULL) != PH_OK) {
        return missing("time", "a time such as 2026-11-22T19:02:16.123Z", error);
    }
    if (record->event == NULL || record->event[0] == '\0') {
        return missing("event", "a word", error);
    }
    if (record->prev == NULL || !is_hash(record->prev, strlen(record->prev))) {
        return missing("prev", "64 hexadecimal digits", error);
    }
    record->seq = (uint64_t)number;
    return PH_OK;
}

enum ph_err ph_audit_record_parse(
    const char *bytes, size_t len, struct ph_audit_record *out, struct ph_error *error)
{
    struct ph_audit_record record = {.seq = 0};
    char hash[PH_SHA256_HEX_BYTES];
    enum ph_err err = PH_OK;
    if (len >= PH_AUDIT_LINE_BYTES) {
        return ph_error_set(
            error, PH_ERR_INPUT, "longer than the %d bytes of a line", PH_AUDIT_LINE_BYTES);
    }
    if (!take_hash(bytes, len, record.hash)) {
        return missing("hash", "64 hexadecimal digits at the line's end", error);
    }
    if (!ph_sha256_hex(hash, bytes, len - TAIL_BYTES)) {
        return ph_error_set(error, PH_ERR_MEMORY, "audit: out of memory");
    }
    record.intact = strcmp(hash, record.hash) == 0;
    err = ph_json_parse(bytes, len, &record.json, error);
    if (err != PH_OK) {
        return err;
    }
    err = read_members(&record, error);
    if (err == PH_OK) {
        *out = record;
    } else {
        ph_audit_record_fini(&record);
    }
    return err;
}

void ph_audit_record_fini(struct ph_audit_record *record)
{
    ph_json_free(&record->json);
    *record = (struct ph_audit_record){.seq = 0};
}

const char *ph_audit_record_text(const struct ph_audit_record *record, const char *key)
{
    const struct ph_json_value *value = ph_json_member(ph_json_root(record->json), key);
    return value != NULL && ph_json_type(value) == PH_JSON_TEXT ? ph_json_text(value) : NULL;
}

int64_t ph_audit_record_integer(
    const struct ph_audit_record *record, const char *key, int64_t fallback)
{
    const struct ph_json_value *value = ph_json_member(ph_json_root(record->json), key);
    int64_t number = fallback;
    return value != NULL && ph_json_integer(value, -PH_LIMIT_SEQ, PH_LIMIT_SEQ, &number) ? number
                                                                                         : fallback;
}
