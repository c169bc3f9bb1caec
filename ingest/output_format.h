/* The inside of output.c: what its formats share. Each format is a table of functions in a file of
 * its own; nothing else includes this. */
#ifndef PH_INGEST_OUTPUT_FORMAT_H
#define PH_INGEST_OUTPUT_FORMAT_H

#include <stdio.h>

#include "base/buf.h"
#include "base/limits.h"
#include "ingest/output.h"

/* A cell's text: a whole message with every byte escaped twice. */
#define PH_OUTPUT_CELL_BYTES ((size_t)8 * PH_LIMIT_MESSAGE_BYTES)

struct ph_output_heading {
    char *name;
    char *unit; /* or NULL */
    enum ph_cell_type type;
};

struct ph_output {
    FILE *file;
    const struct ph_output_ops *ops;
    struct ph_output_heading *columns; /* of the table that was begun last */
    size_t count;
    int tables;   /* begun */
    int64_t rows; /* of all tables */
    char **held;  /* output_table.c: cells held back, row by row, until they are aligned */
    size_t held_rows;
    bool header_due;
};

struct ph_output_ops {
    /* A table whose columns are in `output` already. */
    enum ph_err (*begin)(struct ph_output *output, struct ph_error *error);
    enum ph_err (*row)(
        struct ph_output *output, const struct ph_cell *cells, struct ph_error *error);
    /* Before the next table begins, and at the end of `all`. */
    enum ph_err (*end)(struct ph_output *output, bool all, struct ph_error *error);
};

extern const struct ph_output_ops ph_output_table;
extern const struct ph_output_ops ph_output_csv;
extern const struct ph_output_ops ph_output_json;

/* Releases the rows that a table holds back. */
void ph_output_drop_held(struct ph_output *output);

/* Appends a cell as plain text, without quotes; nothing for NULL. */
enum ph_err ph_output_append_plain(struct ph_buf *buf, const struct ph_cell *cell) PH_NODISCARD;

/* The text with its control bytes as \xNN; the caller's. NULL when out of memory. */
char *ph_output_escape(const char *text) PH_NODISCARD;

/* Says that there was no memory; PH_ERR_MEMORY. */
enum ph_err ph_output_no_memory(struct ph_error *error) PH_NODISCARD;

#endif
