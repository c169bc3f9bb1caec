/* Dead letters taken up again: held against the present kinds and stored, or deleted. Works beside
 * an ingest that is running, in transactions of at most 500 letters; one letter is dealt with whole
 * or not at all. */
#ifndef PH_INGEST_REPLAY_H
#define PH_INGEST_REPLAY_H

#include <stdint.h>

#include "base/error.h"
#include "config/kinds_file.h"
#include "ingest/store/store.h"

struct ph_letter_work {
    struct ph_store *reader;
    struct ph_store *writer;      /* another handle of the same store; NULL: nothing is written */
    const char *pattern;          /* of the topics of telemetry; replay only */
    const struct ph_kinds *kinds; /* replay only */
    int64_t patience_ms;          /* how long a busy store is tried again */
};

struct ph_letter_result {
    int64_t letters;  /* that were chosen */
    int64_t done;     /* stored and taken out, or deleted; without a writer: those that would be */
    int64_t readings; /* stored */
    int64_t refused;  /* still */
    int64_t gone;     /* somebody else has dealt with them meanwhile */
    int64_t first_refused;            /* the first of those, 0 when there is none, ... */
    char why[PH_ERROR_MESSAGE_BYTES]; /* ... and why */
};

/* Stores the readings of those letters that the present kinds accept. What was committed before an
 * error stays, and *result tells it. PH_ERR_BUSY once the patience is over: do it again. */
enum ph_err ph_letters_replay(const struct ph_letter_work *work,
    const struct ph_letter_filter *filter, struct ph_letter_result *result,
    struct ph_error *error) PH_NODISCARD;

/* Deletes those letters; their readings go on counting as dealt with. Errors as above. */
enum ph_err ph_letters_purge(const struct ph_letter_work *work,
    const struct ph_letter_filter *filter, struct ph_letter_result *result,
    struct ph_error *error) PH_NODISCARD;

#endif
