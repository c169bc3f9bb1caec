#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "x509/pem.h"
#include "x509/signed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is let through has a text and a signer, whose facts can be asked for. */
static void use(const struct ph_signed *statement)
{
    size_t len = 0;
    struct ph_certificate_facts facts;
    struct ph_error error = {0};
    const char *text = ph_signed_text(statement, &len);
    if (text == NULL || text[len] != '\0' || len > PH_LIMIT_SIGNED_BYTES ||
        ph_signed_signer(statement) == NULL) {
        abort();
    }
    (void)!ph_certificate_facts(ph_signed_signer(statement), &facts, &error);
    ph_error_clear(&error);
    (void)!ph_certificate_check_profile(ph_signed_signer(statement), PH_USAGE_CLIENT, &error);
}

static void parse(const char *pem, size_t len)
{
    struct ph_signed *statement = NULL;
    struct ph_error error = {0};
    enum ph_err err = ph_signed_parse(pem, len, &statement, &error);
    if (err == PH_OK) {
        use(statement);
    } else if (statement != NULL || error.message[0] == '\0' ||
               (err != PH_ERR_INPUT && err != PH_ERR_DENIED)) {
        abort();
    }
    ph_signed_free(&statement);
}

/* As text, and as DER inside of PEM. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ph_buf pem;
    ph_buf_init(&pem, PH_LIMIT_SIGNED_BYTES);
    parse((const char *)data, size);
    if (ph_pem_print(&pem, "CMS", data, size, "fuzz", NULL) == PH_OK) {
        parse(pem.data, pem.len);
    }
    ph_buf_fini(&pem);
    return 0;
}
