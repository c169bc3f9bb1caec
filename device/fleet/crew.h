/* The worker processes of a fleet: made, looked after, started again when one dies, and ended. None
 * of them outlives the crew. */
#ifndef PH_FLEET_CREW_H
#define PH_FLEET_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "device/fleet/report.h"
#include "device/fleet/stats.h"
#include "device/fleet/supervisor.h"
#include "device/fleet/worker.h"

struct ph_crew;

typedef enum ph_err ph_crew_work(const struct ph_worker_options *options, struct ph_error *error);

/* Borrowed for the crew's life. */
struct ph_crew_options {
    const struct ph_supervisor_options *fleet;
    size_t workers;
    ph_crew_work *work;                            /* what a worker does: ph_worker_run() */
    void (*tell)(void *context, const char *text); /* what became of a worker */
    void *context;
};

/* Makes the memory that all share, and opens FOLDER/fleet.log; starts nobody. */
enum ph_err ph_crew_new(const struct ph_crew_options *options, struct ph_crew **out,
    struct ph_error *error) PH_NODISCARD;

/* Starts all workers; `now_ms` (monotonic, here and below) is the start of the run. After an error
 * some may run: ph_crew_free() ends them. */
enum ph_err ph_crew_start(
    struct ph_crew *crew, int64_t now_ms, struct ph_error *error) PH_NODISCARD;

/* Takes note of those that have ended, and starts again those that ended before they were told to:
 * after the pause that device/fleet/patience.h says, or never. */
void ph_crew_look(struct ph_crew *crew, int64_t now_ms);

/* Tells them to end once everything is acknowledged, or at that time. Nobody is started any more.
 */
void ph_crew_stop(struct ph_crew *crew, int64_t until_ms);

/* Ends them at once (SIGKILL); returns how many that were. */
size_t ph_crew_kill(struct ph_crew *crew);

/* True when none runs and none will. */
bool ph_crew_ended(const struct ph_crew *crew);

/* What all have counted so far. */
void ph_crew_total(const struct ph_crew *crew, struct ph_fleet_stats *total);
int64_t ph_crew_count(const struct ph_crew *crew, enum ph_fleet_count count);
int64_t ph_crew_gauge(const struct ph_crew *crew, enum ph_fleet_gauge gauge);

/* Fills in what each worker uses; `usage` has one entry for each. */
void ph_crew_usage(struct ph_crew *crew, struct ph_fleet_usage *usage);

/* Kills whoever runs. Accepts NULL. */
void ph_crew_free(struct ph_crew **crew);

#endif
