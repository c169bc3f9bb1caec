#include "device/fleet/report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

_Static_assert(sizeof((struct ph_fleet_report *)NULL)->began >= PH_UTC_BYTES, "began is too small");

struct ph_fleet_former {
    struct ph_histogram times[PH_FLEET_TIMES];
    struct ph_histogram interval; /* large for a stack */
    size_t room;                  /* samples that memory is there for */
};

/* ---- the machine ---- */

/* The value of the first line "KEY : value" or KEY="value" of a file; else `out` stays. */
static bool find_value(const char *path, const char *key, char *out, size_t size)
{
    static const char around[] = " \t\n\"'";
    char line[512];
    bool found = false;
    FILE *file = fopen(path, "re");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        size_t sign = strcspn(line, ":=");
        if (strncmp(line, key, strlen(key)) == 0 && line[sign] != '\0') {
            const char *value = &line[sign + 1];
            value += strspn(value, around);
            size_t len = strlen(value);
            while (len > 0 && strchr(around, value[len - 1]) != NULL) {
                len--;
            }
            found = len > 0;
            if (found) {
                ph_text_escape_bytes(out, size, value, len);
            }
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}

/* What a reader needs to judge the figures, and nothing that says whose machine it is. */
static void describe_machine(char *out, size_t size)
{
    struct utsname kernel = {0};
    char processor[96];
    char system[64] = "unknown system";
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    (void)uname(&kernel);
    ph_text_escape(processor, sizeof processor, kernel.machine);
    (void)find_value("/proc/cpuinfo", "model name", processor, sizeof processor);
    (void)find_value("/etc/os-release", "PRETTY_NAME", system, sizeof system);
    (void)snprintf(out, size, "%ld %s, %s, %s, %.16s %.40s", cores, cores == 1 ? "core" : "cores",
        processor, system, kernel.sysname, kernel.release);
}

/* ---- life ---- */

enum ph_err ph_fleet_report_init(struct ph_fleet_report *report, const struct ph_scenario *scenario,
    const char *broker, struct ph_error *error)
{
    memset(report, 0, sizeof *report);
    report->scenario = scenario;
    report->broker = broker;
    report->connected_all_ms = -1;
    ph_utc_print(report->began, ph_clock_unix_ms());
    describe_machine(report->machine, sizeof report->machine);
    report->former = calloc(1, sizeof *report->former);
    return report->former != NULL ? PH_OK
                                  : ph_error_set(error, PH_ERR_MEMORY, "report: out of memory");
}

void ph_fleet_report_fini(struct ph_fleet_report *report)
{
    free(report->samples);
    free(report->usage);
    free(report->notes);
    free(report->former);
    memset(report, 0, sizeof *report);
}

/* ---- samples ---- */

/* Two samples that follow on each other as one. Between two quantiles nothing but their larger is
 * certain not to be too good. */
static struct ph_fleet_sample together(
    const struct ph_fleet_sample *former, const struct ph_fleet_sample *later)
{
    struct ph_fleet_sample both = *later;
    for (size_t i = 0; i < PH_FLEET_TIMES; i++) {
        both.times[i].count += former->times[i].count;
        if (both.times[i].p50_us < former->times[i].p50_us) {
            both.times[i].p50_us = former->times[i].p50_us;
        }
        if (both.times[i].p99_us < former->times[i].p99_us) {
            both.times[i].p99_us = former->times[i].p99_us;
        }
        if (both.times[i].max_us < former->times[i].max_us) {
            both.times[i].max_us = former->times[i].max_us;
        }
    }
    return both;
}

/* Halves the older half: what is recent stays as it is, and the beginning grows coarser each
 * time. */
static void thin_out(struct ph_fleet_report *report)
{
    size_t pairs = report->sample_count / 4;
    struct ph_fleet_sample *samples = report->samples;
    for (size_t i = 0; i < pairs; i++) {
        samples[i] = together(&samples[2 * i], &samples[2 * i + 1]);
    }
    memmove(&samples[pairs], &samples[2 * pairs],
        (report->sample_count - 2 * pairs) * sizeof samples[0]);
    report->sample_count -= pairs;
}

/* Where the next sample goes; NULL: no memory. */
static struct ph_fleet_sample *make_room(struct ph_fleet_report *report)
{
    enum { STEP = 600 };
    size_t room = report->former->room;
    if (report->sample_count >= PH_FLEET_SAMPLES) {
        thin_out(report);
    } else if (report->sample_count == room) {
        struct ph_fleet_sample *more =
            realloc(report->samples, (room + STEP) * sizeof *report->samples);
        if (more == NULL) {
            return NULL;
        }
        report->samples = more;
        report->former->room += STEP;
    }
    return &report->samples[report->sample_count];
}

static void sample_time(
    struct ph_fleet_report *report, struct ph_fleet_sample *sample, enum ph_fleet_time time)
{
    struct ph_histogram *interval = &report->former->interval;
    memset(interval, 0, sizeof *interval);
    ph_histogram_add(interval, &report->total.times[time]);
    ph_histogram_subtract(interval, &report->former->times[time]);
    sample->times[time].count = ph_histogram_count(interval);
    if (sample->times[time].count > 0) {
        ph_histogram_add(&report->former->times[time], interval);
        sample->times[time].p50_us = ph_histogram_quantile(interval, 0.5);
        sample->times[time].p99_us = ph_histogram_quantile(interval, 0.99);
        sample->times[time].max_us = ph_histogram_quantile(interval, 1);
    }
}

enum ph_err ph_fleet_report_sample(
    struct ph_fleet_report *report, int64_t at_ms, struct ph_error *error)
{
    report->elapsed_ms = at_ms;
    struct ph_fleet_sample *sample = make_room(report);
    if (sample == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "report: out of memory");
    }
    report->sample_count++;
    *sample = (struct ph_fleet_sample){.at_ms = at_ms};
    for (size_t i = 0; i < PH_FLEET_COUNTS; i++) {
        sample->counts[i] = report->total.counts[i];
    }
    for (size_t i = 0; i < PH_FLEET_GAUGES; i++) {
        sample->gauges[i] = report->total.gauges[i];
    }
    for (int i = 0; i < PH_FLEET_TIMES; i++) {
        sample_time(report, sample, (enum ph_fleet_time)i);
    }
    if (report->connected_most < sample->gauges[PH_FLEET_CONNECTED]) {
        report->connected_most = sample->gauges[PH_FLEET_CONNECTED];
    }
    return PH_OK;
}

/* ---- notes ---- */

void ph_fleet_report_note(struct ph_fleet_report *report, int64_t at_ms, const char *format, ...)
{
    struct ph_fleet_note *more = NULL;
    if (report->note_count < PH_FLEET_NOTES) {
        more = realloc(report->notes, (report->note_count + 1) * sizeof *report->notes);
    }
    if (more == NULL) {
        report->notes_left_out++;
        return;
    }
    report->notes = more;
    struct ph_fleet_note *note = &more[report->note_count++];
    char text[2 * sizeof note->text];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    note->at_ms = at_ms;
    ph_text_escape(note->text, sizeof note->text, text);
}
