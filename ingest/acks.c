#include "ingest/acks.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "ingest/store/marks.h"

enum { ACK_BYTES_MAX = 8192 };

#define KEY_BYTES (PH_IDENTITY_BYTES + sizeof(uint64_t))

/* A stream that waits, or was acknowledged within the last interval. */
struct stream {
    struct ph_identity identity;
    uint64_t stream;
    struct ph_marks touched;
    int64_t asked; /* the last question; 0: none */
    int64_t due_ms;
    struct stream *next; /* in the queue of those that wait */
    bool waits;
    size_t key_len;
    char key[KEY_BYTES];
};

struct ph_acks {
    int64_t interval_ms;
    struct ph_map *streams; /* those that wait for nothing in the order of their acknowledgement */
    struct stream *first;   /* queue of those that wait */
    struct stream *last;
    size_t waiting;
    int64_t due_ms;
};

struct ph_acks *ph_acks_new(int64_t interval_ms)
{
    struct ph_acks *acks = calloc(1, sizeof *acks);
    if (acks == NULL || (acks->streams = ph_map_new()) == NULL) {
        free(acks);
        return NULL;
    }
    acks->interval_ms = interval_ms;
    acks->due_ms = INT64_MAX;
    return acks;
}

static void free_stream(void *value)
{
    struct stream *stream = value;
    ph_marks_fini(&stream->touched);
    free(stream);
}

void ph_acks_free(struct ph_acks **acks)
{
    if (*acks == NULL) {
        return;
    }
    ph_map_free_values(&(*acks)->streams, free_stream);
    free(*acks);
    *acks = NULL;
}

void ph_acks_set_interval(struct ph_acks *acks, int64_t interval_ms)
{
    acks->interval_ms = interval_ms;
}

static struct stream *add_stream(struct ph_acks *acks, const struct ph_identity *identity,
    uint64_t number, const char *key, size_t key_len)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        return NULL;
    }
    stream->identity = *identity;
    stream->stream = number;
    memcpy(stream->key, key, key_len);
    stream->key_len = key_len;
    if (ph_map_put(acks->streams, key, key_len, stream) != PH_OK) {
        free(stream);
        return NULL;
    }
    return stream;
}

static struct stream *find_or_add(
    struct ph_acks *acks, const struct ph_identity *identity, uint64_t number)
{
    char key[KEY_BYTES];
    ph_identity_print(key, PH_IDENTITY_BYTES, identity);
    size_t key_len = strlen(key) + 1;
    memcpy(&key[key_len], &number, sizeof number);
    key_len += sizeof number;
    struct stream *stream = ph_map_get(acks->streams, key, key_len);
    return stream != NULL ? stream : add_stream(acks, identity, number, key, key_len);
}

static void enqueue(struct ph_acks *acks, struct stream *stream)
{
    stream->next = NULL;
    if (acks->last != NULL) {
        acks->last->next = stream;
    } else {
        acks->first = stream;
    }
    acks->last = stream;
    acks->due_ms = stream->due_ms < acks->due_ms ? stream->due_ms : acks->due_ms;
}

void ph_acks_add(struct ph_acks *acks, const struct ph_identity *identity, uint64_t stream,
    int64_t first, int64_t last)
{
    struct stream *found = find_or_add(acks, identity, stream);
    if (found == NULL) {
        return;
    }
    if (first <= last) {
        (void)!ph_marks_add(&found->touched, first, last, NULL);
    } else {
        found->asked = first;
    }
    if (!found->waits) {
        found->waits = true;
        acks->waiting++;
        enqueue(acks, found);
    }
}

static void send_one(const struct stream *stream, const struct ph_ack *ack, struct ph_buf *buf,
    ph_ack_send *send, void *context)
{
    ph_buf_reset(buf);
    if (ph_ack_encode(ack, buf) == PH_OK) {
        send(context, &stream->identity, buf->data, buf->len);
    }
}

/* An acknowledgement of its own: it says how far the stream goes, whatever was touched besides. */
static size_t answer(const struct stream *stream, struct ph_store *store, struct ph_buf *buf,
    ph_ack_send *send, void *context)
{
    struct ph_ack ack = {0};
    size_t used = 0;
    if (ph_store_acks(store, &stream->identity, stream->stream, NULL, 0, &ack, &used, NULL) !=
        PH_OK) {
        return 0;
    }
    ack.asked = stream->asked;
    send_one(stream, &ack, buf, send, context);
    return 1;
}

static size_t send_all(const struct stream *stream, struct ph_store *store, struct ph_buf *buf,
    ph_ack_send *send, void *context)
{
    size_t done = 0;
    size_t sent = stream->asked != 0 ? answer(stream, store, buf, send, context) : 0;
    if (sent > 0 && stream->touched.count == 0) {
        return sent;
    }
    do {
        struct ph_ack ack = {0};
        size_t used = 0;
        if (ph_store_acks(store, &stream->identity, stream->stream,
                stream->touched.count > done ? &stream->touched.beyond[done] : NULL,
                stream->touched.count - done, &ack, &used, NULL) != PH_OK) {
            break;
        }
        send_one(stream, &ack, buf, send, context);
        sent++;
        done += used;
    } while (done < stream->touched.count);
    return sent;
}

/* Nothing waits any more; remembered until the interval is over, so that the next one waits. */
static void settle(struct ph_acks *acks, struct stream *stream, int64_t now_ms)
{
    ph_marks_fini(&stream->touched);
    stream->asked = 0;
    stream->waits = false;
    stream->due_ms = now_ms + acks->interval_ms;
    acks->waiting--;
    if (!ph_map_renew(acks->streams, stream->key, stream->key_len)) {
        free(stream);
    }
}

/* Those acknowledged longest ago come first in the map; one that waits stops the search, and stands
 * there no longer than its interval. */
static void forget_old(struct ph_acks *acks, int64_t now_ms)
{
    struct stream *oldest = NULL;
    while ((oldest = ph_map_oldest(acks->streams)) != NULL && !oldest->waits &&
           oldest->due_ms <= now_ms) {
        (void)ph_map_remove(acks->streams, oldest->key, oldest->key_len);
        free_stream(oldest);
    }
}

size_t ph_acks_flush(struct ph_acks *acks, struct ph_store *store, int64_t now_ms, bool all,
    size_t max, ph_ack_send *send, void *context)
{
    struct ph_buf buf;
    ph_buf_init(&buf, ACK_BYTES_MAX);
    size_t sent = 0;
    struct stream *stream = acks->first;
    if (!all && acks->due_ms > now_ms) {
        forget_old(acks, now_ms);
        return 0;
    }
    acks->first = acks->last = NULL;
    acks->due_ms = INT64_MAX;
    while (stream != NULL) {
        struct stream *next = stream->next;
        if (max > 0 && (all || stream->due_ms <= now_ms)) {
            sent += send_all(stream, store, &buf, send, context);
            settle(acks, stream, now_ms);
            max--;
        } else {
            enqueue(acks, stream);
        }
        stream = next;
    }
    forget_old(acks, now_ms);
    ph_buf_fini(&buf);
    return sent;
}

int64_t ph_acks_due_ms(const struct ph_acks *acks)
{
    return acks->due_ms;
}

size_t ph_acks_waiting(const struct ph_acks *acks)
{
    return acks->waiting;
}
