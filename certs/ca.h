/* A certificate authority in a folder (docs/spec/authority.md): making one, issuing, revoking,
 * CRLs. The command line is cmd_*.c; all of it can be used without one. */
#ifndef PH_CERTS_CA_H
#define PH_CERTS_CA_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "certs/authorities.h"
#include "certs/inventory.h"
#include "x509/issue.h"

struct ph_ca; /* one open folder with its inventory */

/* PH_ERR_NOT_FOUND when there is no authority in `dir`. */
enum ph_err ph_ca_open(const char *dir, struct ph_ca **out, struct ph_error *error) PH_NODISCARD;

/* The same for a look, which writes nothing (ph_inventory_open_reader). */
enum ph_err ph_ca_open_reader(
    const char *dir, struct ph_ca **out, struct ph_error *error) PH_NODISCARD;
void ph_ca_close(struct ph_ca **ca);
const char *ph_ca_dir(const struct ph_ca *ca);
struct ph_inventory *ph_ca_inventory(struct ph_ca *ca);

#define PH_CA_BACKDATE_MS (INT64_C(5) * 60 * 1000) /* for holders whose clock is slow */
#define PH_DAY_MS         (INT64_C(24) * 60 * 60 * 1000)

struct ph_ca_plan {
    const char *name; /* first word of the CAs' names, such as "phonehome"; segment grammar */
    int64_t now_ms;
    int64_t root_days; /* lifetimes */
    int64_t authority_days;
    int64_t root_crl_days; /* from a CRL to its nextUpdate */
    int64_t crl_days;
    struct ph_root_key root;  /* where the root's key goes; with a passphrase it is encrypted */
    struct ph_ca_actor actor; /* `who` NULL: "unnamed" */
};

/* Makes a whole authority: root and subordinate CAs, inventory, CRLs. Built beside `dir` and
 * renamed, so `dir` is complete or not there. PH_ERR_EXISTS when `dir` has any content, or the
 * folder for the root's key has one. A copy of the root's certificate is put beside a key that is
 * elsewhere. */
enum ph_err ph_ca_create(
    const char *dir, const struct ph_ca_plan *plan, struct ph_error *error) PH_NODISCARD;

/* One order for certificates that differ in name only. */
struct ph_ca_order {
    enum ph_ca_role role; /* devices, brokers, services or claims */
    const char *tenant;   /* all but brokers */
    const char *kind;     /* devices; services have the kind "service", claims "claim" */
    const char *const *names;
    size_t name_count;
    const char *const *dns; /* brokers */
    size_t dns_count;
    const char *const *ip;
    size_t ip_count;
    const char *request;  /* path of a CSR whose key is certified, for one name; NULL: new keys */
    const char *out;      /* folder for cert.pem, key.pem and ca.pem */
    bool folder_per_name; /* into "<out>/<name>/" instead */
    struct {              /* claims */
        const char *kind; /* of the devices to be enrolled; NULL: any */
        int64_t limit;
    } claim;
    struct ph_ca_actor actor;
    int64_t now_ms;
    int64_t not_before_ms;
    int64_t not_after_ms;
    bool cut_to_authority; /* not_after_ms is a wish: cut to the CA's; otherwise beyond it is
                              PH_ERR_USAGE */
};

/* Issues all of them or none: after a failure no file of this order is left, and the inventory has
 * forgotten it. Nothing is ever on disk that the inventory does not know. Existing cert.pem,
 * key.pem or ca.pem: PH_ERR_EXISTS. */
enum ph_err ph_ca_issue(
    struct ph_ca *ca, const struct ph_ca_order *order, struct ph_error *error) PH_NODISCARD;

/* Signs the CRL of every CA that is not retired anew and writes it and trust/crl.pem. `root` says
 * where the roots' keys are; NULL: in their folders, and those that want a passphrase are left
 * alone. A CA whose key cannot be had (a root kept offline) keeps its CRL; revocations that are
 * missing on it are PH_ERR_NOT_FOUND, after all other CRLs were written. With `root` at least one
 * root's key must open. Then the bundles, as a killed command may have left them undone. One
 * process at a time. */
enum ph_err ph_ca_publish(struct ph_ca *ca, const struct ph_root_key *root, int64_t now_ms,
    struct ph_error *error) PH_NODISCARD;

/* Writes the bundles in trust/ from the CAs that are not retired: devices.pem, brokers.pem,
 * services.pem, claims.pem (each with the roots) and clients.pem (devices, services, claims,
 * roots). brokers.pem, which devices trust, is the newest trust bundle byte by byte where there is
 * one (certs/claims.h). Files that have that content already are not touched. */
enum ph_err ph_ca_bundles(struct ph_ca *ca, struct ph_error *error) PH_NODISCARD;

#endif
