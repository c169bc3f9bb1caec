#include "device/fleet/stats.h"

#include <stdbool.h>
#include <string.h>

#include "base/text.h"

static const char other_reasons[] = "other reasons";

const char *ph_fleet_count_name(enum ph_fleet_count count)
{
    static const char *const names[PH_FLEET_COUNTS] = {
        [PH_FLEET_CONNECTS] = "connects",
        [PH_FLEET_REACHED] = "reached",
        [PH_FLEET_LOSSES] = "losses",
        [PH_FLEET_REFUSALS] = "refusals",
        [PH_FLEET_CAPTURED] = "captured",
        [PH_FLEET_ACKNOWLEDGED] = "acknowledged",
        [PH_FLEET_DROPPED] = "dropped",
        [PH_FLEET_LOST] = "lost",
        [PH_FLEET_PUBLISHED] = "published",
        [PH_FLEET_UNPUBLISHED] = "unpublished",
        [PH_FLEET_RENEWALS] = "renewals",
        [PH_FLEET_FAILED] = "failed",
        [PH_FLEET_MAD_TRIED] = "mad_tried",
        [PH_FLEET_MAD_PASSED] = "mad_passed",
        [PH_FLEET_MAD_REFUSED] = "mad_refused",
        [PH_FLEET_THEFT_TRIED] = "theft_tried",
        [PH_FLEET_THEFT_REFUSED] = "theft_refused",
        [PH_FLEET_THEFT_OWN] = "theft_own",
        [PH_FLEET_THEFT_FOREIGN] = "theft_foreign",
    };
    return names[count];
}

const char *ph_fleet_gauge_name(enum ph_fleet_gauge gauge)
{
    static const char *const names[PH_FLEET_GAUGES] = {
        [PH_FLEET_STARTED] = "started",
        [PH_FLEET_CONNECTED] = "connected",
        [PH_FLEET_PENDING] = "pending",
        [PH_FLEET_SUSPENDED] = "suspended",
        [PH_FLEET_BEHIND] = "behind",
    };
    return names[gauge];
}

const char *ph_fleet_time_name(enum ph_fleet_time time)
{
    return time == PH_FLEET_ACK_US ? "ack" : "connect";
}

static int64_t load(const _Atomic int64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

static void increase(_Atomic int64_t *number, int64_t by)
{
    (void)atomic_fetch_add_explicit(number, by, memory_order_relaxed);
}

void ph_fleet_stats_add(struct ph_fleet_stats *stats, enum ph_fleet_count count, int64_t number)
{
    increase(&stats->counts[count], number);
}

void ph_fleet_stats_set(struct ph_fleet_stats *stats, enum ph_fleet_gauge gauge, int64_t value)
{
    atomic_store_explicit(&stats->gauges[gauge], value, memory_order_relaxed);
}

void ph_fleet_stats_time(struct ph_fleet_stats *stats, enum ph_fleet_time time, int64_t us)
{
    ph_histogram_record(&stats->times[time], us, 1);
}

static bool is_set(const struct ph_fleet_reason *reason)
{
    return atomic_load_explicit(&reason->set, memory_order_acquire);
}

/* The count comes first: a reader, and whoever counts on after a kill, sees a reason whole or not
 * at all. */
static void set(struct ph_fleet_reason *reason, const char *text, int64_t number)
{
    memcpy(reason->text, text, strlen(text) + 1);
    atomic_store_explicit(&reason->count, number, memory_order_relaxed);
    atomic_store_explicit(&reason->set, true, memory_order_release);
}

/* `text` fits. The last entry is kept for what finds no other. */
static void add_reason(struct ph_fleet_stats *stats, const char *text, int64_t number)
{
    size_t i = strcmp(text, other_reasons) == 0 ? PH_FLEET_REASONS - 1 : 0;
    while (i < PH_FLEET_REASONS - 1 && is_set(&stats->reasons[i]) &&
           strcmp(stats->reasons[i].text, text) != 0) {
        i++;
    }
    struct ph_fleet_reason *reason = &stats->reasons[i];
    if (is_set(reason)) {
        increase(&reason->count, number);
    } else {
        set(reason, i == PH_FLEET_REASONS - 1 ? other_reasons : text, number);
    }
}

void ph_fleet_stats_reason(struct ph_fleet_stats *stats, const char *text)
{
    char kept[PH_FLEET_REASON_BYTES];
    ph_text_escape(kept, sizeof kept, text);
    add_reason(stats, kept, 1);
}

void ph_fleet_stats_merge(struct ph_fleet_stats *to, const struct ph_fleet_stats *from)
{
    for (size_t i = 0; i < PH_FLEET_COUNTS; i++) {
        increase(&to->counts[i], load(&from->counts[i]));
    }
    for (size_t i = 0; i < PH_FLEET_GAUGES; i++) {
        increase(&to->gauges[i], load(&from->gauges[i]));
    }
    for (size_t i = 0; i < PH_FLEET_TIMES; i++) {
        ph_histogram_add(&to->times[i], &from->times[i]);
    }
    for (size_t i = 0; i < PH_FLEET_REASONS; i++) {
        if (is_set(&from->reasons[i])) {
            add_reason(to, from->reasons[i].text, load(&from->reasons[i].count));
        }
    }
    increase(&to->drained, load(&from->drained));
}

/* Each count is read once: they may grow meanwhile, and the order must be one. */
size_t ph_fleet_stats_reasons(
    const struct ph_fleet_stats *stats, const struct ph_fleet_reason *sorted[PH_FLEET_REASONS])
{
    int64_t counts[PH_FLEET_REASONS] = {0};
    size_t found = 0;
    for (size_t i = 0; i < PH_FLEET_REASONS; i++) {
        if (!is_set(&stats->reasons[i])) {
            continue;
        }
        int64_t count = load(&stats->reasons[i].count);
        size_t at = found++;
        while (at > 0 && counts[at - 1] < count) {
            counts[at] = counts[at - 1];
            sorted[at] = sorted[at - 1];
            at--;
        }
        counts[at] = count;
        sorted[at] = &stats->reasons[i];
    }
    return found;
}
