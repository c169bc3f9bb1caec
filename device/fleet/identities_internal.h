/* What finding and issuing have in common. */
#ifndef PH_FLEET_IDENTITIES_INTERNAL_H
#define PH_FLEET_IDENTITIES_INTERNAL_H

#include "device/fleet/identities.h"

/* Adds a folder, in the order that it shall have; its certificate is not read yet. The list is
 * begun with calloc(). */
enum ph_err ph_identities_add(
    struct ph_identities *identities, const char *folder, struct ph_error *error) PH_NODISCARD;

/* Reads the certificate in each folder, and fills in the names. */
enum ph_err ph_identities_read(
    struct ph_identities *identities, struct ph_error *error) PH_NODISCARD;

#endif
