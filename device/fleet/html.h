/* A page of HTML as it grows: markup as it is, text escaped. The first error stays, and what is
 * appended after it is nothing; so it is asked for once, at the end. */
#ifndef PH_FLEET_HTML_H
#define PH_FLEET_HTML_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "device/fleet/output_text.h"

struct ph_html {
    struct ph_buf buf;
    enum ph_err err; /* PH_ERR_LIMIT, PH_ERR_MEMORY */
};

/* An empty page that will not exceed `max_bytes`. */
void ph_html_init(struct ph_html *html, size_t max_bytes);
void ph_html_fini(struct ph_html *html);

/* Markup of our own: nothing in it, nor in the arguments, may come from outside. */
void ph_html_raw(struct ph_html *html, const char *markup);
void ph_html_format(struct ph_html *html, const char *format, ...) PH_PRINTF(2, 3);

/* Text from anywhere, for an element or a quoted attribute: ph_text_escape(), and the characters
 * that mean something in HTML as references. */
void ph_html_text(struct ph_html *html, const char *text);

/* The same line by line: line ends stay. */
void ph_html_lines(struct ph_html *html, const char *text);

/* Microseconds with three digits that count: "870 us" (with the Greek letter), "12.3 ms", "4.56 s",
 * "1,230 s". */
struct ph_shown ph_html_us(double us);

/* Milliseconds as a length, to the second: "12.3 s", "10 min 5 s", "2 h 3 min 4 s". */
struct ph_shown ph_html_length(int64_t ms);

#endif
