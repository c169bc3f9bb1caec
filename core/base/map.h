/* A hash table from bytes to pointers that remembers the order of insertion (uthash inside, and
 * nowhere else). Keys are copied; values are the caller's. Seeded per process, because stream names
 * come from devices and must not be choosable so that they collide. One thread. */
#ifndef PH_BASE_MAP_H
#define PH_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct ph_map;

/* NULL when out of memory. */
struct ph_map *ph_map_new(void) PH_NODISCARD;

/* Accepts NULL; frees no value. */
void ph_map_free(struct ph_map **map);

/* The same, with every value given to `free_value`. */
void ph_map_free_values(struct ph_map **map, void (*free_value)(void *value));

/* The value of a key, or NULL. */
void *ph_map_get(const struct ph_map *map, const void *key, size_t len);

/* Adds at the end. The key must be new and the value not NULL. PH_ERR_MEMORY. */
enum ph_err ph_map_put(struct ph_map *map, const void *key, size_t len, void *value) PH_NODISCARD;

/* Gives a key that is there another value and returns the one it had; without memory, in the same
 * place of the order. NULL, and nothing changed, when there is no such key. */
void *ph_map_replace(struct ph_map *map, const void *key, size_t len, void *value);

/* Removes a key and returns its value, NULL when there is none. */
void *ph_map_remove(struct ph_map *map, const void *key, size_t len);

/* Moves a key to the end of the order. False when there is no such key, or none any more: without
 * memory it is removed, and the value is the caller's to free. */
bool ph_map_renew(struct ph_map *map, const void *key, size_t len);

/* The value added (or renewed) longest ago, NULL when the map is empty. */
void *ph_map_oldest(const struct ph_map *map);
size_t ph_map_count(const struct ph_map *map);

#endif
