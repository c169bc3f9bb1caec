#include <stdio.h>

#include "broker-plugin/tool/cmd.h"
#include "config/policy_file.h"

enum ph_err ph_policy_print_run(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_policy *policy = NULL;
    enum ph_err err = ph_policy_load(ph_cli_argument(cli, 0), &policy, error);
    if (err == PH_OK) {
        err = ph_policy_print(stdout, policy, error);
    }
    ph_policy_free(&policy);
    return err;
}
