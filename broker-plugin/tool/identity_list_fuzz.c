#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "broker-plugin/tool/identity_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum ph_err visit(
    void *context, const struct ph_identity *identity, const char *subject, struct ph_error *error)
{
    size_t *bytes = context;
    (void)error;
    *bytes += ph_subject_size(subject) + (identity->device[0] != '\0');
    return PH_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ph_error error = {0};
    size_t bytes = 0;
    char copy[4096];
    if (size == 0 || size > sizeof copy) {
        return 0;
    }
    for (size_t i = 0; i < size; i++) {
        copy[i] = (char)data[i];
    }
    FILE *file = fmemopen(copy, size, "r");
    if (file != NULL) {
        (void)!ph_identity_list_parse("fuzz", file, visit, &bytes, &error);
        (void)fclose(file);
    }
    return 0;
}
