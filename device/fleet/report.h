/* What is known of a run, second by second and in the end, and who is told: the terminal, lines,
 * JSON, HTML. The supervisor fills it. */
#ifndef PH_FLEET_REPORT_H
#define PH_FLEET_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/error.h"
#include "device/fleet/scenario.h"
#include "device/fleet/stats.h"

/* One second. Counters are those since the start; times of this second alone, in microseconds, 0
 * when nothing was measured in it. Of a long run the older samples are put together, so that each
 * then stands for several seconds: those since the one before. */
struct ph_fleet_sample {
    int64_t at_ms; /* since the start of the run */
    int64_t counts[PH_FLEET_COUNTS];
    int64_t gauges[PH_FLEET_GAUGES];
    struct {
        int64_t count;
        int64_t p50_us;
        int64_t p99_us;
        int64_t max_us;
    } times[PH_FLEET_TIMES];
};

/* What a process used: a worker, or one that was to be watched (--watch). */
struct ph_fleet_usage {
    char name[32];         /* "worker 1", "broker" */
    pid_t pid;             /* 0: it is gone */
    double cpu_s;          /* since the run began, user and system */
    int64_t rss_bytes;     /* now, */
    int64_t rss_max_bytes; /* and the most that was seen */
    int64_t restarts;      /* how often another one took its place */
    const char *pid_file;  /* names the process to watch now; NULL: none does; borrowed */
};

/* Something that happened: a worker ended, an act began, a signal. One line without control bytes.
 */
struct ph_fleet_note {
    int64_t at_ms;
    char text[160];
};

enum {
    PH_FLEET_SAMPLES = 7200, /* kept at most, 250 bytes each: two hours second by second */
    PH_FLEET_NOTES = 1000,
};

enum ph_fleet_verdict {
    PH_FLEET_GOOD,    /* everything acknowledged, everybody was connected, nothing failed */
    PH_FLEET_LACKING, /* or not; `lacks` says what */
};

struct ph_fleet_former; /* report.c's own: the times up to the last sample */

struct ph_fleet_report {
    const struct ph_scenario *scenario; /* borrowed */
    const char *broker;                 /* "localhost:8883" */
    char began[32];                     /* RFC 3339 */
    char machine[256];        /* "2 cores, AMD EPYC, Debian GNU/Linux 12 (bookworm), Linux 6.1.0" */
    int64_t elapsed_ms;       /* up to the last sample, and in the end of the whole run */
    int64_t connected_all_ms; /* since the start: when the last was connected for the first time;
                                 -1: some never were */
    int64_t connected_most;   /* devices at once, of all samples */
    struct ph_fleet_stats total;     /* of all workers, as of the last sample */
    struct ph_fleet_sample *samples; /* owned; one a second, the oldest first */
    size_t sample_count;
    struct ph_fleet_usage *usage; /* workers first, then what is watched; owned */
    size_t usage_count;
    size_t worker_count;
    struct ph_fleet_note *notes; /* owned; at most PH_FLEET_NOTES, later ones are counted only */
    size_t note_count;
    int64_t notes_left_out;
    bool ended; /* the run is over: what stands here is final */
    enum ph_fleet_verdict verdict;
    char lacks[512]; /* "3 readings not acknowledged; 2 of 200 devices failed for good"; or "" */
    struct ph_fleet_former *former; /* owned */
};

/* An empty report that begins now, on this machine; what was in *report is lost. `scenario` and
 * `broker` are borrowed. PH_ERR_MEMORY. */
enum ph_err ph_fleet_report_init(struct ph_fleet_report *report, const struct ph_scenario *scenario,
    const char *broker, struct ph_error *error) PH_NODISCARD;
void ph_fleet_report_fini(struct ph_fleet_report *report);

/* Appends the sample of this second from report->total, as it stands, and the times since the
 * sample before. PH_ERR_MEMORY: this one is left out, its times go into the next. */
enum ph_err ph_fleet_report_sample(
    struct ph_fleet_report *report, int64_t at_ms, struct ph_error *error) PH_NODISCARD;

/* Adds a note; text that is too long is cut. */
void ph_fleet_report_note(struct ph_fleet_report *report, int64_t at_ms, const char *format, ...)
    PH_PRINTF(3, 4);

/* Decides `verdict` and `lacks` from the rest (docs/spec/fleet.md, STAT): what lacks in order of
 * weight, with numbers. May be called at any time, and again. */
void ph_fleet_report_judge(struct ph_fleet_report *report);

/* One way to show it; each is a table of these. `context` is the output's own; each may be NULL. */
struct ph_fleet_output {
    void (*sample)(void *context, const struct ph_fleet_report *report); /* each second */
    void (*note)(void *context, const struct ph_fleet_report *report);   /* after one was added */
    enum ph_err (*end)(void *context, const struct ph_fleet_report *report, struct ph_error *error);
    void (*free)(void *context);
    void *context;
};

/* A live view that redraws itself: for a terminal. Restores the terminal at the end, also when the
 * output is freed early. */
enum ph_err ph_fleet_view_new(
    FILE *out, struct ph_fleet_output *output, struct ph_error *error) PH_NODISCARD;
/* A line every five seconds and each note: for a file or a pipe. */
void ph_fleet_lines_new(FILE *out, struct ph_fleet_output *output);
/* What is said at the end, whatever was shown before. */
void ph_fleet_summary_new(FILE *out, struct ph_fleet_output *output);
/* Written whole at the end (ph_file_replace()); "-" is standard output for JSON. `path` is
 * borrowed. The members of the JSON report: docs/spec/fleet.md, STAT. */
void ph_fleet_json_new(const char *path, struct ph_fleet_output *output);
void ph_fleet_html_new(const char *path, struct ph_fleet_output *output);

#endif
