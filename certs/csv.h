/* One line of a CSV file (RFC 4180) that somebody else wrote. */
#ifndef PH_CERTS_CSV_H
#define PH_CERTS_CSV_H

#include <stddef.h>

#include "base/error.h"

/* Splits `line` (without its line end) in place at commas, quotes taken off, into at most `max`
 * columns; *count says how many there are. A column has no line end in it. PH_ERR_INPUT for a quote
 * out of place, PH_ERR_LIMIT for more columns. */
enum ph_err ph_csv_split(
    char *line, char **columns, size_t max, size_t *count, struct ph_error *error) PH_NODISCARD;

#endif
