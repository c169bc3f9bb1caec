#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "device/run.h"
#include "device/spool.h"
#include "format/stream.h"

enum format { TABLE, JSON, CSV };

struct printer {
    enum format format;
    size_t count;
};

static void print_head(enum format format)
{
    if (format == TABLE) {
        printf("%-32s %-16s %10s %12s %8s %8s %8s\n", "IDENTITY", "STREAM", "CAPTURED",
            "ACKNOWLEDGED", "PENDING", "DROPPED", "LOST");
    } else if (format == CSV) {
        printf("identity,stream,captured,acknowledged,pending,dropped,lost\n");
    } else {
        printf("[");
    }
}

/* The identity's grammar has no character that CSV or JSON would have to escape. */
static enum ph_err print_one(void *context, const char *identity,
    const struct ph_spool_counters *counters, struct ph_error *error)
{
    struct printer *printer = context;
    struct ph_identity checked;
    char stream[PH_STREAM_BYTES];
    enum ph_err err = ph_identity_parse(identity, &checked, error);
    if (err != PH_OK) {
        return err;
    }
    if (printer->count == 0) {
        print_head(printer->format);
    }
    ph_stream_print(stream, counters->stream);
    if (printer->format == JSON) {
        printf("%s{\"identity\":\"%s\",\"stream\":\"%s\",\"captured\":%" PRId64
               ",\"acknowledged\":%" PRId64 ",\"pending\":%" PRId64 ",\"dropped\":%" PRId64
               ",\"lost\":%" PRId64 "}",
            printer->count > 0 ? ",\n " : "", identity, stream, counters->captured,
            counters->acknowledged, counters->pending, counters->dropped, counters->lost);
    } else {
        printf(printer->format == CSV
                   ? "%s,%s,%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 "\n"
                   : "%-32s %-16s %10" PRId64 " %12" PRId64 " %8" PRId64 " %8" PRId64 " %8" PRId64
                     "\n",
            identity, stream, counters->captured, counters->acknowledged, counters->pending,
            counters->dropped, counters->lost);
    }
    printer->count++;
    return PH_OK;
}

static enum ph_err read_format(const char *name, enum format *out, struct ph_error *error)
{
    static const char *const names[] = {[TABLE] = "table", [JSON] = "json", [CSV] = "csv"};
    *out = TABLE;
    for (size_t i = 0; name != NULL && i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (enum format)i;
            return PH_OK;
        }
    }
    return name == NULL ? PH_OK
                        : ph_error_set(error, PH_ERR_USAGE,
                              "--format: want table, json or csv, have \"%s\"", name);
}

enum ph_err ph_device_spool(const struct ph_cli *cli, struct ph_error *error)
{
    struct printer printer = {.count = 0};
    enum ph_err err = read_format(ph_cli_value(cli, "format"), &printer.format, error);
    if (err != PH_OK) {
        return err;
    }
    err = ph_spool_list(ph_cli_argument(cli, 0), print_one, &printer, error);
    if (err == PH_OK && printer.count == 0) {
        print_head(printer.format);
    }
    if (err == PH_OK && printer.format == JSON) {
        printf("]\n");
    }
    if (fflush(stdout) != 0 && err == PH_OK) {
        err = ph_error_set(error, PH_ERR_IO, "standard output: cannot be written");
    }
    return err;
}
