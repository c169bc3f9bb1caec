/* One change of the CAs under way: what adding one and rolling one over share. */
#ifndef PH_CERTS_CHANGE_H
#define PH_CERTS_CHANGE_H

#include <stdbool.h>

#include "base/error.h"
#include "certs/authority_make.h"
#include "certs/ca.h"
#include "certs/line.h"
#include "certs/root_key.h"

/* Read freely. */
struct ph_change {
    struct ph_ca *ca;
    struct ph_inventory *inventory;
    const struct ph_authority_change *order;
    const char *tenant; /* never NULL */
    struct ph_authority_defaults defaults;
    struct ph_authority_list list; /* as it was loaded last */
    struct ph_line line;           /* of what is changed; points into the list */
    struct ph_root_keys keys;      /* the root that signs, once it is open; owns root.key */
    struct ph_authority_pair root;
    char passphrase[PH_PASSPHRASE_BYTES]; /* of a root's key that will be made */
    bool done;                            /* set by a check: an earlier command has done it */
};

/* What an order works on; the order is borrowed. end: closes the root's key, wipes the passphrase.
 */
struct ph_change ph_change_start(struct ph_ca *ca, const struct ph_authority_change *order);
void ph_change_end(struct ph_change *change);

/* Reads the CAs as they are now. */
enum ph_err ph_change_load(struct ph_change *change, struct ph_error *error) PH_NODISCARD;

/* Opens the root that signs, by name or the active one. Before the inventory is locked: somebody
 * may have to type a passphrase. */
enum ph_err ph_change_open_root(
    struct ph_change *change, const char *name, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_change_open_active_root(
    struct ph_change *change, struct ph_error *error) PH_NODISCARD;

typedef enum ph_err ph_change_step(struct ph_change *change, struct ph_error *error);

/* The transaction: `check` is asked again under the lock, as others may have changed the CAs
 * meanwhile, and `act` does it unless it is done. */
enum ph_err ph_change_run(struct ph_change *change, ph_change_step *check, ph_change_step *act,
    struct ph_error *error) PH_NODISCARD;

/* In the transaction: makes a generation below the root that is open, or a new root, and loads. */
enum ph_err ph_change_make(struct ph_change *change, enum ph_ca_role role, const char *tenant,
    int generation, enum ph_authority_state state, struct ph_error *error) PH_NODISCARD;

/* In the transaction: the record in the log of acts. */
enum ph_err ph_change_record(struct ph_change *change, const char *act, const char *what,
    struct ph_error *error) PH_NODISCARD;

/* Brings trust/ up to date, also with what a killed command has left undone. A CA is trusted only
 * when its CRL is there, and has a CRL as long as it is trusted: with `fewer` CAs than before the
 * bundles come first, otherwise the CRLs. */
enum ph_err ph_change_settle(
    struct ph_change *change, bool fewer, struct ph_error *error) PH_NODISCARD;

/* "devices" or "devices of acme", for sentences; `out` holds PH_AUTHORITY_BYTES. */
void ph_change_subject(const struct ph_change *change, char out[PH_AUTHORITY_BYTES]);

#endif
