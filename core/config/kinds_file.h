/* The kinds file (docs/spec/kinds.md): a list of kinds with their fields, shared by ingest and
 * whoever simulates. */
#ifndef PH_CONFIG_KINDS_FILE_H
#define PH_CONFIG_KINDS_FILE_H

#include <stddef.h>
#include <stdio.h>

#include "base/error.h"
#include "domain/kind.h"

struct ph_kinds {
    struct ph_kind *kinds;
    size_t kind_count;
};

/* Loads and validates; the caller owns *out. */
enum ph_err ph_kinds_load(
    const char *path, struct ph_kinds **out, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_kinds_print(
    FILE *out, const struct ph_kinds *kinds, struct ph_error *error) PH_NODISCARD;
void ph_kinds_free(struct ph_kinds **kinds);

/* The kind of that name, or NULL. */
const struct ph_kind *ph_kinds_find(const struct ph_kinds *kinds, const char *name);

#endif
