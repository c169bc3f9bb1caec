/* One line of an audit file, read back (docs/spec/audit.md). Bytes may be hostile. */
#ifndef PH_BROKER_PLUGIN_AUDIT_RECORD_H
#define PH_BROKER_PLUGIN_AUDIT_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "broker-plugin/audit/audit.h"
#include "format/json.h"

#define PH_AUDIT_LINE_BYTES 4096 /* the longest line, its newline included */

/* What the first record of all has for "prev". */
#define PH_AUDIT_NO_HASH "0000000000000000000000000000000000000000000000000000000000000000"

struct ph_audit_record {
    uint64_t seq;
    int64_t time_ms;
    const char *event;
    const char *prev;
    char hash[PH_AUDIT_HASH_BYTES]; /* as the line says */
    bool intact;                    /* and it is the hash of the line's text */
    struct ph_json *json;           /* owned: what the texts above point into */
};

/* Reads one line without its newline; the caller frees the record. PH_ERR_INPUT when it is none. A
 * line that was edited and is still a record is read, with `intact` false. */
enum ph_err ph_audit_record_parse(const char *bytes, size_t len, struct ph_audit_record *out,
    struct ph_error *error) PH_NODISCARD;

/* Releases what parse made; the record may be all zeros. */
void ph_audit_record_fini(struct ph_audit_record *record);

/* A field's text, borrowed; NULL when it is not there or not a text. A text that was too long for
 * its line is its beginning, and has a field "<key>_cut". */
const char *ph_audit_record_text(const struct ph_audit_record *record, const char *key);

/* A field's whole number; `fallback` when it is not there or not one. */
int64_t ph_audit_record_integer(
    const struct ph_audit_record *record, const char *key, int64_t fallback);

#endif
