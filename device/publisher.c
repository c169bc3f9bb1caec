#include "device/publisher.h"

#include "base/limits.h"
#include "format/message.h"

enum { ENVELOPE_BYTES = 96 }; /* {"v":1,"stream":"16 digits","seq":16 digits,"readings":[]} */

void ph_publisher_init(struct ph_publisher *publisher, const char *topic, size_t readings_max,
    size_t bytes_max, size_t window, int64_t ack_timeout_ms)
{
    *publisher =
        (struct ph_publisher){.topic = topic, .readings_max = readings_max, .bytes_max = bytes_max};
    ph_window_init(&publisher->window, window, ack_timeout_ms);
    /* One reading may be larger than the bound on a message; it still has to go out. */
    ph_buf_init(&publisher->message, bytes_max + PH_LIMIT_READING_BYTES + ENVELOPE_BYTES);
}

void ph_publisher_fini(struct ph_publisher *publisher)
{
    ph_buf_fini(&publisher->message);
}

/* Sends one message of what follows the cursor; *sent is false when there is nothing. */
static enum ph_err send_one(
    struct ph_publisher *publisher, int64_t now_ms, bool *sent, struct ph_error *error)
{
    struct ph_spool_batch batch;
    size_t room = publisher->bytes_max > ENVELOPE_BYTES ? publisher->bytes_max - ENVELOPE_BYTES : 0;
    enum ph_err err = ph_spool_next(
        publisher->spool, publisher->window.cursor, publisher->readings_max, room, &batch, error);
    *sent = false;
    if (err != PH_OK || batch.count == 0) {
        goto out;
    }
    ph_buf_reset(&publisher->message);
    err = ph_message_encode(batch.stream, batch.first, (const char *const *)batch.texts,
        batch.count, &publisher->message);
    if (err != PH_OK) {
        (void)ph_error_set(error, err, "%s: message cannot be encoded", publisher->topic);
        goto out;
    }
    int token = 0;
    err = publisher->send(publisher->context, publisher->topic, publisher->message.data,
        publisher->message.len, &token, error);
    if (err == PH_OK) {
        int64_t last = batch.first + (int64_t)batch.count - 1;
        ph_window_sent(&publisher->window, batch.first, last, token, now_ms);
        *sent = true;
    }
out:
    ph_spool_batch_fini(&batch);
    return err;
}

enum ph_err ph_publisher_pump(
    struct ph_publisher *publisher, int64_t now_ms, struct ph_error *error)
{
    if (publisher->spool == NULL) {
        return PH_OK;
    }
    bool sent = true;
    enum ph_err err = PH_OK;
    while (sent && err == PH_OK && ph_window_open(&publisher->window) &&
           ph_spool_counters(publisher->spool).captured > publisher->window.cursor) {
        err = send_one(publisher, now_ms, &sent, error);
    }
    if (err == PH_ERR_UNAVAILABLE) {
        ph_error_clear(error); /* the loss of the connection is on its way as an event */
        return PH_OK;
    }
    return err;
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
    if (err != PH_OK) {
        return err;
    }
    if (*result == PH_SPOOL_ACK_APPLIED) {
        ph_window_ack(&publisher->window, &ack);
    } else if (*result == PH_SPOOL_ACK_RESTARTED) {
        ph_window_rewind(&publisher->window);
    }
    return PH_OK;
}
