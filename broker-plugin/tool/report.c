#include "broker-plugin/tool/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/text.h"

enum { LINE_BYTES = 4096, KEY_WIDTH = 12 };

/* Escaped text holds no control byte, so that only two characters are left to JSON. */
static void put_quoted(struct ph_report *report, const char *text)
{
    char escaped[LINE_BYTES];
    ph_text_escape(escaped, sizeof escaped, text);
    (void)fputc('"', report->out);
    for (const char *p = escaped; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\') {
            (void)fputc('\\', report->out);
        }
        (void)fputc(*p, report->out);
    }
    (void)fputc('"', report->out);
}

static void put_key(struct ph_report *report, const char *key)
{
    if (report->follows) {
        (void)fputc(',', report->out);
    }
    report->follows = true;
    if (key != NULL) {
        put_quoted(report, key);
        (void)fputc(':', report->out);
    }
}

enum ph_err ph_report_open(
    struct ph_report *report, FILE *out, const char *format, struct ph_error *error)
{
    *report = (struct ph_report){.out = out};
    if (format != NULL && strcmp(format, "json") == 0) {
        report->json = true;
        (void)fputc('{', out);
    } else if (format != NULL && strcmp(format, "text") != 0) {
        return ph_error_set(
            error, PH_ERR_USAGE, "--format: want text or json, have \"%.100s\"", format);
    }
    return PH_OK;
}

void ph_report_close(struct ph_report *report)
{
    if (report->json) {
        (void)fputs("}\n", report->out);
    }
}

void ph_report_line(struct ph_report *report, const char *format, ...)
{
    char line[LINE_BYTES];
    char escaped[LINE_BYTES];
    va_list args;
    if (report->json) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    ph_text_escape(escaped, sizeof escaped, line);
    (void)fprintf(report->out, "%s\n", escaped);
}

void ph_report_row(struct ph_report *report, const char *key, const char *value)
{
    char words[64];
    size_t i = 0;
    if (value == NULL) {
        return;
    }
    for (; i < sizeof words - 1 && key[i] != '\0'; i++) {
        words[i] = key[i];
        if (words[i] == '_') {
            words[i] = ' ';
        }
    }
    words[i] = '\0';
    ph_report_line(report, "%-*s %s", KEY_WIDTH, words, value);
    ph_report_text(report, key, value);
}

void ph_report_row_count(struct ph_report *report, const char *key, uint64_t value)
{
    char digits[PH_COUNT_BYTES];
    if (report->json) {
        ph_report_count(report, key, value);
    } else {
        ph_report_row(report, key, ph_count_print(digits, value));
    }
}

void ph_report_begin(struct ph_report *report, const char *key, char bracket)
{
    if (report->json) {
        put_key(report, key);
        (void)fputc(bracket, report->out);
        report->follows = false;
    }
}

void ph_report_end(struct ph_report *report, char bracket)
{
    if (report->json) {
        (void)fputc(bracket, report->out);
        report->follows = true;
    }
}

void ph_report_text(struct ph_report *report, const char *key, const char *value)
{
    if (report->json && value != NULL) {
        put_key(report, key);
        put_quoted(report, value);
    }
}

void ph_report_count(struct ph_report *report, const char *key, uint64_t value)
{
    if (report->json) {
        put_key(report, key);
        (void)fprintf(report->out, "%" PRIu64, value);
    }
}

void ph_report_flag(struct ph_report *report, const char *key, bool value)
{
    if (report->json) {
        put_key(report, key);
        (void)fputs(value ? "true" : "false", report->out);
    }
}

const char *ph_count_print(char out[PH_COUNT_BYTES], uint64_t value)
{
    char digits[PH_COUNT_BYTES];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, value);
    size_t used = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            out[used++] = ',';
        }
        out[used++] = digits[i];
    }
    out[used] = '\0';
    return out;
}
