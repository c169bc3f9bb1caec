/* Certificates of the inventory as rows, for ph-ca list and ph-ca export. */
#ifndef PH_CERTS_LISTING_H
#define PH_CERTS_LISTING_H

#include <stdint.h>

#include "certs/inventory.h"
#include "certs/table.h"

enum { PH_LISTING_COLUMNS = 20 };

/* Stays where it is from begin to end. */
struct ph_listing {
    struct ph_table table;
    struct ph_table_column columns[PH_LISTING_COLUMNS + 1]; /* of the table, in CSV and JSON */
    int64_t now_ms;                                         /* for which the status is said */
};

/* `whole`: with everything that is known, the PEM included; for CSV and JSON. */
void ph_listing_begin(struct ph_listing *listing, enum ph_table_format format, bool whole);

/* `pem` is NULL unless the listing is whole. */
void ph_listing_row(
    struct ph_listing *listing, const struct ph_inventory_entry *entry, const char *pem);
void ph_listing_end(struct ph_listing *listing);

#endif
