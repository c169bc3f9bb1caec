#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "x509/pem.h"
#include "x509/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is let through has a key that a certificate can be made for, and says what it asks for in
 * one line. */
static void use(const struct ph_request *request)
{
    static const struct ph_identity wanted = {
        .tenant = "acme", .kind = "thermostat", .device = "t-0001"};
    char extras[PH_REQUEST_EXTRAS_BYTES];
    char hash[PH_FINGERPRINT_BYTES];
    struct ph_error error = {0};
    for (int i = 0; i < 2; i++) {
        ph_request_extras(request, i == 0 ? NULL : &wanted, extras);
        if (strlen(extras) >= sizeof extras || strpbrk(extras, "\r\n\t") != NULL) {
            abort();
        }
    }
    if (ph_key_hash(ph_request_key(request), hash, &error) != PH_OK ||
        strcmp(hash, ph_request_key_hash(request)) != 0) {
        abort();
    }
}

static void parse(const char *pem, size_t len)
{
    struct ph_request *request = NULL;
    struct ph_error error = {0};
    enum ph_err err = ph_request_parse(pem, len, &request, &error);
    if (err == PH_OK) {
        use(request);
    } else if (request != NULL || error.message[0] == '\0' ||
               (err != PH_ERR_INPUT && err != PH_ERR_DENIED)) {
        abort();
    }
    ph_request_free(&request);
}

/* As text, and as DER inside of PEM. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ph_buf pem;
    ph_buf_init(&pem, PH_LIMIT_CERTIFICATE_BYTES);
    parse((const char *)data, size);
    if (ph_pem_print(&pem, "CERTIFICATE REQUEST", data, size, "fuzz", NULL) == PH_OK) {
        parse(pem.data, pem.len);
    }
    ph_buf_fini(&pem);
    return 0;
}
