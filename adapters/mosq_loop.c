#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "adapters/mosq_internal.h"
#include "base/clock.h"

enum { EVENTS_MAX = 256, KEEP_ALIVE_NS = 1000000000 };

struct ph_mosq_loop {
    struct ph_mosq *all;
    int epoll_fd;
    int timer_fd;
    int64_t keep_alive_ns; /* when the connections were last looked after */
};

enum ph_err ph_mosq_loop_new(struct ph_mosq_loop **out, struct ph_error *error)
{
    struct ph_mosq_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL) {
        return ph_error_set(error, PH_ERR_MEMORY, "loop: no memory");
    }
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (loop->epoll_fd < 0 || loop->timer_fd < 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->timer_fd, &event) != 0) {
        enum ph_err err = ph_error_set_errno(error, errno, "loop: epoll, timerfd");
        ph_mosq_loop_free(&loop);
        return err;
    }
    *out = loop;
    return PH_OK;
}

void ph_mosq_loop_free(struct ph_mosq_loop **loop)
{
    if (loop == NULL || *loop == NULL) {
        return;
    }
    if ((*loop)->epoll_fd >= 0) {
        (void)close((*loop)->epoll_fd);
    }
    if ((*loop)->timer_fd >= 0) {
        (void)close((*loop)->timer_fd);
    }
    free(*loop);
    *loop = NULL;
}

void ph_mosq_loop_join(struct ph_mosq_loop *loop, struct ph_mosq *mosq)
{
    mosq->loop = loop;
    mosq->next = loop->all;
    if (loop->all != NULL) {
        loop->all->previous = mosq;
    }
    loop->all = mosq;
}

void ph_mosq_loop_leave(struct ph_mosq *mosq)
{
    if (mosq->next != NULL) {
        mosq->next->previous = mosq->previous;
    }
    if (mosq->previous != NULL) {
        mosq->previous->next = mosq->next;
    } else {
        mosq->loop->all = mosq->next;
    }
}

static bool control(struct ph_mosq *mosq, int operation, int socket, uint32_t interest)
{
    struct epoll_event event = {.events = interest, .data.ptr = mosq};
    mosq->interest = interest;
    return epoll_ctl(mosq->loop->epoll_fd, operation, socket, &event) == 0;
}

bool ph_mosq_loop_add(struct ph_mosq *mosq, int socket, uint32_t interest)
{
    return control(mosq, EPOLL_CTL_ADD, socket, interest);
}

bool ph_mosq_loop_change(struct ph_mosq *mosq, int socket, uint32_t interest)
{
    return control(mosq, EPOLL_CTL_MOD, socket, interest);
}

void ph_mosq_loop_remove(struct ph_mosq *mosq, int socket)
{
    if (socket >= 0) {
        (void)control(mosq, EPOLL_CTL_DEL, socket, 0);
    }
}

/* Setting the timer also takes back an expiry that nobody has read. */
static bool set_timer(const struct ph_mosq_loop *loop, int64_t until_ns)
{
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)(until_ns / 1000000000),
                                  .tv_nsec = (long)(until_ns % 1000000000)}};
    return timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0;
}

static void look_after_all(struct ph_mosq_loop *loop, int64_t now_ns)
{
    if (now_ns - loop->keep_alive_ns < KEEP_ALIVE_NS) {
        return;
    }
    loop->keep_alive_ns = now_ns;
    for (struct ph_mosq *mosq = loop->all; mosq != NULL; mosq = mosq->next) {
        ph_mosq_keep_alive(mosq, now_ns / 1000000);
    }
}

enum ph_err ph_mosq_loop_turn(struct ph_mosq_loop *loop, int64_t until_ns, struct ph_error *error)
{
    struct epoll_event events[EVENTS_MAX];
    const int64_t now_ns = ph_clock_monotonic_ns();
    const int64_t next_ns = loop->keep_alive_ns + KEEP_ALIVE_NS;
    const int64_t wake_ns = until_ns < next_ns ? until_ns : next_ns;
    const bool waits = wake_ns > now_ns;
    if (waits && !set_timer(loop, wake_ns)) {
        return ph_error_set_errno(error, errno, "loop: timerfd");
    }
    const int count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, waits ? -1 : 0);
    if (count < 0 && errno != EINTR) {
        return ph_error_set_errno(error, errno, "loop: epoll");
    }
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr != NULL) {
            ph_mosq_dispatch(events[i].data.ptr, events[i].events);
        }
    }
    look_after_all(loop, ph_clock_monotonic_ns());
    return PH_OK;
}

/* 0, or what errno says of the attempt to connect. */
static int wait_for_answer(int fd, const struct addrinfo *address, int timeout_ms)
{
    int errnum = 0;
    socklen_t len = sizeof errnum;
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS) {
        return errno;
    }
    if (poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, timeout_ms) != 1) {
        return ETIMEDOUT;
    }
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len) == 0 ? errnum : errno;
}

static bool answers(const struct addrinfo *address, int timeout_ms, int *errnum)
{
    int fd = socket(
        address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, address->ai_protocol);
    *errnum = fd < 0 ? errno : wait_for_answer(fd, address, timeout_ms);
    if (fd >= 0) {
        (void)close(fd);
    }
    return *errnum == 0;
}

/* libmosquitto goes no further than the first address of the family. */
static enum ph_err try_addresses(const struct addrinfo *addresses, const char *host, uint16_t port,
    int timeout_ms, enum ph_mosq_family *family, struct ph_error *error)
{
    bool tried_4 = false;
    bool tried_6 = false;
    int errnum = EHOSTUNREACH;
    for (const struct addrinfo *a = addresses; a != NULL; a = a->ai_next) {
        bool *tried = a->ai_family == AF_INET ? &tried_4 : &tried_6;
        if (!*tried && (a->ai_family == AF_INET || a->ai_family == AF_INET6)) {
            *tried = true;
            if (answers(a, timeout_ms, &errnum)) {
                *family = a == addresses            ? PH_MOSQ_ANY
                          : a->ai_family == AF_INET ? PH_MOSQ_IPV4
                                                    : PH_MOSQ_IPV6;
                return PH_OK;
            }
        }
    }
    (void)ph_error_set_errno(error, errnum, "%s:%u", host, (unsigned)port);
    if (error != NULL) {
        error->code = PH_ERR_UNAVAILABLE;
    }
    return PH_ERR_UNAVAILABLE;
}

enum ph_err ph_mosq_probe(const char *host, uint16_t port, int timeout_ms,
    enum ph_mosq_family *family, struct ph_error *error)
{
    char service[8];
    struct addrinfo *addresses = NULL;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    (void)snprintf(service, sizeof service, "%u", (unsigned)port);
    const int rc = getaddrinfo(host, service, &hints, &addresses);
    if (rc != 0) {
        return ph_error_set(error, PH_ERR_UNAVAILABLE, "%s: %s", host, gai_strerror(rc));
    }
    enum ph_err err = try_addresses(addresses, host, port, timeout_ms, family, error);
    freeaddrinfo(addresses);
    return err;
}
