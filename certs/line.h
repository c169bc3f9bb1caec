/* The generations of one CA: of a role, for every tenant or for one. Inside roll-over. */
#ifndef PH_CERTS_LINE_H
#define PH_CERTS_LINE_H

#include "base/error.h"
#include "certs/authorities.h"

/* Pointers into the list; NULL where no generation is in that state. */
struct ph_line {
    const struct ph_authority *next;
    const struct ph_authority *active;
    const struct ph_authority *old;
    const struct ph_authority *retired; /* the newest of them */
    int generations;                    /* number of the newest */
};

/* In the list; `tenant` is "" for the CA of every tenant. */
struct ph_line ph_line_find(
    const struct ph_authority_list *list, enum ph_ca_role role, const char *tenant);

/* Certificates of a CA that are valid and were not replaced; of a root, those of all CAs below it
 * that are not retired. */
enum ph_err ph_line_left(struct ph_inventory *inventory, const struct ph_authority *authority,
    int64_t now_ms, int64_t *out, struct ph_error *error) PH_NODISCARD;

/* Devices with a valid certificate, and those of them that hold the newest trust bundle. */
enum ph_err ph_line_devices(struct ph_inventory *inventory, int64_t now_ms, int64_t *devices,
    int64_t *trusting, struct ph_error *error) PH_NODISCARD;

#endif
