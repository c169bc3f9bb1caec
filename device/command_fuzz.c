#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "device/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A command that is accepted stays within its bounds, and every outcome can be answered. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ph_command command;
    struct ph_error error = {0};
    struct ph_buf out;
    bool online = false;
    ph_buf_init(&out, 8192);
    enum ph_err err = ph_command_parse(data, size, &command, &error);
    if (err == PH_OK && !(command.setpoint_c >= 5.0 && command.setpoint_c <= 35.0)) {
        abort();
    }
    if (ph_reply_encode(command.id, err == PH_OK ? NULL : error.message, &out) != PH_OK) {
        abort();
    }
    ph_buf_fini(&out);
    if (ph_ingest_status_parse(data, size, &online, &error) == PH_ERR_INTERNAL) {
        abort();
    }
    return 0;
}
