#include <endian.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "format/json.h"
#include "ingest/store/postgres.h"

static enum ph_err reserve_newest(struct postgres_store *store, struct ph_error *error)
{
    if (store->newest_count < store->newest_size) {
        return PH_OK;
    }
    size_t size = store->newest_size == 0 ? 1024 : 2 * store->newest_size;
    struct postgres_newest *grown = reallocarray(store->newest, size, sizeof grown[0]);
    if (grown == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "newest readings: out of memory");
    }
    store->newest = grown;
    store->newest_size = size;
    return PH_OK;
}

/* The stream's slot of this transaction; a new one has no room yet. */
static enum ph_err find_slot(struct postgres_store *store, const struct ph_stream_row *stream,
    struct postgres_newest **out, struct ph_error *error)
{
    if (stream->latest > store->newest_base) {
        *out = &store->newest[stream->latest - store->newest_base - 1];
        return PH_OK;
    }
    enum ph_err err = reserve_newest(store, error);
    if (err == PH_OK) {
        *out = &store->newest[store->newest_count++];
        **out = (struct postgres_newest){0};
    }
    return err;
}

/* Into the room of the one before, when it fits. */
static enum ph_err keep_fields(struct postgres_store *store, struct postgres_newest *slot,
    const char *fields, size_t len, struct ph_error *error)
{
    if (len <= slot->size) {
        memcpy(store->newest_fields.data + slot->offset, fields, len);
        return PH_OK;
    }
    slot->offset = store->newest_fields.len;
    slot->size = len;
    return ph_buf_append(&store->newest_fields, fields, len) == PH_OK
               ? PH_OK
               : ph_error_set(error, PH_ERR_MEMORY, "newest readings: too much to keep");
}

enum ph_err ph_postgres_newest_note(struct postgres_store *store,
    const struct ph_stream_row *stream, const struct postgres_newest *newest, const char *fields,
    size_t len, int64_t *latest, struct ph_error *error)
{
    struct postgres_newest *slot = NULL;
    enum ph_err err = find_slot(store, stream, &slot, error);
    if (err != PH_OK) {
        return err;
    }
    const struct postgres_newest room = {.offset = slot->offset, .size = slot->size};
    *slot = *newest;
    slot->offset = room.offset;
    slot->size = room.size;
    *latest = store->newest_base + 1 + (slot - store->newest);
    return keep_fields(store, slot, fields, len, error);
}

static uint32_t get32(const char **at)
{
    uint32_t value = 0;
    memcpy(&value, *at, sizeof value);
    *at += sizeof value;
    return be32toh(value);
}

static uint64_t get64(const char *at)
{
    uint64_t value = 0;
    memcpy(&value, at, sizeof value);
    return be64toh(value);
}

static enum ph_err print_value(
    enum ph_field_type type, const char *bytes, size_t len, struct ph_buf *out)
{
    char text[PH_LIMIT_TEXT_VALUE_BYTES + 1];
    uint64_t bits = 0;
    double number = 0;
    switch (type) {
    case PH_FIELD_NUMBER:
        bits = get64(bytes);
        memcpy(&number, &bits, sizeof number);
        return ph_json_append_number(out, number);
    case PH_FIELD_INTEGER:
        return ph_buf_printf(out, "%" PRId64, (int64_t)get64(bytes));
    case PH_FIELD_BOOLEAN:
        return ph_buf_append_text(out, bytes[0] != 0 ? "true" : "false");
    case PH_FIELD_TEXT:
    case PH_FIELD_ENUM:
        break;
    }
    memcpy(text, bytes, len);
    text[len] = '\0';
    return ph_json_append_text(out, text);
}

enum ph_err ph_postgres_newest_print(
    const struct postgres_store *store, const struct postgres_newest *newest, struct ph_buf *out)
{
    const struct ph_kind *kind = &newest->table->kind;
    const char *at = store->newest_fields.data + newest->offset;
    const char *before = "{\"";
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < kind->field_count && err == PH_OK; i++) {
        uint32_t len = get32(&at);
        if (len == UINT32_MAX) {
            continue;
        }
        err = ph_buf_append_text(out, before);
        err = err == PH_OK ? ph_buf_append_text(out, kind->fields[i].name) : err;
        err = err == PH_OK ? ph_buf_append(out, "\":", 2) : err;
        err = err == PH_OK ? print_value(kind->fields[i].type, at, len, out) : err;
        at += len;
        before = ",\"";
    }
    return err == PH_OK ? ph_buf_append_text(out, before[0] == '{' ? "{}" : "}") : err;
}
