/* A JSON document as it grows: commas and line ends are put where they belong, text from anywhere
 * is escaped. The first error stays, and what is appended after it is nothing; so it is asked for
 * once, at the end. */
#ifndef PH_FLEET_JSON_WRITER_H
#define PH_FLEET_JSON_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/histogram.h"

struct ph_json_writer {
    struct ph_buf buf;
    enum ph_err err; /* PH_ERR_LIMIT, PH_ERR_MEMORY */
};

/* An empty document of at most `max_bytes`; allocates nothing. */
void ph_json_writer_init(struct ph_json_writer *json, size_t max_bytes);
void ph_json_writer_fini(struct ph_json_writer *json);

/* Opens an object or an array, and closes it: "{", "[", "}", "]". Where it is an element or the
 * document itself; a member's follows on ph_json_put_name(). */
void ph_json_put_open(struct ph_json_writer *json, const char *bracket);
void ph_json_put_close(struct ph_json_writer *json, const char *bracket);

/* The next name or element begins a line. */
void ph_json_put_line(struct ph_json_writer *json);

/* The name of a member; its value comes next, as an element would. */
void ph_json_put_name(struct ph_json_writer *json, const char *name);

/* Elements. Text is as ph_text_escape() leaves it, of at most 1,000 bytes; NULL is null. A number
 * must be finite. */
void ph_json_put_null(struct ph_json_writer *json);
void ph_json_put_integer(struct ph_json_writer *json, int64_t value);
void ph_json_put_number(struct ph_json_writer *json, double value);
void ph_json_put_text(struct ph_json_writer *json, const char *text);

/* Members: name and value. */
void ph_json_add_integer(struct ph_json_writer *json, const char *name, int64_t value);
void ph_json_add_number(struct ph_json_writer *json, const char *name, double value);
void ph_json_add_text(struct ph_json_writer *json, const char *name, const char *text);

/* A histogram of microseconds as an object: count, mean_us, p50_us, p90_us, p99_us, p99_9_us,
 * max_us, and steps: an array of [highest value of the step, count] for each that is not empty, so
 * that several can be added up. */
void ph_json_add_times(
    struct ph_json_writer *json, const char *name, const struct ph_histogram *times_us);

/* Writes the document whole to the file (ph_file_replace(), 0644), or to standard output for "-".
 * An error that the document has met itself is reported here. */
enum ph_err ph_json_writer_store(
    struct ph_json_writer *json, const char *path, struct ph_error *error) PH_NODISCARD;

#endif
