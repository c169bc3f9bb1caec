#include "certs/table.h"

#include <stdint.h>
#include <string.h>

#include "base/text.h"

enum { CHARACTER_BYTES = 4 * 4 + 1 }; /* four bytes, each as \xNN */

enum ph_err ph_table_format_parse(
    const char *text, enum ph_table_format *out, struct ph_error *error)
{
    static const char *const names[] = {"table", "csv", "json"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], text != NULL ? text : names[0]) == 0) {
            *out = (enum ph_table_format)i;
            return PH_OK;
        }
    }
    return ph_error_set(
        error, PH_ERR_USAGE, "--format: want table, csv or json, have \"%s\"", text);
}

/* Bytes of the character at `text`: one when it is no UTF-8. */
static size_t character_len(const char *text)
{
    size_t len = 1;
    while (len < 4 && ((unsigned char)text[len] & 0xC0) == 0x80) {
        len++;
    }
    while (len > 1 && !ph_text_utf8_valid(text, len)) {
        len--;
    }
    return len;
}

/* Returns how many places it takes. */
static size_t put_character(FILE *file, const char *text, size_t len)
{
    char out[CHARACTER_BYTES];
    ph_text_escape_bytes(out, sizeof out, text, len);
    (void)fputs(out, file);
    return memcmp(out, text, len) == 0 ? 1 : strlen(out);
}

static size_t put_plain(FILE *file, const char *text)
{
    size_t width = 0;
    for (size_t len = 0; *text != '\0'; text += len) {
        len = character_len(text);
        width += put_character(file, text, len);
    }
    return width;
}

void ph_table_plain_text(FILE *file, const char *text)
{
    (void)put_plain(file, text);
}

/* ---- JSON ---- */

static uint32_t code_point(const char *text, size_t len)
{
    static const unsigned char first_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t code = (unsigned char)text[0] & first_bits[len];
    for (size_t i = 1; i < len; i++) {
        code = code << 6 | ((unsigned char)text[i] & 0x3FU);
    }
    return code;
}

static void put_code_point(FILE *file, uint32_t code)
{
    if (code == '"' || code == '\\') {
        (void)fprintf(file, "\\%c", (char)code);
    } else if (code == '\n') {
        (void)fputs("\\n", file);
    } else if (code >= 0x20 && code < 0x7F) {
        (void)fputc((int)code, file);
    } else if (code < 0x10000) {
        (void)fprintf(file, "\\u%04x", (unsigned)code);
    } else {
        code -= 0x10000;
        (void)fprintf(file, "\\u%04x\\u%04x", (unsigned)(0xD800 + (code >> 10)),
            (unsigned)(0xDC00 + (code & 0x3FF)));
    }
}

void ph_table_json_text(FILE *file, const char *text)
{
    (void)fputc('"', file);
    for (size_t len = 0; *text != '\0'; text += len) {
        len = character_len(text);
        if (ph_text_utf8_valid(text, len)) {
            put_code_point(file, code_point(text, len));
        } else {
            (void)fprintf(file, "\\\\x%02x", (unsigned)(unsigned char)*text);
        }
    }
    (void)fputc('"', file);
}

static void json_row(const struct ph_table *table, const char *const *cells)
{
    const char *comma = "";
    (void)fputs(table->rows > 0 ? ",\n {" : "[\n {", table->file);
    for (size_t i = 0; table->columns[i].name != NULL; i++) {
        if (cells[i] == NULL) {
            continue;
        }
        (void)fprintf(table->file, "%s\"%s\":", comma, table->columns[i].name);
        if (table->columns[i].kind == PH_TABLE_NUMBER) {
            (void)fputs(cells[i], table->file);
        } else {
            ph_table_json_text(table->file, cells[i]);
        }
        comma = ",";
    }
    (void)fputc('}', table->file);
}

/* ---- CSV ---- */

/* What spreadsheets take for the beginning of a formula, blanks before it and the wide forms of
 * these characters included. */
static bool is_formula(const char *text)
{
    static const char *const starts[] = {
        "=", "+", "-", "@", "\xEF\xBC\x9D", "\xEF\xBC\x8B", "\xEF\xBC\x8D", "\xEF\xBC\xA0"};
    text += strspn(text, " \t\r\n");
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        if (strncmp(text, starts[i], strlen(starts[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void csv_text(FILE *file, const char *text)
{
    (void)fputs(is_formula(text) ? "'" : "", file);
    for (size_t len = 0; *text != '\0'; text += len) {
        len = character_len(text);
        (void)fputs(*text == '"' ? "\"" : "", file);
        (void)put_character(file, text, len);
    }
}

static void csv_cell(FILE *file, const char *text, enum ph_table_kind kind)
{
    bool quote = strpbrk(text, ",;\"\n") != NULL;
    (void)fputs(quote ? "\"" : "", file);
    if (kind == PH_TABLE_WORD) {
        csv_text(file, text);
    } else {
        (void)fputs(text, file);
    }
    (void)fputs(quote ? "\"" : "", file);
}

static void csv_row(const struct ph_table *table, const char *const *cells)
{
    for (size_t i = 0; table->columns[i].name != NULL; i++) {
        (void)fputs(i > 0 ? "," : "", table->file);
        csv_cell(table->file, cells[i] != NULL ? cells[i] : "", table->columns[i].kind);
    }
    (void)fputc('\n', table->file);
}

/* ---- table ---- */

/* The last column is not padded. */
static void text_row(const struct ph_table *table, const char *const *cells)
{
    size_t pad = 0;
    for (size_t i = 0; table->columns[i].name != NULL; i++) {
        const struct ph_table_column *column = &table->columns[i];
        if (column->title == NULL) {
            continue;
        }
        for (; pad > 0; pad--) {
            (void)fputc(' ', table->file);
        }
        const char *cell = cells != NULL ? cells[i] : column->title;
        size_t width = put_plain(table->file, cell != NULL && cell[0] != '\0' ? cell : "-");
        size_t room = (size_t)column->width;
        pad = width < room ? room - width + 1 : 1;
    }
    (void)fputc('\n', table->file);
}

void ph_table_begin(struct ph_table *table)
{
    table->rows = 0;
    if (table->format == PH_TABLE_TEXT) {
        text_row(table, NULL);
    }
    for (size_t i = 0; table->format == PH_TABLE_CSV && table->columns[i].name != NULL; i++) {
        (void)fprintf(table->file, "%s%s", i > 0 ? "," : "", table->columns[i].name);
    }
    (void)fputs(table->format == PH_TABLE_CSV ? "\n" : "", table->file);
}

void ph_table_row(struct ph_table *table, const char *const *cells)
{
    static void (*const print[])(const struct ph_table *, const char *const *) = {
        [PH_TABLE_TEXT] = text_row, [PH_TABLE_CSV] = csv_row, [PH_TABLE_JSON] = json_row};
    print[table->format](table, cells);
    table->rows++;
}

void ph_table_end(struct ph_table *table)
{
    if (table->format == PH_TABLE_JSON) {
        (void)fputs(table->rows > 0 ? "\n]\n" : "[]\n", table->file);
    }
}
