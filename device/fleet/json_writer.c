#include "device/fleet/json_writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "format/json.h"

void ph_json_writer_init(struct ph_json_writer *json, size_t max_bytes)
{
    ph_buf_init(&json->buf, max_bytes);
    json->err = PH_OK;
}

void ph_json_writer_fini(struct ph_json_writer *json)
{
    ph_buf_fini(&json->buf);
}

static void put(struct ph_json_writer *json, const char *text)
{
    json->err = json->err == PH_OK ? ph_buf_append_text(&json->buf, text) : json->err;
}

static char last(const struct ph_json_writer *json)
{
    if (json->buf.len == 0) {
        return '\0';
    }
    return json->buf.data[json->buf.len - 1];
}

/* A comma, unless what follows is the first in its object or array, or comes after a name or a line
 * end, which have their colon or comma already. What was written last tells: a text ends with its
 * quote. */
static void separate(struct ph_json_writer *json)
{
    char before = last(json);
    if (before != '\0' && strchr("{[ \n", before) == NULL) {
        put(json, ",");
    }
}

void ph_json_put_open(struct ph_json_writer *json, const char *bracket)
{
    separate(json);
    put(json, bracket);
}

void ph_json_put_close(struct ph_json_writer *json, const char *bracket)
{
    put(json, bracket);
}

void ph_json_put_line(struct ph_json_writer *json)
{
    separate(json);
    put(json, "\n");
}

void ph_json_put_name(struct ph_json_writer *json, const char *name)
{
    separate(json);
    put(json, last(json) == ',' ? " " : "");
    ph_json_put_text(json, name);
    put(json, ": ");
}

void ph_json_put_null(struct ph_json_writer *json)
{
    separate(json);
    put(json, "null");
}

void ph_json_put_integer(struct ph_json_writer *json, int64_t value)
{
    separate(json);
    json->err = json->err == PH_OK ? ph_buf_printf(&json->buf, "%" PRId64, value) : json->err;
}

void ph_json_put_number(struct ph_json_writer *json, double value)
{
    separate(json);
    json->err = json->err == PH_OK ? ph_json_append_number(&json->buf, value) : json->err;
}

void ph_json_put_text(struct ph_json_writer *json, const char *text)
{
    char clean[1001];
    if (text == NULL) {
        ph_json_put_null(json);
        return;
    }
    separate(json);
    ph_text_escape(clean, sizeof clean, text);
    json->err = json->err == PH_OK ? ph_json_append_text(&json->buf, clean) : json->err;
}

void ph_json_add_integer(struct ph_json_writer *json, const char *name, int64_t value)
{
    ph_json_put_name(json, name);
    ph_json_put_integer(json, value);
}

void ph_json_add_number(struct ph_json_writer *json, const char *name, double value)
{
    ph_json_put_name(json, name);
    ph_json_put_number(json, value);
}

void ph_json_add_text(struct ph_json_writer *json, const char *name, const char *text)
{
    ph_json_put_name(json, name);
    ph_json_put_text(json, text);
}

static void put_steps(struct ph_json_writer *json, const struct ph_histogram *times_us)
{
    ph_json_put_open(json, "[");
    for (size_t i = 0; i < PH_HISTOGRAM_BUCKETS; i++) {
        int64_t highest = 0;
        int64_t count = ph_histogram_step(times_us, i, &highest);
        if (count != 0) {
            ph_json_put_open(json, "[");
            ph_json_put_integer(json, highest);
            ph_json_put_integer(json, count);
            ph_json_put_close(json, "]");
        }
    }
    ph_json_put_close(json, "]");
}

void ph_json_add_times(
    struct ph_json_writer *json, const char *name, const struct ph_histogram *times_us)
{
    static const struct {
        const char *name;
        double share;
    } quantiles[] = {
        {"p50_us", 0.5}, {"p90_us", 0.9}, {"p99_us", 0.99}, {"p99_9_us", 0.999}, {"max_us", 1}};
    ph_json_put_name(json, name);
    ph_json_put_open(json, "{");
    ph_json_add_integer(json, "count", ph_histogram_count(times_us));
    ph_json_add_number(json, "mean_us", ph_histogram_mean(times_us));
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
        ph_json_add_integer(
            json, quantiles[i].name, ph_histogram_quantile(times_us, quantiles[i].share));
    }
    ph_json_put_name(json, "steps");
    put_steps(json, times_us);
    ph_json_put_close(json, "}");
}

enum ph_err ph_json_writer_store(
    struct ph_json_writer *json, const char *path, struct ph_error *error)
{
    put(json, "\n");
    if (json->err != PH_OK) {
        return ph_error_set(error, json->err, "%s: the JSON report could not be made: %s", path,
            ph_err_name(json->err));
    }
    if (strcmp(path, "-") != 0) {
        return ph_file_replace(path, 0644, json->buf.data, json->buf.len, error);
    }
    if (fwrite(json->buf.data, 1, json->buf.len, stdout) != json->buf.len || fflush(stdout) != 0) {
        return ph_error_set_errno(error, errno, "standard output: write");
    }
    return PH_OK;
}
