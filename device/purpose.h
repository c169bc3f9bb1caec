/* What the device's one connection is for: to be the device, to be its claim, or only to ask what
 * time it is. The decision alone. */
#ifndef PH_DEVICE_PURPOSE_H
#define PH_DEVICE_PURPOSE_H

#include <stdbool.h>

struct ph_purpose {
    bool claim;     /* with the claim's certificate: to enrol */
    bool time_only; /* dates unchecked, and nothing but the question what time it is */
    bool next;      /* with the next pair of the slots */
};

struct ph_purpose_facts {
    bool certificate; /* of its own */
    bool expired;     /* that one, for certain */
    bool next;        /* a complete next pair waits for its trial */
    bool on_next;     /* which is now */
    bool claim;       /* there is one */
    bool renewal;     /* the registrar may be asked as a device */
    bool known;       /* the time is */
    int failures;     /* attempts in a row that TLS ended, with the dates checked */
    int stranded;     /* attempts in a row that failed, however, since the own one expired */
    int refusals;     /* by the broker's decision, in a row, of the device as itself */
};

/* With a claim there is always a way back: it enrols when there is no certificate, and when the
 * own one has expired and none follows; and it is tried now and then while the broker refuses the
 * device as itself, which may have been revoked and be expected anew. But the clock may be ahead,
 * and the claim no longer good: so now and then an expired one asks for the time itself. Where the
 * time is unknown every other attempt asks for it, beginning with the first; where it is known,
 * every fourth one: a clock that is set may be wrong.
 */
struct ph_purpose ph_purpose_decide(const struct ph_purpose_facts *facts);

/* Whether only a claim can help: no certificate, or an expired one that none follows. */
bool ph_purpose_stranded(const struct ph_purpose_facts *facts);

/* Failures after which the next attempt asks for the time. */
int ph_purpose_patience(bool known);

/* Whether the same connection serves both. */
bool ph_purpose_equal(const struct ph_purpose *a, const struct ph_purpose *b);

#endif
