/* Keys of roots: they may be in a folder of their own, on a stick that is in a safe, and encrypted
 * with a passphrase. Nothing that happens every day needs one. */
#ifndef PH_CERTS_ROOT_KEY_H
#define PH_CERTS_ROOT_KEY_H

#include <limits.h>
#include <stdbool.h>

#include "base/error.h"
#include "certs/authorities.h"
#include "x509/issue.h"

#define PH_PASSPHRASE_BYTES 257 /* with its terminator */

/* Opens the key of the root `name` of the authority in `dir`. It is looked for in `where->dir`, in
 * "<where->dir>/<name>" and in the root's own folder, and must belong to the root's certificate.
 * `where` NULL: the root's own folder, and nobody is asked. PH_ERR_NOT_FOUND when it is nowhere, or
 * wants a passphrase that cannot be had; PH_ERR_DENIED for a wrong passphrase. */
enum ph_err ph_root_key_open(const char *dir, const char *name, const struct ph_root_key *where,
    struct ph_key **out, struct ph_error *error) PH_NODISCARD;

/* Keys of roots that are open; released by ph_root_keys_free(). */
enum { PH_ROOT_KEYS_MAX = 4 };
struct ph_root_keys {
    struct {
        char name[PH_AUTHORITY_BYTES];
        struct ph_key *key;
    } items[PH_ROOT_KEYS_MAX];
    size_t count;
};

/* Opens those that can be had, of the roots that are not retired. With `where`, an error when not
 * even one could be; without, when one that wants no passphrase cannot be read. */
enum ph_err ph_root_keys_open(struct ph_ca *ca, const struct ph_root_key *where,
    struct ph_root_keys *out, struct ph_error *error) PH_NODISCARD;

/* Borrowed; NULL when it is not among them. */
const struct ph_key *ph_root_keys_get(const struct ph_root_keys *keys, const char *name);
void ph_root_keys_free(struct ph_root_keys *keys);

/* The passphrase of a key that is made: from the file, from the terminal (asked twice), or none:
 * `out` is then "". */
enum ph_err ph_root_key_passphrase(const struct ph_root_key *where, char out[PH_PASSPHRASE_BYTES],
    struct ph_error *error) PH_NODISCARD;

#endif
