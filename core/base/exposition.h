/* Text for Prometheus (exposition format 0.0.4), as the textfile collector of node_exporter reads
 * it. The plugin, ph-ingest and ph-ca print theirs with it, each family whole: head, then its
 * series, each of which is a line. */
#ifndef PH_BASE_EXPOSITION_H
#define PH_BASE_EXPOSITION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

/* Where the text goes; the first error sticks, and nothing is appended after it. */
struct ph_exposition {
    struct ph_buf *buf;
    enum ph_err err; /* PH_OK; PH_ERR_LIMIT or PH_ERR_MEMORY from the buffer */
};

/* Bare text, which the caller knows to be well-formed. */
void ph_exposition_text(struct ph_exposition *out, const char *text);

/* HELP and TYPE of a family; `type` is "counter" or "gauge". */
void ph_exposition_head(
    struct ph_exposition *out, const char *name, const char *type, const char *help);

/* A value: a count; seconds from milliseconds (3 decimals) or nanoseconds (9 decimals), whatever
 * the locale's decimal sign is. */
void ph_exposition_count(struct ph_exposition *out, uint64_t value);
void ph_exposition_ms(struct ph_exposition *out, int64_t ms);
void ph_exposition_ns(struct ph_exposition *out, uint64_t ns);

/* key="value", escaped whatever the value holds. */
void ph_exposition_label(struct ph_exposition *out, const char *key, const char *value);

/* `name{key="value"} `, for a value and the end of the line to follow. */
void ph_exposition_series(
    struct ph_exposition *out, const char *name, const char *key, const char *value);

/* One line of a family: a count with one label. */
void ph_exposition_row(struct ph_exposition *out, const char *name, const char *key,
    const char *value, uint64_t count);

/* A whole family of one series without labels; of seconds. */
void ph_exposition_single(struct ph_exposition *out, const char *name, const char *type,
    const char *help, uint64_t value);
void ph_exposition_single_ms(
    struct ph_exposition *out, const char *name, const char *type, const char *help, int64_t ms);

/* A file that a program writes again and again, for a collector that sees the old text or the new
 * one, never a part. One thread; `path` is borrowed, NULL: there is no such file. */
struct ph_exposition_file {
    const char *path;
    int64_t due_ms; /* monotonic */
    bool failing;
};

enum { PH_EXPOSITION_EVERY_MS = 10000 };

/* Whether it is to be written now (monotonic); never when there is none. */
bool ph_exposition_file_is_due(const struct ph_exposition_file *file, int64_t now_ms);

/* Writes the text, unless an error is in it, with mode 0644; it is due again after
 * PH_EXPOSITION_EVERY_MS. Logs when that begins to fail, and when it works again. */
void ph_exposition_file_write(
    struct ph_exposition_file *file, const struct ph_exposition *text, int64_t now_ms);

/* The same when there is nothing to write, for this reason. */
void ph_exposition_file_failed(
    struct ph_exposition_file *file, const struct ph_error *why, int64_t now_ms);

#endif
