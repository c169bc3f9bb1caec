/* [VIEW-14] [VIEW-15] The live view on a terminal of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "device/fleet/view_testbed.h"

enum { MARK = 0x1E, TAKEN_BYTES = 65536 };

struct tty {
    int master;
    FILE *out;
    struct view_testbed *bed;
    struct ph_fleet_output output;
    char taken[TAKEN_BYTES];
    size_t len;
};

static struct screen screen;

static void set_size(const struct tty *tty, unsigned short columns, unsigned short rows)
{
    struct winsize size = {.ws_col = columns, .ws_row = rows};
    assert_int_equal(ioctl(fileno(tty->out), TIOCSWINSZ, &size), 0);
}

static void set_env(const char *name, const char *value)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread */
    assert_int_equal(value != NULL ? setenv(name, value, 1) : unsetenv(name), 0);
}

static void open_view(struct tty *tty)
{
    struct ph_error error = {0};
    assert_int_equal(ph_fleet_view_new(tty->out, &tty->output, &error), PH_OK);
}

static int setup(void **state)
{
    struct tty *tty = calloc(1, sizeof *tty);
    assert_non_null(tty);
    tty->master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(tty->master >= 0);
    assert_int_equal(grantpt(tty->master), 0);
    assert_int_equal(unlockpt(tty->master), 0);
    char name[64];
    assert_int_equal(ptsname_r(tty->master, name, sizeof name), 0);
    int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(slave >= 0);
    tty->out = fdopen(slave, "w");
    assert_non_null(tty->out);
    tty->bed = view_testbed_new();
    set_size(tty, 80, 30);
    set_env("TERM", "xterm");
    set_env("NO_COLOR", NULL);
    set_env("LC_ALL", "C.UTF-8");
    *state = tty;
    return 0;
}

static int teardown(void **state)
{
    struct tty *tty = *state;
    (void)fclose(tty->out);
    (void)close(tty->master);
    free(tty->bed);
    free(tty);
    return 0;
}

/* What was written since the last time, up to a mark that is written now. */
static void take(struct tty *tty)
{
    assert_true(fputc(MARK, tty->out) == MARK && fflush(tty->out) == 0);
    tty->len = 0;
    while (tty->len == 0 || tty->taken[tty->len - 1] != MARK) {
        struct pollfd ready = {.fd = tty->master, .events = POLLIN};
        assert_int_equal(poll(&ready, 1, 20000), 1);
        ssize_t got = read(tty->master, tty->taken + tty->len, TAKEN_BYTES - 1 - tty->len);
        assert_true(got > 0);
        tty->len += (size_t)got;
    }
    tty->taken[--tty->len] = '\0';
}

static void sample(struct tty *tty)
{
    tty->output.sample(tty->output.context, &tty->bed->report);
    take(tty);
}

/* [VIEW-14] drawn on a screen of its own without cursor, in place from then on; a note at once */
static void test_redraw(void **state)
{
    struct tty *tty = *state;
    open_view(tty);
    take(tty);
    assert_int_equal(tty->len, 0);
    sample(tty);
    screen_init(&screen, 80, 30);
    screen_write(&screen, tty->taken, tty->len);
    assert_true(screen.alternate && screen.cursor_hidden);
    assert_int_equal(screen.cleared, 1);
    assert_true(screen.colours > 0);
    assert_string_equal(
        screen_find(&screen, "acknowledged "), "acknowledged       1,200     80.0/s");
    view_testbed_second(tty->bed, 300);
    sample(tty);
    screen_write(&screen, tty->taken, tty->len);
    assert_int_equal(screen.cleared, 1);
    assert_string_equal(
        screen_find(&screen, "acknowledged "), "acknowledged       1,280     80.0/s");
    view_testbed_note(tty->bed, "something happened");
    tty->output.note(tty->output.context, &tty->bed->report);
    take(tty);
    screen_write(&screen, tty->taken, tty->len);
    assert_string_equal(screen_find(&screen, "16 s   "), "16 s         something happened");
    tty->output.free(tty->output.context);
}

/* [VIEW-14] after a resize everything is drawn anew, in the new size; a terminal that does not know
 * its size is asked for it in the environment */
static void test_resize(void **state)
{
    struct tty *tty = *state;
    open_view(tty);
    sample(tty);
    set_size(tty, 47, 13);
    sample(tty);
    screen_init(&screen, 47, 13);
    screen_write(&screen, tty->taken, tty->len);
    assert_int_equal(screen.cleared, 1);
    assert_string_equal(
        screen_row(&screen, 0), "200 thermostats on localhost:8883, a reading e\u2026");
    set_size(tty, 0, 0);
    set_env("COLUMNS", "42");
    set_env("LINES", "12");
    sample(tty);
    screen_init(&screen, 42, 12);
    screen_write(&screen, tty->taken, tty->len);
    assert_string_equal(screen_row(&screen, 0), "200 thermostats on localhost:8883, a read\u2026");
    set_env("COLUMNS", "nonsense");
    set_env("LINES", NULL);
    sample(tty);
    screen_init(&screen, 80, 24);
    screen_write(&screen, tty->taken, tty->len);
    assert_string_equal(
        screen_row(&screen, 0), "200 thermostats on localhost:8883, a reading each 2.5 s");
    set_env("COLUMNS", NULL);
    tty->output.free(tty->output.context);
}

/* [VIEW-15] at the end the terminal is as it was, and the last frame stands in it */
static void test_end(void **state)
{
    struct tty *tty = *state;
    struct ph_error error = {0};
    set_env("NO_COLOR", "1");
    open_view(tty);
    sample(tty);
    screen_init(&screen, 80, 30);
    screen_write(&screen, tty->taken, tty->len);
    assert_int_equal(screen.colours, 0);
    tty->bed->report.ended = true;
    assert_int_equal(tty->output.end(tty->output.context, &tty->bed->report, &error), PH_OK);
    take(tty);
    static const char back[] = "\x1b[0m\x1b[?25h\x1b[?1049l";
    assert_memory_equal(tty->taken, back, sizeof back - 1);
    const char *frame = tty->taken + sizeof back - 1;
    assert_null(strchr(frame, '\x1b'));
    assert_non_null(strstr(frame, "\ngood: 200 devices, 1,204 readings, all acknowledged\r\n"));
    assert_int_equal(tty->taken[tty->len - 1], '\n');
    tty->output.free(tty->output.context);
    take(tty);
    assert_int_equal(tty->len, 0);
}

/* [VIEW-15] freed early: restored; freed before anything was drawn: not touched */
static void test_freed(void **state)
{
    struct tty *tty = *state;
    open_view(tty);
    sample(tty);
    screen_init(&screen, 80, 30);
    screen_write(&screen, tty->taken, tty->len);
    assert_true(screen.alternate && screen.cursor_hidden);
    tty->output.free(tty->output.context);
    take(tty);
    screen_write(&screen, tty->taken, tty->len);
    assert_false(screen.alternate || screen.cursor_hidden);
    open_view(tty);
    tty->output.free(tty->output.context);
    take(tty);
    assert_int_equal(tty->len, 0);
}

/* [VIEW-7] the locale decides about blocks: LC_ALL before LC_CTYPE before LANG */
static void test_locale(void **state)
{
    static const struct {
        const char *all;
        const char *ctype;
        const char *lang;
        bool utf8;
    } rows[] = {
        {"C.UTF-8", NULL, NULL, true},
        {"C", "C.UTF-8", "C.UTF-8", false},
        {"", "de_DE.utf8", "C", true},
        {NULL, NULL, "en_US.UTF-8", true},
        {NULL, NULL, "en_US.ISO-8859-1", false},
        {NULL, NULL, NULL, false},
    };
    struct tty *tty = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set_env("LC_ALL", rows[i].all);
        set_env("LC_CTYPE", rows[i].ctype);
        set_env("LANG", rows[i].lang);
        open_view(tty);
        sample(tty);
        assert_int_equal(strstr(tty->taken, "\u2588") != NULL, rows[i].utf8);
        assert_int_equal(strstr(tty->taken, "####") != NULL, !rows[i].utf8);
        tty->output.free(tty->output.context);
        take(tty);
    }
}

/* [VIEW-14] where the cursor cannot be moved, lines */
static void test_dumb(void **state)
{
    static const char *const terms[] = {"dumb", "", NULL};
    struct tty *tty = *state;
    for (size_t i = 0; i < sizeof terms / sizeof terms[0]; i++) {
        set_env("TERM", terms[i]);
        open_view(tty);
        sample(tty);
        assert_memory_equal(tty->taken, "fleet: 15 s: 200 of 200", 23);
        assert_null(strchr(tty->taken, '\x1b'));
        tty->output.free(tty->output.context);
    }
    set_env("TERM", "xterm");
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    struct ph_error error = {0};
    assert_non_null(out);
    assert_int_equal(ph_fleet_view_new(out, &tty->output, &error), PH_OK);
    tty->output.sample(tty->output.context, &tty->bed->report);
    tty->output.free(tty->output.context);
    (void)fclose(out);
    assert_memory_equal(text, "fleet: 15 s: 200 of 200", 23);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_redraw, setup, teardown),
        cmocka_unit_test_setup_teardown(test_resize, setup, teardown),
        cmocka_unit_test_setup_teardown(test_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_freed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_locale, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dumb, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
