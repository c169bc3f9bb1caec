/* What the reading subcommands share: which store, which format. */
#ifndef PH_INGEST_READER_H
#define PH_INGEST_READER_H

#include "base/cli.h"
#include "ingest/config.h"
#include "ingest/output.h"
#include "ingest/store.h"

/* The options that ph_reader_open() reads, for a command's own table. */
#define PH_READER_OPTIONS                                                                          \
    {"config", "FILE", "configuration that names the store (default " PH_INGEST_CONFIG_FILE ")"},  \
        {"store", "FILE", "the store itself, instead of --config"},                                \
    {                                                                                              \
        "format", "FORMAT", "table (default), csv or json"                                         \
    }

/* For a command that calls ph_reader_certificates(). */
#define PH_READER_CERTIFICATES                                                                     \
    {                                                                                              \
        "certificates", NULL, "show which certificate vouched, or why none; always in json"        \
    }

struct ph_reader {
    struct ph_store *store;
    struct ph_output *output;
    enum ph_output_format format;
    struct ph_rows rows;
};

/* Opens the store (read-only) and the output to stdout; release with ph_reader_close(). */
enum ph_err ph_reader_open(
    const struct ph_cli *cli, struct ph_reader *reader, struct ph_error *error) PH_NODISCARD;

/* Whether to show certificates. */
bool ph_reader_certificates(const struct ph_cli *cli, const struct ph_reader *reader);

/* Ends the output when `err` is PH_OK, releases everything, returns the first error. */
enum ph_err ph_reader_close(
    struct ph_reader *reader, enum ph_err err, struct ph_error *error) PH_NODISCARD;

#endif
