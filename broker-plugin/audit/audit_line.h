/* One line of an audit file in the making. Internal to audit.c. */
#ifndef PH_BROKER_PLUGIN_AUDIT_LINE_H
#define PH_BROKER_PLUGIN_AUDIT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "broker-plugin/audit/audit.h"
#include "broker-plugin/audit/audit_record.h"

struct ph_audit_line {
    char text[PH_AUDIT_LINE_BYTES];
    size_t len;
};

/* Writes the record that follows `head`, newline included, and moves `head` to it. What has no room
 * is cut and marked. False, and `head` as it was, for want of memory. */
bool ph_audit_line_make(struct ph_audit_line *line, struct ph_audit_head *head, int64_t now_ms,
    const char *event, const struct ph_log_field *fields) PH_NODISCARD;

#endif
