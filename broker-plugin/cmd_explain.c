#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "broker-plugin/authn.h"
#include "broker-plugin/cmd.h"
#include "config/policy_file.h"
#include "domain/template.h"

const struct ph_cli_option ph_policy_explain_options[] = {
    {"cert", "FILE", "the certificate (PEM) that the client presents"},
    {"identity", "ANCHOR:TENANT/KIND/DEVICE", "instead of a certificate: what one would say"},
    {"client-id", "ID", "the client id that it connects with (default: the role's)"},
    {"publish", "TOPIC", "would this PUBLISH pass?"},
    {"will", "TOPIC", "would a last will to this topic be published?"},
    {"subscribe", "FILTER", "would this SUBSCRIBE pass?"},
    {"receive", "TOPIC", "would a message on this topic be delivered?"},
    {NULL, NULL, NULL},
};

static const struct {
    const char *option;
    enum ph_action action;
} questions[] = {
    {"publish", PH_ACTION_PUBLISH},
    {"will", PH_ACTION_WILL},
    {"subscribe", PH_ACTION_SUBSCRIBE},
    {"receive", PH_ACTION_RECEIVE},
};

static void row(const char *key, const char *value)
{
    char escaped[1024];
    ph_text_escape(escaped, sizeof escaped, value);
    printf("%-12s %s\n", key, escaped);
}

static enum ph_err parse_identity(const char *text, struct ph_identity *out, struct ph_error *error)
{
    const char *colon = strchr(text, ':');
    char anchor[PH_SEGMENT_BYTES];
    if (colon == NULL) {
        return ph_error_set(error, PH_ERR_USAGE,
            "--identity: want ANCHOR:TENANT/KIND/DEVICE, have \"%.200s\"", text);
    }
    enum ph_err err = ph_segment_set(anchor, "anchor", text, (size_t)(colon - text), error);
    if (err == PH_OK) {
        err = ph_identity_parse(colon + 1, out, error);
    }
    if (err == PH_OK) {
        memcpy(out->anchor, anchor, sizeof anchor);
    }
    return err;
}

static void print_facts(const struct ph_certificate_facts *facts)
{
    char from[PH_UTC_BYTES];
    char until[PH_UTC_BYTES];
    if (facts->serial[0] == '\0') {
        return;
    }
    ph_utc_print(from, facts->not_before_ms);
    ph_utc_print(until, facts->not_after_ms);
    row("subject", facts->subject);
    row("issuer", facts->issuer);
    row("serial", facts->serial);
    printf("%-12s %s to %s\n", "valid", from, until);
}

static enum ph_err explain_certificate(const char *policy_file, const char *cert_file,
    struct ph_state **state, struct ph_authn *authn, struct ph_error *error)
{
    struct ph_certificate *certificate = NULL;
    enum ph_err err = ph_certificate_load(cert_file, &certificate, error);
    if (err == PH_OK) {
        err = ph_state_load(policy_file, state, error);
    }
    if (err == PH_OK) {
        err = ph_authn_certificate(*state, certificate, ph_clock_unix_ms(), authn, error);
        print_facts(&authn->facts);
    }
    ph_certificate_free(&certificate);
    return err;
}

static enum ph_err explain_client_id(
    const struct ph_cli *cli, const struct ph_authn *authn, struct ph_error *error)
{
    char want[PH_LIMIT_CLIENT_ID_BYTES + 1];
    const char *client_id = ph_cli_value(cli, "client-id");
    if (!ph_template_expand(want, sizeof want, authn->role->client_id, &authn->identity)) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "role \"%s\": client_id: the filled-in template is too long", authn->role->name);
    }
    row("client id", want);
    return client_id != NULL
               ? ph_role_check_client_id(authn->role, &authn->identity, client_id, error)
               : PH_OK;
}

/* Answers every question; the error is the first refusal. */
static enum ph_err explain_topics(
    const struct ph_cli *cli, const struct ph_authn *authn, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        const char *topic = ph_cli_value(cli, questions[i].option);
        if (topic == NULL) {
            continue;
        }
        const char *by = ph_role_allows(authn->role, &authn->identity, questions[i].action, topic);
        char answer[PH_LIMIT_TOPIC_BYTES + 64];
        (void)snprintf(
            answer, sizeof answer, by != NULL ? "allowed by %s" : "refused", by != NULL ? by : "");
        row(questions[i].option, answer);
        if (by == NULL) {
            err = ph_error_set(error, PH_ERR_DENIED,
                "role \"%s\": no \"%s\" template allows \"%.300s\"", authn->role->name,
                ph_action_name(questions[i].action), topic);
        }
    }
    return err;
}

/* With a word on kinds, where the anchor has its own. */
static void print_anchor(const struct ph_policy *policy, const struct ph_identity *identity)
{
    const struct ph_anchor *anchor = ph_policy_anchor(policy, identity->anchor);
    char text[2 * PH_SEGMENT_BYTES + 64];
    int len = snprintf(text, sizeof text, "%s", identity->anchor);
    if (anchor != NULL && anchor->kind_count > 0) {
        (void)snprintf(text + len, sizeof text - (size_t)len,
            " (kind %s is closed to anchors without it)", identity->kind);
    }
    row("anchor", text);
}

static enum ph_err explain(const struct ph_cli *cli, const struct ph_policy *policy,
    const struct ph_authn *authn, struct ph_error *error)
{
    char identity[PH_IDENTITY_BYTES];
    ph_identity_print(identity, sizeof identity, &authn->identity);
    row("identity", identity);
    print_anchor(policy, &authn->identity);
    row("role", authn->role->name);
    row("user name", authn->user_name);
    enum ph_err err = explain_client_id(cli, authn, error);
    enum ph_err topics = explain_topics(cli, authn, error);
    return err != PH_OK ? err : topics;
}

enum ph_err ph_policy_explain_run(const struct ph_cli *cli, struct ph_error *error)
{
    const char *policy_file = ph_cli_argument(cli, 0);
    const char *cert = ph_cli_value(cli, "cert");
    const char *identity_text = ph_cli_value(cli, "identity");
    struct ph_state *state = NULL;
    struct ph_policy *policy = NULL;
    struct ph_authn authn = {.user_name = ""};
    struct ph_identity identity = {0};
    if ((cert == NULL) == (identity_text == NULL)) {
        return ph_error_set(error, PH_ERR_USAGE, "want one of --cert and --identity");
    }
    enum ph_err err = PH_OK;
    if (cert != NULL) {
        err = explain_certificate(policy_file, cert, &state, &authn, error);
    } else {
        err = parse_identity(identity_text, &identity, error);
        if (err == PH_OK) {
            err = ph_policy_load(policy_file, &policy, error);
        }
        if (err == PH_OK) {
            err = ph_authn_identity(policy, &identity, &authn, error);
        }
    }
    if (err == PH_OK) {
        err = explain(cli, state != NULL ? state->policy : policy, &authn, error);
    }
    ph_policy_free(&policy);
    ph_state_free(&state);
    return err;
}
