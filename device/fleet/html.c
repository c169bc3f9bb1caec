#include "device/fleet/html.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

void ph_html_init(struct ph_html *html, size_t max_bytes)
{
    html->err = PH_OK;
    ph_buf_init(&html->buf, max_bytes);
}

void ph_html_fini(struct ph_html *html)
{
    ph_buf_fini(&html->buf);
}

static void append(struct ph_html *html, const char *bytes, size_t len)
{
    if (html->err == PH_OK) {
        html->err = ph_buf_append(&html->buf, bytes, len);
    }
}

void ph_html_raw(struct ph_html *html, const char *markup)
{
    append(html, markup, strlen(markup));
}

void ph_html_format(struct ph_html *html, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0) {
        html->err = html->err == PH_OK ? PH_ERR_MEMORY : html->err;
        return;
    }
    append(html, text, (size_t)len);
    free(text);
}

static const char *reference(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

static void append_line(struct ph_html *html, const char *line, size_t len)
{
    size_t size = 4 * len + 1; /* each byte as \xNN */
    char *clean = malloc(size);
    if (clean == NULL) {
        html->err = html->err == PH_OK ? PH_ERR_MEMORY : html->err;
        return;
    }
    ph_text_escape_bytes(clean, size, line, len);
    for (const char *p = clean; *p != '\0';) {
        size_t plain = strcspn(p, "&<>\"'");
        append(html, p, plain);
        p += plain;
        if (*p != '\0') {
            ph_html_raw(html, reference(*p++));
        }
    }
    free(clean);
}

void ph_html_text(struct ph_html *html, const char *text)
{
    append_line(html, text, strlen(text));
}

void ph_html_lines(struct ph_html *html, const char *text)
{
    for (;;) {
        size_t len = strcspn(text, "\n");
        append_line(html, text, len);
        if (text[len] == '\0') {
            return;
        }
        ph_html_raw(html, "\n");
        text += len + 1;
    }
}

/* Three digits that count; beyond 999 all of them. */
static struct ph_shown scaled(double value, const char *unit)
{
    struct ph_shown shown = {""};
    if (fabs(value) >= 999.5) {
        struct ph_shown number = ph_show_count((int64_t)llround(value));
        (void)snprintf(shown.text, sizeof shown.text, "%.26s %s", number.text, unit);
    } else {
        (void)snprintf(shown.text, sizeof shown.text, "%.3g %s", value, unit);
    }
    return shown;
}

struct ph_shown ph_html_us(double us)
{
    return us < 999.5     ? scaled(us, "\xc2\xb5s")
           : us < 999.5e3 ? scaled(us / 1e3, "ms")
                          : scaled(us / 1e6, "s");
}

struct ph_shown ph_html_length(int64_t ms)
{
    struct ph_shown shown = {""};
    int64_t s = (ms + 500) / 1000;
    int hours = (int)(s / 3600);
    int minutes = (int)(s / 60 % 60);
    int seconds = (int)(s % 60);
    if (s >= 3600) {
        (void)snprintf(shown.text, sizeof shown.text, "%d h %d min %d s", hours, minutes, seconds);
    } else if (s >= 60) {
        (void)snprintf(shown.text, sizeof shown.text, "%d min %d s", minutes, seconds);
    } else {
        shown = scaled((double)ms / 1e3, "s");
    }
    return shown;
}
