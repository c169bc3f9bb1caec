/* Any bytes: no crash; what is admitted is walked whole and its texts are valid UTF-8. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "format/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void walk(const struct ph_json_value *value, int depth)
{
    require(depth <= PH_LIMIT_JSON_DEPTH + 1);
    if (ph_json_type(value) == PH_JSON_TEXT) {
        const char *text = ph_json_text(value);
        require(ph_text_utf8_valid(text, strlen(text)));
    }
    if (ph_json_type(value) == PH_JSON_NUMBER) {
        require(isfinite(ph_json_number(value)));
    }
    for (const struct ph_json_value *child = ph_json_first(value); child != NULL;
         child = ph_json_next(child)) {
        if (ph_json_type(value) == PH_JSON_OBJECT) {
            require(ph_json_member(value, ph_json_key(child)) == child);
        }
        walk(child, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ph_json *json = NULL;
    struct ph_error error = {0};
    enum ph_err err = ph_json_parse(data, size, &json, &error);
    if (err == PH_OK) {
        walk(ph_json_root(json), 1);
    } else {
        /* Running out of memory would mean that cJSON refuses what the scan admits. */
        require(err != PH_ERR_MEMORY && json == NULL && error.message[0] != '\0');
    }
    ph_json_free(&json);
    return 0;
}
