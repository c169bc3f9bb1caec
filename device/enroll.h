/* A claim asks for its device's certificate, for as long as it takes: what to send and when, and
 * what to make of the answer. The connection is the caller's. */
#ifndef PH_DEVICE_ENROLL_H
#define PH_DEVICE_ENROLL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/backoff.h"
#include "base/buf.h"
#include "base/log.h"
#include "device/life_section.h"
#include "device/moment.h"
#include "device/self.h"
#include "device/slots.h"
#include "format/enrolment.h"

/* However long the registrar tells it to wait, it asks again after a day: an operator may have
 * changed his mind. */
#define PH_ENROLL_WAIT_MAX_MS INT64_C(86400000)

struct ph_enroll {
    const struct ph_claim_section *section; /* what to say of itself; the three are borrowed */
    struct ph_slots *slots;
    const struct ph_self *self; /* without a certificate, or with one that has expired */
    bool reuse_key;
    int64_t answer_ms; /* how long an answer is waited for */
    struct ph_backoff backoff;
    char id[PH_ASK_ID_BYTES]; /* of the questions on this connection */
    bool open;                /* a question has no answer yet */
    int64_t next_ms;          /* monotonic: when to ask */
    char said[320];           /* the registrar's last word, as logged */
    struct ph_log_limit limit;
};

/* Borrows all that it is given; the first question is due at once. */
void ph_enroll_init(struct ph_enroll *enroll, const struct ph_claim_section *section,
    struct ph_slots *slots, const struct ph_self *self, const struct ph_renewal_section *renewal);

/* Whether to ask now. */
bool ph_enroll_due(const struct ph_enroll *enroll, int64_t now_ms);

/* Fills the question in; its texts are kept in the two buffers. The certificate that has expired
 * signs the request, to prove that its key is still here. Counts as asked, also after an error. */
enum ph_err ph_enroll_ask(struct ph_enroll *enroll, struct ph_ask *ask, struct ph_buf *csr,
    struct ph_buf *proof, const struct ph_moment *now, struct ph_error *error) PH_NODISCARD;

/* Takes an answer. True when a certificate came and is the current one of the slots now. Whatever
 * else comes is said when it changes, and decides when to ask again; once for each question, as
 * others who hold the claim can see the id, and have the registrar answer to it. */
bool ph_enroll_answer(
    struct ph_enroll *enroll, const struct ph_answer *answer, const struct ph_moment *now);

#endif
