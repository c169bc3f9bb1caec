/* Sends what is pending in a spool, by the rules of window.h: packs readings into messages, hands
 * them to the MQTT client, deletes what is acknowledged. */
#ifndef PH_DEVICE_PUBLISHER_H
#define PH_DEVICE_PUBLISHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "device/moment.h"
#include "device/spool.h"
#include "device/window.h"

/* Hands one message over, like ph_mqtt_publish() with QoS 1; PH_ERR_UNAVAILABLE: not now. */
typedef enum ph_err ph_publisher_send(void *context, const char *topic, const void *payload,
    size_t len, int *token, struct ph_error *error);

struct ph_publisher {
    struct ph_spool *spool; /* borrowed; NULL while there is none */
    struct ph_window window;
    const char *topic; /* borrowed */
    size_t readings_max;
    size_t bytes_max;
    ph_publisher_send *send;
    void *context;
    struct ph_buf message;
};

/* `bytes_max` bounds one message, `window` the messages outstanding. */
void ph_publisher_init(struct ph_publisher *publisher, const char *topic, size_t readings_max,
    size_t bytes_max, size_t window, int64_t ack_timeout_ms);
void ph_publisher_fini(struct ph_publisher *publisher);

/* Sends from this spool from now on, beginning with a question; NULL: from none. */
void ph_publisher_use(struct ph_publisher *publisher, struct ph_spool *spool);

/* Sends as much as the window allows. */
enum ph_err ph_publisher_pump(struct ph_publisher *publisher, const struct ph_moment *now,
    struct ph_error *error) PH_NODISCARD;

/* Applies an acknowledgement as it came from the network; *result as from ph_spool_ack(). */
enum ph_err ph_publisher_ack(struct ph_publisher *publisher, const void *bytes, size_t len,
    enum ph_spool_acked *result, struct ph_error *error) PH_NODISCARD;

#endif
