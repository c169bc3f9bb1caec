#include "broker-plugin/broker_conf.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"

#define LISTENERS_MAX 64
#define FILES_MAX     128 /* the main file and what include_dir adds */
#define PLUGIN_NAME   "mosquitto_phonehome"

enum has {
    HAS_CERTIFICATE = 1 << 0,
    HAS_KEY = 1 << 1,
    HAS_CA = 1 << 2,
    HAS_REQUIRE = 1 << 3,
    HAS_ALL = (1 << 4) - 1,
};

struct listener {
    const char *file;
    size_t line; /* where it begins; 0: the default listener while no setting made it real */
    bool unix_socket;
    unsigned has;
    char name[80];
};

struct parser {
    struct ph_findings *findings;
    struct listener fallback; /* the default listener: settings before any "listener" line */
    struct listener listeners[LISTENERS_MAX];
    size_t listener_count;
    char *files[FILES_MAX];
    size_t file_count;
    bool follow;   /* include_dir is read */
    bool included; /* reading a file of include_dir */
    bool plugin_seen;
};

struct line {
    const char *file;
    size_t number;
    const char *option;
    const char *value; /* "" when there is none */
    struct listener *listener;
};

static void find(struct ph_findings *findings, const char *format, ...) PH_PRINTF(2, 3);

static void find(struct ph_findings *findings, const char *format, ...)
{
    if (findings->count == PH_FINDINGS_MAX) {
        findings->left_out++;
        return;
    }
    char raw[PH_FINDING_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    ph_text_escape(findings->text[findings->count], PH_FINDING_BYTES, raw);
    findings->count++;
}

/* ---- rules of one line ---- */

enum rule {
    RULE_NEVER,    /* must not appear */
    RULE_NOT_TRUE, /* may appear as false */
    RULE_NOT_ZERO,
    RULE_ONLY_ZERO,
    RULE_GIVES, /* a listener's certificate settings */
    RULE_GIVES_IF_TRUE,
    RULE_TOUCHES, /* makes the default listener real when no "listener" line stands above */
    RULE_PROTOCOL,
    RULE_TLS_VERSION,
    RULE_PLUGIN,
};

static const struct option {
    const char *name;
    enum rule rule;
    unsigned gives;
    const char *advice;
} options[] = {
    {"use_identity_as_username", RULE_NOT_TRUE, 0,
        "with it the broker never asks the plugin who may connect; delete the line"},
    {"use_subject_as_username", RULE_NOT_TRUE, 0,
        "with it the broker never asks the plugin who may connect; delete the line"},
    {"use_username_as_clientid", RULE_NOT_TRUE, 0,
        "client ids are bound to certificates by the policy; delete the line"},
    {"per_listener_settings", RULE_NOT_TRUE, 0,
        "with it the plugin is not asked everywhere; delete the line"},
    {"allow_anonymous", RULE_NOT_TRUE, 0,
        "nobody is anonymous here; write \"allow_anonymous false\""},
    {"crlfile", RULE_NEVER, 0,
        "the broker checks nothing after a reload with a bad file; delete the line and name the "
        "file under \"crl\" in the policy"},
    {"acl_file", RULE_NEVER, 0,
        "has no effect, the plugin answers first; delete the line and write the rights into the "
        "policy"},
    {"password_file", RULE_NEVER, 0, "has no effect, the plugin answers first; delete the line"},
    {"psk_file", RULE_NEVER, 0, "a pre-shared key is no certificate; delete the line"},
    {"psk_hint", RULE_NEVER, 0, "a pre-shared key is no certificate; delete the line"},
    {"connection", RULE_NEVER, 0,
        "what a bridge sends and receives is never checked; run the bridge as a client with its "
        "own certificate and role"},
    {"memory_limit", RULE_ONLY_ZERO, 0,
        "its counter only grows in mosquitto 2.0.11, until everything is refused; delete the line"},
    {"max_queued_messages", RULE_NOT_ZERO, 0,
        "with 0 a refused publish ends the connection in mosquitto 2.0; write a large number such "
        "as \"max_queued_messages 1000000\""},
    {"certfile", RULE_GIVES, HAS_CERTIFICATE, NULL},
    {"keyfile", RULE_GIVES, HAS_KEY, NULL},
    {"cafile", RULE_GIVES, HAS_CA, NULL},
    {"capath", RULE_GIVES, HAS_CA, NULL},
    {"require_certificate", RULE_GIVES_IF_TRUE, HAS_REQUIRE, NULL},
    {"port", RULE_TOUCHES, 0, NULL},
    {"bind_address", RULE_TOUCHES, 0, NULL},
    {"bind_interface", RULE_TOUCHES, 0, NULL},
    {"max_connections", RULE_TOUCHES, 0, NULL},
    {"max_qos", RULE_TOUCHES, 0, NULL},
    {"mount_point", RULE_TOUCHES, 0, NULL},
    {"socket_domain", RULE_TOUCHES, 0, NULL},
    {"http_dir", RULE_TOUCHES, 0, NULL},
    {"ciphers", RULE_TOUCHES, 0, NULL},
    {"ciphers_tls1.3", RULE_TOUCHES, 0, NULL},
    {"dhparamfile", RULE_TOUCHES, 0, NULL},
    {"tls_engine", RULE_TOUCHES, 0, NULL},
    {"tls_engine_kpass_sha1", RULE_TOUCHES, 0, NULL},
    {"tls_keyform", RULE_TOUCHES, 0, NULL},
    {"protocol", RULE_PROTOCOL, 0,
        "the broker does not show the plugin the certificates of such a listener; write \"protocol "
        "mqtt\""},
    {"tls_version", RULE_TLS_VERSION, 0, "write \"tls_version tlsv1.2\" (or tlsv1.3)"},
    {"plugin", RULE_PLUGIN, 0, NULL},
    {"auth_plugin", RULE_PLUGIN, 0, NULL},
};

static bool is_word(const char *value, const char *word)
{
    size_t len = strlen(word);
    return strncmp(value, word, len) == 0 &&
           (value[len] == '\0' || isblank((unsigned char)value[len]));
}

static bool is_true(const char *value)
{
    return is_word(value, "true") || is_word(value, "1");
}

static void object(const struct parser *parser, const struct line *line, const char *advice)
{
    find(parser->findings, "%.120s:%zu: %s %.40s: %s", line->file, line->number, line->option,
        line->value, advice);
}

static void touch(const struct line *line)
{
    if (line->listener->line == 0) {
        line->listener->file = line->file;
        line->listener->line = line->number;
    }
}

/* The first plugin that answers decides, so ours must be the first. */
static void check_plugin(struct parser *parser, const struct line *line)
{
    const char *slash = strrchr(line->value, '/');
    const char *name = slash != NULL ? slash + 1 : line->value;
    if (strncmp(name, PLUGIN_NAME, strlen(PLUGIN_NAME)) == 0) {
        parser->plugin_seen = true;
    } else if (!parser->plugin_seen) {
        object(parser, line,
            "it would be asked first, and its answer stands; move the line below that of "
            "mosquitto_phonehome.so");
    }
}

static void check_option(
    struct parser *parser, const struct line *line, const struct option *option)
{
    const char *value = line->value;
    switch (option->rule) {
    case RULE_NEVER:
        object(parser, line, option->advice);
        break;
    case RULE_NOT_TRUE:
        if (is_true(value)) {
            object(parser, line, option->advice);
        }
        break;
    case RULE_NOT_ZERO:
    case RULE_ONLY_ZERO:
        if ((strtoll(value, NULL, 10) == 0) == (option->rule == RULE_NOT_ZERO)) {
            object(parser, line, option->advice);
        }
        break;
    case RULE_GIVES:
    case RULE_GIVES_IF_TRUE: /* the last one counts */
        touch(line);
        line->listener->has &= ~option->gives;
        if (option->rule == RULE_GIVES || is_true(value)) {
            line->listener->has |= option->gives;
        }
        break;
    case RULE_TOUCHES:
        touch(line);
        break;
    case RULE_PROTOCOL:
        touch(line);
        if (!is_word(value, "mqtt")) {
            object(parser, line, option->advice);
        }
        break;
    case RULE_TLS_VERSION:
        if (!is_word(value, "tlsv1.2") && !is_word(value, "tlsv1.3")) {
            object(parser, line, option->advice);
        }
        break;
    case RULE_PLUGIN:
        check_plugin(parser, line);
        break;
    }
}

/* ---- files and lines ---- */

static enum ph_err begin_listener(struct parser *parser, const struct line *line,
    struct listener **current, struct ph_error *error)
{
    if (parser->listener_count == LISTENERS_MAX) {
        return ph_error_set(error, PH_ERR_LIMIT, "%s:%zu: more than %d listeners", line->file,
            line->number, LISTENERS_MAX);
    }
    struct listener *listener = &parser->listeners[parser->listener_count++];
    *listener = (struct listener){.file = line->file, .line = line->number};
    listener->unix_socket = strtoll(line->value, NULL, 10) == 0;
    (void)snprintf(listener->name, sizeof listener->name, "listener %.60s", line->value);
    *current = listener;
    return PH_OK;
}

static enum ph_err read_dir(struct parser *parser, const char *dir, struct ph_error *error);

static enum ph_err take_line(struct parser *parser, const struct line *line,
    struct listener **current, struct ph_error *error)
{
    if (strcmp(line->option, "listener") == 0) {
        return begin_listener(parser, line, current, error);
    }
    if (strcmp(line->option, "include_dir") == 0) {
        return parser->follow && !parser->included ? read_dir(parser, line->value, error) : PH_OK;
    }
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (strcmp(line->option, options[i].name) == 0) {
            check_option(parser, line, &options[i]);
            break;
        }
    }
    return PH_OK;
}

/* Cuts trailing blanks; returns what stands behind leading ones. */
static char *trim(char *text)
{
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1])) {
        text[--len] = '\0';
    }
    return text + strspn(text, " \t");
}

/* `text` is terminated and is cut up. */
static enum ph_err read_text(
    struct parser *parser, const char *file, char *text, struct ph_error *error)
{
    struct listener *current = &parser->fallback;
    size_t number = 0;
    enum ph_err err = PH_OK;
    char *rest = text;
    while (err == PH_OK && rest != NULL) {
        char *start = strsep(&rest, "\n");
        number++;
        if (start[0] == '#') {
            continue;
        }
        char *option = trim(start);
        char *value = option + strcspn(option, " \t");
        if (*value != '\0') {
            *value++ = '\0';
            value += strspn(value, " \t");
        }
        struct line line = {
            .file = file, .number = number, .option = option, .value = value, .listener = current};
        err = take_line(parser, &line, &current, error);
    }
    return err;
}

static enum ph_err read_bytes(
    struct parser *parser, const char *name, const void *bytes, size_t len, struct ph_error *error)
{
    if (parser->file_count == FILES_MAX) {
        return ph_error_set(
            error, PH_ERR_LIMIT, "%s: more than %d configuration files", name, FILES_MAX);
    }
    if (len > 0 && memchr(bytes, '\0', len) != NULL) {
        return ph_error_set(error, PH_ERR_CONFIG, "%s: holds NUL bytes; write plain text", name);
    }
    char *file = strdup(name);
    char *text = strndup(len > 0 ? bytes : "", len);
    enum ph_err err = PH_OK;
    if (file == NULL || text == NULL) {
        free(file);
        err = ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", name);
    } else {
        parser->files[parser->file_count++] = file;
        err = read_text(parser, file, text, error);
    }
    free(text);
    return err;
}

static enum ph_err read_file(struct parser *parser, const char *path, struct ph_error *error)
{
    struct ph_buf text;
    ph_buf_init(&text, PH_LIMIT_CONFIG_BYTES);
    enum ph_err err = ph_file_load(path, &text, error);
    if (err == PH_OK) {
        err = read_bytes(parser, path, text.data, text.len, error);
    }
    ph_buf_fini(&text);
    return err;
}

static int only_conf(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return len > 5 && strcmp(entry->d_name + len - 5, ".conf") == 0;
}

/* The broker's order: by letter without case, and where only the case differs, by case. */
static int broker_order(const struct dirent **a, const struct dirent **b)
{
    const char *left = (*a)->d_name;
    const char *right = (*b)->d_name;
    while (*left != '\0' && *left == *right) {
        left++;
        right++;
    }
    int difference = toupper((unsigned char)*left) - toupper((unsigned char)*right);
    return difference != 0 ? difference : *left - *right;
}

static enum ph_err read_dir(struct parser *parser, const char *dir, struct ph_error *error)
{
    struct dirent **entries = NULL;
    int count = scandir(dir, &entries, only_conf, broker_order);
    if (count < 0) {
        return ph_error_set_errno(error, errno, "%s: include_dir", dir);
    }
    enum ph_err err = PH_OK;
    parser->included = true;
    for (int i = 0; i < count; i++) {
        char path[PATH_MAX];
        if (err == PH_OK) {
            err = ph_path_join(path, sizeof path, dir, entries[i]->d_name, error);
        }
        if (err == PH_OK) {
            err = read_file(parser, path, error);
        }
        free(entries[i]);
    }
    free(entries);
    parser->included = false;
    return err;
}

/* ---- rules of the whole ---- */

static void check_listener(const struct parser *parser, const struct listener *listener)
{
    if (listener->unix_socket) {
        find(parser->findings,
            "%.120s:%zu: %s: a Unix socket has no certificates; delete it and its settings",
            listener->file, listener->line, listener->name);
    } else if (listener->has != HAS_ALL) {
        find(parser->findings,
            "%.120s:%zu: %s: clients could connect without a certificate; add below it:%s%s%s%s",
            listener->file, listener->line, listener->name,
            (listener->has & HAS_CERTIFICATE) == 0 ? " \"certfile FILE\"" : "",
            (listener->has & HAS_KEY) == 0 ? " \"keyfile FILE\"" : "",
            (listener->has & HAS_CA) == 0 ? " \"cafile FILE\"" : "",
            (listener->has & HAS_REQUIRE) == 0 ? " \"require_certificate true\"" : "");
    }
}

static void check_whole(const struct parser *parser, const char *name)
{
    if (parser->fallback.line != 0) {
        check_listener(parser, &parser->fallback);
    }
    for (size_t i = 0; i < parser->listener_count; i++) {
        check_listener(parser, &parser->listeners[i]);
    }
    if (parser->listener_count == 0 && parser->fallback.line == 0) {
        find(parser->findings,
            "%.120s: listener: without one the broker opens port 1883 without certificates; write "
            "\"listener 8883\" and its certificate settings",
            name);
    }
    if (!parser->plugin_seen) {
        find(parser->findings,
            "%.120s: plugin: no line loads it; write \"plugin "
            "/path/to/" PLUGIN_NAME ".so\"",
            name);
    }
}

static struct parser *parser_new(struct ph_findings *findings, bool follow)
{
    struct parser *parser = calloc(1, sizeof *parser);
    if (parser != NULL) {
        parser->findings = findings;
        parser->follow = follow;
        (void)snprintf(parser->fallback.name, sizeof parser->fallback.name, "default listener");
    }
    return parser;
}

static void parser_free(struct parser *parser)
{
    for (size_t i = 0; parser != NULL && i < parser->file_count; i++) {
        free(parser->files[i]);
    }
    free(parser);
}

enum ph_err ph_broker_conf_check(
    const char *path, struct ph_findings *findings, struct ph_error *error)
{
    struct parser *parser = parser_new(findings, true);
    enum ph_err err = parser != NULL
                          ? read_file(parser, path, error)
                          : ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", path);
    if (err == PH_OK) {
        check_whole(parser, path);
    }
    parser_free(parser);
    return err;
}

enum ph_err ph_broker_conf_check_text(const char *name, const void *bytes, size_t len,
    struct ph_findings *findings, struct ph_error *error)
{
    struct parser *parser = parser_new(findings, false);
    enum ph_err err = parser != NULL
                          ? read_bytes(parser, name, bytes, len, error)
                          : ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", name);
    if (err == PH_OK) {
        check_whole(parser, name);
    }
    parser_free(parser);
    return err;
}

void ph_broker_command_line_check(
    const char *words, size_t len, const char **config_file, struct ph_findings *findings)
{
    const char *end = words + len;
    const char *word = words;
    *config_file = NULL;
    while (word < end) {
        const char *stop = memchr(word, '\0', (size_t)(end - word));
        if (stop == NULL) {
            return;
        }
        const char *value = stop + 1;
        bool has_value = value < end && memchr(value, '\0', (size_t)(end - value)) != NULL;
        if (strcmp(word, "-p") == 0 || strcmp(word, "--port") == 0) {
            find(findings,
                "command line: %s: opens a listener without certificates; leave it out, "
                "\"listener\" in the configuration names the port",
                word);
        } else if (has_value && (strcmp(word, "-c") == 0 || strcmp(word, "--config-file") == 0)) {
            if (*config_file != NULL) {
                find(findings,
                    "command line: %s: given twice, and the broker reads both files; write one, "
                    "with \"include_dir\" in it",
                    word);
            }
            *config_file = value;
        }
        word = value;
    }
}
