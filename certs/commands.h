/* The subcommands of ph-ca, one file each. */
#ifndef PH_CERTS_COMMANDS_H
#define PH_CERTS_COMMANDS_H

#include "base/cli.h"
#include "certs/ca.h"

extern const struct ph_cli_option ph_ca_init_options[];
extern const struct ph_cli_option ph_ca_issue_options[];
extern const struct ph_cli_option ph_ca_revoke_options[];
extern const struct ph_cli_option ph_ca_crl_options[];
extern const struct ph_cli_option ph_ca_list_options[];
extern const struct ph_cli_option ph_ca_show_options[];

/* Each does what docs/man/ph-ca.1 says of it, and prints its result to standard output. */
enum ph_err ph_ca_cmd_init(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_issue(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_revoke(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_crl(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_list(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_show(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;

/* What more than one of them needs. */
#define PH_CA_OPTION                                                                               \
    {                                                                                              \
        "ca", "DIR", "folder of the certificate authority (default pki)"                           \
    }

/* Opens the folder that --ca names. */
enum ph_err ph_ca_open_named(
    const struct ph_cli *cli, struct ph_ca **out, struct ph_error *error) PH_NODISCARD;

/* A serial number as the inventory writes it: lower case, no leading zeros. */
enum ph_err ph_ca_serial_parse(
    const char *text, char out[PH_SERIAL_BYTES], struct ph_error *error) PH_NODISCARD;

/* "valid", "expired", "not-yet-valid" or "revoked". */
const char *ph_ca_status(const struct ph_inventory_entry *entry, int64_t now_ms);

/* "tenant/kind/device", or the name alone where there is no tenant. */
void ph_ca_holder(char *out, size_t size, const struct ph_inventory_entry *entry);

#endif
