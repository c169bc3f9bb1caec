/* ph-bench-clients: the load for the comparisons in this folder. Each command prints one JSON line.
 */
#include <signal.h>

#include "members.h"

static const struct ph_cli_command commands[] = {
    {"rate", NULL, 0, 0, "Devices publish to one subscriber; broker CPU for each message.",
        ph_cmd_rate_options, ph_cmd_rate},
    {"connects", NULL, 0, 0, "Connect and disconnect, with full handshakes.",
        ph_cmd_connects_options, ph_cmd_connects},
    {"cut-off", NULL, 0, 0, "Replace a CRL and time the end of each revoked connection.",
        ph_cmd_cut_off_options, ph_cmd_cut_off},
    {"neighbours", NULL, 0, 0, "One device floods; how late are the others' messages.",
        ph_cmd_neighbours_options, ph_cmd_neighbours},
    {"hold", NULL, 0, 0, "Stay connected; broker memory for each client.", ph_cmd_hold_options,
        ph_cmd_hold},
    {"enrol", NULL, 0, 0, "Devices with a claim ask for their first certificate.",
        ph_cmd_enrol_options, ph_cmd_enrol},
    {"renew", NULL, 0, 0, "Devices publish, and all of them renew within a minute.",
        ph_cmd_renew_options, ph_cmd_renew},
    {"stall", NULL, 0, 0, "Replace a CRL and time how long the broker answers nobody.",
        ph_cmd_stall_options, ph_cmd_stall},
    {0},
};

int main(int argc, char **argv)
{
    static const struct ph_cli_program program = {
        "ph-bench-clients", "load for a broker", commands};
    (void)signal(SIGPIPE, SIG_IGN);
    return ph_cli_main(&program, argc, argv);
}
