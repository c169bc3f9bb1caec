/* ph-policy(1) */
#include "base/cli.h"
#include "broker-plugin/tool/cmd.h"

static const struct ph_cli_command commands[] = {
    {
        .name = "check",
        .arguments = "FILE",
        .arguments_min = 1,
        .arguments_max = 1,
        .summary = "Check a policy, the files it names, and the broker's configuration",
        .options = ph_policy_check_options,
        .run = ph_policy_check_run,
    },
    {
        .name = "explain",
        .arguments = "FILE [ACTION TOPIC]",
        .arguments_min = 1,
        .arguments_max = 3,
        .summary = "Say what a certificate or identity may do, and by which rule",
        .options = ph_policy_explain_options,
        .run = ph_policy_explain_run,
    },
    {
        .name = "diff",
        .arguments = "OLD NEW",
        .arguments_min = 2,
        .arguments_max = 2,
        .summary = "Say who gains and loses what by a new policy",
        .options = ph_policy_diff_options,
        .run = ph_policy_diff_run,
    },
    {
        .name = "replay",
        .arguments = "[FILE...]",
        .arguments_min = 0,
        .arguments_max = -1,
        .summary = "Say what audited traffic would have met under another policy",
        .options = ph_policy_replay_options,
        .run = ph_policy_replay_run,
    },
    {
        .name = "reach",
        .arguments = "FILE",
        .arguments_min = 1,
        .arguments_max = 1,
        .summary = "Say whom a client can reach by the policy, or who reaches a topic",
        .options = ph_policy_reach_options,
        .run = ph_policy_reach_run,
    },
    {
        .name = "audit",
        .arguments = "verify FILE...",
        .arguments_min = 2,
        .arguments_max = -1,
        .summary = "Check that no record of an audit file was removed or edited",
        .options = ph_policy_audit_options,
        .run = ph_policy_audit_run,
    },
    {
        .name = "print",
        .arguments = "FILE",
        .arguments_min = 1,
        .arguments_max = 1,
        .summary = "Print a policy with its defaults and full paths written out",
        .run = ph_policy_print_run,
    },
    {
        .name = "probe",
        .summary = "Ask a running broker whether it admits a client, by connecting as one",
        .options = ph_policy_probe_options,
        .run = ph_policy_probe_run,
    },
    {.run = NULL},
};

static const struct ph_cli_program program = {
    .name = "ph-policy",
    .summary = "Check, explain and compare policies of the phonehome broker plugin",
    .commands = commands,
};

int main(int argc, char **argv)
{
    return ph_cli_main(&program, argc, argv);
}
