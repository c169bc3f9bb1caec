#include "certs/csv.h"

#include <string.h>

/* Takes the quotes off the column at `start`; *end is then what follows it. */
static enum ph_err unquote(char *start, char **end, struct ph_error *error)
{
    char *out = start;
    char *p = start + 1;
    while (*p != '\0' && (*p != '"' || p[1] == '"')) {
        p += *p == '"' ? 1 : 0;
        *out++ = *p++;
    }
    if (*p != '"') {
        return ph_error_set(error, PH_ERR_INPUT, "a quote that does not end on the line");
    }
    *end = p + 1;
    *out = '\0';
    return PH_OK;
}

enum ph_err ph_csv_split(
    char *line, char **columns, size_t max, size_t *count, struct ph_error *error)
{
    char *p = line;
    *count = 0;
    for (;;) {
        char *end = p + strcspn(p, ",");
        if (*count == max) {
            return ph_error_set(error, PH_ERR_LIMIT, "want at most %zu columns", max);
        }
        columns[(*count)++] = p;
        if (*p == '"') {
            enum ph_err err = unquote(p, &end, error);
            if (err != PH_OK) {
                return err;
            }
        } else if (memchr(p, '"', (size_t)(end - p)) != NULL) {
            return ph_error_set(
                error, PH_ERR_INPUT, "a quote within a column that has none around it");
        }
        if (*end == '\0') {
            return PH_OK;
        }
        if (*end != ',') {
            return ph_error_set(error, PH_ERR_INPUT, "want a comma behind a quoted column");
        }
        *end = '\0';
        p = end + 1;
    }
}
