#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "device/fleet/load_result.h"

void ph_load_count(struct ph_load_stats *stats, enum ph_load_count count, int64_t by)
{
    (void)atomic_fetch_add_explicit(&stats->counts[count], by, memory_order_relaxed);
}

int64_t ph_load_counted(const struct ph_load_stats *stats, enum ph_load_count count)
{
    return atomic_load_explicit(&stats->counts[count], memory_order_relaxed);
}

void ph_load_reason(struct ph_load_reasons *reasons, const char *text, int64_t count)
{
    char escaped[PH_LOAD_REASON_BYTES];
    ph_text_escape(escaped, sizeof escaped, text);
    for (size_t i = 0; i < reasons->len; i++) {
        if (strcmp(reasons->list[i].text, escaped) == 0) {
            reasons->list[i].count += count;
            return;
        }
    }
    if (reasons->len == PH_LOAD_REASONS) {
        reasons->others += count;
        return;
    }
    struct ph_load_reason *reason = &reasons->list[reasons->len++];
    memcpy(reason->text, escaped, sizeof reason->text);
    reason->count = count;
}

void ph_load_stats_add(struct ph_load_stats *to, const struct ph_load_stats *from)
{
    for (int i = 0; i < PH_LOAD_COUNTS; i++) {
        ph_load_count(to, (enum ph_load_count)i, ph_load_counted(from, (enum ph_load_count)i));
    }
    for (int i = 0; i < PH_LOAD_TIMES; i++) {
        ph_histogram_add(&to->times[i], &from->times[i]);
    }
    for (size_t i = 0; i < from->reasons.len; i++) {
        ph_load_reason(&to->reasons, from->reasons.list[i].text, from->reasons.list[i].count);
    }
    to->reasons.others += from->reasons.others;
}

int64_t ph_load_unconfirmed(const struct ph_load_result *result)
{
    const struct ph_load_stats *total = &result->total;
    return result->options->qos == 0
               ? 0
               : ph_load_counted(total, PH_LOAD_SENT) - ph_load_counted(total, PH_LOAD_CONFIRMED) -
                     ph_load_counted(total, PH_LOAD_REFUSED);
}

int64_t ph_load_lost(const struct ph_load_result *result)
{
    const int64_t missing = ph_load_counted(&result->total, PH_LOAD_EXPECTED) -
                            ph_load_counted(&result->total, PH_LOAD_RECEIVED);
    return missing > 0 ? missing : 0;
}

static void add_lack(struct ph_load_result *result, int64_t count, const char *what)
{
    const size_t len = strlen(result->lacks);
    if (count > 0) {
        (void)snprintf(result->lacks + len, sizeof result->lacks - len, "%s%lld %s",
            len > 0 ? "; " : "", (long long)count, what);
    }
}

static void judge_lacks(struct ph_load_result *result)
{
    const struct ph_load_stats *total = &result->total;
    char failed[64];
    (void)snprintf(
        failed, sizeof failed, "of %lld connections failed", (long long)result->connections);
    add_lack(result, ph_load_counted(total, PH_LOAD_FAILED), failed);
    add_lack(result, ph_load_counted(total, PH_LOAD_LOSSES), "connections were lost");
    add_lack(result, ph_load_counted(total, PH_LOAD_REFUSED), "messages were refused");
    if (result->options->qos > 0) {
        add_lack(result, ph_load_unconfirmed(result), "messages were not confirmed");
        add_lack(result, ph_load_lost(result), "messages did not arrive");
    }
}

enum { BEHIND_US = 10000 }; /* what a busy machine's scheduler makes of a timer is less */

static const char *why_behind(const struct ph_load_result *result)
{
    if (result->busiest >= 0.85) {
        return "a thread of it had all of a core: use more --threads, or more machines";
    }
    if (result->waited >= 0.1) {
        return "others had its cores: give it a machine of its own";
    }
    return "the system woke it late";
}

static void judge_generator(struct ph_load_result *result)
{
    const struct ph_histogram *times = result->total.times;
    const int64_t behind_us = ph_histogram_quantile(&times[PH_LOAD_BEHIND], 0.99);
    const int64_t confirm_us = ph_histogram_quantile(&times[PH_LOAD_CONFIRM_DUE], 0.99);
    const int64_t delivery_us = ph_histogram_quantile(&times[PH_LOAD_DELIVERY_DUE], 0.99);
    const int64_t seen_us = confirm_us > delivery_us ? confirm_us : delivery_us;
    /* where the broker took far longer, it is the broker that is measured all the same */
    if (result->options->rate > 0 && behind_us > BEHIND_US && behind_us > seen_us / 10) {
        (void)snprintf(result->warning, sizeof result->warning,
            "the generator, not the broker, was late: 1 %% of the messages were more than %.1f ms "
            "behind the schedule before anything was sent; %s",
            (double)behind_us / 1e3, why_behind(result));
    } else if (result->options->rate == 0 && result->busiest >= 0.9) {
        (void)snprintf(result->warning, sizeof result->warning,
            "the generator may have been the limit, not the broker: a thread of it used %.0f %% of "
            "a core; use more --threads, or more machines",
            result->busiest * 100);
    }
}

void ph_load_result_judge(struct ph_load_result *result)
{
    result->lacks[0] = '\0';
    result->warning[0] = '\0';
    judge_lacks(result);
    judge_generator(result);
}
