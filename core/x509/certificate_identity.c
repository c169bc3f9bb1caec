#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "domain/template.h"
#include "x509/openssl.h"

static enum ph_err denied(struct ph_error *error, const char *what, const char *rule)
{
    return ph_error_set(error, PH_ERR_DENIED, "%s: %s", what, rule);
}

/* ---- subject ---- */

/* The one value of an attribute; `what` is "subject CN" or the like. */
static enum ph_err get_attribute(const X509_NAME *subject, int nid, const char *what,
    const ASN1_STRING **out, struct ph_error *error)
{
    int index = X509_NAME_get_index_by_NID(subject, nid, -1);
    if (index < 0) {
        return denied(error, what, "want it exactly once, have none");
    }
    if (X509_NAME_get_index_by_NID(subject, nid, index) >= 0) {
        return denied(error, what, "want it exactly once, have it more than once");
    }
    *out = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index));
    return PH_OK;
}

static enum ph_err read_segment(const X509_NAME *subject, int nid, const char *what,
    char out[PH_SEGMENT_BYTES], struct ph_error *error)
{
    const ASN1_STRING *value = NULL;
    enum ph_err err = get_attribute(subject, nid, what, &value, error);
    if (err != PH_OK) {
        return err;
    }
    int type = ASN1_STRING_type(value);
    if (type != V_ASN1_UTF8STRING && type != V_ASN1_PRINTABLESTRING) {
        return ph_error_set(error, PH_ERR_DENIED, "%s: want UTF8String or PrintableString, have %s",
            what, ASN1_tag2str(type));
    }
    const char *bytes = (const char *)ASN1_STRING_get0_data(value);
    size_t len = (size_t)ASN1_STRING_length(value);
    if (!ph_segment_valid(bytes, len)) {
        char shown[128];
        ph_text_escape_bytes(shown, sizeof shown, bytes, len);
        return ph_error_set(error, PH_ERR_DENIED,
            "%s: want [A-Za-z0-9][A-Za-z0-9._-]{0,63}, have \"%s\" (%zu bytes)", what, shown, len);
    }
    memcpy(out, bytes, len);
    out[len] = '\0';
    return PH_OK;
}

enum ph_err ph_certificate_identity(
    const struct ph_certificate *certificate, struct ph_identity *out, struct ph_error *error)
{
    const X509_NAME *subject = X509_get_subject_name(certificate->x509);
    struct ph_identity identity = {0};
    enum ph_err err =
        read_segment(subject, NID_organizationName, "subject O", identity.tenant, error);
    if (err == PH_OK) {
        err = read_segment(subject, NID_organizationalUnitName, "subject OU", identity.kind, error);
    }
    if (err == PH_OK) {
        err = read_segment(subject, NID_commonName, "subject CN", identity.device, error);
    }
    if (err == PH_OK) {
        *out = identity;
    }
    return err;
}

enum ph_err ph_certificate_client_id(
    const char *path, char out[PH_IDENTITY_BYTES], struct ph_error *error)
{
    struct ph_certificate *certificate = NULL;
    struct ph_identity identity = {0};
    enum ph_err err = ph_certificate_load(path, &certificate, error);
    if (err == PH_OK) {
        err = ph_certificate_identity(certificate, &identity, error);
        if (err != PH_OK) {
            (void)ph_error_prefix(error, err, "%s", path);
        }
    }
    ph_identity_print(out, PH_IDENTITY_BYTES, &identity);
    ph_certificate_free(&certificate);
    return err;
}

/* ---- other sources, read by a template ---- */

static bool is_plain_text(int type)
{
    return type == V_ASN1_UTF8STRING || type == V_ASN1_PRINTABLESTRING || type == V_ASN1_IA5STRING;
}

static enum ph_err read_text(const ASN1_STRING *value, const struct ph_anchor *anchor,
    const char *what, struct ph_identity *out, struct ph_error *error)
{
    if (!is_plain_text(ASN1_STRING_type(value))) {
        return ph_error_set(error, PH_ERR_DENIED,
            "%s: want UTF8String, PrintableString or IA5String, have %s", what,
            ASN1_tag2str(ASN1_STRING_type(value)));
    }
    const char *bytes = (const char *)ASN1_STRING_get0_data(value);
    return ph_template_parse(anchor->identity_template, what, bytes != NULL ? bytes : "",
        (size_t)ASN1_STRING_length(value), out, error);
}

static enum ph_err read_attribute(const X509 *x509, const struct ph_anchor *anchor, int nid,
    const char *what, struct ph_identity *out, struct ph_error *error)
{
    const ASN1_STRING *value = NULL;
    enum ph_err err = get_attribute(X509_get_subject_name(x509), nid, what, &value, error);
    return err == PH_OK ? read_text(value, anchor, what, out, error) : err;
}

static enum ph_err check_lower_case(
    const ASN1_STRING *value, const char *what, struct ph_error *error)
{
    const unsigned char *bytes = ASN1_STRING_get0_data(value);
    for (int i = 0; i < ASN1_STRING_length(value); i++) {
        if (bytes[i] >= 'A' && bytes[i] <= 'Z') {
            return denied(error, what, "want it in lower case");
        }
    }
    return PH_OK;
}

static enum ph_err read_name(const GENERAL_NAMES *names, const struct ph_anchor *anchor, int type,
    const char *what, struct ph_identity *out, struct ph_error *error)
{
    const ASN1_STRING *found = NULL;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int have = -1;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &have);
        if (have == type && found != NULL) {
            return denied(error, what, "want it exactly once, have it more than once");
        }
        found = have == type ? value : found;
    }
    if (found == NULL) {
        return denied(error, what, "want it exactly once, have none");
    }
    enum ph_err err = type == GEN_DNS ? check_lower_case(found, what, error) : PH_OK;
    return err == PH_OK ? read_text(found, anchor, what, out, error) : err;
}

static enum ph_err read_alternative_name(const X509 *x509, const struct ph_anchor *anchor, int type,
    const char *what, struct ph_identity *out, struct ph_error *error)
{
    int state = 0;
    GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, &state, NULL);
    if (names == NULL && state != -1) {
        return denied(error, what, "want subjectAltName once, have it repeated or unreadable");
    }
    enum ph_err err = read_name(names, anchor, type, what, out, error);
    GENERAL_NAMES_free(names);
    return err;
}

static enum ph_err read_source(const X509 *x509, const struct ph_anchor *anchor,
    struct ph_identity *out, struct ph_error *error)
{
    switch (anchor->identity) {
    case PH_IDENTITY_COMMON_NAME:
        return read_attribute(x509, anchor, NID_commonName, "subject CN", out, error);
    case PH_IDENTITY_SERIAL_NUMBER:
        return read_attribute(x509, anchor, NID_serialNumber, "subject serialNumber", out, error);
    case PH_IDENTITY_URI:
        return read_alternative_name(x509, anchor, GEN_URI, "subjectAltName URI", out, error);
    case PH_IDENTITY_DNS:
        return read_alternative_name(x509, anchor, GEN_DNS, "subjectAltName DNS name", out, error);
    case PH_IDENTITY_SUBJECT:
        break;
    }
    return ph_error_set(
        error, PH_ERR_DENIED, "anchor %s: identity: not a known source", anchor->name);
}

/* What the template does not name, the anchor's only tenant or kind is. */
static enum ph_err complete(char member[PH_SEGMENT_BYTES], const char *what, char *const *names,
    size_t count, struct ph_error *error)
{
    if (member[0] != '\0') {
        return PH_OK;
    }
    if (count != 1) {
        return ph_error_set(error, PH_ERR_DENIED,
            "%s: not in the anchor's identity_template, and the anchor lists %zu: want exactly one",
            what, count);
    }
    return ph_segment_set(member, what, names[0], strlen(names[0]), error);
}

enum ph_err ph_certificate_identity_by(const struct ph_certificate *certificate,
    const struct ph_anchor *anchor, struct ph_identity *out, struct ph_error *error)
{
    struct ph_identity identity = {0};
    enum ph_err err = PH_OK;
    ph_x509_errors_begin();
    if (anchor->identity == PH_IDENTITY_SUBJECT) {
        err = ph_certificate_identity(certificate, &identity, error);
    } else if (anchor->identity_template == NULL) {
        err = ph_error_set(
            error, PH_ERR_DENIED, "anchor %s: identity_template: want one", anchor->name);
    } else {
        err = read_source(certificate->x509, anchor, &identity, error);
    }
    if (err == PH_OK) {
        err = complete(identity.tenant, "tenant", anchor->tenants, anchor->tenant_count, error);
    }
    if (err == PH_OK) {
        err = complete(identity.kind, "kind", anchor->kinds, anchor->kind_count, error);
    }
    if (err == PH_OK) {
        err = ph_segment_set(identity.anchor, "anchor", anchor->name, strlen(anchor->name), error);
    }
    if (err == PH_OK) {
        *out = identity;
    }
    ph_x509_errors_end();
    return err;
}

/* ---- attributes for roles ---- */

/* Whether the subject has the attribute once and as text that can be compared. */
static const ASN1_STRING *get_readable(const X509_NAME *subject, int nid)
{
    const ASN1_STRING *value = NULL;
    bool once = get_attribute(subject, nid, "", &value, NULL) == PH_OK;
    return once && is_plain_text(ASN1_STRING_type(value)) ? value : NULL;
}

/* Appends "attribute=value" whole, or nothing; leaves room for the empty piece at the end. */
static size_t add_piece(char *out, size_t used, const char *attribute, const ASN1_STRING *value)
{
    char escaped[4 * PH_SUBJECT_BYTES];
    int len = ASN1_STRING_length(value);
    if (len < 0 || len >= PH_SUBJECT_BYTES) {
        return used;
    }
    ph_text_escape_bytes(escaped, sizeof escaped, ASN1_STRING_get0_data(value), (size_t)len);
    size_t size = strlen(attribute) + 1 + strlen(escaped) + 1;
    if (used + size + 1 > PH_SUBJECT_BYTES) {
        return used;
    }
    (void)snprintf(out + used, PH_SUBJECT_BYTES - used, "%s=%s", attribute, escaped);
    return used + size;
}

void ph_certificate_subject(const struct ph_certificate *certificate, char out[PH_SUBJECT_BYTES])
{
    const X509_NAME *subject = X509_get_subject_name(certificate->x509);
    size_t used = 0;
    ph_x509_errors_begin();
    for (int i = 0; i < X509_NAME_entry_count(subject); i++) {
        int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(X509_NAME_get_entry(subject, i)));
        const char *attribute = nid != NID_undef ? OBJ_nid2sn(nid) : NULL;
        if (attribute == NULL || !ph_subject_attribute_known(attribute)) {
            continue;
        }
        const ASN1_STRING *value = get_readable(subject, nid);
        if (value != NULL) {
            used = add_piece(out, used, attribute, value);
        }
    }
    memset(out + used, 0, PH_SUBJECT_BYTES - used);
    ph_x509_errors_end();
}
