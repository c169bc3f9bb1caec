#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "broker-plugin/tool/client.h"
#include "broker-plugin/tool/cmd.h"
#include "broker-plugin/tool/holder.h"
#include "broker-plugin/tool/role_why.h"
#include "domain/template.h"

const struct ph_cli_option ph_policy_explain_options[] = {
    PH_CLIENT_OPTIONS,
    {"client-id", "ID", "the client id that it connects with (default: the role's)"},
    {"publish", "TOPIC", "would this PUBLISH pass?"},
    {"will", "TOPIC", "would a last will to this topic be published?"},
    {"subscribe", "FILTER", "would this SUBSCRIBE pass?"},
    {"receive", "TOPIC", "would a message on this topic be delivered?"},
    PH_FORMAT_OPTION,
    {NULL, NULL, NULL},
};

static const enum ph_action actions[] = {
    PH_ACTION_PUBLISH, PH_ACTION_WILL, PH_ACTION_SUBSCRIBE, PH_ACTION_RECEIVE};
enum { ACTION_COUNT = sizeof actions / sizeof actions[0] };

/* Positional "ACTION TOPIC", with both or none. */
static enum ph_err read_question(
    const struct ph_cli *cli, enum ph_action *action, const char **topic, struct ph_error *error)
{
    const char *word = ph_cli_argument(cli, 1);
    *topic = ph_cli_argument(cli, 2);
    if (word == NULL) {
        return PH_OK;
    }
    for (int i = 0; i < ACTION_COUNT; i++) {
        if (strcmp(word, ph_action_name(actions[i])) == 0) {
            *action = actions[i];
            return *topic != NULL ? PH_OK
                                  : ph_error_set(error, PH_ERR_USAGE, "%s: want a topic", word);
        }
    }
    return ph_error_set(
        error, PH_ERR_USAGE, "want publish, will, subscribe or receive, have \"%.100s\"", word);
}

static enum ph_err explain_client_id(const struct ph_cli *cli, const struct ph_authn *authn,
    struct ph_report *report, struct ph_error *error)
{
    char want[PH_LIMIT_CLIENT_ID_BYTES + 1];
    const char *client_id = ph_cli_value(cli, "client-id");
    if (!ph_template_expand(want, sizeof want, authn->role->client_id, &authn->identity)) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "role \"%s\": client_id: the filled-in template is too long", authn->role->name);
    }
    ph_report_row(report, "client_id", want);
    if (client_id == NULL) {
        return PH_OK;
    }
    enum ph_err err = ph_role_check_client_id(authn->role, &authn->identity, client_id, error);
    ph_report_flag(report, "client_id_good", err == PH_OK);
    return err;
}

static void explain_role(const struct ph_client *client, struct ph_report *report)
{
    char text[PH_LIMIT_TOPIC_BYTES + 1];
    const struct ph_role *role = client->authn.role;
    ph_limits_report(report, "limits", &role->limits);
    if (client->authn.quarantined && client->policy->quarantine != NULL) {
        ph_limits_report(report, "quarantine_limits", &client->policy->quarantine->limits);
    }
    if (role->status != NULL &&
        ph_template_expand(text, sizeof text, role->status, &client->authn.identity)) {
        ph_report_row(report, "status", text);
    }
}

/* The templates that could have allowed it, filled in. */
static void print_grants(
    const struct ph_client *client, enum ph_action action, struct ph_report *report)
{
    const struct ph_filter_list *list = ph_role_list(client->authn.role, action);
    char filter[PH_LIMIT_TOPIC_BYTES + 1];
    ph_report_begin(report, "grants", '[');
    for (size_t i = 0; i < list->count; i++) {
        if (ph_template_expand(filter, sizeof filter, list->filters[i], &client->authn.identity)) {
            ph_report_line(report, "  %s may: %s", ph_action_name(action), filter);
            ph_report_text(report, NULL, filter);
        }
    }
    ph_report_end(report, ']');
}

static enum ph_err answer(const struct ph_client *client, enum ph_action action, const char *topic,
    struct ph_report *report, struct ph_error *error)
{
    const struct ph_authn *authn = &client->authn;
    const char *name = ph_action_name(action);
    const char *role_by = ph_role_allows(authn->role, &authn->identity, action, topic);
    const char *by = ph_policy_allows(
        client->policy, authn->role, authn->quarantined, &authn->identity, action, topic);
    ph_report_begin(report, NULL, '{');
    ph_report_text(report, "action", name);
    ph_report_text(report, "topic", topic);
    ph_report_flag(report, "allowed", by != NULL);
    ph_report_text(report, "template", role_by);
    if (by != NULL) {
        ph_report_line(report, "%-12s allowed by %s", name, by);
    } else if (role_by != NULL) {
        ph_report_line(report, "%-12s refused by quarantine; allowed by %s", name, role_by);
        ph_report_text(report, "reason", ph_reason_name(PH_REASON_QUARANTINE));
        (void)ph_error_set(error, PH_ERR_DENIED,
            "%s:%zu: the list keeps this identity in quarantine: its role allows \"%s\" of "
            "\"%.300s\", quarantine does not",
            client->quarantine.file, client->quarantine.line, name, topic);
    } else {
        ph_report_line(report, "%-12s refused", name);
        ph_report_text(report, "reason", ph_reason_name(PH_REASON_TOPIC));
        print_grants(client, action, report);
        (void)ph_error_set(error, PH_ERR_DENIED,
            "role \"%s\": no \"%s\" template allows \"%.300s\"", authn->role->name, name, topic);
    }
    ph_report_end(report, '}');
    return by != NULL ? PH_OK : PH_ERR_DENIED;
}

/* Answers every question; the error is the first refusal. */
static enum ph_err explain_topics(const struct ph_cli *cli, const struct ph_client *client,
    struct ph_report *report, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    enum ph_action asked = PH_ACTION_PUBLISH;
    const char *topic = NULL;
    ph_report_begin(report, "questions", '[');
    if (read_question(cli, &asked, &topic, NULL) == PH_OK && topic != NULL) {
        err = answer(client, asked, topic, report, error);
    }
    for (int i = 0; i < ACTION_COUNT; i++) {
        const char *value = ph_cli_value(cli, ph_action_name(actions[i]));
        if (value != NULL) {
            enum ph_err refused = answer(client, actions[i], value, report, error);
            err = err != PH_OK ? err : refused;
        }
    }
    ph_report_end(report, ']');
    return err;
}

static enum ph_err explain(const struct ph_cli *cli, const struct ph_client *client,
    struct ph_report *report, struct ph_error *error)
{
    ph_client_print(client, report);
    if (client->refusal.code != PH_OK) {
        return ph_error_set(error, client->refusal.code, "%s", client->refusal.message);
    }
    enum ph_err err = explain_client_id(cli, &client->authn, report, error);
    explain_role(client, report);
    enum ph_err topics = explain_topics(cli, client, report, error);
    return err != PH_OK ? err : topics;
}

enum ph_err ph_policy_explain_run(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_client client = {0};
    struct ph_report report;
    enum ph_action action = PH_ACTION_PUBLISH;
    const char *topic = NULL;
    enum ph_err err = read_question(cli, &action, &topic, error);
    if (err == PH_OK) {
        err = ph_client_load(cli, ph_cli_argument(cli, 0), ph_clock_unix_ms(), &client, error);
    }
    if (err == PH_OK) {
        err = ph_report_open(&report, stdout, ph_cli_value(cli, "format"), error);
    }
    if (err == PH_OK) {
        err = explain(cli, &client, &report, error);
        ph_report_close(&report);
    }
    ph_client_fini(&client);
    return err;
}
