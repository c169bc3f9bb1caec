#include "broker-plugin/tool/identity_list.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/text.h"

enum { LINE_BYTES = 2048, COLUMNS = 10 };

enum ph_err ph_identity_parse_anchored(
    const char *text, struct ph_identity *out, struct ph_error *error)
{
    const char *colon = strchr(text, ':');
    char anchor[PH_SEGMENT_BYTES] = "";
    enum ph_err err = PH_OK;
    if (colon != NULL) {
        err = ph_segment_set(anchor, "anchor", text, (size_t)(colon - text), error);
        text = colon + 1;
    }
    if (err == PH_OK) {
        err = ph_identity_parse(text, out, error);
    }
    if (err == PH_OK) {
        memcpy(out->anchor, anchor, sizeof anchor);
    }
    return err;
}

/* Appends "attribute=value" and its terminator, the value unescaped. */
static enum ph_err add_attribute(
    char out[PH_SUBJECT_BYTES], size_t *used, const char *text, size_t len, struct ph_error *error)
{
    const char *equals = memchr(text, '=', len);
    char attribute[32] = "";
    char piece[PH_SUBJECT_BYTES];
    size_t size = 0;
    size_t name = equals != NULL ? (size_t)(equals - text) : 0;
    if (name > 0 && name < sizeof attribute) {
        memcpy(attribute, text, name);
    }
    if (!ph_subject_attribute_known(attribute)) {
        return ph_error_set(error, PH_ERR_USAGE,
            "subject: want ATTRIBUTE=VALUE with an attribute such as L, OU or C, have \"%.*s\"",
            (int)len, text);
    }
    for (size_t i = 0; i < len && size < sizeof piece; i++) {
        i += text[i] == '\\' && i + 1 < len;
        piece[size++] = text[i];
    }
    if (size + 2 > PH_SUBJECT_BYTES - *used) {
        return ph_error_set(
            error, PH_ERR_USAGE, "subject: want at most %d bytes, have more", PH_SUBJECT_BYTES - 2);
    }
    memcpy(out + *used, piece, size);
    *used += size;
    out[(*used)++] = '\0';
    out[*used] = '\0';
    return PH_OK;
}

static size_t attribute_len(const char *text)
{
    size_t len = 0;
    while (text[len] != '\0' && text[len] != ',') {
        len += text[len] == '\\' && text[len + 1] != '\0' ? 2 : 1;
    }
    return len;
}

enum ph_err ph_subject_parse(const char *text, char out[PH_SUBJECT_BYTES], struct ph_error *error)
{
    size_t used = 0;
    enum ph_err err = PH_OK;
    out[0] = '\0';
    do {
        size_t len = attribute_len(text);
        err = add_attribute(out, &used, text, len, error);
        text += len + (text[len] == ',');
    } while (err == PH_OK && *text != '\0');
    return err;
}

struct reader {
    ph_identity_visit *visit;
    void *context;
    struct ph_map *seen;
    bool csv;
};

static enum ph_err take(struct reader *reader, const struct ph_identity *identity,
    const char *subject, struct ph_error *error)
{
    char key[PH_SEGMENT_BYTES + PH_IDENTITY_BYTES];
    char name[PH_IDENTITY_BYTES];
    ph_identity_print(name, sizeof name, identity);
    (void)snprintf(key, sizeof key, "%s:%s", identity->anchor, name);
    if (ph_map_get(reader->seen, key, strlen(key)) != NULL) {
        return PH_OK;
    }
    if (ph_map_count(reader->seen) >= PH_INVENTORY_MAX) {
        return ph_error_set(
            error, PH_ERR_LIMIT, "want at most %d identities, have more", PH_INVENTORY_MAX);
    }
    if (ph_map_put(reader->seen, key, strlen(key), reader) != PH_OK) {
        return ph_error_set(error, PH_ERR_MEMORY, "out of memory");
    }
    return reader->visit(reader->context, identity, subject, error);
}

/* "serial,issuer,type,holder,status,...": what is no client, or out of use, is skipped. The anchor
 * is the CA's role, so "devices" of "devices-2" and "devices@acme"; of one from elsewhere there is
 * none to know. */
static enum ph_err read_row(struct reader *reader, char *line, struct ph_error *error)
{
    char *columns[COLUMNS] = {NULL};
    struct ph_identity identity = {0};
    for (int i = 0; i < COLUMNS; i++) {
        columns[i] = strsep(&line, ",");
        if (columns[i] == NULL) {
            return ph_error_set(
                error, PH_ERR_INPUT, "want %d columns as ph-ca list prints, have %d", COLUMNS, i);
        }
    }
    const char *type = columns[2];
    const char *status = columns[4];
    bool client = strcmp(type, "device") == 0 || strcmp(type, "service") == 0;
    bool in_use = strcmp(status, "valid") == 0 || strcmp(status, "not-yet-valid") == 0;
    if (!client || !in_use) {
        return PH_OK;
    }
    enum ph_err err = ph_identity_parse(columns[3], &identity, error);
    if (err == PH_OK && strcmp(columns[1], "foreign") != 0) {
        err =
            ph_segment_set(identity.anchor, "issuer", columns[1], strcspn(columns[1], "-@"), error);
    }
    return err == PH_OK ? take(reader, &identity, NULL, error) : err;
}

static enum ph_err read_line(
    struct reader *reader, char *line, size_t number, struct ph_error *error)
{
    static const char csv_head[] = "serial,issuer,type,holder,status,";
    char subject[PH_SUBJECT_BYTES];
    struct ph_identity identity = {0};
    if (number == 1 && strncmp(line, csv_head, sizeof csv_head - 1) == 0) {
        reader->csv = true;
        return PH_OK;
    }
    if (reader->csv) {
        return read_row(reader, line, error);
    }
    line[strcspn(line, "#")] = '\0';
    line += strspn(line, " \t");
    char *end = line + strcspn(line, " \t");
    char *rest = end + strspn(end, " \t");
    if (*line == '\0') {
        return PH_OK;
    }
    *end = '\0';
    for (size_t len = strlen(rest); len > 0 && strchr(" \t", rest[len - 1]) != NULL; len--) {
        rest[len - 1] = '\0';
    }
    enum ph_err err = ph_identity_parse_anchored(line, &identity, error);
    if (err == PH_OK && *rest != '\0') {
        err = ph_subject_parse(rest, subject, error);
        err = err == PH_OK ? take(reader, &identity, subject, error) : err;
    } else if (err == PH_OK) {
        err = take(reader, &identity, NULL, error);
    }
    return err;
}

static enum ph_err read_lines(
    struct reader *reader, FILE *file, const char *path, struct ph_error *error)
{
    char line[LINE_BYTES];
    size_t number = 0;
    enum ph_err err = PH_OK;
    while (err == PH_OK && fgets(line, sizeof line, file) != NULL) {
        size_t len = strlen(line);
        number++;
        if ((len == 0 || line[len - 1] != '\n') && !feof(file)) {
            return ph_error_set(error, PH_ERR_INPUT,
                "%s:%zu: want a line of text of at most %d bytes, have a NUL or more", path, number,
                LINE_BYTES - 2);
        }
        line[strcspn(line, "\r\n")] = '\0';
        err = read_line(reader, line, number, error);
    }
    if (err != PH_OK) {
        return ph_error_prefix(error, err, "%s:%zu", path, number);
    }
    return ferror(file) != 0 ? ph_error_set_errno(error, errno, "%s: read", path) : PH_OK;
}

enum ph_err ph_identity_list_parse(
    const char *name, FILE *file, ph_identity_visit *visit, void *context, struct ph_error *error)
{
    struct reader reader = {.visit = visit, .context = context, .seen = ph_map_new()};
    enum ph_err err = reader.seen != NULL
                          ? read_lines(&reader, file, name, error)
                          : ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", name);
    ph_map_free(&reader.seen);
    return err;
}

enum ph_err ph_identity_list_read(
    const char *path, ph_identity_visit *visit, void *context, struct ph_error *error)
{
    if (strcmp(path, "-") == 0) {
        return ph_identity_list_parse("standard input", stdin, visit, context, error);
    }
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return ph_error_set_errno(error, errno, "%s: open", path);
    }
    enum ph_err err = ph_identity_list_parse(path, file, visit, context, error);
    (void)fclose(file);
    return err;
}
