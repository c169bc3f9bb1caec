#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "x509/openssl.h"
#include "x509/revocation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is made of a CRL is sorted, and every entry is found. */
static void check(const struct ph_revocations *list)
{
    if (list->this_update_ms >= list->next_update_ms) {
        abort();
    }
    for (size_t i = 0; i < list->count; i++) {
        const struct ph_revoked *entry = &list->entries[i];
        if (i > 0 && ph_serial_compare(&entry[-1].serial, &entry->serial) > 0) {
            abort();
        }
        const struct ph_revoked *found = ph_revocations_find(list, &entry->serial);
        if (found == NULL || ph_serial_compare(&found->serial, &entry->serial) != 0) {
            abort();
        }
    }
    if (ph_revocations_compare(list, list) != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ph_revocations *list = NULL;
    struct ph_error error = {0};
    ph_x509_errors_begin();
    X509_CRL *crl = d2i_X509_CRL(NULL, &data, (long)size);
    if (crl != NULL && ph_revocations_read(crl, "fuzz.crl", &list, &error) == PH_OK) {
        check(list);
    }
    ph_revocations_free(&list);
    X509_CRL_free(crl);
    ph_x509_errors_end();
    return 0;
}
