#include <stdint.h>
#include <stdio.h>

#include "base/clock.h"
#include "broker-plugin/tool/client.h"
#include "broker-plugin/tool/cmd.h"
#include "broker-plugin/tool/reach.h"
#include "broker-plugin/tool/report.h"
#include "config/policy_file.h"
#include "format/topic.h"

const struct ph_cli_option ph_policy_reach_options[] = {
    PH_CLIENT_OPTIONS,
    {"topic", "TOPIC", "the reverse: who may write and read this topic (or filter)"},
    PH_FORMAT_OPTION,
    {NULL, NULL, NULL},
};

static void print_who(struct ph_report *report, const struct ph_reach *item)
{
    char who[PH_HOLDER_BYTES];
    ph_holder_print(who, sizeof who, &item->holder);
    ph_report_text(report, "role", item->role->name);
    ph_report_text(report, "who", who);
}

/* "  topic", or "  topic  ->  role (who)". */
static void print_list(struct ph_report *report, const char *key, const char *title,
    const struct ph_reach_list *list, bool with_who)
{
    if (list->count > 0) {
        ph_report_line(report, "%s", "");
        ph_report_line(report, "%s", title);
    }
    ph_report_begin(report, key, '[');
    for (size_t i = 0; i < list->count; i++) {
        const struct ph_reach *item = &list->items[i];
        char who[PH_HOLDER_BYTES];
        ph_holder_print(who, sizeof who, &item->holder);
        if (with_who) {
            ph_report_line(report, "  %-46s %-12s %s", item->filter, item->role->name, who);
        } else {
            ph_report_line(report, "  %s", item->filter);
        }
        ph_report_begin(report, NULL, '{');
        ph_report_text(report, "topic", item->filter);
        ph_report_text(report, "template", item->template);
        if (with_who) {
            print_who(report, item);
        }
        ph_report_end(report, '}');
    }
    ph_report_end(report, ']');
}

static void print_through(struct ph_report *report, const struct ph_reach *hop)
{
    char who[PH_HOLDER_BYTES];
    ph_holder_print(who, sizeof who, &hop->holder);
    ph_report_line(report, "  through %s %s", hop->role->name, who);
}

static void print_beyond(struct ph_report *report, const struct ph_reach_result *result)
{
    size_t through = SIZE_MAX;
    if (result->beyond.count > 0) {
        ph_report_line(report, "%s", "");
        ph_report_line(report, "wakes, in two hops");
    }
    ph_report_begin(report, "two_hops", '[');
    for (size_t i = 0; i < result->beyond.count; i++) {
        const struct ph_reach *item = &result->beyond.items[i];
        char who[PH_HOLDER_BYTES];
        if (item->through != through) {
            through = item->through;
            print_through(report, &result->wakes.items[through]);
        }
        ph_holder_print(who, sizeof who, &item->holder);
        ph_report_line(report, "    %-44s %-12s %s", item->filter, item->role->name, who);
        ph_report_begin(report, NULL, '{');
        ph_report_begin(report, "through", '{');
        print_who(report, &result->wakes.items[through]);
        ph_report_end(report, '}');
        ph_report_text(report, "topic", item->filter);
        print_who(report, item);
        ph_report_end(report, '}');
    }
    ph_report_end(report, ']');
}

static void print_left_out(struct ph_report *report, size_t left_out)
{
    if (left_out > 0) {
        ph_report_line(report, "and %zu more, which are not listed", left_out);
    }
    ph_report_count(report, "left_out", left_out);
}

static enum ph_err reach_of(
    const struct ph_client *client, struct ph_report *report, struct ph_error *error)
{
    struct ph_reach_result result = {0};
    ph_client_print(client, report);
    if (client->refusal.code != PH_OK) {
        return ph_error_set(error, client->refusal.code, "%s", client->refusal.message);
    }
    enum ph_err err = ph_reach_find(client->policy, client->authn.role, &client->authn.identity,
        client->authn.quarantined, &result, error);
    if (err == PH_OK) {
        print_list(report, "writes", "writes", &result.writes, false);
        print_list(report, "wills", "writes by its last will", &result.wills, false);
        print_list(report, "reads", "reads", &result.reads, false);
        print_list(report, "retained", "of it retained: status of others", &result.retained, true);
        print_list(report, "wakes", "wakes", &result.wakes, true);
        print_beyond(report, &result);
        print_left_out(
            report, result.retained.left_out + result.wakes.left_out + result.beyond.left_out);
    }
    ph_reach_result_fini(&result);
    return err;
}

static enum ph_err reach_of_client(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_client client = {0};
    struct ph_report report;
    enum ph_err err =
        ph_client_load(cli, ph_cli_argument(cli, 0), ph_clock_unix_ms(), &client, error);
    if (err == PH_OK) {
        err = ph_report_open(&report, stdout, ph_cli_value(cli, "format"), error);
    }
    if (err == PH_OK) {
        err = reach_of(&client, &report, error);
        ph_report_close(&report);
    }
    ph_client_fini(&client);
    return err;
}

static void print_ends(
    struct ph_report *report, const char *key, const char *title, const struct ph_reach_list *list)
{
    ph_report_line(report, "%s", "");
    ph_report_line(report, "%s", title);
    ph_report_begin(report, key, '[');
    for (size_t i = 0; i < list->count; i++) {
        const struct ph_reach *item = &list->items[i];
        char who[PH_HOLDER_BYTES];
        ph_holder_print(who, sizeof who, &item->holder);
        ph_report_line(report, "  %-12s %-40s %s", item->role->name, who, item->template);
        ph_report_begin(report, NULL, '{');
        print_who(report, item);
        ph_report_text(report, "template", item->template);
        ph_report_end(report, '}');
    }
    ph_report_end(report, ']');
    if (list->left_out > 0) {
        ph_report_line(report, "  and %zu more, which are not listed", list->left_out);
    }
}

static enum ph_err reach_of_topic(
    const struct ph_cli *cli, const struct ph_policy *policy, struct ph_error *error)
{
    static const struct {
        enum ph_action action;
        const char *key;
        const char *title;
        const char *nobody;
    } ends[] = {
        {PH_ACTION_PUBLISH, "publish", "may publish to it", "nobody may publish to it"},
        {PH_ACTION_WILL, "will", "may have a last will to it", "nobody may have a last will to it"},
        {PH_ACTION_RECEIVE, "receive", "may receive it", "nobody may receive it"},
    };
    const char *topic = ph_cli_value(cli, "topic");
    struct ph_report report;
    enum ph_err err = ph_topic_filter_check(topic, error);
    if (err == PH_OK) {
        err = ph_report_open(&report, stdout, ph_cli_value(cli, "format"), error);
    }
    if (err != PH_OK) {
        return err;
    }
    ph_report_row(&report, "topic", topic);
    for (size_t i = 0; err == PH_OK && i < sizeof ends / sizeof ends[0]; i++) {
        struct ph_reach_list list = {0};
        err = ph_reach_topic(policy, ends[i].action, topic, &list, error);
        if (err == PH_OK) {
            print_ends(
                &report, ends[i].key, list.count > 0 ? ends[i].title : ends[i].nobody, &list);
        }
        ph_reach_list_fini(&list);
    }
    ph_report_close(&report);
    return err;
}

enum ph_err ph_policy_reach_run(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_policy *policy = NULL;
    if (!ph_cli_has(cli, "topic")) {
        return reach_of_client(cli, error);
    }
    if (ph_cli_has(cli, "cert") || ph_cli_has(cli, "identity") || ph_cli_has(cli, "subject")) {
        return ph_error_set(error, PH_ERR_USAGE, "want one of --cert, --identity and --topic");
    }
    enum ph_err err = ph_policy_load(ph_cli_argument(cli, 0), &policy, error);
    if (err == PH_OK) {
        err = reach_of_topic(cli, policy, error);
    }
    ph_policy_free(&policy);
    return err;
}
