#include "format/stream.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

void ph_stream_print(char out[PH_STREAM_BYTES], uint64_t stream)
{
    (void)snprintf(out, PH_STREAM_BYTES, "%016" PRIx64, stream);
}

bool ph_stream_parse(const char *text, uint64_t *out)
{
    uint8_t bytes[8];
    uint64_t stream = 0;
    if (strpbrk(text, "ABCDEF") != NULL || !ph_hex_decode(bytes, sizeof bytes, text)) {
        return false;
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        stream = stream << 8 | bytes[i];
    }
    if (stream == 0) {
        return false;
    }
    *out = stream;
    return true;
}
