/* What the reading subcommands share: which store, which format, which letters. */
#ifndef PH_INGEST_READER_H
#define PH_INGEST_READER_H

#include "base/cli.h"
#include "ingest/config.h"
#include "ingest/output.h"
#include "ingest/store/store.h"

/* The options that ph_reader_open_store() reads, for a command's own table; ph_reader_open() reads
 * the format too. */
#define PH_READER_OPTIONS                                                                          \
    {"config", "FILE", "configuration that names the store (default " PH_INGEST_CONFIG_FILE ")"},  \
    {                                                                                              \
        "store", "FILE|URI", "the store itself, instead of --config"                               \
    }

#define PH_READER_FORMAT                                                                           \
    {                                                                                              \
        "format", "FORMAT", "table (default), csv or json"                                         \
    }

/* For a command that calls ph_reader_certificates(). */
#define PH_READER_CERTIFICATES                                                                     \
    {                                                                                              \
        "certificates", NULL, "show which certificate vouched, or why none; always in json"        \
    }

/* Which dead letters: what ph_reader_letters() reads. */
#define PH_READER_LETTERS(limit)                                                                   \
    {"id", "ID", "only this letter"},                                                              \
        {"device", "TENANT/KIND/NAME", "only of this device (default: all)"},                      \
        {"reason", "TEXT", "only letters whose reason holds this text"},                           \
        {"from", "TIME", "received from then on, \"2026-11-22 19:00\" UTC or ms since 1970"},      \
        {"to", "TIME", "received before then"},                                                    \
    {                                                                                              \
        "limit", "N", "the newest N (default " limit ")"                                           \
    }

struct ph_reader {
    struct ph_store *store;
    struct ph_output *output;
    enum ph_output_format format;
    struct ph_rows rows;
};

/* Opens the store alone, read-only; release with ph_store_close(). PH_ERR_USAGE for a URI with a
 * password. */
enum ph_err ph_reader_open_store(
    const struct ph_cli *cli, struct ph_store **out, struct ph_error *error) PH_NODISCARD;

/* Opens the store (read-only) and the output to stdout; release with ph_reader_close(). */
enum ph_err ph_reader_open(
    const struct ph_cli *cli, struct ph_reader *reader, struct ph_error *error) PH_NODISCARD;

/* Whether to show certificates. */
bool ph_reader_certificates(const struct ph_cli *cli, const struct ph_reader *reader);

/* --from and --to, any time without; --device, *device is NULL without. PH_ERR_USAGE names the
 * option. */
enum ph_err ph_reader_span(const struct ph_cli *cli, int64_t *from_ms, int64_t *to_ms,
    struct ph_error *error) PH_NODISCARD;
enum ph_err ph_reader_device(const struct ph_cli *cli, struct ph_identity *storage,
    const struct ph_identity **device, struct ph_error *error) PH_NODISCARD;

/* The filter that the options say; it may point to `device`. */
enum ph_err ph_reader_letters(const struct ph_cli *cli, int64_t limit_default,
    struct ph_letter_filter *filter, struct ph_identity *device,
    struct ph_error *error) PH_NODISCARD;

/* Ends the output when `err` is PH_OK, releases everything, returns the first error. */
enum ph_err ph_reader_close(
    struct ph_reader *reader, enum ph_err err, struct ph_error *error) PH_NODISCARD;

#endif
