#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "device/fleet/health.h"

struct health {
    char path[PATH_MAX];
    int64_t few_since_ms; /* 0: not few */
    bool failing;
};

/* What the acts keep off is not missed. */
static bool is_few(const struct ph_fleet_health *now)
{
    return 2 * now->connected < now->devices - now->suspended;
}

static void health_sample(void *context, const struct ph_fleet_report *report)
{
    struct health *health = context;
    struct ph_error error = {0};
    struct ph_fleet_health now = {
        .pid = getpid(),
        .at_ms = ph_clock_boot_ms(),
        .devices = report->scenario->devices,
        .connected = report->total.gauges[PH_FLEET_CONNECTED],
        .suspended = report->total.gauges[PH_FLEET_SUSPENDED],
    };
    if (!is_few(&now)) {
        health->few_since_ms = 0;
    } else if (health->few_since_ms == 0) {
        health->few_since_ms = now.at_ms - 1;
    }
    now.few_ms = health->few_since_ms > 0 ? now.at_ms - health->few_since_ms : 0;
    bool failed = ph_fleet_health_store(health->path, &now, &error) != PH_OK;
    if (failed && !health->failing) {
        ph_log_error(PH_LOG_WARNING, "health cannot be told", &error);
    }
    health->failing = failed;
}

static enum ph_err health_end(
    void *context, const struct ph_fleet_report *report, struct ph_error *error)
{
    struct health *health = context;
    (void)report;
    (void)error;
    (void)unlink(health->path);
    return PH_OK;
}

void ph_fleet_health_new(const char *folder, struct ph_fleet_output *output)
{
    *output = (struct ph_fleet_output){.context = NULL};
    struct health *health = calloc(1, sizeof *health);
    if (health == NULL || ph_fleet_health_path(health->path, folder, NULL) != PH_OK) {
        ph_log(PH_LOG_WARNING, "health cannot be told", PH_STR("folder", folder));
        free(health);
        return;
    }
    *output = (struct ph_fleet_output){
        .sample = health_sample,
        .end = health_end,
        .free = free,
        .context = health,
    };
}
