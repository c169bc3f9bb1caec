#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "broker-plugin/tool/cmd.h"
#include "broker-plugin/tool/holder.h"
#include "broker-plugin/tool/identity_list.h"
#include "broker-plugin/tool/policy_diff.h"
#include "broker-plugin/tool/report.h"
#include "broker-plugin/tool/role_why.h"
#include "config/policy_file.h"

const struct ph_cli_option ph_policy_diff_options[] = {
    {"inventory", "FILE", "the identities to compare for, or what ph-ca list --format csv prints"},
    PH_FORMAT_OPTION,
    {NULL, NULL, NULL},
};

/* An inventory on its way into a comparison. */
struct intake {
    const struct ph_policy *policies[2];
    struct ph_policy_diff *diff;
    size_t unplaced; /* identities without anchor that no anchor lets in */
};

static bool has_anchor(const struct intake *intake, const char *name)
{
    return ph_policy_anchor(intake->policies[0], name) != NULL ||
           ph_policy_anchor(intake->policies[1], name) != NULL;
}

/* Without an anchor it is meant under every anchor that lets it in, in either policy. */
static enum ph_err add_everywhere(struct intake *intake, const struct ph_identity *identity,
    const char *subject, struct ph_error *error)
{
    bool placed = false;
    enum ph_err err = PH_OK;
    for (size_t side = 0; side < 2; side++) {
        const struct ph_policy *policy = intake->policies[side];
        for (size_t i = 0; err == PH_OK && i < policy->anchor_count; i++) {
            struct ph_identity here = *identity;
            (void)snprintf(here.anchor, sizeof here.anchor, "%s", policy->anchors[i].name);
            bool again = side == 1 && ph_policy_anchor(intake->policies[0], here.anchor) != NULL;
            if (!again && ph_policy_diff_knows(intake->diff, &here, subject)) {
                placed = true;
                err = ph_policy_diff_add(intake->diff, &here, subject, error);
            }
        }
    }
    intake->unplaced += !placed;
    return err;
}

static enum ph_err take(
    void *context, const struct ph_identity *identity, const char *subject, struct ph_error *error)
{
    struct intake *intake = context;
    if (identity->anchor[0] == '\0' || !has_anchor(intake, identity->anchor)) {
        return add_everywhere(intake, identity, subject, error);
    }
    return ph_policy_diff_add(intake->diff, identity, subject, error);
}

static void print_templates(struct ph_report *report, const char *key, const char *sign,
    const struct ph_role *role, const uint64_t templates[PH_DIFF_ACTIONS])
{
    ph_report_begin(report, key, '[');
    for (int i = 0; i < PH_DIFF_ACTIONS; i++) {
        const enum ph_action action = (enum ph_action)i;
        const struct ph_filter_list *list = ph_role_list(role, action);
        const bool same_as_subscribe = action == PH_ACTION_RECEIVE && list == &role->subscribe &&
                                       templates[i] == templates[PH_ACTION_SUBSCRIBE];
        for (size_t k = 0; k < list->count; k++) {
            if ((templates[i] >> k & 1) == 0) {
                continue;
            }
            if (!same_as_subscribe) {
                ph_report_line(
                    report, "  %s %-9s %s", sign, ph_action_name(action), list->filters[k]);
            }
            ph_report_begin(report, NULL, '{');
            ph_report_text(report, "action", ph_action_name(action));
            ph_report_text(report, "template", list->filters[k]);
            ph_report_end(report, '}');
        }
    }
    ph_report_end(report, ']');
}

static void print_pair(
    struct ph_report *report, const char *key, const char *before, const char *after)
{
    const char *words = strcmp(key, "client_id") == 0 ? "client id" : key;
    ph_report_line(report, "  ~ %-9s %s -> %s", words, before != NULL ? before : "none",
        after != NULL ? after : "none");
    ph_report_begin(report, key, '{');
    ph_report_text(report, "before", before);
    ph_report_text(report, "after", after);
    ph_report_end(report, '}');
}

static void print_limits(
    struct ph_report *report, const struct ph_role *before, const struct ph_role *after)
{
    char limits[2][256];
    ph_limits_print(limits[0], sizeof limits[0], &before->limits);
    ph_limits_print(limits[1], sizeof limits[1], &after->limits);
    ph_report_line(report, "  ~ %-9s %s -> %s", "limits", limits[0], limits[1]);
    ph_report_begin(report, "limits", '{');
    ph_limits_json(report, "before", &before->limits);
    ph_limits_json(report, "after", &after->limits);
    ph_report_end(report, '}');
}

static void print_settings(struct ph_report *report, const struct ph_change *change)
{
    const struct ph_role *before = change->before;
    const struct ph_role *after = change->after;
    if (change->client_id != 0) {
        print_pair(report, "client_id", before->client_id, after->client_id);
    }
    if (change->status != 0) {
        print_pair(report, "status", before->status, after->status);
    }
    if (change->limits != 0) {
        print_limits(report, before, after);
    }
    if (change->provenance != 0) {
        print_pair(report, "provenance", before->provenance ? "true" : "false",
            after->provenance ? "true" : "false");
    }
}

/* "1,234 identities of role device: lose entry" and so on. */
static void print_head(struct ph_report *report, const struct ph_change_group *group)
{
    const struct ph_change *change = &group->change;
    char count[PH_COUNT_BYTES];
    char what[256] = "";
    const char *noun = group->count == 1 ? "identity" : "identities";
    const struct ph_role *first = change->before != NULL ? change->before : change->after;
    const char *role = first != NULL ? first->name : "-";
    if (change->after == NULL) {
        (void)snprintf(what, sizeof what, "no entry any more");
    } else if (change->before == NULL) {
        (void)snprintf(
            what, sizeof what, "entry, which %s did not have", group->count == 1 ? "it" : "they");
    } else if (strcmp(change->before->name, change->after->name) != 0) {
        (void)snprintf(
            what, sizeof what, "role %s instead; cut off if connected", change->after->name);
    } else {
        (void)snprintf(what, sizeof what, "role stays");
    }
    ph_report_line(
        report, "%s %s of role %s: %s", ph_count_print(count, group->count), noun, role, what);
    ph_report_count(report, "identities", group->count);
    ph_report_text(report, "role_before", change->before != NULL ? change->before->name : NULL);
    ph_report_text(report, "role_after", change->after != NULL ? change->after->name : NULL);
}

static void print_examples(struct ph_report *report, const struct ph_change_group *group)
{
    size_t shown = group->count < PH_DIFF_EXAMPLES ? group->count : PH_DIFF_EXAMPLES;
    char line[PH_DIFF_EXAMPLES * (PH_HOLDER_BYTES + 2)] = "";
    size_t used = 0;
    ph_report_begin(report, "examples", '[');
    for (size_t i = 0; i < shown; i++) {
        char name[PH_HOLDER_BYTES];
        struct ph_holder holder;
        ph_holder_of_identity(&holder, &group->examples[i]);
        ph_holder_print(name, sizeof name, &holder);
        ph_report_text(report, NULL, name);
        used += (size_t)snprintf(line + used, sizeof line - used, "%s%s", i > 0 ? ", " : "", name);
    }
    ph_report_end(report, ']');
    ph_report_line(report, "  %s%s", line, group->count > shown ? ", ..." : "");
}

static void print_group(struct ph_report *report, const struct ph_change_group *group)
{
    static const uint64_t all[PH_DIFF_ACTIONS] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    const struct ph_change *change = &group->change;
    ph_report_begin(report, NULL, '{');
    print_head(report, group);
    if (change->before != NULL) {
        print_templates(
            report, "lost", "-", change->before, change->after != NULL ? change->lost : all);
    }
    if (change->after != NULL) {
        print_templates(
            report, "gained", "+", change->after, change->before != NULL ? change->gained : all);
    }
    if (change->before != NULL && change->after != NULL) {
        print_settings(report, change);
    }
    print_examples(report, group);
    ph_report_end(report, '}');
}

static void print_diff(struct ph_report *report, const struct intake *intake)
{
    const struct ph_diff_counts counts = ph_policy_diff_counts(intake->diff);
    const struct ph_change_group *const *groups = ph_policy_diff_groups(intake->diff);
    ph_report_row_count(report, "identities", counts.identities + intake->unplaced);
    ph_report_row_count(report, "unchanged", counts.same);
    ph_report_row_count(report, "changed", counts.changed);
    ph_report_row_count(report, "no_entry", counts.shut_out + intake->unplaced);
    ph_report_begin(report, "groups", '[');
    for (size_t i = 0; i < ph_policy_diff_group_count(intake->diff); i++) {
        ph_report_line(report, "%s", "");
        print_group(report, groups[i]);
    }
    ph_report_end(report, ']');
}

enum ph_err ph_policy_diff_run(const struct ph_cli *cli, struct ph_error *error)
{
    const char *inventory = ph_cli_value(cli, "inventory");
    struct ph_policy *policies[2] = {NULL, NULL};
    struct intake intake = {0};
    struct ph_report report;
    enum ph_err err = PH_OK;
    if (inventory == NULL) {
        return ph_error_set(error, PH_ERR_USAGE, "want --inventory FILE");
    }
    for (int i = 0; err == PH_OK && i < 2; i++) {
        err = ph_policy_load(ph_cli_argument(cli, i), &policies[i], error);
        intake.policies[i] = policies[i];
    }
    if (err == PH_OK) {
        err = ph_policy_diff_new(policies[0], policies[1], &intake.diff, error);
    }
    if (err == PH_OK) {
        err = ph_identity_list_read(inventory, take, &intake, error);
    }
    if (err == PH_OK) {
        err = ph_report_open(&report, stdout, ph_cli_value(cli, "format"), error);
    }
    if (err == PH_OK) {
        print_diff(&report, &intake);
        ph_report_close(&report);
    }
    ph_policy_diff_free(&intake.diff);
    ph_policy_free(&policies[0]);
    ph_policy_free(&policies[1]);
    return err;
}
