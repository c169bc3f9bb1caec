#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/signals.h"
#include "device/fleet/command.h"
#include "device/fleet/load.h"

enum { JSON_BYTES_MAX = 1 << 20, LINE_BYTES = 256, PLAIN_EVERY_S = 5 };

const struct ph_cli_option ph_fleet_load_options[] = {
    {"broker", "URL", "mqtt://HOST[:PORT] or mqtts://HOST[:PORT] (mqtt://localhost:1883)"},
    {"publishers", "N", "connections that publish (1)"},
    {"subscribers", "N", "connections that subscribe (0)"},
    {"rate", "N", "messages per second in all; 0: as fast as the window allows (0)"},
    {"window", "N", "unconfirmed messages of each publisher (100)"},
    {"size", "BYTES", "of the payload (128)"},
    {"readings", "N", "instead: a telemetry message as JSON with so many readings"},
    {"qos", "N", "0, 1 or 2, to publish and to subscribe (1)"},
    {"retain", NULL, "publish retained messages"},
    {"topic", "TEMPLATE", "{n}: the publisher's number (ph-load/{n})"},
    {"filter", "TEMPLATE", "{n}: the subscriber's number (matches every --topic)"},
    {"client-id", "TEMPLATE", "{n}: publishers, then subscribers (ph-load-RANDOM-{n})"},
    {"duration", "SECONDS", "measure for so long (10, unless --messages)"},
    {"warmup", "SECONDS", "send for so long before measuring (0)"},
    {"drain", "SECONDS", "the end waits so long after the last arrival (5)"},
    {"messages", "N", "end after so many in all"},
    {"ramp", "N", "connections begun per second (200)"},
    {"threads", "N", "of the generator (as many as there are cores)"},
    {"certs", "DIR", "folder with cert.pem, key.pem, ca.pem, or such folders, for each publisher"},
    {"ca", "FILE", "CAs that may vouch for the broker (ca.pem of --certs, else the system's)"},
    {"user", "NAME", "user name"},
    {"password-file", "FILE", "its first line is the password; closed to others"},
    {"mqtt", "VERSION", "5 or 3.1.1 (5)"},
    {"json", "FILE", "write the result as JSON; -: to standard output, for the summary"},
    {"plain", NULL, "no line that is rewritten, also on a terminal"},
    {0},
};

/* The line that tells how far it is. */
struct live {
    bool rewrites; /* standard error is a terminal */
    int64_t calls;
};

static void show(void *context, const struct ph_load_sample *sample)
{
    struct live *live = context;
    char line[LINE_BYTES];
    ph_load_sample_print(line, sizeof line, sample);
    if (live->rewrites) {
        (void)fprintf(stderr, "\r\x1b[K%s", line);
        (void)fflush(stderr);
    } else if (++live->calls % PLAIN_EVERY_S == 0) {
        (void)fprintf(stderr, "%s\n", line);
    }
}

static enum ph_err write_json(
    const struct ph_load_result *result, const char *path, struct ph_error *error)
{
    struct ph_buf text;
    ph_buf_init(&text, JSON_BYTES_MAX);
    enum ph_err err = ph_load_result_json(result, &text, error);
    if (err == PH_OK && strcmp(path, "-") != 0) {
        err = ph_file_replace(path, 0644, text.data, text.len, error);
    } else if (err == PH_OK && fwrite(text.data, 1, text.len, stdout) != text.len) {
        err = ph_error_set_errno(error, errno, "standard output");
    }
    ph_buf_fini(&text);
    return err;
}

static enum ph_err tell(const struct ph_load_options *options, const struct ph_load_result *result,
    struct ph_error *error)
{
    const bool only_json = options->json != NULL && strcmp(options->json, "-") == 0;
    enum ph_err err = PH_OK;
    if (!only_json) {
        ph_load_result_print(stdout, result);
        (void)fflush(stdout);
    }
    if (options->json != NULL) {
        err = write_json(result, options->json, error);
    }
    return err == PH_OK && result->lacks[0] != '\0'
               ? ph_error_set(error, PH_ERR_FAULT, "%s", result->lacks)
               : err;
}

static enum ph_err run(const struct ph_load_options *options, struct ph_error *error)
{
    int signal_fd = -1;
    struct live live = {.rewrites = !options->plain && isatty(STDERR_FILENO) == 1};
    struct ph_load_result *result = calloc(1, sizeof *result);
    if (result == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "load: no memory");
    }
    enum ph_err err = ph_signals_open(&signal_fd, error);
    if (err == PH_OK) {
        err = ph_load_run(options, signal_fd, show, &live, result, error);
        if (live.rewrites) {
            (void)fputs("\r\x1b[K", stderr);
        }
        (void)close(signal_fd);
    }
    err = err == PH_OK ? tell(options, result, error) : err;
    free(result);
    return err;
}

enum ph_err ph_fleet_load(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_load_options *options = NULL;
    enum ph_err err = ph_load_options_load(cli, &options, error);
    if (err == PH_OK) {
        err = run(options, error);
    }
    ph_load_options_free(&options);
    return err;
}
