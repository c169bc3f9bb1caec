/* The subcommands of ph-ca, one file each, and what they share. */
#ifndef PH_CERTS_COMMANDS_H
#define PH_CERTS_COMMANDS_H

#include "base/cli.h"
#include "certs/ca.h"
#include "certs/claims.h"

extern const struct ph_cli_option ph_ca_init_options[];
extern const struct ph_cli_option ph_ca_issue_options[];
extern const struct ph_cli_option ph_ca_revoke_options[];
extern const struct ph_cli_option ph_ca_unrevoke_options[];
extern const struct ph_cli_option ph_ca_crl_options[];
extern const struct ph_cli_option ph_ca_authority_add_options[];
extern const struct ph_cli_option ph_ca_authority_list_options[];
extern const struct ph_cli_option ph_ca_rollover_begin_options[];
extern const struct ph_cli_option ph_ca_rollover_step_options[];
extern const struct ph_cli_option ph_ca_rollover_status_options[];
extern const struct ph_cli_option ph_ca_list_options[];
extern const struct ph_cli_option ph_ca_show_options[];
extern const struct ph_cli_option ph_ca_report_options[];
extern const struct ph_cli_option ph_ca_export_options[];
extern const struct ph_cli_option ph_ca_import_options[];
extern const struct ph_cli_option ph_ca_audit_options[];
extern const struct ph_cli_option ph_ca_audit_verify_options[];
extern const struct ph_cli_option ph_ca_decommission_options[];
extern const struct ph_cli_option ph_ca_claims_options[];
extern const struct ph_cli_option ph_ca_expect_options[];
extern const struct ph_cli_option ph_ca_expected_options[];
extern const struct ph_cli_option ph_ca_requests_options[];
extern const struct ph_cli_option ph_ca_approve_options[];
extern const struct ph_cli_option ph_ca_refuse_options[];

/* Each does what docs/man/ph-ca.1 says of it, and prints its result to standard output. */
enum ph_err ph_ca_cmd_init(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_issue(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_revoke(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_unrevoke(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_crl(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_authority_add(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_authority_list(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_rollover_begin(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_rollover_activate(
    const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_rollover_finish(
    const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_rollover_status(
    const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_list(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_show(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_report(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_export(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_import(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_audit(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_audit_verify(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_decommission(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_claims(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_expect(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_expected(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_requests(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_approve(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;
enum ph_err ph_ca_cmd_refuse(const struct ph_cli *cli, struct ph_error *error) PH_NODISCARD;

/* ---- options that several have ---- */

#define PH_CA_OPTION                                                                               \
    {                                                                                              \
        "ca", "DIR", "folder of the certificate authority (default pki)"                           \
    }
#define PH_CA_FORMAT_OPTION                                                                        \
    {                                                                                              \
        "format", "FORMAT", "table (default), csv or json"                                         \
    }

/* Who acts and why. */
#define PH_CA_BY_OPTION                                                                            \
    {                                                                                              \
        "by", "NAME", "who does it, for the log of acts (default: your login name)"                \
    }
#define PH_CA_WHY_OPTION                                                                           \
    {                                                                                              \
        "why", "TEXT", "why it is done, for the log of acts"                                       \
    }

/* Where the root's key is. */
#define PH_CA_ROOT_KEY_OPTION                                                                      \
    {                                                                                              \
        "root", "DIR", "folder that holds the root's ca.key (default: the root's own)"             \
    }
#define PH_CA_PASSPHRASE_OPTION                                                                    \
    {                                                                                              \
        "passphrase-file", "FILE", "its first line opens the root's key (default: ask)"            \
    }

/* Opens the folder that --ca names. */
enum ph_err ph_ca_open_named(
    const struct ph_cli *cli, struct ph_ca **out, struct ph_error *error) PH_NODISCARD;

/* --by, else the login name of the user who runs the command, and --why. Borrowed from the command
 * line or for the life of the process. PH_ERR_USAGE for a text that is empty, too long, or more
 * than a line. */
enum ph_err ph_ca_actor_read(
    const struct ph_cli *cli, struct ph_ca_actor *out, struct ph_error *error) PH_NODISCARD;

/* --root and --passphrase-file, borrowed from the command line. */
struct ph_root_key ph_ca_root_key_read(const struct ph_cli *cli);

/* What a change of the CAs is told by its options: --tenant, --root, --passphrase-file, --by and
 * --why, and the time. */
enum ph_err ph_ca_change_read(const struct ph_cli *cli, struct ph_authority_change *change,
    struct ph_error *error) PH_NODISCARD;

/* Runs `step` as one transaction: committed when it succeeds, otherwise as if it had not been. */
typedef enum ph_err ph_ca_step(struct ph_ca *ca, void *context, struct ph_error *error);
enum ph_err ph_ca_transaction(
    struct ph_ca *ca, ph_ca_step *step, void *context, struct ph_error *error) PH_NODISCARD;

/* Signs the CRLs after a transaction that marked certificates: whatever happens to the CRLs, the
 * marks are not forgotten. `done` says in an error what they are, such as "revoked". */
enum ph_err ph_ca_publish_marks(const struct ph_cli *cli, struct ph_ca *ca, int64_t now_ms,
    const char *done, struct ph_error *error) PH_NODISCARD;

/* One record in the log of acts, within the caller's transaction; `detail` is a JSON object, or
 * NULL. */
enum ph_err ph_ca_record(struct ph_ca *ca, const struct ph_ca_actor *actor, int64_t now_ms,
    const char *act, const char *what, const char *detail, struct ph_error *error) PH_NODISCARD;

/* A serial number as the inventory writes it: lower case, no leading zeros. */
enum ph_err ph_ca_serial_parse(
    const char *text, char out[PH_SERIAL_BYTES], struct ph_error *error) PH_NODISCARD;

/* A SHA-256 as the inventory writes it, from 64 digits in either case, with or without colons;
 * `option` is named in the error. */
enum ph_err ph_ca_hash_parse(const char *option, const char *text, char out[PH_FINGERPRINT_BYTES],
    struct ph_error *error) PH_NODISCARD;

/* TENANT/KIND/DEVICE of a device: not of the kinds that are kept for services and claims. */
enum ph_err ph_ca_device_parse(
    const char *text, struct ph_identity *out, struct ph_error *error) PH_NODISCARD;

/* TENANT/NAME of a claim, as its identity: kind "claim". */
enum ph_err ph_ca_claim_parse(
    const char *text, struct ph_identity *out, struct ph_error *error) PH_NODISCARD;

/* Whether a device may not have that kind: "service" or "claim". */
bool ph_ca_kind_reserved(const char *kind);

/* "valid", "expired", "not-yet-valid", "revoked", "superseded" or "held". */
const char *ph_ca_status(const struct ph_inventory_entry *entry, int64_t now_ms);

/* "tenant/kind/device", or the name alone where there is no tenant. */
void ph_ca_holder(char *out, size_t size, const struct ph_inventory_entry *entry);

/* RFC 5280's word for why it was revoked; "" when it was not. */
const char *ph_ca_reason(const struct ph_inventory_entry *entry);

/* True for a certificate from elsewhere, which none of our CRLs can revoke. */
bool ph_ca_foreign(const struct ph_inventory_entry *entry);

/* "waiting", "approved", "refused" or "issued". */
const char *ph_ca_request_state(enum ph_enrolment_state state);

/* The line for the plugin's deny-list that keeps a certificate out (docs/spec/deny.md). */
#define PH_CA_DENY_BYTES (PH_SERIAL_BYTES + 300)
enum ph_err ph_ca_deny_line(struct ph_inventory *inventory, const char *serial,
    char out[PH_CA_DENY_BYTES], struct ph_error *error) PH_NODISCARD;

#endif
