/* The configuration of ph-ingest (config/ingest.yaml is the commented example). */
#ifndef PH_INGEST_CONFIG_H
#define PH_INGEST_CONFIG_H

#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "config/broker_section.h"

#define PH_INGEST_CONFIG_FILE "/etc/phonehome/ingest.yaml"

struct ph_batch_section {
    uint32_t messages; /* commit when so many wait ... */
    uint32_t delay_ms; /* ... or when the oldest has waited so long */
};

struct ph_topics_section {
    char *telemetry; /* {tenant}, {kind} and {device} each a level */
    char *ack;       /* template */
    char *status;    /* plain topic */
};

struct ph_ingest_config {
    struct ph_broker_section broker;
    char *store; /* SQLite database */
    char *kinds; /* kinds file */
    struct ph_batch_section batch;
    uint32_t queue_bytes; /* bound on messages received and not yet looked at */
    struct ph_topics_section topics;
};

/* Loads, applies defaults, checks, makes paths relative to the file's folder. PH_ERR_CONFIG names
 * file and key. The caller owns *out. */
enum ph_err ph_ingest_config_load(
    const char *path, struct ph_ingest_config **out, struct ph_error *error) PH_NODISCARD;

/* Prints it with all defaults, as YAML that loads to the same configuration. */
enum ph_err ph_ingest_config_print(
    FILE *out, const struct ph_ingest_config *config, struct ph_error *error) PH_NODISCARD;
void ph_ingest_config_free(struct ph_ingest_config **config);

#endif
