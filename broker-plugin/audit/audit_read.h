/* Reads audit files and checks their chain: what `ph-policy audit verify` and `ph-policy replay`
 * share (docs/spec/audit.md). Files may be of any size; memory is bounded. */
#ifndef PH_BROKER_PLUGIN_AUDIT_READ_H
#define PH_BROKER_PLUGIN_AUDIT_READ_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "broker-plugin/audit/audit.h"
#include "broker-plugin/audit/audit_record.h"

enum ph_audit_fault_kind {
    PH_AUDIT_EDITED,      /* a record whose text or whose neighbour was changed */
    PH_AUDIT_REMOVED,     /* records that are missing before this line */
    PH_AUDIT_REORDERED,   /* a record that stands behind later ones */
    PH_AUDIT_COPIED,      /* a record that is there again, or of another chain */
    PH_AUDIT_UNREADABLE,  /* a line that is not a record */
    PH_AUDIT_TORN,        /* a last line without its end, which the plugin has not yet closed */
    PH_AUDIT_OTHER_CHAIN, /* a file that does not continue the one before */
    PH_AUDIT_HEAD,        /* the record that the head names is missing or another */
};

/* Such as "edited". Never NULL. */
const char *ph_audit_fault_name(enum ph_audit_fault_kind kind);

struct ph_audit_fault {
    enum ph_audit_fault_kind kind;
    const char *file;
    size_t line;    /* from 1; 0 when the file has none */
    uint64_t first; /* the records in question, by their seq; 0: not known */
    uint64_t last;
    char text[256]; /* what is wrong, one line */
};

struct ph_audit_visitor {
    /* Each record whose hash is its own, in the order of the files; NULL: not wanted. Borrowed for
     * the call. */
    void (*record)(
        void *context, const struct ph_audit_record *record, const char *file, size_t line);
    /* Each fault; those about missing records at the end of their file. */
    void (*fault)(void *context, const struct ph_audit_fault *fault);
    void *context;
};

struct ph_audit_summary {
    uint64_t records; /* as many as were given to the visitor */
    uint64_t faults;
    uint64_t lost;      /* records that the plugin says it could not write */
    uint64_t torn;      /* lines that a crash cut off and that the plugin told of: no faults */
    uint64_t first_seq; /* 0: no records */
    int64_t first_ms;
    int64_t last_ms;
    char continues[PH_AUDIT_HASH_BYTES]; /* "prev" of the first record */
    struct ph_audit_head head;           /* the chain's end: seq of the last record, and its hash */
};

/* Reads the files in the order given, which is that of rotation: the oldest first. `head` (may be
 * NULL) is one that the plugin wrote to the broker's log: its record must be there. Faults are
 * counted, not returned; an error is a file that cannot be read, or want of memory. */
enum ph_err ph_audit_read(const char *const *files, size_t count, const struct ph_audit_head *head,
    const struct ph_audit_visitor *visitor, struct ph_audit_summary *out,
    struct ph_error *error) PH_NODISCARD;

/* The same for the bytes of one file. */
enum ph_err ph_audit_read_bytes(const char *name, const void *bytes, size_t len,
    const struct ph_audit_head *head, const struct ph_audit_visitor *visitor,
    struct ph_audit_summary *out, struct ph_error *error) PH_NODISCARD;

/* Reads "SEQ:HASH", as the plugin logs it. PH_ERR_USAGE. */
enum ph_err ph_audit_head_parse(
    const char *text, struct ph_audit_head *out, struct ph_error *error) PH_NODISCARD;

#endif
