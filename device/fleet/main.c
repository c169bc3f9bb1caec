#include "device/fleet/command.h"

static const struct ph_cli_command commands[] = {
    {"run", NULL, 0, 0, "Be a fleet of thermostats, each with its own certificate.",
        ph_fleet_run_options, ph_fleet_run},
    {"load", NULL, 0, 0, "Send messages at a rate to any MQTT broker, and measure.",
        ph_fleet_load_options, ph_fleet_load},
    {"health", NULL, 0, 0, "Say whether a fleet that runs is well.", ph_fleet_health_options,
        ph_fleet_health},
    {0},
};

int main(int argc, char **argv)
{
    static const struct ph_cli_program program = {
        "ph-fleet", "Thousands of simulated thermostats, and a load generator.", commands};
    return ph_cli_main_default(&program, "run", argc, argv);
}
