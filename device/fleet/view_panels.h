/* The parts of a frame (view_frame.c). Each appends its lines to the canvas. */
#ifndef PH_FLEET_VIEW_PANELS_H
#define PH_FLEET_VIEW_PANELS_H

#include <stddef.h>

#include "device/fleet/canvas.h"
#include "device/fleet/report.h"
#include "device/fleet/view_frame.h"

/* Columns of the cells that all tables share; what follows them has the rest of the line. */
enum { PH_VIEW_LABEL = 13, PH_VIEW_CELL = 11 };

/* How much a line weighs when there is no room for all (ph_canvas_line()). */
enum ph_view_weight {
    PH_VIEW_ALWAYS = 0,
    PH_VIEW_TROUBLE = 5, /* something is lost, a hole is found */
    PH_VIEW_CORE = 10,
    PH_VIEW_USEFUL = 20, /* and more for each further line of a list */
    PH_VIEW_DETAIL = 40,
    PH_VIEW_QUIET = 80,
    PH_VIEW_BLANK = 1000,
};

/* The parts of a frame, from the top. */
void ph_view_head(struct ph_canvas *canvas, const struct ph_fleet_report *report);
void ph_view_counters(struct ph_canvas *canvas, const struct ph_fleet_report *report);
void ph_view_latency(struct ph_canvas *canvas, const struct ph_fleet_report *report);
/* `height` rows for each of the two. */
void ph_view_charts(struct ph_canvas *canvas, const struct ph_fleet_report *report, size_t height);
void ph_view_failures(struct ph_canvas *canvas, const struct ph_fleet_report *report);
void ph_view_attacks(struct ph_canvas *canvas, const struct ph_fleet_report *report);
void ph_view_processes(
    struct ph_canvas *canvas, const struct ph_fleet_report *report, const struct ph_view_cpu *cpu);
void ph_view_notes(struct ph_canvas *canvas, const struct ph_fleet_report *report);

#endif
