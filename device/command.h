/* Commands to a device, and its answers (docs/spec/device.md, CMD):
 *   {"v":1,"id":"text","set":{"setpoint_c":22.5}}
 *   {"v":1,"id":"text","ok":true}   {"v":1,"id":"text","ok":false,"reason":"..."} */
#ifndef PH_DEVICE_COMMAND_H
#define PH_DEVICE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

enum { PH_COMMAND_BYTES = 1024, PH_COMMAND_ID_BYTES = 64 };

struct ph_command {
    char id[PH_COMMAND_ID_BYTES + 1]; /* also set after an error, when it could be read */
    double setpoint_c;
};

/* Parses and checks a command; PH_ERR_INPUT or PH_ERR_LIMIT says what is wrong with it. */
enum ph_err ph_command_parse(
    const void *bytes, size_t len, struct ph_command *out, struct ph_error *error) PH_NODISCARD;

/* Appends the answer; `reason` is NULL when the command was carried out. */
enum ph_err ph_reply_encode(const char *id, const char *reason, struct ph_buf *out) PH_NODISCARD;

/* Reads {"v":1,"online":true|false}, what the ingest service says of itself; other members are left
 * alone. */
enum ph_err ph_ingest_status_parse(
    const void *bytes, size_t len, bool *online, struct ph_error *error) PH_NODISCARD;

#endif
