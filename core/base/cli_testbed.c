#include "base/cli_testbed.h"

#include <stdio.h>
#include <string.h>

enum { ARGUMENTS_MAX = 24, ARGUMENT_BYTES = 128 };

int ph_cli_testbed_run(const struct ph_cli_program *program, const char *first, va_list args)
{
    char texts[ARGUMENTS_MAX + 1][ARGUMENT_BYTES];
    char *argv[ARGUMENTS_MAX + 2] = {texts[0]};
    int argc = 1;
    (void)snprintf(texts[0], sizeof texts[0], "%s", program->name);
    for (const char *arg = first; arg != NULL && argc <= ARGUMENTS_MAX;
         arg = va_arg(args, const char *)) {
        (void)snprintf(texts[argc], sizeof texts[argc], "%s", arg);
        argv[argc] = texts[argc];
        argc++;
    }
    return ph_cli_main(program, argc, argv);
}
