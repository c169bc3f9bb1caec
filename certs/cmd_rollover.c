#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "certs/commands.h"
#include "certs/line.h"
#include "certs/table.h"

#define TENANT_OPTION                                                                              \
    {                                                                                              \
        "tenant", "NAME", "the tenant's own CA (default: the one for every tenant)"                \
    }
#define FORCE_OPTION                                                                               \
    {                                                                                              \
        "force", NULL, "also when devices or certificates are locked out by it"                    \
    }

const struct ph_cli_option ph_ca_rollover_begin_options[] = {
    PH_CA_OPTION,
    TENANT_OPTION,
    {"days", "N", "lifetime of the new generation (default: as init was told)"},
    PH_CA_ROOT_KEY_OPTION,
    PH_CA_PASSPHRASE_OPTION,
    {"new-root", "DIR", "of a root: folder for the new root's ca.key (default: its own)"},
    {"new-passphrase-file", "FILE", "of a root: encrypt the new key with the first line of FILE"},
    {"ask-new-passphrase", NULL, "of a root: ask at the terminal for the new key's passphrase"},
    PH_CA_BY_OPTION,
    PH_CA_WHY_OPTION,
    {0},
};

/* activate and finish: the key that a root's roll-over needs is then the new root's; of the
 * brokers' CA, finish signs with it what the devices are told. */
const struct ph_cli_option ph_ca_rollover_step_options[] = {
    PH_CA_OPTION,
    TENANT_OPTION,
    {"root", "DIR", "of a root, brokers: folder with the (new) root's ca.key (default: its own)"},
    PH_CA_PASSPHRASE_OPTION,
    FORCE_OPTION,
    PH_CA_BY_OPTION,
    PH_CA_WHY_OPTION,
    {0},
};

const struct ph_cli_option ph_ca_rollover_status_options[] = {
    PH_CA_OPTION,
    PH_CA_FORMAT_OPTION,
    {0},
};

/* ---- begin, activate, finish ---- */

static enum ph_err read_change(
    const struct ph_cli *cli, struct ph_authority_change *change, struct ph_error *error)
{
    const char *role = ph_cli_argument(cli, 0);
    enum ph_err err = ph_ca_change_read(cli, change, error);
    if (err == PH_OK && !ph_ca_role_parse(role, &change->role)) {
        err = ph_error_set(error, PH_ERR_USAGE,
            "want root, devices, brokers, services or claims, have \"%s\"", role);
    }
    return err;
}

static enum ph_err read_new_root(
    const struct ph_cli *cli, struct ph_authority_change *change, struct ph_error *error)
{
    struct ph_root_key *root = &change->new_root;
    root->dir = ph_cli_value(cli, "new-root");
    root->passphrase_file = ph_cli_value(cli, "new-passphrase-file");
    root->ask = ph_cli_has(cli, "ask-new-passphrase");
    if (change->role != PH_ROOT &&
        (root->dir != NULL || root->passphrase_file != NULL || root->ask)) {
        return ph_error_set(error, PH_ERR_USAGE,
            "--new-root, --new-passphrase-file, --ask-new-passphrase: only to roll over the root");
    }
    if (root->passphrase_file != NULL && root->ask) {
        return ph_error_set(
            error, PH_ERR_USAGE, "--ask-new-passphrase: not together with --new-passphrase-file");
    }
    return ph_cli_int64(cli, "days", 1, 36525, 0, &change->days, error);
}

static void say_begun(const struct ph_rollover_progress *progress, const char *dir)
{
    bool root = strncmp(progress->from, "root", sizeof "root" - 1) == 0;
    printf(
        "%s follows %s: it is trusted in %s/trust and does not issue yet; %s, then ph-ca rollover "
        "activate\n",
        progress->to, progress->from, dir,
        root ? "restart the brokers, which read their cafile at the start alone, wait until the "
               "devices hold it (ph-ca rollover status)"
             : "give the brokers a few seconds to read that");
}

static void say_active(const struct ph_rollover_progress *progress, const char *dir)
{
    (void)dir;
    printf("%s issues now; %" PRId64 " certificates of %s are left: ph-ca rollover status\n",
        progress->to, progress->left, progress->from);
}

static void say_finished(const struct ph_rollover_progress *progress, const char *dir)
{
    if (progress->bundle_current || strncmp(progress->from, "brokers", sizeof "brokers" - 1) != 0) {
        printf(
            "%s is alone: what it followed is in none of %s/trust any more\n", progress->from, dir);
    } else {
        printf("%s is alone, but what it followed stays in %s/trust/brokers.pem and in the devices "
               "until a root signs the next trust bundle: give the same again with --root, or "
               "finish the root's roll-over\n",
            progress->from, dir);
    }
}

typedef enum ph_err step(
    struct ph_ca *ca, const struct ph_authority_change *change, struct ph_error *error);
typedef void say(const struct ph_rollover_progress *progress, const char *dir);

static enum ph_err run(const struct ph_cli *cli, const struct ph_authority_change *change,
    step *do_it, say *say_it, struct ph_error *error)
{
    struct ph_rollover_progress progress;
    struct ph_ca *ca = NULL;
    enum ph_err err = ph_ca_open_named(cli, &ca, error);
    if (err == PH_OK) {
        err = do_it(ca, change, error);
    }
    if (err == PH_OK) {
        err = ph_rollover_progress(
            ph_ca_inventory(ca), change->role, change->tenant, change->now_ms, &progress, error);
    }
    if (err == PH_OK) {
        say_it(&progress, ph_ca_dir(ca));
    }
    ph_ca_close(&ca);
    return err;
}

enum ph_err ph_ca_cmd_rollover_begin(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_authority_change change = {0};
    enum ph_err err = read_change(cli, &change, error);
    if (err == PH_OK) {
        err = read_new_root(cli, &change, error);
    }
    return err == PH_OK ? run(cli, &change, ph_rollover_begin, say_begun, error) : err;
}

enum ph_err ph_ca_cmd_rollover_activate(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_authority_change change = {.force = ph_cli_has(cli, "force")};
    enum ph_err err = read_change(cli, &change, error);
    return err == PH_OK ? run(cli, &change, ph_rollover_activate, say_active, error) : err;
}

enum ph_err ph_ca_cmd_rollover_finish(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_authority_change change = {.force = ph_cli_has(cli, "force")};
    enum ph_err err = read_change(cli, &change, error);
    return err == PH_OK ? run(cli, &change, ph_rollover_finish, say_finished, error) : err;
}

/* ---- status ---- */

static const struct ph_table_column columns[] = {
    {.name = "from", .title = "FROM", .width = 20},
    {.name = "to", .title = "TO", .width = 20},
    {.name = "state", .title = "STATE", .width = 8},
    {.name = "left", .title = "LEFT", .width = 8, .kind = PH_TABLE_NUMBER},
    {.name = "moved", .title = "MOVED", .width = 8, .kind = PH_TABLE_NUMBER},
    {.name = "devices", .title = "DEVICES", .width = 8, .kind = PH_TABLE_NUMBER},
    {.name = "trusting", .title = "TRUSTING", .width = 8, .kind = PH_TABLE_NUMBER},
    {0},
};

static void print_progress(struct ph_table *table, const struct ph_rollover_progress *progress)
{
    const int64_t numbers[4] = {
        progress->left, progress->moved, progress->devices, progress->devices_trust};
    char texts[4][24];
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "%" PRId64, numbers[i]);
    }
    const char *const cells[] = {progress->from, progress->to,
        ph_authority_state_name(progress->to_state), texts[0], texts[1], texts[2], texts[3]};
    ph_table_row(table, cells);
}

/* A roll-over is under way where there is a generation that is not yet, or no longer, the one. */
static enum ph_err print_all(struct ph_inventory *inventory, struct ph_table *table,
    const struct ph_authority_list *list, struct ph_error *error)
{
    int64_t now_ms = ph_clock_unix_ms();
    enum ph_err err = PH_OK;
    for (size_t i = 0; err == PH_OK && i < list->count; i++) {
        const struct ph_authority *authority = &list->items[i];
        struct ph_rollover_progress progress;
        if (authority->state != PH_AUTHORITY_NEXT && authority->state != PH_AUTHORITY_OLD) {
            continue;
        }
        err = ph_rollover_progress(
            inventory, authority->role, authority->tenant, now_ms, &progress, error);
        if (err == PH_OK) {
            print_progress(table, &progress);
        }
    }
    return err;
}

enum ph_err ph_ca_cmd_rollover_status(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_table table = {.file = stdout, .columns = columns};
    struct ph_authority_list list = {0};
    struct ph_ca *ca = NULL;
    enum ph_err err = ph_table_format_parse(ph_cli_value(cli, "format"), &table.format, error);
    if (err == PH_OK) {
        err = ph_ca_open_named(cli, &ca, error);
    }
    if (err == PH_OK) {
        err = ph_authorities_list(ph_ca_inventory(ca), &list, error);
    }
    if (err == PH_OK) {
        ph_table_begin(&table);
        err = print_all(ph_ca_inventory(ca), &table, &list, error);
        ph_table_end(&table);
    }
    ph_authority_list_free(&list);
    ph_ca_close(&ca);
    return err;
}
