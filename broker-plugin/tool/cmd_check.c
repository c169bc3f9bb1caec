#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "broker-plugin/broker_conf.h"
#include "broker-plugin/state.h"
#include "broker-plugin/tool/cmd.h"
#include "broker-plugin/tool/report.h"
#include "domain/policy_lint.h"

const struct ph_cli_option ph_policy_check_options[] = {
    {"broker-config", "FILE", "also check this mosquitto.conf and what it includes"},
    {"strict", NULL, "fail when there is a warning"},
    PH_FORMAT_OPTION,
    {NULL, NULL, NULL},
};

/* One run of the command. */
struct check {
    const char *path;
    struct ph_report report;
    size_t warnings;
};

/* Prints every finding; the error says the first. */
static enum ph_err check_broker(struct check *check, const char *path, struct ph_error *error)
{
    struct ph_findings *findings = calloc(1, sizeof *findings);
    if (findings == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", path);
    }
    enum ph_err err = ph_broker_conf_check(path, findings, error);
    ph_report_begin(&check->report, "broker_config_findings", '[');
    for (size_t i = 0; i < findings->count; i++) {
        ph_report_line(&check->report, "%s", findings->text[i]);
        ph_report_text(&check->report, NULL, findings->text[i]);
    }
    ph_report_end(&check->report, ']');
    size_t count = findings->count + findings->left_out;
    if (err == PH_OK && count > 0) {
        err = ph_error_set(error, PH_ERR_CONFIG,
            "%s: %zu settings to change: the plugin would not start", path, count);
    } else if (err == PH_OK) {
        ph_report_line(&check->report, "%s: good", path);
    }
    free(findings);
    return err;
}

static void print_finding(void *context, const struct ph_lint *finding)
{
    struct check *check = context;
    check->warnings++;
    ph_report_line(&check->report, "warning: %s [%s]", finding->text, finding->name);
    ph_report_begin(&check->report, NULL, '{');
    ph_report_text(&check->report, "name", finding->name);
    ph_report_text(&check->report, "role", finding->role);
    ph_report_text(&check->report, "text", finding->text);
    ph_report_end(&check->report, '}');
}

static const char *stage_name(enum ph_crl_stage stage)
{
    static const char *const names[] = {"fresh", "ageing", "grace", "closed"};
    return (size_t)stage < sizeof names / sizeof names[0] ? names[stage] : "unknown";
}

static const char *stage_advice(enum ph_crl_stage stage)
{
    static const char *const advice[] = {"", "three quarters of its life are over: renew it",
        "past its nextUpdate, still admitted by grace: renew it now",
        "nobody enters by this CA: renew it"};
    return (size_t)stage < sizeof advice / sizeof advice[0] ? advice[stage] : "";
}

static void print_crl(struct check *check, const struct ph_anchor *anchor,
    const struct ph_crl_life *life, enum ph_crl_stage stage)
{
    char next[PH_UTC_BYTES];
    ph_utc_print(next, life->next_update_ms);
    if (stage != PH_CRL_FRESH) {
        ph_report_line(&check->report, "%s: anchor \"%s\": CRL of %s, nextUpdate %s: %s: %s",
            stage == PH_CRL_CLOSED ? "error" : "warning", anchor->name, life->issuer, next,
            stage_name(stage), stage_advice(stage));
    }
    ph_report_begin(&check->report, NULL, '{');
    ph_report_text(&check->report, "anchor", anchor->name);
    ph_report_text(&check->report, "issuer", life->issuer);
    ph_report_text(&check->report, "number", life->number);
    ph_report_text(&check->report, "next_update", next);
    ph_report_text(&check->report, "stage", stage_name(stage));
    ph_report_count(&check->report, "entries", life->entries);
    ph_report_end(&check->report, '}');
}

static enum ph_err check_crls(
    struct check *check, const struct ph_state *state, int64_t now_ms, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    ph_report_begin(&check->report, "crls", '[');
    for (size_t i = 0; i < state->policy->anchor_count; i++) {
        const struct ph_anchor *anchor = &state->policy->anchors[i];
        for (size_t k = 0; k < ph_trust_crl_count(state->trusts[i]); k++) {
            const struct ph_crl_life life = ph_trust_crl_life(state->trusts[i], k);
            enum ph_crl_stage stage = ph_crl_stage(&life, now_ms);
            print_crl(check, anchor, &life, stage);
            check->warnings += stage == PH_CRL_AGEING || stage == PH_CRL_GRACE;
            if (stage == PH_CRL_CLOSED) {
                err = ph_error_set(error, PH_ERR_CONFIG,
                    "%s: anchor \"%s\": a CRL has expired: nobody would enter; renew it",
                    check->path, anchor->name);
            }
        }
    }
    ph_report_end(&check->report, ']');
    return err;
}

static void print_counts(struct check *check, const struct ph_state *state, bool good)
{
    const struct ph_policy *policy = state->policy;
    size_t denied = ph_deny_count(state->deny);
    ph_report_count(&check->report, "anchors", policy->anchor_count);
    ph_report_count(&check->report, "roles", policy->role_count);
    ph_report_count(&check->report, "list_entries", denied);
    ph_report_flag(&check->report, "good", good);
    if (good) {
        ph_report_line(&check->report, "%s: %zu anchor%s, %zu role%s, %zu list entr%s: good",
            check->path, policy->anchor_count, policy->anchor_count == 1 ? "" : "s",
            policy->role_count, policy->role_count == 1 ? "" : "s", denied,
            denied == 1 ? "y" : "ies");
    }
}

static enum ph_err check_state(
    struct check *check, const struct ph_state *state, int64_t now_ms, struct ph_error *error)
{
    ph_report_text(&check->report, "policy", check->path);
    ph_report_begin(&check->report, "warnings", '[');
    ph_policy_lint(state->policy, print_finding, check);
    ph_report_end(&check->report, ']');
    enum ph_err err = check_crls(check, state, now_ms, error);
    print_counts(check, state, err == PH_OK);
    return err;
}

enum ph_err ph_policy_check_run(const struct ph_cli *cli, struct ph_error *error)
{
    struct check check = {.path = ph_cli_argument(cli, 0)};
    const char *broker_config = ph_cli_value(cli, "broker-config");
    struct ph_state_report report = {0};
    struct ph_state *state = NULL;
    enum ph_err err = ph_state_load(check.path, NULL, &state, &report, error);
    if (err == PH_OK) {
        err = ph_report_open(&check.report, stdout, ph_cli_value(cli, "format"), error);
    }
    if (err == PH_OK) {
        err = check_state(&check, state, ph_clock_unix_ms(), error);
        if (err == PH_OK && broker_config != NULL) {
            err = check_broker(&check, broker_config, error);
        }
        ph_report_close(&check.report);
    }
    ph_state_free(&state);
    if (err == PH_OK && check.warnings > 0 && ph_cli_has(cli, "strict")) {
        err = ph_error_set(error, PH_ERR_CONFIG,
            "%s: %zu warning%s, and --strict: mend what is meant otherwise, list the names of the "
            "others under \"accept\" of their role",
            check.path, check.warnings, check.warnings == 1 ? "" : "s");
    }
    return err;
}
