/* For tests of adapters/mosq.h: a broker with a listener for TLS and one without, and a connection
 * that notes what it is told. Every function fails the cmocka test that calls it. */
#ifndef PH_ADAPTERS_MOSQ_TESTBED_H
#define PH_ADAPTERS_MOSQ_TESTBED_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/mosq.h"
#include "adapters/mqtt_testbed.h"

extern struct testbed testbed;
extern uint16_t plain_port; /* of the listener without TLS */

/* What one connection was told. */
struct told {
    int accepted;
    int lost;
    int confirmed;
    int refused;
    int subscribed;
    int subscribe_code;
    int messages;
    uint16_t receive_maximum;
    char reason[PH_ERROR_MESSAGE_BYTES];
    char topic[64];
    char payload[64];
};

extern const struct ph_mosq_handlers mosq_handlers;

/* One connection with its loop. */
struct fixture {
    struct ph_mosq_options options;
    struct ph_mosq_loop *loop;
    struct ph_mosq *mosq;
    struct told told;
    char ca[128];
    char cert[128];
    char key[128];
};

/* Makes certificates and picks a port; removes them. SIGPIPE is ignored from then on. */
void mosq_testbed_init(const char *script);
void mosq_testbed_fini(void);

/* Starts the broker and waits until both listeners answer; testbed_stop() ends it. */
void start_broker(const char *certificate, const char *lines);

/* Makes the connection with the certificate and the CA of these names in the testbed (NULL: none),
 * connects nothing; ends it. */
void make(
    struct fixture *f, bool tls, enum ph_mosq_version version, const char *cert, const char *ca);
void drop(struct fixture *f);

void connect_it(struct fixture *f);

/* Turns the loop until *value is at least `least`. */
void wait_until(struct fixture *f, const int *value, int least);

#endif
