#include "device/fleet/wheel.h"

#include <string.h>

static struct ph_wheel_entry **slot_of(struct ph_wheel *wheel, int64_t due_ms)
{
    return &wheel->slots[due_ms % PH_WHEEL_MS];
}

void ph_wheel_init(struct ph_wheel *wheel, int64_t now_ms)
{
    memset(wheel, 0, sizeof *wheel);
    wheel->now_ms = now_ms;
}

void ph_wheel_remove(struct ph_wheel_entry *entry)
{
    if (entry->at != NULL) {
        *entry->at = entry->next;
        if (entry->next != NULL) {
            entry->next->at = entry->at;
        }
        entry->at = NULL;
        entry->next = NULL;
    }
}

void ph_wheel_put(struct ph_wheel *wheel, struct ph_wheel_entry *entry, int64_t due_ms)
{
    int64_t most = wheel->now_ms + PH_WHEEL_MS - 1;
    ph_wheel_remove(entry);
    if (due_ms <= wheel->now_ms) {
        due_ms = wheel->now_ms + 1;
    }
    struct ph_wheel_entry **slot = slot_of(wheel, due_ms < most ? due_ms : most);
    entry->next = *slot;
    entry->at = slot;
    if (entry->next != NULL) {
        entry->next->at = &entry->next;
    }
    *slot = entry;
}

struct ph_wheel_entry *ph_wheel_take(struct ph_wheel *wheel, int64_t now_ms)
{
    while (wheel->now_ms < now_ms) {
        struct ph_wheel_entry *entry = *slot_of(wheel, wheel->now_ms + 1);
        if (entry != NULL) {
            ph_wheel_remove(entry);
            return entry;
        }
        wheel->now_ms++;
    }
    return NULL;
}

int ph_wheel_wait_ms(const struct ph_wheel *wheel, int64_t now_ms, int max_ms)
{
    int64_t late = now_ms - wheel->now_ms;
    for (int64_t ahead = 1; ahead < PH_WHEEL_MS && ahead - late < max_ms; ahead++) {
        if (wheel->slots[(wheel->now_ms + ahead) % PH_WHEEL_MS] != NULL) {
            return (int)(ahead > late ? ahead - late : 0);
        }
    }
    return max_ms;
}
