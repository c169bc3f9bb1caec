#include "certs/signers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "certs/ca.h"
#include "x509/certificate.h"

struct ph_signers {
    struct ph_ca *ca;
    enum ph_ca_role role;
    struct ph_signer *opened[PH_LIMIT_ANCHOR_CAS];
    size_t count;
    char tenant[PH_SEGMENT_BYTES]; /* who was asked for last */
    struct ph_signer *last;
};

/* Whose keys are looked for. */
struct keys {
    struct ph_ca *ca;
    enum ph_ca_role role;
};

enum ph_err ph_signers_new(
    struct ph_ca *ca, enum ph_ca_role role, struct ph_signers **out, struct ph_error *error)
{
    struct ph_signers *signers = calloc(1, sizeof *signers);
    if (signers == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", ph_ca_dir(ca));
    }
    signers->ca = ca;
    signers->role = role;
    *out = signers;
    return PH_OK;
}

void ph_signers_free(struct ph_signers **signers)
{
    if (signers != NULL && *signers != NULL) {
        for (size_t i = 0; i < (*signers)->count; i++) {
            ph_signer_close(&(*signers)->opened[i]);
        }
        free(*signers);
        *signers = NULL;
    }
}

static struct ph_signer *find(const struct ph_signers *signers, const char *name)
{
    for (size_t i = 0; i < signers->count; i++) {
        if (strcmp(ph_signer_authority(signers->opened[i])->name, name) == 0) {
            return signers->opened[i];
        }
    }
    return NULL;
}

static enum ph_err find_or_open(struct ph_signers *signers, const char *tenant, int64_t now_ms,
    struct ph_signer **out, struct ph_error *error)
{
    struct ph_inventory *inventory = ph_ca_inventory(signers->ca);
    struct ph_authority authority;
    enum ph_err err = ph_authority_active(inventory, signers->role, tenant, &authority, error);
    if (err != PH_OK) {
        return err;
    }
    *out = find(signers, authority.name);
    if (*out != NULL) {
        return PH_OK;
    }
    if (signers->count == PH_LIMIT_ANCHOR_CAS) {
        return ph_error_set(error, PH_ERR_LIMIT, "%s: one order needs more than %d CAs: split it",
            ph_ca_dir(signers->ca), PH_LIMIT_ANCHOR_CAS);
    }
    err = ph_signer_open(signers->ca, signers->role, tenant, now_ms, out, error);
    if (err == PH_OK) {
        signers->opened[signers->count++] = *out;
    }
    return err;
}

enum ph_err ph_signers_get(struct ph_signers *signers, const char *tenant, int64_t now_ms,
    struct ph_signer **out, struct ph_error *error)
{
    const char *name = tenant != NULL ? tenant : "";
    if (signers->last == NULL || strcmp(signers->tenant, name) != 0) {
        signers->last = NULL;
        enum ph_err err = find_or_open(signers, tenant, now_ms, &signers->last, error);
        if (err != PH_OK) {
            return err;
        }
        (void)snprintf(signers->tenant, sizeof signers->tenant, "%s", name);
    }
    *out = signers->last;
    return PH_OK;
}

static enum ph_err check_key(
    const struct ph_authority *authority, void *context, struct ph_error *error)
{
    const struct keys *keys = context;
    const char *dir = ph_ca_dir(keys->ca);
    char path[PATH_MAX];
    struct ph_certificate *certificate = NULL;
    if (authority->role != keys->role || authority->state != PH_AUTHORITY_ACTIVE ||
        authority->revoked) {
        return PH_OK;
    }
    enum ph_err err = ph_authority_path(path, dir, authority->name, "ca.crt", error);
    if (err == PH_OK) {
        err = ph_certificate_load(path, &certificate, error);
    }
    if (err == PH_OK) {
        err = ph_authority_path(path, dir, authority->name, "ca.key", error);
    }
    if (err == PH_OK && !ph_path_exists(path)) {
        err = ph_error_set(error, PH_ERR_NOT_FOUND,
            "%s: is missing, and %s issues nothing without it: restore it from the backup of %s; "
            "no key is made anew",
            path, authority->name, dir);
    }
    if (err == PH_OK) {
        err = ph_certificate_check_key(certificate, path, error);
    }
    ph_certificate_free(&certificate);
    return err;
}

enum ph_err ph_signers_check_keys(struct ph_ca *ca, enum ph_ca_role role, struct ph_error *error)
{
    struct keys keys = {.ca = ca, .role = role};
    return ph_authorities_each(ph_ca_inventory(ca), check_key, &keys, error);
}

enum ph_err ph_signers_check(struct ph_signers *signers, int64_t now_ms, struct ph_error *error)
{
    for (size_t i = 0; i < signers->count; i++) {
        if (!ph_signer_current(signers->opened[i], now_ms)) {
            return ph_error_set(error, PH_ERR_BUSY,
                "%s: %s: the CAs were changed meanwhile: give the order again",
                ph_ca_dir(signers->ca), ph_signer_authority(signers->opened[i])->name);
        }
    }
    return PH_OK;
}
