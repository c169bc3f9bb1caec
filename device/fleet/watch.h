/* Processes that are not the fleet's and whose CPU time and memory are in its report all the same
 * (--watch): each is a number, or a file that holds the number of whoever has the part now. */
#ifndef PH_FLEET_WATCH_H
#define PH_FLEET_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "device/fleet/process.h"
#include "device/fleet/report.h"

enum { PH_WATCH_NOTE_BYTES = 96 };

/* One of them, beside its entry in the report; zeroed at first. */
struct ph_watch {
    struct ph_process_usage seen; /* the process, when it was last looked at */
    int64_t before_ms;            /* CPU time that does not count, */
    int64_t former_ms;            /* and that of the processes before this one, which does */
    pid_t former;                 /* the process before; 0: none */
};

/* Reads "NAME=PID" and "NAME=FILE", with commas between them; what has a slash is a file. *usage is
 * the caller's to free(), also after an error. `list` is changed, and must outlive *usage.
 * PH_ERR_USAGE; PH_ERR_NOT_FOUND when no process has the number. A file may come later. */
enum ph_err ph_watch_read(
    char *list, struct ph_fleet_usage **usage, size_t *count, struct ph_error *error) PH_NODISCARD;

/* The run begins: what the process has used so far does not count. */
void ph_watch_begin(struct ph_watch *watch, struct ph_fleet_usage *usage);

/* Fills in *usage. A process that has ended is not followed to another one that got its number, but
 * to the one that its file names next; of that all that it used counts. True when something
 * happened that is worth a note, which is then in `note`. */
bool ph_watch_look(
    struct ph_watch *watch, struct ph_fleet_usage *usage, char note[PH_WATCH_NOTE_BYTES]);

#endif
