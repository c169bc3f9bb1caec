/* One PUBLISH as ingest sees it: the first line is the topic, the rest the payload. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/batch.h"

#define PATTERN "ph/v1/{tenant}/{kind}/{device}/telemetry"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_entry(const struct ph_batch_entry *entry)
{
    require(entry->message != NULL || entry->reason != NULL);
    require(!entry->has_range || (entry->has_identity && entry->range.first >= 1 &&
                                     entry->range.last >= entry->range.first));
    require(entry->refused == NULL || entry->reason != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char name[] = "thermostat";
    static char field_name[] = "temperature_c";
    struct ph_field_rule field = {.name = field_name, .type = PH_FIELD_NUMBER, .required = true};
    struct ph_kind kind = {.name = name, .fields = &field, .field_count = 1};
    const struct ph_kinds kinds = {.kinds = &kind, .kind_count = 1};
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
        check_entry(&batch.entries[0]);
    }
    ph_batch_fini(&batch);
    free(topic);
    return 0;
}
