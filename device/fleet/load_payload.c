#include "device/fleet/load_payload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/random.h"
#include "base/text.h"

enum {
    MAGIC = 0x44414f4c, /* "LOAD" */
    FRONT_BYTES = 9,    /* {"load":" */
    SEQ_DIGITS = 16,    /* 2^53 - 1 */
    READING_BYTES = 160,
};

static const char front[] = "{\"load\":\"";

static void put(uint8_t *out, uint64_t value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t get(const uint8_t *bytes, size_t len)
{
    uint64_t value = 0;
    for (size_t i = len; i > 0; i--) {
        value = value << 8 | bytes[i - 1];
    }
    return value;
}

static void encode(uint8_t out[PH_LOAD_STAMP_BYTES], const struct ph_load_stamp *stamp)
{
    put(out, MAGIC, 4);
    put(out + 4, stamp->run, 4);
    put(out + 8, stamp->publisher, 4);
    put(out + 12, (uint64_t)stamp->seq, 8);
    put(out + 20, (uint64_t)stamp->due_ns, 8);
    put(out + 28, (uint64_t)stamp->sent_ns, 8);
}

static bool decode(const uint8_t bytes[PH_LOAD_STAMP_BYTES], struct ph_load_stamp *out)
{
    *out = (struct ph_load_stamp){
        .run = (uint32_t)get(bytes + 4, 4),
        .publisher = (uint32_t)get(bytes + 8, 4),
        .seq = (int64_t)get(bytes + 12, 8),
        .due_ns = (int64_t)get(bytes + 20, 8),
        .sent_ns = (int64_t)get(bytes + 28, 8),
    };
    return get(bytes, 4) == MAGIC && out->seq >= 0 && out->due_ns >= 0 && out->sent_ns >= 0;
}

static enum ph_err append_readings(struct ph_buf *text, int64_t count, int64_t unix_ms)
{
    enum ph_err err = PH_OK;
    for (int64_t i = 0; i < count && err == PH_OK; i++) {
        err = ph_buf_printf(text,
            "{\"t\":%" PRId64 ",\"temperature_c\":%.2f,\"setpoint_c\":21,\"humidity_pct\":41.2,"
            "\"hvac\":\"heating\"}%s",
            unix_ms - (count - 1 - i) * 1000, 20.5 + (double)(i % 100) / 100,
            i + 1 < count ? "," : "]}");
    }
    return err;
}

static enum ph_err print_json(
    struct ph_load_payload *payload, int64_t unix_ms, struct ph_error *error)
{
    struct ph_buf text;
    ph_buf_init(&text, (size_t)(payload->readings + 2) * READING_BYTES);
    enum ph_err err =
        ph_buf_printf(&text, "%s%*s\",\"v\":1,\"stream\":\"0000000000000000\",\"seq\":", front,
            2 * PH_LOAD_STAMP_BYTES, "");
    payload->seq_at = text.len;
    err = err == PH_OK ? ph_buf_printf(&text, "%*s,\"readings\":[", SEQ_DIGITS, "") : err;
    err = err == PH_OK ? append_readings(&text, payload->readings, unix_ms) : err;
    if (err != PH_OK) {
        ph_buf_fini(&text);
        return ph_error_set(error, err, "payload: no memory");
    }
    payload->bytes = text.data; /* taken over */
    payload->len = text.len;
    return PH_OK;
}

enum ph_err ph_load_payload_init(struct ph_load_payload *payload, int64_t size_bytes,
    int64_t readings, int64_t unix_ms, struct ph_error *error)
{
    struct ph_rng rng = {.state = 1};
    *payload = (struct ph_load_payload){.readings = readings};
    if (readings > 0) {
        return print_json(payload, unix_ms, error);
    }
    payload->len = (size_t)size_bytes;
    payload->bytes = calloc(1, payload->len + 1);
    if (payload->bytes == NULL) {
        return ph_error_set(
            error, PH_ERR_MEMORY, "payload: no memory for %" PRId64 " bytes", size_bytes);
    }
    for (size_t i = 0; i < payload->len; i++) {
        payload->bytes[i] = (char)ph_rng_u64(&rng);
    }
    return PH_OK;
}

void ph_load_payload_fini(struct ph_load_payload *payload)
{
    free(payload->bytes);
    *payload = (struct ph_load_payload){0};
}

bool ph_load_payload_stamped(int64_t size_bytes, int64_t readings)
{
    return readings > 0 || size_bytes >= PH_LOAD_STAMP_BYTES;
}

/* The number is padded behind with spaces, which JSON allows: everything stays in its place. */
static void stamp_json(struct ph_load_payload *payload, const struct ph_load_stamp *stamp,
    const uint8_t bytes[PH_LOAD_STAMP_BYTES])
{
    char hex[2 * PH_LOAD_STAMP_BYTES + 1];
    char stream[17];
    char seq[24];
    ph_hex_encode(hex, bytes, PH_LOAD_STAMP_BYTES);
    memcpy(payload->bytes + FRONT_BYTES, hex, sizeof hex - 1);
    (void)snprintf(stream, sizeof stream, "%08" PRIx32 "%08" PRIx32, stamp->run, stamp->publisher);
    memcpy(payload->bytes + payload->seq_at - sizeof stream - 7, stream, sizeof stream - 1);
    (void)snprintf(seq, sizeof seq, "%-*" PRId64, SEQ_DIGITS, stamp->seq * payload->readings + 1);
    memcpy(payload->bytes + payload->seq_at, seq, SEQ_DIGITS);
}

void ph_load_payload_stamp(struct ph_load_payload *payload, const struct ph_load_stamp *stamp)
{
    uint8_t bytes[PH_LOAD_STAMP_BYTES];
    encode(bytes, stamp);
    if (payload->seq_at > 0) {
        stamp_json(payload, stamp, bytes);
    } else if (payload->len >= sizeof bytes) {
        memcpy(payload->bytes, bytes, sizeof bytes);
    }
}

bool ph_load_payload_read(const void *bytes, size_t len, struct ph_load_stamp *out)
{
    const size_t needed = FRONT_BYTES + 2 * PH_LOAD_STAMP_BYTES;
    if (len >= needed && memcmp(bytes, front, FRONT_BYTES) == 0) {
        char hex[2 * PH_LOAD_STAMP_BYTES + 1] = "";
        uint8_t stamp[PH_LOAD_STAMP_BYTES];
        memcpy(hex, (const char *)bytes + FRONT_BYTES, sizeof hex - 1);
        return ph_hex_decode(stamp, sizeof stamp, hex) && decode(stamp, out);
    }
    return len >= PH_LOAD_STAMP_BYTES && decode(bytes, out);
}
