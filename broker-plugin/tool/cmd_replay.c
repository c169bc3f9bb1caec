#include <stdio.h>
#include <string.h>

#include "broker-plugin/audit/audit_read.h"
#include "broker-plugin/tool/cmd.h"
#include "broker-plugin/tool/replay.h"
#include "broker-plugin/tool/report.h"
#include "config/policy_file.h"

const struct ph_cli_option ph_policy_replay_options[] = {
    {"audit", "FILE", "what the plugin wrote; further files, the newest last, as arguments"},
    {"policy", "FILE", "the policy to try"},
    {"all", NULL, "list every finding, not the first 20 of each sort"},
    PH_FORMAT_OPTION,
    {NULL, NULL, NULL},
};

enum { SHOWN = 20, FILES_MAX = 65 };

static const struct {
    const char *key;
    const char *title;
} sorts[PH_REPLAY_KINDS] = {
    [PH_REPLAY_REFUSED] = {"newly_refused", "identities no longer admitted"},
    [PH_REPLAY_GONE] = {"grants_gone", "used grants gone"},
    [PH_REPLAY_MOVED] = {"roles_changed",
        "roles changed (their clients are cut off and reconnect)"},
    [PH_REPLAY_ADMITTED] = {"newly_admitted", "refused identities now admitted"},
    [PH_REPLAY_ALLOWED] = {"newly_allowed", "denials now allowed"},
};

/* Audit files on their way into a replay. */
struct intake {
    struct ph_replay *replay;
    enum ph_err err; /* the first; then records are skipped */
    struct ph_error *error;
};

static void take(void *context, const struct ph_audit_record *record, const char *file, size_t line)
{
    struct intake *intake = context;
    int64_t suppressed = ph_audit_record_integer(record, "suppressed", 0);
    const struct ph_replay_record fields = {
        .event = record->event,
        .identity = ph_audit_record_text(record, "identity"),
        .role = ph_audit_record_text(record, "role"),
        .client_id = ph_audit_record_text(record, "client_id"),
        .action = ph_audit_record_text(record, "action"),
        .topic = ph_audit_record_text(record, "topic"),
        .template = ph_audit_record_text(record, "template"),
        .reason = ph_audit_record_text(record, "reason"),
        .suppressed = suppressed > 0 ? (uint64_t)suppressed : 0,
    };
    (void)file;
    (void)line;
    if (intake->err == PH_OK) {
        intake->err = ph_replay_add(intake->replay, &fields, intake->error);
    }
}

/* Faults are counted in the summary; ph-policy audit verify tells them. */
static void pass_over(void *context, const struct ph_audit_fault *fault)
{
    (void)context;
    (void)fault;
}

static enum ph_err read_audit(const struct ph_cli *cli, struct intake *intake,
    struct ph_audit_summary *summary, struct ph_error *error)
{
    const char *files[FILES_MAX] = {ph_cli_value(cli, "audit")};
    size_t count = 1;
    for (int i = 0; i < ph_cli_argument_count(cli) && count < FILES_MAX; i++) {
        files[count++] = ph_cli_argument(cli, i);
    }
    const struct ph_audit_visitor visitor = {.record = take, .fault = pass_over, .context = intake};
    enum ph_err err = ph_audit_read(files, count, NULL, &visitor, summary, error);
    return err == PH_OK ? intake->err : err;
}

static void print_item(struct ph_report *report, const struct ph_replay_item *item)
{
    const char *role = item->role[0] != '\0' ? item->role : "unknown role";
    char records[PH_COUNT_BYTES];
    char identities[PH_COUNT_BYTES];
    (void)ph_count_print(records, item->records);
    (void)ph_count_print(identities, item->identities);
    switch (item->kind) {
    case PH_REPLAY_REFUSED:
        ph_report_line(report, "  %s (%s): %s", item->identity, role, item->why);
        break;
    case PH_REPLAY_GONE:
        ph_report_line(report, "  %s: %s %s: used by %s, such as %s", role, item->action,
            item->topic, identities, item->identity);
        break;
    case PH_REPLAY_MOVED:
        ph_report_line(report, "  %s -> %s: %s of them, such as %s", role, item->why, identities,
            item->identity);
        break;
    case PH_REPLAY_ADMITTED:
        ph_report_line(
            report, "  %s: role %s; refused %s times", item->identity, item->why, records);
        break;
    case PH_REPLAY_ALLOWED:
        ph_report_line(report, "  %s: %s %s: by %s; denied %s times", item->identity, item->action,
            item->topic, item->why, records);
        break;
    case PH_REPLAY_KINDS:
        break;
    }
}

static void member(struct ph_report *report, const char *key, const char *value)
{
    ph_report_text(report, key, value[0] != '\0' ? value : NULL);
}

static void print_item_json(struct ph_report *report, const struct ph_replay_item *item)
{
    const bool new_role = item->kind == PH_REPLAY_MOVED || item->kind == PH_REPLAY_ADMITTED;
    const char *why = item->kind == PH_REPLAY_ALLOWED ? "template" : "message";
    ph_report_begin(report, NULL, '{');
    member(report, "identity", item->identity);
    member(report, "role", item->role);
    member(report, "action", item->action);
    member(report, item->kind == PH_REPLAY_GONE ? "grant" : "topic", item->topic);
    member(report, new_role ? "new_role" : why, item->why);
    ph_report_count(report, "identities", item->identities);
    ph_report_count(report, "records", item->records);
    ph_report_end(report, '}');
}

static void print_sort(struct ph_report *report, const struct ph_replay *replay,
    const struct ph_replay_item *const *items, enum ph_replay_kind kind, size_t shown)
{
    const struct ph_replay_counts counts = ph_replay_counts(replay);
    char number[PH_COUNT_BYTES];
    size_t met = 0;
    ph_report_line(report, "%s", "");
    ph_report_line(report, "%s: %s", sorts[kind].title, ph_count_print(number, counts.items[kind]));
    ph_report_begin(report, sorts[kind].key, '[');
    for (size_t i = 0; i < ph_replay_item_count(replay); i++) {
        if (items[i]->kind != kind) {
            continue;
        }
        if (report->json) {
            print_item_json(report, items[i]);
        } else if (met < shown) {
            print_item(report, items[i]);
        }
        met++;
    }
    ph_report_end(report, ']');
    if (met > shown) {
        ph_report_line(report, "  and %s more: see --all", ph_count_print(number, met - shown));
    }
}

static void print_replay(const struct ph_cli *cli, struct ph_report *report,
    struct ph_replay *replay, const struct ph_audit_summary *summary)
{
    const struct ph_replay_counts counts = ph_replay_counts(replay);
    const struct ph_replay_item *const *items = ph_replay_items(replay);
    size_t shown = ph_cli_has(cli, "all") ? SIZE_MAX : SHOWN;
    ph_report_row_count(report, "records", summary->records);
    ph_report_row_count(report, "identities", counts.identities);
    ph_report_row_count(report, "refusals", counts.refusals);
    ph_report_row_count(report, "denials", counts.denials);
    if (counts.skipped > 0 || report->json) {
        ph_report_row_count(report, "skipped", counts.skipped);
    }
    if (counts.left_out > 0 || report->json) {
        ph_report_row_count(report, "left_out", counts.left_out);
    }
    if (summary->faults > 0) {
        ph_report_line(report, "warning: the files are not whole; see ph-policy audit verify");
    }
    ph_report_count(report, "faults", summary->faults);
    for (int kind = 0; kind < (int)PH_REPLAY_KINDS; kind++) {
        print_sort(report, replay, items, (enum ph_replay_kind)kind, shown);
    }
}

enum ph_err ph_policy_replay_run(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_policy *policy = NULL;
    struct ph_audit_summary summary = {0};
    struct intake intake = {.error = error};
    struct ph_report report;
    if (!ph_cli_has(cli, "audit") || !ph_cli_has(cli, "policy")) {
        return ph_error_set(error, PH_ERR_USAGE, "want --audit FILE and --policy FILE");
    }
    enum ph_err err = ph_policy_load(ph_cli_value(cli, "policy"), &policy, error);
    if (err == PH_OK) {
        err = ph_replay_new(policy, &intake.replay, error);
    }
    if (err == PH_OK) {
        err = read_audit(cli, &intake, &summary, error);
    }
    if (err == PH_OK) {
        err = ph_report_open(&report, stdout, ph_cli_value(cli, "format"), error);
    }
    if (err == PH_OK) {
        print_replay(cli, &report, intake.replay, &summary);
        ph_report_close(&report);
    }
    ph_replay_free(&intake.replay);
    ph_policy_free(&policy);
    return err;
}
