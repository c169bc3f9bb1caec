#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "certs/batch.h"
#include "certs/commands.h"

#define CLAIM_LIMIT_MAX INT64_C(1000000000)
enum { SAN_MAX = 64, HOST_BYTES_MAX = 253, NAMES_BYTES_MAX = 16 * 1024 * 1024 };

const struct ph_cli_option ph_ca_issue_options[] = {
    PH_CA_OPTION,
    {"out", "DIR", "folder for key.pem, cert.pem and ca.pem (several names: DIR/NAME/)"},
    {"tenant", "NAME", "tenant (all but brokers)"},
    {"kind", "NAME", "device kind (devices; claims: of the devices that may enrol, default any)"},
    {"names", "FILE", "names of devices, one a line, each into DIR/NAME/"},
    {"batch", "FILE", "devices, a line each: [[TENANT,]KIND,]NAME or TENANT,KIND,NAME,REQUEST"},
    {"same-why", NULL, "with --batch: refuse devices that were made for another reason than --why"},
    {"csr", "FILE",
        "a signing request: its key is certified, and no key.pem is written (one NAME)"},
    {"max", "N", "devices that may enrol by the claim (default 1)"},
    {"dns", "HOST,...", "host names that the broker is reached by"},
    {"ip", "ADDRESS,...", "addresses that the broker is reached by"},
    {"days", "N", "lifetime (default: device 365, claim 3650, broker and service 90)"},
    {"not-before", "TIME", "start of validity (default: five minutes ago)"},
    {"not-after", "TIME", "end of validity, instead of --days"},
    PH_CA_BY_OPTION,
    PH_CA_WHY_OPTION,
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
    words->count = 0;
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
    static const struct {
        const char *type;
        enum ph_ca_role role;
    } types[] = {{"device", PH_DEVICES}, {"broker", PH_BROKERS}, {"service", PH_SERVICES},
        {"claim", PH_CLAIMS}};
    const char *type = ph_cli_argument(cli, 0);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(type, types[i].type) == 0) {
            order->role = types[i].role;
            return PH_OK;
        }
    }
    return ph_error_set(
        error, PH_ERR_USAGE, "want device, broker, service or claim first, have \"%s\"", type);
}

/* Which options each type needs and which it cannot take. */
static enum ph_err check_options(
    const struct ph_cli *cli, enum ph_ca_role role, struct ph_error *error)
{
    static const struct {
        const char *option;
        char rule[PH_CA_ROLE_COUNT]; /* '+' needed, '-' refused, ' ' either, 'b' needed unless a
                                        list can say it */
    } table[] = {
        {"out", {' ', '+', '+', '+', '+'}},
        {"tenant", {' ', 'b', '-', '+', '+'}},
        {"kind", {' ', 'b', '-', '-', ' '}},
        {"names", {' ', ' ', '-', '-', '-'}},
        {"batch", {' ', ' ', '-', '-', '-'}},
        {"same-why", {' ', ' ', '-', '-', '-'}},
        {"dns", {' ', '-', ' ', '-', '-'}},
        {"ip", {' ', '-', ' ', '-', '-'}},
        {"max", {' ', '-', '-', '-', ' '}},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        bool given = ph_cli_has(cli, table[i].option);
        char rule = table[i].rule[role];
        bool needed = rule == '+' || (rule == 'b' && !ph_cli_has(cli, "batch"));
        if ((needed && !given) || (rule == '-' && given)) {
            return ph_error_set(error, PH_ERR_USAGE, "--%s: %s to issue %s", table[i].option,
                needed ? "is needed" : "cannot be given", ph_cli_argument(cli, 0));
        }
    }
    if (role == PH_BROKERS && !ph_cli_has(cli, "dns") && !ph_cli_has(cli, "ip")) {
        return ph_error_set(error, PH_ERR_USAGE,
            "--dns or --ip: is needed: clients check the name they reach the broker by");
    }
    return PH_OK;
}

static int64_t default_days(enum ph_ca_role role)
{
    switch (role) {
    case PH_DEVICES:
        return 365;
    case PH_CLAIMS:
        return 3650;
    default:
        return 90;
    }
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
    err = ph_cli_int64(cli, "days", 1, 36525, default_days(order->role), &days, error);
    if (err != PH_OK) {
        return err;
    }
    int64_t start_ms = from != NULL ? order->not_before_ms : order->now_ms;
    order->not_after_ms = start_ms + days * PH_DAY_MS;
    order->cut_to_authority = to == NULL && !ph_cli_has(cli, "days");
    err = to != NULL ? ph_utc_parse(to, &order->not_after_ms, error) : PH_OK;
    return err == PH_OK ? PH_OK : ph_error_prefix(error, err, "--not-after");
}

/* What is to be read, and the memory it lies in. */
struct input {
    struct ph_ca_order order;
    struct words names;
    struct words dns;
    struct words ip;
    struct ph_batch batch;
    bool listed; /* by the batch */
};

static enum ph_err read_holders(
    const struct ph_cli *cli, struct input *input, struct ph_error *error)
{
    const char *batch = ph_cli_value(cli, "batch");
    input->listed = batch != NULL;
    if (!input->listed && ph_cli_has(cli, "same-why")) {
        return ph_error_set(error, PH_ERR_USAGE, "--same-why: want --batch FILE with it");
    }
    if (!input->listed) {
        enum ph_err err = read_names(cli, &input->names, error);
        return err == PH_OK && ph_cli_has(cli, "csr") && input->names.count != 1
                   ? ph_error_set(
                         error, PH_ERR_USAGE, "--csr: want one NAME, have %zu", input->names.count)
                   : err;
    }
    if (ph_cli_has(cli, "names") || ph_cli_argument_count(cli) > 1) {
        return ph_error_set(
            error, PH_ERR_USAGE, "--batch: not together with --names or NAME arguments");
    }
    if (ph_cli_has(cli, "csr")) {
        return ph_error_set(error, PH_ERR_USAGE, "--batch: not together with --csr");
    }
    return ph_batch_load(
        batch, ph_cli_value(cli, "tenant"), ph_cli_value(cli, "kind"), &input->batch, error);
}

static void fill_order(const struct ph_cli *cli, struct input *input)
{
    struct ph_ca_order *order = &input->order;
    order->tenant = ph_cli_value(cli, "tenant");
    order->kind = ph_cli_value(cli, "kind");
    order->claim.kind = order->kind;
    order->request = ph_cli_value(cli, "csr");
    order->out = ph_cli_value(cli, "out");
    order->names = input->names.list;
    order->name_count = input->names.count;
    order->folder_per_name = input->names.count > 1 || ph_cli_has(cli, "names");
    order->dns = input->dns.list;
    order->dns_count = input->dns.count;
    order->ip = input->ip.list;
    order->ip_count = input->ip.count;
}

static enum ph_err read_input(const struct ph_cli *cli, struct input *input, struct ph_error *error)
{
    struct ph_ca_order *order = &input->order;
    enum ph_err err = read_type(cli, order, error);
    if (err == PH_OK) {
        err = check_options(cli, order->role, error);
    }
    if (err == PH_OK) {
        err = read_holders(cli, input, error);
    }
    if (err == PH_OK) {
        err = read_list(cli, "dns", host_ok, &input->dns, error);
    }
    if (err == PH_OK) {
        err = read_list(cli, "ip", address_ok, &input->ip, error);
    }
    if (err == PH_OK) {
        err = read_times(cli, order, error);
    }
    if (err == PH_OK) {
        err = ph_cli_int64(cli, "max", 1, CLAIM_LIMIT_MAX, 1, &order->claim.limit, error);
    }
    if (err == PH_OK) {
        err = ph_ca_actor_read(cli, &order->actor, error);
    }
    fill_order(cli, input);
    return err;
}

enum ph_err ph_ca_cmd_issue(const struct ph_cli *cli, struct ph_error *error)
{
    struct input input = {0};
    struct ph_ca *ca = NULL;
    enum ph_err err = read_input(cli, &input, error);
    if (err == PH_OK) {
        err = ph_ca_open_named(cli, &ca, error);
    }
    if (err == PH_OK && ph_cli_has(cli, "same-why")) {
        const char *why = input.order.actor.why;
        err = ph_batch_check_owner(ca, &input.batch, why != NULL ? why : "", error);
    }
    if (err == PH_OK) {
        err = input.listed ? ph_ca_issue_batch(ca, &input.order, &input.batch, error)
                           : ph_ca_issue(ca, &input.order, error);
    }
    if (err == PH_OK) {
        size_t count = input.listed ? input.batch.count : input.names.count;
        printf("%zu %s certificate%s in %s\n", count, ph_cli_argument(cli, 0),
            count == 1 ? "" : "s", input.order.out);
    }
    ph_ca_close(&ca);
    ph_batch_fini(&input.batch);
    words_fini(&input.names);
    words_fini(&input.dns);
    words_fini(&input.ip);
    return err;
}
