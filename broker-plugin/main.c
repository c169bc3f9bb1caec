/* ph-policy(1) */
#include "base/cli.h"
#include "broker-plugin/cmd.h"

static const struct ph_cli_command commands[] = {
    {
        .name = "check",
        .arguments = "FILE",
        .arguments_min = 1,
        .arguments_max = 1,
        .summary = "Check a policy, the CA and CRL files it names, and the broker's configuration",
        .options = ph_policy_check_options,
        .run = ph_policy_check_run,
    },
    {
        .name = "explain",
        .arguments = "FILE",
        .arguments_min = 1,
        .arguments_max = 1,
        .summary = "Say what a certificate or identity may do, and by which rule",
        .options = ph_policy_explain_options,
        .run = ph_policy_explain_run,
    },
    {
        .name = "print",
        .arguments = "FILE",
        .arguments_min = 1,
        .arguments_max = 1,
        .summary = "Print a policy with its defaults and full paths written out",
        .run = ph_policy_print_run,
    },
    {.run = NULL},
};

static const struct ph_cli_program program = {
    .name = "ph-policy",
    .summary = "Check and explain the policy of the phonehome broker plugin",
    .commands = commands,
};

int main(int argc, char **argv)
{
    return ph_cli_main(&program, argc, argv);
}
