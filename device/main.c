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

static const struct ph_cli_option spool_options[] = {
    {"format", "FORMAT", "table (default), json or csv"},
    {0},
};

static const struct ph_cli_command commands[] = {
    {"run", NULL, 0, 0, "Be a thermostat: heat a room, capture readings, publish them.",
        run_options, ph_device_run},
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
