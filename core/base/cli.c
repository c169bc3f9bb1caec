#include "base/cli.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "base/version.h"

enum { VALUES_MAX = 32, ARGUMENTS_MAX = 64 };

struct ph_cli {
    const struct ph_cli_program *program;
    const char *standard; /* the command that runs when none is named; NULL: none does */
    const struct ph_cli_command *command;
    struct {
        const char *name;
        const char *value;
    } values[VALUES_MAX];
    int value_count;
    const char *arguments[ARGUMENTS_MAX];
    int argument_count;
};

static const struct ph_cli_option common_options[] = {
    {"log-level", "LEVEL", "error, warning, info (default) or debug"},
    {"help", NULL, "show this help and exit"},
    {"version", NULL, "show the version and exit"},
    {0},
};

static const struct ph_cli_option *find_in(
    const struct ph_cli_option *options, const char *name, size_t len)
{
    for (; options != NULL && options->name != NULL; options++) {
        if (strlen(options->name) == len && strncmp(options->name, name, len) == 0) {
            return options;
        }
    }
    return NULL;
}

static void print_options(const struct ph_cli_option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        char left[64];
        (void)snprintf(left, sizeof left, "--%s%s%s", options->name,
            options->argument != NULL ? " " : "",
            options->argument != NULL ? options->argument : "");
        printf("  %-26s %s\n", left, options->help);
    }
}

static void print_command_help(
    const struct ph_cli_program *program, const struct ph_cli_command *command)
{
    printf("Usage: %s%s%s [OPTION...]%s%s\n\n%s\n\nOptions:\n", program->name,
        command->name != NULL ? " " : "", command->name != NULL ? command->name : "",
        command->arguments != NULL ? " " : "", command->arguments != NULL ? command->arguments : "",
        command->summary);
    print_options(command->options);
    print_options(common_options);
}

static void print_program_help(const struct ph_cli_program *program, const char *standard)
{
    int width = 14;
    for (const struct ph_cli_command *command = program->commands; command->run != NULL;
         command++) {
        int len = (int)strlen(command->name);
        width = len > width ? len : width;
    }
    printf("Usage: %s %sCOMMAND%s [OPTION...] [ARGUMENT...]\n\n%s\n\nCommands:\n", program->name,
        standard != NULL ? "[" : "", standard != NULL ? "]" : "", program->summary);
    for (const struct ph_cli_command *command = program->commands; command->run != NULL;
         command++) {
        printf("  %-*s %s\n", width, command->name, command->summary);
    }
    if (standard != NULL) {
        printf("\nOptions without a COMMAND are those of \"%s\".\n", standard);
    }
    printf("\n\"%s COMMAND --help\" shows a command's options; \"man %s\" says the rest.\n",
        program->name, program->name);
}

static enum ph_err add_value(struct ph_cli *cli, const struct ph_cli_option *option,
    const char *value, struct ph_error *error)
{
    if (ph_cli_has(cli, option->name)) {
        return ph_error_set(error, PH_ERR_USAGE, "--%s: given twice", option->name);
    }
    if (cli->value_count == VALUES_MAX) {
        return ph_error_set(error, PH_ERR_USAGE, "more than %d options", VALUES_MAX);
    }
    cli->values[cli->value_count].name = option->name;
    cli->values[cli->value_count].value = value;
    cli->value_count++;
    return PH_OK;
}

/* Takes one "--name[=value]" and, where the value is the next argument, that one too. */
static enum ph_err parse_option(
    struct ph_cli *cli, char **argv, int *i, int argc, struct ph_error *error)
{
    const char *name = argv[*i] + 2;
    const char *equals = strchr(name, '=');
    size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const struct ph_cli_option *option = find_in(cli->command->options, name, len);
    if (option == NULL) {
        option = find_in(common_options, name, len);
    }
    if (option == NULL) {
        return ph_error_set(error, PH_ERR_USAGE, "--%.*s: no such option; see %s%s%s --help",
            (int)len, name, cli->program->name, cli->command->name != NULL ? " " : "",
            cli->command->name != NULL ? cli->command->name : "");
    }
    if (option->argument == NULL) {
        return equals == NULL
                   ? add_value(cli, option, "", error)
                   : ph_error_set(error, PH_ERR_USAGE, "--%s: takes no value", option->name);
    }
    if (equals != NULL) {
        return add_value(cli, option, equals + 1, error);
    }
    if (*i + 1 >= argc) {
        return ph_error_set(
            error, PH_ERR_USAGE, "--%s: needs a value (%s)", option->name, option->argument);
    }
    *i += 1;
    return add_value(cli, option, argv[*i], error);
}

static enum ph_err check_argument_count(const struct ph_cli *cli, struct ph_error *error)
{
    const struct ph_cli_command *command = cli->command;
    const char *want = command->arguments != NULL ? command->arguments : "none";
    if (cli->argument_count < command->arguments_min) {
        return ph_error_set(error, PH_ERR_USAGE, "missing argument: want %s", want);
    }
    if (command->arguments_max >= 0 && cli->argument_count > command->arguments_max) {
        return ph_error_set(error, PH_ERR_USAGE, "unexpected argument \"%s\": want %s",
            cli->arguments[command->arguments_max], want);
    }
    return PH_OK;
}

static enum ph_err parse(struct ph_cli *cli, int argc, char **argv, struct ph_error *error)
{
    bool options_ended = false;
    for (int i = 0; i < argc; i++) {
        enum ph_err err = PH_OK;
        if (!options_ended && strcmp(argv[i], "--") == 0) {
            options_ended = true;
        } else if (!options_ended && strncmp(argv[i], "--", 2) == 0) {
            err = parse_option(cli, argv, &i, argc, error);
        } else if (!options_ended && argv[i][0] == '-' && argv[i][1] != '\0') {
            err = ph_error_set(
                error, PH_ERR_USAGE, "%s: options have two dashes; see --help", argv[i]);
        } else if (cli->argument_count == ARGUMENTS_MAX) {
            err = ph_error_set(error, PH_ERR_USAGE, "more than %d arguments", ARGUMENTS_MAX);
        } else {
            cli->arguments[cli->argument_count++] = argv[i];
        }
        if (err != PH_OK) {
            return err;
        }
    }
    return PH_OK;
}

static enum ph_err apply_log_level(const struct ph_cli *cli, struct ph_error *error)
{
    const char *name = ph_cli_value(cli, "log-level");
    enum ph_log_level level = PH_LOG_INFO;
    if (name == NULL) {
        return PH_OK;
    }
    if (!ph_log_level_parse(name, &level)) {
        return ph_error_set(error, PH_ERR_USAGE,
            "--log-level: want error, warning, info or debug, have \"%s\"", name);
    }
    ph_log_level_set(level);
    return PH_OK;
}

static enum ph_err run(struct ph_cli *cli, int argc, char **argv, struct ph_error *error)
{
    enum ph_err err = parse(cli, argc, argv, error);
    if (err != PH_OK) {
        return err;
    }
    if (ph_cli_has(cli, "help")) {
        print_command_help(cli->program, cli->command);
        return PH_OK;
    }
    if (ph_cli_has(cli, "version")) {
        printf("%s %s\n", cli->program->name, PH_VERSION);
        return PH_OK;
    }
    err = check_argument_count(cli, error);
    if (err == PH_OK) {
        err = apply_log_level(cli, error);
    }
    return err == PH_OK ? cli->command->run(cli, error) : err;
}

/* How many words of the command line are the command's name; 0 when it is another's. */
static int match_name(const char *name, int argc, char **argv)
{
    size_t first = strcspn(name, " ");
    if (strlen(argv[1]) != first || strncmp(argv[1], name, first) != 0) {
        return 0;
    }
    if (name[first] == '\0') {
        return 1;
    }
    return argc > 2 && strcmp(argv[2], &name[first + 1]) == 0 ? 2 : 0;
}

/* What may stand behind the first word of a command of two: "begin, finish"; "" when it is none. */
static void list_seconds(
    const struct ph_cli_program *program, const char *first, char *out, size_t size)
{
    size_t len = strlen(first);
    out[0] = '\0';
    for (const struct ph_cli_command *command = program->commands; command->run != NULL;
         command++) {
        if (strncmp(command->name, first, len) == 0 && command->name[len] == ' ') {
            size_t used = strlen(out);
            (void)snprintf(
                out + used, size - used, "%s%s", used > 0 ? ", " : "", &command->name[len + 1]);
        }
    }
}

static enum ph_err no_command(
    const struct ph_cli_program *program, const char *word, struct ph_error *error)
{
    char seconds[256];
    list_seconds(program, word, seconds, sizeof seconds);
    return seconds[0] != '\0' ? ph_error_set(error, PH_ERR_USAGE,
                                    "%s: want one of these behind it: %s; see %s --help", word,
                                    seconds, program->name)
                              : ph_error_set(error, PH_ERR_USAGE,
                                    "%s: no such command; see %s --help", word, program->name);
}

/* An option in place of a command: it is the standard command's. */
static const struct ph_cli_command *unnamed_command(const struct ph_cli *cli, const char *first)
{
    const struct ph_cli_command *command = cli->program->commands;
    if (cli->standard == NULL || strncmp(first, "--", 2) != 0 || strcmp(first, "--help") == 0 ||
        strcmp(first, "--version") == 0) {
        return NULL;
    }
    while (command->run != NULL && strcmp(command->name, cli->standard) != 0) {
        command++;
    }
    return command->run != NULL ? command : NULL;
}

/* *words: of the name. */
static enum ph_err find_command(
    struct ph_cli *cli, int argc, char **argv, int *words, struct ph_error *error)
{
    const struct ph_cli_program *program = cli->program;
    *words = 0;
    if (argc < 2) {
        return ph_error_set(error, PH_ERR_USAGE, "want a command; see %s --help", program->name);
    }
    cli->command = unnamed_command(cli, argv[1]);
    if (cli->command != NULL) {
        return PH_OK;
    }
    for (const struct ph_cli_command *command = program->commands; command->run != NULL;
         command++) {
        int matched = match_name(command->name, argc, argv);
        if (matched > *words) {
            cli->command = command;
            *words = matched;
        }
    }
    return *words > 0 ? PH_OK : no_command(program, argv[1], error);
}

static int finish(const struct ph_cli_program *program, enum ph_err err, struct ph_error *error)
{
    if (err == PH_OK && (fflush(stdout) != 0 || ferror(stdout) != 0)) {
        err = ph_error_set(error, PH_ERR_IO, "standard output: cannot be written");
    }
    if (err != PH_OK) {
        fprintf(stderr, "%s: %s\n", program->name,
            error->message[0] != '\0' ? error->message : ph_err_name(err));
    }
    return ph_err_exit_status(err);
}

int ph_cli_main(const struct ph_cli_program *program, int argc, char **argv)
{
    return ph_cli_main_default(program, NULL, argc, argv);
}

int ph_cli_main_default(
    const struct ph_cli_program *program, const char *standard, int argc, char **argv)
{
    struct ph_cli cli = {.program = program, .standard = standard};
    struct ph_error error = {0};
    if (program->commands->name == NULL) {
        cli.command = program->commands;
        return finish(program, run(&cli, argc - 1, argv + 1, &error), &error);
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        print_program_help(program, standard);
        return finish(program, PH_OK, &error);
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("%s %s\n", program->name, PH_VERSION);
        return finish(program, PH_OK, &error);
    }
    int words = 0;
    enum ph_err err = find_command(&cli, argc, argv, &words, &error);
    if (err == PH_OK) {
        err = run(&cli, argc - 1 - words, argv + 1 + words, &error);
    }
    return finish(program, err, &error);
}

const char *ph_cli_value(const struct ph_cli *cli, const char *name)
{
    for (int i = 0; i < cli->value_count; i++) {
        if (strcmp(cli->values[i].name, name) == 0) {
            return cli->values[i].value;
        }
    }
    return NULL;
}

bool ph_cli_has(const struct ph_cli *cli, const char *name)
{
    return ph_cli_value(cli, name) != NULL;
}

enum ph_err ph_cli_int64(const struct ph_cli *cli, const char *name, int64_t min, int64_t max,
    int64_t fallback, int64_t *out, struct ph_error *error)
{
    const char *text = ph_cli_value(cli, name);
    if (text == NULL) {
        *out = fallback;
        return PH_OK;
    }
    if (!ph_text_to_int64(text, min, max, out)) {
        return ph_error_set(error, PH_ERR_USAGE,
            "--%s: want a whole number from %lld to %lld, have \"%s\"", name, (long long)min,
            (long long)max, text);
    }
    return PH_OK;
}

const char *ph_cli_argument(const struct ph_cli *cli, int index)
{
    return index < cli->argument_count ? cli->arguments[index] : NULL;
}

int ph_cli_argument_count(const struct ph_cli *cli)
{
    return cli->argument_count;
}
