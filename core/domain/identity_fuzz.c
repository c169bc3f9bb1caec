/* Any bytes as a user name: no crash; what is admitted prints to the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "domain/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = calloc(1, size + 1);
    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, size);
    char role[PH_SEGMENT_BYTES];
    char printed[PH_LIMIT_USER_NAME_BYTES + 1];
    struct ph_identity identity;
    struct ph_error error = {0};
    if (ph_user_name_parse(text, role, &identity, &error) == PH_OK) {
        ph_user_name_print(printed, sizeof printed, role, &identity);
        require(strcmp(printed, text) == 0);
    } else {
        require(error.message[0] != '\0' && strchr(error.message, '\n') == NULL);
    }
    ph_error_clear(&error);
    if (ph_identity_parse(text, &identity, &error) == PH_OK) {
        ph_identity_print(printed, PH_IDENTITY_BYTES, &identity);
        require(strcmp(printed, text) == 0);
    }
    ph_error_clear(&error);
    bool set = ph_segment_set(role, "CN", (const char *)data, size, &error) == PH_OK;
    require(set == ph_segment_valid((const char *)data, size) && set == (role[0] != '\0'));
    free(text);
    return 0;
}
