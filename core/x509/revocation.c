#include "x509/revocation.h"

#include <openssl/bn.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "x509/openssl.h"

_Static_assert(sizeof(struct ph_revoked) == 22, "kept a hundred thousand times");

bool ph_serial_get(struct ph_serial *out, const ASN1_INTEGER *number)
{
    const unsigned char *bytes = ASN1_STRING_get0_data(number);
    int len = ASN1_STRING_length(number);
    for (; len > 0 && bytes[0] == 0; len--) {
        bytes++;
    }
    if (ASN1_STRING_type(number) != V_ASN1_INTEGER || len > PH_SERIAL_OCTETS) {
        return false;
    }
    *out = (struct ph_serial){.len = (uint8_t)len};
    if (len > 0) {
        memcpy(out->bytes, bytes, (size_t)len);
    }
    return true;
}

int ph_serial_compare(const struct ph_serial *a, const struct ph_serial *b)
{
    int order = (int)a->len - (int)b->len;
    return order != 0 ? order : memcmp(a->bytes, b->bytes, a->len);
}

static int compare_revoked(const void *a, const void *b)
{
    const struct ph_revoked *left = a;
    const struct ph_revoked *right = b;
    return ph_serial_compare(&left->serial, &right->serial);
}

/* ---- rules ---- */

static bool is_critical(const X509_EXTENSION *extension)
{
    return X509_EXTENSION_get_critical(extension) != 0;
}

static int extension_nid(X509_EXTENSION *extension)
{
    return OBJ_obj2nid(X509_EXTENSION_get_object(extension));
}

static const char *extensions_fault(const X509_CRL *crl)
{
    for (int i = 0; i < X509_CRL_get_ext_count(crl); i++) {
        X509_EXTENSION *extension = X509_CRL_get_ext(crl, i);
        switch (extension_nid(extension)) {
        case NID_delta_crl:
            return "want a whole CRL, have a delta CRL";
        case NID_issuing_distribution_point:
            return "want a CRL over all certificates of its CA, have one limited by "
                   "issuingDistributionPoint";
        case NID_authority_key_identifier:
        case NID_crl_number:
            break;
        default:
            if (is_critical(extension)) {
                return "unknown critical extension";
            }
            break;
        }
    }
    return NULL;
}

static const char *entry_fault(const X509_REVOKED *entry)
{
    for (int i = 0; i < X509_REVOKED_get_ext_count(entry); i++) {
        X509_EXTENSION *extension = X509_REVOKED_get_ext(entry, i);
        int nid = extension_nid(extension);
        if (nid == NID_certificate_issuer) {
            return "want a CRL of one CA, have entries of another (certificateIssuer)";
        }
        if (nid != NID_crl_reason && nid != NID_invalidity_date && is_critical(extension)) {
            return "unknown critical extension in an entry";
        }
    }
    return NULL;
}

/* False when the extension is there and cannot be read. */
static bool read_reason(const X509_REVOKED *entry, uint8_t *reason)
{
    int state = 0;
    ASN1_ENUMERATED *code = X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, &state, NULL);
    long value = code != NULL ? ASN1_ENUMERATED_get(code) : 0;
    ASN1_ENUMERATED_free(code);
    *reason = value > 0 && value <= UINT8_MAX ? (uint8_t)value : 0;
    return code != NULL || state == -1;
}

static const char *read_number(const X509_CRL *crl, struct ph_revocations *list)
{
    int state = 0;
    ASN1_INTEGER *number = X509_CRL_get_ext_d2i(crl, NID_crl_number, &state, NULL);
    if (number == NULL) {
        return state == -1 ? NULL : "CRLNumber: unreadable or repeated";
    }
    list->numbered = ph_serial_get(&list->number, number);
    ASN1_INTEGER_free(number);
    if (!list->numbered) {
        return "CRLNumber: want a number from 0 of at most 20 octets";
    }
    BIGNUM *value = BN_bin2bn(list->number.bytes, list->number.len, NULL);
    char *text = value != NULL ? BN_bn2dec(value) : NULL;
    bool ok = text != NULL && ph_text_copy(list->number_text, sizeof list->number_text, text);
    OPENSSL_free(text);
    BN_free(value);
    return ok ? NULL : "CRLNumber: out of memory";
}

static const char *read_entries(STACK_OF(X509_REVOKED) * entries, struct ph_revocations *list)
{
    int count = sk_X509_REVOKED_num(entries); /* -1 without a stack */
    list->entries = count > 0 ? calloc((size_t)count, sizeof *list->entries) : NULL;
    if (count > 0 && list->entries == NULL) {
        return "out of memory";
    }
    for (int i = 0; i < count; i++) {
        const X509_REVOKED *entry = sk_X509_REVOKED_value(entries, i);
        struct ph_revoked *revoked = &list->entries[list->count];
        const char *fault = entry_fault(entry);
        if (fault == NULL && !read_reason(entry, &revoked->reason)) {
            fault = "an entry's reasonCode is unreadable or repeated";
        }
        if (fault != NULL) {
            return fault;
        }
        if (ph_serial_get(&revoked->serial, X509_REVOKED_get0_serialNumber(entry))) {
            list->count++;
        }
    }
    return NULL;
}

static const char *read_times(const X509_CRL *crl, struct ph_revocations *list)
{
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
    if (next == NULL) {
        return "want nextUpdate";
    }
    if (ph_x509_time_ms(X509_CRL_get0_lastUpdate(crl), "thisUpdate", &list->this_update_ms, NULL) !=
            PH_OK ||
        ph_x509_time_ms(next, "nextUpdate", &list->next_update_ms, NULL) != PH_OK) {
        return "thisUpdate or nextUpdate: not a valid time";
    }
    return list->this_update_ms < list->next_update_ms ? NULL
                                                       : "want nextUpdate later than thisUpdate";
}

/* ---- life ---- */

static const char *read_all(X509_CRL *crl, struct ph_revocations *list)
{
    const char *fault = extensions_fault(crl);
    if (fault == NULL) {
        fault = read_times(crl, list);
    }
    if (fault == NULL) {
        fault = read_number(crl, list);
    }
    if (fault == NULL) {
        fault = read_entries(X509_CRL_get_REVOKED(crl), list);
    }
    return fault;
}

enum ph_err ph_revocations_read(
    X509_CRL *crl, const char *path, struct ph_revocations **out, struct ph_error *error)
{
    char issuer[PH_X509_NAME_BYTES];
    ph_x509_name_print(issuer, sizeof issuer, X509_CRL_get_issuer(crl));
    struct ph_revocations *list = calloc(1, sizeof *list);
    if (list == NULL || (list->issuer = strdup(issuer)) == NULL) {
        ph_revocations_free(&list);
        return ph_error_set(error, PH_ERR_MEMORY, "%s: CRL: out of memory", path);
    }
    const char *fault = read_all(crl, list);
    if (fault != NULL) {
        ph_revocations_free(&list);
        return ph_error_set(error, PH_ERR_CONFIG, "%s: CRL of \"%s\": %s", path, issuer, fault);
    }
    if (list->entries != NULL) {
        qsort(list->entries, list->count, sizeof *list->entries, compare_revoked);
    }
    *out = list;
    return PH_OK;
}

void ph_revocations_free(struct ph_revocations **list)
{
    if (list != NULL && *list != NULL) {
        free((*list)->issuer);
        free((*list)->entries);
        free(*list);
        *list = NULL;
    }
}

const struct ph_revoked *ph_revocations_find(
    const struct ph_revocations *list, const struct ph_serial *serial)
{
    const struct ph_revoked wanted = {.serial = *serial};
    return list->count == 0 ? NULL
                            : bsearch(&wanted, list->entries, list->count, sizeof *list->entries,
                                  compare_revoked);
}

static int order_of(int64_t a, int64_t b)
{
    return (a > b ? 1 : 0) - (a < b ? 1 : 0);
}

int ph_revocations_compare(const struct ph_revocations *a, const struct ph_revocations *b)
{
    int order = (a->numbered ? 1 : 0) - (b->numbered ? 1 : 0);
    if (order == 0) {
        order = ph_serial_compare(&a->number, &b->number);
    }
    if (order == 0) {
        order = order_of(a->this_update_ms, b->this_update_ms);
    }
    return order != 0 ? order : order_of((int64_t)a->count, (int64_t)b->count);
}
