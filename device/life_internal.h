/* What the two halves of life share: life.c holds the connection, life_registrar.c speaks over it.
 * Private to them. */
#ifndef PH_DEVICE_LIFE_INTERNAL_H
#define PH_DEVICE_LIFE_INTERNAL_H

#include "device/life.h"

/* The certificate of the current slot is the one in use from now on. */
enum ph_err ph_life_use(struct ph_life *life, struct ph_error *error) PH_NODISCARD;

/* The renewal's next step, when there is one that can be taken. */
void ph_life_renew(struct ph_life *life, const struct ph_moment *now);

/* Asks for the time, or to be enrolled, when that is due. */
void ph_life_ask(struct ph_life *life, const struct ph_moment *now);

/* Takes an event of the link to the registrar; false when it is none. */
bool ph_life_registrar_event(
    struct ph_life *life, const struct ph_mqtt_event *event, const struct ph_moment *now);

#endif
