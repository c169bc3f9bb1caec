/* Any bytes: no crash; what is admitted can be written and reads back the same. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "format/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static bool same_value(const struct ph_value *a, const struct ph_value *b)
{
    if (a->type != b->type) {
        return false;
    }
    switch (a->type) {
    case PH_VALUE_NUMBER:
        return a->number == b->number && signbit(a->number) == signbit(b->number);
    case PH_VALUE_BOOL:
        return a->boolean == b->boolean;
    case PH_VALUE_TEXT:
        return strcmp(a->text, b->text) == 0;
    }
    return false;
}

/* Alone, a reading with such a field is taken for an envelope, and refused. */
static bool names_envelope(const struct ph_reading *reading)
{
    static const char *const names[] = {"v", "stream", "seq", "readings"};
    for (size_t i = 0; i < reading->field_count; i++) {
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
            if (strcmp(reading->fields[i].name, names[k]) == 0) {
                return true;
            }
        }
    }
    return false;
}

static void check_same(const struct ph_reading *a, const struct ph_reading *b)
{
    require(a->field_count == b->field_count);
    require(a->has_time == b->has_time && a->time_ms == b->time_ms);
    require(a->has_up == b->has_up && a->up_ms == b->up_ms);
    for (size_t i = 0; i < a->field_count; i++) {
        require(strcmp(a->fields[i].name, b->fields[i].name) == 0);
        require(same_value(&a->fields[i].value, &b->fields[i].value));
    }
}

static void check_reading(const struct ph_reading *reading)
{
    struct ph_buf buf;
    struct ph_message *back = NULL;
    ph_buf_init(&buf, PH_LIMIT_MESSAGE_BYTES);
    require(ph_reading_encode(reading, &buf) == PH_OK);
    enum ph_err err = ph_message_parse(buf.data, buf.len, &back, NULL);
    require((err == PH_OK) != names_envelope(reading));
    if (err == PH_OK) {
        require(back->plain && back->reading_count == 1);
        check_same(&back->readings[0], reading);
    }
    ph_message_free(&back);
    ph_buf_fini(&buf);
}

static void check_head(const struct ph_message *message)
{
    const struct ph_message_head head = {.stream = message->stream,
        .seq = message->seq,
        .oldest = message->oldest,
        .now_ms = message->has_now ? message->now_ms : -1,
        .up_ms = message->has_up ? message->up_ms : -1};
    struct ph_buf buf;
    struct ph_message *back = NULL;
    ph_buf_init(&buf, PH_MESSAGE_HEAD_BYTES);
    require(ph_message_encode(&head, NULL, 0, &buf) == PH_OK);
    require(ph_message_parse(buf.data, buf.len, &back, NULL) == PH_OK);
    require(back->stream == message->stream && back->seq == message->seq);
    require(back->oldest == message->oldest && back->reading_count == 0);
    require(back->has_now == message->has_now && back->now_ms == message->now_ms);
    require(back->has_up == message->has_up && back->up_ms == message->up_ms);
    ph_message_free(&back);
    ph_buf_fini(&buf);
}

static void check_plain(const struct ph_message *message)
{
    require(message->seq == 0 && message->stream == 0 && message->oldest == 0);
    require(!message->has_now && !message->has_up && message->reading_count >= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ph_message *message = NULL;
    struct ph_error error = {0};
    if (ph_message_parse(data, size, &message, &error) != PH_OK) {
        require(message == NULL && error.message[0] != '\0');
        return 0;
    }
    require(message->reading_count <= PH_LIMIT_MESSAGE_READINGS);
    if (message->plain) {
        check_plain(message);
    } else {
        check_head(message);
    }
    for (size_t i = 0; i < message->reading_count; i++) {
        const struct ph_reading *reading = &message->readings[i];
        require(!(reading->has_time && reading->has_up));
        require(message->plain || reading->has_time || reading->has_up);
        check_reading(reading);
    }
    ph_message_free(&message);
    return 0;
}
