/* The CAs of one folder: roots, and subordinate CAs of a role, for all tenants or for one, in
 * generations that overlap while one is rolled over into the next. The inventory knows them; their
 * keys, certificates and CRLs are in "<dir>/<name>/". */
#ifndef PH_CERTS_AUTHORITIES_H
#define PH_CERTS_AUTHORITIES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "certs/inventory.h"
#include "domain/identity.h"

struct ph_ca;

enum ph_ca_role { PH_ROOT, PH_DEVICES, PH_BROKERS, PH_SERVICES, PH_CLAIMS, PH_CA_ROLE_COUNT };

/* "root", "devices", "brokers", "services", "claims". */
const char *ph_ca_role_name(enum ph_ca_role role);
bool ph_ca_role_parse(const char *name, enum ph_ca_role *role) PH_NODISCARD;

enum ph_authority_state {
    PH_AUTHORITY_NEXT,   /* trusted, and does not issue yet */
    PH_AUTHORITY_ACTIVE, /* issues; one for each role and tenant */
    PH_AUTHORITY_OLD,    /* trusted, its certificates are being replaced; signs CRLs */
    PH_AUTHORITY_RETIRED /* in no bundle and with no CRL any more */
};

/* "next", "active", "old", "retired". */
const char *ph_authority_state_name(enum ph_authority_state state);

struct ph_authority {
    char name[PH_AUTHORITY_BYTES]; /* "devices", "devices-2", "devices@acme", "devices-2@acme" */
    enum ph_ca_role role;
    char tenant[PH_SEGMENT_BYTES]; /* "": every tenant; otherwise its name constraint */
    int generation;                /* from 1 */
    enum ph_authority_state state;
    char issuer[PH_AUTHORITY_BYTES]; /* the root that signed it; itself for a root */
    char serial[PH_SERIAL_BYTES];    /* of its certificate */
    int64_t not_after_ms;
    bool revoked;
};

typedef enum ph_err ph_authority_visit(
    const struct ph_authority *authority, void *context, struct ph_error *error);

/* In the order root, devices, brokers, services, claims; then tenant; then generation. */
enum ph_err ph_authorities_each(struct ph_inventory *inventory, ph_authority_visit *visit,
    void *context, struct ph_error *error) PH_NODISCARD;

/* The same, all at once; ph_authority_list_free() releases it. */
struct ph_authority_list {
    struct ph_authority *items;
    size_t count;
};
enum ph_err ph_authorities_list(struct ph_inventory *inventory, struct ph_authority_list *out,
    struct ph_error *error) PH_NODISCARD;
void ph_authority_list_free(struct ph_authority_list *list);

/* By name; PH_ERR_NOT_FOUND. */
enum ph_err ph_authority_find(struct ph_inventory *inventory, const char *name,
    struct ph_authority *out, struct ph_error *error) PH_NODISCARD;

/* Who issues for a role and a tenant: the tenant's own active CA where there is one, else the one
 * for every tenant. `tenant` may be NULL. PH_ERR_NOT_FOUND says what to do. */
enum ph_err ph_authority_active(struct ph_inventory *inventory, enum ph_ca_role role,
    const char *tenant, struct ph_authority *out, struct ph_error *error) PH_NODISCARD;

/* Whether a tenant may have a CA of its own: PH_ERR_DENIED when another one, with a CA or with
 * certificates, has a name that differs in case alone. */
enum ph_err ph_authority_check_tenant(
    struct ph_inventory *inventory, const char *tenant, struct ph_error *error) PH_NODISCARD;

/* Grows with every change of the CAs, by whatever process: what was loaded from them is then out of
 * date. */
enum ph_err ph_authorities_version(
    struct ph_inventory *inventory, int64_t *out, struct ph_error *error) PH_NODISCARD;

/* "<dir>/<name>/<file>" into PATH_MAX bytes. The root's key alone may be elsewhere:
 * ph_ca_key_source. */
enum ph_err ph_authority_path(char *out, const char *dir, const char *name, const char *file,
    struct ph_error *error) PH_NODISCARD;

/* Changes of the table, in the caller's transaction. The version grows by itself. put: a new row;
 * `crl_days` from one of its CRLs to the next update. */
enum ph_err ph_authority_put(struct ph_inventory *inventory, const struct ph_authority *authority,
    int64_t crl_days, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_authority_set_state(struct ph_inventory *inventory, const char *name,
    enum ph_authority_state state, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_authority_set_crl_days(struct ph_inventory *inventory, const char *name,
    int64_t crl_days, struct ph_error *error) PH_NODISCARD;

/* "devices-2@acme" from its parts. */
void ph_authority_name_print(
    char out[PH_AUTHORITY_BYTES], enum ph_ca_role role, int generation, const char *tenant);

/* Where the key of a root is, and how it is opened. Zero: in the root's own folder, and whoever
 * sits at the terminal is asked for a passphrase if the key wants one. */
struct ph_root_key {
    const char *dir;             /* folder with the root's ca.key, such as a mounted stick */
    const char *passphrase_file; /* its first line; NULL: ask at the terminal */
    bool ask; /* where a key is made: ask twice for a new passphrase; otherwise, and without a
                 passphrase file, it is not encrypted */
};

/* Who acts, and why: for the log of acts. Borrowed. */
struct ph_ca_actor {
    const char *who;
    const char *why; /* "" or NULL: not said */
};

/* ---- changes: each is one transaction with its record in the log of acts, and then renews what
 * is in trust/. A command that was killed is completed by running it again. ---- */

/* What a change is about. Borrowed. */
struct ph_authority_change {
    enum ph_ca_role role;
    const char *tenant;          /* NULL or "": the CA for every tenant */
    struct ph_root_key root;     /* the key of the root that signs */
    struct ph_root_key new_root; /* begin of a root's roll-over: where the new key goes */
    struct ph_ca_actor actor;
    int64_t now_ms;
    int64_t days; /* lifetime of the CA that is made; 0: as the authority was made with */
    bool force;
};

/* A subordinate CA of a tenant, name-constrained to it (permitted subtree O=tenant); devices,
 * services or claims. PH_ERR_EXISTS when the tenant has one. */
enum ph_err ph_authority_add(
    struct ph_ca *ca, const struct ph_authority_change *order, struct ph_error *error) PH_NODISCARD;

/* Roll-over. begin: the next generation is made and trusted. activate: it issues from now on.
 * finish: the old generation is no longer trusted. For a root, `begin` makes the new root and signs
 * the devices' new bundle with the old one, `activate` makes the next generation of every
 * subordinate CA below the new root, and `finish` signs the bundle without the old root.
 * After `finish` of the brokers' CA a bundle without it is signed if there were bundles before, the
 * root's key is at hand or `root` says where, and no roll-over of the root goes on; `finish` again
 * makes up for it.
 *
 * PH_ERR_DENIED, with numbers, when certificates or devices would be locked out and `force` is not
 * set; PH_ERR_NOT_FOUND when there is nothing to activate or to finish. What is done already
 * succeeds. */
enum ph_err ph_rollover_begin(
    struct ph_ca *ca, const struct ph_authority_change *order, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_rollover_activate(
    struct ph_ca *ca, const struct ph_authority_change *order, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_rollover_finish(
    struct ph_ca *ca, const struct ph_authority_change *order, struct ph_error *error) PH_NODISCARD;

/* How far it is. */
struct ph_rollover_progress {
    char from[PH_AUTHORITY_BYTES]; /* what is replaced; the active one when nothing is */
    char to[PH_AUTHORITY_BYTES];   /* "" when no roll-over is under way */
    enum ph_authority_state to_state;
    int64_t left;    /* certificates of the old generation that are valid and not superseded; of a
                        root: those of all CAs below it that are not retired */
    int64_t moved;   /* of the new one */
    int64_t devices; /* devices with a valid certificate */
    int64_t devices_trust; /* of them those that said they hold the newest bundle; all of them when
                              there is none */
    bool bundle_current;   /* the newest bundle has what devices shall trust; also without one */
};
enum ph_err ph_rollover_progress(struct ph_inventory *inventory, enum ph_ca_role role,
    const char *tenant, int64_t now_ms, struct ph_rollover_progress *out,
    struct ph_error *error) PH_NODISCARD;

#endif
