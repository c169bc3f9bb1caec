#include "device/publisher.h"

#include "base/limits.h"
#include "base/random.h"
#include "format/message.h"

void ph_publisher_init(struct ph_publisher *publisher, const char *topic, size_t readings_max,
    size_t bytes_max, size_t window, int64_t ack_timeout_ms)
{
    *publisher =
        (struct ph_publisher){.topic = topic, .readings_max = readings_max, .bytes_max = bytes_max};
    ph_window_init(&publisher->window, window, ack_timeout_ms);
    /* One reading may be larger than the bound on a message; it still has to go out. */
    ph_buf_init(&publisher->message, bytes_max + PH_LIMIT_READING_BYTES + PH_MESSAGE_HEAD_BYTES);
}

void ph_publisher_fini(struct ph_publisher *publisher)
{
    ph_buf_fini(&publisher->message);
}

/* 52 random bits, larger than any number that a spool has come to. */
static int64_t new_question(void)
{
    return (int64_t)(ph_random_u64() >> 12 | UINT64_C(1) << 52);
}

void ph_publisher_use(struct ph_publisher *publisher, struct ph_spool *spool)
{
    publisher->spool = spool;
    ph_window_ask(&publisher->window, new_question());
}

/* Sends the batch as one message, an empty one as a question. */
static enum ph_err send_batch(struct ph_publisher *publisher, const struct ph_spool_batch *batch,
    const struct ph_moment *now, struct ph_error *error)
{
    bool question = batch->count == 0;
    struct ph_message_head head = {
        .stream = batch->stream,
        .seq = question ? publisher->window.question : batch->first,
        .now_ms = now->known ? now->unix_ms : -1,
        .up_ms = batch->up ? now->boot_ms : -1,
    };
    enum ph_err err = ph_spool_oldest(publisher->spool, &head.oldest, error);
    if (err != PH_OK) {
        return err;
    }
    ph_buf_reset(&publisher->message);
    err = ph_message_encode(
        &head, (const char *const *)batch->texts, batch->count, &publisher->message);
    if (err != PH_OK) {
        return ph_error_set(error, err, "%s: message cannot be encoded", publisher->topic);
    }
    int token = 0;
    err = publisher->send(publisher->context, publisher->topic, publisher->message.data,
        publisher->message.len, &token, error);
    if (err == PH_OK) {
        int64_t last = question ? 0 : batch->first + (int64_t)batch->count - 1;
        ph_window_sent(&publisher->window, batch->first, last, token, now->monotonic_ms);
    }
    return err;
}

static enum ph_err ask(
    struct ph_publisher *publisher, const struct ph_moment *now, struct ph_error *error)
{
    const struct ph_spool_batch question = {.stream = ph_spool_counters(publisher->spool).stream};
    return send_batch(publisher, &question, now, error);
}

/* Sends one message of what follows the cursor; *sent is false when there is nothing. */
static enum ph_err send_next(
    struct ph_publisher *publisher, const struct ph_moment *now, bool *sent, struct ph_error *error)
{
    struct ph_spool_batch batch = {.count = 0};
    *sent = false;
    if (ph_spool_counters(publisher->spool).released <= publisher->window.cursor) {
        return PH_OK;
    }
    size_t most = publisher->bytes_max;
    size_t room = most > PH_MESSAGE_HEAD_BYTES ? most - PH_MESSAGE_HEAD_BYTES : 0;
    enum ph_err err = ph_spool_next(
        publisher->spool, publisher->window.cursor, publisher->readings_max, room, &batch, error);
    *sent = err == PH_OK && batch.count > 0;
    if (*sent) {
        err = send_batch(publisher, &batch, now, error);
    }
    ph_spool_batch_fini(&batch);
    return err;
}

static enum ph_err send_all(
    struct ph_publisher *publisher, const struct ph_moment *now, struct ph_error *error)
{
    bool sent = true;
    enum ph_err err = PH_OK;
    while (sent && err == PH_OK && ph_window_open(&publisher->window)) {
        if (publisher->window.asking) {
            err = ask(publisher, now, error);
        } else {
            err = send_next(publisher, now, &sent, error);
        }
    }
    if (err == PH_ERR_UNAVAILABLE) {
        ph_error_clear(error); /* the loss of the connection is on its way as an event */
        return PH_OK;
    }
    return err;
}

enum ph_err ph_publisher_pump(
    struct ph_publisher *publisher, const struct ph_moment *now, struct ph_error *error)
{
    if (publisher->spool == NULL) {
        return PH_OK;
    }
    enum ph_err err = PH_OK;
    if (!publisher->window.asking) {
        err = ph_spool_release(publisher->spool, error);
    }
    if (err != PH_OK) {
        (void)send_all(publisher, now, NULL); /* what was released before */
        return err;
    }
    return send_all(publisher, now, error);
}

enum ph_err ph_publisher_ack(struct ph_publisher *publisher, const void *bytes, size_t len,
    enum ph_spool_acked *result, struct ph_error *error)
{
    struct ph_ack ack;
    *result = PH_SPOOL_ACK_FOREIGN;
    enum ph_err err = ph_ack_parse(bytes, len, &ack, error);
    if (err != PH_OK || publisher->spool == NULL) {
        return err;
    }
    err = ph_spool_ack(publisher->spool, &ack, result, error);
    if (err != PH_OK && *result == PH_SPOOL_ACK_APPLIED) {
        /* Answered all the same: what cannot be deleted can still be sent. */
        ph_window_ack(&publisher->window, &(struct ph_ack){.asked = ack.asked});
    }
    if (err != PH_OK || *result == PH_SPOOL_ACK_FOREIGN) {
        return err;
    }
    ph_window_ack(&publisher->window, &ack);
    if (*result == PH_SPOOL_ACK_RESTARTED) {
        ph_window_rewind(&publisher->window);
        publisher->window.asking = false; /* nobody else knows the new stream's name */
    }
    return PH_OK;
}
