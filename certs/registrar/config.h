/* The configuration of ph-ca serve (config/registrar.yaml is the commented example). */
#ifndef PH_CERTS_REGISTRAR_CONFIG_H
#define PH_CERTS_REGISTRAR_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "certs/registrar/registrar.h"
#include "config/broker_section.h"

#define PH_REGISTRAR_CONFIG_FILE "/etc/phonehome/registrar.yaml"

struct ph_registrar_devices_section {
    char *lifetime; /* a length of time, as are the other texts here and below */
    double renew_at;
    double renew_jitter;
    char *renew_grace;
    char *rollover;
    bool reuse_key;
};

struct ph_registrar_enrolment_section {
    bool auto_approve;
    char *retry_waiting;
    char *retry_refused;
};

struct ph_registrar_topics {
    char *renew;       /* {tenant}, {kind} and {device} each a level */
    char *certificate; /* the same */
    char *enroll;      /* {tenant} and {device}, which is the claim's name */
    char *enrolled;    /* the same; the request's id is a level behind it */
};

struct ph_registrar_config {
    struct ph_broker_section broker;
    char *ca;      /* folder of the certificate authority */
    char *beat;    /* time between two signs of life in the inventory */
    char *metrics; /* file for Prometheus; NULL: none */
    struct ph_registrar_devices_section devices;
    struct ph_registrar_enrolment_section enrolment;
    struct ph_registrar_topics topics;
};

/* Loads, applies defaults, checks, makes paths relative to the file's folder. PH_ERR_CONFIG names
 * file and key. */
enum ph_err ph_registrar_config_load(
    const char *path, struct ph_registrar_config **out, struct ph_error *error) PH_NODISCARD;

/* What of it the decisions need. */
struct ph_registrar_rules ph_registrar_config_rules(const struct ph_registrar_config *config);

/* The time between two signs of life. */
int64_t ph_registrar_config_beat_ms(const struct ph_registrar_config *config);

/* Prints it as YAML that loads to the same configuration. */
enum ph_err ph_registrar_config_print(
    FILE *out, const struct ph_registrar_config *config, struct ph_error *error) PH_NODISCARD;
void ph_registrar_config_free(struct ph_registrar_config **config);

#endif
