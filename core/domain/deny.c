#include "domain/deny.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/text.h"
#include "domain/deny_parse.h"

/* Keys lie one behind the other in one block, each behind its length: a byte of kind, then what is
 * compared. Issuers are entries too, so that of the many serial numbers of one CA each names it in
 * four bytes. */
#define KIND_ISSUER 'n'
#define KEY_BYTES   (1 + PH_DENY_NAME_BYTES) /* the longest: an identity with its anchor */

struct key {
    size_t len;
    char bytes[KEY_BYTES];
};

struct entry {
    uint32_t key; /* where in `keys` */
    uint32_t line;
    uint32_t file;
};

/* Open addressing with linear probing, at most three quarters full. */
struct slot {
    uint32_t hash;
    uint32_t entry; /* counted from 1; 0: empty */
};

struct ph_deny_list {
    char **files;
    size_t file_count;
    char *keys;
    size_t keys_len;
    size_t keys_size;
    struct entry *entries;
    size_t entry_count; /* issuers included */
    size_t entry_size;
    struct slot *slots;
    size_t slot_count; /* 0 or a power of two */
    size_t count;      /* issuers excluded */
};

/* ---- keys ---- */

static void key_start(struct key *key, char kind)
{
    key->bytes[0] = kind;
    key->len = 1;
}

/* Only for what is known to fit. */
static void key_add(struct key *key, const void *bytes, size_t len)
{
    memcpy(key->bytes + key->len, bytes, len);
    key->len += len;
}

static void key_add_text(struct key *key, const char *text)
{
    key_add(key, text, strlen(text));
}

static void key_of_identity(
    struct key *key, enum ph_deny_kind kind, const char *anchor, const struct ph_identity *identity)
{
    key_start(key, (char)kind);
    if (anchor[0] != '\0') {
        key_add_text(key, anchor);
        key_add(key, ":", 1);
    }
    key_add_text(key, identity->tenant);
    key_add(key, "/", 1);
    key_add_text(key, identity->kind);
    key_add(key, "/", 1);
    key_add_text(key, identity->device);
}

static void key_of_serial(struct key *key, uint32_t issuer, const char *serial)
{
    key_start(key, (char)PH_DENY_SERIAL);
    key_add(key, &issuer, sizeof issuer);
    key_add_text(key, serial);
}

/* ---- the table ---- */

static bool entry_is(const struct ph_deny_list *list, uint32_t entry, const struct key *key)
{
    const char *at = list->keys + list->entries[entry].key;
    uint16_t len = 0;
    memcpy(&len, at, sizeof len);
    return len == key->len && memcmp(at + sizeof len, key->bytes, len) == 0;
}

/* The slot of the key, or the empty one where it belongs. There must be an empty one. */
static struct slot *find_slot(const struct ph_deny_list *list, const struct key *key, uint32_t hash)
{
    size_t mask = list->slot_count - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct slot *slot = &list->slots[i];
        if (slot->entry == 0 || (slot->hash == hash && entry_is(list, slot->entry - 1, key))) {
            return slot;
        }
    }
}

static const struct entry *find(const struct ph_deny_list *list, const struct key *key)
{
    if (list->slot_count == 0) {
        return NULL;
    }
    const struct slot *slot = find_slot(list, key, ph_hash(key->bytes, key->len));
    return slot->entry != 0 ? &list->entries[slot->entry - 1] : NULL;
}

static bool grow_slots(struct ph_deny_list *list)
{
    size_t count = list->slot_count == 0 ? 16 : 2 * list->slot_count;
    struct slot *slots = calloc(count, sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < list->slot_count; i++) {
        size_t at = list->slots[i].hash & (count - 1);
        while (list->slots[i].entry != 0 && slots[at].entry != 0) {
            at = (at + 1) & (count - 1);
        }
        if (list->slots[i].entry != 0) {
            slots[at] = list->slots[i];
        }
    }
    free(list->slots);
    list->slots = slots;
    list->slot_count = count;
    return true;
}

/* The array with room for `want` items, by half as much again each time; NULL, and the array as it
 * was, when out of memory. */
static void *grown(void *array, size_t *size, size_t want, size_t item)
{
    if (want <= *size) {
        return array;
    }
    size_t larger = *size + *size / 2;
    larger = larger < want ? want + 64 : larger;
    void *moved = realloc(array, larger * item);
    if (moved != NULL) {
        *size = larger;
    }
    return moved;
}

static bool reserve(struct ph_deny_list *list, size_t key_len)
{
    char *keys =
        grown(list->keys, &list->keys_size, list->keys_len + sizeof(uint16_t) + key_len, 1);
    if (keys == NULL) {
        return false;
    }
    list->keys = keys;
    struct entry *entries =
        grown(list->entries, &list->entry_size, list->entry_count + 1, sizeof *entries);
    if (entries == NULL) {
        return false;
    }
    list->entries = entries;
    return 4 * (list->entry_count + 1) <= 3 * list->slot_count || grow_slots(list);
}

/* The entry of that key, new when there is none; NULL when out of memory. All sizes stay within 32
 * bits: PH_LIMIT_POLICY_LISTS files of PH_LIMIT_DENY_BYTES are 1 GiB. */
static const struct entry *put(struct ph_deny_list *list, const struct key *key, struct entry place)
{
    if (!reserve(list, key->len)) {
        return NULL;
    }
    uint32_t hash = ph_hash(key->bytes, key->len);
    struct slot *slot = find_slot(list, key, hash);
    if (slot->entry == 0) {
        uint16_t len = (uint16_t)key->len;
        place.key = (uint32_t)list->keys_len;
        memcpy(list->keys + list->keys_len, &len, sizeof len);
        memcpy(list->keys + list->keys_len + sizeof len, key->bytes, key->len);
        list->keys_len += sizeof len + key->len;
        list->entries[list->entry_count++] = place;
        *slot = (struct slot){.hash = hash, .entry = (uint32_t)list->entry_count};
        list->count += key->bytes[0] != KIND_ISSUER ? 1 : 0;
    }
    return &list->entries[slot->entry - 1];
}

/* What growing left over. Failure leaves it where it is. */
static void shrink(struct ph_deny_list *list)
{
    char *keys = list->keys_len > 0 ? realloc(list->keys, list->keys_len) : NULL;
    list->keys = keys != NULL ? keys : list->keys;
    struct entry *entries =
        list->entry_count > 0 ? realloc(list->entries, list->entry_count * sizeof *entries) : NULL;
    list->entries = entries != NULL ? entries : list->entries;
}

/* ---- reading ---- */

struct reader {
    struct ph_deny_list *list;
    const char *name;
    uint32_t file;
    uint32_t line;
    struct ph_error *error;
};

static enum ph_err out_of_memory(const char *name, struct ph_error *error)
{
    return ph_error_set(error, PH_ERR_MEMORY, "%s: out of memory", name);
}

static enum ph_err add_line(struct reader *reader, const struct ph_deny_line *line)
{
    struct key key;
    struct entry place = {.line = reader->line, .file = reader->file};
    key_start(&key, (char)line->kind);
    if (line->kind == PH_DENY_SERIAL) {
        key_start(&key, KIND_ISSUER);
        key_add_text(&key, line->issuer);
        const struct entry *issuer = put(reader->list, &key, place);
        if (issuer == NULL) {
            return out_of_memory(reader->name, reader->error);
        }
        key_of_serial(&key, issuer->key, line->serial);
    } else if (line->kind == PH_DENY_KEY) {
        key_add(&key, line->key, sizeof line->key);
    } else {
        key_add_text(&key, line->name);
    }
    if (put(reader->list, &key, place) == NULL) {
        return out_of_memory(reader->name, reader->error);
    }
    return reader->list->count <= PH_LIMIT_DENY_ENTRIES
               ? PH_OK
               : ph_error_set(reader->error, PH_ERR_LIMIT,
                     "%s:%u: more than %d entries in all lists: revoke certificates by CRL "
                     "instead, and remove entries of expired ones",
                     reader->name, reader->line, PH_LIMIT_DENY_ENTRIES);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void trim(const char **text, size_t *len)
{
    while (*len > 0 && is_blank((*text)[*len - 1])) {
        --*len;
    }
    while (*len > 0 && is_blank(**text)) {
        ++*text;
        --*len;
    }
}

/* One line without its end. */
static enum ph_err read_line(struct reader *reader, const char *text, size_t len)
{
    static const char mark[] = "\xEF\xBB\xBF"; /* what some editors put in front of UTF-8 */
    if (reader->line == 1 && len >= strlen(mark) && memcmp(text, mark, strlen(mark)) == 0) {
        text += strlen(mark);
        len -= strlen(mark);
    }
    if (len > 0 && text[len - 1] == '\r') {
        len--;
    }
    if (!ph_text_clean(text, len)) {
        return ph_error_set(reader->error, PH_ERR_CONFIG,
            "%s:%u: a control character, or bytes that are not UTF-8: write plain text",
            reader->name, reader->line);
    }
    trim(&text, &len);
    if (len == 0 || text[0] == '#') {
        return PH_OK;
    }
    struct ph_deny_line line;
    struct ph_error fault = {0};
    if (ph_deny_line_parse(text, len, &line, &fault) != PH_OK) {
        return ph_error_set(
            reader->error, PH_ERR_CONFIG, "%s:%u: %s", reader->name, reader->line, fault.message);
    }
    return add_line(reader, &line);
}

static enum ph_err read_lines(struct reader *reader, const char *text, size_t len)
{
    const char *end = text + len;
    enum ph_err err = PH_OK;
    while (err == PH_OK && text < end) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        reader->line++;
        if (line_end == NULL) {
            return ph_error_set(reader->error, PH_ERR_CONFIG,
                "%s:%u: the last line has no newline, as if the file were still being written: "
                "end it with one, and replace the file by renaming a whole one over it",
                reader->name, reader->line);
        }
        err = read_line(reader, text, (size_t)(line_end - text));
        text = line_end + 1;
    }
    return err;
}

static enum ph_err read_bytes(struct ph_deny_list *list, const char *name, const char *text,
    size_t len, struct ph_error *error)
{
    if (len == 0) {
        return ph_error_set(error, PH_ERR_CONFIG,
            "%s:1: no bytes, as if the file were still being written: a list without entries "
            "needs a line, such as a comment",
            name);
    }
    if (len > PH_LIMIT_DENY_BYTES) {
        return ph_error_set(
            error, PH_ERR_LIMIT, "%s: larger than the %d bytes allowed", name, PH_LIMIT_DENY_BYTES);
    }
    char *copy = strdup(name);
    char **files =
        copy != NULL ? realloc(list->files, (list->file_count + 1) * sizeof *files) : NULL;
    if (files == NULL) {
        free(copy);
        return out_of_memory(name, error);
    }
    list->files = files;
    struct reader reader = {
        .list = list, .name = name, .file = (uint32_t)list->file_count, .error = error};
    list->files[list->file_count++] = copy;
    return read_lines(&reader, text, len);
}

static enum ph_err read_file(struct ph_deny_list *list, const char *path, struct ph_error *error)
{
    struct ph_buf text;
    ph_buf_init(&text, PH_LIMIT_DENY_BYTES);
    enum ph_err err = ph_file_load(path, &text, error);
    if (err == PH_OK) {
        err = read_bytes(list, path, text.data, text.len, error);
    }
    ph_buf_fini(&text);
    return err;
}

enum ph_err ph_deny_load(
    char *const *files, size_t count, struct ph_deny_list **out, struct ph_error *error)
{
    struct ph_deny_list *list = calloc(1, sizeof *list);
    if (list == NULL) {
        return out_of_memory("deny-list", error);
    }
    enum ph_err err = PH_OK;
    if (count > PH_LIMIT_POLICY_LISTS) {
        err = ph_error_set(error, PH_ERR_LIMIT, "deny-list: want at most %d files, have %zu",
            PH_LIMIT_POLICY_LISTS, count);
    }
    for (size_t i = 0; err == PH_OK && i < count; i++) {
        err = read_file(list, files[i], error);
    }
    if (err == PH_OK) {
        shrink(list);
        *out = list;
        list = NULL;
    }
    ph_deny_free(&list);
    return err;
}

enum ph_err ph_deny_parse(const char *name, const void *bytes, size_t len,
    struct ph_deny_list **out, struct ph_error *error)
{
    struct ph_deny_list *list = NULL;
    enum ph_err err = ph_deny_load(NULL, 0, &list, error);
    if (err == PH_OK) {
        err = read_bytes(list, name, bytes, len, error);
    }
    if (err == PH_OK) {
        shrink(list);
        *out = list;
        list = NULL;
    }
    ph_deny_free(&list);
    return err;
}

void ph_deny_free(struct ph_deny_list **list)
{
    if (list == NULL || *list == NULL) {
        return;
    }
    for (size_t i = 0; i < (*list)->file_count; i++) {
        free((*list)->files[i]);
    }
    free((*list)->files);
    free((*list)->keys);
    free((*list)->entries);
    free((*list)->slots);
    free(*list);
    *list = NULL;
}

/* ---- questions ---- */

size_t ph_deny_count(const struct ph_deny_list *list)
{
    return list->count;
}

static bool has(const struct ph_deny_list *list, const struct key *key, struct ph_deny_place *place)
{
    const struct entry *entry = find(list, key);
    if (entry != NULL && place != NULL) {
        *place = (struct ph_deny_place){.file = list->files[entry->file], .line = entry->line};
    }
    return entry != NULL;
}

static bool has_name(const struct ph_deny_list *list, enum ph_deny_kind kind,
    const struct ph_identity *identity, struct ph_deny_place *place)
{
    struct key key;
    if (identity->anchor[0] != '\0') {
        key_of_identity(&key, kind, identity->anchor, identity);
        if (has(list, &key, place)) {
            return true;
        }
    }
    key_of_identity(&key, kind, "", identity);
    return has(list, &key, place);
}

bool ph_deny_has_identity(const struct ph_deny_list *list, const struct ph_identity *identity,
    struct ph_deny_place *place)
{
    return has_name(list, PH_DENY_IDENTITY, identity, place);
}

bool ph_deny_has_quarantined(const struct ph_deny_list *list, const struct ph_identity *identity,
    struct ph_deny_place *place)
{
    return has_name(list, PH_DENY_QUARANTINE, identity, place);
}

bool ph_deny_has_serial(const struct ph_deny_list *list, const char *serial, const char *issuer,
    struct ph_deny_place *place)
{
    struct key key;
    size_t issuer_len = strlen(issuer);
    trim(&issuer, &issuer_len);
    if (issuer_len >= PH_DENY_ISSUER_BYTES || strlen(serial) >= PH_DENY_SERIAL_BYTES) {
        return false;
    }
    key_start(&key, KIND_ISSUER);
    key_add(&key, issuer, issuer_len);
    const struct entry *found = find(list, &key);
    if (found == NULL) {
        return false;
    }
    key_of_serial(&key, found->key, serial);
    return has(list, &key, place);
}

bool ph_deny_has_key(
    const struct ph_deny_list *list, const char *key_hash, struct ph_deny_place *place)
{
    struct key key;
    uint8_t hash[32];
    if (!ph_hex_decode(hash, sizeof hash, key_hash)) {
        return false;
    }
    key_start(&key, (char)PH_DENY_KEY);
    key_add(&key, hash, sizeof hash);
    return has(list, &key, place);
}
