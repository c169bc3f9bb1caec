/* What the files of the report share. Internal. */
#ifndef PH_CERTS_REPORT_PARTS_H
#define PH_CERTS_REPORT_PARTS_H

#include "base/map.h"
#include "certs/report.h"

/* A valid certificate that no later one of its holder follows. */
struct ph_report_leaf {
    char type[PH_INVENTORY_WORD_BYTES];
    char holder[PH_IDENTITY_BYTES];
    int64_t not_before_ms;
    int64_t not_after_ms;
};

struct ph_report_work {
    struct ph_ca *ca;
    const struct ph_report_options *options;
    struct ph_report *report;
    struct ph_map *leaves; /* "type holder" to struct ph_report_leaf */
    int64_t held;
};

/* Adds a notice. PH_ERR_MEMORY. */
enum ph_err ph_report_note(struct ph_report *report, struct ph_error *error, const char *topic,
    const char *format, ...) PH_PRINTF(4, 5) PH_NODISCARD;

/* Looks at everything that may want somebody's attention; takes the leaves out of the map. */
enum ph_err ph_report_attend(struct ph_report_work *work, struct ph_error *error) PH_NODISCARD;

#endif
