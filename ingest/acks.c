#include "ingest/acks.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "ingest/marks.h"

enum { ACK_BYTES_MAX = 8192 };

#define KEY_BYTES (PH_IDENTITY_BYTES + sizeof(uint64_t))

struct pending {
    struct ph_identity identity;
    uint64_t stream;
    struct ph_marks touched;
    size_t key_len;
    char key[KEY_BYTES];
};

struct ph_acks {
    struct ph_map *pending; /* in the order of the first message */
};

struct ph_acks *ph_acks_new(void)
{
    struct ph_acks *acks = calloc(1, sizeof *acks);
    if (acks == NULL || (acks->pending = ph_map_new()) == NULL) {
        free(acks);
        return NULL;
    }
    return acks;
}

static void free_pending(struct pending *pending)
{
    ph_marks_fini(&pending->touched);
    free(pending);
}

/* The first of the list, the caller's now; NULL when there is none. */
static struct pending *take_oldest(struct ph_acks *acks)
{
    struct pending *oldest = ph_map_oldest(acks->pending);
    return oldest != NULL ? ph_map_remove(acks->pending, oldest->key, oldest->key_len) : NULL;
}

void ph_acks_free(struct ph_acks **acks)
{
    if (*acks == NULL) {
        return;
    }
    struct pending *pending = NULL;
    while ((pending = take_oldest(*acks)) != NULL) {
        free_pending(pending);
    }
    ph_map_free(&(*acks)->pending);
    free(*acks);
    *acks = NULL;
}

static struct pending *add_pending(struct ph_acks *acks, const struct ph_identity *identity,
    uint64_t stream, const char *key, size_t key_len)
{
    struct pending *pending = calloc(1, sizeof *pending);
    if (pending == NULL) {
        return NULL;
    }
    pending->identity = *identity;
    pending->stream = stream;
    memcpy(pending->key, key, key_len);
    pending->key_len = key_len;
    if (ph_map_put(acks->pending, key, key_len, pending) != PH_OK) {
        free(pending);
        return NULL;
    }
    return pending;
}

void ph_acks_add(struct ph_acks *acks, const struct ph_identity *identity, uint64_t stream,
    int64_t first, int64_t last)
{
    char key[KEY_BYTES];
    ph_identity_print(key, PH_IDENTITY_BYTES, identity);
    size_t key_len = strlen(key) + 1;
    memcpy(&key[key_len], &stream, sizeof stream);
    key_len += sizeof stream;
    struct pending *pending = ph_map_get(acks->pending, key, key_len);
    if (pending == NULL) {
        pending = add_pending(acks, identity, stream, key, key_len);
    }
    if (pending != NULL) {
        (void)!ph_marks_add(&pending->touched, first, last, NULL);
    }
}

static void send_one(const struct pending *pending, const struct ph_ack *ack, struct ph_buf *buf,
    ph_ack_send *send, void *context)
{
    ph_buf_reset(buf);
    if (ph_ack_encode(ack, buf) == PH_OK) {
        send(context, &pending->identity, buf->data, buf->len);
    }
}

static size_t send_all(const struct pending *pending, struct ph_store *store, struct ph_buf *buf,
    ph_ack_send *send, void *context)
{
    size_t sent = 0;
    size_t done = 0;
    do {
        struct ph_ack ack = {0};
        size_t used = 0;
        if (ph_store_acks(store, &pending->identity, pending->stream,
                pending->touched.count > done ? &pending->touched.beyond[done] : NULL,
                pending->touched.count - done, &ack, &used, NULL) != PH_OK) {
            break;
        }
        send_one(pending, &ack, buf, send, context);
        sent++;
        done += used;
    } while (done < pending->touched.count);
    return sent;
}

size_t ph_acks_flush(struct ph_acks *acks, struct ph_store *store, ph_ack_send *send, void *context)
{
    struct ph_buf buf;
    ph_buf_init(&buf, ACK_BYTES_MAX);
    size_t sent = 0;
    struct pending *pending = NULL;
    while ((pending = take_oldest(acks)) != NULL) {
        sent += send_all(pending, store, &buf, send, context);
        free_pending(pending);
    }
    ph_buf_fini(&buf);
    return sent;
}
