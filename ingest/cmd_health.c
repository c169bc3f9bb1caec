#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "ingest/commands.h"
#include "ingest/config.h"
#include "ingest/health.h"

const struct ph_cli_option ph_ingest_health_options[] = {
    {"config", "FILE", "configuration of ph-ingest run (default " PH_INGEST_CONFIG_FILE ")"},
    {0},
};

enum ph_err ph_ingest_health(const struct ph_cli *cli, struct ph_error *error)
{
    const char *path = ph_cli_value(cli, "config");
    struct ph_ingest_config *config = NULL;
    char line[PH_HEALTH_LINE_BYTES];
    if (!ph_cli_has(cli, "log-level")) {
        ph_log_level_set(PH_LOG_ERROR); /* one line */
    }
    enum ph_err err =
        ph_ingest_config_load(path != NULL ? path : PH_INGEST_CONFIG_FILE, &config, error);
    if (err == PH_OK) {
        err = ph_health_look(config, ph_clock_unix_ms(), line, error);
    }
    if (err == PH_OK) {
        puts(line);
    }
    ph_ingest_config_free(&config);
    return err;
}
