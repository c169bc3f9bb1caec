/* For tests of what a command line leads to. */
#ifndef PH_BASE_CLI_TESTBED_H
#define PH_BASE_CLI_TESTBED_H

#include <stdarg.h>

#include "base/cli.h"

/* Runs the program with these arguments, up to a NULL; at most 24 of at most 127 bytes. */
int ph_cli_testbed_run(const struct ph_cli_program *program, const char *first, va_list args);

#endif
