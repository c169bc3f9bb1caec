#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "certs/commands.h"

const struct ph_cli_option ph_ca_init_options[] = {
    {"name", "NAME", "first word of the CAs' names (default phonehome)"},
    {"root-days", "N", "lifetime of the root (default 7305, 20 years)"},
    {"authority-days", "N", "lifetime of the subordinate CAs (default 1826, 5 years)"},
    {"root-crl-days", "N", "from a CRL of the root to its nextUpdate (default 365)"},
    {"crl-days", "N", "the same for the subordinate CAs (default 7)"},
    {"root", "DIR", "folder for the root's ca.key, such as on a stick (default DIR/root)"},
    {"passphrase-file", "FILE", "encrypt the root's key with the first line of FILE"},
    {"ask-passphrase", NULL, "encrypt the root's key with a passphrase asked at the terminal"},
    PH_CA_BY_OPTION,
    PH_CA_WHY_OPTION,
    {0},
};

static enum ph_err read_plan(
    const struct ph_cli *cli, struct ph_ca_plan *plan, struct ph_error *error)
{
    const char *name = ph_cli_value(cli, "name");
    char checked[PH_SEGMENT_BYTES];
    plan->name = name != NULL ? name : "phonehome";
    plan->now_ms = ph_clock_unix_ms();
    enum ph_err err = ph_segment_set(checked, "--name", plan->name, strlen(plan->name), error);
    if (err == PH_OK && strlen(plan->name) > 48) {
        err = ph_error_set(
            error, PH_ERR_USAGE, "--name: want at most 48 bytes, have %zu", strlen(plan->name));
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "root-days", 1, 36525, 7305, &plan->root_days, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "authority-days", 1, 36525,
            plan->root_days < 1826 ? plan->root_days : 1826, &plan->authority_days, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "root-crl-days", 1, 3650, 365, &plan->root_crl_days, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "crl-days", 1, 3650, 7, &plan->crl_days, error);
    }
    if (err == PH_OK && plan->authority_days > plan->root_days) {
        err = ph_error_set(error, PH_ERR_USAGE,
            "--authority-days: want at most the root's %lld, have %lld", (long long)plan->root_days,
            (long long)plan->authority_days);
    }
    return err;
}

static enum ph_err read_root(
    const struct ph_cli *cli, struct ph_root_key *root, struct ph_error *error)
{
    root->dir = ph_cli_value(cli, "root");
    root->passphrase_file = ph_cli_value(cli, "passphrase-file");
    root->ask = ph_cli_has(cli, "ask-passphrase");
    return root->passphrase_file == NULL || !root->ask
               ? PH_OK
               : ph_error_set(
                     error, PH_ERR_USAGE, "--ask-passphrase: not together with --passphrase-file");
}

static void print_result(const char *dir, const struct ph_root_key *root)
{
    const char *key_dir = root->dir != NULL ? root->dir : dir;
    const char *below = root->dir != NULL ? "" : "/root";
    printf("certificate authority made in %s; back up %s/ca.db and keep %s%s/ca.key offline\n", dir,
        dir, key_dir, below);
    if (root->dir == NULL && root->passphrase_file == NULL && !root->ask) {
        printf("whoever reads %s/root/ca.key can be anybody: take it away (nothing daily needs it; "
               "--root DIR says where it is), or make it with --ask-passphrase\n",
            dir);
    }
}

enum ph_err ph_ca_cmd_init(const struct ph_cli *cli, struct ph_error *error)
{
    const char *dir = ph_cli_argument(cli, 0);
    struct ph_ca_plan plan = {0};
    enum ph_err err = read_plan(cli, &plan, error);
    if (err == PH_OK) {
        err = read_root(cli, &plan.root, error);
    }
    if (err == PH_OK) {
        err = ph_ca_actor_read(cli, &plan.actor, error);
    }
    if (err == PH_OK) {
        err = ph_ca_create(dir, &plan, error);
    }
    if (err == PH_OK) {
        print_result(dir, &plan.root);
    }
    return err;
}
