/* Any bytes: no crash; what is admitted can be written and reads back the same. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "format/ack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ph_ack ack;
    struct ph_ack back;
    if (ph_ack_parse(data, size, &ack, NULL) != PH_OK) {
        return 0;
    }
    struct ph_buf buf;
    ph_buf_init(&buf, PH_LIMIT_MESSAGE_BYTES);
    require(ph_ack_encode(&ack, &buf) == PH_OK);
    require(ph_ack_parse(buf.data, buf.len, &back, NULL) == PH_OK);
    require(back.stream == ack.stream && back.through == ack.through);
    require(back.also_count == ack.also_count);
    int64_t before = ack.through;
    for (size_t i = 0; i < ack.also_count; i++) {
        require(back.also[i].first == ack.also[i].first && back.also[i].last == ack.also[i].last);
        require(ack.also[i].first > before && ack.also[i].last >= ack.also[i].first);
        before = ack.also[i].last;
    }
    ph_buf_fini(&buf);
    return 0;
}
