#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "device/fleet/output_text.h"
#include "device/fleet/report.h"

enum { EACH_MS = 5000, SLACK_MS = 500, NOTE_BYTES = 4 * sizeof(((struct ph_fleet_note *)0)->text) };

struct lines {
    FILE *out;
    int64_t said_ms;          /* when the last line was for */
    struct ph_histogram said; /* the times up to then */
    size_t note_count;
};

static void say_state(struct lines *lines, const struct ph_fleet_report *report)
{
    const struct ph_fleet_stats *total = &report->total;
    struct ph_histogram since = total->times[PH_FLEET_ACK_US];
    ph_histogram_subtract(&since, &lines->said);
    (void)fprintf(lines->out,
        "fleet: %s s: %s of %s connected, %s readings, %s acknowledged, %s pending, %s lost, "
        "p50 %s, p99 %s, %s refused, %s cut off\n",
        ph_show_count((report->elapsed_ms + 500) / 1000).text,
        ph_show_count(total->gauges[PH_FLEET_CONNECTED]).text,
        ph_show_count(report->scenario->devices).text,
        ph_show_count(total->counts[PH_FLEET_CAPTURED]).text,
        ph_show_count(total->counts[PH_FLEET_ACKNOWLEDGED]).text,
        ph_show_count(total->gauges[PH_FLEET_PENDING]).text,
        ph_show_count(ph_show_lost(report)).text,
        ph_show_us(ph_histogram_quantile(&since, 0.5)).text,
        ph_show_us(ph_histogram_quantile(&since, 0.99)).text,
        ph_show_count(total->counts[PH_FLEET_REFUSALS]).text,
        ph_show_count(total->counts[PH_FLEET_LOSSES]).text);
    (void)fflush(lines->out);
    lines->said = total->times[PH_FLEET_ACK_US];
    lines->said_ms = report->elapsed_ms;
}

/* A sample comes some milliseconds early or late: the slack keeps the lines five seconds apart. */
static void lines_sample(void *context, const struct ph_fleet_report *report)
{
    struct lines *lines = context;
    if ((report->elapsed_ms + SLACK_MS) / EACH_MS > (lines->said_ms + SLACK_MS) / EACH_MS) {
        say_state(lines, report);
    }
}

static void lines_note(void *context, const struct ph_fleet_report *report)
{
    struct lines *lines = context;
    for (; lines->note_count < report->note_count; lines->note_count++) {
        const struct ph_fleet_note *note = &report->notes[lines->note_count];
        char escaped[NOTE_BYTES];
        ph_text_escape(escaped, sizeof escaped, note->text);
        (void)fprintf(lines->out, "fleet: %s s: %s\n",
            ph_show_count((note->at_ms + 500) / 1000).text, escaped);
    }
    (void)fflush(lines->out);
}

static enum ph_err lines_end(
    void *context, const struct ph_fleet_report *report, struct ph_error *error)
{
    struct lines *lines = context;
    lines_note(lines, report);
    if (report->notes_left_out > 0) {
        (void)fprintf(lines->out, "fleet: %s s: %s more notes are left out\n",
            ph_show_count((report->elapsed_ms + 500) / 1000).text,
            ph_show_count(report->notes_left_out).text);
    }
    if (report->elapsed_ms > lines->said_ms) {
        say_state(lines, report);
    }
    return ferror(lines->out) == 0
               ? PH_OK
               : ph_error_set(error, PH_ERR_IO,
                     "progress lines: cannot be written; look at where they go (a full disk?)");
}

void ph_fleet_lines_new(FILE *out, struct ph_fleet_output *output)
{
    *output = (struct ph_fleet_output){.context = NULL};
    struct lines *lines = calloc(1, sizeof *lines);
    if (lines == NULL) {
        ph_log(PH_LOG_WARNING, "no memory for progress lines", PH_STR("shown", "the summary"));
        return;
    }
    lines->out = out;
    *output = (struct ph_fleet_output){
        .sample = lines_sample,
        .note = lines_note,
        .end = lines_end,
        .free = free,
        .context = lines,
    };
}
