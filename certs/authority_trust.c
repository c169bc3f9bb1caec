#include "certs/authority_trust.h"

#include <limits.h>

enum ph_err ph_authority_trust_load(const char *dir, const struct ph_authority *authority, bool crl,
    struct ph_trust **out, struct ph_error *error)
{
    char name[] = "authority";
    char own[PATH_MAX];
    char root[PATH_MAX];
    char list[PATH_MAX];
    char *cas[] = {own, root};
    char *crls[] = {list};
    enum ph_err err = ph_authority_path(own, dir, authority->name, "ca.crt", error);
    if (err == PH_OK) {
        err = ph_authority_path(root, dir, authority->issuer, "ca.crt", error);
    }
    if (err == PH_OK) {
        err = ph_authority_path(list, dir, authority->name, "crl.pem", error);
    }
    const struct ph_anchor anchor = {
        .name = name,
        .ca_files = cas,
        .ca_file_count = authority->role == PH_ROOT ? 1 : 2,
        .crl_files = crls,
        .crl_file_count = crl ? 1 : 0,
    };
    return err == PH_OK ? ph_trust_load(&anchor, out, error) : err;
}
