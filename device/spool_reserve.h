/* Room on the spool's disk that is kept for acknowledgements. To delete a reading SQLite must first
 * write: on a full disk nothing could be acknowledged, and so nothing would ever free a page. A
 * file beside the database holds the room until it is needed, and takes it again when the disk has
 * some.
 *
 * Internal to the spool. Nothing here fails: a disk that has no room for a reserve, or a file
 * system that cannot allocate, has none, and the spool works as one without. */
#ifndef PH_DEVICE_SPOOL_RESERVE_H
#define PH_DEVICE_SPOOL_RESERVE_H

#include <stdbool.h>
#include <stdint.h>

struct ph_spool_reserve {
    char *path; /* <spool>.reserve; NULL: none */
    int64_t bytes;
    enum {
        PH_SPOOL_RESERVE_NONE, /* never had: the disk has always been too small */
        PH_SPOOL_RESERVE_HELD,
        PH_SPOOL_RESERVE_SPENT, /* given up, also by a former process: the file is there, empty */
    } state;
};

/* Holds a reserve of so many bytes for the database at `path` if it can. */
void ph_spool_reserve_open(struct ph_spool_reserve *reserve, const char *path, int64_t bytes);

/* Frees memory; the file stays. */
void ph_spool_reserve_fini(struct ph_spool_reserve *reserve);

/* Takes it again once it was given up and the disk has room. */
void ph_spool_reserve_tend(struct ph_spool_reserve *reserve);

/* Hands its room over to whoever writes next; false when it is not held. */
bool ph_spool_reserve_give_up(struct ph_spool_reserve *reserve);

#endif
