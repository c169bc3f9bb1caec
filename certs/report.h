/* The life of all certificates at a glance: what there is, what expires when, what needs
 * attention. */
#ifndef PH_CERTS_REPORT_H
#define PH_CERTS_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "certs/ca.h"

enum { PH_REPORT_TYPES = 5, PH_REPORT_STATES = 6, PH_REPORT_BARS = 14 };

/* In the order of the counts below. */
extern const char *const ph_report_types[PH_REPORT_TYPES];
extern const enum ph_inventory_state ph_report_states[PH_REPORT_STATES];

struct ph_report_ca {
    struct ph_authority authority;
    int64_t valid;              /* certificates that it has issued and that are */
    int64_t crl_next_update_ms; /* 0: it has no CRL that can be read */
};

enum ph_report_step { PH_REPORT_AUTO, PH_REPORT_WEEKS, PH_REPORT_MONTHS };

struct ph_report_bar {
    char label[PH_UTC_BYTES]; /* "2026-11-22", "2026-11", and "later" for the last */
    int64_t count;
};

struct ph_report_notice {
    const char *topic; /* "crl", "authority", "rollover", "renewal", "request", "claim", "hold" */
    char text[512];    /* what it is, and what to do */
};

struct ph_report {
    int64_t now_ms;
    enum ph_report_step step; /* never AUTO */
    int64_t counts[PH_REPORT_TYPES][PH_REPORT_STATES];
    struct ph_report_ca *cas;
    size_t ca_count;
    struct ph_report_bar bars[PH_REPORT_BARS]; /* valid leaves, by notAfter */
    struct ph_report_notice *notices;
    size_t notice_count;
};

struct ph_report_options {
    int64_t now_ms;
    enum ph_report_step step; /* AUTO: weeks when half of them expire within thirteen */
    int64_t due_percent;      /* of a lifetime, after which a renewal is late */
};

/* `out` is the caller's, to be given to ph_report_fini() also after an error. */
enum ph_err ph_report_gather(struct ph_ca *ca, const struct ph_report_options *options,
    struct ph_report *out, struct ph_error *error) PH_NODISCARD;
void ph_report_fini(struct ph_report *report);

/* For people, and as one JSON object. What cannot be written shows in ferror(). */
void ph_report_print_text(FILE *file, const struct ph_report *report);
void ph_report_print_json(FILE *file, const struct ph_report *report);

#endif
