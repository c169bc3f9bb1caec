#include "device/fleet/load_result.h"

#include <inttypes.h>
#include <string.h>

enum { NUMBER_BYTES = 32, LABEL = 12 };

static const double quantiles[] = {0.5, 0.9, 0.99, 0.999, 0.9999, 1};

/* "12,345" */
static const char *print_number(char out[NUMBER_BYTES], int64_t value)
{
    char digits[NUMBER_BYTES];
    size_t len = 0;
    (void)snprintf(digits, sizeof digits, "%" PRId64, value);
    const size_t count = strlen(digits);
    for (size_t i = 0; i < count && len + 2 < NUMBER_BYTES; i++) {
        if (i > 0 && (count - i) % 3 == 0 && digits[i - 1] != '-') {
            out[len++] = ',';
        }
        out[len++] = digits[i];
    }
    out[len] = '\0';
    return out;
}

/* "0.042 ms", "1.25 ms", "310 ms", "12.5 s" */
static void print_time(char out[NUMBER_BYTES], int64_t us)
{
    const double ms = (double)us / 1e3;
    if (us >= 10000000) {
        (void)snprintf(out, NUMBER_BYTES, "%.1f s", ms / 1e3);
    } else {
        (void)snprintf(out, NUMBER_BYTES, "%.*f ms", us < 1000 ? 3 : us < 100000 ? 2 : 0, ms);
    }
}

static void print_count(FILE *out, const char *label, int64_t value, const char *behind)
{
    char number[NUMBER_BYTES];
    (void)fprintf(out, "%-*s %14s%s%s\n", LABEL, label, print_number(number, value),
        behind[0] != '\0' ? "  " : "", behind);
}

/* With its rate in the measured time. */
static void print_rate(FILE *out, const struct ph_load_result *result, const char *label,
    enum ph_load_count count, const char *behind)
{
    char rate[NUMBER_BYTES];
    char text[128] = "";
    if (result->measured_s > 0) {
        const double per_s = (double)result->measured[count] / result->measured_s;
        (void)snprintf(
            text, sizeof text, "%12s/s%s", print_number(rate, (int64_t)(per_s + 0.5)), behind);
    }
    print_count(out, label, ph_load_counted(&result->total, count), text);
}

static void print_head(FILE *out, const struct ph_load_result *result)
{
    const struct ph_load_options *options = result->options;
    (void)fprintf(out,
        "%s, MQTT %s, QoS %" PRId64 ": %" PRId64 " publishers, %" PRId64 " subscribers, ",
        options->broker, options->version == 5 ? "5" : "3.1.1", options->qos, options->publishers,
        options->subscribers);
    if (options->readings > 0) {
        (void)fprintf(out, "%" PRId64 " readings", options->readings);
    } else {
        (void)fprintf(out, "%" PRId64 " bytes", options->size_bytes);
    }
    (void)fprintf(out, ", window %" PRId64 "%s, %" PRId64 " threads\n", result->window,
        result->window < options->window ? " (the broker's receive maximum)" : "",
        options->threads);
}

static void print_connects(FILE *out, const struct ph_load_result *result)
{
    const struct ph_load_stats *total = &result->total;
    const int64_t connected = ph_load_counted(total, PH_LOAD_CONNECTED);
    char p50[NUMBER_BYTES];
    char p99[NUMBER_BYTES];
    print_time(p50, ph_histogram_quantile(&total->times[PH_LOAD_CONNECT], 0.5));
    print_time(p99, ph_histogram_quantile(&total->times[PH_LOAD_CONNECT], 0.99));
    (void)fprintf(out, "%-*s %14" PRId64 "  of %" PRId64 " in %.2f s (%.0f/s); p50 %s, p99 %s\n",
        LABEL, "connected", connected, result->connections, result->connect_s,
        result->connect_s > 0 ? (double)connected / result->connect_s : 0, p50, p99);
    if (ph_load_counted(total, PH_LOAD_FAILED) > 0) {
        print_count(out, "failed", ph_load_counted(total, PH_LOAD_FAILED), "");
    }
    if (ph_load_counted(total, PH_LOAD_LOSSES) > 0) {
        print_count(out, "cut off", ph_load_counted(total, PH_LOAD_LOSSES), "");
    }
    for (size_t i = 0; i < total->reasons.len; i++) {
        print_count(out, "  reason", total->reasons.list[i].count, total->reasons.list[i].text);
    }
    if (total->reasons.others > 0) {
        print_count(out, "  reason", total->reasons.others, "others");
    }
}

static void print_messages(FILE *out, const struct ph_load_result *result)
{
    const struct ph_load_stats *total = &result->total;
    const struct ph_load_options *options = result->options;
    char wanted[64] = "";
    if (options->rate > 0) {
        (void)snprintf(wanted, sizeof wanted, " of %" PRId64 "/s", options->rate);
    }
    print_rate(out, result, "sent", PH_LOAD_SENT, wanted);
    if (ph_load_counted(total, PH_LOAD_UNSENT) > 0) {
        print_count(out, "not sent", ph_load_counted(total, PH_LOAD_UNSENT),
            "due before the end; their wait is in the times from when due");
    }
    if (options->qos > 0) {
        print_rate(out, result, "confirmed", PH_LOAD_CONFIRMED, "");
        print_count(out, "unconfirmed", ph_load_unconfirmed(result), "");
    }
    if (ph_load_counted(total, PH_LOAD_REFUSED) > 0) {
        print_count(out, "refused", ph_load_counted(total, PH_LOAD_REFUSED), "");
    }
    if (options->subscribers > 0) {
        print_rate(out, result, "received", PH_LOAD_RECEIVED, "");
        print_count(out, "lost", ph_load_lost(result),
            result->stamped ? "" : "by count alone: the payload is too small for numbers");
        if (result->stamped) {
            print_count(out, "duplicates", ph_load_counted(total, PH_LOAD_DUPLICATES), "");
        }
    }
    if (ph_load_counted(total, PH_LOAD_ASTRAY) > 0) {
        print_count(
            out, "astray", ph_load_counted(total, PH_LOAD_ASTRAY), "messages that are not ours");
    }
}

static void print_times(FILE *out, const char *label, const struct ph_histogram *times)
{
    char text[NUMBER_BYTES];
    if (ph_histogram_count(times) == 0) {
        return;
    }
    (void)fprintf(out, "%-22s", label);
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
        print_time(text, ph_histogram_quantile(times, quantiles[i]));
        (void)fprintf(out, " %10s", text);
    }
    (void)fputc('\n', out);
}

static void print_latency(FILE *out, const struct ph_load_result *result)
{
    const struct ph_histogram *times = result->total.times;
    const bool scheduled = result->options->rate > 0;
    (void)fprintf(out, "%-22s %10s %10s %10s %10s %10s %10s\n", "latency", "p50", "p90", "p99",
        "p99.9", "p99.99", "max");
    if (scheduled) {
        print_times(out, "confirmed, from due", &times[PH_LOAD_CONFIRM_DUE]);
    }
    print_times(out, "confirmed, from sent", &times[PH_LOAD_CONFIRM_SENT]);
    if (scheduled) {
        print_times(out, "received, from due", &times[PH_LOAD_DELIVERY_DUE]);
    }
    print_times(out, "received, from sent", &times[PH_LOAD_DELIVERY_SENT]);
    if (scheduled) {
        print_times(out, "generator behind", &times[PH_LOAD_BEHIND]);
    } else {
        (void)fprintf(out,
            "(no rate: a slow broker is asked less often; what a schedule would see is not "
            "measured)\n");
    }
}

void ph_load_result_print(FILE *out, const struct ph_load_result *result)
{
    print_head(out, result);
    print_connects(out, result);
    if (ph_load_counted(&result->total, PH_LOAD_CONNECTED) > 0) {
        print_messages(out, result);
    }
    if (result->measured_s > 0) {
        (void)fprintf(out, "%-*s %13.1fs  after %" PRId64 " s of warm-up%s\n", LABEL, "measured",
            result->measured_s, result->options->warmup_s,
            result->interrupted ? "; interrupted" : "");
        print_latency(out, result);
        (void)fprintf(out, "%-*s %13.2f   cores; its busiest thread %.0f %%\n", LABEL, "generator",
            result->cpu_s / result->measured_s, result->busiest * 100);
    }
    if (result->warning[0] != '\0') {
        (void)fprintf(out, "warning: %s\n", result->warning);
    }
}

void ph_load_sample_print(char *out, size_t size, const struct ph_load_sample *sample)
{
    char number[5][NUMBER_BYTES];
    const int64_t *counts = sample->counts;
    if (sample->at_s < 0) {
        (void)snprintf(out, size, "connected %s of %s, failed %s",
            print_number(number[0], counts[PH_LOAD_CONNECTED]),
            print_number(number[1], sample->connections),
            print_number(number[2], counts[PH_LOAD_FAILED]));
        return;
    }
    print_time(number[3], sample->p50_us);
    print_time(number[4], sample->p99_us);
    (void)snprintf(out, size,
        "%4" PRId64 " s  sent %s/s  confirmed %s/s  received %s/s  p50 %s  p99 %s", sample->at_s,
        print_number(number[0], sample->last[PH_LOAD_SENT]),
        print_number(number[1], sample->last[PH_LOAD_CONFIRMED]),
        print_number(number[2], sample->last[PH_LOAD_RECEIVED]), number[3], number[4]);
}
