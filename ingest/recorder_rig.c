#include "ingest/recorder_rig.h"

#include <stdio.h>
#include <string.h>

struct ph_recorder_options rig_options(const struct scratch *scratch)
{
    return (struct ph_recorder_options){
        .store = scratch_options(scratch),
        .telemetry = PATTERN,
        .ack_interval_ms = 0,
        .backoff_min_ms = 100,
        .backoff_max_ms = 200,
    };
}

void rig_open(struct rig *rig, const struct ph_recorder_options *options)
{
    if (ph_recorder_new(options, &rig->recorder, &rig->scratch->error) != PH_OK) {
        fail_msg("%s", rig->scratch->error.message);
    }
}

void rig_start(struct rig *rig, struct scratch *scratch, int64_t ack_interval_ms)
{
    struct ph_recorder_options options = rig_options(scratch);
    options.ack_interval_ms = ack_interval_ms;
    *rig = (struct rig){.scratch = scratch};
    scratch->opened = true;
    log_capture();
    assert_int_equal(ph_batch_init(&rig->batch, 5000, &scratch->error), PH_OK);
    rig_open(rig, &options);
}

void rig_stop(struct rig *rig)
{
    ph_recorder_free(&rig->recorder);
    ph_batch_fini(&rig->batch);
    log_release();
}

void rig_add_to(struct rig *rig, const char *kind, const char *device, const char *payload)
{
    char topic[128];
    (void)snprintf(topic, sizeof topic, "ph/v1/acme/%s/%s/telemetry", kind, device);
    const struct ph_publish publish = {
        .topic = topic, .payload = payload, .payload_len = strlen(payload), .received_ms = NOW};
    assert_int_equal(
        ph_batch_add(&rig->batch, PATTERN, rig->scratch->kinds, &publish, &rig->scratch->error),
        PH_OK);
}

void rig_add(struct rig *rig, const char *device, const char *payload)
{
    rig_add_to(rig, "thermostat", device, payload);
}

void rig_add_range(struct rig *rig, const char *device, int64_t seq, size_t count)
{
    char text[4096];
    message_text(text, sizeof text, 0xaa, seq, count);
    rig_add(rig, device, text);
}

enum ph_err rig_try(struct rig *rig, int64_t now_ms)
{
    return ph_recorder_commit(rig->recorder, &rig->batch, now_ms, &rig->scratch->error);
}

void rig_acknowledge(struct rig *rig, int64_t now_ms, bool all)
{
    ack_box_empty(&rig->acks);
    ph_recorder_acknowledge(rig->recorder, now_ms, all, 1000, ack_box_put, &rig->acks);
}

/* What was added, and its acknowledgements. */
void rig_commit(struct rig *rig, int64_t now_ms)
{
    if (rig_try(rig, now_ms) != PH_OK) {
        fail_msg("%s", rig->scratch->error.message);
    }
    ph_batch_reset(&rig->batch);
    rig_acknowledge(rig, now_ms, false);
}

void rig_selects(struct rig *rig, const char *sql, const char *want)
{
    char have[4096];
    scratch_select(rig->scratch, sql, have, sizeof have);
    assert_string_equal(have, want);
}
