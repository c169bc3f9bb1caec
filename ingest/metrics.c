#include "ingest/metrics.h"

enum { TEXT_BYTES = 65536 };

#define NAME(rest) "phonehome_ingest_" rest

static void put_counter(
    struct ph_exposition *out, const char *name, const char *help, int64_t value)
{
    ph_exposition_single(out, name, "counter", help, (uint64_t)value);
}

static void put_state(struct ph_exposition *out, const struct ph_ingest_metrics *metrics)
{
    ph_exposition_single(out, NAME("connected"), "gauge",
        "1 while the broker has accepted the subscription, else 0.", metrics->connected ? 1 : 0);
    ph_exposition_single(out, NAME("store_up"), "gauge",
        "1 unless the last commit failed; while it is 0, nothing is acknowledged.",
        metrics->store_up ? 1 : 0);
    ph_exposition_single_ms(out, NAME("last_commit_timestamp_seconds"), "gauge",
        "When something was last committed, a beat at least; 0 before the first time.",
        metrics->counts.committed_ms);
    ph_exposition_single_ms(out, NAME("ack_lag_seconds"), "gauge",
        "How long the oldest message that is not committed, and so not acknowledged, has waited.",
        metrics->lag_ms);
    ph_exposition_single(out, NAME("queue_messages"), "gauge",
        "Messages that were received and are not committed.", metrics->waiting);
}

static void put_letters(struct ph_exposition *out, const struct ph_pipeline_counts *counts)
{
    static const char name[] = NAME("dead_letters_total");
    ph_exposition_head(out, name, "counter",
        "Messages, or readings of one, that can never be stored; by whether they were kept.");
    ph_exposition_row(out, name, "kept", "yes", (uint64_t)counts->dead_letters);
    ph_exposition_row(out, name, "kept", "no", (uint64_t)counts->dead_letters_not_kept);
}

static void put_counts(struct ph_exposition *out, const struct ph_ingest_metrics *metrics)
{
    const struct ph_pipeline_counts *counts = &metrics->counts;
    put_counter(out, NAME("messages_total"), "Messages that were taken.", counts->messages);
    put_counter(out, NAME("readings_stored_total"), "Readings that were stored.", counts->stored);
    put_counter(out, NAME("duplicates_total"), "Readings that had been dealt with before.",
        counts->duplicates);
    put_counter(out, NAME("given_up_total"), "Readings that their device says it will never send.",
        counts->given_up);
    put_counter(out, NAME("misdated_total"),
        "Readings stored with a time that cannot be their device's.", counts->misdated);
    put_counter(out, NAME("unvouched_total"),
        "Messages without a certificate that vouches for them.", counts->unvouched);
    put_letters(out, counts);
    put_counter(out, NAME("held_back_total"),
        "Messages neither stored nor acknowledged: too many gaps or streams.", counts->held_back);
    put_counter(out, NAME("dropped_total"),
        "Messages dropped unacknowledged for want of room; their devices send them again.",
        metrics->shed + counts->dropped);
    put_counter(out, NAME("commits_total"), "Transactions with messages.", counts->commits);
    put_counter(out, NAME("conflicts_total"),
        "Transactions done again because somebody else wrote.", counts->conflicts);
    put_counter(out, NAME("acks_total"), "Acknowledgements.", counts->acks);
}

void ph_ingest_metrics_print(const struct ph_ingest_metrics *metrics, struct ph_exposition *out)
{
    put_state(out, metrics);
    put_counts(out, metrics);
}

void ph_ingest_metrics_write(
    struct ph_exposition_file *file, const struct ph_ingest_metrics *metrics, int64_t now_ms)
{
    struct ph_buf text;
    struct ph_exposition out = {.buf = &text};
    ph_buf_init(&text, TEXT_BYTES);
    ph_ingest_metrics_print(metrics, &out);
    ph_exposition_file_write(file, &out, now_ms);
    ph_buf_fini(&text);
}
