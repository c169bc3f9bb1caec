/* Follows the chain through the lines of audit files, whatever was done to them. Internal to
 * audit_read.c. */
#ifndef PH_BROKER_PLUGIN_AUDIT_CHAIN_H
#define PH_BROKER_PLUGIN_AUDIT_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "broker-plugin/audit/audit_read.h"

/* A record that others may follow; an empty hash is followed by any. */
struct ph_audit_place {
    bool set;
    uint64_t seq;
    char hash[PH_AUDIT_HASH_BYTES];
    const char *file;
    size_t line;
};

/* Records that are missing before a line. */
struct ph_audit_gap {
    uint64_t first;
    uint64_t last;
    size_t line;
};

#define PH_AUDIT_GAPS                                                                              \
    32 /* in one file, while it is not known whether the missing ones come later */

struct ph_audit_chain {
    const struct ph_audit_visitor *visitor;
    const struct ph_audit_head *want; /* NULL: none */
    bool want_met;
    const char *file;
    size_t line;
    bool begun;                 /* a record of this file was placed */
    struct ph_audit_place main; /* where the chain has come to */
    struct ph_audit_place side; /* where a moved or copied block has */
    uint64_t unreadable;        /* lines since the last record */
    struct ph_audit_fault held; /* an unreadable line that the next may explain; line 0: none */
    struct ph_audit_gap gaps[PH_AUDIT_GAPS];
    size_t gap_count;
    struct ph_audit_summary summary;
};

/* Starts the next file; `name` is borrowed to the end. */
void ph_audit_chain_begin(struct ph_audit_chain *chain, const char *name);

/* Takes a line without its newline; `ended` is false for one that the file ends in. PH_ERR_MEMORY.
 */
enum ph_err ph_audit_chain_line(struct ph_audit_chain *chain, const char *bytes, size_t len,
    bool ended, struct ph_error *error) PH_NODISCARD;

/* Ends the file: what is still missing is told. */
void ph_audit_chain_end(struct ph_audit_chain *chain);

/* Ends the chain and completes the summary. */
void ph_audit_chain_finish(struct ph_audit_chain *chain);

#endif
