#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define HASH_NONFATAL_OOM              1
#define HASH_FUNCTION(key, len, value) (value) = ph_hash((key), (len))
#include <uthash.h>

/* uthash is macros of a hundred lines: what is measured below is their size, not ours. */
/* NOLINTBEGIN(readability-function-size,readability-function-cognitive-complexity) */

struct entry {
    UT_hash_handle hh;
    void *value;
    size_t len;
    char key[];
};

struct ph_map {
    struct entry *entries;
};

static struct entry *find(const struct ph_map *map, const void *key, size_t len)
{
    struct entry *entry = NULL;
    HASH_FIND(hh, map->entries, key, (unsigned)len, entry);
    return entry;
}

/* False when out of memory; the entry is then in no table. */
static bool link_entry(struct ph_map *map, struct entry *entry)
{
    HASH_ADD_KEYPTR(hh, map->entries, entry->key, (unsigned)entry->len, entry);
    return entry->hh.tbl != NULL;
}

static void unlink_entry(struct ph_map *map, struct entry *entry)
{
    HASH_DEL(map->entries, entry);
}

/* NOLINTEND(readability-function-size,readability-function-cognitive-complexity) */

struct ph_map *ph_map_new(void)
{
    return calloc(1, sizeof(struct ph_map));
}

void ph_map_free_values(struct ph_map **map, void (*free_value)(void *value))
{
    if (*map == NULL) {
        return;
    }
    struct entry *entry = (*map)->entries;
    while (entry != NULL) {
        struct entry *next = entry->hh.next;
        unlink_entry(*map, entry);
        if (free_value != NULL) {
            free_value(entry->value);
        }
        free(entry);
        entry = next;
    }
    free(*map);
    *map = NULL;
}

void ph_map_free(struct ph_map **map)
{
    ph_map_free_values(map, NULL);
}

void *ph_map_get(const struct ph_map *map, const void *key, size_t len)
{
    const struct entry *entry = find(map, key, len);
    return entry != NULL ? entry->value : NULL;
}

enum ph_err ph_map_put(struct ph_map *map, const void *key, size_t len, void *value)
{
    struct entry *entry = calloc(1, sizeof *entry + len);
    if (entry == NULL) {
        return PH_ERR_MEMORY;
    }
    entry->value = value;
    entry->len = len;
    memcpy(entry->key, key, len);
    if (!link_entry(map, entry)) {
        free(entry);
        return PH_ERR_MEMORY;
    }
    return PH_OK;
}

void *ph_map_replace(struct ph_map *map, const void *key, size_t len, void *value)
{
    struct entry *entry = find(map, key, len);
    void *old = NULL;
    if (entry != NULL) {
        old = entry->value;
        entry->value = value;
    }
    return old;
}

void *ph_map_remove(struct ph_map *map, const void *key, size_t len)
{
    struct entry *entry = find(map, key, len);
    if (entry == NULL) {
        return NULL;
    }
    void *value = entry->value;
    unlink_entry(map, entry);
    free(entry);
    return value;
}

bool ph_map_renew(struct ph_map *map, const void *key, size_t len)
{
    struct entry *entry = find(map, key, len);
    if (entry == NULL) {
        return false;
    }
    if (entry->hh.next == NULL) {
        return true;
    }
    unlink_entry(map, entry);
    if (!link_entry(map, entry)) {
        free(entry);
        return false;
    }
    return true;
}

void *ph_map_oldest(const struct ph_map *map)
{
    return map->entries != NULL ? map->entries->value : NULL;
}

size_t ph_map_count(const struct ph_map *map)
{
    return map->entries != NULL ? map->entries->hh.tbl->num_items : 0;
}
