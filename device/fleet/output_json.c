#include <stdio.h>
#include <string.h>

#include "base/version.h"
#include "device/fleet/json_writer.h"
#include "device/fleet/report.h"

enum {
    FORMAT = 1,                      /* grows when a member changes its meaning or goes away */
    REPORT_BYTES = 64 * 1024 * 1024, /* many times what all samples, steps and notes take */
};

/* Each member of the outermost object has a line of its own, as has each row in a long array. */
static void begin_section(struct ph_json_writer *json, const char *name, const char *bracket)
{
    ph_json_put_line(json);
    ph_json_put_name(json, name);
    ph_json_put_open(json, bracket);
}

static void begin_row(struct ph_json_writer *json, const char *bracket)
{
    ph_json_put_line(json);
    ph_json_put_open(json, bracket);
}

static void add_run(struct ph_json_writer *json, const struct ph_fleet_report *report)
{
    ph_json_put_line(json);
    ph_json_add_integer(json, "format", FORMAT);
    ph_json_add_text(json, "program", "ph-fleet");
    ph_json_add_text(json, "version", PH_VERSION);
    ph_json_put_line(json);
    ph_json_add_text(json, "began", report->began);
    ph_json_add_text(json, "machine", report->machine);
    ph_json_add_text(json, "broker", report->broker);
    ph_json_put_line(json);
    ph_json_add_text(json, "verdict", report->verdict == PH_FLEET_GOOD ? "good" : "lacking");
    ph_json_add_text(json, "lacks", report->lacks);
    ph_json_put_line(json);
    ph_json_add_integer(json, "elapsed_ms", report->elapsed_ms);
    if (report->connected_all_ms < 0) {
        ph_json_put_name(json, "connected_all_ms");
        ph_json_put_null(json);
    } else {
        ph_json_add_integer(json, "connected_all_ms", report->connected_all_ms);
    }
    ph_json_add_integer(json, "connected_most", report->connected_most);
    ph_json_add_integer(json, "workers", (int64_t)report->worker_count);
}

/* ---- the scenario, with its keys ---- */

static void add_how(struct ph_json_writer *json, unsigned how)
{
    static const struct {
        unsigned bit;
        const char *name;
    } ways[] = {{PH_MAD_FLOOD, "flood"}, {PH_MAD_GARBAGE, "garbage"}, {PH_MAD_FOREIGN, "foreign"}};
    ph_json_put_name(json, "how");
    ph_json_put_open(json, "[");
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if ((how & ways[i].bit) != 0) {
            ph_json_put_text(json, ways[i].name);
        }
    }
    ph_json_put_close(json, "]");
}

static void add_acts(struct ph_json_writer *json, const struct ph_scenario *scenario)
{
    ph_json_put_name(json, "acts");
    ph_json_put_open(json, "[");
    for (size_t i = 0; i < scenario->act_count; i++) {
        const struct ph_act *act = &scenario->acts[i];
        begin_row(json, "{");
        ph_json_add_integer(json, "at_s", act->at_s);
        ph_json_add_integer(json, "for_s", act->for_s);
        ph_json_add_text(json, "do", ph_act_name(act->kind));
        ph_json_add_number(json, "share", act->share);
        ph_json_add_integer(json, "devices", act->devices);
        add_how(json, act->how);
        ph_json_add_integer(json, "messages_per_s", act->messages_per_s);
        ph_json_put_close(json, "}");
    }
    ph_json_put_close(json, "]");
}

static void add_scenario(struct ph_json_writer *json, const struct ph_scenario *scenario)
{
    begin_section(json, "scenario", "{");
    ph_json_add_integer(json, "devices", scenario->devices);
    ph_json_add_integer(json, "seed", scenario->seed);
    ph_json_add_integer(json, "interval_ms", scenario->interval_ms);
    ph_json_add_integer(json, "duration_s", scenario->duration_s);
    ph_json_add_integer(json, "connects_per_s", scenario->connects_per_s);
    ph_json_add_text(json, "tenant", scenario->tenant);
    ph_json_add_text(json, "kind", scenario->kind);
    ph_json_add_text(json, "prefix", scenario->prefix);
    ph_json_put_name(json, "day");
    ph_json_put_open(json, "{");
    ph_json_add_number(json, "hours", scenario->day.hours);
    ph_json_add_number(json, "swing", scenario->day.swing);
    ph_json_put_close(json, "}");
    ph_json_put_name(json, "houses");
    ph_json_put_open(json, "{");
    ph_json_add_number(json, "outdoor_c", scenario->houses.outdoor_c);
    ph_json_add_text(json, "start", scenario->houses.start);
    ph_json_add_number(json, "speed", scenario->houses.speed);
    ph_json_put_close(json, "}");
    ph_json_put_name(json, "certificates");
    ph_json_put_open(json, "{");
    ph_json_add_integer(json, "days", scenario->certificates.days);
    ph_json_add_integer(json, "minutes", scenario->certificates.minutes);
    ph_json_put_close(json, "}");
    add_acts(json, scenario);
    ph_json_put_close(json, "}");
}

/* ---- what came of it ---- */

static void add_totals(struct ph_json_writer *json, const struct ph_fleet_stats *total)
{
    begin_section(json, "totals", "{");
    for (int i = 0; i < PH_FLEET_COUNTS; i++) {
        ph_json_add_integer(json, ph_fleet_count_name((enum ph_fleet_count)i), total->counts[i]);
    }
    ph_json_add_integer(json, "drained", total->drained);
    ph_json_put_close(json, "}");
    begin_section(json, "gauges", "{");
    for (int i = 0; i < PH_FLEET_GAUGES; i++) {
        ph_json_add_integer(json, ph_fleet_gauge_name((enum ph_fleet_gauge)i), total->gauges[i]);
    }
    ph_json_put_close(json, "}");
    begin_section(json, "times", "{");
    for (int i = 0; i < PH_FLEET_TIMES; i++) {
        ph_json_put_line(json);
        ph_json_add_times(json, ph_fleet_time_name((enum ph_fleet_time)i), &total->times[i]);
    }
    ph_json_put_close(json, "}");
}

static void add_reasons(struct ph_json_writer *json, const struct ph_fleet_stats *total)
{
    const struct ph_fleet_reason *sorted[PH_FLEET_REASONS] = {NULL};
    size_t found = ph_fleet_stats_reasons(total, sorted);
    begin_section(json, "reasons", "[");
    for (size_t i = 0; i < found; i++) {
        begin_row(json, "{");
        ph_json_add_text(json, "text", sorted[i]->text);
        ph_json_add_integer(json, "count", sorted[i]->count);
        ph_json_put_close(json, "}");
    }
    ph_json_put_close(json, "]");
}

static void add_usage(struct ph_json_writer *json, const struct ph_fleet_report *report)
{
    begin_section(json, "usage", "[");
    for (size_t i = 0; i < report->usage_count; i++) {
        const struct ph_fleet_usage *usage = &report->usage[i];
        begin_row(json, "{");
        ph_json_add_text(json, "name", usage->name);
        ph_json_add_integer(json, "pid", usage->pid);
        ph_json_add_number(json, "cpu_s", usage->cpu_s);
        ph_json_add_integer(json, "rss_bytes", usage->rss_bytes);
        ph_json_add_integer(json, "rss_max_bytes", usage->rss_max_bytes);
        ph_json_add_integer(json, "restarts", usage->restarts);
        ph_json_put_close(json, "}");
    }
    ph_json_put_close(json, "]");
}

static void add_notes(struct ph_json_writer *json, const struct ph_fleet_report *report)
{
    begin_section(json, "notes", "[");
    for (size_t i = 0; i < report->note_count; i++) {
        begin_row(json, "{");
        ph_json_add_integer(json, "at_ms", report->notes[i].at_ms);
        ph_json_add_text(json, "text", report->notes[i].text);
        ph_json_put_close(json, "}");
    }
    ph_json_put_close(json, "]");
    ph_json_add_integer(json, "notes_left_out", report->notes_left_out);
}

/* ---- samples: names once, then a row of numbers for each ---- */

static void add_columns(struct ph_json_writer *json)
{
    static const char *const of_time[] = {"count", "p50_us", "p99_us", "max_us"};
    ph_json_put_name(json, "columns");
    ph_json_put_open(json, "[");
    ph_json_put_text(json, "at_ms");
    for (int i = 0; i < PH_FLEET_COUNTS; i++) {
        ph_json_put_text(json, ph_fleet_count_name((enum ph_fleet_count)i));
    }
    for (int i = 0; i < PH_FLEET_GAUGES; i++) {
        ph_json_put_text(json, ph_fleet_gauge_name((enum ph_fleet_gauge)i));
    }
    for (int i = 0; i < PH_FLEET_TIMES; i++) {
        for (size_t j = 0; j < sizeof of_time / sizeof of_time[0]; j++) {
            char column[48];
            (void)snprintf(column, sizeof column, "%s_%s",
                ph_fleet_time_name((enum ph_fleet_time)i), of_time[j]);
            ph_json_put_text(json, column);
        }
    }
    ph_json_put_close(json, "]");
}

static void add_row(struct ph_json_writer *json, const struct ph_fleet_sample *sample)
{
    begin_row(json, "[");
    ph_json_put_integer(json, sample->at_ms);
    for (size_t i = 0; i < PH_FLEET_COUNTS; i++) {
        ph_json_put_integer(json, sample->counts[i]);
    }
    for (size_t i = 0; i < PH_FLEET_GAUGES; i++) {
        ph_json_put_integer(json, sample->gauges[i]);
    }
    for (size_t i = 0; i < PH_FLEET_TIMES; i++) {
        ph_json_put_integer(json, sample->times[i].count);
        ph_json_put_integer(json, sample->times[i].p50_us);
        ph_json_put_integer(json, sample->times[i].p99_us);
        ph_json_put_integer(json, sample->times[i].max_us);
    }
    ph_json_put_close(json, "]");
}

static void add_samples(struct ph_json_writer *json, const struct ph_fleet_report *report)
{
    begin_section(json, "samples", "{");
    add_columns(json);
    ph_json_put_name(json, "rows");
    ph_json_put_open(json, "[");
    for (size_t i = 0; i < report->sample_count; i++) {
        add_row(json, &report->samples[i]);
    }
    ph_json_put_close(json, "]");
    ph_json_put_close(json, "}");
}

static enum ph_err write_report(
    void *context, const struct ph_fleet_report *report, struct ph_error *error)
{
    struct ph_json_writer json;
    ph_json_writer_init(&json, REPORT_BYTES);
    ph_json_put_open(&json, "{");
    add_run(&json, report);
    add_scenario(&json, report->scenario);
    add_totals(&json, &report->total);
    add_reasons(&json, &report->total);
    add_usage(&json, report);
    add_notes(&json, report);
    add_samples(&json, report);
    ph_json_put_close(&json, "}");
    enum ph_err err = ph_json_writer_store(&json, context, error);
    ph_json_writer_fini(&json);
    return err;
}

void ph_fleet_json_new(const char *path, struct ph_fleet_output *output)
{
    *output = (struct ph_fleet_output){.end = write_report};
    memcpy(&output->context, &path, sizeof path); /* nobody writes to it */
}
