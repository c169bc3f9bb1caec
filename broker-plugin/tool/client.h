/* The client that `ph-policy explain` and `ph-policy reach` are asked about. */
#ifndef PH_BROKER_PLUGIN_CLIENT_H
#define PH_BROKER_PLUGIN_CLIENT_H

#include <stdbool.h>

#include "base/cli.h"
#include "broker-plugin/authn.h"
#include "broker-plugin/state.h"
#include "broker-plugin/tool/report.h"
#include "domain/deny.h"

/* Zero-initialise before use. */
struct ph_client {
    const struct ph_policy *policy; /* borrowed from one of the next two */
    struct ph_state *state;         /* with --cert: every file that the policy names was read */
    struct ph_policy *plain_policy; /* with --identity: policy and lists only */
    struct ph_deny_list *plain_deny;
    struct ph_authn authn;
    struct ph_error refusal; /* code PH_OK: it would be let in, but for its client id */
    bool has_certificate;
    struct ph_deny_place quarantine; /* file NULL: in none */
};

/* The options that say who it is, for a command's table. */
#define PH_CLIENT_OPTIONS                                                                          \
    {"cert", "FILE", "the certificate (PEM) that the client presents"},                            \
        {"identity", "ANCHOR:TENANT/KIND/DEVICE", "instead: what a certificate would say"},        \
    {                                                                                              \
        "subject", "ATTR=VALUE[,...]", "with --identity: attributes of the subject"                \
    }

/* Loads what --cert or --identity needs and asks the plugin's own checks, at `now_ms`. An error is
 * one of command line or files; that the client would be refused is client->refusal. */
enum ph_err ph_client_load(const struct ph_cli *cli, const char *policy_file, int64_t now_ms,
    struct ph_client *client, struct ph_error *error) PH_NODISCARD;
void ph_client_fini(struct ph_client *client);

/* Identity, certificate, role and user name, or why it is refused and what each role wanted. */
void ph_client_print(const struct ph_client *client, struct ph_report *report);

#endif
