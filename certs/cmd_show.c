#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "certs/commands.h"
#include "certs/table.h"

const struct ph_cli_option ph_ca_show_options[] = {
    PH_CA_OPTION,
    {0},
};

/* Not when there is nothing to say. */
static void print_text(const char *what, const char *text)
{
    if (text[0] != '\0') {
        printf("%-12s ", what);
        ph_table_plain_text(stdout, text);
        putchar('\n');
    }
}

static void print_time(const char *what, int64_t ms)
{
    char text[PH_UTC_BYTES];
    if (ms != 0) {
        ph_utc_print(text, ms);
        print_text(what, text);
    }
}

static void print_origin(const struct ph_inventory_entry *entry)
{
    print_text("origin", entry->origin);
    print_text("by claim", entry->claim);
    print_text("approved by", entry->approved_by);
    print_text("why", entry->why);
    print_text("follows", entry->predecessor);
    print_text("lineage", entry->lineage);
}

/* What the next command about it needs. */
static enum ph_err print_links(
    struct ph_inventory *inventory, const struct ph_inventory_entry *entry, struct ph_error *error)
{
    struct ph_inventory_entry next;
    char deny[PH_CA_DENY_BYTES] = "";
    enum ph_err err = ph_inventory_find_successor(inventory, entry->serial, &next, NULL);
    if (err == PH_OK) {
        print_text("followed by", next.serial);
    }
    if (!ph_ca_foreign(entry)) {
        return PH_OK;
    }
    err = ph_ca_deny_line(inventory, entry->serial, deny, error);
    if (err == PH_OK) {
        print_text("to deny it", deny);
    }
    return err;
}

static enum ph_err print_entry(
    struct ph_inventory *inventory, const struct ph_inventory_entry *entry, struct ph_error *error)
{
    char holder[PH_IDENTITY_BYTES];
    ph_ca_holder(holder, sizeof holder, entry);
    printf("%-12s %s %s\n%-12s %s\n", "holder", entry->type, holder, "issued by", entry->issuer);
    print_time("issued", entry->issued_ms);
    print_origin(entry);
    print_time("in use since", entry->confirmed_ms);
    print_time("revoked", entry->revoked_ms);
    print_text("reason", ph_ca_reason(entry));
    print_text("status", ph_ca_status(entry, ph_clock_unix_ms()));
    return print_links(inventory, entry, error);
}

static void print_facts(const struct ph_certificate_facts *facts)
{
    print_text("serial", facts->serial);
    print_text("subject", facts->subject);
    print_text("issuer", facts->issuer);
    print_text("sha-256", facts->fingerprint);
    print_text("key", facts->key_hash);
    print_time("not before", facts->not_before_ms);
    print_time("not after", facts->not_after_ms);
}

/* A file may be anybody's: it is known only if it is the very one in the inventory. */
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
    if (err != PH_OK) {
        goto out;
    }
    print_facts(&facts);
    if (ph_ca_open_named(cli, &ca, NULL) == PH_OK &&
        ph_inventory_find_fingerprint(ph_ca_inventory(ca), facts.fingerprint, &entry, NULL) ==
            PH_OK) {
        err = print_entry(ph_ca_inventory(ca), &entry, error);
    } else {
        print_text("status", "not in the inventory");
    }
out:
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
        print_text("serial", entry.serial);
        print_text("sha-256", entry.fingerprint);
        print_text("key", entry.key_hash);
        print_time("not before", entry.not_before_ms);
        print_time("not after", entry.not_after_ms);
        err = print_entry(ph_ca_inventory(ca), &entry, error);
    }
    ph_ca_close(&ca);
    return err;
}

enum ph_err ph_ca_cmd_show(const struct ph_cli *cli, struct ph_error *error)
{
    const char *what = ph_cli_argument(cli, 0);
    return ph_path_exists(what) ? show_file(cli, what, error) : show_serial(cli, what, error);
}
