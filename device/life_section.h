/* The sections of a device's configuration about the life of its certificate:
 *
 *   claim:                       what it may ask for its first certificate with
 *     certificate: claim/cert.pem
 *     key: claim/key.pem
 *     kind: thermostat           what it says of itself (all three may be left out)
 *     name: t-0001
 *     serial: "SN 4711"
 *   renewal:
 *     enabled: true
 *
 * docs/spec/device.md, CFG-DEV. Their schema tables are in life_schema.h. */
#ifndef PH_DEVICE_LIFE_SECTION_H
#define PH_DEVICE_LIFE_SECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct ph_claim_section {
    char *certificate;
    char *key;
    char *kind;   /* NULL: not said */
    char *name;   /* the same */
    char *serial; /* the same */
};

struct ph_renewal_section {
    bool *enabled; /* NULL until the defaults are in */
    double at;
    double jitter;
    int64_t retry_min_ms;
    int64_t retry_max_ms;
    int64_t answer_ms;
    int64_t state_interval_ms;
    int64_t trials;
    bool reuse_key;
};

/* Makes the paths relative to the folder of `config_path`. */
enum ph_err ph_claim_section_finish(
    struct ph_claim_section *section, const char *config_path, struct ph_error *error) PH_NODISCARD;

/* Takes cert.pem and key.pem from `dir`; makes the section (calloc) when *section is NULL. */
enum ph_err ph_claim_section_take(
    struct ph_claim_section **section, const char *dir, struct ph_error *error) PH_NODISCARD;

/* PH_ERR_CONFIG names `source` and the key. */
enum ph_err ph_claim_section_check(const struct ph_claim_section *section, const char *source,
    struct ph_error *error) PH_NODISCARD;

/* Fills in what the file left out; then PH_ERR_CONFIG names `source` and the key. */
enum ph_err ph_renewal_section_default(
    struct ph_renewal_section *section, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_renewal_section_check(const struct ph_renewal_section *section, const char *source,
    struct ph_error *error) PH_NODISCARD;

#endif
