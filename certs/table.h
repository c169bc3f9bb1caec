/* Rows for people (an aligned table), for spreadsheets (CSV, RFC 4180) and for programs (one JSON
 * array of objects). Texts may come from a device: none of the formats lets a control byte, a
 * direction mark or a broken character through, CSV puts a ' before what a spreadsheet would run as
 * a formula, and JSON is ASCII that reads back as what it was (of what is no UTF-8, each byte as
 * \xNN). */
#ifndef PH_CERTS_TABLE_H
#define PH_CERTS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/error.h"

enum ph_table_format { PH_TABLE_TEXT, PH_TABLE_CSV, PH_TABLE_JSON };

/* Reads "table", "csv" or "json"; NULL is the table. PH_ERR_USAGE names the option --format. */
enum ph_err ph_table_format_parse(
    const char *text, enum ph_table_format *out, struct ph_error *error) PH_NODISCARD;

enum ph_table_kind {
    PH_TABLE_WORD,   /* text */
    PH_TABLE_NUMBER, /* text that is a JSON number or true or false */
    PH_TABLE_LINES   /* text whose line ends stand: PEM of our own making */
};

struct ph_table_column {
    const char *name;  /* in CSV and JSON; NULL ends the columns */
    const char *title; /* in the table; NULL: not shown there */
    int width;         /* in the table; what is longer is not cut */
    enum ph_table_kind kind;
};

struct ph_table {
    FILE *file; /* the caller's */
    enum ph_table_format format;
    const struct ph_table_column *columns;
    size_t rows; /* printed so far */
};

/* Head, rows, foot. A cell that is NULL is empty in CSV, "-" in the table and left out in JSON.
 * What cannot be written shows in ferror(). */
void ph_table_begin(struct ph_table *table);
void ph_table_row(struct ph_table *table, const char *const *cells);
void ph_table_end(struct ph_table *table);

/* `text` as a JSON string with its quotes, in ASCII. */
void ph_table_json_text(FILE *file, const char *text);

/* `text` with everything that is not plain text as \xNN. */
void ph_table_plain_text(FILE *file, const char *text);

#endif
