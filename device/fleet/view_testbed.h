/* For the tests of what is shown in a terminal: a report made by hand, and a terminal to look at.
 */
#ifndef PH_FLEET_VIEW_TESTBED_H
#define PH_FLEET_VIEW_TESTBED_H

#include <stddef.h>
#include <stdint.h>

#include "device/fleet/report.h"

/* 200 devices, two workers and a broker, in the middle of a run of 60 seconds: 15 seconds, 1,204
 * readings, 1,200 acknowledged. Everything may be changed. */
struct view_testbed {
    struct ph_fleet_report report;
    struct ph_scenario scenario;
    struct ph_act acts[4];
    struct ph_fleet_sample samples[1000];
    struct ph_fleet_usage usage[64];
    struct ph_fleet_note notes[64];
};

struct view_testbed *view_testbed_new(void); /* to be released by free() */

/* One second more: 80 readings, captured and acknowledged, each after `ack_us`. */
void view_testbed_second(struct view_testbed *bed, int64_t ack_us);
void view_testbed_note(struct view_testbed *bed, const char *text);
void view_testbed_reason(struct view_testbed *bed, const char *text, int times);

/* What a terminal shows; it fails the test when a character is written past its edge, when it
 * scrolls, and for every control sequence but those of the view. */
enum { SCREEN_COLUMNS = 220, SCREEN_ROWS = 80 };
struct screen {
    size_t columns;
    size_t rows;
    size_t
        column; /* equal to `columns` after a character in the last one: it wraps with the next */
    size_t row;
    uint32_t cells[SCREEN_ROWS][SCREEN_COLUMNS];
    int colours; /* sequences that set one */
    int cursor_hidden;
    int alternate;
    int cleared;
    char text[4 * SCREEN_COLUMNS + 1];
};

/* Filled with what stood there before: "X" everywhere. */
void screen_init(struct screen *screen, size_t columns, size_t rows);
void screen_write(struct screen *screen, const char *bytes, size_t len);
/* The row without the blanks at its end, until the next call. */
const char *screen_row(struct screen *screen, size_t row);
/* The first row that begins with `text`, from there on as screen_row(); "" when there is none. */
const char *screen_find(struct screen *screen, const char *text);

#endif
