#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/text.h"
#include "device/fleet/report.h"
#include "device/fleet/view_frame.h"

struct view {
    FILE *out;
    struct ph_terminal terminal; /* as it was when last drawn */
    bool open;                   /* on the alternate screen, without cursor */
    struct ph_view_cpu cpu;
};

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0';
}

/* What the locale would be, without setting one: the first of these that is set decides. */
static bool locale_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && value[0] != '\0') {
            return strcasestr(value, "utf-8") != NULL || strcasestr(value, "utf8") != NULL;
        }
    }
    return false;
}

/* One that the cursor can be moved in. */
static bool is_capable(FILE *out)
{
    const char *term = getenv("TERM");
    return isatty(fileno(out)) == 1 && term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
}

static size_t size_from(const char *name, size_t fallback)
{
    int64_t size = 0;
    const char *value = getenv(name);
    return value != NULL && ph_text_to_int64(value, 1, 10000, &size) ? (size_t)size : fallback;
}

static struct ph_terminal look_at_terminal(const struct view *view)
{
    struct ph_terminal terminal = view->terminal;
    struct winsize size = {0};
    if (ioctl(fileno(view->out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
        terminal.columns = size.ws_col;
        terminal.rows = size.ws_row;
    } else {
        terminal.columns = size_from("COLUMNS", 80);
        terminal.rows = size_from("LINES", 24);
    }
    return terminal;
}

static void write_text(FILE *out, const char *bytes, size_t len)
{
    (void)fwrite(bytes, 1, len, out);
    (void)fflush(out);
}

/* Everything that erases and everything that is drawn goes out in one write: nothing flickers. */
static void redraw(struct view *view, const struct ph_fleet_report *report)
{
    struct ph_terminal terminal = look_at_terminal(view);
    bool resized =
        terminal.columns != view->terminal.columns || terminal.rows != view->terminal.rows;
    struct ph_buf frame;
    ph_buf_init(&frame, PH_CANVAS_BYTES);
    enum ph_err err = view->open ? PH_OK : ph_buf_append_text(&frame, "\x1b[?1049h\x1b[?25l");
    if (err == PH_OK && (resized || !view->open)) {
        err = ph_buf_append_text(&frame, "\x1b[2J");
    }
    err = err == PH_OK ? ph_view_draw(report, &view->cpu, &terminal, true, &frame) : err;
    if (err == PH_OK) {
        view->open = true;
        view->terminal = terminal;
        write_text(view->out, frame.data, frame.len);
    }
    ph_buf_fini(&frame);
}

static void restore(struct view *view)
{
    static const char back[] = "\x1b[0m\x1b[?25h\x1b[?1049l";
    if (view->open) {
        write_text(view->out, back, sizeof back - 1);
        view->open = false;
    }
}

static void view_sample(void *context, const struct ph_fleet_report *report)
{
    struct view *view = context;
    ph_view_cpu_take(&view->cpu, report);
    redraw(view, report);
}

static void view_note(void *context, const struct ph_fleet_report *report)
{
    redraw(context, report);
}

/* The last frame goes to the screen that was there before, where it can be read and scrolled. */
static enum ph_err view_end(
    void *context, const struct ph_fleet_report *report, struct ph_error *error)
{
    struct view *view = context;
    struct ph_terminal terminal = look_at_terminal(view);
    struct ph_buf frame;
    restore(view);
    ph_buf_init(&frame, PH_CANVAS_BYTES);
    enum ph_err err = ph_view_draw(report, &view->cpu, &terminal, false, &frame);
    if (err == PH_OK) {
        write_text(view->out, frame.data, frame.len);
    } else {
        err = ph_error_set(error, err, "live view: no memory for the last frame");
    }
    ph_buf_fini(&frame);
    return err;
}

static void view_free(void *context)
{
    struct view *view = context;
    restore(view);
    free(view);
}

enum ph_err ph_fleet_view_new(FILE *out, struct ph_fleet_output *output, struct ph_error *error)
{
    if (!is_capable(out)) {
        ph_fleet_lines_new(out, output);
        return PH_OK;
    }
    struct view *view = calloc(1, sizeof *view);
    if (view == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "live view: no memory");
    }
    view->out = out;
    view->terminal.colour = !is_set("NO_COLOR");
    view->terminal.utf8 = locale_is_utf8();
    *output = (struct ph_fleet_output){
        .sample = view_sample,
        .note = view_note,
        .end = view_end,
        .free = view_free,
        .context = view,
    };
    return PH_OK;
}
