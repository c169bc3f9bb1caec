/* What the two files of a device's configuration share. */
#ifndef PH_DEVICE_CONFIG_INTERNAL_H
#define PH_DEVICE_CONFIG_INTERNAL_H

#include "device/config.h"

/* Every value whose default is in by now; `source` is the file, for messages. Whether there are a
 * broker and a certificate is not asked. */
enum ph_err ph_device_config_check(
    const struct ph_device_config *config, const char *source, struct ph_error *error) PH_NODISCARD;

#endif
