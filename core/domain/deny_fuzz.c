/* A deny-list: no crash, every refusal says why in one line, and questions have one answer. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "domain/deny.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static size_t lines(const uint8_t *data, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++) {
        count += data[i] == '\n' ? 1 : 0;
    }
    return count;
}

/* An entry that is found stands on a line that is there, and the place changes no answer. */
static void ask(const struct ph_deny_list *list, size_t line_count)
{
    static const struct ph_identity identity = {
        .anchor = "devices", .tenant = "acme", .kind = "thermostat", .device = "t-1"};
    static const char key[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    struct ph_deny_place place = {.file = "fuzz", .line = 1};
    bool found = ph_deny_has_identity(list, &identity, &place) ||
                 ph_deny_has_quarantined(list, &identity, &place) ||
                 ph_deny_has_serial(list, "a1b", "CN=devices,O=acme", &place) ||
                 ph_deny_has_key(list, key, &place);
    require(!found || ph_deny_count(list) > 0);
    require(strcmp(place.file, "fuzz") == 0 && place.line >= 1 && place.line <= line_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ph_deny_list *list = NULL;
    struct ph_error error = {0};
    if (ph_deny_parse("fuzz", data, size, &list, &error) != PH_OK) {
        require(list == NULL && error.code != PH_OK);
        require(strncmp(error.message, "fuzz:", 5) == 0 && strchr(error.message, '\n') == NULL);
        return 0;
    }
    size_t line_count = lines(data, size);
    require(ph_deny_count(list) <= line_count);
    ask(list, line_count);
    ph_deny_free(&list);
    return 0;
}
