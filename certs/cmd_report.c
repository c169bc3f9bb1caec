#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "certs/commands.h"
#include "certs/report.h"

const struct ph_cli_option ph_ca_report_options[] = {
    PH_CA_OPTION,
    {"step", "STEP", "bars by week or month (default: what shows more)"},
    {"due", "PERCENT", "of its life, after which a renewal is late (default 75)"},
    {"format", "FORMAT", "table (default) or json"},
    {0},
};

static enum ph_err read_step(
    const struct ph_cli *cli, enum ph_report_step *out, struct ph_error *error)
{
    const char *name = ph_cli_value(cli, "step");
    *out = PH_REPORT_AUTO;
    if (name == NULL) {
        return PH_OK;
    }
    *out = strcmp(name, "week") == 0    ? PH_REPORT_WEEKS
           : strcmp(name, "month") == 0 ? PH_REPORT_MONTHS
                                        : PH_REPORT_AUTO;
    return *out != PH_REPORT_AUTO
               ? PH_OK
               : ph_error_set(error, PH_ERR_USAGE, "--step: want week or month, have \"%s\"", name);
}

static enum ph_err read_format(const struct ph_cli *cli, bool *json, struct ph_error *error)
{
    const char *name = ph_cli_value(cli, "format");
    *json = name != NULL && strcmp(name, "json") == 0;
    return name == NULL || *json || strcmp(name, "table") == 0
               ? PH_OK
               : ph_error_set(
                     error, PH_ERR_USAGE, "--format: want table or json, have \"%s\"", name);
}

enum ph_err ph_ca_cmd_report(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_report_options options = {.now_ms = ph_clock_unix_ms()};
    struct ph_report report = {0};
    bool json = false;
    struct ph_ca *ca = NULL;
    enum ph_err err = read_format(cli, &json, error);
    if (err == PH_OK) {
        err = read_step(cli, &options.step, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "due", 1, 99, 75, &options.due_percent, error);
    }
    if (err == PH_OK) {
        err = ph_ca_open_named(cli, &ca, error);
    }
    if (err == PH_OK) {
        err = ph_report_gather(ca, &options, &report, error);
    }
    if (err == PH_OK) {
        (json ? ph_report_print_json : ph_report_print_text)(stdout, &report);
    }
    ph_report_fini(&report);
    ph_ca_close(&ca);
    return err;
}
