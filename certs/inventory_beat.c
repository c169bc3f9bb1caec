#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "certs/inventory_internal.h"

/* One setting: "AT EVERY CONNECTED SINCE VERSION". */
static const char key[] = "beat";
enum { TEXT_BYTES = 160, NUMBERS = 4 };

enum ph_err ph_inventory_beat(
    struct ph_inventory *inventory, const struct ph_beat *beat, struct ph_error *error)
{
    char text[TEXT_BYTES];
    (void)snprintf(text, sizeof text, "%" PRId64 " %" PRId64 " %d %" PRId64 " %s", beat->at_ms,
        beat->every_ms, beat->connected ? 1 : 0, beat->since_ms, beat->version);
    return ph_setting_put_text(inventory, key, text, error);
}

static bool read_beat(char *text, struct ph_beat *out)
{
    int64_t numbers[NUMBERS];
    for (int i = 0; i < NUMBERS; i++) {
        char *space = strchr(text, ' ');
        if (space == NULL) {
            return false;
        }
        *space = '\0';
        if (!ph_text_to_int64(text, 0, INT64_MAX, &numbers[i])) {
            return false;
        }
        text = space + 1;
    }
    *out = (struct ph_beat){.at_ms = numbers[0],
        .every_ms = numbers[1],
        .connected = numbers[2] != 0,
        .since_ms = numbers[3]};
    return ph_text_copy(out->version, sizeof out->version, text);
}

enum ph_err ph_inventory_last_beat(
    struct ph_inventory *inventory, struct ph_beat *out, struct ph_error *error)
{
    char text[TEXT_BYTES];
    enum ph_err err = ph_setting_text(inventory, key, text, sizeof text, error);
    return err != PH_OK || read_beat(text, out)
               ? err
               : ph_error_set(error, PH_ERR_INPUT, "%s: setting %s: not a beat",
                     ph_db_path(inventory->db), key);
}
