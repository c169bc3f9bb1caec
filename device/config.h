/* The configuration of ph-thermostat: a YAML file, and options of the command line that win over it
 * (docs/spec/device.md, CFG). */
#ifndef PH_DEVICE_CONFIG_H
#define PH_DEVICE_CONFIG_H

#include <stdint.h>
#include <stdio.h>

#include "base/cli.h"
#include "base/error.h"
#include "config/broker_section.h"
#include "device/life_section.h"
#include "device/spool.h"
#include "device/topics.h"

struct ph_device_config {
    struct ph_broker_section broker;
    struct {
        char *file;
        int64_t max_bytes;
        enum ph_spool_sync sync;
    } spool;
    struct {
        int64_t interval_ms; /* between readings */
        int64_t readings_per_message;
        int64_t message_bytes;
        int64_t window;
        int64_t ack_timeout_ms;
        int64_t drain_ms;
    } publish;
    struct {
        int64_t min_ms;
        int64_t max_ms;
        int64_t refused_ms;
    } reconnect;
    struct {
        int64_t seed; /* 0: from the identity */
        double setpoint_c;
        double speed;
    } room;
    struct ph_topic_templates topics;
    struct ph_claim_section *claim; /* NULL: none */
    struct ph_renewal_section renewal;
};

/* The options of `ph-thermostat run` that ph_device_config_load() understands. */
#define PH_DEVICE_CONFIG_OPTIONS                                                                   \
    {"config", "FILE", "configuration file (YAML)"},                                               \
        {"certs", "DIR", "folder with cert.pem, key.pem and ca.pem"},                              \
        {"broker", "HOST:PORT", "broker to connect to"},                                           \
        {"claim", "DIR", "folder with cert.pem and key.pem of the claim to enrol with"},           \
        {"spool", "FILE", "spool database (default: spool.db beside the certificate)"},            \
        {"interval-ms", "N", "milliseconds between readings (default 10000)"},                     \
        {"seed", "N", "seed of the simulated room (default: from the identity)"},                  \
        {"setpoint", "C", "set point at the start, in degrees Celsius (default 21)"},              \
    {                                                                                              \
        "drain-ms", "N", "how long SIGTERM waits for acknowledgements (default 5000)"              \
    }

/* Reads --config, applies the options and the defaults, and checks every value. */
enum ph_err ph_device_config_load(
    const struct ph_cli *cli, struct ph_device_config **out, struct ph_error *error) PH_NODISCARD;

/* For devices that share all but their certificates and their spools: --config, which may be left
 * out, and --broker, whose default is localhost:8883. broker.ca, certificate and key are those of
 * the file, or NULL, and spool.file is NULL: each device's are put in their place. Without a file
 * spool.sync is os: a fleet measures more than its disk. */
enum ph_err ph_device_config_load_shared(
    const struct ph_cli *cli, struct ph_device_config **out, struct ph_error *error) PH_NODISCARD;

/* Prints it as YAML that loads to the same configuration. */
enum ph_err ph_device_config_print(
    FILE *out, const struct ph_device_config *config, struct ph_error *error) PH_NODISCARD;
void ph_device_config_free(struct ph_device_config **config);

#endif
