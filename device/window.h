/* What may be sent now, and what must be sent again: the publisher's rules without its I/O.
 *
 * Readings go out in order of their numbers, in messages that each hold a run of them. A message is
 * outstanding until an acknowledgement covers it. At most `size` messages are outstanding, and at
 * most the broker's Receive Maximum are without PUBACK. Sending starts over from the oldest pending
 * reading (*rewinds*) when the connection was lost, when the ingest service comes back, and when
 * the oldest outstanding message has waited longer than the acknowledgement timeout: duplicates are
 * harmless, since they carry the same numbers.
 *
 * A *question* asks ingest what it has of the stream. While one is to be answered nothing else is
 * sent; it is a message like any other, and is sent again by the same rules. */
#ifndef PH_DEVICE_WINDOW_H
#define PH_DEVICE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/ack.h"

enum { PH_WINDOW_MAX = 256 };

struct ph_window_message {
    int64_t first; /* 0 and 0: a question */
    int64_t last;
    int token;         /* 0 once the broker has confirmed it */
    int64_t sent_ms;   /* monotonic */
    bool acknowledged; /* or given up: kept until its PUBACK, for the broker's count */
};

struct ph_window {
    size_t size;
    int64_t timeout_ms;
    size_t receive_maximum;
    bool connected;
    bool ingest_offline; /* said so itself; unknown counts as online */
    bool asking;         /* nothing but the question is sent until it is answered */
    int64_t question;    /* the number that its answer repeats */
    int64_t cursor;      /* everything up to here has been sent since the last rewind */
    size_t count;
    struct ph_window_message messages[PH_WINDOW_MAX];
};

/* Nothing sent yet; `size` is the most that may be outstanding, and what ingest has not
 * acknowledged within `timeout_ms` is sent again. */
void ph_window_init(struct ph_window *window, size_t size, int64_t timeout_ms);

/* A new connection, and its end: nothing of an earlier one is outstanding. What ingest said holds
 * until the end: it may have come before ph_window_connect(), and may have changed when there is
 * another connection. */
void ph_window_connect(struct ph_window *window, uint16_t receive_maximum);
void ph_window_disconnect(struct ph_window *window);

/* What the ingest service says of itself. `fresh`: it says so now, having just subscribed, so that
 * what was sent before may have reached nobody and is sent again; not a retained message, which
 * only says how things stand. */
void ph_window_ingest(struct ph_window *window, bool online, bool fresh);

/* Nothing but the question of this number from now on, until its answer has come. The number is one
 * that nobody can have asked before: an acknowledgement that was under way is no answer. */
void ph_window_ask(struct ph_window *window, int64_t question);

/* Start over from the oldest pending reading. */
void ph_window_rewind(struct ph_window *window);

/* True when another message may be sent: readings with numbers above `cursor`, or while `asking`
 * the question. */
bool ph_window_open(const struct ph_window *window);

/* A message was handed to the MQTT client under `token`; 0 and 0 for a question. */
void ph_window_sent(
    struct ph_window *window, int64_t first, int64_t last, int token, int64_t now_ms);

/* The broker confirmed or refused `token`; false when it is none of ours. */
bool ph_window_confirm(struct ph_window *window, int token);

/* An acknowledgement of our stream. */
void ph_window_ack(struct ph_window *window, const struct ph_ack *ack);

/* Rewinds when the oldest outstanding message is overdue, and says whether it did. */
bool ph_window_tick(struct ph_window *window, int64_t now_ms);

/* Outstanding messages, and messages without PUBACK. */
size_t ph_window_outstanding(const struct ph_window *window);
size_t ph_window_unconfirmed(const struct ph_window *window);

#endif
