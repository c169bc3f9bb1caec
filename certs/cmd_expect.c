#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include "certs/commands.h"
#include "certs/csv.h"
#include "format/json.h"
#include "x509/request.h"

enum { FILE_BYTES_MAX = 64 * 1024 * 1024, COLUMNS = 3, DETAIL_BYTES = 2048 };

const struct ph_cli_option ph_ca_expect_options[] = {
    PH_CA_OPTION,
    {"serial", "TEXT", "hardware number that the device must give (default: any)"},
    {"key", "SHA256", "hash of the key that its request must be for (default: any)"},
    {"csr", "FILE", "the same, from a request that it made"},
    {"file", "CSV", "many devices, a line each: TENANT/KIND/DEVICE,SERIAL,KEY"},
    PH_CA_BY_OPTION,
    PH_CA_WHY_OPTION,
    {0},
};

struct work {
    struct ph_ca_actor actor;
    int64_t now_ms;
    struct ph_expected one; /* without a file */
    const char *file;
    struct ph_buf text; /* of the file */
    int64_t count;
};

/* ---- one device ---- */

static enum ph_err read_hardware(const char *text, struct ph_expected *out, struct ph_error *error)
{
    size_t len = strlen(text);
    bool line = ph_text_clean(text, len) && strchr(text, '\t') == NULL;
    return line && ph_text_copy(out->hardware, sizeof out->hardware, text)
               ? PH_OK
               : ph_error_set(error, PH_ERR_INPUT,
                     "serial number of a device: want one line of at most %d bytes of text, have "
                     "\"%.200s\"",
                     PH_HARDWARE_BYTES - 1, text);
}

static enum ph_err read_csr(const char *path, struct ph_expected *out, struct ph_error *error)
{
    struct ph_request *request = NULL;
    struct ph_buf pem;
    ph_buf_init(&pem, PH_LIMIT_CERTIFICATE_BYTES);
    enum ph_err err = ph_file_load(path, &pem, error);
    if (err == PH_OK) {
        err = ph_request_parse(pem.data != NULL ? pem.data : "", pem.len, &request, error);
        if (err != PH_OK) {
            err = ph_error_prefix(error, err, "%s", path);
        }
    }
    if (err == PH_OK) {
        memcpy(out->key_hash, ph_request_key_hash(request), sizeof out->key_hash);
    }
    ph_request_free(&request);
    ph_buf_fini(&pem);
    return err;
}

static enum ph_err read_one(
    const struct ph_cli *cli, struct ph_expected *out, struct ph_error *error)
{
    const char *serial = ph_cli_value(cli, "serial");
    const char *key = ph_cli_value(cli, "key");
    const char *csr = ph_cli_value(cli, "csr");
    if (key != NULL && csr != NULL) {
        return ph_error_set(error, PH_ERR_USAGE, "--csr: not together with --key");
    }
    enum ph_err err = ph_ca_device_parse(ph_cli_argument(cli, 0), &out->identity, error);
    if (err == PH_OK && serial != NULL) {
        err = read_hardware(serial, out, error);
    }
    if (err == PH_OK && key != NULL) {
        err = ph_ca_hash_parse("key", key, out->key_hash, error);
    }
    return err == PH_OK && csr != NULL ? read_csr(csr, out, error) : err;
}

/* {"hardware":"...","key_hash":"..."}, of these what it has. */
static enum ph_err print_detail(const struct ph_expected *expected, struct ph_buf *detail)
{
    enum ph_err err = ph_buf_append_text(detail, "{");
    if (err == PH_OK && expected->hardware[0] != '\0') {
        err = ph_buf_append_text(detail, "\"hardware\":");
        err = err == PH_OK ? ph_json_append_text(detail, expected->hardware) : err;
    }
    if (err == PH_OK && expected->key_hash[0] != '\0') {
        err = ph_buf_printf(
            detail, "%s\"key_hash\":\"%s\"", detail->len > 1 ? "," : "", expected->key_hash);
    }
    return err == PH_OK ? ph_buf_append_text(detail, "}") : err;
}

static enum ph_err put(
    struct ph_ca *ca, struct work *work, struct ph_expected *expected, struct ph_error *error)
{
    struct ph_buf detail;
    char what[PH_IDENTITY_BYTES];
    ph_buf_init(&detail, DETAIL_BYTES);
    ph_identity_print(what, sizeof what, &expected->identity);
    expected->state = PH_EXPECTED;
    expected->made_ms = work->now_ms;
    (void)snprintf(expected->who, sizeof expected->who, "%s", work->actor.who);
    (void)snprintf(expected->why, sizeof expected->why, "%s", work->actor.why);
    enum ph_err err = ph_expected_put(ph_ca_inventory(ca), expected, error);
    if (err == PH_OK) {
        err = print_detail(expected, &detail);
        if (err != PH_OK) {
            ph_error_set(error, err, "%s: record for the log of acts: not enough room", what);
        }
    }
    if (err == PH_OK) {
        err = ph_ca_record(ca, &work->actor, work->now_ms, "expect", what, detail.data, error);
    }
    work->count++;
    ph_buf_fini(&detail);
    return err;
}

/* ---- many ---- */

static enum ph_err put_line(struct ph_ca *ca, struct work *work, char *line, struct ph_error *error)
{
    struct ph_expected expected = {0};
    char *columns[COLUMNS] = {NULL};
    size_t count = 0;
    enum ph_err err = ph_csv_split(line, columns, COLUMNS, &count, error);
    if (err == PH_OK) {
        err = ph_ca_device_parse(columns[0], &expected.identity, error);
    }
    if (err == PH_OK && count > 1) {
        err = read_hardware(columns[1], &expected, error);
    }
    if (err == PH_OK && count > 2 && columns[2][0] != '\0' &&
        ph_ca_hash_parse("key", columns[2], expected.key_hash, NULL) != PH_OK) {
        err = ph_error_set(error, PH_ERR_INPUT,
            "key: want a SHA-256 in 64 hexadecimal digits, have \"%.100s\"", columns[2]);
    }
    return err == PH_OK ? put(ca, work, &expected, error) : err;
}

/* The first line may name the columns. */
static bool is_head(const char *line)
{
    return strncmp(line, "device", strlen("device")) == 0 &&
           (line[strlen("device")] == ',' || line[strlen("device")] == '\0');
}

static enum ph_err put_lines(struct ph_ca *ca, struct work *work, struct ph_error *error)
{
    enum ph_err err = PH_OK;
    char *rest = work->text.data;
    for (size_t number = 1; err == PH_OK && rest != NULL; number++) {
        char *line = strsep(&rest, "\n");
        size_t len = strlen(line);
        if (len > 0 && line[len - 1] == '\r') {
            line[len - 1] = '\0';
        }
        if (line[0] == '\0' || (number == 1 && is_head(line))) {
            continue;
        }
        err = put_line(ca, work, line, error);
        if (err != PH_OK) {
            err = ph_error_prefix(error, err, "%s:%zu", work->file, number);
        }
    }
    return err == PH_OK && work->count == 0
               ? ph_error_set(error, PH_ERR_INPUT, "%s: no device in it", work->file)
               : err;
}

static enum ph_err load_file(struct work *work, struct ph_error *error)
{
    enum ph_err err = ph_file_load(work->file, &work->text, error);
    return err == PH_OK && work->text.len > 0 &&
                   memchr(work->text.data, '\0', work->text.len) != NULL
               ? ph_error_set(error, PH_ERR_INPUT, "%s: a NUL byte: want lines of text", work->file)
               : err;
}

static enum ph_err expect(struct ph_ca *ca, void *context, struct ph_error *error)
{
    struct work *work = context;
    return work->file != NULL ? put_lines(ca, work, error) : put(ca, work, &work->one, error);
}

static enum ph_err read_work(const struct ph_cli *cli, struct work *work, struct ph_error *error)
{
    work->file = ph_cli_value(cli, "file");
    if ((work->file != NULL) == (ph_cli_argument_count(cli) == 1)) {
        return ph_error_set(error, PH_ERR_USAGE, "want TENANT/KIND/DEVICE or --file CSV, %s",
            work->file != NULL ? "not both" : "have neither");
    }
    bool marks = ph_cli_has(cli, "serial") || ph_cli_has(cli, "key") || ph_cli_has(cli, "csr");
    if (work->file != NULL && marks) {
        return ph_error_set(error, PH_ERR_USAGE,
            "--file: not together with --serial, --key or --csr: its lines say them");
    }
    enum ph_err err = ph_ca_actor_read(cli, &work->actor, error);
    if (err != PH_OK) {
        return err;
    }
    return work->file != NULL ? load_file(work, error) : read_one(cli, &work->one, error);
}

enum ph_err ph_ca_cmd_expect(const struct ph_cli *cli, struct ph_error *error)
{
    struct work work = {.now_ms = ph_clock_unix_ms()};
    struct ph_ca *ca = NULL;
    ph_buf_init(&work.text, FILE_BYTES_MAX);
    enum ph_err err = read_work(cli, &work, error);
    if (err == PH_OK) {
        err = ph_ca_open_named(cli, &ca, error);
    }
    if (err == PH_OK) {
        err = ph_ca_transaction(ca, expect, &work, error);
    }
    if (err == PH_OK) {
        printf("%" PRId64 " device%s expected\n", work.count, work.count == 1 ? "" : "s");
    }
    ph_buf_fini(&work.text);
    ph_ca_close(&ca);
    return err;
}
