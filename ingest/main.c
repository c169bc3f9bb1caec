#include "ingest/commands.h"

static const struct ph_cli_command commands[] = {
    {"run", NULL, 0, 0, "Subscribe, check, store and acknowledge until SIGTERM",
        ph_ingest_run_options, ph_ingest_run},
    {"latest", NULL, 0, 0, "Show the newest reading of every device", ph_ingest_latest_options,
        ph_ingest_latest},
    {"query", NULL, 0, 0, "Show stored readings in order of time", ph_ingest_query_options,
        ph_ingest_query},
    {"devices", NULL, 0, 0, "Show what each device has sent, and how wrong its clock is",
        ph_ingest_devices_options, ph_ingest_devices},
    {"stats", NULL, 0, 0, "Count what is stored per device and stream (a full scan)",
        ph_ingest_stats_options, ph_ingest_stats},
    {"dead-letters", "[list|show|export|replay|purge]", 0, 0,
        "Show messages that could not be stored, and why", ph_ingest_dead_letters_options,
        ph_ingest_dead_letters},
    {"dead-letters list", NULL, 0, 0, "The same", ph_ingest_dead_letters_options,
        ph_ingest_dead_letters},
    {"dead-letters show", "ID", 1, 1, "Show one with its payload", ph_ingest_letters_show_options,
        ph_ingest_letters_show},
    {"dead-letters export", NULL, 0, 0, "Write them as lines of JSON, payloads included",
        ph_ingest_letters_export_options, ph_ingest_letters_export},
    {"dead-letters replay", NULL, 0, 0, "Store those that the present kinds file accepts",
        ph_ingest_letters_replay_options, ph_ingest_letters_replay},
    {"dead-letters purge", NULL, 0, 0, "Delete them for good", ph_ingest_letters_purge_options,
        ph_ingest_letters_purge},
    {"check", NULL, 0, 0, "Look for faults in the store (a full scan)", ph_ingest_check_options,
        ph_ingest_check},
    {"backup", "FILE", 1, 1, "Copy the store while ingest runs", ph_ingest_backup_options,
        ph_ingest_backup},
    {"health", NULL, 0, 0, "Say whether ph-ingest run commits and is connected",
        ph_ingest_health_options, ph_ingest_health},
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
