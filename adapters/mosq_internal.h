/* Inside of adapters/mosq.h: what its parts share, the connection (mosq.c, which alone knows
 * libmosquitto), the loop (mosq_loop.c) and the words for failures (mosq_reason.c). */
#ifndef PH_ADAPTERS_MOSQ_INTERNAL_H
#define PH_ADAPTERS_MOSQ_INTERNAL_H

#include "adapters/mosq.h"

enum { PH_MOSQ_REASON_BYTES = 128 };

enum ph_mosq_state { PH_MOSQ_IDLE, PH_MOSQ_CONNECTING, PH_MOSQ_ACCEPTED };

struct mosquitto;

struct ph_mosq {
    struct ph_mosq_loop *loop;
    struct ph_mosq *previous; /* in the loop's list */
    struct ph_mosq *next;
    const struct ph_mosq_options *options;
    const struct ph_mosq_handlers *handlers;
    void *context;
    struct mosquitto *client;
    enum ph_mosq_state state;
    uint32_t interest; /* what the socket is registered for */
    int64_t began_ms;
    char reason[PH_MOSQ_REASON_BYTES]; /* why the attempt will fail, as far as it was said */
};

/* Joins and leaves the loop's list. */
void ph_mosq_loop_join(struct ph_mosq_loop *loop, struct ph_mosq *mosq);
void ph_mosq_loop_leave(struct ph_mosq *mosq);

/* Registers a socket, changes what it is registered for (both false when the system refuses), and
 * forgets it; `socket` of -1 is nothing. */
bool ph_mosq_loop_add(struct ph_mosq *mosq, int socket, uint32_t interest);
bool ph_mosq_loop_change(struct ph_mosq *mosq, int socket, uint32_t interest);
void ph_mosq_loop_remove(struct ph_mosq *mosq, int socket);

/* Why it fails: a text (a full stop at its end is left out), what errno says, what libmosquitto
 * logged, what the kernel says of a socket, and what errno says in the middle of an attempt. The
 * last three keep what was known before. */
void ph_mosq_reason_set(struct ph_mosq *mosq, const char *text);
void ph_mosq_reason_errno(struct ph_mosq *mosq, int errnum);
void ph_mosq_reason_log(struct ph_mosq *mosq, const char *text);
void ph_mosq_reason_socket(struct ph_mosq *mosq, int socket);
void ph_mosq_reason_attempt(struct ph_mosq *mosq, int errnum);

/* What the loop calls: something happened on the socket (epoll's bits); once a second. */
void ph_mosq_dispatch(struct ph_mosq *mosq, uint32_t events);
void ph_mosq_keep_alive(struct ph_mosq *mosq, int64_t now_ms);

#endif
