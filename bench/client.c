#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/text.h"

enum {
    EVENTS_MAX = 256,
    IN_BYTES = 4096,
    IN_BYTES_MAX = 1 << 20,
    OUT_BYTES_MAX = 1 << 16,
    PACKET_BYTES_MAX = 1 << 17,
};

enum packet_type {
    CONNECT = 0x10,
    CONNACK = 0x20,
    PUBLISH = 0x30,
    PUBACK = 0x40,
    SUBSCRIBE = 0x82,
    SUBACK = 0x90,
    DISCONNECT = 0xE0,
};

struct ph_bench_client_loop {
    int epoll;
    uint8_t packet[PACKET_BYTES_MAX]; /* the one being made */
};

struct ph_bench_client {
    struct ph_bench_client_loop *loop;
    SSL_CTX *context;
    SSL *tls;
    int socket; /* -1: closed */
    int port;
    char id[256];
    const struct ph_bench_client_handlers *handlers;
    void *handler_context;
    bool secured; /* the handshake is through */
    bool closing; /* to be closed when the work at hand is done */
    uint32_t waits_for;
    uint16_t packet_id;
    uint8_t *in;
    size_t in_len;
    size_t in_size;
    uint8_t *out;
    size_t out_len;
    size_t out_size;
};

enum ph_err ph_bench_client_loop_new(struct ph_bench_client_loop **out, struct ph_error *error)
{
    struct ph_bench_client_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "clients: out of memory");
    }
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0) {
        free(loop);
        return ph_error_set_errno(error, errno, "epoll");
    }
    *out = loop;
    return PH_OK;
}

void ph_bench_client_loop_free(struct ph_bench_client_loop **loop)
{
    if (loop != NULL && *loop != NULL) {
        (void)close((*loop)->epoll);
        free(*loop);
        *loop = NULL;
    }
}

static void tell(struct ph_bench_client *client, enum ph_bench_client_event event, unsigned reason)
{
    if (client->handlers->event != NULL) {
        client->handlers->event(client, client->handler_context, event, reason);
    }
}

/* ---- the socket ---- */

static void wait_for(struct ph_bench_client *client, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = client};
    if (client->waits_for != events) {
        (void)epoll_ctl(client->loop->epoll, EPOLL_CTL_MOD, client->socket, &event);
        client->waits_for = events;
    }
}

static void drop(struct ph_bench_client *client)
{
    SSL_free(client->tls);
    client->tls = NULL;
    if (client->socket >= 0) {
        (void)close(client->socket);
    }
    client->socket = -1;
    client->secured = false;
    client->closing = false;
    client->waits_for = 0;
    client->in_len = 0;
    client->out_len = 0;
}

static void end(struct ph_bench_client *client)
{
    if (client->socket >= 0) {
        drop(client);
        tell(client, PH_BENCH_CLOSED, 0);
    }
}

/* What to wait for after an OpenSSL call that did not succeed; 0: the connection is lost. */
static uint32_t wanted(struct ph_bench_client *client, int result)
{
    int reason = SSL_get_error(client->tls, result);
    ERR_clear_error();
    switch (reason) {
    case SSL_ERROR_WANT_READ:
        return EPOLLIN;
    case SSL_ERROR_WANT_WRITE:
        return EPOLLIN | EPOLLOUT;
    default:
        return 0;
    }
}

static void keep_for_later(struct ph_bench_client *client, const uint8_t *bytes, size_t len)
{
    if (client->out_len + len > client->out_size) {
        size_t size = (client->out_len + len) * 2;
        uint8_t *larger = realloc(client->out, size);
        if (larger == NULL) {
            client->closing = true;
            return;
        }
        client->out = larger;
        client->out_size = size;
    }
    memcpy(client->out + client->out_len, bytes, len);
    client->out_len += len;
}

/* Writes what it can; returns how much. */
static size_t write_some(struct ph_bench_client *client, const uint8_t *bytes, size_t len)
{
    size_t done = 0;
    while (done < len && !client->closing) {
        int result = SSL_write(client->tls, bytes + done, (int)(len - done));
        if (result <= 0) {
            uint32_t events = wanted(client, result);
            client->closing = events == 0;
            if (events != 0) {
                wait_for(client, EPOLLIN | EPOLLOUT);
            }
            break;
        }
        done += (size_t)result;
    }
    return done;
}

static void send_packet(struct ph_bench_client *client, const uint8_t *bytes, size_t len)
{
    size_t done = 0;
    if (client->out_len == 0 && client->secured) {
        done = write_some(client, bytes, len);
    }
    if (done < len) {
        keep_for_later(client, bytes + done, len - done);
    }
}

static void flush(struct ph_bench_client *client)
{
    size_t done = write_some(client, client->out, client->out_len);
    client->out_len -= done;
    if (done > 0) {
        memmove(client->out, client->out + done, client->out_len);
    }
    if (client->out_len == 0 && !client->closing) {
        wait_for(client, EPOLLIN);
    }
}

/* ---- packets that are sent ---- */

struct writer {
    uint8_t *bytes;
    size_t len;
};

static void put_u8(struct writer *w, unsigned value)
{
    w->bytes[w->len++] = (uint8_t)value;
}

static void put_u16(struct writer *w, size_t value)
{
    put_u8(w, (unsigned)(value >> 8) & 0xFF);
    put_u8(w, (unsigned)value & 0xFF);
}

static void put_bytes(struct writer *w, const void *bytes, size_t len)
{
    memcpy(w->bytes + w->len, bytes, len);
    w->len += len;
}

static void put_text(struct writer *w, const char *text, size_t len)
{
    put_u16(w, len);
    put_bytes(w, text, len);
}

static void put_header(struct writer *w, unsigned type, size_t remaining)
{
    put_u8(w, type);
    do {
        unsigned digit = remaining % 128;
        remaining /= 128;
        put_u8(w, digit | (remaining > 0 ? 0x80U : 0U));
    } while (remaining > 0);
}

static struct writer begin(const struct ph_bench_client *client)
{
    return (struct writer){client->loop->packet, 0};
}

static void send_connect(struct ph_bench_client *client)
{
    static const uint8_t properties[] = {3, 0x21, 0xFF, 0xFF}; /* Receive Maximum */
    struct writer w = begin(client);
    size_t id_len = strlen(client->id);
    put_header(&w, CONNECT, 10 + sizeof properties + 2 + id_len);
    put_text(&w, "MQTT", 4);
    put_u8(&w, 5);
    put_u8(&w, 0x02); /* clean start */
    put_u16(&w, 0);   /* no keep alive */
    put_bytes(&w, properties, sizeof properties);
    put_text(&w, client->id, id_len);
    send_packet(client, w.bytes, w.len);
}

static uint16_t next_packet_id(struct ph_bench_client *client)
{
    client->packet_id = (uint16_t)(client->packet_id == UINT16_MAX ? 1 : client->packet_id + 1);
    return client->packet_id;
}

void ph_bench_client_subscribe(struct ph_bench_client *client, const char *filter, unsigned qos)
{
    struct writer w = begin(client);
    size_t len = strlen(filter);
    put_header(&w, SUBSCRIBE, 2 + 1 + 2 + len + 1);
    put_u16(&w, next_packet_id(client));
    put_u8(&w, 0); /* properties */
    put_text(&w, filter, len);
    put_u8(&w, qos);
    send_packet(client, w.bytes, w.len);
}

bool ph_bench_client_publish(struct ph_bench_client *client, const char *topic, const void *payload,
    size_t len, unsigned qos)
{
    struct writer w = begin(client);
    size_t topic_len = strlen(topic);
    if (!client->secured || client->closing || client->out_len > OUT_BYTES_MAX ||
        topic_len + len + 16 > PACKET_BYTES_MAX) {
        return false;
    }
    put_header(&w, PUBLISH | qos << 1, 2 + topic_len + (qos > 0 ? 2U : 0U) + 1 + len);
    put_text(&w, topic, topic_len);
    if (qos > 0) {
        put_u16(&w, next_packet_id(client));
    }
    put_u8(&w, 0); /* properties */
    put_bytes(&w, payload, len);
    send_packet(client, w.bytes, w.len);
    return true;
}

void ph_bench_client_disconnect(struct ph_bench_client *client)
{
    static const uint8_t packet[] = {DISCONNECT, 0};
    if (client->secured) {
        (void)write_some(client, packet, sizeof packet);
    }
    end(client);
}

/* ---- packets that are received ---- */

static size_t get_u16(const uint8_t *bytes)
{
    return (size_t)bytes[0] << 8 | bytes[1];
}

/* Reads a variable byte integer; returns its length, 0 when it is not complete. */
static size_t get_length(const uint8_t *bytes, size_t len, size_t *value)
{
    *value = 0;
    for (size_t i = 0; i < len && i < 4; i++) {
        *value |= (size_t)(bytes[i] & 0x7F) << (7 * i);
        if ((bytes[i] & 0x80) == 0) {
            return i + 1;
        }
    }
    return 0;
}

static void on_publish(
    struct ph_bench_client *client, unsigned flags, const uint8_t *body, size_t len)
{
    unsigned qos = flags >> 1 & 3;
    size_t at = 2 + get_u16(body);
    size_t id_at = at;
    size_t properties_len = 0;
    at += qos > 0 ? 2 : 0;
    if (at >= len) {
        client->closing = true;
        return;
    }
    at += get_length(body + at, len - at, &properties_len);
    struct ph_bench_client_message message = {(const char *)body + 2, get_u16(body),
        body + at + properties_len, len - at - properties_len, properties_len};
    if (at + properties_len > len) {
        client->closing = true;
        return;
    }
    if (qos > 0) { /* acknowledgements go out together when all that was read is handled */
        const uint8_t ack[] = {PUBACK, 2, body[id_at], body[id_at + 1]};
        keep_for_later(client, ack, sizeof ack);
    }
    if (client->handlers->message != NULL) {
        client->handlers->message(client, client->handler_context, &message);
    }
}

static void on_packet(
    struct ph_bench_client *client, unsigned first, const uint8_t *body, size_t len)
{
    size_t value = 0;
    switch (first & 0xF0) {
    case CONNACK:
        tell(client, PH_BENCH_CONNECTED, len >= 2 ? body[1] : 0xFF);
        break;
    case SUBACK:
        value = len > 3 ? 2 + get_length(body + 2, len - 2, &value) + value : len;
        tell(client, PH_BENCH_SUBSCRIBED, value < len ? body[value] : 0xFF);
        break;
    case PUBACK:
        tell(client, PH_BENCH_CONFIRMED, len >= 3 ? body[2] : 0);
        break;
    case PUBLISH:
        if (len >= 2) {
            on_publish(client, first & 0x0F, body, len);
        }
        break;
    case DISCONNECT:
        tell(client, PH_BENCH_DISCONNECTED, len >= 1 ? body[0] : 0);
        break;
    default:
        break;
    }
}

/* Handles every complete packet; returns how many bytes they took. */
static size_t handle_packets(struct ph_bench_client *client)
{
    size_t at = 0;
    while (client->in_len - at >= 2 && !client->closing && client->socket >= 0) {
        size_t body_len = 0;
        const uint8_t *packet = client->in + at;
        size_t header = 1 + get_length(packet + 1, client->in_len - at - 1, &body_len);
        if (header == 1 || header + body_len > client->in_len - at) {
            break;
        }
        on_packet(client, packet[0], packet + header, body_len);
        at += header + body_len;
    }
    return at;
}

static bool make_room(struct ph_bench_client *client)
{
    if (client->in_len < client->in_size) {
        return true;
    }
    size_t size = client->in_size == 0 ? IN_BYTES : client->in_size * 2;
    uint8_t *larger = size <= IN_BYTES_MAX ? realloc(client->in, size) : NULL;
    if (larger != NULL) {
        client->in = larger;
        client->in_size = size;
    }
    return larger != NULL;
}

static void receive(struct ph_bench_client *client)
{
    while (!client->closing && client->socket >= 0) {
        if (!make_room(client)) {
            client->closing = true;
            break;
        }
        int result = SSL_read(
            client->tls, client->in + client->in_len, (int)(client->in_size - client->in_len));
        if (result <= 0) {
            client->closing = wanted(client, result) == 0;
            break;
        }
        client->in_len += (size_t)result;
        size_t used = handle_packets(client);
        if (client->socket < 0) {
            return;
        }
        client->in_len -= used;
        memmove(client->in, client->in + used, client->in_len);
    }
    if (client->out_len > 0 && !client->closing && client->socket >= 0) {
        flush(client);
    }
}

static void shake_hands(struct ph_bench_client *client)
{
    int result = SSL_connect(client->tls);
    if (result == 1) {
        client->secured = true;
        send_connect(client);
        if (!client->closing) {
            receive(client); /* what came with the end of the handshake */
        }
        return;
    }
    uint32_t events = wanted(client, result);
    client->closing = events == 0;
    if (events != 0) {
        wait_for(client, events);
    }
}

void ph_bench_client_loop_run(struct ph_bench_client_loop *loop, int timeout_ms)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(loop->epoll, events, EVENTS_MAX, timeout_ms);
    for (int i = 0; i < count; i++) {
        struct ph_bench_client *client = events[i].data.ptr;
        if (client->socket < 0) { /* closed by the handler of another */
            continue;
        }
        if (!client->secured) {
            shake_hands(client);
        } else {
            if ((events[i].events & EPOLLOUT) != 0) {
                flush(client);
            }
            receive(client);
        }
        if (client->closing) {
            end(client);
        }
    }
}

/* ---- life ---- */

static enum ph_err load_certificate(
    struct ph_bench_client *client, const char *folder, struct ph_error *error)
{
    char cert[512];
    char key[512];
    (void)snprintf(cert, sizeof cert, "%s/cert.pem", folder);
    (void)snprintf(key, sizeof key, "%s/key.pem", folder);
    client->context = SSL_CTX_new(TLS_client_method());
    if (client->context == NULL || SSL_CTX_use_certificate_chain_file(client->context, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(client->context, key, SSL_FILETYPE_PEM) != 1) {
        ERR_clear_error();
        return ph_error_set(error, PH_ERR_NOT_FOUND, "%s: no usable cert.pem and key.pem", folder);
    }
    (void)SSL_CTX_set_session_cache_mode(client->context, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_mode(client->context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                                SSL_MODE_RELEASE_BUFFERS);
    return PH_OK;
}

enum ph_err ph_bench_client_new(struct ph_bench_client_loop *loop,
    const struct ph_bench_client_options *options, struct ph_bench_client **out,
    struct ph_error *error)
{
    struct ph_bench_client *client = calloc(1, sizeof *client);
    enum ph_err err = PH_OK;
    if (client == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "clients: out of memory");
    }
    client->loop = loop;
    client->socket = -1;
    client->port = options->port;
    client->handlers = options->handlers;
    client->handler_context = options->context;
    if (!ph_text_copy(client->id, sizeof client->id, options->client_id)) {
        err = ph_error_set(error, PH_ERR_LIMIT, "%s: too long for a client id", options->client_id);
    }
    if (err == PH_OK) {
        err = load_certificate(client, options->folder, error);
    }
    if (err == PH_OK) {
        *out = client;
        client = NULL;
    }
    ph_bench_client_free(&client);
    return err;
}

void ph_bench_client_free(struct ph_bench_client **client)
{
    if (client == NULL || *client == NULL) {
        return;
    }
    drop(*client);
    SSL_CTX_free((*client)->context);
    free((*client)->in);
    free((*client)->out);
    free(*client);
    *client = NULL;
}

static enum ph_err open_socket(struct ph_bench_client *client, struct ph_error *error)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
        .sin_port = htons((uint16_t)client->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    client->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->socket < 0) {
        return ph_error_set_errno(error, errno, "socket");
    }
    (void)setsockopt(client->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(client->socket, (const struct sockaddr *)&address, sizeof address) != 0 &&
        errno != EINPROGRESS) {
        return ph_error_set_errno(error, errno, "port %d", client->port);
    }
    return PH_OK;
}

enum ph_err ph_bench_client_connect(struct ph_bench_client *client, struct ph_error *error)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = client};
    enum ph_err err = open_socket(client, error);
    if (err == PH_OK) {
        client->tls = SSL_new(client->context);
        if (client->tls == NULL || SSL_set_fd(client->tls, client->socket) != 1) {
            err = ph_error_set(error, PH_ERR_MEMORY, "TLS: out of memory");
        }
    }
    if (err == PH_OK &&
        epoll_ctl(client->loop->epoll, EPOLL_CTL_ADD, client->socket, &event) != 0) {
        err = ph_error_set_errno(error, errno, "epoll");
    }
    if (err != PH_OK) {
        drop(client);
        return err;
    }
    client->waits_for = event.events;
    SSL_set_connect_state(client->tls);
    return PH_OK;
}
