#include <string.h>

#include "base/text.h"
#include "device/fleet/output_text.h"
#include "device/fleet/report.h"

enum { ESCAPED_BYTES = 1100 };

/* A line of its own with what comes from elsewhere: names, reasons. */
static void say(FILE *out, const char *label, const char *text)
{
    char escaped[ESCAPED_BYTES];
    ph_text_escape(escaped, sizeof escaped, text);
    (void)fprintf(out, "%-13s%s\n", label, escaped);
}

static void say_what(FILE *out, const struct ph_fleet_report *report)
{
    char broker[ESCAPED_BYTES];
    ph_text_escape(broker, sizeof broker, report->broker);
    (void)fprintf(out, "\n%s thermostats on %s for %s, a reading each %s\n",
        ph_show_count(report->scenario->devices).text, broker,
        ph_show_elapsed(report->elapsed_ms).text,
        ph_show_interval(report->scenario->interval_ms).text);
    say(out, "began", report->began);
    if (report->machine[0] != '\0') {
        say(out, "machine", report->machine);
    }
}

static void say_acts(FILE *out, const struct ph_scenario *scenario)
{
    if (scenario->act_count == 0) {
        return;
    }
    (void)fprintf(out, "%-13s", "acts");
    for (size_t i = 0; i < scenario->act_count; i++) {
        const struct ph_act *act = &scenario->acts[i];
        (void)fprintf(out, "%s%s at %s", i > 0 ? "; " : "", ph_act_name(act->kind),
            ph_show_elapsed(act->at_s * 1000).text);
        if (act->for_s > 0) {
            (void)fprintf(out, " for %s", ph_show_elapsed(act->for_s * 1000).text);
        }
    }
    (void)fprintf(out, "\n");
}

static void say_connects(FILE *out, const struct ph_fleet_report *report)
{
    const struct ph_fleet_stats *total = &report->total;
    (void)fprintf(out, "%-13s%s", "connects", ph_show_count(total->counts[PH_FLEET_CONNECTS]).text);
    if (report->connected_all_ms > 0) {
        (void)fprintf(out, "; all %s after %s, %s per second",
            ph_show_count(report->scenario->devices).text,
            ph_show_us(report->connected_all_ms * 1000).text,
            ph_show_rate(
                (double)report->scenario->devices * 1000 / (double)report->connected_all_ms)
                .text);
    } else if (report->connected_all_ms < 0) {
        (void)fprintf(
            out, "; never all, at most %s at once", ph_show_count(report->connected_most).text);
    }
    (void)fprintf(out, "; %s refused, %s lost\n",
        ph_show_count(total->counts[PH_FLEET_REFUSALS]).text,
        ph_show_count(total->counts[PH_FLEET_LOSSES]).text);
}

static void say_readings(FILE *out, const struct ph_fleet_report *report)
{
    const struct ph_fleet_stats *total = &report->total;
    (void)fprintf(out, "%-13s%s captured, %s acknowledged, %s pending, %s lost\n", "readings",
        ph_show_count(total->counts[PH_FLEET_CAPTURED]).text,
        ph_show_count(total->counts[PH_FLEET_ACKNOWLEDGED]).text,
        ph_show_count(total->gauges[PH_FLEET_PENDING]).text,
        ph_show_count(ph_show_lost(report)).text);
    (void)fprintf(out, "%-13s%s accepted by the broker, %s refused\n", "messages",
        ph_show_count(total->counts[PH_FLEET_PUBLISHED]).text,
        ph_show_count(total->counts[PH_FLEET_UNPUBLISHED]).text);
}

static void say_rest(FILE *out, const struct ph_fleet_stats *total)
{
    if (total->counts[PH_FLEET_RENEWALS] > 0) {
        (void)fprintf(out, "%-13s%s certificates\n", "renewals",
            ph_show_count(total->counts[PH_FLEET_RENEWALS]).text);
    }
    if (total->counts[PH_FLEET_FAILED] > 0) {
        (void)fprintf(out, "%-13s%s devices, and stayed away\n", "failed",
            ph_show_count(total->counts[PH_FLEET_FAILED]).text);
    }
    if (total->counts[PH_FLEET_MAD_TRIED] > 0) {
        (void)fprintf(out, "%-13s%s messages sent, %s refused, %s accepted\n", "gone mad",
            ph_show_count(total->counts[PH_FLEET_MAD_TRIED]).text,
            ph_show_count(total->counts[PH_FLEET_MAD_REFUSED]).text,
            ph_show_count(total->counts[PH_FLEET_MAD_PASSED]).text);
    }
    if (total->counts[PH_FLEET_THEFT_TRIED] > 0) {
        (void)fprintf(out,
            "%-13s%s tried, %s refused, %s granted on its own topics, %s on others'\n", "thief",
            ph_show_count(total->counts[PH_FLEET_THEFT_TRIED]).text,
            ph_show_count(total->counts[PH_FLEET_THEFT_REFUSED]).text,
            ph_show_count(total->counts[PH_FLEET_THEFT_OWN]).text,
            ph_show_count(total->counts[PH_FLEET_THEFT_FOREIGN]).text);
    }
}

static void say_times(FILE *out, const char *label, const struct ph_histogram *times)
{
    static const double shares[] = {0.5, 0.9, 0.99, 0.999, 1};
    (void)fprintf(out, "  %-11s", label);
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        (void)fprintf(out, "%11s", ph_show_us(ph_histogram_quantile(times, shares[i])).text);
    }
    (void)fprintf(out, "\n");
}

static void say_latency(FILE *out, const struct ph_fleet_report *report)
{
    (void)fprintf(
        out, "%-13s%11s%11s%11s%11s%11s\n", "latency", "p50", "p90", "p99", "p99.9", "max");
    say_times(out, "readings", &report->total.times[PH_FLEET_ACK_US]);
    say_times(out, "connecting", &report->total.times[PH_FLEET_CONNECT_US]);
}

static void say_reasons(FILE *out, const struct ph_fleet_stats *total)
{
    const struct ph_fleet_reason *sorted[PH_FLEET_REASONS] = {NULL};
    size_t count = ph_fleet_stats_reasons(total, sorted);
    if (count > 0) {
        (void)fprintf(out, "refused or lost, by reason\n");
    }
    for (size_t i = 0; i < count; i++) {
        char escaped[ESCAPED_BYTES];
        ph_text_escape(escaped, sizeof escaped, sorted[i]->text);
        (void)fprintf(out, "%11s  %s\n", ph_show_count(sorted[i]->count).text, escaped);
    }
}

/* Those whose index leaves the worker's when divided by the number of workers (worker.h). */
static int64_t devices_of(const struct ph_fleet_report *report, size_t worker)
{
    int64_t workers = (int64_t)report->worker_count;
    int64_t devices = report->scenario->devices;
    return devices / workers + ((int64_t)worker < devices % workers ? 1 : 0);
}

static void say_process(FILE *out, const struct ph_fleet_report *report, size_t i)
{
    const struct ph_fleet_usage *usage = &report->usage[i];
    char name[4 * sizeof usage->name];
    ph_text_escape(name, sizeof name, usage->name);
    double share = report->elapsed_ms > 0 ? usage->cpu_s * 1000 / (double)report->elapsed_ms : 0;
    (void)fprintf(out, "  %-11s%9.1f s%11s%11s", name, usage->cpu_s, ph_show_percent(share).text,
        ph_show_bytes(usage->rss_max_bytes).text);
    int64_t devices = i < report->worker_count ? devices_of(report, i) : 0;
    if (devices > 0) {
        (void)fprintf(out, "%11s", ph_show_bytes(usage->rss_max_bytes / devices).text);
    }
    if (usage->restarts > 0) {
        (void)fprintf(out, "  started again: %s", ph_show_count(usage->restarts).text);
    }
    (void)fprintf(out, "%s\n", usage->pid == 0 && i >= report->worker_count ? "  gone" : "");
}

static void say_processes(FILE *out, const struct ph_fleet_report *report)
{
    if (report->usage_count > 0) {
        (void)fprintf(out, "%-13s%11s%11s%11s%11s\n", "process", "CPU time", "CPU", "max memory",
            "per device");
    }
    for (size_t i = 0; i < report->usage_count; i++) {
        say_process(out, report, i);
    }
}

static enum ph_err summary_end(
    void *context, const struct ph_fleet_report *report, struct ph_error *error)
{
    FILE *out = context;
    char verdict[PH_SHOW_VERDICT_BYTES];
    ph_show_verdict(verdict, report);
    say_what(out, report);
    say_acts(out, report->scenario);
    say_connects(out, report);
    say_readings(out, report);
    say_rest(out, &report->total);
    say_latency(out, report);
    say_reasons(out, &report->total);
    say_processes(out, report);
    (void)fprintf(out, "fleet: %s\n", verdict);
    (void)fflush(out);
    return ferror(out) == 0
               ? PH_OK
               : ph_error_set(error, PH_ERR_IO,
                     "summary: cannot be written; look at where it goes (a full disk?)");
}

void ph_fleet_summary_new(FILE *out, struct ph_fleet_output *output)
{
    *output = (struct ph_fleet_output){.end = summary_end, .context = out};
}
