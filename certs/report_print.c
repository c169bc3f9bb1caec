#include <inttypes.h>
#include <string.h>

#include "certs/report.h"
#include "certs/table.h"

enum { BAR_COLUMNS = 50, LABEL_COLUMNS = 10, COUNT_COLUMNS = 7 };

/* "2026-11-22", or "-" for a time that is not known. */
static const char *day(char out[PH_UTC_BYTES], int64_t ms)
{
    ph_utc_print(out, ms);
    out[sizeof "2026-11-22" - 1] = '\0';
    return ms != 0 ? out : "-";
}

/* ---- text ---- */

/* Room for the state's name, and for a million. */
static int state_width(size_t state)
{
    int len = (int)strlen(ph_inventory_state_name(ph_report_states[state]));
    return len > COUNT_COLUMNS ? len : COUNT_COLUMNS;
}

static void print_counts(FILE *file, const struct ph_report *report)
{
    (void)fprintf(file, "%-9s", "TYPE");
    for (size_t i = 0; i < PH_REPORT_STATES; i++) {
        (void)fprintf(file, " %*s", state_width(i), ph_inventory_state_name(ph_report_states[i]));
    }
    for (size_t type = 0; type < PH_REPORT_TYPES; type++) {
        (void)fprintf(file, "\n%-9s", ph_report_types[type]);
        for (size_t i = 0; i < PH_REPORT_STATES; i++) {
            (void)fprintf(file, " %*" PRId64, state_width(i), report->counts[type][i]);
        }
    }
    (void)fputs("\n\n", file);
}

static void print_cas(FILE *file, const struct ph_report *report)
{
    (void)fprintf(
        file, "%-20s %-8s %-10s %13s  %s\n", "CA", "STATE", "ENDS", "VALID ISSUED", "CRL UNTIL");
    for (size_t i = 0; i < report->ca_count; i++) {
        const struct ph_report_ca *ca = &report->cas[i];
        const struct ph_authority *authority = &ca->authority;
        char end[PH_UTC_BYTES];
        char crl[PH_UTC_BYTES];
        (void)fprintf(file, "%-20s %-8s %-10s %13" PRId64 "  %s\n", authority->name,
            authority->revoked ? "revoked" : ph_authority_state_name(authority->state),
            day(end, authority->not_after_ms), ca->valid, day(crl, ca->crl_next_update_ms));
    }
    (void)fputc('\n', file);
}

/* What is there shows, be it ever so little beside the rest. */
static int bar_columns(int64_t count, int64_t most)
{
    int columns = most > 0 ? (int)((double)count / (double)most * BAR_COLUMNS) : 0;
    return count > 0 && columns == 0 ? 1 : columns;
}

static void print_bars(FILE *file, const struct ph_report *report)
{
    int64_t most = 0;
    for (size_t i = 0; i < PH_REPORT_BARS; i++) {
        most = report->bars[i].count > most ? report->bars[i].count : most;
    }
    (void)fprintf(file, "EXPIRING, BY %s\n", report->step == PH_REPORT_WEEKS ? "WEEK" : "MONTH");
    for (size_t i = 0; i < PH_REPORT_BARS; i++) {
        const struct ph_report_bar *bar = &report->bars[i];
        (void)fprintf(file, "%-*s %9" PRId64 " ", LABEL_COLUMNS, bar->label, bar->count);
        for (int k = bar_columns(bar->count, most); k > 0; k--) {
            (void)fputc('#', file);
        }
        (void)fputc('\n', file);
    }
    (void)fputc('\n', file);
}

static void print_notices(FILE *file, const struct ph_report *report)
{
    (void)fputs(
        report->notice_count > 0 ? "NEEDS ATTENTION\n" : "Nothing needs attention.\n", file);
    for (size_t i = 0; i < report->notice_count; i++) {
        (void)fprintf(file, "%-10s ", report->notices[i].topic);
        ph_table_plain_text(file, report->notices[i].text);
        (void)fputc('\n', file);
    }
}

void ph_report_print_text(FILE *file, const struct ph_report *report)
{
    print_counts(file, report);
    print_cas(file, report);
    print_bars(file, report);
    print_notices(file, report);
}

/* ---- JSON ---- */

static void json_time(FILE *file, const char *name, int64_t ms)
{
    char text[PH_UTC_BYTES];
    ph_utc_print(text, ms);
    if (ms != 0) {
        (void)fprintf(file, ",\"%s\":\"%s\"", name, text);
    }
}

static void json_counts(FILE *file, const struct ph_report *report)
{
    (void)fputs(",\n \"certificates\":{", file);
    for (size_t type = 0; type < PH_REPORT_TYPES; type++) {
        (void)fprintf(file, "%s\n  \"%s\":{", type > 0 ? "," : "", ph_report_types[type]);
        for (size_t i = 0; i < PH_REPORT_STATES; i++) {
            (void)fprintf(file, "%s\"%s\":%" PRId64, i > 0 ? "," : "",
                ph_inventory_state_name(ph_report_states[i]), report->counts[type][i]);
        }
        (void)fputc('}', file);
    }
    (void)fputc('}', file);
}

static void json_cas(FILE *file, const struct ph_report *report)
{
    (void)fputs(",\n \"authorities\":[", file);
    for (size_t i = 0; i < report->ca_count; i++) {
        const struct ph_report_ca *ca = &report->cas[i];
        (void)fprintf(file,
            "%s\n  {\"name\":\"%s\",\"state\":\"%s\",\"revoked\":%s,\"valid_issued\":%" PRId64,
            i > 0 ? "," : "", ca->authority.name, ph_authority_state_name(ca->authority.state),
            ca->authority.revoked ? "true" : "false", ca->valid);
        json_time(file, "not_after", ca->authority.not_after_ms);
        json_time(file, "crl_next_update", ca->crl_next_update_ms);
        (void)fputc('}', file);
    }
    (void)fputc(']', file);
}

static void json_bars(FILE *file, const struct ph_report *report)
{
    (void)fprintf(file, ",\n \"expiring\":{\"by\":\"%s\",\"counts\":[",
        report->step == PH_REPORT_WEEKS ? "week" : "month");
    for (size_t i = 0; i < PH_REPORT_BARS; i++) {
        (void)fprintf(file, "%s\n  {\"from\":\"%s\",\"count\":%" PRId64 "}", i > 0 ? "," : "",
            report->bars[i].label, report->bars[i].count);
    }
    (void)fputs("]}", file);
}

static void json_notices(FILE *file, const struct ph_report *report)
{
    (void)fputs(",\n \"attention\":[", file);
    for (size_t i = 0; i < report->notice_count; i++) {
        (void)fprintf(
            file, "%s\n  {\"topic\":\"%s\",\"text\":", i > 0 ? "," : "", report->notices[i].topic);
        ph_table_json_text(file, report->notices[i].text);
        (void)fputc('}', file);
    }
    (void)fputs("]}\n", file);
}

void ph_report_print_json(FILE *file, const struct ph_report *report)
{
    char now[PH_UTC_BYTES];
    ph_utc_print(now, report->now_ms);
    (void)fprintf(file, "{\"time\":\"%s\"", now);
    json_counts(file, report);
    json_cas(file, report);
    json_bars(file, report);
    json_notices(file, report);
}
