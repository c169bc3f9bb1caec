/* What to issue, one by one: the items of an order, and the file of ph-ca issue --batch that lists
 * them. */
#ifndef PH_CERTS_BATCH_H
#define PH_CERTS_BATCH_H

#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "certs/ca.h"
#include "x509/request.h"

/* One certificate. Texts are borrowed from the order or the list. */
struct ph_batch_item {
    const char *tenant; /* NULL where the role has none */
    const char *kind;   /* the same */
    const char *name;
    const char *request; /* path of a CSR whose key is certified; NULL: a new key is made */
    int levels;          /* folders below --out: 0: none, 1: NAME, 2: KIND/NAME, 3: TENANT/... */
};

#define PH_LIMIT_BATCH_BYTES 67108864 /* a list: about a million lines */

/* A list of devices that was read and checked whole. */
struct ph_batch {
    char *path; /* of the list, for messages and as what the requests' paths start from */
    struct ph_buf text;
    struct ph_batch_item *items;
    size_t count;
};

/* Reads lines NAME, KIND,NAME, TENANT,KIND,NAME and TENANT,KIND,NAME,REQUEST; REQUEST is a path,
 * from the list's folder if relative. Empty lines and lines that begin with "#" are skipped. What a
 * line does not say is `tenant` and `kind` (may be NULL: then every line must). Refused, with the
 * line's number: what is no segment, the kinds of services and claims, an identity that is there
 * twice. */
enum ph_err ph_batch_load(const char *path, const char *tenant, const char *kind,
    struct ph_batch *out, struct ph_error *error) PH_NODISCARD;
void ph_batch_fini(struct ph_batch *batch);

/* Grammar of the texts that are there, and that a kind is a device's. */
enum ph_err ph_batch_check_item(
    const struct ph_batch_item *item, struct ph_error *error) PH_NODISCARD;

/* Reads and checks the item's request, whose path starts from the file `list`, or with NULL from
 * the working folder. Whatever it asks for beyond its key is ignored, and logged. */
enum ph_err ph_batch_load_request(const char *list, const struct ph_batch_item *item,
    struct ph_request **out, struct ph_error *error) PH_NODISCARD;

/* PH_ERR_DENIED, with the first name and the number, when devices of the list are expected or have
 * certificates that were made for another reason than `why`: they are somebody's, and whoever plays
 * devices must not be them. */
enum ph_err ph_batch_check_owner(struct ph_ca *ca, const struct ph_batch *batch, const char *why,
    struct ph_error *error) PH_NODISCARD;

/* ph_ca_issue() for a list; the order's tenant, kind, names and folder_per_name do not count. */
enum ph_err ph_ca_issue_batch(struct ph_ca *ca, const struct ph_ca_order *order,
    const struct ph_batch *batch, struct ph_error *error) PH_NODISCARD;

#endif
