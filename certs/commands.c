#include "certs/commands.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum ph_err ph_ca_open_named(const struct ph_cli *cli, struct ph_ca **out, struct ph_error *error)
{
    const char *dir = ph_cli_value(cli, "ca");
    return ph_ca_open(dir != NULL ? dir : "pki", out, error);
}

const char *ph_ca_status(const struct ph_inventory_entry *entry, int64_t now_ms)
{
    if (entry->revoked_ms != 0) {
        return "revoked";
    }
    if (now_ms > entry->not_after_ms) {
        return "expired";
    }
    return now_ms < entry->not_before_ms ? "not-yet-valid" : "valid";
}

void ph_ca_holder(char *out, size_t size, const struct ph_inventory_entry *entry)
{
    if (entry->tenant[0] != '\0') {
        (void)snprintf(out, size, "%s/%s/%s", entry->tenant, entry->kind, entry->name);
    } else {
        (void)snprintf(out, size, "%s", entry->name);
    }
}

enum ph_err ph_ca_serial_parse(const char *text, char out[PH_SERIAL_BYTES], struct ph_error *error)
{
    const char *digits = text + strspn(text, "0");
    size_t len = strlen(digits);
    if (len == 0 || len >= PH_SERIAL_BYTES || strspn(digits, "0123456789abcdefABCDEF") != len) {
        return ph_error_set(error, PH_ERR_USAGE,
            "\"%s\": want a serial number in hexadecimal, or a file that exists", text);
    }
    memcpy(out, digits, len + 1);
    for (char *p = out; *p != '\0'; p++) {
        *p = (char)tolower((unsigned char)*p);
    }
    return PH_OK;
}
