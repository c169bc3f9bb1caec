#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "device/fleet/html_parts.h"

/* What people read for each count; the JSON report's names are another matter. */
static const char *const meanings[PH_FLEET_COUNTS] = {
    [PH_FLEET_CONNECTS] = "Connections accepted by the broker",
    [PH_FLEET_REACHED] = "Devices that were connected at least once",
    [PH_FLEET_LOSSES] = "Connections lost, and attempts failed",
    [PH_FLEET_REFUSALS] = "Connections refused or ended by a decision of the broker",
    [PH_FLEET_CAPTURED] = "Readings captured",
    [PH_FLEET_ACKNOWLEDGED] = "Readings acknowledged by ingest",
    [PH_FLEET_DROPPED] = "Readings pushed out of a full spool",
    [PH_FLEET_LOST] = "Readings that no spool could take",
    [PH_FLEET_PUBLISHED] = "Messages confirmed by the broker",
    [PH_FLEET_UNPUBLISHED] = "Messages refused by the broker",
    [PH_FLEET_RENEWALS] = "Certificates renewed",
    [PH_FLEET_FAILED] = "Devices that ended with an error",
    [PH_FLEET_MAD_TRIED] = "Mad devices: messages sent",
    [PH_FLEET_MAD_PASSED] = "Mad devices: accepted by the broker",
    [PH_FLEET_MAD_REFUSED] = "Mad devices: refused",
    [PH_FLEET_THEFT_TRIED] = "Thief: attempts",
    [PH_FLEET_THEFT_REFUSED] = "Thief: refused",
    [PH_FLEET_THEFT_OWN] = "Thief: granted, on topics of the stolen identity",
    [PH_FLEET_THEFT_FOREIGN] = "Thief: granted, on topics of others",
};

/* Opens a table in a box of its own that scrolls sideways where the page is narrow. `heads` are
 * cells of our own. */
static void begin(struct ph_html *html, const char *title, const char *heads)
{
    ph_html_format(html,
        "<section><h2>%s</h2>\n<div class=\"wide\" role=\"region\" aria-label=\"%s\" "
        "tabindex=\"0\"><table>\n<thead><tr>%s</tr></thead>\n<tbody>\n",
        title, title, heads);
}

static void end(struct ph_html *html)
{
    ph_html_raw(html, "</tbody></table></div></section>\n");
}

static void number_cell(struct ph_html *html, int64_t number)
{
    ph_html_format(html, "<td class=\"n\">%s</td>", ph_show_count(number).text);
}

static void bytes_cell(struct ph_html *html, int64_t bytes)
{
    ph_html_format(html, "<td class=\"n\">%s</td>", ph_show_bytes(bytes).text);
}

static void text_cell(struct ph_html *html, const char *text)
{
    ph_html_raw(html, "<td>");
    ph_html_text(html, text);
    ph_html_raw(html, "</td>");
}

static int64_t count_of(const struct ph_fleet_report *report, size_t count)
{
    return atomic_load_explicit(&report->total.counts[count], memory_order_relaxed);
}

/* What mad devices and thieves did stands there when there were any. */
static bool is_told(const struct ph_fleet_report *report, size_t count)
{
    return count < PH_FLEET_MAD_TRIED ||
           count_of(report,
               count < PH_FLEET_THEFT_TRIED ? PH_FLEET_MAD_TRIED : PH_FLEET_THEFT_TRIED) > 0;
}

static void counts_table(struct ph_html *html, const struct ph_fleet_report *report)
{
    begin(html, "Counts", "<th>of the whole run</th><th class=\"n\">count</th>");
    for (size_t i = 0; i < PH_FLEET_COUNTS; i++) {
        if (!is_told(report, i)) {
            continue;
        }
        bool foreign = i == PH_FLEET_THEFT_FOREIGN && count_of(report, i) > 0;
        ph_html_raw(html, foreign ? "<tr class=\"bad\">" : "<tr>");
        text_cell(html, meanings[i]);
        number_cell(html, count_of(report, i));
        ph_html_raw(html, "</tr>\n");
    }
    end(html);
}

static void reasons_table(struct ph_html *html, const struct ph_fleet_report *report)
{
    const struct ph_fleet_reason *sorted[PH_FLEET_REASONS] = {NULL};
    size_t count = ph_fleet_stats_reasons(&report->total, sorted);
    if (count == 0) {
        return;
    }
    begin(html, "Why connections or messages were refused or lost",
        "<th class=\"n\">count</th><th>reason</th>");
    for (size_t i = 0; i < count; i++) {
        ph_html_raw(html, "<tr>");
        number_cell(html, atomic_load_explicit(&sorted[i]->count, memory_order_relaxed));
        text_cell(html, sorted[i]->text);
        ph_html_raw(html, "</tr>\n");
    }
    end(html);
}

static void usage_row(
    struct ph_html *html, const struct ph_fleet_report *report, const struct ph_fleet_usage *usage)
{
    double elapsed_s = (double)report->elapsed_ms / 1e3;
    ph_html_raw(html, "<tr>");
    ph_html_raw(html, "<td class=\"k\">");
    ph_html_text(html, usage->name);
    ph_html_raw(html, "</td>");
    ph_html_format(html, "<td class=\"n\">%.1f s</td><td class=\"n\">%.0f %%</td>", usage->cpu_s,
        elapsed_s > 0 ? 100 * usage->cpu_s / elapsed_s : 0);
    bytes_cell(html, usage->rss_bytes);
    bytes_cell(html, usage->rss_max_bytes);
}

static void usage_tables(struct ph_html *html, const struct ph_fleet_report *report)
{
    if (report->usage_count == 0) {
        return;
    }
    begin(html, "Processes",
        "<th>process</th><th class=\"n\">CPU</th><th class=\"n\">of a core</th>"
        "<th class=\"n\">memory</th><th class=\"n\">at most</th>"
        "<th class=\"n\">restarts</th>");
    for (size_t i = 0; i < report->usage_count; i++) {
        usage_row(html, report, &report->usage[i]);
        if (i < report->worker_count) {
            number_cell(html, report->usage[i].restarts);
        } else {
            ph_html_raw(html, "<td class=\"n\">watched</td>");
        }
        ph_html_raw(html, "</tr>\n");
    }
    end(html);
}

void ph_html_print_act(char out[PH_ACT_TEXT_BYTES], const struct ph_act *act)
{
    char whom[48] = "";
    if (act->devices > 0) {
        (void)snprintf(whom, sizeof whom, ", %" PRId64 " device%s", act->devices,
            act->devices == 1 ? "" : "s");
    } else if (act->share > 0) {
        (void)snprintf(whom, sizeof whom, ", %g %% of the devices", 100 * act->share);
    }
    (void)snprintf(out, PH_ACT_TEXT_BYTES, "%s at %s%s%s%s", ph_act_name(act->kind),
        ph_html_length(act->at_s * 1000).text, act->for_s > 0 ? " for " : "",
        act->for_s > 0 ? ph_html_length(act->for_s * 1000).text : "", whom);
}

static void acts_table(struct ph_html *html, const struct ph_fleet_report *report)
{
    char text[PH_ACT_TEXT_BYTES];
    if (report->scenario->act_count == 0) {
        return;
    }
    begin(html, "Acts", "<th>what was to happen, by the scenario</th>");
    for (size_t i = 0; i < report->scenario->act_count; i++) {
        ph_html_print_act(text, &report->scenario->acts[i]);
        ph_html_raw(html, "<tr>");
        text_cell(html, text);
        ph_html_raw(html, "</tr>\n");
    }
    end(html);
}

static void notes_table(struct ph_html *html, const struct ph_fleet_report *report)
{
    if (report->note_count == 0) {
        return;
    }
    begin(html, "Notes", "<th class=\"n\">mark</th><th class=\"n\">at</th><th>what happened</th>");
    for (size_t i = 0; i < report->note_count; i++) {
        ph_html_format(html, "<tr><td class=\"n\">%zu</td><td class=\"n\">%s</td>", i + 1,
            ph_html_length(report->notes[i].at_ms).text);
        text_cell(html, report->notes[i].text);
        ph_html_raw(html, "</tr>\n");
    }
    if (report->notes_left_out > 0) {
        ph_html_format(html, "<tr><td colspan=\"3\">and %s more, which were not kept</td></tr>\n",
            ph_show_count(report->notes_left_out).text);
    }
    end(html);
}

static void machine_text(struct ph_html *html, const struct ph_fleet_report *report)
{
    ph_html_raw(html, "<section><h2>Machine</h2>\n<p>");
    ph_html_text(html, report->machine);
    ph_html_raw(html, "</p></section>\n");
}

static void scenario_text(struct ph_html *html, const struct ph_fleet_report *report)
{
    struct ph_error error = {0};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    enum ph_err err = PH_ERR_MEMORY;
    if (out != NULL) {
        err = ph_scenario_print(out, report->scenario, &error);
        err = fclose(out) != 0 && err == PH_OK ? PH_ERR_MEMORY : err;
    }
    if (err == PH_OK) {
        ph_html_raw(html, "<section><h2>Scenario</h2>\n<pre tabindex=\"0\">");
        ph_html_lines(html, text);
        ph_html_raw(html, "</pre></section>\n");
    } else {
        html->err = html->err == PH_OK ? err : html->err;
    }
    free(text);
}

void ph_html_tables(struct ph_html *html, const struct ph_fleet_report *report)
{
    ph_html_raw(html, "<div class=\"tables\">\n");
    counts_table(html, report);
    reasons_table(html, report);
    usage_tables(html, report);
    acts_table(html, report);
    notes_table(html, report);
    machine_text(html, report);
    scenario_text(html, report);
    ph_html_raw(html, "</div>\n");
}
