#include "ingest/letter_print.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "format/stream.h"
#include "ingest/output.h"

enum { DUMP_BYTES = 16, PROVENANCE_COLUMNS = 2 };

/* What a letter is beside its texts, ready to be printed. */
struct facts {
    char received[PH_UTC_BYTES];
    char device[PH_IDENTITY_BYTES]; /* "" when the topic names none */
    char stream[PH_STREAM_BYTES];   /* "" without a range */
    const char *fingerprint;        /* or NULL */
    const char *unvouched;          /* or NULL */
};

static struct facts facts_of(const struct ph_kept_letter *letter)
{
    const struct ph_provenance *provenance = &letter->provenance;
    struct facts facts = {.unvouched = ph_provenance_reason(provenance->state)};
    ph_utc_print(facts.received, letter->received_ms);
    if (letter->identity != NULL) {
        ph_identity_print(facts.device, sizeof facts.device, letter->identity);
    }
    if (letter->has_range) {
        ph_stream_print(facts.stream, letter->stream);
    }
    if (facts.unvouched == NULL && provenance->fingerprint[0] != '\0') {
        facts.fingerprint = provenance->fingerprint;
    }
    return facts;
}

static enum ph_err failed(
    const struct ph_kept_letter *letter, enum ph_err err, struct ph_error *error)
{
    return err == PH_OK ? PH_OK
                        : ph_error_set(error, err, "dead letter %" PRId64 ": %s", letter->id,
                              err == PH_ERR_MEMORY ? "out of memory" : "too large to be printed");
}

/* Room for the payload with every byte escaped, and for all the rest. */
static void init_buf(struct ph_buf *buf, const struct ph_kept_letter *letter)
{
    ph_buf_init(buf, 8 * letter->payload_len + (1U << 20));
}

/* "1042-1042 1044-1050" */
static enum ph_err append_ranges(struct ph_buf *buf, const struct ph_kept_letter *letter)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < letter->range_count && err == PH_OK; i++) {
        err = ph_buf_printf(buf, "%s%" PRId64 "-%" PRId64, i == 0 ? "" : " ",
            letter->ranges[i].first, letter->ranges[i].last);
    }
    return err;
}

static bool is_json_text(const void *bytes, size_t len)
{
    return ph_text_utf8_valid(bytes, len) && (len == 0 || memchr(bytes, '\0', len) == NULL);
}

/* The payload as a terminated text, escaped where it is none; the caller's, NULL without memory. */
static char *payload_text(const struct ph_kept_letter *letter)
{
    bool text = is_json_text(letter->payload, letter->payload_len);
    size_t size = (text ? 1 : 4) * letter->payload_len + 1;
    char *out = malloc(size);
    if (out != NULL && text) {
        out[0] = '\0';
        if (letter->payload_len > 0) {
            memcpy(out, letter->payload, letter->payload_len);
            out[letter->payload_len] = '\0';
        }
    } else if (out != NULL) {
        ph_text_escape_bytes(out, size, letter->payload, letter->payload_len);
    }
    return out;
}

static const struct ph_column list_columns[] = {
    {"id", NULL, PH_CELL_INTEGER},
    {"received", NULL, PH_CELL_TIME},
    {"device", NULL, PH_CELL_TEXT},
    {"stream", NULL, PH_CELL_TEXT},
    {"readings", NULL, PH_CELL_TEXT},
    {"reason", NULL, PH_CELL_TEXT},
    {"bytes", NULL, PH_CELL_INTEGER},
    {"topic", NULL, PH_CELL_TEXT},
    {"payload", NULL, PH_CELL_TEXT},
    {"fingerprint", NULL, PH_CELL_TEXT},
    {"unvouched", NULL, PH_CELL_TEXT},
};
enum { LIST_COLUMNS = sizeof list_columns / sizeof list_columns[0] };

enum ph_err ph_letter_list_begin(const struct ph_letter_list *list, struct ph_error *error)
{
    return list->rows.begin(list->rows.context, list_columns,
        LIST_COLUMNS - (list->provenance ? 0 : PROVENANCE_COLUMNS), error);
}

static struct ph_cell text_cell(const char *text)
{
    return text != NULL && text[0] != '\0' ? (struct ph_cell){.type = PH_CELL_TEXT, .text = text}
                                           : (struct ph_cell){.type = PH_CELL_NULL};
}

static struct ph_cell number_cell(enum ph_cell_type type, int64_t value)
{
    return (struct ph_cell){.type = type, .integer = value};
}

enum ph_err ph_letter_list_row(
    void *list, const struct ph_kept_letter *letter, struct ph_error *error)
{
    const struct ph_rows *rows = &((const struct ph_letter_list *)list)->rows;
    const struct facts facts = facts_of(letter);
    struct ph_buf ranges;
    init_buf(&ranges, letter);
    char *payload = payload_text(letter);
    enum ph_err err = payload != NULL ? append_ranges(&ranges, letter) : PH_ERR_MEMORY;
    if (err == PH_OK) {
        const struct ph_cell cells[LIST_COLUMNS] = {
            number_cell(PH_CELL_INTEGER, letter->id),
            number_cell(PH_CELL_TIME, letter->received_ms),
            text_cell(facts.device),
            text_cell(facts.stream),
            text_cell(ranges.data),
            text_cell(letter->reason),
            number_cell(PH_CELL_INTEGER, (int64_t)letter->payload_len),
            text_cell(letter->topic),
            text_cell(payload),
            text_cell(facts.fingerprint),
            text_cell(facts.unvouched),
        };
        err = rows->row(rows->context, cells, error);
    }
    free(payload);
    ph_buf_fini(&ranges);
    return failed(letter, err, error);
}

/* Text with line breaks and tabs, and nothing that would be \xNN. */
static bool is_shown_as_text(const struct ph_kept_letter *letter)
{
    if (letter->payload_len == 0) {
        return true;
    }
    const char *at = letter->payload;
    const char *end = at + letter->payload_len;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((stop != NULL ? stop : end) - at);
        len -= len > 0 && at[len - 1] == '\r' ? 1 : 0;
        if (!ph_text_clean(at, len)) {
            return false;
        }
        at = stop != NULL ? stop + 1 : end;
    }
    return true;
}

/* Indented, so that no line of it can be taken for one of ours. */
static void show_text(FILE *file, const char *at, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (i == 0 || at[i - 1] == '\n') {
            (void)fputs("  ", file);
        }
        if (at[i] != '\r') {
            (void)fputc(at[i], file);
        }
    }
    (void)fputs(len == 0 || at[len - 1] == '\n' ? "" : "\n", file);
}

static void show_dump_line(FILE *file, size_t offset, const unsigned char *bytes, size_t len)
{
    (void)fprintf(file, "  %08zx ", offset);
    for (size_t i = 0; i < DUMP_BYTES; i++) {
        (void)fputs(i == DUMP_BYTES / 2 ? " " : "", file);
        if (i < len) {
            (void)fprintf(file, " %02x", bytes[i]);
        } else {
            (void)fputs("   ", file);
        }
    }
    (void)fputs("  |", file);
    for (size_t i = 0; i < len; i++) {
        (void)fputc(bytes[i] >= ' ' && bytes[i] < 0x7F ? bytes[i] : '.', file);
    }
    (void)fputs("|\n", file);
}

static void show_dump(FILE *file, const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i += DUMP_BYTES) {
        show_dump_line(file, i, &bytes[i], len - i < DUMP_BYTES ? len - i : DUMP_BYTES);
    }
}

static enum ph_err show_line(FILE *file, const char *name, const char *text)
{
    size_t size = 4 * strlen(text) + 1;
    char *escaped = malloc(size);
    if (escaped == NULL) {
        return PH_ERR_MEMORY;
    }
    ph_text_escape(escaped, size, text);
    (void)fprintf(file, "%-12s %s\n", name, escaped[0] != '\0' ? escaped : "-");
    free(escaped);
    return PH_OK;
}

static enum ph_err show_lines(FILE *file, const struct ph_kept_letter *letter, const char *ranges)
{
    const struct facts facts = facts_of(letter);
    const struct {
        const char *name, *text;
    } lines[] = {
        {"received", facts.received},
        {"device", facts.device},
        {"topic", letter->topic},
        {"reason", letter->reason},
        {"stream", facts.stream},
        {"readings", ranges},
        {"anchor", letter->provenance.anchor},
        {"fingerprint", facts.fingerprint},
        {"unvouched", facts.unvouched},
    };
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0] && err == PH_OK; i++) {
        err = show_line(file, lines[i].name, lines[i].text != NULL ? lines[i].text : "");
    }
    return err;
}

enum ph_err ph_letter_show(void *file, const struct ph_kept_letter *letter, struct ph_error *error)
{
    struct ph_buf ranges;
    init_buf(&ranges, letter);
    (void)fprintf(file, "%-12s %" PRId64 "\n", "id", letter->id);
    enum ph_err err = append_ranges(&ranges, letter);
    if (err == PH_OK) {
        err = show_lines(file, letter, ranges.data != NULL ? ranges.data : "");
    }
    if (err == PH_OK) {
        bool text = is_shown_as_text(letter);
        (void)fprintf(
            file, "%-12s %zu bytes%s\n\n", "payload", letter->payload_len, text ? " of text" : "");
        if (text) {
            show_text(file, letter->payload, letter->payload_len);
        } else {
            show_dump(file, letter->payload, letter->payload_len);
        }
    }
    ph_buf_fini(&ranges);
    return failed(letter, err, error);
}

enum { PADDING = 64 };

/* RFC 4648, section 4. */
static enum ph_err append_base64(struct ph_buf *buf, const unsigned char *bytes, size_t len)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < len && err == PH_OK; i += 3) {
        size_t left = len - i;
        uint32_t bits = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                        (left > 2 ? bytes[i + 2] : 0);
        const char group[4] = {
            digits[bits >> 18],
            digits[bits >> 12 & 63U],
            digits[left > 1 ? bits >> 6 & 63U : PADDING],
            digits[left > 2 ? bits & 63U : PADDING],
        };
        err = ph_buf_append(buf, group, sizeof group);
    }
    return err;
}

/* ,"name":"text" unless there is none. */
static enum ph_err append_member(struct ph_buf *buf, const char *name, const char *text)
{
    if (text == NULL || text[0] == '\0') {
        return PH_OK;
    }
    enum ph_err err = ph_buf_printf(buf, ",\"%s\":", name);
    return err == PH_OK ? ph_output_append_json_text(buf, text) : err;
}

static enum ph_err append_readings(struct ph_buf *buf, const struct ph_kept_letter *letter)
{
    if (!letter->has_range) {
        return PH_OK;
    }
    enum ph_err err = ph_buf_append_text(buf, ",\"readings\":[");
    for (size_t i = 0; i < letter->range_count && err == PH_OK; i++) {
        err = ph_buf_printf(buf, "%s[%" PRId64 ",%" PRId64 "]", i == 0 ? "" : ",",
            letter->ranges[i].first, letter->ranges[i].last);
    }
    return err == PH_OK ? ph_buf_append_text(buf, "]") : err;
}

static enum ph_err append_payload(struct ph_buf *buf, const struct ph_kept_letter *letter)
{
    enum ph_err err = ph_buf_append_text(buf, ",\"payload\":\"");
    if (err == PH_OK) {
        err = append_base64(buf, letter->payload, letter->payload_len);
    }
    if (err == PH_OK) {
        err = ph_buf_append_text(buf, "\"");
    }
    if (err != PH_OK || !is_json_text(letter->payload, letter->payload_len)) {
        return err;
    }
    char *text = payload_text(letter);
    err = text != NULL ? append_member(buf, "text", text) : PH_ERR_MEMORY;
    free(text);
    return err;
}

static enum ph_err append_letter(struct ph_buf *buf, const struct ph_kept_letter *letter)
{
    const struct facts facts = facts_of(letter);
    const struct {
        const char *name, *text;
    } members[] = {
        {"received", facts.received},
        {"device", facts.device},
        {"topic", letter->topic},
        {"reason", letter->reason},
        {"stream", facts.stream},
        {"anchor", letter->provenance.anchor},
        {"fingerprint", facts.fingerprint},
        {"unvouched", facts.unvouched},
    };
    enum ph_err err = ph_buf_printf(buf, "{\"id\":%" PRId64, letter->id);
    for (size_t i = 0; i < sizeof members / sizeof members[0] && err == PH_OK; i++) {
        err = append_member(buf, members[i].name, members[i].text);
    }
    if (err == PH_OK) {
        err = append_readings(buf, letter);
    }
    if (err == PH_OK) {
        err = append_payload(buf, letter);
    }
    return err == PH_OK ? ph_buf_append_text(buf, "}\n") : err;
}

enum ph_err ph_letter_export(
    void *file, const struct ph_kept_letter *letter, struct ph_error *error)
{
    struct ph_buf line;
    init_buf(&line, letter);
    enum ph_err err = append_letter(&line, letter);
    if (err == PH_OK) {
        ph_output_put_json(file, line.data, line.len);
    }
    ph_buf_fini(&line);
    return failed(letter, err, error);
}
