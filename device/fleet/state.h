/* The folder in which a fleet keeps what outlives a worker: spools, certificates that were issued
 * for it, its log. */
#ifndef PH_FLEET_STATE_H
#define PH_FLEET_STATE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct ph_state {
    char folder[PATH_MAX];
    bool temporary; /* made for this run, below TMPDIR */
    int lock_fd;
};

/* Opens the folder, and makes it when it is not there; `folder` NULL: a new one in TMPDIR (else in
 * /tmp). PH_ERR_BUSY when another fleet has it. Nothing needs ph_state_close() after an error. */
enum ph_err ph_state_open(
    struct ph_state *state, const char *folder, struct ph_error *error) PH_NODISCARD;

/* With how many workers the folder is used: a device's readings are in its worker's spool, so that
 * the number stays what it was at first. *workers holds what is wanted, and with `firm` nothing
 * else will do. */
enum ph_err ph_state_workers(
    struct ph_state *state, bool firm, size_t *workers, struct ph_error *error) PH_NODISCARD;

/* Lets it go; with `remove`, a temporary one is deleted with all that is in it. */
void ph_state_close(struct ph_state *state, bool remove);

#endif
