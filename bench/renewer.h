/* A simulated device that publishes readings, keeps those that are not acknowledged, and once in
 * its life renews: request, certificate, another connection with it, confirmation. What
 * device/renewal.h and the spool do, as far as it is seen from outside. */
#ifndef PH_BENCH_RENEWER_H
#define PH_BENCH_RENEWER_H

#include <stdbool.h>
#include <stdint.h>

#include "enrolling.h"
#include "members.h"

enum ph_renewer_step {
    PH_RENEWER_CALM,   /* not yet due */
    PH_RENEWER_ASKED,  /* waits for the certificate */
    PH_RENEWER_STORED, /* has it */
    PH_RENEWER_TRYING, /* connects with it */
    PH_RENEWER_SAYING, /* the broker has taken it; waits for the registrar's answer to its state */
    PH_RENEWER_DONE,
};

/* What the devices share. */
struct ph_renewers {
    struct ph_target target;
    struct ph_bench_client_loop *loop;
    char trust[65]; /* SHA-256 of their file of trusted CAs */
    int64_t interval_ns;
    int64_t stop_ns;  /* no readings from then on; 0: not known yet */
    int64_t online;   /* devices that can publish */
    int64_t resent;   /* messages that were published again */
    int64_t lost;     /* connections that ended although nobody had ended them */
    int64_t repeated; /* requests that were made again for want of an answer */
    int64_t done;
    enum ph_err err; /* of the first that failed for good */
    struct ph_error error;
};

struct ph_renewer {
    struct ph_renewers *run;
    struct ph_identity identity;
    struct ph_bench_client *clients[2]; /* with the first and with the next certificate */
    int current;
    char next_folder[512];
    char base[160]; /* ph/v1/tenant/kind/device */
    unsigned subscriptions;
    bool online;
    int64_t retry_ns; /* when to connect again; 0: no need */

    uint64_t stream;
    int64_t first_ns; /* when message 1 is due */
    int64_t made;     /* messages that were published at least once */
    int64_t next;     /* the one to be published */
    int64_t acked;
    int64_t progress_ns;
    int64_t *times_ns; /* by number, from 1: due until acknowledged; 0: not yet */
    int64_t times_max;

    enum ph_renewer_step step;
    int64_t due_ns;
    int64_t asked_ns;
    int64_t sent_ns; /* the last request, also of a state */
    int64_t stored_ns;
    int64_t promoted_ns;
    int64_t confirmed_ns;
    struct ph_bench_ask renew;
    struct ph_bench_ask state;
};

/* Makes the n-th device, its next key and its request. `messages` is the most that it will
 * publish. */
enum ph_err ph_renewer_make(struct ph_renewer *out, struct ph_renewers *run, int64_t n,
    int64_t messages, struct ph_error *error) PH_NODISCARD;
void ph_renewer_free(struct ph_renewer *renewer);

enum ph_err ph_renewer_connect(struct ph_renewer *renewer, struct ph_error *error) PH_NODISCARD;

/* Does what is due. */
void ph_renewer_turn(struct ph_renewer *renewer, int64_t now_ns);

/* When the message of this number is due. */
int64_t ph_renewer_message_ns(const struct ph_renewer *renewer, int64_t number);

#endif
