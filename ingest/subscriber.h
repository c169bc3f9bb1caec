/* Ingest on the broker: its client subscribes, hands what comes to the pipeline, publishes
 * acknowledgements, and tells the devices by the retained status whether to send. It takes the MQTT
 * client's events; the loop around it is the service's. */
#ifndef PH_INGEST_SUBSCRIBER_H
#define PH_INGEST_SUBSCRIBER_H

#include <stdbool.h>
#include <stddef.h>

#include "adapters/mqtt.h"
#include "base/error.h"
#include "domain/identity.h"
#include "domain/route.h"
#include "ingest/config.h"
#include "ingest/pipeline.h"

struct ph_subscriber {
    const struct ph_ingest_config *config; /* borrowed */
    struct ph_pipeline *pipeline;          /* borrowed */
    struct ph_mqtt *mqtt;                  /* owned; who runs the loop waits for its events */
    char filter[PH_FILTER_BYTES];
    int subscribe_token;
    int status_token; /* 0: no status on its way */
    bool subscribed;
    bool shown_online; /* what the retained status says, as far as we know */
    bool leaving;      /* set by the service: the status says online no more */
    char trouble[256]; /* why there is no connection, "" when there was never a reason */
};

/* Makes the client, with "offline" as its will, and starts connecting; returns at once. Errors as
 * from ph_mqtt_new(). `client_id` is copied. Release with ph_subscriber_close(), also after an
 * error. */
enum ph_err ph_subscriber_open(struct ph_subscriber *subscriber,
    const struct ph_ingest_config *config, const char *client_id, struct ph_pipeline *pipeline,
    struct ph_error *error) PH_NODISCARD;

/* Ends the connection; nothing to do for one that is all zero. */
void ph_subscriber_close(struct ph_subscriber *subscriber);

/* Takes one event of the client, which stays the caller's. What the broker refuses is logged. */
void ph_subscriber_event(struct ph_subscriber *subscriber, const struct ph_mqtt_event *event);

/* A ph_ack_send whose context is the subscriber. What cannot be sent is lost: the device sends
 * again, and is acknowledged then. */
void ph_subscriber_send_ack(
    void *context, const struct ph_identity *identity, const void *payload, size_t len);

/* Tells the devices whether to send, by the retained status; `status_token` names its confirmation.
 * Only while subscribed: "online" means that messages reach us. */
void ph_subscriber_say(struct ph_subscriber *subscriber, bool online);

/* Says it again if what was said is no longer so, since the store went down or came up, or we are
 * leaving. To be called whenever that may have happened. */
void ph_subscriber_update(struct ph_subscriber *subscriber);

#endif
