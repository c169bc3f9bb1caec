#include "base/log.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

#define LINE_BYTES  2048
#define VALUE_BYTES 1024

static atomic_int log_level = PH_LOG_INFO;
static ph_log_sink *log_sink; /* set before threads start */

static const char *const level_names[] = {"error", "warning", "info", "debug"};

/* A line being built in a fixed buffer; what does not fit is cut. */
struct line {
    char text[LINE_BYTES];
    size_t len;
};

static void put(struct line *line, const char *text)
{
    size_t room = sizeof line->text - 1 - line->len;
    size_t len = strlen(text);
    if (len > room) {
        len = room;
        while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80) {
            len--; /* a whole character or nothing */
        }
    }
    memcpy(line->text + line->len, text, len);
    line->len += len;
    line->text[line->len] = '\0';
}

/* Writes the value for the inside of quotes. A backslash or quote of its own gets a backslash, so
 * that it can neither end the quoted text nor pass for the \xNN of a byte that was escaped. */
static void quote(char *out, size_t size, const char *value)
{
    enum { LONGEST = 12 }; /* three bytes as \xNN: once one is cut, there is no room for another */
    size_t used = 0;
    out[0] = '\0';
    while (*value != '\0' && used + LONGEST < size) {
        size_t plain = strcspn(value, "\"\\");
        ph_text_escape_bytes(out + used, size - used, value, plain);
        used += strlen(out + used);
        value += plain;
        if (*value != '\0' && used + LONGEST < size) {
            out[used++] = '\\';
            out[used++] = *value++;
            out[used] = '\0';
        }
    }
}

/* Cut to what the line has room for, so that quotes are always closed. */
static void put_text_value(struct line *line, const char *value)
{
    char text[VALUE_BYTES];
    size_t room = sizeof line->text - line->len;
    if (room < 32) {
        return;
    }
    size_t size = room < sizeof text + 2 ? room - 2 : sizeof text;
    ph_text_escape(text, size, value);
    if (text[0] != '\0' && strpbrk(text, " =\"\\") == NULL) {
        put(line, text);
        return;
    }
    quote(text, size, value);
    put(line, "\"");
    put(line, text);
    put(line, "\"");
}

static void put_field(struct line *line, const struct ph_log_field *field)
{
    char number[40];
    put(line, " ");
    put(line, field->key);
    put(line, "=");
    switch (field->type) {
    case PH_LOG_FIELD_TEXT:
        put_text_value(line, field->value.text == NULL ? "-" : field->value.text);
        break;
    case PH_LOG_FIELD_INT:
        (void)snprintf(number, sizeof number, "%" PRId64, field->value.integer);
        put(line, number);
        break;
    case PH_LOG_FIELD_REAL:
        (void)snprintf(number, sizeof number, "%.6g", field->value.real);
        put(line, number);
        break;
    case PH_LOG_FIELD_END:
        break;
    }
}

/* True when stderr is the stream that systemd made for the journal (systemd.exec(5),
 * $JOURNAL_STREAM). */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat st;
    unsigned long long device = 0;
    unsigned long long inode = 0;
    return stream != NULL && fstat(STDERR_FILENO, &st) == 0 &&
           sscanf(stream, "%llu:%llu", &device, &inode) == 2 && device == st.st_dev &&
           inode == st.st_ino;
}

static void to_stderr(enum ph_log_level level, const char *text)
{
    static const int priorities[] = {3, 4, 6, 7}; /* sd-daemon(3) */
    char out[LINE_BYTES + 64];
    int len = 0;
    if (stderr_is_journal()) {
        len = snprintf(out, sizeof out, "<%d>%s\n", priorities[level], text);
    } else {
        char now[PH_UTC_BYTES];
        ph_utc_print(now, ph_clock_unix_ms());
        len = snprintf(out, sizeof out, "%s level=%s %s\n", now, level_names[level], text);
    }
    if (len > 0) {
        ssize_t ignored =
            write(STDERR_FILENO, out, (size_t)len < sizeof out ? (size_t)len : sizeof out - 1);
        (void)ignored; /* there is nowhere left to report it */
    }
}

void ph_log_write(enum ph_log_level level, const char *text, const struct ph_log_field *fields)
{
    struct line line = {.len = 0};
    put(&line, "msg=");
    put_text_value(&line, text);
    for (; fields->type != PH_LOG_FIELD_END; fields++) {
        put_field(&line, fields);
    }
    if (log_sink != NULL) {
        log_sink(level, line.text);
    } else {
        to_stderr(level, line.text);
    }
}

void ph_log_error(enum ph_log_level level, const char *text, const struct ph_error *error)
{
    ph_log(level, text, PH_STR("reason", error->message), PH_STR("code", ph_err_name(error->code)));
}

void ph_log_level_set(enum ph_log_level level)
{
    atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

enum ph_log_level ph_log_level_get(void)
{
    return (enum ph_log_level)atomic_load_explicit(&log_level, memory_order_relaxed);
}

bool ph_log_level_parse(const char *name, enum ph_log_level *level)
{
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum ph_log_level)i;
            return true;
        }
    }
    return false;
}

void ph_log_sink_set(ph_log_sink *sink)
{
    log_sink = sink;
}

bool ph_log_limit_pass(struct ph_log_limit *limit, int64_t now_monotonic_ms, int64_t *suppressed)
{
    if (limit->last_ms == 0) {
        limit->tokens = limit->burst;
        limit->last_ms = now_monotonic_ms;
    }
    int64_t refill = (now_monotonic_ms - limit->last_ms) / limit->interval_ms;
    if (refill > 0) {
        limit->tokens =
            limit->tokens + refill > limit->burst ? limit->burst : limit->tokens + refill;
        limit->last_ms += refill * limit->interval_ms;
    }
    if (limit->tokens == 0) {
        limit->suppressed++;
        return false;
    }
    limit->tokens--;
    *suppressed = limit->suppressed;
    limit->suppressed = 0;
    return true;
}
