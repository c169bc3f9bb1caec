/* Who is due when: a timing wheel of a little more than a second, in which everyone stands at most
 * once. Every device is looked after once a second at least, so that nothing is further off. */
#ifndef PH_FLEET_WHEEL_H
#define PH_FLEET_WHEEL_H

#include <stddef.h>
#include <stdint.h>

enum { PH_WHEEL_MS = 1024 };

/* To be embedded in what is due; zero-initialised it stands nowhere. */
struct ph_wheel_entry {
    struct ph_wheel_entry *next;
    struct ph_wheel_entry **at; /* what points here; NULL: it stands nowhere */
};

struct ph_wheel {
    struct ph_wheel_entry *slots[PH_WHEEL_MS];
    int64_t now_ms; /* everything due until then was taken */
};

/* Empty, at that time (monotonic). */
void ph_wheel_init(struct ph_wheel *wheel, int64_t now_ms);

/* Puts or moves the entry; a time that has passed counts as the next millisecond, one that is more
 * than PH_WHEEL_MS - 1 away as that. */
void ph_wheel_put(struct ph_wheel *wheel, struct ph_wheel_entry *entry, int64_t due_ms);
void ph_wheel_remove(struct ph_wheel_entry *entry);

/* Takes one that is due at `now_ms`; NULL when there is none, and the wheel then stands there. What
 * is put meanwhile is due later. */
struct ph_wheel_entry *ph_wheel_take(struct ph_wheel *wheel, int64_t now_ms);

/* Milliseconds until the next one is due, at most `max_ms` and PH_WHEEL_MS. */
int ph_wheel_wait_ms(const struct ph_wheel *wheel, int64_t now_ms, int max_ms);

#endif
