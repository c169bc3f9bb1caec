/* What the live view shows: one frame of it. output_view.c brings it to the terminal. */
#ifndef PH_FLEET_VIEW_FRAME_H
#define PH_FLEET_VIEW_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"
#include "device/fleet/canvas.h"
#include "device/fleet/report.h"

enum { PH_VIEW_PROCESSES = 32 }; /* of which the CPU is shown; for more, how many there are */

/* What processes used in the second before, to tell what they use now. Zero-initialised at first.
 */
struct ph_view_cpu {
    int64_t at_ms;
    size_t count;
    struct {
        pid_t pid;
        double cpu_s;
        double share; /* of one core in the last second; below 0: not known yet */
    } of[PH_VIEW_PROCESSES];
};

/* To be called with each sample, before the frame is drawn. */
void ph_view_cpu_take(struct ph_view_cpu *cpu, const struct ph_fleet_report *report);

/* Appends the frame to `out`, as ph_canvas_print(). */
enum ph_err ph_view_draw(const struct ph_fleet_report *report, const struct ph_view_cpu *cpu,
    const struct ph_terminal *terminal, bool redraw, struct ph_buf *out) PH_NODISCARD;

#endif
