#include <inttypes.h>

#include "device/fleet/load_result.h"
#include "format/json.h"

static const char *const count_names[PH_LOAD_COUNTS] = {
    [PH_LOAD_CONNECTED] = "connected",
    [PH_LOAD_FAILED] = "connections_failed",
    [PH_LOAD_LOSSES] = "connections_lost",
    [PH_LOAD_SENT] = "sent",
    [PH_LOAD_CONFIRMED] = "confirmed",
    [PH_LOAD_REFUSED] = "refused",
    [PH_LOAD_UNSENT] = "not_sent",
    [PH_LOAD_EXPECTED] = "expected",
    [PH_LOAD_RECEIVED] = "received",
    [PH_LOAD_DUPLICATES] = "duplicates",
    [PH_LOAD_ASTRAY] = "astray",
};

static const char *const time_names[PH_LOAD_TIMES] = {
    [PH_LOAD_CONNECT] = "connect",
    [PH_LOAD_CONFIRM_DUE] = "confirmed_from_due",
    [PH_LOAD_CONFIRM_SENT] = "confirmed_from_sent",
    [PH_LOAD_DELIVERY_DUE] = "received_from_due",
    [PH_LOAD_DELIVERY_SENT] = "received_from_sent",
    [PH_LOAD_BEHIND] = "generator_behind",
};

static enum ph_err add_text(struct ph_buf *out, const char *name, const char *text)
{
    enum ph_err err = ph_buf_printf(out, "\"%s\":", name);
    err = err == PH_OK ? ph_json_append_text(out, text) : err;
    return err == PH_OK ? ph_buf_append_text(out, ",") : err;
}

static enum ph_err add_options(struct ph_buf *out, const struct ph_load_options *options)
{
    enum ph_err err = add_text(out, "broker", options->broker);
    err = err == PH_OK ? add_text(out, "topic", options->topic) : err;
    err = err == PH_OK && options->subscribers > 0 ? add_text(out, "filter", options->filter) : err;
    return err == PH_OK
               ? ph_buf_printf(out,
                     "\"mqtt\":\"%s\",\"qos\":%" PRId64 ",\"retain\":%s,\"publishers\":%" PRId64
                     ",\"subscribers\":%" PRId64 ",\"rate\":%" PRId64 ",\"size_bytes\":%" PRId64
                     ",\"readings\":%" PRId64 ",\"duration_s\":%" PRId64 ",\"warmup_s\":%" PRId64
                     ",\"messages\":%" PRId64 ",\"ramp\":%" PRId64 ",\"threads\":%" PRId64 ",",
                     options->version == 5 ? "5" : "3.1.1", options->qos,
                     options->retain ? "true" : "false", options->publishers, options->subscribers,
                     options->rate, options->readings > 0 ? 0 : options->size_bytes,
                     options->readings, options->duration_s, options->warmup_s, options->messages,
                     options->ramp, options->threads)
               : err;
}

static enum ph_err add_counts(struct ph_buf *out, const struct ph_load_result *result)
{
    enum ph_err err = PH_OK;
    for (int i = 0; i < PH_LOAD_COUNTS && err == PH_OK; i++) {
        if (count_names[i] != NULL) {
            err = ph_buf_printf(out, "\"%s\":%" PRId64 ",", count_names[i],
                ph_load_counted(&result->total, (enum ph_load_count)i));
        }
    }
    return err == PH_OK ? ph_buf_printf(out, "\"unconfirmed\":%" PRId64 ",\"lost\":%" PRId64 ",",
                              ph_load_unconfirmed(result), ph_load_lost(result))
                        : err;
}

static enum ph_err add_rates(struct ph_buf *out, const struct ph_load_result *result)
{
    static const enum ph_load_count counts[] = {PH_LOAD_SENT, PH_LOAD_CONFIRMED, PH_LOAD_RECEIVED};
    enum ph_err err = ph_buf_append_text(out, "\"per_s\":{");
    for (size_t i = 0; i < sizeof counts / sizeof counts[0] && err == PH_OK; i++) {
        const double rate =
            result->measured_s > 0 ? (double)result->measured[counts[i]] / result->measured_s : 0;
        err = ph_buf_printf(out, "%s\"%s\":%.1f", i > 0 ? "," : "", count_names[counts[i]], rate);
    }
    return err == PH_OK ? ph_buf_append_text(out, "},") : err;
}

static enum ph_err add_times(struct ph_buf *out, const struct ph_load_result *result)
{
    enum ph_err err = ph_buf_append_text(out, "\"times_us\":{");
    for (int i = 0; i < PH_LOAD_TIMES && err == PH_OK; i++) {
        const struct ph_histogram *times = &result->total.times[i];
        err = ph_buf_printf(out,
            "%s\"%s\":{\"count\":%" PRId64 ",\"mean\":%.1f,\"p50\":%" PRId64 ",\"p90\":%" PRId64
            ",\"p99\":%" PRId64 ",\"p99_9\":%" PRId64 ",\"p99_99\":%" PRId64 ",\"max\":%" PRId64
            "}",
            i > 0 ? "," : "", time_names[i], ph_histogram_count(times), ph_histogram_mean(times),
            ph_histogram_quantile(times, 0.5), ph_histogram_quantile(times, 0.9),
            ph_histogram_quantile(times, 0.99), ph_histogram_quantile(times, 0.999),
            ph_histogram_quantile(times, 0.9999), ph_histogram_quantile(times, 1));
    }
    return err == PH_OK ? ph_buf_append_text(out, "},") : err;
}

static enum ph_err add_reasons(struct ph_buf *out, const struct ph_load_reasons *reasons)
{
    enum ph_err err = ph_buf_append_text(out, "\"reasons\":[");
    for (size_t i = 0; i < reasons->len && err == PH_OK; i++) {
        err = ph_buf_append_text(out, i > 0 ? ",{" : "{");
        err = err == PH_OK ? add_text(out, "text", reasons->list[i].text) : err;
        err = err == PH_OK ? ph_buf_printf(out, "\"count\":%" PRId64 "}", reasons->list[i].count)
                           : err;
    }
    return err == PH_OK ? ph_buf_printf(out, "],\"reasons_left_out\":%" PRId64 ",", reasons->others)
                        : err;
}

static enum ph_err add_generator(struct ph_buf *out, const struct ph_load_result *result)
{
    return ph_buf_printf(out,
        "\"window\":%" PRId64 ",\"connections\":%" PRId64 ",\"connect_s\":%.3f,"
        "\"measured_s\":%.3f,\"generator\":{\"cpu_s\":%.3f,\"busiest\":%.3f,\"waited\":%.3f},"
        "\"numbered\":%s,\"interrupted\":%s,",
        result->window, result->connections, result->connect_s, result->measured_s, result->cpu_s,
        result->busiest, result->waited, result->stamped ? "true" : "false",
        result->interrupted ? "true" : "false");
}

enum ph_err ph_load_result_json(
    const struct ph_load_result *result, struct ph_buf *out, struct ph_error *error)
{
    const bool good = result->lacks[0] == '\0';
    enum ph_err err = ph_buf_append_text(out, "{");
    err = err == PH_OK ? add_options(out, result->options) : err;
    err = err == PH_OK ? add_counts(out, result) : err;
    err = err == PH_OK ? add_rates(out, result) : err;
    err = err == PH_OK ? add_times(out, result) : err;
    err = err == PH_OK ? add_reasons(out, &result->total.reasons) : err;
    err = err == PH_OK ? add_generator(out, result) : err;
    err = err == PH_OK ? add_text(out, "warning", result->warning) : err;
    err = err == PH_OK ? add_text(out, "lacks", result->lacks) : err;
    err = err == PH_OK ? ph_buf_printf(out, "\"good\":%s}\n", good ? "true" : "false") : err;
    return err == PH_OK ? PH_OK : ph_error_set(error, err, "report: cannot be put into words");
}
