#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "broker-plugin/audit/audit_read.h"
#include "broker-plugin/tool/cmd.h"
#include "broker-plugin/tool/report.h"

enum { FILES_MAX = 64 };

const struct ph_cli_option ph_policy_audit_options[] = {
    {"head", "SEQ:HASH", "the chain's end as the broker's log has it: that record must be there"},
    PH_FORMAT_OPTION,
    {NULL, NULL, NULL},
};

struct verification {
    struct ph_report report;
    char first[512]; /* fault, for the error line */
};

static void print_fault(void *context, const struct ph_audit_fault *fault)
{
    struct verification *verification = context;
    struct ph_report *report = &verification->report;
    const char *name = ph_audit_fault_name(fault->kind);
    if (verification->first[0] == '\0') {
        (void)snprintf(verification->first, sizeof verification->first, "%s:%zu: %s: %s",
            fault->file, fault->line, name, fault->text);
    }
    ph_report_line(report, "%s:%zu: %s: %s", fault->file, fault->line, name, fault->text);
    ph_report_begin(report, NULL, '{');
    ph_report_text(report, "file", fault->file);
    ph_report_count(report, "line", fault->line);
    ph_report_text(report, "fault", name);
    if (fault->first > 0) {
        ph_report_count(report, "first_seq", fault->first);
        ph_report_count(report, "last_seq", fault->last);
    }
    ph_report_text(report, "text", fault->text);
    ph_report_end(report, '}');
}

/* For people one line, with the number as other lines spell it. */
static void print_record(struct ph_report *report, const char *name, const char *seq_key,
    const char *time_key, uint64_t seq, int64_t time_ms)
{
    char time[PH_UTC_BYTES];
    ph_utc_print(time, time_ms);
    ph_report_line(report, "%-12s %" PRIu64 " at %s", name, seq, time);
    ph_report_count(report, seq_key, seq);
    ph_report_text(report, time_key, time);
}

static void print_summary(struct ph_report *report, const struct ph_audit_summary *summary)
{
    char head[sizeof "18446744073709551615:" + PH_AUDIT_HASH_BYTES];
    ph_report_row_count(report, "records", summary->records);
    if (summary->records > 0) {
        (void)snprintf(head, sizeof head, "%" PRIu64 ":%s", summary->head.seq, summary->head.hash);
        print_record(
            report, "first", "first_seq", "first_time", summary->first_seq, summary->first_ms);
        print_record(report, "last", "last_seq", "last_time", summary->head.seq, summary->last_ms);
        ph_report_row(report, "head", head);
        if (strcmp(summary->continues, PH_AUDIT_NO_HASH) != 0) {
            ph_report_row(report, "continues", summary->continues);
        }
    }
    ph_report_row_count(report, "lost", summary->lost);
    ph_report_row_count(report, "torn", summary->torn);
    ph_report_row_count(report, "faults", summary->faults);
}

static enum ph_err verify(const struct ph_cli *cli, const struct ph_audit_head *head,
    struct verification *verification, struct ph_error *error)
{
    const char *files[FILES_MAX];
    size_t count = 0;
    struct ph_audit_summary summary = {.records = 0};
    const struct ph_audit_visitor visitor = {.fault = print_fault, .context = verification};
    for (int i = 1; i < ph_cli_argument_count(cli) && count < FILES_MAX; i++) {
        files[count++] = ph_cli_argument(cli, i);
    }
    ph_report_begin(&verification->report, "found", '[');
    enum ph_err err = ph_audit_read(files, count, head, &visitor, &summary, error);
    ph_report_end(&verification->report, ']');
    if (err != PH_OK) {
        return err;
    }
    print_summary(&verification->report, &summary);
    return summary.faults == 0 ? PH_OK
                               : ph_error_set(error, PH_ERR_INPUT,
                                     "audit: faults found: %" PRIu64 ", the first: %s",
                                     summary.faults, verification->first);
}

enum ph_err ph_policy_audit_run(const struct ph_cli *cli, struct ph_error *error)
{
    struct verification verification = {.first = ""};
    struct ph_audit_head head = {.seq = 0};
    const char *head_text = ph_cli_value(cli, "head");
    enum ph_err err = PH_OK;
    if (strcmp(ph_cli_argument(cli, 0), "verify") != 0) {
        return ph_error_set(
            error, PH_ERR_USAGE, "audit: want \"verify\", have \"%.64s\"", ph_cli_argument(cli, 0));
    }
    if (head_text != NULL) {
        err = ph_audit_head_parse(head_text, &head, error);
    }
    if (err == PH_OK) {
        err = ph_report_open(&verification.report, stdout, ph_cli_value(cli, "format"), error);
    }
    if (err == PH_OK) {
        err = verify(cli, head_text != NULL ? &head : NULL, &verification, error);
        ph_report_close(&verification.report);
    }
    return err;
}
