/* Numbers as people read them, for what is shown in a terminal. JSON and HTML have their own. */
#ifndef PH_FLEET_OUTPUT_TEXT_H
#define PH_FLEET_OUTPUT_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "device/fleet/report.h"

/* Returned by value, so that a call can stand among the arguments of another. */
struct ph_shown {
    char text[32];
};

/* Numbers as people read them. */
struct ph_shown ph_show_count(int64_t number); /* "1,204" */
struct ph_shown ph_show_rate(double per_s);    /* "20.1" below 100, "1,204" from there on */
struct ph_shown ph_show_percent(double share); /* 0.342: "34.2 %" */
struct ph_shown ph_show_bytes(int64_t bytes);  /* "12.5 MiB", "118 MiB" */

/* A time that was measured: "0.42 ms", "3.1 ms", "118 ms", "2.4 s", "1 m 20 s"; "-" for 0, which
 * stands for none. */
struct ph_shown ph_show_us(int64_t us);

/* How far a run is: "15 s", "1 m 20 s", "2 h 5 m". */
struct ph_shown ph_show_elapsed(int64_t ms);

/* What was configured, in milliseconds: "10 s", "2.5 s", "250 ms". */
struct ph_shown ph_show_interval(int64_t ms);

/* Readings that will not be delivered: pushed out of a full spool, or taken by none. */
int64_t ph_show_lost(const struct ph_fleet_report *report);

/* "good: 200 devices, 1,204 readings, all acknowledged", or "lacking: " and what lacks, in one
 * line without control bytes. */
enum { PH_SHOW_VERDICT_BYTES = 16 + 4 * sizeof(((struct ph_fleet_report *)0)->lacks) };
void ph_show_verdict(char out[PH_SHOW_VERDICT_BYTES], const struct ph_fleet_report *report);

#endif
