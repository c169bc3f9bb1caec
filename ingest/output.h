/* Prints rows as an aligned table, CSV (RFC 4180) or JSON (one array of objects). Texts may come
 * from a device: no format lets a control byte through. JSON is exact; CSV shows control bytes as
 * \xNN and puts a ' before a text that begins like a formula; the table also cuts long texts. */
#ifndef PH_INGEST_OUTPUT_H
#define PH_INGEST_OUTPUT_H

#include <stdio.h>

#include "base/buf.h"
#include "base/error.h"
#include "ingest/store/rows.h"

enum ph_output_format { PH_OUTPUT_TABLE, PH_OUTPUT_CSV, PH_OUTPUT_JSON };

struct ph_output;

/* Reads "table", "csv" or "json"; NULL is the table. PH_ERR_USAGE names the option --format. */
enum ph_err ph_output_format_parse(
    const char *text, enum ph_output_format *out, struct ph_error *error) PH_NODISCARD;

/* Does not close `file`. NULL when out of memory. */
struct ph_output *ph_output_new(FILE *file, enum ph_output_format format) PH_NODISCARD;

/* Where a store sends its rows; valid while the output lives. */
struct ph_rows ph_output_rows(struct ph_output *output);

/* Writes what is still held back (a table is aligned in blocks of 500 rows). */
enum ph_err ph_output_finish(struct ph_output *output, struct ph_error *error) PH_NODISCARD;
void ph_output_free(struct ph_output **output);

/* Appends `text` as a JSON string; when it is not UTF-8, with \xNN for what is not. */
enum ph_err ph_output_append_json_text(struct ph_buf *buf, const char *text) PH_NODISCARD;

/* Writes JSON (valid UTF-8) so that it is safe to look at: what JSON lets stand but a terminal
 * obeys (DEL, C1 controls, separators and directions) goes out as \uXXXX, which reads back the
 * same. */
void ph_output_put_json(FILE *file, const char *bytes, size_t len);

#endif
