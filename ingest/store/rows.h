/* Rows on their way from a store to whoever prints them: a store calls begin() once per table and
 * row() per row, the receiver copies what it keeps. */
#ifndef PH_STORE_ROWS_H
#define PH_STORE_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum ph_cell_type {
    PH_CELL_NULL,
    PH_CELL_INTEGER,
    PH_CELL_REAL,
    PH_CELL_BOOL, /* integer: 0 or 1 */
    PH_CELL_TEXT,
    PH_CELL_TIME, /* integer: milliseconds since 1970 UTC */
};

/* That of a field whose declared type has this name (ph_field_type_name()); text for any other. */
enum ph_cell_type ph_cell_type_of(const char *field_type);

struct ph_cell {
    enum ph_cell_type type;
    int64_t integer;
    double real;
    const char *text; /* borrowed for the call; may hold anything that a device sent */
};

struct ph_column {
    const char *name;
    const char *unit; /* UCUM code or NULL */
    enum ph_cell_type type;
};

struct ph_rows {
    void *context;
    enum ph_err (*begin)(
        void *context, const struct ph_column *columns, size_t count, struct ph_error *error);
    enum ph_err (*row)(void *context, const struct ph_cell *cells, struct ph_error *error);
};

#endif
