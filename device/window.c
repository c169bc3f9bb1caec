#include "device/window.h"

#include <string.h>

/* Kept back from the broker's Receive Maximum for status, replies and a question to the registrar.
 */
enum { RESERVE = 6 };

void ph_window_init(struct ph_window *window, size_t size, int64_t timeout_ms)
{
    *window = (struct ph_window){
        .size = size < PH_WINDOW_MAX / 2 ? size : PH_WINDOW_MAX / 2, .timeout_ms = timeout_ms};
}

void ph_window_connect(struct ph_window *window, uint16_t receive_maximum)
{
    window->connected = true;
    window->receive_maximum = receive_maximum > RESERVE ? receive_maximum - RESERVE : 1;
    window->count = 0;
    window->cursor = 0;
}

void ph_window_disconnect(struct ph_window *window)
{
    window->connected = false;
    window->ingest_offline = false;
    window->count = 0;
    window->cursor = 0;
}

/* Forgets messages that are neither outstanding nor awaiting a PUBACK. */
static void compact(struct ph_window *window)
{
    size_t kept = 0;
    for (size_t i = 0; i < window->count; i++) {
        const struct ph_window_message *message = &window->messages[i];
        if (!message->acknowledged || message->token != 0) {
            window->messages[kept++] = *message;
        }
    }
    window->count = kept;
}

void ph_window_rewind(struct ph_window *window)
{
    for (size_t i = 0; i < window->count; i++) {
        window->messages[i].acknowledged = true;
    }
    compact(window);
    window->cursor = 0;
}

void ph_window_ask(struct ph_window *window, int64_t question)
{
    ph_window_rewind(window);
    window->asking = true;
    window->question = question;
}

void ph_window_ingest(struct ph_window *window, bool online, bool fresh)
{
    if (online && (fresh || window->ingest_offline)) {
        ph_window_rewind(window);
    }
    window->ingest_offline = !online;
}

size_t ph_window_outstanding(const struct ph_window *window)
{
    size_t count = 0;
    for (size_t i = 0; i < window->count; i++) {
        count += !window->messages[i].acknowledged;
    }
    return count;
}

size_t ph_window_unconfirmed(const struct ph_window *window)
{
    size_t count = 0;
    for (size_t i = 0; i < window->count; i++) {
        count += window->messages[i].token != 0;
    }
    return count;
}

bool ph_window_open(const struct ph_window *window)
{
    return window->connected && !window->ingest_offline && window->count < PH_WINDOW_MAX &&
           ph_window_outstanding(window) < (window->asking ? 1 : window->size) &&
           ph_window_unconfirmed(window) < window->receive_maximum;
}

void ph_window_sent(
    struct ph_window *window, int64_t first, int64_t last, int token, int64_t now_ms)
{
    window->cursor = last;
    if (window->count < PH_WINDOW_MAX) {
        window->messages[window->count++] = (struct ph_window_message){
            .first = first, .last = last, .token = token, .sent_ms = now_ms};
    }
}

bool ph_window_confirm(struct ph_window *window, int token)
{
    for (size_t i = 0; i < window->count; i++) {
        if (window->messages[i].token == token) {
            window->messages[i].token = 0;
            compact(window);
            return true;
        }
    }
    return false;
}

static bool covered(const struct ph_ack *ack, int64_t first, int64_t last)
{
    if (last <= ack->through) {
        return true;
    }
    for (size_t i = 0; i < ack->also_count; i++) {
        const struct ph_seq_range *range = &ack->also[i];
        /* What lies at or below `through` is stored too, so a message may straddle it. */
        int64_t from = range->first == ack->through + 1 ? 1 : range->first;
        if (first >= from && last <= range->last) {
            return true;
        }
    }
    return false;
}

void ph_window_ack(struct ph_window *window, const struct ph_ack *ack)
{
    bool answered = ack->asked != 0 && ack->asked == window->question;
    for (size_t i = 0; i < window->count; i++) {
        struct ph_window_message *message = &window->messages[i];
        bool question = message->last == 0;
        if (question ? answered : covered(ack, message->first, message->last)) {
            message->acknowledged = true;
        }
    }
    window->asking = window->asking && !answered;
    compact(window);
}

bool ph_window_tick(struct ph_window *window, int64_t now_ms)
{
    if (!window->connected || window->ingest_offline) {
        return false;
    }
    for (size_t i = 0; i < window->count; i++) {
        const struct ph_window_message *message = &window->messages[i];
        if (!message->acknowledged && now_ms - message->sent_ms >= window->timeout_ms) {
            ph_window_rewind(window);
            return true;
        }
    }
    return false;
}
