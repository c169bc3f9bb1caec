#include <stdio.h>

#include "device/config.h"
#include "device/run.h"

static const struct ph_cli_option run_options[] = {
    PH_DEVICE_CONFIG_OPTIONS,
    {"readings", "N", "end after N readings, once all are acknowledged"},
    {"ledger", "FILE", "write down what is captured, before and after (for tests)"},
    {"check-config", NULL, "check configuration and certificate, and exit"},
    {"print-config", NULL, "print the configuration in force as YAML, and exit"},
    {0},
};

static enum ph_err run(const struct ph_cli *cli, struct ph_error *error)
{
    const char *path = ph_cli_value(cli, "config");
    enum ph_err err = ph_device_run(cli, error);
    if (err == PH_OK && ph_cli_has(cli, "check-config") && !ph_cli_has(cli, "print-config")) {
        printf("%s: ok\n", path != NULL ? path : "configuration");
    }
    return err;
}

static const struct ph_cli_option spool_options[] = {
    {"format", "FORMAT", "table (default), json or csv"},
    {0},
};

static const struct ph_cli_command commands[] = {
    {"run", NULL, 0, 0, "Be a thermostat: heat a room, capture readings, publish them.",
        run_options, run},
    {"spool", "FILE", 1, 1, "Show what a spool database holds, also while it is in use.",
        spool_options, ph_device_spool},
    {0},
};

int main(int argc, char **argv)
{
    static const struct ph_cli_program program = {
        "ph-thermostat", "A thermostat that publishes its readings over MQTT.", commands};
    return ph_cli_main(&program, argc, argv);
}
