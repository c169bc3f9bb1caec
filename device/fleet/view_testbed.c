#include "device/fleet/view_testbed.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct view_testbed *view_testbed_new(void)
{
    struct view_testbed *bed = calloc(1, sizeof *bed);
    assert_non_null(bed);
    bed->scenario = (struct ph_scenario){
        .devices = 200, .interval_ms = 2500, .duration_s = 60, .acts = bed->acts};
    bed->usage[0] = (struct ph_fleet_usage){.name = "worker 1", .pid = 101, .cpu_s = 1.5};
    bed->usage[1] = (struct ph_fleet_usage){.name = "worker 2", .pid = 102, .cpu_s = 1.5};
    bed->usage[2] = (struct ph_fleet_usage){.name = "broker", .pid = 103, .cpu_s = 3};
    for (size_t i = 0; i < 3; i++) {
        bed->usage[i].rss_bytes = ((int64_t)i + 1) * 10 * 1024 * 1024;
        bed->usage[i].rss_max_bytes = bed->usage[i].rss_bytes * 2;
    }
    bed->report = (struct ph_fleet_report){.scenario = &bed->scenario,
        .broker = "localhost:8883",
        .began = "2026-11-23T12:00:00.000Z",
        .machine = "2 cores, a processor, a system",
        .connected_all_ms = 1000,
        .samples = bed->samples,
        .usage = bed->usage,
        .usage_count = 3,
        .worker_count = 2,
        .notes = bed->notes};
    ph_fleet_stats_add(&bed->report.total, PH_FLEET_CONNECTS, 200);
    ph_fleet_stats_set(&bed->report.total, PH_FLEET_CONNECTED, 200);
    ph_fleet_stats_set(&bed->report.total, PH_FLEET_PENDING, 4);
    ph_fleet_stats_add(&bed->report.total, PH_FLEET_CAPTURED, 4);
    ph_histogram_record(&bed->report.total.times[PH_FLEET_CONNECT_US], 5000, 200);
    for (int i = 0; i < 15; i++) {
        view_testbed_second(bed, 200);
    }
    return bed;
}

void view_testbed_second(struct view_testbed *bed, int64_t ack_us)
{
    struct ph_fleet_report *report = &bed->report;
    struct ph_fleet_sample *sample = &bed->samples[report->sample_count++];
    report->elapsed_ms += 1000;
    ph_fleet_stats_add(&report->total, PH_FLEET_CAPTURED, 80);
    ph_fleet_stats_add(&report->total, PH_FLEET_ACKNOWLEDGED, 80);
    ph_histogram_record(&report->total.times[PH_FLEET_ACK_US], ack_us, 80);
    sample->at_ms = report->elapsed_ms;
    for (size_t i = 0; i < PH_FLEET_COUNTS; i++) {
        sample->counts[i] = report->total.counts[i];
    }
    sample->times[PH_FLEET_ACK_US].count = 80;
    sample->times[PH_FLEET_ACK_US].p50_us = ack_us;
    sample->times[PH_FLEET_ACK_US].p99_us = ack_us;
    sample->times[PH_FLEET_ACK_US].max_us = ack_us;
}

void view_testbed_note(struct view_testbed *bed, const char *text)
{
    struct ph_fleet_note *note = &bed->notes[bed->report.note_count++];
    note->at_ms = bed->report.elapsed_ms;
    (void)snprintf(note->text, sizeof note->text, "%s", text);
}

void view_testbed_reason(struct view_testbed *bed, const char *text, int times)
{
    for (int i = 0; i < times; i++) {
        ph_fleet_stats_reason(&bed->report.total, text);
    }
}

void screen_init(struct screen *screen, size_t columns, size_t rows)
{
    assert_true(columns <= SCREEN_COLUMNS && rows <= SCREEN_ROWS);
    *screen = (struct screen){.columns = columns, .rows = rows};
    for (size_t row = 0; row < rows; row++) {
        for (size_t column = 0; column < columns; column++) {
            screen->cells[row][column] = 'X';
        }
    }
}

static void put_cell(struct screen *screen, uint32_t code)
{
    assert_true(screen->column < screen->columns);
    assert_true(screen->row < screen->rows);
    screen->cells[screen->row][screen->column++] = code;
}

/* From the cursor on, which after a full line still stands on the last character of it. */
static void erase_line(struct screen *screen, size_t row, size_t from)
{
    for (size_t i = from < screen->columns ? from : screen->columns - 1; i < screen->columns; i++) {
        screen->cells[row][i] = ' ';
    }
}

static void erase(struct screen *screen, bool below)
{
    erase_line(screen, screen->row, screen->column);
    for (size_t row = screen->row + 1; below && row < screen->rows; row++) {
        erase_line(screen, row, 0);
    }
}

enum command { HOME, LINE, BELOW, ALL, PLAIN, COLOUR, HIDE, SHOW, ENTER, LEAVE };

static const struct {
    const char *text;
    enum command what;
} sequences[] = {
    {"\x1b[H", HOME},
    {"\x1b[K", LINE},
    {"\x1b[J", BELOW},
    {"\x1b[2J", ALL},
    {"\x1b[0m", PLAIN},
    {"\x1b[1m", COLOUR},
    {"\x1b[31m", COLOUR},
    {"\x1b[32m", COLOUR},
    {"\x1b[33m", COLOUR},
    {"\x1b[?25l", HIDE},
    {"\x1b[?25h", SHOW},
    {"\x1b[?1049h", ENTER},
    {"\x1b[?1049l", LEAVE},
};

static void obey(struct screen *screen, enum command what)
{
    switch (what) {
    case HOME:
        screen->row = 0;
        screen->column = 0;
        break;
    case LINE:
    case BELOW:
        erase(screen, what == BELOW);
        break;
    case ALL:
        for (size_t row = 0; row < screen->rows; row++) {
            erase_line(screen, row, 0);
        }
        screen->cleared++;
        break;
    case HIDE:
    case SHOW:
        screen->cursor_hidden = what == HIDE;
        break;
    case ENTER:
    case LEAVE:
        screen->alternate = what == ENTER;
        break;
    default:
        screen->colours += what == COLOUR;
        break;
    }
}

static size_t take_sequence(struct screen *screen, const char *bytes, size_t len)
{
    for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++) {
        size_t sequence_len = strlen(sequences[i].text);
        if (len >= sequence_len && memcmp(bytes, sequences[i].text, sequence_len) == 0) {
            obey(screen, sequences[i].what);
            return sequence_len;
        }
    }
    fail_msg(
        "a control sequence that the view does not use: %.*s", (int)(len < 8 ? len : 8), bytes + 1);
    return len;
}

static size_t take_character(struct screen *screen, const char *bytes, size_t len)
{
    const unsigned char *p = (const unsigned char *)bytes;
    size_t bytes_len = p[0] < 0x80 ? 1 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    assert_true(p[0] >= 0x20 && p[0] != 0x7F && bytes_len <= len);
    uint32_t code = bytes_len == 1 ? p[0] : p[0] & (0x7FU >> bytes_len);
    for (size_t i = 1; i < bytes_len; i++) {
        assert_int_equal(p[i] & 0xC0, 0x80);
        code = code << 6 | (p[i] & 0x3FU);
    }
    put_cell(screen, code);
    if (code >= 0x3000 && code < 0xE000) { /* takes two columns */
        put_cell(screen, 0);
    }
    return bytes_len;
}

void screen_write(struct screen *screen, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len;) {
        if (bytes[i] == '\x1b') {
            i += take_sequence(screen, bytes + i, len - i);
        } else if (bytes[i] == '\r') {
            screen->column = 0;
            i++;
        } else if (bytes[i] == '\n') {
            screen->row++;
            assert_true(screen->row < screen->rows);
            i++;
        } else {
            i += take_character(screen, bytes + i, len - i);
        }
    }
}

static size_t encode(char *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    out[0] = (char)(0xE0 | code >> 12);
    out[1] = (char)(0x80 | (code >> 6 & 0x3F));
    out[2] = (char)(0x80 | (code & 0x3F));
    return 3;
}

const char *screen_row(struct screen *screen, size_t row)
{
    size_t used = 0;
    size_t end = 0;
    for (size_t i = 0; i < screen->columns; i++) {
        if (screen->cells[row][i] != 0) {
            used += encode(screen->text + used, screen->cells[row][i]);
            end = screen->cells[row][i] == ' ' ? end : used;
        }
    }
    screen->text[end] = '\0';
    return screen->text;
}

const char *screen_find(struct screen *screen, const char *text)
{
    for (size_t row = 0; row < screen->rows; row++) {
        if (strncmp(screen_row(screen, row), text, strlen(text)) == 0) {
            return screen->text;
        }
    }
    return "";
}
