/* The subcommands of ph-ingest, one file each. */
#ifndef PH_INGEST_COMMANDS_H
#define PH_INGEST_COMMANDS_H

#include "base/cli.h"

/* Each runs one subcommand: reads its options from `cli`, prints to standard output. */
enum ph_err ph_ingest_run(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ingest_latest(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ingest_query(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ingest_devices(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ingest_stats(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ingest_dead_letters(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ingest_letters_show(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ingest_letters_export(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ingest_letters_replay(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ingest_letters_purge(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ingest_check(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ingest_health(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ingest_backup(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;

extern const struct ph_cli_option ph_ingest_run_options[];
extern const struct ph_cli_option ph_ingest_latest_options[];
extern const struct ph_cli_option ph_ingest_query_options[];
extern const struct ph_cli_option ph_ingest_devices_options[];
extern const struct ph_cli_option ph_ingest_stats_options[];
extern const struct ph_cli_option ph_ingest_dead_letters_options[];
extern const struct ph_cli_option ph_ingest_letters_show_options[];
extern const struct ph_cli_option ph_ingest_letters_export_options[];
extern const struct ph_cli_option ph_ingest_letters_replay_options[];
extern const struct ph_cli_option ph_ingest_letters_purge_options[];
extern const struct ph_cli_option ph_ingest_check_options[];
extern const struct ph_cli_option ph_ingest_backup_options[];
extern const struct ph_cli_option ph_ingest_health_options[];

#endif
