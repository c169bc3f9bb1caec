/* For tests: a folder with certificates (mqtt_testbed.sh) and a real mosquitto on a free port of
 * loopback. Every function aborts the test on failure. */
#ifndef PH_ADAPTERS_MQTT_TESTBED_H
#define PH_ADAPTERS_MQTT_TESTBED_H

#include <stdint.h>
#include <sys/types.h>

struct testbed {
    char dir[64];
    uint16_t port;
    pid_t broker; /* 0: not running */
};

/* Makes the folder and its certificates with the script. */
void testbed_init(struct testbed *testbed, const char *script);

/* Ends the broker and removes the folder. */
void testbed_fini(struct testbed *testbed);

/* Starts mosquitto with the certificate of that name and further configuration lines, and waits
 * until it listens. The port stays the same from start to start. */
void testbed_start(struct testbed *testbed, const char *certificate, const char *lines);

/* Ends the broker with a signal and waits for it. */
void testbed_stop(struct testbed *testbed, int signal_number);

/* Runs a shell command with the folder as working directory and $PORT set; its exit status. */
int testbed_run(const struct testbed *testbed, const char *command);

#endif
