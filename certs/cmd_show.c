#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "certs/commands.h"

const struct ph_cli_option ph_ca_show_options[] = {
    PH_CA_OPTION,
    {0},
};

static void print_time(const char *what, int64_t ms)
{
    char text[PH_UTC_BYTES];
    ph_utc_print(text, ms);
    printf("%-12s %s\n", what, text);
}

static void print_entry(const struct ph_inventory_entry *entry)
{
    char holder[PH_IDENTITY_BYTES];
    ph_ca_holder(holder, sizeof holder, entry);
    printf("%-12s %s %s\n%-12s %s\n", "holder", entry->type, holder, "issued by", entry->issuer);
    print_time("issued", entry->issued_ms);
    if (entry->revoked_ms != 0) {
        const char *reason = ph_revocation_reason_name(entry->reason);
        print_time("revoked", entry->revoked_ms);
        printf("%-12s %s\n", "reason", reason != NULL ? reason : "unspecified");
    }
    printf("%-12s %s\n", "status", ph_ca_status(entry, ph_clock_unix_ms()));
}

/* A file may be anybody's: its names are shown escaped, and what it fails is said. */
static enum ph_err show_file(const struct ph_cli *cli, const char *path, struct ph_error *error)
{
    struct ph_certificate *certificate = NULL;
    struct ph_certificate_facts facts;
    struct ph_inventory_entry entry;
    struct ph_ca *ca = NULL;
    enum ph_err err = ph_certificate_load(path, &certificate, error);
    if (err == PH_OK) {
        err = ph_certificate_facts(certificate, &facts, error);
    }
    if (err == PH_OK) {
        printf("%-12s %s\n%-12s %s\n%-12s %s\n%-12s %s\n", "serial", facts.serial, "subject",
            facts.subject, "issuer", facts.issuer, "sha-256", facts.fingerprint);
        print_time("not before", facts.not_before_ms);
        print_time("not after", facts.not_after_ms);
        bool known = ph_ca_open_named(cli, &ca, NULL) == PH_OK &&
                     ph_inventory_find(ph_ca_inventory(ca), facts.serial, &entry, NULL) == PH_OK &&
                     strcmp(entry.fingerprint, facts.fingerprint) == 0;
        if (known) {
            print_entry(&entry);
        } else {
            printf("%-12s %s\n", "status", "not in the inventory");
        }
    }
    ph_ca_close(&ca);
    ph_certificate_free(&certificate);
    return err;
}

static enum ph_err show_serial(const struct ph_cli *cli, const char *text, struct ph_error *error)
{
    struct ph_inventory_entry entry;
    struct ph_ca *ca = NULL;
    char serial[PH_SERIAL_BYTES];
    enum ph_err err = ph_ca_serial_parse(text, serial, error);
    if (err == PH_OK) {
        err = ph_ca_open_named(cli, &ca, error);
    }
    if (err == PH_OK) {
        err = ph_inventory_find(ph_ca_inventory(ca), serial, &entry, error);
    }
    if (err == PH_OK) {
        printf("%-12s %s\n%-12s %s\n", "serial", entry.serial, "sha-256", entry.fingerprint);
        print_time("not before", entry.not_before_ms);
        print_time("not after", entry.not_after_ms);
        print_entry(&entry);
    }
    ph_ca_close(&ca);
    return err;
}

enum ph_err ph_ca_cmd_show(const struct ph_cli *cli, struct ph_error *error)
{
    const char *what = ph_cli_argument(cli, 0);
    return ph_path_exists(what) ? show_file(cli, what, error) : show_serial(cli, what, error);
}
