#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "certs/commands.h"

enum { SAN_MAX = 64, HOST_BYTES_MAX = 253, NAMES_BYTES_MAX = 16 * 1024 * 1024 };

const struct ph_cli_option ph_ca_issue_options[] = {
    PH_CA_OPTION,
    {"out", "DIR", "folder for key.pem, cert.pem and ca.pem (several names: DIR/NAME/)"},
    {"tenant", "NAME", "tenant (devices and services)"},
    {"kind", "NAME", "device kind (devices)"},
    {"names", "FILE", "names of devices, one a line, each into DIR/NAME/"},
    {"dns", "HOST,...", "host names that the broker is reached by"},
    {"ip", "ADDRESS,...", "addresses that the broker is reached by"},
    {"days", "N", "lifetime (default: device 365, broker and service 90)"},
    {"not-before", "TIME", "start of validity (default: five minutes ago)"},
    {"not-after", "TIME", "end of validity, instead of --days"},
    {0},
};

/* Texts that were split in place, and the memory they lie in. */
struct words {
    struct ph_buf text;
    const char **list;
    size_t count;
};

static void words_fini(struct words *words)
{
    ph_buf_fini(&words->text);
    free(words->list);
}

/* Splits at any of `separators`, skipping empty words. */
static enum ph_err split(struct words *words, const char *separators, struct ph_error *error)
{
    size_t room = 1;
    for (size_t i = 0; i < words->text.len; i++) {
        room += strchr(separators, words->text.data[i]) != NULL ? 1 : 0;
    }
    words->list = calloc(room, sizeof *words->list);
    if (words->list == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "names: out of memory");
    }
    char *rest = words->text.data;
    char *word = rest != NULL ? strtok_r(rest, separators, &rest) : NULL;
    for (; word != NULL; word = strtok_r(NULL, separators, &rest)) {
        words->list[words->count++] = word;
    }
    return PH_OK;
}

/* ---- broker: names and addresses ---- */

static bool host_ok(const char *host)
{
    size_t label = 0;
    for (const char *p = host; *p != '\0'; p++) {
        bool letter =
            (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');
        bool inner = *p == '-' && label > 0 && p[1] != '.' && p[1] != '\0';
        if (*p == '.' && label > 0 && p[1] != '\0') {
            label = 0;
        } else if ((letter || inner) && label < 63) {
            label++;
        } else {
            return false;
        }
    }
    return label > 0 && strlen(host) <= HOST_BYTES_MAX;
}

static bool address_ok(const char *address)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, address, bytes) == 1 || inet_pton(AF_INET6, address, bytes) == 1;
}

static enum ph_err read_list(const struct ph_cli *cli, const char *option, bool (*ok)(const char *),
    struct words *words, struct ph_error *error)
{
    const char *value = ph_cli_value(cli, option);
    ph_buf_init(&words->text, (size_t)SAN_MAX * (HOST_BYTES_MAX + 1));
    enum ph_err err = ph_buf_append_text(&words->text, value != NULL ? value : "");
    if (err == PH_OK) {
        err = split(words, ",", error);
    }
    if (err != PH_OK || words->count > SAN_MAX) {
        return ph_error_set(error, PH_ERR_USAGE, "--%s: want at most %d", option, SAN_MAX);
    }
    for (size_t i = 0; i < words->count; i++) {
        if (!ok(words->list[i])) {
            return ph_error_set(error, PH_ERR_USAGE, "--%s: want %s, have \"%s\"", option,
                ok == host_ok ? "host names such as broker.example" : "IPv4 or IPv6 addresses",
                words->list[i]);
        }
    }
    return PH_OK;
}

/* ---- names ---- */

static enum ph_err read_names(const struct ph_cli *cli, struct words *words, struct ph_error *error)
{
    const char *file = ph_cli_value(cli, "names");
    int given = ph_cli_argument_count(cli) - 1;
    ph_buf_init(&words->text, NAMES_BYTES_MAX);
    if ((file != NULL) == (given > 0)) {
        return ph_error_set(error, PH_ERR_USAGE, "want NAME arguments or --names FILE, %s",
            file != NULL ? "not both" : "have neither");
    }
    if (file != NULL) {
        enum ph_err err = ph_file_load(file, &words->text, error);
        if (err == PH_OK && words->text.len != 0 &&
            memchr(words->text.data, '\0', words->text.len) != NULL) {
            err = ph_error_set(error, PH_ERR_INPUT, "%s: a NUL byte: want one name a line", file);
        }
        if (err == PH_OK) {
            err = split(words, "\r\n", error);
        }
        return err != PH_OK || words->count > 0
                   ? err
                   : ph_error_set(error, PH_ERR_INPUT, "%s: no name in it", file);
    }
    words->list = calloc((size_t)given, sizeof *words->list);
    if (words->list == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "names: out of memory");
    }
    for (int i = 0; i < given; i++) {
        words->list[words->count++] = ph_cli_argument(cli, i + 1);
    }
    return PH_OK;
}

/* ---- the order ---- */

static enum ph_err read_type(
    const struct ph_cli *cli, struct ph_ca_order *order, struct ph_error *error)
{
    const char *type = ph_cli_argument(cli, 0);
    if (strcmp(type, "device") == 0) {
        order->authority = PH_DEVICES;
    } else if (strcmp(type, "broker") == 0) {
        order->authority = PH_BROKERS;
    } else if (strcmp(type, "service") == 0) {
        order->authority = PH_SERVICES;
    } else {
        return ph_error_set(
            error, PH_ERR_USAGE, "want device, broker or service first, have \"%s\"", type);
    }
    return PH_OK;
}

/* Which options each type needs and which it cannot take. */
static enum ph_err check_options(
    const struct ph_cli *cli, enum ph_authority authority, struct ph_error *error)
{
    static const struct {
        const char *option;
        char rule[PH_AUTHORITY_COUNT]; /* '+' needed, '-' refused, ' ' either */
    } table[] = {
        {"out", {' ', '+', '+', '+'}},
        {"tenant", {' ', '+', '-', '+'}},
        {"kind", {' ', '+', '-', '-'}},
        {"names", {' ', ' ', '-', '-'}},
        {"dns", {' ', '-', ' ', '-'}},
        {"ip", {' ', '-', ' ', '-'}},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        bool given = ph_cli_has(cli, table[i].option);
        char rule = table[i].rule[authority];
        if ((rule == '+' && !given) || (rule == '-' && given)) {
            return ph_error_set(error, PH_ERR_USAGE, "--%s: %s to issue %s", table[i].option,
                rule == '+' ? "is needed" : "cannot be given", ph_cli_argument(cli, 0));
        }
    }
    if (authority == PH_BROKERS && !ph_cli_has(cli, "dns") && !ph_cli_has(cli, "ip")) {
        return ph_error_set(error, PH_ERR_USAGE,
            "--dns or --ip: is needed: clients check the name they reach the broker by");
    }
    return PH_OK;
}

static enum ph_err read_times(
    const struct ph_cli *cli, struct ph_ca_order *order, struct ph_error *error)
{
    const char *from = ph_cli_value(cli, "not-before");
    const char *to = ph_cli_value(cli, "not-after");
    int64_t days = 0;
    if (to != NULL && ph_cli_has(cli, "days")) {
        return ph_error_set(error, PH_ERR_USAGE, "--not-after: not together with --days");
    }
    order->now_ms = ph_clock_unix_ms();
    order->not_before_ms = order->now_ms - PH_CA_BACKDATE_MS;
    enum ph_err err = from != NULL ? ph_utc_parse(from, &order->not_before_ms, error) : PH_OK;
    if (err != PH_OK) {
        return ph_error_prefix(error, err, "--not-before");
    }
    err = ph_cli_int64(
        cli, "days", 1, 36525, order->authority == PH_DEVICES ? 365 : 90, &days, error);
    if (err != PH_OK) {
        return err;
    }
    int64_t start_ms = from != NULL ? order->not_before_ms : order->now_ms;
    order->not_after_ms = start_ms + days * PH_DAY_MS;
    order->cut_to_authority = to == NULL && !ph_cli_has(cli, "days");
    err = to != NULL ? ph_utc_parse(to, &order->not_after_ms, error) : PH_OK;
    return err == PH_OK ? PH_OK : ph_error_prefix(error, err, "--not-after");
}

static enum ph_err read_order(const struct ph_cli *cli, struct ph_ca_order *order,
    struct words *names, struct words sans[2], struct ph_error *error)
{
    enum ph_err err = read_type(cli, order, error);
    if (err == PH_OK) {
        err = check_options(cli, order->authority, error);
    }
    if (err == PH_OK) {
        err = read_names(cli, names, error);
    }
    if (err == PH_OK) {
        err = read_list(cli, "dns", host_ok, &sans[0], error);
    }
    if (err == PH_OK) {
        err = read_list(cli, "ip", address_ok, &sans[1], error);
    }
    if (err == PH_OK) {
        err = read_times(cli, order, error);
    }
    order->tenant = ph_cli_value(cli, "tenant");
    order->kind = ph_cli_value(cli, "kind");
    order->out = ph_cli_value(cli, "out");
    order->names = names->list;
    order->name_count = names->count;
    order->folder_per_name = names->count > 1 || ph_cli_has(cli, "names");
    order->dns = sans[0].list;
    order->dns_count = sans[0].count;
    order->ip = sans[1].list;
    order->ip_count = sans[1].count;
    return err;
}

enum ph_err ph_ca_cmd_issue(const struct ph_cli *cli, struct ph_error *error)
{
    struct ph_ca_order order = {0};
    struct words names = {0};
    struct words sans[2] = {0};
    struct ph_ca *ca = NULL;
    enum ph_err err = read_order(cli, &order, &names, sans, error);
    if (err == PH_OK) {
        err = ph_ca_open_named(cli, &ca, error);
    }
    if (err == PH_OK) {
        err = ph_ca_issue(ca, &order, error);
    }
    if (err == PH_OK) {
        printf("%zu %s certificate%s in %s\n", order.name_count, ph_cli_argument(cli, 0),
            order.name_count == 1 ? "" : "s", order.out);
    }
    ph_ca_close(&ca);
    words_fini(&names);
    words_fini(&sans[0]);
    words_fini(&sans[1]);
    return err;
}
