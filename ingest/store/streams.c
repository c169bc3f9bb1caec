#include "ingest/store/streams.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"

/* Bounds on what is kept in memory between transactions: 60 MB of rows and 16 MB of ranges. */
enum { CACHED_STREAMS_MAX = 65536, CACHED_RANGES_MAX = 1048576 };

#define KEY_BYTES (PH_IDENTITY_BYTES + 1 + sizeof(uint64_t))

struct cached_stream {
    struct ph_stream_row row; /* first: a pointer to it is a pointer to this */
    size_t key_len;
    char key[];
};

struct ph_streams {
    struct ph_map *map; /* the least recently used come first, roughly */
    struct ph_stream_row *dirty;
    size_t cached_ranges; /* of rows that are not dirty */
};

static size_t add_text(char *key, size_t len, const char *text)
{
    size_t bytes = strlen(text) + 1;
    memcpy(&key[len], text, bytes);
    return len + bytes;
}

/* Tenant, kind and device, each terminated, 1 for plain, 8 bytes of stream. */
static size_t make_key(
    char key[KEY_BYTES], const struct ph_identity *identity, bool plain, uint64_t stream)
{
    size_t len = add_text(key, 0, identity->tenant);
    len = add_text(key, len, identity->kind);
    len = add_text(key, len, identity->device);
    key[len++] = plain ? 1 : 0;
    stream = plain ? 0 : stream;
    memcpy(&key[len], &stream, sizeof stream);
    return len + sizeof stream;
}

static void free_cached(void *cached)
{
    ph_marks_fini(&((struct cached_stream *)cached)->row.marks);
    free(cached);
}

struct ph_streams *ph_streams_new(void)
{
    struct ph_streams *streams = calloc(1, sizeof *streams);
    if (streams != NULL && (streams->map = ph_map_new()) == NULL) {
        free(streams);
        streams = NULL;
    }
    return streams;
}

void ph_streams_free(struct ph_streams **streams)
{
    if (*streams != NULL) {
        ph_map_free_values(&(*streams)->map, free_cached);
        free(*streams);
        *streams = NULL;
    }
}

struct ph_stream_row *ph_streams_find(
    struct ph_streams *streams, const struct ph_identity *identity, bool plain, uint64_t stream)
{
    char key[KEY_BYTES];
    struct cached_stream *cached =
        ph_map_get(streams->map, key, make_key(key, identity, plain, stream));
    if (cached == NULL) {
        return NULL;
    }
    cached->row.used = true;
    return &cached->row;
}

enum ph_err ph_streams_add(struct ph_streams *streams, const struct ph_identity *identity,
    bool plain, uint64_t stream, const struct ph_stream_row *row, struct ph_stream_row **out,
    struct ph_error *error)
{
    char key[KEY_BYTES];
    size_t key_len = make_key(key, identity, plain, stream);
    struct cached_stream *cached = calloc(1, sizeof *cached + key_len);
    if (cached == NULL || ph_map_put(streams->map, key, key_len, cached) != PH_OK) {
        free(cached);
        return ph_error_set(error, PH_ERR_MEMORY, "streams: out of memory");
    }
    memcpy(cached->key, key, key_len);
    cached->key_len = key_len;
    cached->row = *row;
    cached->row.used = true;
    cached->row.dirty = false;
    streams->cached_ranges += row->marks.count;
    if (row->fresh) {
        ph_streams_touch(streams, &cached->row);
    }
    *out = &cached->row;
    return PH_OK;
}

void ph_streams_touch(struct ph_streams *streams, struct ph_stream_row *row)
{
    if (!row->dirty) {
        row->dirty = true;
        row->next_dirty = streams->dirty;
        streams->dirty = row;
        streams->cached_ranges -= row->marks.count;
    }
}

struct ph_stream_row *ph_streams_dirty(struct ph_streams *streams)
{
    return streams->dirty;
}

static void forget(struct ph_streams *streams, struct cached_stream *cached)
{
    (void)ph_map_remove(streams->map, cached->key, cached->key_len);
    free_cached(cached);
}

/* Drops the oldest, unless it was used since its last turn: then it goes to the end of the line. */
static void trim_one(struct ph_streams *streams)
{
    struct cached_stream *oldest = ph_map_oldest(streams->map);
    if (oldest->row.used) {
        oldest->row.used = false;
        if (ph_map_renew(streams->map, oldest->key, oldest->key_len)) {
            return;
        }
    }
    streams->cached_ranges -= oldest->row.marks.count;
    forget(streams, oldest);
}

void ph_streams_committed(struct ph_streams *streams)
{
    for (struct ph_stream_row *row = streams->dirty; row != NULL; row = row->next_dirty) {
        row->dirty = false;
        row->fresh = false;
        row->skew_measured = false;
        streams->cached_ranges += row->marks.count;
    }
    streams->dirty = NULL;
    while (ph_map_count(streams->map) > CACHED_STREAMS_MAX ||
           streams->cached_ranges > CACHED_RANGES_MAX) {
        trim_one(streams);
    }
}

void ph_streams_forget_dirty(struct ph_streams *streams)
{
    while (streams->dirty != NULL) {
        struct cached_stream *cached = (struct cached_stream *)streams->dirty;
        streams->dirty = cached->row.next_dirty;
        forget(streams, cached);
    }
}

void ph_streams_forget_all(struct ph_streams *streams)
{
    struct cached_stream *cached = NULL;
    while ((cached = ph_map_oldest(streams->map)) != NULL) {
        forget(streams, cached);
    }
    streams->dirty = NULL;
    streams->cached_ranges = 0;
}

enum ph_err ph_streams_check_count(int64_t streams, struct ph_error *error)
{
    return streams < PH_STORE_STREAMS_MAX
               ? PH_OK
               : ph_error_set(error, PH_ERR_LIMIT,
                     "device: streams: want at most %d; keep its spool from one start to the next, "
                     "or make its kind plain and send without stream and seq",
                     PH_STORE_STREAMS_MAX);
}
