/* What a fleet takes of the machine, held against what there is. */
#ifndef PH_FLEET_LIMITS_H
#define PH_FLEET_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Measured on Debian 12: 300 devices on a broker in one worker, 2.0 open files and 159 kB each. */
enum {
    PH_FLEET_DEVICE_FILES = 3,  /* socket and event queue, and room for whoever acts in its place */
    PH_FLEET_WORKER_FILES = 64, /* log, spool, epoll, certificates that are being read */
    PH_FLEET_DEVICE_BYTES = 160000,
    PH_FLEET_WORKER_BYTES = 10000000,
};

struct ph_fleet_room {
    int64_t files;        /* open files of one process; INT64_MAX: no limit */
    int64_t memory_bytes; /* that can still be had; INT64_MAX: unknown */
};

/* Raises the limit of open files as far as it goes, and looks what there is: free memory is what
 * the kernel calls available, or what the cgroups of this process leave, whichever is less. `root`
 * is put in front of /proc and /sys: "" but in tests. */
void ph_fleet_room_read(const char *root, struct ph_fleet_room *room);

/* The rule of ph_fleet_limits_check() for so much room. */
enum ph_err ph_fleet_room_check(const struct ph_fleet_room *room, size_t devices, size_t workers,
    struct ph_error *error) PH_NODISCARD;

#endif
