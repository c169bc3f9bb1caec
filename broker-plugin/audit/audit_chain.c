#include "broker-plugin/audit/audit_chain.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

const char *ph_audit_fault_name(enum ph_audit_fault_kind kind)
{
    switch (kind) {
    case PH_AUDIT_EDITED:
        return "edited";
    case PH_AUDIT_REMOVED:
        return "removed";
    case PH_AUDIT_REORDERED:
        return "reordered";
    case PH_AUDIT_COPIED:
        return "copied";
    case PH_AUDIT_UNREADABLE:
        return "unreadable";
    case PH_AUDIT_TORN:
        return "torn";
    case PH_AUDIT_OTHER_CHAIN:
        return "other-chain";
    case PH_AUDIT_HEAD:
        return "head";
    }
    return "unknown";
}

/* ---- faults ---- */

static void tell(struct ph_audit_chain *chain, const struct ph_audit_fault *fault)
{
    chain->summary.faults++;
    chain->visitor->fault(chain->visitor->context, fault);
}

/* At the present line, or another one. */
static struct ph_audit_fault make_fault(const struct ph_audit_chain *chain,
    enum ph_audit_fault_kind kind, uint64_t first, uint64_t last, const char *format, ...)
    PH_PRINTF(5, 6);

static struct ph_audit_fault make_fault(const struct ph_audit_chain *chain,
    enum ph_audit_fault_kind kind, uint64_t first, uint64_t last, const char *format, ...)
{
    struct ph_audit_fault fault = {
        .kind = kind, .file = chain->file, .line = chain->line, .first = first, .last = last};
    char raw[sizeof fault.text];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    ph_text_escape(fault.text, sizeof fault.text, raw);
    return fault;
}

static void tell_removed(struct ph_audit_chain *chain, const struct ph_audit_gap *gap)
{
    struct ph_audit_fault fault =
        gap->first == gap->last
            ? make_fault(chain, PH_AUDIT_REMOVED, gap->first, gap->last,
                  "record %" PRIu64 " is missing before this line", gap->first)
            : make_fault(chain, PH_AUDIT_REMOVED, gap->first, gap->last,
                  "records %" PRIu64 " to %" PRIu64 " are missing before this line", gap->first,
                  gap->last);
    fault.line = gap->line;
    tell(chain, &fault);
}

static void tell_gaps(struct ph_audit_chain *chain)
{
    for (size_t i = 0; i < chain->gap_count; i++) {
        tell_removed(chain, &chain->gaps[i]);
    }
    chain->gap_count = 0;
}

static void add_gap(struct ph_audit_chain *chain, uint64_t first, uint64_t last, size_t line)
{
    if (chain->gap_count == PH_AUDIT_GAPS) {
        tell_removed(chain, &chain->gaps[0]);
        chain->gap_count--;
        memmove(chain->gaps, chain->gaps + 1, chain->gap_count * sizeof chain->gaps[0]);
    }
    chain->gaps[chain->gap_count++] =
        (struct ph_audit_gap){.first = first, .last = last, .line = line};
}

/* True when the record was missing, and now no longer is. */
static bool take_from_gap(struct ph_audit_chain *chain, uint64_t seq)
{
    for (size_t i = 0; i < chain->gap_count; i++) {
        struct ph_audit_gap gap = chain->gaps[i];
        if (seq < gap.first || seq > gap.last) {
            continue;
        }
        chain->gap_count--;
        memmove(
            chain->gaps + i, chain->gaps + i + 1, (chain->gap_count - i) * sizeof chain->gaps[0]);
        if (seq > gap.first) {
            add_gap(chain, gap.first, seq - 1, gap.line);
        }
        if (seq < gap.last) {
            add_gap(chain, seq + 1, gap.last, gap.line);
        }
        return true;
    }
    return false;
}

/* ---- records ---- */

static bool continues(const struct ph_audit_place *place, const struct ph_audit_record *record)
{
    return record->seq == place->seq + 1 &&
           (place->hash[0] == '\0' || strcmp(record->prev, place->hash) == 0);
}

static void move_to(struct ph_audit_place *place, const struct ph_audit_chain *chain,
    const struct ph_audit_record *record)
{
    place->set = true;
    place->seq = record->seq;
    memcpy(
        place->hash, record->intact ? record->hash : "", record->intact ? sizeof record->hash : 1);
    place->file = chain->file;
    place->line = chain->line;
}

static void advance(struct ph_audit_chain *chain, const struct ph_audit_record *record)
{
    move_to(&chain->main, chain, record);
    chain->side.set = false;
    chain->summary.last_ms = record->time_ms;
}

/* Missing records may be the unreadable lines, which were told already. */
static void skip_to(struct ph_audit_chain *chain, const struct ph_audit_record *record)
{
    if (record->seq - chain->main.seq - 1 > chain->unreadable) {
        add_gap(chain, chain->main.seq + 1, record->seq - 1, chain->line);
    }
    advance(chain, record);
}

/* The right number after the wrong record. */
static void tell_mismatch(struct ph_audit_chain *chain, const struct ph_audit_record *record)
{
    uint64_t seq = record->seq;
    struct ph_audit_fault fault = chain->begun
                                      ? make_fault(chain, PH_AUDIT_EDITED, seq - 1, seq,
                                            "record %" PRIu64 " does not follow record %" PRIu64
                                            " at line %zu: one of them was written anew",
                                            seq, seq - 1, chain->main.line)
                                      : make_fault(chain, PH_AUDIT_OTHER_CHAIN, seq, seq,
                                            "record %" PRIu64 " does not follow record %" PRIu64
                                            " of the file before: another chain",
                                            seq, seq - 1);
    tell(chain, &fault);
}

static void tell_stray(struct ph_audit_chain *chain, enum ph_audit_fault_kind kind, uint64_t seq)
{
    static const char *const texts[] = {
        [PH_AUDIT_REORDERED] = "was moved",
        [PH_AUDIT_COPIED] = "copied, or of another chain",
        [PH_AUDIT_OTHER_CHAIN] = "another chain, or files in the wrong order",
    };
    struct ph_audit_fault fault =
        make_fault(chain, kind, seq, seq, "record %" PRIu64 " stands behind record %" PRIu64 ": %s",
            seq, chain->main.seq, texts[kind]);
    tell(chain, &fault);
}

static void place_record(struct ph_audit_chain *chain, const struct ph_audit_record *record)
{
    if (!chain->main.set || continues(&chain->main, record)) {
        advance(chain, record);
    } else if (chain->side.set && continues(&chain->side, record)) {
        (void)take_from_gap(chain, record->seq); /* one fault for a block */
        move_to(&chain->side, chain, record);
    } else if (take_from_gap(chain, record->seq)) {
        tell_stray(chain, PH_AUDIT_REORDERED, record->seq);
        move_to(&chain->side, chain, record);
    } else if (record->seq > chain->main.seq + 1) {
        skip_to(chain, record);
    } else if (record->seq == chain->main.seq + 1) {
        tell_mismatch(chain, record);
        advance(chain, record);
    } else if (!chain->begun) {
        tell_stray(chain, PH_AUDIT_OTHER_CHAIN, record->seq);
        advance(chain, record);
    } else {
        tell_stray(chain, PH_AUDIT_COPIED, record->seq);
        move_to(&chain->side, chain, record);
    }
    chain->begun = true;
}

static void check_head(struct ph_audit_chain *chain, const struct ph_audit_record *record)
{
    if (chain->want == NULL || chain->want->seq != record->seq || chain->want_met) {
        return;
    }
    chain->want_met = true;
    if (strcmp(chain->want->hash, record->hash) != 0) {
        struct ph_audit_fault fault = make_fault(chain, PH_AUDIT_HEAD, record->seq, record->seq,
            "record %" PRIu64 " is not the one of that head: the file was cut off and written anew",
            record->seq);
        tell(chain, &fault);
    }
}

static void count(struct ph_audit_summary *summary, const struct ph_audit_record *record)
{
    if (summary->records == 0) {
        summary->first_seq = record->seq;
        summary->first_ms = record->time_ms;
        memcpy(summary->continues, record->prev, sizeof summary->continues);
    }
    summary->records++;
    if (strcmp(record->event, "lost") == 0) {
        int64_t lost = ph_audit_record_integer(record, "records", 0);
        summary->lost += lost > 0 ? (uint64_t)lost : 0;
    }
}

/* The line that is held back was the plugin's own, cut off by a crash, when the record behind it
 * says so; `record` may be NULL. */
static void settle(struct ph_audit_chain *chain, const struct ph_audit_record *record)
{
    if (chain->held.line == 0) {
        return;
    }
    bool told = record != NULL && record->intact && strcmp(record->event, "torn") == 0 &&
                (!chain->main.set || continues(&chain->main, record));
    if (told) {
        chain->summary.torn++;
    } else {
        tell(chain, &chain->held);
        chain->unreadable++;
    }
    chain->held.line = 0;
}

static void take_edited(struct ph_audit_chain *chain, const struct ph_audit_record *record)
{
    struct ph_audit_fault fault = make_fault(chain, PH_AUDIT_EDITED, record->seq, record->seq,
        "record %" PRIu64 " was edited: the hash is not that of its text", record->seq);
    tell(chain, &fault);
    if (!chain->main.set || record->seq == chain->main.seq + 1) {
        advance(chain, record);
        chain->begun = true;
    } else {
        chain->unreadable++;
    }
}

static void take_record(struct ph_audit_chain *chain, const struct ph_audit_record *record)
{
    settle(chain, record);
    if (!record->intact) {
        take_edited(chain, record);
        return;
    }
    place_record(chain, record);
    chain->unreadable = 0;
    check_head(chain, record);
    count(&chain->summary, record);
    if (chain->visitor->record != NULL) {
        chain->visitor->record(chain->visitor->context, record, chain->file, chain->line);
    }
}

/* ---- files ---- */

void ph_audit_chain_begin(struct ph_audit_chain *chain, const char *name)
{
    chain->file = name;
    chain->line = 0;
    chain->begun = false;
    chain->unreadable = 0;
}

enum ph_err ph_audit_chain_line(
    struct ph_audit_chain *chain, const char *bytes, size_t len, bool ended, struct ph_error *error)
{
    struct ph_audit_record record = {.seq = 0};
    struct ph_error reason = {0};
    chain->line++;
    enum ph_err err = ph_audit_record_parse(bytes, len, &record, &reason);
    if (err == PH_ERR_MEMORY) {
        return ph_error_set(error, err, "%s: %s", chain->file, reason.message);
    }
    if (err == PH_OK && ended) {
        take_record(chain, &record);
    } else {
        settle(chain, NULL);
        chain->held =
            ended ? make_fault(chain, PH_AUDIT_UNREADABLE, 0, 0, "not a record: %s", reason.message)
                  : make_fault(chain, PH_AUDIT_TORN, 0, 0,
                        "the last line has no end: a crash, or the file was cut off");
    }
    ph_audit_record_fini(&record);
    return PH_OK;
}

void ph_audit_chain_end(struct ph_audit_chain *chain)
{
    settle(chain, NULL);
    tell_gaps(chain);
    chain->side.set = false;
}

void ph_audit_chain_finish(struct ph_audit_chain *chain)
{
    struct ph_audit_summary *summary = &chain->summary;
    if (chain->want != NULL && !chain->want_met) {
        uint64_t seq = chain->want->seq;
        struct ph_audit_fault fault =
            seq > chain->main.seq
                ? make_fault(chain, PH_AUDIT_HEAD, chain->main.seq + 1, seq,
                      "ends with record %" PRIu64 ", the head is %" PRIu64
                      ": cut off at its end, or a later file was not given",
                      chain->main.seq, seq)
                : make_fault(chain, PH_AUDIT_HEAD, seq, seq,
                      "record %" PRIu64 " of the head is not there: removed, or in a file that was "
                      "not given",
                      seq);
        tell(chain, &fault);
    }
    summary->head.seq = chain->main.seq;
    memcpy(summary->head.hash, chain->main.hash[0] != '\0' ? chain->main.hash : PH_AUDIT_NO_HASH,
        sizeof summary->head.hash);
}
