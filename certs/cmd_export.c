#include "base/clock.h"
#include "base/limits.h"
#include "certs/commands.h"
#include "certs/listing.h"

const struct ph_cli_option ph_ca_export_options[] = {
    PH_CA_OPTION,
    {"format", "FORMAT", "csv (default) or json"},
    {0},
};

struct exporter {
    struct ph_inventory *inventory;
    struct ph_listing listing;
    struct ph_buf der;
    struct ph_buf pem;
};

static enum ph_err make_pem(struct exporter *exporter, const char *serial, struct ph_error *error)
{
    struct ph_certificate *certificate = NULL;
    ph_buf_reset(&exporter->der);
    ph_buf_reset(&exporter->pem);
    enum ph_err err = ph_inventory_der(exporter->inventory, serial, &exporter->der, error);
    if (err == PH_OK) {
        err = ph_certificate_parse(exporter->der.data, exporter->der.len, &certificate, error);
    }
    if (err == PH_OK) {
        err = ph_certificate_print(certificate, &exporter->pem, error);
    }
    ph_certificate_free(&certificate);
    return err == PH_OK ? PH_OK : ph_error_prefix(error, err, "certificate %s", serial);
}

static enum ph_err print_entry(
    const struct ph_inventory_entry *entry, void *context, struct ph_error *error)
{
    struct exporter *exporter = context;
    enum ph_err err = make_pem(exporter, entry->serial, error);
    if (err == PH_OK) {
        ph_listing_row(&exporter->listing, entry, exporter->pem.data);
    }
    return err;
}

static enum ph_err read_format(
    const struct ph_cli *cli, enum ph_table_format *out, struct ph_error *error)
{
    const char *name = ph_cli_value(cli, "format");
    bool known = ph_table_format_parse(name != NULL ? name : "csv", out, NULL) == PH_OK;
    return known && *out != PH_TABLE_TEXT
               ? PH_OK
               : ph_error_set(error, PH_ERR_USAGE, "--format: want csv or json, have \"%s\"", name);
}

enum ph_err ph_ca_cmd_export(const struct ph_cli *cli, struct ph_error *error)
{
    struct exporter exporter = {.listing.now_ms = ph_clock_unix_ms()};
    enum ph_table_format format = PH_TABLE_CSV;
    struct ph_ca *ca = NULL;
    ph_buf_init(&exporter.der, PH_LIMIT_CERTIFICATE_BYTES);
    ph_buf_init(&exporter.pem, 2 * (size_t)PH_LIMIT_CERTIFICATE_BYTES);
    enum ph_err err = read_format(cli, &format, error);
    if (err == PH_OK) {
        err = ph_ca_open_named(cli, &ca, error);
    }
    if (err == PH_OK) {
        exporter.inventory = ph_ca_inventory(ca);
        ph_listing_begin(&exporter.listing, format, true);
        err = ph_inventory_each(exporter.inventory, NULL, print_entry, &exporter, error);
    }
    if (err == PH_OK) {
        ph_listing_end(&exporter.listing);
    }
    ph_buf_fini(&exporter.pem);
    ph_buf_fini(&exporter.der);
    ph_ca_close(&ca);
    return err;
}
