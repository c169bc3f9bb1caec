/* What the subcommands share that change a store: its configuration and a handle that writes. */
#ifndef PH_INGEST_WRITER_H
#define PH_INGEST_WRITER_H

#include "base/cli.h"
#include "config/kinds_file.h"
#include "ingest/config.h"
#include "ingest/store/store.h"

/* The options that ph_writer_open() reads, for a command's own table. Without --store: the kinds
 * and the limits are the configuration's. */
#define PH_WRITER_OPTIONS                                                                          \
    {"config", "FILE",                                                                             \
        "configuration, as of the ingest that runs (default " PH_INGEST_CONFIG_FILE ")"},          \
    {                                                                                              \
        "dry-run", NULL, "show what would be done, and do nothing"                                 \
    }

/* How long a busy store is tried again. */
#define PH_WRITER_PATIENCE_MS 60000

struct ph_writer {
    struct ph_ingest_config *config;
    struct ph_kinds *kinds;
    struct ph_store *store; /* NULL with --dry-run */
};

/* Loads the configuration and its kinds, and opens the store for writing unless --dry-run is given.
 * The store must exist: open a reader first. Release with ph_writer_close(), also after an error.
 */
enum ph_err ph_writer_open(
    const struct ph_cli *cli, struct ph_writer *writer, struct ph_error *error) PH_NODISCARD;
void ph_writer_close(struct ph_writer *writer);

#endif
