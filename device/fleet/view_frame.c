#include "device/fleet/view_frame.h"

#include "device/fleet/view_panels.h"

enum { CHART_ROWS = 8 };

void ph_view_cpu_take(struct ph_view_cpu *cpu, const struct ph_fleet_report *report)
{
    double passed_s = (double)(report->elapsed_ms - cpu->at_ms) / 1000;
    if (passed_s <= 0) {
        return;
    }
    size_t count = report->usage_count;
    count = count < PH_VIEW_PROCESSES ? count : PH_VIEW_PROCESSES;
    for (size_t i = 0; i < count; i++) {
        const struct ph_fleet_usage *usage = &report->usage[i];
        double used_s = usage->cpu_s - cpu->of[i].cpu_s;
        bool known = i < cpu->count && usage->pid == cpu->of[i].pid && used_s >= 0;
        cpu->of[i].share = known ? used_s / passed_s : -1;
        cpu->of[i].pid = usage->pid;
        cpu->of[i].cpu_s = usage->cpu_s;
    }
    cpu->count = count;
    cpu->at_ms = report->elapsed_ms;
}

static void draw(struct ph_canvas *canvas, const struct ph_fleet_report *report,
    const struct ph_view_cpu *cpu, size_t chart_height)
{
    ph_view_head(canvas, report);
    ph_canvas_line(canvas, PH_VIEW_BLANK);
    ph_view_counters(canvas, report);
    ph_canvas_line(canvas, PH_VIEW_BLANK);
    ph_view_latency(canvas, report);
    ph_canvas_line(canvas, PH_VIEW_BLANK);
    ph_view_charts(canvas, report, chart_height);
    ph_canvas_line(canvas, PH_VIEW_BLANK);
    ph_view_failures(canvas, report);
    ph_view_attacks(canvas, report);
    ph_view_processes(canvas, report, cpu);
    ph_view_notes(canvas, report);
}

enum ph_err ph_view_draw(const struct ph_fleet_report *report, const struct ph_view_cpu *cpu,
    const struct ph_terminal *terminal, bool redraw, struct ph_buf *out)
{
    struct ph_canvas canvas;
    ph_canvas_init(&canvas, terminal);
    draw(&canvas, report, cpu, 1);
    if (canvas.line_count + 2 <= terminal->rows) {
        size_t height = 1 + (terminal->rows - canvas.line_count) / 2;
        ph_canvas_reset(&canvas);
        draw(&canvas, report, cpu, height < CHART_ROWS ? height : CHART_ROWS);
    }
    enum ph_err err = ph_canvas_print(&canvas, redraw, out);
    ph_canvas_fini(&canvas);
    return err;
}
