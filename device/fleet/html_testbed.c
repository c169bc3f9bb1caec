#include "device/fleet/html_testbed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

/* The state of the run that is made up. */
struct made_up {
    uint64_t noise;
    double connected;
    double pending;
    int64_t counts[PH_FLEET_COUNTS];
};

/* From 0 to 1. */
static double noise(struct made_up *run)
{
    run->noise = run->noise * 6364136223846793005U + 1442695040888963407U;
    return (double)(run->noise >> 40) / (double)(1 << 24);
}

static bool during(const struct ph_act *act, int64_t at_s)
{
    return at_s >= act->at_s && at_s < act->at_s + act->for_s;
}

static void connect_some(struct made_up *run, const struct testbed *bed, int64_t at_s)
{
    double devices = (double)bed->scenario.devices;
    double away = during(&bed->acts[1], at_s) ? devices * bed->acts[1].share : 0;
    if (at_s == bed->acts[0].at_s || at_s == bed->acts[1].at_s) {
        double lost = at_s == bed->acts[0].at_s ? devices : away;
        run->counts[PH_FLEET_LOSSES] += (int64_t)lost;
        run->connected -= lost;
    }
    double missing = devices - away - run->connected;
    double made = fmin(missing, (double)bed->scenario.connects_per_s * (0.9 + 0.2 * noise(run)));
    run->connected += fmax(0, floor(made));
    run->counts[PH_FLEET_CONNECTS] += (int64_t)fmax(0, floor(made));
}

static void capture_some(struct made_up *run, const struct testbed *bed)
{
    double captured = floor((double)bed->scenario.devices * 1e3 /
                            (double)bed->scenario.interval_ms * (0.9 + 0.2 * noise(run)));
    double share = run->connected / (double)bed->scenario.devices;
    double acknowledged = floor(fmin(run->pending + captured, captured * share * 2));
    run->pending += captured - acknowledged;
    run->counts[PH_FLEET_CAPTURED] += (int64_t)captured;
    run->counts[PH_FLEET_ACKNOWLEDGED] += (int64_t)acknowledged;
}

static void time_some(struct made_up *run, struct testbed *bed, struct ph_fleet_sample *sample)
{
    for (int i = 0; i < PH_FLEET_TIMES; i++) {
        enum ph_fleet_count count =
            i == PH_FLEET_ACK_US ? PH_FLEET_ACKNOWLEDGED : PH_FLEET_CONNECTS;
        double load = 1 + 40 * run->pending / (double)bed->scenario.devices;
        int64_t times = run->counts[count] - (sample->at_ms > 1000 ? sample[-1].counts[count] : 0);
        sample->times[i].count = times;
        if (times > 0) {
            int64_t p50 = (int64_t)(2500 * load * (0.9 + 0.3 * noise(run)) * (i + 1));
            sample->times[i].p50_us = p50;
            sample->times[i].p99_us = p50 * 4 + (int64_t)(5000 * noise(run));
            sample->times[i].max_us = p50 * 9 + (int64_t)(90000 * noise(run) * noise(run));
            ph_histogram_record(&bed->report.total.times[i], p50, times - times / 50);
            ph_histogram_record(&bed->report.total.times[i], p50 * 4, times / 50);
            ph_histogram_record(&bed->report.total.times[i], sample->times[i].max_us, 1);
        }
    }
}

static void make_up(struct testbed *bed, int64_t seconds)
{
    struct made_up run = {.noise = 7};
    struct ph_fleet_report *report = &bed->report;
    for (int64_t s = 1; s <= seconds; s++) {
        struct ph_fleet_sample *sample = &report->samples[s - 1];
        connect_some(&run, bed, s);
        capture_some(&run, bed);
        run.counts[PH_FLEET_REFUSALS] += during(&bed->acts[2], s) ? 3 : 0;
        sample->at_ms = s * 1000;
        memcpy(sample->counts, run.counts, sizeof run.counts);
        sample->gauges[PH_FLEET_STARTED] = bed->scenario.devices;
        sample->gauges[PH_FLEET_CONNECTED] = (int64_t)run.connected;
        sample->gauges[PH_FLEET_PENDING] = (int64_t)run.pending;
        sample->gauges[PH_FLEET_SUSPENDED] =
            during(&bed->acts[1], s) ? (int64_t)((double)bed->scenario.devices * 0.5) : 0;
        time_some(&run, bed, sample);
    }
    for (int i = 0; i < PH_FLEET_COUNTS; i++) {
        ph_fleet_stats_add(&report->total, (enum ph_fleet_count)i, run.counts[i]);
    }
}

static void add_note(struct ph_fleet_report *report, int64_t at_ms, const char *text)
{
    struct ph_fleet_note *note = &report->notes[report->note_count++];
    note->at_ms = at_ms;
    (void)snprintf(note->text, sizeof note->text, "%s", text);
}

static void add_usage(struct ph_fleet_report *report, const char *name, double cpu_s)
{
    struct ph_fleet_usage *usage = &report->usage[report->usage_count++];
    *usage = (struct ph_fleet_usage){.cpu_s = cpu_s,
        .rss_bytes = 123456789,
        .rss_max_bytes = 234567890,
        .restarts = (int64_t)report->usage_count - 1};
    (void)snprintf(usage->name, sizeof usage->name, "%s", name);
}

static void set_scenario(struct testbed *bed, int64_t devices, int64_t seconds)
{
    static char tenant[] = "acme";
    static char kind[] = "thermostat";
    static char prefix[] = "t-";
    static char start[] = "2026-01-15T06:00:00.000Z";
    bed->acts[0] = (struct ph_act){.kind = PH_ACT_STORM, .at_s = seconds * 3 / 10, .share = 1};
    bed->acts[1] = (struct ph_act){
        .kind = PH_ACT_OUTAGE, .at_s = seconds / 2, .for_s = seconds / 10, .share = 0.5};
    bed->acts[2] = (struct ph_act){.kind = PH_ACT_MAD,
        .at_s = seconds * 7 / 10,
        .for_s = seconds / 20,
        .devices = 3,
        .how = PH_MAD_FLOOD};
    bed->acts[3] = (struct ph_act){.kind = PH_ACT_THIEF, .at_s = seconds * 8 / 10, .devices = 1};
    bed->scenario = (struct ph_scenario){.devices = devices,
        .seed = 7,
        .interval_ms = 10000,
        .duration_s = seconds,
        .connects_per_s = 200,
        .tenant = tenant,
        .kind = kind,
        .prefix = prefix,
        .houses = {.outdoor_c = 6, .start = start, .start_ms = 1768456800000, .speed = 60},
        .acts = bed->acts,
        .act_count = 4};
}

void testbed_init(struct testbed *bed, int64_t devices, int64_t seconds)
{
    *bed = (struct testbed){.folder = "/tmp/ph-html-XXXXXX"};
    assert_non_null(mkdtemp(bed->folder));
    (void)snprintf(bed->path, sizeof bed->path, "%s/report.html", bed->folder);
    set_scenario(bed, devices, seconds);
    struct ph_fleet_report *report = &bed->report;
    *report = (struct ph_fleet_report){.scenario = &bed->scenario,
        .broker = "localhost:8883",
        .began = "2026-11-23T14:00:00.000Z",
        .machine = "2 cores, a processor, a system",
        .elapsed_ms = seconds * 1000 + 500,
        .connected_all_ms = 52340,
        .samples = calloc((size_t)seconds, sizeof *report->samples),
        .sample_count = (size_t)seconds,
        .usage = calloc(3, sizeof *report->usage),
        .worker_count = 2,
        .notes = calloc(1000, sizeof *report->notes),
        .ended = true};
    assert_true(report->samples != NULL && report->usage != NULL && report->notes != NULL);
    make_up(bed, seconds);
    add_usage(report, "worker 1", 12.34);
    add_usage(report, "worker 2", 23.45);
    add_usage(report, "broker", 345.6);
    add_note(report, bed->acts[0].at_s * 1000, "storm: all devices lose the broker");
    add_note(report, bed->acts[1].at_s * 1000, "outage: half of the devices are off the network");
    add_note(report, seconds * 620, "worker 2 ended by signal 9, started again");
}

void testbed_fini(struct testbed *bed)
{
    free(bed->report.samples);
    free(bed->report.usage);
    free(bed->report.notes);
    (void)unlink(bed->path);
    assert_int_equal(rmdir(bed->folder), 0);
}

void testbed_reason(struct testbed *bed, const char *text, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        ph_fleet_stats_reason(&bed->report.total, text);
    }
}

char *testbed_page(struct testbed *bed)
{
    struct ph_fleet_output output = {0};
    struct ph_error error = {0};
    struct ph_buf buf;
    ph_buf_init(&buf, 16 << 20);
    ph_fleet_html_new(bed->path, &output);
    assert_null(output.sample);
    if (output.end(output.context, &bed->report, &error) != PH_OK ||
        ph_file_load(bed->path, &buf, &error) != PH_OK) {
        fail_msg("%s", error.message);
    }
    char *page = strdup(buf.data);
    assert_non_null(page);
    assert_int_equal(strlen(page), buf.len);
    ph_buf_fini(&buf);
    return page;
}

enum { NAME_BYTES = 24, DEPTH = 32 };

struct walk {
    char open[DEPTH][NAME_BYTES];
    size_t depth;
};

static const char *close_element(struct walk *walk, const char *name)
{
    if (walk->depth == 0 || strcmp(walk->open[walk->depth - 1], name) != 0) {
        return "an element is closed that is not the last one opened";
    }
    walk->depth--;
    return NULL;
}

/* One tag, after its "<"; *end is set behind its ">". */
static const char *take_tag(struct walk *walk, const char *p, const char **end)
{
    char name[NAME_BYTES] = "";
    bool closing = *p == '/';
    p += closing ? 1 : 0;
    size_t len = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789");
    if (len == 0 || len >= sizeof name) {
        return "a loose <";
    }
    memcpy(name, p, len);
    for (p += len; *p != '>'; p++) {
        if (*p == '"') {
            p += 1 + strcspn(p + 1, "\"");
        }
        if (*p == '\0' || *p == '<') {
            return "a tag does not end";
        }
    }
    *end = p + 1;
    if (closing) {
        return close_element(walk, name);
    }
    if (p[-1] == '/' || strcmp(name, "meta") == 0) {
        return NULL;
    }
    if (walk->depth == DEPTH) {
        return "too deep";
    }
    memcpy(walk->open[walk->depth++], name, sizeof name);
    return NULL;
}

static bool is_reference(const char *p)
{
    size_t len = strspn(p + 1, "abcdefghijklmnopqrstuvwxyz#0123456789");
    return len > 1 && p[1 + len] == ';';
}

const char *markup_fault(const char *page)
{
    static const char doctype[] = "<!DOCTYPE html>\n";
    struct walk walk = {.depth = 0};
    const char *fault = NULL;
    const char *p = page;
    p += strncmp(p, doctype, strlen(doctype)) == 0 ? strlen(doctype) : 0;
    while (*p != '\0' && fault == NULL) {
        if (*p == '<') {
            fault = take_tag(&walk, p + 1, &p);
            continue;
        }
        if ((unsigned char)*p < ' ' && *p != '\n') {
            fault = "a control byte";
        } else if (*p == '>' && strcmp(walk.open[walk.depth - 1], "style") != 0) {
            fault = "a loose >";
        } else if (*p == '&' && !is_reference(p)) {
            fault = "a loose &";
        }
        p++;
    }
    return fault != NULL ? fault : walk.depth > 0 ? "an element is not closed" : NULL;
}
