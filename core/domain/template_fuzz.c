/* Any bytes as a template: no crash; every expansion of an admitted one is a sound filter. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "domain/template.h"
#include "format/topic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static struct ph_identity longest_identity(void)
{
    struct ph_identity identity = {0};
    memset(identity.tenant, 'T', PH_LIMIT_SEGMENT_BYTES);
    memset(identity.kind, 'k', PH_LIMIT_SEGMENT_BYTES);
    memset(identity.device, '9', PH_LIMIT_SEGMENT_BYTES);
    return identity;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ph_identity identities[] = {longest_identity(),
        {.tenant = "a", .kind = "b", .device = "c"},
        {.tenant = "share", .kind = "SYS", .device = "0..-"}};
    char out[PH_LIMIT_TOPIC_BYTES + 1];
    char *text = calloc(1, size + 1);
    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, size);
    struct ph_error error = {0};
    bool sound = ph_template_check(text, &error) == PH_OK;
    require(sound || error.message[0] != '\0');
    if (sound && ph_template_expand(out, 8, text, &identities[1])) {
        require(strlen(out) < 8);
    }
    if (ph_template_check_filter(text, NULL) == PH_OK) {
        require(sound);
        for (size_t i = 0; i < sizeof identities / sizeof identities[0]; i++) {
            require(ph_template_expand(out, sizeof out, text, &identities[i]));
            require(ph_topic_filter_check(out, NULL) == PH_OK);
            require((out[0] == '$') == (text[0] == '$'));
        }
    }
    free(text);
    return 0;
}
