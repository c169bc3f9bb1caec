/* Whose certificates a fleet runs with: folders with cert.pem, key.pem and ca.pem, one for each
 * device; found in a folder, or issued in bulk by ph-ca. */
#ifndef PH_FLEET_IDENTITIES_H
#define PH_FLEET_IDENTITIES_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "device/fleet/scenario.h"

struct ph_identities {
    char **folders; /* in order of name, numbers by their value: t-9999 before t-10000 */
    char **names;   /* "tenant/kind/device", from the certificates' subjects */
    size_t count;
};

/* Finds the first `count` certificates in `folder` and in the folders below it, symbolic links left
 * out, and fails when there are fewer. A certificate that cannot be used is named: unreadable,
 * without its key or ca.pem, not a device's, of a device that another one names too. Dates and
 * issuer are not looked at: it is the broker that refuses. */
enum ph_err ph_identities_find(const char *folder, size_t count, struct ph_identities **out,
    struct ph_error *error) PH_NODISCARD;

/* How many of the scenario's devices have no certificate in `folder` yet. */
size_t ph_identities_missing(const struct ph_scenario *scenario, const char *folder);

/* The scenario's devices, PREFIX0001 and so on, each in `folder`/TENANT/KIND/NAME. Those that are
 * missing are made by `ph-ca issue device`, with the authority in `ca_folder` and the lifetime that
 * the scenario says; what is there is used again. Devices of the authority that no fleet has made
 * are refused (PH_ERR_DENIED), and nothing is issued. `program` is ph-ca's path; NULL: beside the
 * running program, else in PATH. When it fails, what it said last is the error's text. */
enum ph_err ph_identities_issue(const struct ph_scenario *scenario, const char *ca_folder,
    const char *program, const char *folder, struct ph_identities **out,
    struct ph_error *error) PH_NODISCARD;

void ph_identities_free(struct ph_identities **identities);

#endif
