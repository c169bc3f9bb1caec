#include "certs/signer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "certs/ca.h"
#include "x509/trust.h"

/* Certificates that are like one that was checked whole are checked whole again after so many, and
 * after so much time: at the pace of a registrar that is every one. */
enum { CHECK_EVERY = 256, CHECK_EVERY_MS = 1000 };
enum { SHAPES = 3 * PH_LIMIT_SEGMENT_BYTES + 1 };

struct ph_signer {
    struct ph_ca *ca;
    struct ph_authority authority;
    int64_t version; /* of the CAs, when it was opened */
    struct ph_certificate *certificate;
    struct ph_certificate_facts facts; /* of the CA */
    struct ph_buf certificate_pem;     /* the same */
    struct ph_issuer *issuer;
    struct ph_trust *trust; /* the CA and its root with their CRLs */
    int since_check;
    int64_t checked_ms;
    bool shapes[SHAPES]; /* lengths of the subject of which one was checked whole */
};

/* ---- opening ---- */

static enum ph_err load_trust(struct ph_signer *signer, struct ph_error *error)
{
    const char *dir = ph_ca_dir(signer->ca);
    const char *const names[2] = {signer->authority.issuer, signer->authority.name};
    char ca_paths[2][PATH_MAX];
    char crl_paths[2][PATH_MAX];
    enum ph_err err = PH_OK;
    for (int i = 0; err == PH_OK && i < 2; i++) {
        err = ph_authority_path(ca_paths[i], dir, names[i], "ca.crt", error);
        if (err == PH_OK) {
            err = ph_authority_path(crl_paths[i], dir, names[i], "crl.pem", error);
        }
    }
    if (err != PH_OK) {
        return err;
    }
    char *ca_files[] = {ca_paths[0], ca_paths[1]};
    char *crl_files[] = {crl_paths[0], crl_paths[1]};
    const struct ph_anchor anchor = {
        .name = signer->authority.name,
        .ca_files = ca_files,
        .ca_file_count = 2,
        .crl_files = crl_files,
        .crl_file_count = 2,
        .crl_required = true,
    };
    return ph_trust_load(&anchor, &signer->trust, error);
}

static enum ph_err load_key(struct ph_signer *signer, struct ph_error *error)
{
    char path[PATH_MAX];
    struct ph_key *key = NULL;
    enum ph_err err =
        ph_authority_path(path, ph_ca_dir(signer->ca), signer->authority.name, "ca.key", error);
    if (err == PH_OK) {
        err = ph_certificate_check_key(signer->certificate, path, error);
    }
    if (err == PH_OK) {
        err = ph_key_load(path, &key, error);
    }
    if (err == PH_OK) {
        err = ph_issuer_new(signer->certificate, key, &signer->issuer, error);
    }
    ph_key_free(&key);
    return err;
}

static enum ph_err load(struct ph_signer *signer, struct ph_error *error)
{
    char path[PATH_MAX];
    enum ph_err err =
        ph_authority_path(path, ph_ca_dir(signer->ca), signer->authority.name, "ca.crt", error);
    if (err == PH_OK) {
        err = ph_certificate_load(path, &signer->certificate, error);
    }
    if (err == PH_OK) {
        err = ph_certificate_facts(signer->certificate, &signer->facts, error);
    }
    if (err == PH_OK) {
        err = ph_certificate_print(signer->certificate, &signer->certificate_pem, error);
    }
    if (err == PH_OK) {
        err = load_key(signer, error);
    }
    return err == PH_OK ? load_trust(signer, error) : err;
}

/* By the inventory: the root may be offline, and its CRL not yet know. */
static enum ph_err check_not_revoked(const struct ph_signer *signer, struct ph_error *error)
{
    return !signer->authority.revoked
               ? PH_OK
               : ph_error_set(error, PH_ERR_DENIED,
                     "%s: %s: revoked: it issues no more; make its next generation with ph-ca "
                     "rollover",
                     ph_ca_dir(signer->ca), signer->authority.name);
}

static enum ph_err check_time(
    const struct ph_signer *signer, int64_t now_ms, struct ph_error *error)
{
    const char *dir = ph_ca_dir(signer->ca);
    const char *name = signer->authority.name;
    if (signer->facts.not_after_ms < now_ms) {
        char end[PH_UTC_BYTES];
        ph_utc_print(end, signer->facts.not_after_ms);
        return ph_error_set(error, PH_ERR_DENIED,
            "%s: %s: expired at %s: it issues no more; make its next generation with ph-ca "
            "rollover",
            dir, name, end);
    }
    return ph_trust_crl_expiry_ms(signer->trust) > now_ms
               ? PH_OK
               : ph_error_set(error, PH_ERR_DENIED,
                     "%s: the CRL of %s or of the root has expired: run ph-ca crl --ca %s, for the "
                     "root's with its ca.key in place",
                     dir, name, dir);
}

enum ph_err ph_signer_open(struct ph_ca *ca, enum ph_ca_role role, const char *tenant,
    int64_t now_ms, struct ph_signer **out, struct ph_error *error)
{
    struct ph_inventory *inventory = ph_ca_inventory(ca);
    struct ph_signer *signer = calloc(1, sizeof *signer);
    if (signer == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", ph_ca_dir(ca));
    }
    signer->ca = ca;
    ph_buf_init(&signer->certificate_pem, PH_LIMIT_CERTIFICATE_BYTES);
    enum ph_err err = ph_authorities_version(inventory, &signer->version, error);
    if (err == PH_OK) {
        err = ph_authority_active(inventory, role, tenant, &signer->authority, error);
    }
    if (err == PH_OK) {
        err = check_not_revoked(signer, error);
    }
    if (err == PH_OK) {
        err = load(signer, error);
    }
    if (err == PH_OK) {
        err = check_time(signer, now_ms, error);
    }
    if (err == PH_OK) {
        *out = signer;
        signer = NULL;
    }
    ph_signer_close(&signer);
    return err;
}

void ph_signer_close(struct ph_signer **signer)
{
    if (signer != NULL && *signer != NULL) {
        ph_trust_free(&(*signer)->trust);
        ph_issuer_free(&(*signer)->issuer);
        ph_buf_fini(&(*signer)->certificate_pem);
        ph_certificate_free(&(*signer)->certificate);
        free(*signer);
        *signer = NULL;
    }
}

const struct ph_authority *ph_signer_authority(const struct ph_signer *signer)
{
    return &signer->authority;
}

bool ph_signer_current(struct ph_signer *signer, int64_t now_ms)
{
    struct ph_inventory *inventory = ph_ca_inventory(signer->ca);
    struct ph_authority now = {0};
    int64_t version = 0;
    return check_time(signer, now_ms, NULL) == PH_OK &&
           ph_authorities_version(inventory, &version, NULL) == PH_OK &&
           version == signer->version &&
           ph_authority_find(inventory, signer->authority.name, &now, NULL) == PH_OK &&
           now.state == PH_AUTHORITY_ACTIVE && !now.revoked;
}

/* ---- one certificate ---- */

static bool is_server(const struct ph_signer *signer)
{
    return signer->authority.role == PH_BROKERS;
}

static const char *kind_of(const struct ph_signer *signer, const struct ph_leaf_order *order)
{
    switch (signer->authority.role) {
    case PH_DEVICES:
        return order->kind;
    case PH_CLAIMS:
        return "claim";
    default:
        return "service";
    }
}

/* Its name constraint says the same, but not every certificate is held against that. */
static enum ph_err check_tenant(
    const struct ph_signer *signer, const struct ph_leaf_order *order, struct ph_error *error)
{
    const char *only = signer->authority.tenant;
    return only[0] == '\0' || (order->tenant != NULL && strcmp(only, order->tenant) == 0)
               ? PH_OK
               : ph_error_set(error, PH_ERR_DENIED, "%s: %s: signs for the tenant %s alone",
                     ph_ca_dir(signer->ca), signer->authority.name, only);
}

static enum ph_err check_lifetime(const struct ph_signer *signer, const struct ph_leaf_order *order,
    int64_t *not_after_ms, struct ph_error *error)
{
    int64_t end_ms = signer->facts.not_after_ms;
    *not_after_ms = order->not_after_ms;
    if (order->not_after_ms > end_ms && !order->cut_to_authority) {
        char end[PH_UTC_BYTES];
        ph_utc_print(end, end_ms);
        return ph_error_set(error, PH_ERR_USAGE,
            "--days or --not-after: beyond the CA \"%s\", which ends at %s", signer->facts.subject,
            end);
    }
    if (*not_after_ms > end_ms) {
        *not_after_ms = end_ms;
    }
    return *not_after_ms / 1000 > order->not_before_ms / 1000
               ? PH_OK
               : ph_error_set(error, PH_ERR_USAGE,
                     "--not-after: want a time after --not-before (and before the CA ends)");
}

static void fill_entry(const struct ph_signer *signer, const struct ph_leaf_order *order,
    const struct ph_issued *issued, struct ph_inventory_entry *entry)
{
    static const char *const type_names[PH_CA_ROLE_COUNT] = {[PH_DEVICES] = "device",
        [PH_BROKERS] = "broker",
        [PH_SERVICES] = "service",
        [PH_CLAIMS] = "claim"};
    *entry = (struct ph_inventory_entry){
        .issued_ms = order->now_ms,
        .not_before_ms = issued->not_before_ms,
        .not_after_ms = issued->not_after_ms,
    };
    memcpy(entry->serial, issued->serial, sizeof entry->serial);
    memcpy(entry->fingerprint, issued->fingerprint, sizeof entry->fingerprint);
    memcpy(entry->key_hash, issued->key_hash, sizeof entry->key_hash);
    memcpy(entry->issuer, signer->authority.name, sizeof entry->issuer);
    (void)snprintf(entry->type, sizeof entry->type, "%s", type_names[signer->authority.role]);
    (void)snprintf(entry->name, sizeof entry->name, "%s", order->name);
    if (!is_server(signer)) {
        (void)snprintf(entry->tenant, sizeof entry->tenant, "%s", order->tenant);
        (void)snprintf(entry->kind, sizeof entry->kind, "%s", kind_of(signer, order));
    }
}

static enum ph_err check_identity(const struct ph_certificate *certificate,
    const struct ph_inventory_entry *entry, struct ph_error *error)
{
    struct ph_identity want = {0};
    struct ph_identity have = {0};
    memcpy(want.tenant, entry->tenant, sizeof want.tenant);
    memcpy(want.kind, entry->kind, sizeof want.kind);
    memcpy(want.device, entry->name, sizeof want.device);
    enum ph_err err = ph_certificate_identity(certificate, &have, error);
    return err != PH_OK || ph_identity_equal(&want, &have)
               ? err
               : ph_error_set(error, PH_ERR_INTERNAL,
                     "%s: the certificate made names somebody else", entry->name);
}

static enum ph_err check_facts(const struct ph_certificate *certificate,
    const struct ph_inventory_entry *entry, struct ph_error *error)
{
    struct ph_certificate_facts facts;
    enum ph_err err = ph_certificate_facts(certificate, &facts, error);
    bool same = err == PH_OK && strcmp(facts.serial, entry->serial) == 0 &&
                strcmp(facts.fingerprint, entry->fingerprint) == 0 &&
                strcmp(facts.key_hash, entry->key_hash) == 0 &&
                facts.not_before_ms == entry->not_before_ms &&
                facts.not_after_ms == entry->not_after_ms;
    return err != PH_OK || same ? err
                                : ph_error_set(error, PH_ERR_INTERNAL,
                                      "%s: the certificate made is not the one that would be "
                                      "recorded",
                                      entry->name);
}

/* Whether something about it is new, or the last check lies too far back. */
static bool check_due(const struct ph_signer *signer, const struct ph_leaf *leaf,
    const struct ph_leaf_order *order, size_t shape)
{
    int64_t since_ms = leaf->entry.issued_ms - signer->checked_ms;
    return order->dns_count + order->ip_count > 0 || !signer->shapes[shape] ||
           signer->since_check >= CHECK_EVERY || since_ms < 0 || since_ms >= CHECK_EVERY_MS;
}

/* The same checks that the broker and the other end will make, of the bytes that they will get. */
static enum ph_err check_whole(
    const struct ph_signer *signer, const struct ph_leaf *leaf, struct ph_error *error)
{
    const struct ph_inventory_entry *entry = &leaf->entry;
    enum ph_usage usage = is_server(signer) ? PH_USAGE_SERVER : PH_USAGE_CLIENT;
    int64_t now_ms = entry->issued_ms;
    bool valid_now = entry->not_before_ms <= now_ms && now_ms <= entry->not_after_ms;
    struct ph_certificate *certificate = NULL;
    enum ph_err err = ph_certificate_parse(leaf->der.data, leaf->der.len, &certificate, error);
    if (err == PH_OK) {
        err = check_facts(certificate, entry, error);
    }
    if (err == PH_OK) {
        err = ph_certificate_check_profile(certificate, usage, error);
    }
    if (err == PH_OK && !is_server(signer)) {
        err = check_identity(certificate, entry, error);
    }
    if (err == PH_OK) {
        err = valid_now
                  ? ph_trust_check(signer->trust, certificate, usage, now_ms, NULL, NULL, error)
                  : ph_trust_check_timeless(signer->trust, certificate, usage, error);
    }
    ph_certificate_free(&certificate);
    return err;
}

static enum ph_err check_made(struct ph_signer *signer, const struct ph_leaf_order *order,
    const struct ph_leaf *leaf, struct ph_error *error)
{
    const struct ph_inventory_entry *entry = &leaf->entry;
    size_t shape = strlen(entry->tenant) + strlen(entry->kind) + strlen(entry->name);
    if (!check_due(signer, leaf, order, shape)) {
        signer->since_check++;
        return PH_OK;
    }
    enum ph_err err = check_whole(signer, leaf, error);
    if (err == PH_OK) {
        signer->shapes[shape] = true;
        signer->since_check = 0;
        signer->checked_ms = entry->issued_ms;
    }
    return err;
}

static enum ph_err print(const struct ph_signer *signer, const struct ph_key *new_key,
    struct ph_leaf *leaf, struct ph_error *error)
{
    enum ph_err err = new_key != NULL ? ph_key_print(new_key, &leaf->key_pem, error) : PH_OK;
    if (err == PH_OK) {
        err =
            ph_certificate_der_print(leaf->der.data, leaf->der.len, &leaf->certificate_pem, error);
    }
    if (err != PH_OK) {
        return err;
    }
    err = ph_buf_append(
        &leaf->certificate_pem, signer->certificate_pem.data, signer->certificate_pem.len);
    return err == PH_OK ? PH_OK
                        : ph_error_set(error, err, "%s: does not fit its buffer", leaf->entry.name);
}

enum ph_err ph_signer_sign(struct ph_signer *signer, const struct ph_leaf_order *order,
    const struct ph_key *key, struct ph_leaf *leaf, struct ph_error *error)
{
    bool server = is_server(signer);
    struct ph_certificate_content content = {
        .type = server ? PH_CERTIFICATE_SERVER : PH_CERTIFICATE_CLIENT,
        .organization = server ? NULL : order->tenant,
        .unit = server ? "broker" : kind_of(signer, order),
        .name = order->name,
        .dns = order->dns,
        .dns_count = order->dns_count,
        .ip = order->ip,
        .ip_count = order->ip_count,
        .not_before_ms = order->not_before_ms,
    };
    struct ph_key *new_key = NULL;
    struct ph_issued issued;
    enum ph_err err = check_time(signer, order->now_ms, error);
    if (err == PH_OK) {
        err = check_tenant(signer, order, error);
    }
    if (err == PH_OK) {
        err = check_lifetime(signer, order, &content.not_after_ms, error);
    }
    if (err == PH_OK && key == NULL) {
        err = ph_key_new(&new_key, error);
    }
    if (err == PH_OK) {
        err = ph_issuer_issue(
            signer->issuer, &content, key != NULL ? key : new_key, &leaf->der, &issued, error);
    }
    if (err == PH_OK) {
        fill_entry(signer, order, &issued, &leaf->entry);
        err = check_made(signer, order, leaf, error);
    }
    if (err == PH_OK) {
        err = print(signer, new_key, leaf, error);
    }
    ph_key_free(&new_key);
    return err;
}
