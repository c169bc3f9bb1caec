/* Command lines from one table: parsing, checks and --help all come from it. A program is a table
 * of commands (or one command without a name) and a main that returns ph_cli_main(). */
#ifndef PH_BASE_CLI_H
#define PH_BASE_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct ph_cli; /* one parsed command line */

struct ph_cli_option {
    const char *name;     /* long name without "--" */
    const char *argument; /* placeholder such as "FILE", or NULL for a flag */
    const char *help;     /* one line, no full stop; says the default */
};

struct ph_cli_command {
    const char *name; /* one word, or two ("list all") beside which "list" may be a command of its
                         own; NULL for a program without subcommands */
    const char
        *arguments; /* positional arguments as shown in help, such as "DIR [NAME]", or NULL */
    int arguments_min;
    int arguments_max; /* -1: any number */
    const char *summary;
    const struct ph_cli_option *options; /* ends with a zero entry; NULL for none */
    enum ph_err (*run)(const struct ph_cli *cli, struct ph_error *error);
};

struct ph_cli_program {
    const char *name;
    const char *summary;
    const struct ph_cli_command *commands; /* ends with an entry whose run is NULL */
};

/* Parses, runs the command, prints "<program>: <message>" to stderr when it failed, and returns the
 * exit status (docs/spec/exit-codes.md). Every command also takes --help, --version and --log-level
 * LEVEL. Options may stand before or after positional arguments; "--" ends them; "--name=value" and
 * "--name value" are the same. An option given twice is an error. */
int ph_cli_main(const struct ph_cli_program *program, int argc, char **argv);

/* The same for a program with a command, named by `standard`, that need not be named: it runs when
 * the first word is an option other than --help and --version. */
int ph_cli_main_default(
    const struct ph_cli_program *program, const char *standard, int argc, char **argv);

/* The option's value, or NULL when it was not given. The name must be in the command's table. */
const char *ph_cli_value(const struct ph_cli *cli, const char *name);

/* True when a flag (or an option with a value) was given. */
bool ph_cli_has(const struct ph_cli *cli, const char *name);

/* The option's value as an integer in [min, max], `fallback` when not given; PH_ERR_USAGE names
 * option and range. */
enum ph_err ph_cli_int64(const struct ph_cli *cli, const char *name, int64_t min, int64_t max,
    int64_t fallback, int64_t *out, struct ph_error *error) PH_NODISCARD;

/* Positional arguments, from 0; NULL beyond the last. */
const char *ph_cli_argument(const struct ph_cli *cli, int index);
int ph_cli_argument_count(const struct ph_cli *cli);

#endif
