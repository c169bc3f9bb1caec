#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/text.h"
#include "x509/certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Everything the plugin does with a certificate before the chain check. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ph_certificate *certificate = NULL;
    struct ph_error error = {0};
    if (ph_certificate_parse(data, size, &certificate, &error) != PH_OK) {
        return 0;
    }
    struct ph_identity identity = {0};
    struct ph_certificate_facts facts = {0};
    ph_error_clear(&error);
    if (ph_certificate_identity(certificate, &identity, &error) == PH_OK &&
        (identity.tenant[0] == '\0' || identity.kind[0] == '\0' || identity.device[0] == '\0')) {
        abort();
    }
    ph_error_clear(&error);
    (void)!ph_certificate_check_profile(certificate, PH_USAGE_CLIENT, &error);
    (void)!ph_certificate_check_profile(certificate, PH_USAGE_SERVER, &error);
    ph_error_clear(&error);
    if (ph_certificate_facts(certificate, &facts, &error) == PH_OK) {
        for (const char *p = facts.subject; *p != '\0'; p++) {
            if (*p < 0x20 || *p > 0x7E) {
                abort();
            }
        }
    }
    ph_certificate_free(&certificate);
    return 0;
}
