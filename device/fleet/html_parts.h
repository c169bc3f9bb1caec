/* The parts of the HTML report of a fleet run (docs/spec/fleet.md, HTML), each appended to a page.
 */
#ifndef PH_FLEET_HTML_PARTS_H
#define PH_FLEET_HTML_PARTS_H

#include <stddef.h>

#include "device/fleet/html.h"
#include "device/fleet/report.h"

/* Most points of a plot, however long the run was. */
enum { PH_HTML_POINTS = 1000 };

/* Verdict in words, what it was about, and the figures that are asked for first. */
void ph_html_headline(struct ph_html *html, const struct ph_fleet_report *report);

/* The plots, with acts and notes as marks. */
void ph_html_plots(struct ph_html *html, const struct ph_fleet_report *report);

/* Counts, reasons, processes, notes, scenario, machine. */
void ph_html_tables(struct ph_html *html, const struct ph_fleet_report *report);

enum { PH_ACT_TEXT_BYTES = 120 };

/* "outage at 2 min 0 s for 1 min 0 s, 50 % of the devices" */
void ph_html_print_act(char out[PH_ACT_TEXT_BYTES], const struct ph_act *act);

/* Rows of x (first) and `columns` values y: `rows` numbers of each column one after another.
 * Leaves at most `rows_max` of them, in order: of each stretch the first, the last, and those where
 * a column is least or greatest. Returns how many; column c begins at table[c * rows] as before. At
 * most PH_SVG_SERIES columns beside x. NaN is neither least nor greatest. */
size_t ph_html_thin(double *table, size_t columns, size_t rows, size_t rows_max);

#endif
