#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "x509/certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < 0x20 || *text > 0x7E) {
            return false;
        }
    }
    return true;
}

/* What is found must be an identity, whatever the source. */
static void identify(const struct ph_certificate *certificate, enum ph_identity_source source)
{
    char name[] = "fuzz";
    char tenant[] = "acme";
    char kind[] = "thermostat";
    char template[] = "urn:acme:{kind}:{device}";
    char device[] = "{device}";
    char *tenants[] = {tenant};
    char *kinds[] = {kind};
    const struct ph_anchor anchor = {.name = name,
        .identity = source,
        .identity_template = source == PH_IDENTITY_URI ? template : device,
        .tenants = tenants,
        .tenant_count = 1,
        .kinds = kinds,
        .kind_count = 1};
    struct ph_identity identity = {0};
    struct ph_error error = {0};
    if (ph_certificate_identity_by(certificate, &anchor, &identity, &error) != PH_OK) {
        if (error.code != PH_ERR_DENIED || error.message[0] == '\0') {
            abort();
        }
    } else if (!ph_segment_valid(identity.tenant, strlen(identity.tenant)) ||
               !ph_segment_valid(identity.kind, strlen(identity.kind)) ||
               !ph_segment_valid(identity.device, strlen(identity.device)) ||
               strcmp(identity.anchor, "fuzz") != 0) {
        abort();
    }
}

static void read_subject(const struct ph_certificate *certificate)
{
    char subject[PH_SUBJECT_BYTES];
    ph_certificate_subject(certificate, subject);
    if (ph_subject_size(subject) > sizeof subject) {
        abort();
    }
    for (const char *piece = subject; *piece != '\0'; piece += strlen(piece) + 1) {
        if (strchr(piece, '=') == NULL || strchr(piece, '\n') != NULL) {
            abort();
        }
    }
}

/* Everything the plugin does with a certificate before the chain check. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ph_certificate *certificate = NULL;
    struct ph_error error = {0};
    if (ph_certificate_parse(data, size, &certificate, &error) != PH_OK) {
        return 0;
    }
    struct ph_certificate_facts facts = {0};
    for (int source = PH_IDENTITY_SUBJECT; source <= PH_IDENTITY_DNS; source++) {
        identify(certificate, (enum ph_identity_source)source);
    }
    read_subject(certificate);
    ph_error_clear(&error);
    (void)!ph_certificate_check_profile(certificate, PH_USAGE_CLIENT, &error);
    (void)!ph_certificate_check_profile(certificate, PH_USAGE_SERVER, &error);
    ph_error_clear(&error);
    if (ph_certificate_facts(certificate, &facts, &error) == PH_OK &&
        (!is_printable(facts.subject) || !is_printable(facts.issuer))) {
        abort();
    }
    ph_certificate_free(&certificate);
    return 0;
}
