/* The subcommands of ph-policy, one file each; main.c has their table. */
#ifndef PH_BROKER_PLUGIN_CMD_H
#define PH_BROKER_PLUGIN_CMD_H

#include "base/cli.h"

/* What main.c's table runs; docs/man/ph-policy.1 says what they do. */
enum ph_err ph_policy_audit_run(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_policy_check_run(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_policy_diff_run(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_policy_explain_run(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_policy_print_run(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_policy_probe_run(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_policy_reach_run(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_policy_replay_run(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;

extern const struct ph_cli_option ph_policy_audit_options[];
extern const struct ph_cli_option ph_policy_check_options[];
extern const struct ph_cli_option ph_policy_diff_options[];
extern const struct ph_cli_option ph_policy_explain_options[];
extern const struct ph_cli_option ph_policy_probe_options[];
extern const struct ph_cli_option ph_policy_reach_options[];
extern const struct ph_cli_option ph_policy_replay_options[];

#define PH_FORMAT_OPTION                                                                           \
    {                                                                                              \
        "format", "FORMAT", "text (default) or json"                                               \
    }

#endif
