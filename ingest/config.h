/* The configuration of ph-ingest (config/ingest.yaml is the commented example). */
#ifndef PH_INGEST_CONFIG_H
#define PH_INGEST_CONFIG_H

#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "config/broker_section.h"
#include "ingest/store/store.h"

#define PH_INGEST_CONFIG_FILE "/etc/phonehome/ingest.yaml"

struct ph_batch_section {
    uint32_t messages; /* commit when so many wait ... */
    uint32_t delay_ms; /* ... or when the oldest has waited so long */
};

struct ph_acks_section {
    uint32_t interval_ms; /* between two acknowledgements of one stream that go on being due; the
                             first after a pause goes out with its commit */
};

struct ph_partition_section {
    uint32_t hours; /* a partition takes what is received in so long ... */
    uint32_t rows;  /* ... or so many rows (SQLite) */
};

struct ph_letters_section {
    uint32_t per_device; /* kept; more are only counted */
    uint32_t bytes_per_device;
    uint32_t per_minute; /* of one device; more are only counted */
};

struct ph_clock_section {
    uint32_t future_s; /* a reading further ahead is flagged */
    char *oldest;      /* a date, "2020-01-01": a reading from before it is flagged */
};

struct ph_topics_section {
    char *telemetry; /* {tenant}, {kind} and {device} each a level */
    char *ack;       /* template */
    char *status;    /* plain topic */
};

struct ph_ingest_config {
    struct ph_broker_section broker;
    char *store; /* path of an SQLite database, or a postgresql:// URI */
    char *kinds; /* kinds file */
    struct ph_batch_section batch;
    struct ph_acks_section acks;
    struct ph_partition_section partition;
    uint32_t retention_days; /* 0: for ever */
    struct ph_letters_section dead_letters;
    struct ph_clock_section clock;
    uint32_t queue_bytes; /* bound on messages received and not yet looked at */
    uint32_t beat_s;      /* between two signs of life in the store */
    char *metrics;        /* file for Prometheus; NULL: none */
    struct ph_topics_section topics;
};

/* Loads, applies defaults, checks, makes paths relative to the file's folder. PH_ERR_CONFIG names
 * file and key. The caller owns *out. */
enum ph_err ph_ingest_config_load(
    const char *path, struct ph_ingest_config **out, struct ph_error *error) PH_NODISCARD;

/* What of it concerns the store. The configuration has been loaded, so nothing can fail. */
struct ph_store_limits ph_ingest_config_limits(const struct ph_ingest_config *config);

/* Prints it with all defaults, as YAML that loads to the same configuration. */
enum ph_err ph_ingest_config_print(
    FILE *out, const struct ph_ingest_config *config, struct ph_error *error) PH_NODISCARD;
void ph_ingest_config_free(struct ph_ingest_config **config);

#endif
