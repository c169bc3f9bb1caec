/* What the tests of the spool share: a database in a folder of its own. Every failure fails the
 * test. */
#ifndef PH_DEVICE_SPOOL_TESTBED_H
#define PH_DEVICE_SPOOL_TESTBED_H

#include <stddef.h>
#include <stdint.h>

#include "device/spool.h"

#define TESTBED_NAME "acme/thermostat/t-0001"

extern char testbed_dir[64];
extern char testbed_path[96];

/* cmocka fixtures: make and remove the folder. */
int testbed_setup(void **state);
int testbed_teardown(void **state);

struct ph_spool_file *testbed_file(const char *boot);
struct ph_spool *testbed_open(struct ph_spool_file *file, const char *identity, int64_t max_bytes);
void testbed_release(struct ph_spool *spool);
void testbed_close(struct ph_spool **spool, struct ph_spool_file **file);

/* Appends `count` readings of 12 bytes that say their own number. */
void testbed_append(struct ph_spool *spool, int count);

/* The batch that follows `after` within the bounds begins at `first` and has `count` readings. */
void testbed_expect_batch(struct ph_spool *spool, int64_t after, size_t count_max, size_t bytes_max,
    int64_t first, size_t count);

/* Reads everything, as for sending. */
void testbed_read_all(struct ph_spool *spool);

enum ph_spool_acked testbed_ack(struct ph_spool *spool, const struct ph_ack *message);

/* `captured` is the sum of the others, too. */
void testbed_balance(const struct ph_spool *spool, int64_t captured, int64_t acknowledged,
    int64_t pending, int64_t dropped);

#endif
