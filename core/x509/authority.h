/* What a trust anchor consists of once loaded. Internal to core/x509; trust.h is its contract.
 *
 * An authority is a CA: one name and one key. It may have several certificates (renewed with the
 * same key, or signed by two roots); any good one suffices, and a CRL is of the authority. */
#ifndef PH_X509_AUTHORITY_H
#define PH_X509_AUTHORITY_H

#include <openssl/x509_vfy.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "domain/identity.h"
#include "x509/openssl.h"
#include "x509/revocation.h"
#include "x509/trust.h"

#define PH_AUTHORITY_ID_BYTES 32
#define PH_NO_AUTHORITY       SIZE_MAX

/* One CA certificate, and what stays true of it until the anchor is loaded anew. */
struct ph_trust_certificate {
    X509 *x509;       /* borrowed from ph_trust.cas */
    size_t authority; /* whose it is */
    size_t issuer;    /* the authority whose key signed it, itself for a root; or PH_NO_AUTHORITY */
    bool root;
    const struct ph_revoked *revoked; /* its entry on its issuer's CRL, or NULL */
    int64_t not_before_ms;
    int64_t not_after_ms;
};

/* CA certificates from the one that signs leaves up to a root, by index. */
struct ph_path {
    size_t certificates[PH_LIMIT_CHAIN_DEPTH - 1];
    size_t count;
};

struct ph_trust_authority {
    uint8_t id[PH_AUTHORITY_ID_BYTES]; /* ph_voucher.issuer */
    struct ph_revocations *crl;        /* in force; NULL: none */
    size_t certificate;                /* its first */
    struct ph_path path; /* by which its clients are good the longest, revocation and all rules but
                            times considered; empty: they are not good at any time */
    int64_t until_ms;    /* the first notAfter of that; INT64_MIN without one */
};

struct ph_trust {
    uint64_t id;
    char name[PH_SEGMENT_BYTES];
    X509_STORE *store;                         /* roots */
    STACK_OF(X509) * cas;                      /* roots and subordinate CAs */
    struct ph_trust_certificate *certificates; /* one for each of `cas` */
    size_t certificate_count;
    struct ph_trust_authority *authorities;
    size_t authority_count;
    bool crl_required;
    bool crl_files; /* the anchor names some */
    int64_t grace_ms;
};

/* Finds out the authorities of `cas`, and who signed whose certificate. Once, with `cas` filled. */
enum ph_err ph_authorities_make(struct ph_trust *trust, struct ph_error *error) PH_NODISCARD;

/* With the CRLs in place: which CA certificates are revoked, and how long each authority is good.
 */
enum ph_err ph_authorities_judge(struct ph_trust *trust, struct ph_error *error) PH_NODISCARD;

/* Of a CA certificate of the anchor, such as one in a verified chain; NULL for any other. */
const struct ph_trust_authority *ph_trust_authority_of(
    const struct ph_trust *trust, const X509 *ca);

/* By ph_voucher.issuer; NULL when the anchor does not have it. */
const struct ph_trust_authority *ph_trust_authority_find(
    const struct ph_trust *trust, const uint8_t *id);

/* What to look for, and where: OpenSSL takes the first issuer that looks right and never another,
 * so the paths are chosen here and OpenSSL is given one at a time to verify. */
struct ph_path_search {
    const struct ph_trust *trust;
    int purpose;           /* X509_PURPOSE_..., which every certificate must permit */
    const int64_t *now_ms; /* at which every certificate must be valid; NULL: at any time */
    /* Called with each path, those by a root of its own first; true ends the search. Nothing is
     * verified but who signed whom. */
    bool (*found)(void *context, const struct ph_path *path);
    void *context;
};

/* Paths of unrevoked certificates that begin with the one at `start`; at most PH_LIMIT_PATHS. True
 * when found() said so. */
bool ph_paths_search(const struct ph_path_search *search, size_t start);

/* What ph_path_set() lends a context. */
struct ph_path_stacks {
    STACK_OF(X509) * trusted;
    STACK_OF(X509) * untrusted;
};

/* Makes `ctx` verify `x509` by the path from certificate `from` of it on and no other. The stacks
 * are the caller's to free, behind the context. False when out of memory. */
bool ph_path_set(const struct ph_trust *trust, const struct ph_path *path, size_t from,
    X509_STORE_CTX *ctx, X509 *x509, struct ph_path_stacks *stacks) PH_NODISCARD;
void ph_path_stacks_free(struct ph_path_stacks *stacks);

/* The CRL files of the anchor: each verified, and of each authority the newest kept. */
enum ph_err ph_trust_load_crls(
    struct ph_trust *trust, const struct ph_anchor *anchor, struct ph_error *error) PH_NODISCARD;

/* The end of a sentence about what OpenSSL's verification has against a certificate: expired, by an
 * unknown CA, and so on. */
enum ph_chain_fault ph_chain_describe(int code, const X509 *x509, char *what, size_t size);

/* The same words for a revoked certificate, wherever it is found; `out` holds 64 bytes. */
void ph_trust_describe_revoked(char out[64], const struct ph_revoked *entry);

#endif
