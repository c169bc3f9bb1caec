/* The broker's own configuration, read to find what would break the plugin's promises
 * (docs/spec/broker-plugin.md). Reads the grammar of mosquitto.conf(5) as the broker does: a word,
 * blanks, a value; '#' in the first column; include_dir one level deep; settings of a listener
 * belong to the "listener" line above them, in the same file, or else to the default listener. */
#ifndef PH_BROKER_PLUGIN_BROKER_CONF_H
#define PH_BROKER_PLUGIN_BROKER_CONF_H

#include <stddef.h>

#include "base/error.h"

#define PH_FINDINGS_MAX  16
#define PH_FINDING_BYTES 400

/* What is wrong, one sentence each: "<file>:<line>: <setting>: <why, and what to write instead>".
 */
struct ph_findings {
    char text[PH_FINDINGS_MAX][PH_FINDING_BYTES];
    size_t count;
    size_t left_out; /* found beyond PH_FINDINGS_MAX */
};

/* Checks a file and what it includes; appends to *findings. An error only when a file cannot be
 * read. */
enum ph_err ph_broker_conf_check(
    const char *path, struct ph_findings *findings, struct ph_error *error) PH_NODISCARD;

/* The same for bytes that were read already; include_dir is not followed. */
enum ph_err ph_broker_conf_check_text(const char *name, const void *bytes, size_t len,
    struct ph_findings *findings, struct ph_error *error) PH_NODISCARD;

/* The broker's command line, `len` bytes of terminated words as in /proc/self/cmdline: the file
 * after -c in *config_file (borrowed from `words`, NULL when there is none), and a finding for -p,
 * which opens a listener without certificates, and for a second -c, whose file would be one of two.
 */
void ph_broker_command_line_check(
    const char *words, size_t len, const char **config_file, struct ph_findings *findings);

#endif
