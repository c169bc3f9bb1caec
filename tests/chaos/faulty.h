/* The page through which the harness tells the processes under test what shall go wrong. It is a
 * file that every one of them maps; harness/faulty.py writes the same layout. */
#ifndef PH_CHAOS_FAULTY_H
#define PH_CHAOS_FAULTY_H

#include <stdint.h>

#define FAULTY_MAGIC   0x50484641U
#define FAULTY_VERSION 1U

/* Little-endian, naturally aligned; a field is read once per call. */
struct faulty_page {
    uint32_t magic;
    uint32_t version;
    int32_t write_errno;    /* of what writes or allocates space; 0: all is well */
    int32_t sync_errno;     /* of what makes it durable; 0: all is well */
    uint32_t per_mille;     /* of those calls that fail */
    uint32_t sync_delay_ms; /* every sync takes so much longer */
    int64_t clock_shift_ms; /* CLOCK_REALTIME shows so much more */
    uint64_t failed;        /* written by the processes: calls that failed, or wrote a part */
    uint64_t delayed;       /* syncs that were delayed */
};

#endif
