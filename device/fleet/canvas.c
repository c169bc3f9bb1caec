#include "device/fleet/canvas.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { ESCAPED_BYTES = 4 * PH_CANVAS_COLUMNS + 4 };

/* What is known to take one or two columns in every terminal; the rest is shown as "?". */
static const struct {
    uint32_t first;
    uint32_t last;
    size_t columns;
} widths[] = {
    {0x20, 0x7E, 1},
    {0xA1, 0xAC, 1}, /* Latin, but for the soft hyphen */
    {0xAE, 0x2FF, 1},
    {0x370, 0x482, 1}, /* Greek, Cyrillic; combining marks are left out */
    {0x48A, 0x52F, 1},
    {0x2010, 0x2027, 1}, /* punctuation */
    {0x2030, 0x205E, 1},
    {0x20A0, 0x20BF, 1}, /* currencies */
    {0x2190, 0x21FF, 1}, /* arrows */
    {0x2500, 0x259F, 1}, /* lines and blocks */
    {0x3041, 0x3096, 2}, /* Hiragana, Katakana, Han, Hangul */
    {0x30A1, 0x30FA, 2},
    {0x4E00, 0x9FA5, 2},
    {0xAC00, 0xD7A3, 2},
};

static size_t columns_of(uint32_t code)
{
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        if (code >= widths[i].first && code <= widths[i].last) {
            return widths[i].columns;
        }
    }
    return 0;
}

/* The character at `text`, which is well-formed UTF-8, and its length in bytes. */
static uint32_t decode(const char *text, size_t *len)
{
    const uint8_t *p = (const uint8_t *)text;
    unsigned want = p[0] < 0x80 ? 1 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    uint32_t code = want == 1 ? p[0] : p[0] & (0x7FU >> want);
    for (*len = 1; *len < want && (p[*len] & 0xC0) == 0x80; (*len)++) {
        code = code << 6 | (p[*len] & 0x3FU);
    }
    return code;
}

/* The columns of the character at `text`, and what is shown for it. */
static size_t shown_as(
    const struct ph_canvas *canvas, const char *text, size_t *len, const char **shown)
{
    uint32_t code = decode(text, len);
    size_t columns = columns_of(code);
    bool known = columns > 0 && (code < 0x80 || canvas->terminal.utf8);
    *shown = known ? text : "?";
    return known ? columns : 1;
}

static size_t measure(const struct ph_canvas *canvas, const char *text)
{
    size_t columns = 0;
    size_t len = 0;
    const char *shown = NULL;
    for (; *text != '\0'; text += len) {
        columns += shown_as(canvas, text, &len, &shown);
    }
    return columns;
}

void ph_canvas_init(struct ph_canvas *canvas, const struct ph_terminal *terminal)
{
    *canvas = (struct ph_canvas){.terminal = *terminal};
    ph_buf_init(&canvas->text, PH_CANVAS_BYTES);
}

void ph_canvas_fini(struct ph_canvas *canvas)
{
    ph_buf_fini(&canvas->text);
}

void ph_canvas_reset(struct ph_canvas *canvas)
{
    ph_buf_reset(&canvas->text);
    canvas->line_count = 0;
    canvas->full = false;
}

void ph_canvas_line(struct ph_canvas *canvas, int weight)
{
    if (canvas->line_count == PH_CANVAS_LINES) {
        canvas->full = true;
        return;
    }
    canvas->lines[canvas->line_count].begin = canvas->text.len;
    canvas->lines[canvas->line_count].columns = 0;
    canvas->lines[canvas->line_count].weight = weight;
    canvas->lines[canvas->line_count].left_out = false;
    canvas->line_count++;
}

size_t ph_canvas_room(const struct ph_canvas *canvas)
{
    if (canvas->full || canvas->line_count == 0) {
        return 0;
    }
    size_t columns = canvas->terminal.columns;
    columns = columns < PH_CANVAS_COLUMNS ? columns : PH_CANVAS_COLUMNS;
    return columns - canvas->lines[canvas->line_count - 1].columns;
}

static void append(struct ph_canvas *canvas, const char *bytes, size_t len, size_t columns)
{
    enum ph_err err = ph_buf_append(&canvas->text, bytes, len);
    canvas->err = canvas->err == PH_OK ? err : canvas->err;
    canvas->lines[canvas->line_count - 1].columns += columns;
}

static void set_ink(struct ph_canvas *canvas, enum ph_ink ink)
{
    static const char *const codes[] = {"\x1b[0m", "\x1b[1m", "\x1b[32m", "\x1b[33m", "\x1b[31m"};
    if (canvas->terminal.colour) {
        append(canvas, codes[ink], strlen(codes[ink]), 0);
    }
}

/* As much of the escaped text as fits into `room` columns. */
static void put_within(struct ph_canvas *canvas, const char *text, size_t room)
{
    size_t len = 0;
    const char *shown = NULL;
    for (; *text != '\0'; text += len) {
        size_t columns = shown_as(canvas, text, &len, &shown);
        if (columns > room) {
            break;
        }
        append(canvas, shown, shown == text ? len : 1, columns);
        room -= columns;
    }
}

static void put(struct ph_canvas *canvas, enum ph_ink ink, const char *escaped, size_t room)
{
    size_t left = ph_canvas_room(canvas);
    room = room < left ? room : left;
    if (room == 0) {
        return;
    }
    if (ink != PH_INK_PLAIN) {
        set_ink(canvas, ink);
    }
    bool cut = measure(canvas, escaped) > room;
    put_within(canvas, escaped, cut ? room - 1 : room);
    if (cut) {
        put_within(canvas, canvas->terminal.utf8 ? "\u2026" : "~", 1);
    }
    if (ink != PH_INK_PLAIN) {
        set_ink(canvas, PH_INK_PLAIN);
    }
}

static void put_spaces(struct ph_canvas *canvas, size_t count)
{
    size_t room = ph_canvas_room(canvas);
    for (size_t i = 0; i < count && i < room; i++) {
        append(canvas, " ", 1, 1);
    }
}

void ph_canvas_printf(struct ph_canvas *canvas, enum ph_ink ink, const char *format, ...)
{
    char text[ESCAPED_BYTES];
    char escaped[ESCAPED_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ph_text_escape(escaped, sizeof escaped, text);
    put(canvas, ink, escaped, SIZE_MAX);
}

void ph_canvas_left(struct ph_canvas *canvas, enum ph_ink ink, size_t width, const char *text)
{
    char escaped[ESCAPED_BYTES];
    ph_text_escape(escaped, sizeof escaped, text);
    size_t columns = measure(canvas, escaped);
    put(canvas, ink, escaped, width);
    put_spaces(canvas, columns < width ? width - columns : 0);
}

void ph_canvas_right(struct ph_canvas *canvas, enum ph_ink ink, size_t width, const char *text)
{
    char escaped[ESCAPED_BYTES];
    ph_text_escape(escaped, sizeof escaped, text);
    size_t columns = measure(canvas, escaped);
    put_spaces(canvas, columns < width ? width - columns : 0);
    put(canvas, ink, escaped, SIZE_MAX);
}

/* U+2588 - `step`: from the full block to the left eighth. U+2580 + `step`: lower eighths. */
static void put_block(struct ph_canvas *canvas, unsigned low_byte)
{
    char block[] = {(char)0xE2, (char)0x96, (char)low_byte, '\0'};
    put_within(canvas, block, 1);
}

static void put_bar_cell(struct ph_canvas *canvas, size_t eighths)
{
    if (!canvas->terminal.utf8) {
        put_within(canvas, eighths >= 4 ? "#" : ".", 1);
    } else if (eighths == 0) {
        put_block(canvas, 0x91); /* light shade */
    } else {
        put_block(canvas, 0x90U - (unsigned)eighths);
    }
}

static size_t eighths_of(double share, size_t cells)
{
    double filled = share * (double)cells * 8;
    return filled > 0 ? filled < (double)cells * 8 ? (size_t)filled : cells * 8 : 0;
}

void ph_canvas_bar(struct ph_canvas *canvas, enum ph_ink ink, size_t width, double share)
{
    size_t room = ph_canvas_room(canvas);
    width = width < room ? width : room;
    if (width == 0) {
        return;
    }
    size_t eighths = eighths_of(share, width);
    set_ink(canvas, ink);
    for (size_t i = 0; i < width; i++) {
        size_t left = eighths > i * 8 ? eighths - i * 8 : 0;
        put_bar_cell(canvas, left < 8 ? left : 8);
    }
    set_ink(canvas, PH_INK_PLAIN);
}

static void put_chart_cell(struct ph_canvas *canvas, size_t eighths)
{
    static const char ascii[] = " _.-:=+*#";
    if (eighths == 0) {
        put_within(canvas, " ", 1);
    } else if (canvas->terminal.utf8) {
        put_block(canvas, 0x80U + (unsigned)eighths);
    } else {
        char cell[] = {ascii[eighths], '\0'};
        put_within(canvas, cell, 1);
    }
}

void ph_canvas_chart(struct ph_canvas *canvas, const double *values, size_t count, double highest,
    size_t row, size_t height)
{
    size_t room = ph_canvas_room(canvas);
    size_t below = (height - row - 1) * 8;
    for (size_t i = 0; i < count && i < room; i++) {
        size_t eighths = 0;
        if (values[i] > 0 && highest > 0) {
            eighths = eighths_of(values[i] / highest, height);
            eighths = eighths > 0 ? eighths : 1;
        }
        size_t left = eighths > below ? eighths - below : 0;
        put_chart_cell(canvas, left < 8 ? left : 8);
    }
}

/* Of the lines that are still there the weightiest, the lowest among equals. */
static size_t weightiest(const struct ph_canvas *canvas)
{
    size_t found = 0;
    for (size_t i = 0; i < canvas->line_count; i++) {
        if (!canvas->lines[i].left_out &&
            (canvas->lines[found].left_out ||
                canvas->lines[i].weight >= canvas->lines[found].weight)) {
            found = i;
        }
    }
    return found;
}

static size_t fit(struct ph_canvas *canvas)
{
    size_t kept = canvas->line_count;
    for (; kept > canvas->terminal.rows; kept--) {
        canvas->lines[weightiest(canvas)].left_out = true;
    }
    return kept;
}

/* After a full line the cursor still stands on its last column, and erasing would take that. */
static enum ph_err print_line(
    const struct ph_canvas *canvas, size_t i, bool redraw, struct ph_buf *out)
{
    size_t begin = canvas->lines[i].begin;
    size_t end = i + 1 < canvas->line_count ? canvas->lines[i + 1].begin : canvas->text.len;
    enum ph_err err =
        begin == end ? PH_OK : ph_buf_append(out, canvas->text.data + begin, end - begin);
    if (err == PH_OK && redraw && canvas->lines[i].columns < canvas->terminal.columns) {
        err = ph_buf_append_text(out, "\x1b[K");
    }
    return err;
}

static enum ph_err print_lines(
    const struct ph_canvas *canvas, size_t kept, bool redraw, struct ph_buf *out)
{
    enum ph_err err = PH_OK;
    size_t printed = 0;
    for (size_t i = 0; i < canvas->line_count && err == PH_OK; i++) {
        if (canvas->lines[i].left_out) {
            continue;
        }
        err = print_line(canvas, i, redraw, out);
        printed++;
        if (err == PH_OK && !redraw) {
            err = ph_buf_append_text(out, "\n");
        } else if (err == PH_OK && printed < canvas->terminal.rows) {
            err = ph_buf_append_text(out, printed < kept ? "\r\n" : "\r\n\x1b[J");
        }
    }
    return err;
}

enum ph_err ph_canvas_print(struct ph_canvas *canvas, bool redraw, struct ph_buf *out)
{
    size_t kept = fit(canvas);
    enum ph_err err = canvas->err;
    if (err == PH_OK && redraw) {
        err = ph_buf_append_text(out, "\x1b[H");
    }
    return err == PH_OK ? print_lines(canvas, kept, redraw, out) : err;
}
