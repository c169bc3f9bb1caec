/* What a subcommand of ph-policy prints: lines for people, or one JSON document. Everything may
 * come from outside: control bytes and invalid UTF-8 are written as \xNN in both. */
#ifndef PH_BROKER_PLUGIN_REPORT_H
#define PH_BROKER_PLUGIN_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

struct ph_report {
    FILE *out;
    bool json;
    bool follows; /* something stands before in the innermost JSON object or list */
};

/* `format` is "text", "json" or NULL (text); PH_ERR_USAGE otherwise. Opens the JSON document. */
enum ph_err ph_report_open(
    struct ph_report *report, FILE *out, const char *format, struct ph_error *error) PH_NODISCARD;

/* Closes the JSON document. Whether all could be written is for ferror(3) to say. */
void ph_report_close(struct ph_report *report);

/* One line, for people only. */
void ph_report_line(struct ph_report *report, const char *format, ...) PH_PRINTF(2, 3);

/* For both: a line "key   value", in which '_' is a space in the key, or a member of the innermost
 * object. A NULL text is left out. */
void ph_report_row(struct ph_report *report, const char *key, const char *value);
void ph_report_row_count(struct ph_report *report, const char *key, uint64_t value);

/* For JSON only: lists and objects, and their members; `key` is NULL in a list. */
void ph_report_begin(struct ph_report *report, const char *key, char bracket);
void ph_report_end(struct ph_report *report, char bracket);
void ph_report_text(struct ph_report *report, const char *key, const char *value);
void ph_report_count(struct ph_report *report, const char *key, uint64_t value);
void ph_report_flag(struct ph_report *report, const char *key, bool value);

#define PH_COUNT_BYTES 32

/* "1,234,567" for people. */
const char *ph_count_print(char out[PH_COUNT_BYTES], uint64_t value);

#endif
