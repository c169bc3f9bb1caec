/* A certificate authority in a folder (docs/spec/authority.md): making one, issuing, revoking,
 * CRLs. The command line is cmd_*.c; all of it can be used without one. */
#ifndef PH_CERTS_CA_H
#define PH_CERTS_CA_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "certs/inventory.h"
#include "x509/issue.h"

enum ph_authority { PH_ROOT, PH_DEVICES, PH_BROKERS, PH_SERVICES, PH_AUTHORITY_COUNT };

/* "root", "devices", "brokers", "services": also the folder of each. */
const char *ph_authority_name(enum ph_authority authority);
bool ph_authority_parse(const char *name, enum ph_authority *authority) PH_NODISCARD;

/* "<dir>/<authority>/<file>" into PATH_MAX bytes. */
enum ph_err ph_authority_path(char *out, const char *dir, enum ph_authority authority,
    const char *file, struct ph_error *error) PH_NODISCARD;

struct ph_ca; /* one open folder with its inventory */

/* PH_ERR_NOT_FOUND when there is no authority in `dir`. */
enum ph_err ph_ca_open(const char *dir, struct ph_ca **out, struct ph_error *error) PH_NODISCARD;
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
};

/* Makes a whole authority: root and subordinate CAs, inventory, CRLs. Built beside `dir` and
 * renamed, so `dir` is complete or not there. PH_ERR_EXISTS when `dir` has any content. */
enum ph_err ph_ca_create(
    const char *dir, const struct ph_ca_plan *plan, struct ph_error *error) PH_NODISCARD;

/* One order for certificates that differ in name only. */
struct ph_ca_order {
    enum ph_authority authority; /* devices, brokers or services */
    const char *tenant;          /* devices and services */
    const char *kind;            /* devices; services have the kind "service" */
    const char *const *names;
    size_t name_count;
    const char *const *dns; /* brokers */
    size_t dns_count;
    const char *const *ip;
    size_t ip_count;
    const char *out;      /* folder for cert.pem, key.pem and ca.pem */
    bool folder_per_name; /* into "<out>/<name>/" instead */
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

/* Signs the CRL of every authority anew and writes it and trust/crl.pem. An authority whose key is
 * not in the folder (a root kept offline) keeps its CRL; revocations that are missing on it are
 * PH_ERR_NOT_FOUND, after all other CRLs were written. One process at a time. */
enum ph_err ph_ca_publish(struct ph_ca *ca, int64_t now_ms, struct ph_error *error) PH_NODISCARD;

#endif
