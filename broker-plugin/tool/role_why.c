#include "broker-plugin/tool/role_why.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "domain/subject.h"

static bool subject_mismatch(
    char *out, size_t size, const struct ph_role_match *match, const char *subject)
{
    for (size_t i = 0; i < match->subject_count; i++) {
        const struct ph_subject_rule *rule = &match->subject[i];
        const char *value = ph_subject_get(subject, rule->attribute);
        if (value == NULL) {
            (void)snprintf(out, size,
                "match.subject: want %s=\"%s\", have no such attribute, or several",
                rule->attribute, rule->pattern);
            return true;
        }
        if (!ph_pattern_holds(rule->pattern, value)) {
            (void)snprintf(out, size, "match.subject: want %s=\"%s\", have \"%.100s\"",
                rule->attribute, rule->pattern, value);
            return true;
        }
    }
    return false;
}

bool ph_role_mismatch(char *out, size_t size, const struct ph_role *role,
    const struct ph_identity *identity, const char *subject)
{
    const struct {
        const char *name;
        const char *pattern;
        const char *value;
    } parts[] = {
        {"anchor", role->match.anchor, identity->anchor},
        {"tenant", role->match.tenant, identity->tenant},
        {"kind", role->match.kind, identity->kind},
        {"device", role->match.device, identity->device},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (!ph_pattern_holds(parts[i].pattern, parts[i].value)) {
            (void)snprintf(out, size, "match.%s: want \"%s\", have \"%s\"", parts[i].name,
                parts[i].pattern, parts[i].value);
            return true;
        }
    }
    return subject_mismatch(out, size, &role->match, subject);
}

static void append(char *out, size_t size, const char *format, uint64_t value)
{
    char digits[PH_COUNT_BYTES];
    size_t used = strlen(out);
    (void)snprintf(out + used, size - used, "%s", used > 0 ? ", " : "");
    used = strlen(out);
    const char *number = strstr(format, "N");
    (void)snprintf(out + used, size - used, "%.*s%s%s", (int)(number - format), format,
        ph_count_print(digits, value), number + 1);
}

void ph_limits_print(char *out, size_t size, const struct ph_role_limits *limits)
{
    out[0] = '\0';
    if (limits->payload_bytes > 0) {
        append(out, size, "N bytes a payload", limits->payload_bytes);
    }
    if (limits->messages_per_second > 0) {
        append(out, size, "N messages a second", limits->messages_per_second);
        append(out, size, "N at once",
            limits->message_burst > 0 ? limits->message_burst : limits->messages_per_second);
    }
    if (limits->bytes_per_second > 0) {
        append(out, size, "N bytes a second", limits->bytes_per_second);
    }
    if (limits->messages_per_second > 0 || limits->bytes_per_second > 0) {
        size_t used = strlen(out);
        (void)snprintf(out + used, size - used, "; beyond: %s",
            limits->over == PH_OVER_DISCONNECT ? "disconnect" : "refuse");
    }
    if (out[0] == '\0') {
        (void)snprintf(out, size, "none");
    }
}

void ph_limits_json(struct ph_report *report, const char *key, const struct ph_role_limits *limits)
{
    ph_report_begin(report, key, '{');
    ph_report_count(report, "payload_bytes", limits->payload_bytes);
    ph_report_count(report, "messages_per_second", limits->messages_per_second);
    ph_report_count(report, "message_burst", limits->message_burst);
    ph_report_count(report, "bytes_per_second", limits->bytes_per_second);
    ph_report_text(report, "over", limits->over == PH_OVER_DISCONNECT ? "disconnect" : "refuse");
    ph_report_end(report, '}');
}

void ph_limits_report(
    struct ph_report *report, const char *key, const struct ph_role_limits *limits)
{
    char text[256];
    if (report->json) {
        ph_limits_json(report, key, limits);
    } else {
        ph_limits_print(text, sizeof text, limits);
        ph_report_row(report, key, text);
    }
}
