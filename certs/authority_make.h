/* Makes one CA: its key, certificate and first CRL in "<dir>/<name>/", and its rows in the
 * inventory. What init, authority add and roll-over share. */
#ifndef PH_CERTS_AUTHORITY_MAKE_H
#define PH_CERTS_AUTHORITY_MAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "certs/authorities.h"
#include "certs/inventory.h"
#include "x509/issue.h"

/* With what every CA of a folder is made, kept in the inventory. */
struct ph_authority_defaults {
    char word[PH_SEGMENT_BYTES]; /* first of the CAs' names */
    int64_t root_days;           /* lifetimes */
    int64_t authority_days;
    int64_t root_crl_days; /* from a CRL to its nextUpdate */
    int64_t crl_days;
};
enum ph_err ph_authority_defaults_get(struct ph_inventory *inventory,
    struct ph_authority_defaults *out, struct ph_error *error) PH_NODISCARD;

/* In the caller's transaction. */
enum ph_err ph_authority_defaults_put(struct ph_inventory *inventory,
    const struct ph_authority_defaults *defaults, struct ph_error *error) PH_NODISCARD;

/* A CA, open. */
struct ph_authority_pair {
    struct ph_key *key;
    struct ph_certificate *certificate;
    bool key_made; /* not taken from what a killed command left */
};
void ph_authority_pair_free(struct ph_authority_pair *pair);

/* What to make. Borrowed. */
struct ph_authority_plan {
    const char *dir;
    struct ph_inventory *inventory;
    const struct ph_authority_defaults *defaults;
    enum ph_ca_role role;
    const char *tenant; /* "": every tenant */
    int generation;
    enum ph_authority_state state;
    const char *issuer;                 /* name of the root; NULL for a root */
    const struct ph_authority_pair *ca; /* that root, open; NULL for a root */
    const char *key_dir;                /* folder for the key; NULL: the CA's own */
    const char *passphrase;             /* to encrypt it with; NULL or "": not encrypted */
    const struct ph_ca_actor *actor;
    int64_t now_ms;
    int64_t days; /* 0: the default. Cut to the root's own end. */
};

/* In the caller's transaction; the files are on disk before it ends. A key that is there already
 * and that the inventory does not know is what a killed command left: it is taken, never
 * overwritten. PH_ERR_EXISTS for a key that is another CA's. The pair is the caller's to free;
 * after an error a key that was made is gone again. */
enum ph_err ph_authority_make(const struct ph_authority_plan *plan, struct ph_authority_pair *out,
    struct ph_error *error) PH_NODISCARD;

/* A copy of the root's certificate beside its key in `key_dir` (nothing to do when that is NULL):
 * the mark that the key is in use. Once the transaction is committed. */
enum ph_err ph_authority_mark_key(const char *key_dir, const struct ph_certificate *certificate,
    struct ph_error *error) PH_NODISCARD;

#endif
