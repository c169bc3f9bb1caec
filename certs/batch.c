#include "certs/batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"

enum { COLUMNS = 4 };

enum ph_err ph_batch_check_item(const struct ph_batch_item *item, struct ph_error *error)
{
    const char *const names[] = {"tenant", "kind", "name"};
    const char *const values[] = {item->tenant, item->kind, item->name};
    char copy[PH_SEGMENT_BYTES];
    enum ph_err err = PH_OK;
    for (int i = 0; err == PH_OK && i < 3; i++) {
        if (values[i] != NULL) {
            err = ph_segment_set(copy, names[i], values[i], strlen(values[i]), error);
        }
    }
    if (err != PH_OK || item->kind == NULL) {
        return err;
    }
    bool service = strcmp(item->kind, "service") == 0;
    return !service && strcmp(item->kind, "claim") != 0
               ? PH_OK
               : ph_error_set(error, PH_ERR_USAGE,
                     "--kind: \"%s\" is the kind of %ss: use ph-ca issue %s", item->kind,
                     item->kind, item->kind);
}

/* Splits in place; the last column is the rest of the line. */
static int split(char *line, char *columns[COLUMNS])
{
    int count = 0;
    for (char *rest = line; rest != NULL; count++) {
        columns[count] = rest;
        char *comma = count + 1 < COLUMNS ? strchr(rest, ',') : NULL;
        if (comma != NULL) {
            *comma++ = '\0';
        }
        rest = comma;
    }
    return count;
}

static enum ph_err read_line(char *line, const struct ph_batch_item *defaults,
    struct ph_batch_item *item, struct ph_error *error)
{
    char *columns[COLUMNS] = {0};
    int count = split(line, columns);
    *item = *defaults;
    if (count == COLUMNS) {
        item->request = columns[3];
        count--;
    }
    item->levels = count;
    item->name = columns[count - 1];
    item->kind = count > 1 ? columns[count - 2] : item->kind;
    item->tenant = count > 2 ? columns[0] : item->tenant;
    if (item->tenant == NULL || item->kind == NULL) {
        return ph_error_set(error, PH_ERR_INPUT, "no %s: want TENANT,KIND,NAME, or --%s",
            item->kind == NULL ? "kind" : "tenant", item->kind == NULL ? "kind" : "tenant");
    }
    if (item->request != NULL && item->request[0] == '\0') {
        return ph_error_set(error, PH_ERR_INPUT, "want the path of a request after the last comma");
    }
    return ph_batch_check_item(item, error);
}

static enum ph_err read_lines(
    struct ph_batch *batch, const struct ph_batch_item *defaults, struct ph_error *error)
{
    size_t number = 0;
    char *line = batch->text.data;
    enum ph_err err = PH_OK;
    while (err == PH_OK && line != NULL) {
        char *next = strchr(line, '\n');
        if (next != NULL) {
            *next++ = '\0';
        }
        size_t len = strlen(line);
        if (len > 0 && line[len - 1] == '\r') {
            line[len - 1] = '\0';
        }
        number++;
        if (line[0] != '\0' && line[0] != '#') {
            err = read_line(line, defaults, &batch->items[batch->count], error);
            batch->count++;
        }
        line = next;
    }
    return err == PH_OK ? PH_OK : ph_error_prefix(error, err, "%s: line %zu", batch->path, number);
}

static int compare(const void *a, const void *b)
{
    const struct ph_batch_item *x = *(const struct ph_batch_item *const *)a;
    const struct ph_batch_item *y = *(const struct ph_batch_item *const *)b;
    int order = strcmp(x->name, y->name);
    order = order != 0 ? order : strcmp(x->kind, y->kind);
    return order != 0 ? order : strcmp(x->tenant, y->tenant);
}

static enum ph_err check_repeated(const struct ph_batch *batch, struct ph_error *error)
{
    const struct ph_batch_item **sorted = calloc(batch->count, sizeof(struct ph_batch_item *));
    if (sorted == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", batch->path);
    }
    for (size_t i = 0; i < batch->count; i++) {
        sorted[i] = &batch->items[i];
    }
    qsort(sorted, batch->count, sizeof(struct ph_batch_item *), compare);
    enum ph_err err = PH_OK;
    for (size_t i = 1; err == PH_OK && i < batch->count; i++) {
        if (compare(&sorted[i - 1], &sorted[i]) == 0) {
            err = ph_error_set(error, PH_ERR_INPUT, "%s: %s/%s/%s is there twice", batch->path,
                sorted[i]->tenant, sorted[i]->kind, sorted[i]->name);
        }
    }
    free(sorted);
    return err;
}

static size_t count_lines(const struct ph_buf *text)
{
    size_t count = 1;
    for (size_t i = 0; i < text->len; i++) {
        count += text->data[i] == '\n' ? 1 : 0;
    }
    return count;
}

static enum ph_err load(
    struct ph_batch *batch, const struct ph_batch_item *defaults, struct ph_error *error)
{
    enum ph_err err = ph_file_load(batch->path, &batch->text, error);
    if (err == PH_OK && batch->text.len > 0 &&
        memchr(batch->text.data, '\0', batch->text.len) != NULL) {
        err = ph_error_set(
            error, PH_ERR_INPUT, "%s: a NUL byte: want one device a line", batch->path);
    }
    if (err != PH_OK) {
        return err;
    }
    batch->items = calloc(count_lines(&batch->text), sizeof *batch->items);
    if (batch->items == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", batch->path);
    }
    err = read_lines(batch, defaults, error);
    if (err == PH_OK && batch->count == 0) {
        err = ph_error_set(error, PH_ERR_INPUT, "%s: no device in it", batch->path);
    }
    return err == PH_OK ? check_repeated(batch, error) : err;
}

enum ph_err ph_batch_load(const char *path, const char *tenant, const char *kind,
    struct ph_batch *out, struct ph_error *error)
{
    const struct ph_batch_item defaults = {.tenant = tenant, .kind = kind};
    *out = (struct ph_batch){.path = strdup(path)};
    ph_buf_init(&out->text, PH_LIMIT_BATCH_BYTES);
    enum ph_err err = out->path != NULL
                          ? load(out, &defaults, error)
                          : ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", path);
    if (err != PH_OK) {
        ph_batch_fini(out);
    }
    return err;
}

void ph_batch_fini(struct ph_batch *batch)
{
    ph_buf_fini(&batch->text);
    free(batch->items);
    free(batch->path);
    *batch = (struct ph_batch){0};
}

/* ---- requests ---- */

static void log_extras(const struct ph_batch_item *item, const struct ph_request *request)
{
    char extras[PH_REQUEST_EXTRAS_BYTES];
    struct ph_identity wanted = {0};
    bool whole = item->tenant != NULL && item->kind != NULL; /* not that of a broker, for one */
    if (whole && (!ph_text_copy(wanted.tenant, sizeof wanted.tenant, item->tenant) ||
                     !ph_text_copy(wanted.kind, sizeof wanted.kind, item->kind) ||
                     !ph_text_copy(wanted.device, sizeof wanted.device, item->name))) {
        return;
    }
    ph_request_extras(request, whole ? &wanted : NULL, extras);
    if (extras[0] != '\0') {
        ph_log(PH_LOG_WARNING, "request asks for more than a key: ignored",
            PH_STR("request", item->request), PH_STR("asks", extras));
    }
}

enum ph_err ph_batch_load_request(const char *list, const struct ph_batch_item *item,
    struct ph_request **out, struct ph_error *error)
{
    char path[PATH_MAX];
    struct ph_buf pem;
    ph_buf_init(&pem, PH_LIMIT_CERTIFICATE_BYTES);
    enum ph_err err = list != NULL ? ph_path_resolve(path, sizeof path, list, item->request, error)
                                   : ph_path_absolute(path, sizeof path, item->request, error);
    if (err == PH_OK) {
        err = ph_file_load(path, &pem, error);
    }
    if (err == PH_OK) {
        err = ph_request_parse(pem.data != NULL ? pem.data : "", pem.len, out, error);
        if (err != PH_OK) {
            err = ph_error_prefix(error, err, "%s", path);
        }
    }
    if (err == PH_OK) {
        log_extras(item, *out);
    }
    ph_buf_fini(&pem);
    return err;
}
