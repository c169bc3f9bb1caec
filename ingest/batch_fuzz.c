/* One PUBLISH as ingest sees it: the first line is the topic, the rest the payload. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/json.h"
#include "ingest/batch.h"

#define PATTERN "ph/v1/{tenant}/{kind}/{device}/telemetry"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* Those of the dead letter lie in what the acknowledgement covers, in order. */
static void check_ranges(const struct ph_batch_entry *entry)
{
    int64_t floor = entry->range.first - 1;
    require(entry->has_range || entry->range_count == 0);
    require(entry->reason != NULL || entry->range_count == 0);
    for (size_t i = 0; i < entry->range_count; i++) {
        require(entry->ranges[i].first > floor && entry->ranges[i].last >= entry->ranges[i].first);
        require(entry->ranges[i].last <= entry->range.last);
        floor = entry->ranges[i].last;
    }
}

/* What a store keeps of the fields that are not declared is one JSON object, or nothing. */
static void check_unknown(const struct ph_kind *kind, const struct ph_reading *reading)
{
    struct ph_json *json = NULL;
    struct ph_buf text;
    ph_buf_init(&text, PH_KIND_UNKNOWN_BYTES);
    require(ph_kind_encode_unknown(kind, reading, &text) == PH_OK);
    if (text.len > 0) {
        require(ph_json_parse(text.data, text.len, &json, NULL) == PH_OK);
        require(ph_json_type(ph_json_root(json)) == PH_JSON_OBJECT);
    }
    ph_json_free(&json);
    ph_buf_fini(&text);
}

static void check_entry(struct ph_batch_entry *entry, const struct ph_kinds *kinds)
{
    const struct ph_message *message = entry->message;
    require(message != NULL || entry->reason != NULL);
    require(!entry->has_range || (entry->has_identity && entry->range.first >= 1 &&
                                     entry->range.last >= entry->range.first - 1));
    require(entry->refused == NULL || entry->reason != NULL);
    check_ranges(entry);
    if (message == NULL) {
        return;
    }
    for (size_t i = 0; i < message->reading_count; i++) {
        check_unknown(ph_kinds_find(kinds, entry->identity.kind), &message->readings[i]);
    }
    require(ph_batch_condemn(entry, PATTERN, "no", NULL) == PH_OK);
    require(entry->message == NULL && strcmp(entry->reason, "no") == 0);
    check_ranges(entry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char strict[] = "thermostat";
    static char lenient[] = "doorbell";
    static char field_name[] = "temperature_c";
    struct ph_field_rule field = {.name = field_name, .type = PH_FIELD_NUMBER, .required = true};
    struct ph_kind list[] = {
        {.name = strict, .fields = &field, .field_count = 1},
        {.name = lenient,
            .fields = &field,
            .field_count = 1,
            .unknown = PH_UNKNOWN_STORE,
            .plain = true},
    };
    const struct ph_kinds kinds = {.kinds = list, .kind_count = 2};
    struct ph_batch batch;
    const uint8_t *line_end = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t topic_len = line_end != NULL ? (size_t)(line_end - data) : size;
    char *topic = strndup((const char *)data, topic_len);
    if (topic == NULL || ph_batch_init(&batch, 1, NULL) != PH_OK) {
        abort();
    }
    struct ph_publish publish = {
        .topic = topic,
        .payload = line_end != NULL ? line_end + 1 : NULL,
        .payload_len = line_end != NULL ? size - topic_len - 1 : 0,
    };
    if (ph_batch_add(&batch, PATTERN, &kinds, &publish, NULL) == PH_OK) {
        check_entry(&batch.entries[0], &kinds);
    }
    ph_batch_fini(&batch);
    free(topic);
    return 0;
}
