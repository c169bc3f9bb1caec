#include "broker-plugin/tool/client.h"

#include <string.h>

#include "base/clock.h"
#include "broker-plugin/tool/identity_list.h"
#include "broker-plugin/tool/role_why.h"
#include "config/policy_file.h"

static enum ph_err load_identity(const struct ph_cli *cli, const char *policy_file,
    struct ph_client *client, struct ph_error *error)
{
    const char *text = ph_cli_value(cli, "identity");
    const char *attributes = ph_cli_value(cli, "subject");
    struct ph_identity *identity = &client->authn.identity;
    enum ph_err err = ph_identity_parse_anchored(text, identity, error);
    if (err == PH_OK && identity->anchor[0] == '\0') {
        err = ph_error_set(error, PH_ERR_USAGE,
            "--identity: want ANCHOR:TENANT/KIND/DEVICE, have \"%.200s\"", text);
    }
    if (err == PH_OK && attributes != NULL) {
        err = ph_subject_parse(attributes, client->authn.subject, error);
    }
    if (err == PH_OK) {
        err = ph_policy_load(policy_file, &client->plain_policy, error);
    }
    if (err == PH_OK) {
        client->policy = client->plain_policy;
        err = ph_deny_load(
            client->policy->lists, client->policy->list_count, &client->plain_deny, error);
    }
    return err;
}

static void decide_identity(struct ph_client *client)
{
    const struct ph_identity identity = client->authn.identity;
    const struct ph_denial_query query = {
        .identity = &identity, .serial = "", .issuer = "", .key_hash = ""};
    client->authn.reason = ph_authn_denied(client->plain_deny, &query, &client->refusal);
    client->authn.quarantined = ph_deny_has_quarantined(client->plain_deny, &identity, NULL);
    if (client->authn.reason == PH_REASON_NONE &&
        ph_authn_identity(client->policy, &identity, client->authn.subject, &client->authn,
            &client->refusal) != PH_OK) {
        client->authn.role = NULL;
    }
}

static enum ph_err load_certificate(const struct ph_cli *cli, const char *policy_file,
    int64_t now_ms, struct ph_client *client, struct ph_error *error)
{
    struct ph_certificate *certificate = NULL;
    struct ph_state_report report = {0};
    enum ph_err err = ph_certificate_load(ph_cli_value(cli, "cert"), &certificate, error);
    if (err == PH_OK) {
        err = ph_state_load(policy_file, NULL, &client->state, &report, error);
    }
    if (err == PH_OK) {
        client->policy = client->state->policy;
        client->has_certificate = true;
        err = ph_authn_certificate(
            client->state, certificate, now_ms, NULL, &client->authn, &client->refusal);
        if (err != PH_OK && client->refusal.code == PH_OK) {
            (void)ph_error_set(&client->refusal, err, "certificate: refused");
        }
        err = PH_OK;
    }
    ph_certificate_free(&certificate);
    return err;
}

enum ph_err ph_client_load(const struct ph_cli *cli, const char *policy_file, int64_t now_ms,
    struct ph_client *client, struct ph_error *error)
{
    bool by_certificate = ph_cli_has(cli, "cert");
    enum ph_err err = PH_OK;
    if (by_certificate == ph_cli_has(cli, "identity")) {
        return ph_error_set(error, PH_ERR_USAGE, "want one of --cert and --identity");
    }
    if (by_certificate && ph_cli_has(cli, "subject")) {
        return ph_error_set(error, PH_ERR_USAGE,
            "--subject: only with --identity; a certificate has its own subject");
    }
    if (by_certificate) {
        err = load_certificate(cli, policy_file, now_ms, client, error);
    } else {
        err = load_identity(cli, policy_file, client, error);
        if (err == PH_OK) {
            decide_identity(client);
        }
    }
    if (err == PH_OK && client->authn.quarantined) {
        (void)ph_deny_has_quarantined(
            client->state != NULL ? client->state->deny : client->plain_deny,
            &client->authn.identity, &client->quarantine);
    }
    return err;
}

void ph_client_fini(struct ph_client *client)
{
    ph_state_free(&client->state);
    ph_policy_free(&client->plain_policy);
    ph_deny_free(&client->plain_deny);
}

static void print_certificate(const struct ph_certificate_facts *facts, struct ph_report *report)
{
    char from[PH_UTC_BYTES];
    char until[PH_UTC_BYTES];
    if (facts->serial[0] == '\0') {
        return;
    }
    ph_utc_print(from, facts->not_before_ms);
    ph_utc_print(until, facts->not_after_ms);
    ph_report_row(report, "subject", facts->subject);
    ph_report_row(report, "issuer", facts->issuer);
    ph_report_row(report, "serial", facts->serial);
    ph_report_row(report, "fingerprint", facts->fingerprint);
    ph_report_row(report, "key_hash", facts->key_hash);
    ph_report_line(report, "%-12s %s to %s", "valid", from, until);
    ph_report_text(report, "not_before", from);
    ph_report_text(report, "not_after", until);
}

/* With a word on kinds, where the anchor has its own. */
static void print_anchor(const struct ph_client *client, struct ph_report *report)
{
    const struct ph_identity *identity = &client->authn.identity;
    const struct ph_anchor *anchor = ph_policy_anchor(client->policy, identity->anchor);
    if (identity->anchor[0] == '\0') {
        return;
    }
    ph_report_text(report, "anchor", identity->anchor);
    if (anchor != NULL && anchor->kind_count > 0) {
        ph_report_line(report, "%-12s %s (kind %s is closed to anchors without it)", "anchor",
            identity->anchor, identity->kind);
    } else {
        ph_report_line(report, "%-12s %s", "anchor", identity->anchor);
    }
}

static bool some_role_matches(const struct ph_client *client)
{
    char why[512];
    for (size_t i = 0; i < client->policy->role_count; i++) {
        if (!ph_role_mismatch(why, sizeof why, &client->policy->roles[i], &client->authn.identity,
                client->authn.subject)) {
            return true;
        }
    }
    return false;
}

/* Only when that is why: a role may match, and the anchor not be allowed the tenant or kind. */
static void print_roles_tried(const struct ph_client *client, struct ph_report *report)
{
    char why[512];
    if (some_role_matches(client)) {
        return;
    }
    ph_report_begin(report, "roles_tried", '[');
    for (size_t i = 0; i < client->policy->role_count; i++) {
        const struct ph_role *role = &client->policy->roles[i];
        (void)ph_role_mismatch(
            why, sizeof why, role, &client->authn.identity, client->authn.subject);
        ph_report_line(report, "  not %-16s %s", role->name, why);
        ph_report_begin(report, NULL, '{');
        ph_report_text(report, "role", role->name);
        ph_report_text(report, "why", why);
        ph_report_end(report, '}');
    }
    ph_report_end(report, ']');
}

static void print_quarantine(const struct ph_client *client, struct ph_report *report)
{
    if (client->quarantine.file == NULL) {
        return;
    }
    ph_report_line(
        report, "%-12s %s:%zu", "quarantine", client->quarantine.file, client->quarantine.line);
    ph_report_begin(report, "quarantine", '{');
    ph_report_text(report, "file", client->quarantine.file);
    ph_report_count(report, "line", client->quarantine.line);
    ph_report_end(report, '}');
}

void ph_client_print(const struct ph_client *client, struct ph_report *report)
{
    char identity[PH_IDENTITY_BYTES];
    bool admitted = client->refusal.code == PH_OK;
    print_certificate(&client->authn.facts, report);
    if (client->authn.identity.device[0] != '\0') {
        ph_identity_print(identity, sizeof identity, &client->authn.identity);
        ph_report_row(report, "identity", identity);
        print_anchor(client, report);
    }
    print_quarantine(client, report);
    ph_report_flag(report, "admitted", admitted);
    if (admitted) {
        ph_report_row(report, "role", client->authn.role->name);
        ph_report_row(report, "user_name", client->authn.user_name);
        return;
    }
    ph_report_line(report, "%-12s %s", "refused", client->refusal.message);
    ph_report_text(report, "reason", ph_reason_name(client->authn.reason));
    ph_report_text(report, "message", client->refusal.message);
    if (client->authn.reason == PH_REASON_NO_ROLE) {
        print_roles_tried(client, report);
    }
}
