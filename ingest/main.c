#include "ingest/commands.h"

static const struct ph_cli_command commands[] = {
    {"run", NULL, 0, 0, "Subscribe, check, store and acknowledge until SIGTERM",
        ph_ingest_run_options, ph_ingest_run},
    {"latest", NULL, 0, 0, "Show the newest reading of every device", ph_ingest_latest_options,
        ph_ingest_latest},
    {"query", NULL, 0, 0, "Show stored readings in order of time", ph_ingest_query_options,
        ph_ingest_query},
    {"dead-letters", NULL, 0, 0, "Show messages that could not be stored, and why",
        ph_ingest_dead_letters_options, ph_ingest_dead_letters},
    {"stats", NULL, 0, 0, "Count what is stored per device and stream (a full scan)",
        ph_ingest_stats_options, ph_ingest_stats},
    {0},
};

static const struct ph_cli_program program = {
    .name = "ph-ingest",
    .summary = "Stores every reading that devices publish exactly once.",
    .commands = commands,
};

int main(int argc, char **argv)
{
    return ph_cli_main(&program, argc, argv);
}
