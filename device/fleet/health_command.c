#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "device/fleet/command.h"
#include "device/fleet/health.h"

const struct ph_cli_option ph_fleet_health_options[] = {
    {"dir", "DIR", "folder of the run, its --state"},
    {0},
};

static enum ph_err look(
    const char *folder, char line[PH_FLEET_HEALTH_LINE_BYTES], struct ph_error *error)
{
    char path[PATH_MAX];
    struct ph_fleet_health health;
    enum ph_err err = ph_fleet_health_path(path, folder, error);
    if (err == PH_OK) {
        err = ph_fleet_health_load(path, &health, error);
    }
    if (err != PH_OK) {
        return err;
    }
    bool alive = kill((pid_t)health.pid, 0) == 0 || errno == EPERM;
    return ph_fleet_health_judge(&health, alive, ph_clock_boot_ms(), line, error);
}

enum ph_err ph_fleet_health(const struct ph_cli *cli, struct ph_error *error)
{
    const char *folder = ph_cli_value(cli, "dir");
    char line[PH_FLEET_HEALTH_LINE_BYTES];
    struct ph_error why = {0};
    if (folder == NULL) {
        return ph_error_set(error, PH_ERR_USAGE, "--dir: want the folder of a run, its --state");
    }
    enum ph_err err = look(folder, line, &why);
    if (err == PH_OK) {
        puts(line);
        return PH_OK;
    }
    return err == PH_ERR_NOT_FOUND
               ? ph_error_set(error, PH_ERR_FAULT,
                     "%s: no fleet runs in this folder, or it has just begun", folder)
               : ph_error_set(error, PH_ERR_FAULT, "%s", why.message);
}
