/* The options of a client: checked, and copied to be kept. Private to the mqtt module. */
#ifndef PH_ADAPTERS_MQTT_OPTIONS_H
#define PH_ADAPTERS_MQTT_OPTIONS_H

#include "adapters/mqtt.h"

/* Values that make sense, and files that are there and belong together. */
enum ph_err ph_mqtt_options_check(
    const struct ph_mqtt_options *options, struct ph_error *error) PH_NODISCARD;

/* Copies every text; on PH_ERR_MEMORY what was copied still needs ph_mqtt_options_fini(). */
enum ph_err ph_mqtt_options_copy(struct ph_mqtt_options *to, const struct ph_mqtt_options *from,
    struct ph_error *error) PH_NODISCARD;
void ph_mqtt_options_fini(struct ph_mqtt_options *options);

/* Releases a text of ours behind a pointer to const, and sets it to NULL. */
void ph_mqtt_text_free(const char **text);

#endif
